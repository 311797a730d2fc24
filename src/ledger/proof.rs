//! Checking proofs: inclusion by RFC 9162 §2.1.3.2, consistency by §2.1.4.2
//! (RFC 6962 defines the same proofs but no way to check them).
use super::hash::{EMPTY_ROOT, Hash, node_hash};

/// Why a proof does not prove what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("there is no leaf {index} in a tree of size {size}")]
    IndexBeyondSize { index: u64, size: u64 },
    #[error("the proof has hashes left over")]
    TooLong,
    #[error("the proof lacks hashes")]
    TooShort,
    #[error("the proof leads to another root")]
    WrongRoot,
    #[error("the proof leads to another root for the older tree")]
    WrongOldRoot,
    #[error("the older tree is bigger than the newer one ({from} > {to})")]
    Reversed { from: u64, to: u64 },
    #[error("two different roots for one tree size")]
    Fork,
    #[error("the root of an empty tree is not the hash of nothing")]
    NotEmptyRoot,
}

/// Checks that `leaf` (a leaf hash) is number `index` in the tree of `size`
/// leaves with root `root`.
///
/// # Errors
/// [`ProofError`] says what does not fit.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::IndexBeyondSize { index, size });
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::TooLong);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            skip_lonely(&mut at, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::TooShort);
    }
    if hash != *root {
        return Err(ProofError::WrongRoot);
    }
    Ok(())
}

/// Checks that the tree (`to`, `to_root`) begins with the tree (`from`, `from_root`).
///
/// # Errors
/// [`ProofError`] says what does not fit.
pub fn verify_consistency(from: u64, from_root: &Hash, to: u64, to_root: &Hash, proof: &[Hash]) -> Result<(), ProofError> {
    if from > to {
        return Err(ProofError::Reversed { from, to });
    }
    if (from == 0 && *from_root != EMPTY_ROOT) || (to == 0 && *to_root != EMPTY_ROOT) {
        return Err(ProofError::NotEmptyRoot);
    }
    if from == to && from_root != to_root {
        return Err(ProofError::Fork);
    }
    if from == to || from == 0 {
        return if proof.is_empty() { Ok(()) } else { Err(ProofError::TooLong) };
    }
    let (mut at, mut last) = (from - 1, to - 1);
    // What both trees share at the old one's end: a perfect old tree is that itself.
    let shift = at.trailing_ones();
    at >>= shift;
    last >>= shift;
    let (start, rest) = if from.is_power_of_two() { (from_root, proof) } else { proof.split_first().ok_or(ProofError::TooShort)? };
    let (mut old, mut new) = (*start, *start);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::TooLong);
        }
        if at & 1 == 1 || at == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            skip_lonely(&mut at, &mut last);
        } else {
            new = node_hash(&new, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::TooShort);
    }
    if old != *from_root {
        return Err(ProofError::WrongOldRoot);
    }
    if new != *to_root {
        return Err(ProofError::WrongRoot);
    }
    Ok(())
}

/// On the right edge a node without a sibling moves up unchanged: goes to the
/// first row where `at` is a right child (or the only node).
fn skip_lonely(at: &mut u64, last: &mut u64) {
    while *at & 1 == 0 && *at != 0 {
        *at >>= 1;
        *last >>= 1;
    }
}
