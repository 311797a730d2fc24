//! Sets of node numbers, a bit each, and what the nodes are.
use crate::{
    domain::kind::ArtifactKind,
    store::embedded::topology::{NodeNo, Topology},
};

/// A set of the numbers below a bound.
pub struct Bits(Box<[u64]>);

impl Bits {
    /// The empty set of numbers below `nodes`, or a few more.
    pub fn new(nodes: u32) -> Self {
        Self(vec![0; nodes.div_ceil(64) as usize].into())
    }

    pub fn contains(&self, node: NodeNo) -> bool {
        self.0.get(node as usize / 64).is_some_and(|word| word >> (node % 64) & 1 != 0)
    }

    /// Tells whether it was not in the set; `false` beyond the bound.
    #[inline]
    pub fn insert(&mut self, node: NodeNo) -> bool {
        let Some(word) = self.0.get_mut(node as usize / 64) else { return false };
        let bit = 1 << (node % 64);
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    pub fn remove(&mut self, node: NodeNo) {
        if let Some(word) = self.0.get_mut(node as usize / 64) {
            *word &= !(1 << (node % 64));
        }
    }

    /// The numbers from `first` on, ascending.
    pub fn from(&self, first: NodeNo) -> impl Iterator<Item = NodeNo> + '_ {
        let begin = first / 64;
        let words = self.0.iter().skip(begin as usize);
        words.zip((begin * 64..).step_by(64)).flat_map(move |(word, base)| {
            let mut left = if base < first { word & (u64::MAX << (first - base)) } else { *word };
            std::iter::from_fn(move || {
                let next = (left != 0).then(|| base + left.trailing_zeros());
                left &= left.wrapping_sub(1);
                next
            })
        })
    }

    /// How many numbers are in both.
    fn common(&self, other: &Self) -> u32 {
        self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones()).sum()
    }

    /// In memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.len() * 8
    }
}

/// What the nodes below a bound are.
pub struct Kinds {
    nodes: u32,
    of: Vec<(ArtifactKind, Bits)>,
}

impl Kinds {
    pub fn of(topology: &Topology, nodes: u32) -> Self {
        let mut of: Vec<(ArtifactKind, Bits)> = Vec::new();
        for (no, node) in (0..nodes).filter_map(|no| Some((no, topology.node(no)?))) {
            match of.iter_mut().find(|k| k.0 == node.kind) {
                Some((_, bits)) => {
                    bits.insert(no);
                }
                None => {
                    let mut bits = Bits::new(nodes);
                    bits.insert(no);
                    of.push((node.kind, bits));
                }
            }
        }
        Self { nodes, of }
    }

    /// The bound: of what lies beyond nothing is told.
    pub const fn nodes(&self) -> u32 {
        self.nodes
    }

    /// How many of a set are of each kind.
    pub fn count(&self, set: &Bits) -> impl Iterator<Item = (ArtifactKind, u32)> {
        self.of.iter().map(|(kind, bits)| (*kind, bits.common(set)))
    }

    /// In memory, in bytes.
    pub fn bytes(&self) -> usize {
        self.of.iter().map(|k| k.1.bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_tells_what_is_new_and_gives_all_in_order() {
        let mut set = Bits::new(200);
        let new: Vec<bool> = [3, 199, 64, 3, 63, 1_000].into_iter().map(|n| set.insert(n)).collect();
        assert_eq!(new, [true, true, true, false, true, false]);
        assert_eq!(set.from(0).collect::<Vec<_>>(), [3, 63, 64, 199]);
        assert_eq!(set.from(64).collect::<Vec<_>>(), [64, 199]);
        assert_eq!(set.from(65).collect::<Vec<_>>(), [199]);
        set.remove(199);
        assert!(set.contains(64) && !set.contains(199) && !set.contains(1_000));
    }
}
