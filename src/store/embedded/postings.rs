//! Which entries of a block have a key: lists of positions, packed.
use super::plan::{Reader, Writer};

/// Entries of a block.
pub const BLOCK: u64 = 1024;
/// More positions than this are written as a bitmap.
const LISTED_MAX: u64 = 64;
const BITMAP_BYTES: usize = (BLOCK / 8) as usize;

/// A set of positions in a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bits([u64; 16]);

impl Bits {
    pub const NONE: Self = Self([0; 16]);

    /// The positions from `from` up to, not with, `until`.
    pub fn range(from: u64, until: u64) -> Self {
        let mut bits = Self::NONE;
        (from..until.min(BLOCK)).for_each(|at| bits.set(at));
        bits
    }

    pub fn set(&mut self, at: u64) {
        if let Some(word) = usize::try_from(at / 64).ok().and_then(|i| self.0.get_mut(i)) {
            *word |= 1 << (at % 64);
        }
    }

    pub fn and(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a &= b);
        self
    }

    pub fn or(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
        self
    }

    pub fn count(self) -> u64 {
        self.0.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// In ascending order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = u64> {
        let word = move |i: u64| usize::try_from(i).ok().and_then(|i| self.0.get(i)).copied().unwrap_or(0);
        (0..BLOCK / 64).flat_map(move |i| (0..64).filter(move |bit| word(i) >> bit & 1 == 1).map(move |bit| i * 64 + bit))
    }
}

/// Writes keys, each with its positions. Both ascend.
pub fn encode<K: AsRef<[u8]>>(keys: impl Iterator<Item = (K, Bits)>) -> Vec<u8> {
    let mut w = Writer(Vec::with_capacity(256));
    for (key, bits) in keys {
        w.long(key.as_ref().len() as u64);
        w.0.extend_from_slice(key.as_ref());
        let count = bits.count();
        w.long(count);
        if count > LISTED_MAX {
            bits.0.iter().for_each(|word| w.0.extend_from_slice(&word.to_le_bytes()));
        } else {
            let mut before = 0;
            for at in bits.iter() {
                w.long(at - before);
                before = at;
            }
        }
    }
    w.0
}

/// The positions of any of the wanted keys; `None` for bytes that [`encode`] did not write.
pub fn any_of(bytes: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Option<Bits> {
    let mut r = Reader(bytes);
    let mut found = Bits::NONE;
    while !r.0.is_empty() {
        let length = usize::try_from(r.long()?).ok()?;
        let (key, rest) = r.0.split_at_checked(length)?;
        r.0 = rest;
        let take = wanted(key);
        let count = r.long()?;
        if count > LISTED_MAX {
            let (bitmap, rest) = r.0.split_at_checked(BITMAP_BYTES)?;
            r.0 = rest;
            if take {
                let mut bits = Bits::NONE;
                for (word, bytes) in bits.0.iter_mut().zip(bitmap.as_chunks::<8>().0) {
                    *word = u64::from_le_bytes(*bytes);
                }
                found = found.or(bits);
            }
        } else {
            let mut at = 0;
            for _ in 0..count {
                at += r.long()?;
                if take {
                    found.set(at);
                }
            }
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_found_again(
            keys in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..4), prop::collection::btree_set(0..BLOCK, 0..200), 0..20),
            wanted in any::<u8>(),
        ) {
            let bits = |at: &BTreeSet<u64>| {
                let mut bits = Bits::NONE;
                at.iter().for_each(|at| bits.set(*at));
                bits
            };
            let bytes = encode(keys.iter().map(|(k, at)| (k, bits(at))));
            let is_wanted = |k: &[u8]| k.first().is_some_and(|b| *b <= wanted);
            let naive: BTreeSet<u64> = keys.iter().filter(|(k, _)| is_wanted(k)).flat_map(|(_, at)| at.iter().copied()).collect();
            let found = any_of(&bytes, is_wanted).unwrap();
            prop_assert_eq!(found.count(), naive.len() as u64);
            prop_assert_eq!(found.iter().collect::<BTreeSet<_>>(), naive);
        }
    }

    #[test]
    fn a_range_is_what_it_says() {
        assert_eq!(Bits::range(3, 6).iter().collect::<Vec<_>>(), [3, 4, 5]);
        assert_eq!(Bits::range(0, 5000).count(), BLOCK);
        assert!(Bits::range(7, 7).is_empty());
        assert_eq!(Bits::range(0, 3).and(Bits::range(2, 9)).iter().collect::<Vec<_>>(), [2]);
        assert_eq!(any_of(&[1], |_| true), None);
    }
}
