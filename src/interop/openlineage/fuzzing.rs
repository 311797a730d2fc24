//! What must hold for any bytes; called by `fuzz/fuzz_targets/openlineage.rs` and,
//! on the seeds, by the tests.
use super::{batch, canonical_digest, facets_of, read, read_core, readable_sql, reassemble};
use crate::domain::{id::Handle, source::Source, time::Micros};

/// Reads, cuts and reassembles `data`; true when it is an event that is taken.
///
/// # Errors
/// None: what is broken panics, so that a fuzzer stops there.
///
/// # Panics
/// If the event does not come back byte for byte, or its `core` reads differently.
pub fn fuzz_event(data: &[u8]) -> Result<bool, String> {
    for (_, element) in batch(data, None) {
        let _ = element;
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = readable_sql(text);
    }
    let Ok(reading) = read(data, Micros(i64::MAX)) else { return Ok(false) };
    let handles: Vec<Handle> = (0..reading.people().len()).map(|i| Handle::from_random((i as u128 / 2).to_be_bytes())).collect();
    let cut = reading.cut(&Source::new("fuzz", reading.producer()), &handles);
    let mut blob = |digest: &_| cut.blobs.iter().find(|b| b.digest == *digest).map(|b| b.bytes.to_vec());
    let mut person = |part: u16| cut.people.get(usize::from(part)).map(|p| p.bytes.clone());
    let whole = reassemble(&cut.rest, &mut blob, &mut person);
    assert_eq!(whole.as_deref(), Ok(data), "the received bytes come back");
    assert_eq!(read_core(&cut.core).as_ref(), Ok(&cut.assertion), "the core says what the event said");
    assert_eq!(canonical_digest(data).as_ref(), Ok(reading.canonical_digest()));
    assert!(facets_of(data).is_ok());
    Ok(true)
}
