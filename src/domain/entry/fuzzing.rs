//! What fuzz targets (`fuzz/`) and the replay of their corpora share for entries;
//! see `ledger::fuzzing`.
use super::{Leaf, Opening};

/// An opening: what was read is written so that it reads as the same; if it opens
/// its leaf, the leaf is written back byte for byte.
///
/// # Errors
/// A broken property; otherwise whether the input was accepted.
pub fn opening(data: &[u8]) -> Result<bool, String> {
    let Ok(read) = Opening::parse(data) else { return Ok(false) };
    if Opening::parse(read.to_json().as_bytes()).as_ref() != Ok(&read) {
        return Err(format!("parse(format) is not the opening that was read: {read:?}"));
    }
    if let Ok(leaf) = read.verify()
        && leaf.to_bytes().as_ref() != Ok(&read.leaf)
    {
        return Err(format!("format(parse) is not the leaf that was read: {leaf:?}"));
    }
    Ok(true)
}

/// A leaf: it has one spelling.
///
/// # Errors
/// A broken property; otherwise whether the input was accepted.
pub fn leaf(data: &[u8]) -> Result<bool, String> {
    let Ok(read) = Leaf::parse(data) else { return Ok(false) };
    if read.to_bytes().as_deref() != Ok(data) {
        return Err(format!("format(parse) is not the leaf that was read: {read:?}"));
    }
    Ok(true)
}
