//! base64url without padding, for values of known length and for byte strings.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// The 22 characters of 16 bytes.
pub(super) fn encode16(bytes: &[u8; 16]) -> [u8; 22] {
    encode(bytes)
}

/// The 43 characters of 32 bytes.
pub(super) fn encode32(bytes: &[u8; 32]) -> [u8; 43] {
    encode(bytes)
}

fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    // INVARIANT: N is the encoded length of `bytes`, so it fits and fills.
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written, Ok(N));
    text
}

/// Reads N bytes; there is one spelling of them (unused bits must be zero).
pub(super) fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    // Decoding may reserve up to two bytes more than come out: 34 is enough for 32.
    let mut buffer = [0u8; 36];
    if text.len() > 44 {
        return None;
    }
    let n = URL_SAFE_NO_PAD.decode_slice(text, &mut buffer).ok()?;
    buffer.get(..n)?.try_into().ok()
}

pub(super) fn encode_bytes(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode_bytes(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
