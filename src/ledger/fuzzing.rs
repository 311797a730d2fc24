//! What fuzz targets (`fuzz/`) and the replay of their corpora share: each takes
//! any bytes, says whether they were accepted, and reports a broken property as
//! an error.
use super::{Checkpoint, LogKey, Note, TilePath, TlogProof, Verifier, bundle::push_entry, split_bundle};

/// Whether the input was accepted; the error says which property does not hold.
pub type Outcome = Result<bool, String>;

fn same<T: PartialEq + std::fmt::Debug>(property: &str, left: &T, right: &T) -> Result<(), String> {
    if left == right { Ok(()) } else { Err(format!("{property}: {left:?} is not {right:?}")) }
}

/// A checkpoint's text: what was read is written so that it reads as the same,
/// can be signed, and opens again.
///
/// # Errors
/// A broken property.
pub fn checkpoint(data: &[u8]) -> Outcome {
    let Some(read) = std::str::from_utf8(data).ok().and_then(|text| Checkpoint::parse(text).ok()) else { return Ok(false) };
    same("parse(format)", &Checkpoint::parse(&read.body()), &Ok(read.clone()))?;
    if let Ok(key) = LogKey::new(&read.origin, &[7; 32]) {
        let note = read.sign(&key).map_err(|e| format!("a checkpoint that was read cannot be signed: {e}"))?;
        same("open(sign)", &Checkpoint::open(&note, &key.verifier()), &Ok(read))?;
    }
    Ok(true)
}

/// A note: it is written back byte for byte; a signature added by a key verifies.
///
/// # Errors
/// A broken property.
pub fn note(data: &[u8]) -> Outcome {
    let Ok(read) = Note::parse(data) else { return Ok(false) };
    same("format(parse)", &read.to_string().as_bytes(), &data)?;
    let key = LogKey::with_default_origin(&[7; 32]);
    if let Ok(signed) = key.sign_note(&read.text) {
        let signed = Note::parse(signed.as_bytes()).map_err(|e| format!("a signed note does not parse: {e}"))?;
        same("open(sign)", &signed.open(&[key.verifier()]), &Ok(read.text.as_str()))?;
    }
    Ok(true)
}

/// A verifier key: it is written so that it reads as the same.
///
/// # Errors
/// A broken property.
pub fn vkey(data: &[u8]) -> Outcome {
    let Some(read) = std::str::from_utf8(data).ok().and_then(|text| Verifier::parse(text).ok()) else { return Ok(false) };
    same("parse(format)", &Verifier::parse(&read.to_string()), &Ok(read))?;
    Ok(true)
}

/// A tile path: it has one spelling.
///
/// # Errors
/// A broken property.
pub fn tile_path(data: &[u8]) -> Outcome {
    let Some((text, read)) = std::str::from_utf8(data).ok().and_then(|text| Some((text, TilePath::parse(text).ok()?))) else {
        return Ok(false);
    };
    same("format(parse)", &read.to_string().as_str(), &text)?;
    Ok(true)
}

/// A bundle: its entries make the same bundle again.
///
/// # Errors
/// A broken property.
pub fn bundle(data: &[u8]) -> Outcome {
    let Ok(entries) = split_bundle(data) else { return Ok(false) };
    let mut again = Vec::with_capacity(data.len());
    for entry in entries {
        push_entry(&mut again, entry).map_err(|e| format!("an entry that was read cannot be written: {e}"))?;
    }
    same("format(parse)", &again.as_slice(), &data)?;
    Ok(true)
}

/// A proof file: it is written back byte for byte, and verifying it never panics.
///
/// # Errors
/// A broken property.
pub fn proof(data: &[u8]) -> Outcome {
    let Ok(read) = TlogProof::parse(data) else { return Ok(false) };
    same("format(parse)", &read.to_string().as_bytes(), &data)?;
    let key = LogKey::with_default_origin(&[7; 32]);
    let _ = read.verify(&[0; 32], &key.verifier());
    Ok(true)
}
