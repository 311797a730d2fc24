//! What a sealed part is bound to (AES-GCM's additional authenticated data), so
//! that no ciphertext opens in another's place.
use smallvec::SmallVec;

use super::part::PartClass;
use crate::domain::id::EntryId;

/// The bytes; the usual ones need no allocation.
pub type Aad = SmallVec<[u8; 96]>;

/// A key id longer than the 255 bytes that its length prefix can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key id has at most 255 bytes")]
pub struct KeyIdTooLong;

/// `"ledgerline/aad/v1\n" ‖ entry id ‖ u32be part number ‖ u8 length of class ‖
/// class ‖ u8 length of key id ‖ key id`.
///
/// # Errors
/// [`KeyIdTooLong`].
pub fn aad(entry: EntryId, part_number: u32, class: PartClass, key_id: &[u8]) -> Result<Aad, KeyIdTooLong> {
    let key_length = u8::try_from(key_id.len()).map_err(|_| KeyIdTooLong)?;
    let (class_length, word) = class.prefixed();
    let mut aad = Aad::new();
    aad.extend_from_slice(b"ledgerline/aad/v1\n");
    aad.extend_from_slice(&entry.0);
    aad.extend_from_slice(&part_number.to_be_bytes());
    aad.extend_from_slice(&class_length);
    aad.extend_from_slice(word);
    aad.push(key_length);
    aad.extend_from_slice(key_id);
    Ok(aad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_format() {
        let got = aad(EntryId([0xab; 16]), 0x0102_0304, PartClass::Person, b"k/7").unwrap();
        let mut want = b"ledgerline/aad/v1\n".to_vec();
        want.extend_from_slice(&[0xab; 16]);
        want.extend_from_slice(&[1, 2, 3, 4, 6]);
        want.extend_from_slice(b"person\x03k/7");
        assert_eq!(got.as_slice(), want);
    }

    #[test]
    fn a_key_id_that_its_length_cannot_say_is_refused() {
        assert!(aad(EntryId([0; 16]), 0, PartClass::Core, &[0; 255]).is_ok());
        assert_eq!(aad(EntryId([0; 16]), 0, PartClass::Core, &[0; 256]), Err(KeyIdTooLong));
    }
}
