//! Parts: an entry is cut so that one piece can be shown, withheld or destroyed
//! without the others. The leaf holds one hash over commitments to all of them.
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

use crate::domain::merkle::{Hash, leaf_hash, root_of};

/// What a part holds, and so by which key it is sealed and who may read it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum PartClass {
    /// What changed; enough to replay. Never an identifier of a person.
    Core = 1,
    /// The received bytes, with holes where something was cut out.
    Rest = 2,
    /// One value, or the values of one person.
    Person = 3,
    /// Device and request context, minimised.
    Context = 4,
}

impl PartClass {
    /// Every class, in order of its number.
    pub const ALL: [Self; 4] = [Self::Core, Self::Rest, Self::Person, Self::Context];

    /// The word that is hashed and written; stable for ever.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Rest => "rest",
            Self::Person => "person",
            Self::Context => "context",
        }
    }

    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.word() == word)
    }

    /// The class of a stored number.
    #[must_use]
    pub fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|c| *c as u8 == n)
    }

    /// The word behind its length: how it goes into hashes and AAD.
    pub(super) fn prefixed(self) -> ([u8; 1], &'static [u8]) {
        let word = self.word().as_bytes();
        // Words are a few letters long.
        ([word.len() as u8], word)
    }
}

/// `SHA-256("ledgerline/part/v1\n" ‖ u8 length of class ‖ class ‖ salt ‖ bytes)`.
/// The salt (32 random bytes) keeps short contents from being guessed.
#[must_use]
pub fn commitment(class: PartClass, salt: &[u8; 32], bytes: &[u8]) -> Hash {
    let (length, word) = class.prefixed();
    let mut h = Sha256::new();
    h.update(b"ledgerline/part/v1\n");
    h.update(length);
    h.update(word);
    h.update(salt);
    h.update(bytes);
    h.finalize().into()
}

/// A leaf's `root`: the RFC 6962 tree hash whose leaves are the commitments, in
/// part order.
#[must_use]
pub fn root_of_parts(commitments: &[Hash]) -> Hash {
    let leaves: SmallVec<[Hash; 8]> = commitments.iter().map(|c| leaf_hash(c)).collect();
    root_of(&leaves)
}
