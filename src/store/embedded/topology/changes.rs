//! Which names changed in what they can be found by, for those who derive
//! something from the graph beside it. A hint of what to read again, never a source:
//! what is read are the rows.
use hashbrown::HashMap;
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::{NodeNo, Topology, position};
use crate::domain::{id::EntryIndex, lineage::NodeKey};

/// Names that changed, each with the last entry that did it.
pub type Marked = HashMap<NodeNo, u32, FxBuildHasher>;

impl Topology {
    /// A name's life, links or description change with that entry. For the writer:
    /// before the entry is visible. A new name need not be marked.
    pub fn mark(&self, node: NodeNo, by: EntryIndex) {
        self.marked.lock().insert(node, position(by));
    }

    /// What to read again at a ledger size: names from the number `from` on that
    /// are named below the size, and those that were marked since the last call,
    /// with all that are joined with them somehow. Gives the number to go on from.
    /// What entries from the size on marked is told again later.
    pub fn changed(&self, from: NodeNo, limit: usize, size: EntryIndex) -> (Vec<NodeKey>, NodeNo) {
        let mut found: Vec<NodeNo> = Vec::new();
        let mut next = from;
        while found.len() < limit && self.node(next).is_some_and(|n| EntryIndex::from(n.recorded_from) < size) {
            found.push(next);
            next += 1;
        }
        // While there are new ones, those that are marked wait.
        if found.len() < limit {
            let mut marked = self.marked.lock();
            found.extend(marked.keys().copied().filter(|no| *no < next));
            let later = position(size);
            marked.retain(|no, by| *by >= later || *no >= next);
        }
        let mut seen: FxHashSet<NodeNo> = found.iter().copied().collect();
        let mut i = 0;
        while let Some(node) = found.get(i).copied() {
            i += 1;
            for a in self.aliases_of(node) {
                let other = if a.a == node { a.b } else { a.a };
                if seen.insert(other) {
                    found.push(other);
                }
            }
        }
        (found.into_iter().filter_map(|no| Some(NodeKey::Artifact(self.node(no)?.id))).collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id::NodeId, kind::ArtifactKind};

    #[test]
    fn what_is_not_yet_visible_is_told_again_and_nothing_is_told_twice_without_cause() {
        let topology = Topology::new();
        for n in 0..3u8 {
            topology.add_node(NodeId([n; 16]), ArtifactKind::Dataset, "ns", &n.to_string(), u32::from(n)).unwrap();
        }
        let told = |from, limit, size| {
            let (keys, next) = topology.changed(from, limit, size);
            (keys.iter().map(|k| k.artifact().0[0]).collect::<Vec<_>>(), next)
        };
        topology.mark(0, 5);
        assert_eq!(told(0, 2, 2), (vec![0, 1], 2), "new names first");
        assert_eq!(told(2, 2, 3), (vec![2, 0], 3));
        assert_eq!(told(3, 2, 5), (vec![0], 3), "entry 5 is not below 5");
        assert_eq!(told(3, 2, 6), (vec![0], 3));
        assert_eq!(told(3, 2, 7), (vec![], 3));
    }
}
