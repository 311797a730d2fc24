//! Entry bundles (C2SP tlog-tiles, "Log entries"): up to 256 entries, each behind
//! its length as a big-endian u16.
use super::tile::TILE_WIDTH;

/// The longest entry: what a u16 length can say.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// What is wrong with a bundle or with an entry that should go into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    #[error("an entry of {bytes} bytes is longer than {ENTRY_BYTES_MAX}")]
    EntryTooLong { bytes: usize },
    #[error("the bundle ends inside entry {position}")]
    Truncated {
        /// Position within the bundle.
        position: u64,
    },
    #[error("the bundle holds {found} entries, not {expected}")]
    Count { found: u64, expected: u64 },
    #[error("the bundle holds more than {TILE_WIDTH} entries")]
    TooMany,
}

/// Appends one entry to a bundle under construction.
///
/// # Errors
/// [`BundleError::EntryTooLong`]; `bundle` is then unchanged.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong { bytes: entry.len() })?;
    bundle.reserve(2 + entry.len());
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// Cuts a bundle into its entries, none copied.
///
/// # Errors
/// [`BundleError::Truncated`], and [`BundleError::TooMany`] beyond 256 entries.
pub fn split_bundle(mut bundle: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::with_capacity(TILE_WIDTH as usize);
    while !bundle.is_empty() {
        if entries.len() as u64 == TILE_WIDTH {
            return Err(BundleError::TooMany);
        }
        let truncated = BundleError::Truncated { position: entries.len() as u64 };
        let (length, rest) = bundle.split_first_chunk::<2>().ok_or(truncated)?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(truncated)?;
        entries.push(entry);
        bundle = rest;
    }
    Ok(entries)
}

/// [`split_bundle`], and the bundle must hold exactly `width` entries.
pub(super) fn split_exactly(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let entries = split_bundle(bundle)?;
    if entries.len() != usize::from(width) {
        return Err(BundleError::Count { found: entries.len() as u64, expected: u64::from(width) });
    }
    Ok(entries)
}
