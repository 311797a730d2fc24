//! Tree hashes and their spelling: standard base64 with padding, as checkpoints,
//! proofs and the API write them.
use base64::{Engine, engine::general_purpose::STANDARD};

pub use crate::domain::merkle::{EMPTY_ROOT, Hash, leaf_hash, node_hash, root_of};

/// Standard base64 of a tree hash (44 characters).
#[must_use]
pub fn encode_hash(hash: &Hash) -> String {
    STANDARD.encode(hash)
}

/// Reads [`encode_hash`]'s spelling and no other: padding must be there and
/// unused bits must be zero, so that a hash has one spelling.
#[must_use]
pub fn decode_hash(text: &str) -> Option<Hash> {
    // The largest decoded length of 44 characters is 33.
    let mut buffer = [0u8; 33];
    if text.len() != 44 {
        return None;
    }
    let n = STANDARD.decode_slice(text, &mut buffer).ok()?;
    buffer.get(..n)?.try_into().ok()
}
