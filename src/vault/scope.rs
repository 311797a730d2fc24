//! What data keys are numbered by and are for, and how often they may seal.
use std::fmt;

use smallvec::SmallVec;

use crate::domain::{entry::PartClass, id::Handle};

/// A data key's number. Never used twice, even after the key is destroyed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u32);

impl KeyId {
    /// Its form in every AAD: four bytes, big-endian.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({})", self.0)
    }
}

/// The number of a retention class: values of one person that go at one time
/// share a key. Which number means what is told by the installation's schedules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct RetentionClass(pub u32);

impl RetentionClass {
    /// The person's identifiers in the vault itself. Schedules count from 1.
    pub const IDENTITY: Self = Self(0);
}

/// What a data key is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyScope {
    /// Parts of a class recorded in a month ([`Micros::month`](crate::domain::time::Micros::month)).
    Class { class: PartClass, month: u32 },
    /// Interned blobs of a class.
    Blob { class: PartClass },
    /// Values of one person that are kept equally long.
    Person { handle: Handle, retention: RetentionClass },
}

impl KeyScope {
    const CLASS: u8 = 1;
    const BLOB: u8 = 2;
    const PERSON: u8 = 3;

    /// How stores index it and how wrapped keys are bound to it (stable for
    /// ever): a tag byte, then class and u32be month; class; handle and u32be
    /// retention class.
    #[must_use]
    pub fn to_bytes(&self) -> SmallVec<[u8; 24]> {
        let mut out = SmallVec::new();
        match self {
            Self::Class { class, month } => {
                out.extend_from_slice(&[Self::CLASS, *class as u8]);
                out.extend_from_slice(&month.to_be_bytes());
            }
            Self::Blob { class } => out.extend_from_slice(&[Self::BLOB, *class as u8]),
            Self::Person { handle, retention } => {
                out.push(Self::PERSON);
                out.extend_from_slice(&handle.0);
                out.extend_from_slice(&retention.0.to_be_bytes());
            }
        }
        out
    }

    /// Reads [`to_bytes`](Self::to_bytes).
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [Self::CLASS, class, a, b, c, d] => {
                Some(Self::Class { class: PartClass::from_u8(class)?, month: u32::from_be_bytes([a, b, c, d]) })
            }
            [Self::BLOB, class] => Some(Self::Blob { class: PartClass::from_u8(class)? }),
            [Self::PERSON, ref rest @ ..] => {
                let (handle, retention) = rest.split_first_chunk::<16>()?;
                let retention = RetentionClass(u32::from_be_bytes(retention.try_into().ok()?));
                Some(Self::Person { handle: Handle(*handle), retention })
            }
            _ => None,
        }
    }
}

/// How nonces are reserved.
#[derive(Clone, Copy, Debug)]
pub struct NonceLimits {
    /// The most messages that one key may ever seal.
    pub limit: u64,
    /// Reserved at once for keys of classes and blobs, which are busy.
    pub chunk: u64,
    /// Reserved at once for keys of persons, which are many.
    pub person_chunk: u64,
}

impl Default for NonceLimits {
    /// Half of what SP 800-38D allows; 2^20 and 2^10 at once.
    fn default() -> Self {
        Self { limit: 1 << 31, chunk: 1 << 20, person_chunk: 1 << 10 }
    }
}

impl NonceLimits {
    /// How many nonces are reserved at once for keys of `scope`.
    #[must_use]
    pub const fn chunk_of(&self, scope: &KeyScope) -> u64 {
        match scope {
            KeyScope::Person { .. } => self.person_chunk,
            KeyScope::Class { .. } | KeyScope::Blob { .. } => self.chunk,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_scope() -> impl Strategy<Value = KeyScope> {
        let class = proptest::sample::select(PartClass::ALL.to_vec());
        prop_oneof![
            (class.clone(), any::<u32>()).prop_map(|(class, month)| KeyScope::Class { class, month }),
            class.prop_map(|class| KeyScope::Blob { class }),
            (any::<[u8; 16]>(), any::<u32>()).prop_map(|(h, r)| KeyScope::Person { handle: Handle(h), retention: RetentionClass(r) }),
        ]
    }

    proptest! {
        #[test]
        fn a_scope_reads_back_from_its_bytes_and_from_no_prefix(scope in any_scope()) {
            let bytes = scope.to_bytes();
            prop_assert_eq!(KeyScope::from_bytes(&bytes), Some(scope));
            prop_assert_eq!(KeyScope::from_bytes(&bytes[..bytes.len() - 1]), None);
        }
    }
}
