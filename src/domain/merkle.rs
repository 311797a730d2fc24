//! RFC 6962 §2.1 hashing: the primitives that an entry's own small tree (over
//! its parts) and the log's big one share.
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

/// A SHA-256 value: of a leaf, of an inner node, of a whole tree, of a part.
pub type Hash = [u8; 32];

/// The root of a tree without leaves: `SHA-256("")`.
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
    0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// `SHA-256(0x00 ‖ entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut h = Sha256::new();
    h.update([0x00]);
    h.update(entry);
    h.finalize().into()
}

/// `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut h = Sha256::new();
    h.update([0x01]);
    h.update(left);
    h.update(right);
    h.finalize().into()
}

/// The Merkle tree hash over `leaves`, which are hashes already: leaf hashes, or
/// the roots of equal, perfect subtrees (as in a tile).
///
/// Pairs are joined row by row and an odd last one moves up unchanged; that is
/// RFC 6962's "split at the largest power of two", read from below.
#[must_use]
pub fn root_of(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => return EMPTY_ROOT,
        [one] => return *one,
        _ => {}
    }
    let mut row = join(leaves);
    while row.len() > 1 {
        row = join(&row);
    }
    row.first().copied().unwrap_or(EMPTY_ROOT)
}

fn join(row: &[Hash]) -> SmallVec<[Hash; 8]> {
    let (pairs, odd) = row.as_chunks::<2>();
    pairs.iter().map(|[l, r]| node_hash(l, r)).chain(odd.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1, word by word.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => Sha256::digest(b"").into(),
            1 => leaves[0],
            n => {
                let k = 1 << (n - 1).ilog2();
                node_hash(&mth(&leaves[..k]), &mth(&leaves[k..]))
            }
        }
    }

    #[test]
    fn joining_rows_gives_the_tree_hash_of_the_rfc() {
        let leaves: Vec<Hash> = (0..300u32).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        for n in 0..=leaves.len() {
            assert_eq!(root_of(&leaves[..n]), mth(&leaves[..n]), "{n} leaves");
        }
    }
}
