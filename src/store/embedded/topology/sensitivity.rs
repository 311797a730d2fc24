//! How sensitive each name is now, whatever instant is asked about: what tags say
//! of it, and of the names that a table symlink or a rename ever joined with it.
//! A location joins nothing here, since many tables lie in one: what it stands for
//! at an instant, its class tells.
use std::sync::atomic::Ordering;

use hashbrown::HashMap;
use rustc_hash::{FxBuildHasher, FxHashSet};
use smallvec::SmallVec;

use super::{AliasFact, AliasKind, NEVER, NodeNo, Topology};
use crate::domain::{id::NodeId, sight::Sensitivity};

/// What sources say of names, where it is more than nothing: by owner of the facet.
pub type Classified = HashMap<NodeNo, SmallVec<[(u32, Sensitivity); 1]>, FxBuildHasher>;

impl Topology {
    /// What one owner's tags say of a name; gives what they said. For the writer.
    pub fn classify(&self, node: NodeNo, owner: u32, level: Sensitivity) -> Sensitivity {
        let before = {
            let mut classified = self.classified.lock();
            let said = classified.entry(node).or_default();
            let at = said.iter().position(|(o, _)| *o == owner);
            let before = at.map(|at| said.swap_remove(at).1).unwrap_or_default();
            if level > Sensitivity::Public {
                said.push((owner, level));
            }
            if said.is_empty() {
                classified.remove(&node);
            }
            before
        };
        if before != level {
            self.settle(node);
        }
        before
    }

    /// How sensitive a name is.
    pub fn sensitivity(&self, node: NodeNo) -> u8 {
        self.nodes.get(node).map_or(0, |n| n.sensitivity.load(Ordering::Acquire))
    }

    /// Whether any name is more than public.
    pub fn has_sensitive(&self) -> bool {
        !self.classified.lock().is_empty()
    }

    /// The names above a clearance, and the locations of tables among them.
    pub fn above(&self, clearance: Sensitivity) -> Vec<NodeId> {
        let classified: Vec<NodeNo> = {
            let all = self.classified.lock();
            all.iter().filter(|(_, said)| said.iter().any(|(_, level)| *level > clearance)).map(|(node, _)| *node).collect()
        };
        let mut found: FxHashSet<NodeNo> = FxHashSet::default();
        for node in classified {
            found.extend(self.joined(node));
        }
        let places: Vec<NodeNo> = found.iter().flat_map(|n| self.present(*n, AliasKind::Location).map(|a| a.b)).collect();
        for place in places {
            found.extend(self.joined(place));
        }
        found.into_iter().filter_map(|n| self.node(n)).map(|n| n.id).collect()
    }

    /// Two names were joined, or are no longer. For the writer.
    pub(super) fn rejoined(&self, a: NodeNo, b: NodeNo, kind: AliasKind) {
        if kind != AliasKind::Location && (self.sensitivity(a), self.sensitivity(b)) != (0, 0) {
            self.settle(a);
            self.settle(b);
        }
    }

    /// Gives all names joined with one the highest level of them.
    fn settle(&self, node: NodeNo) {
        let joined = self.joined(node);
        let highest = {
            let classified = self.classified.lock();
            let said = joined.iter().filter_map(|n| classified.get(n)).flatten();
            said.map(|(_, level)| *level).max().unwrap_or_default()
        };
        for n in joined.iter().filter_map(|n| self.nodes.get(*n)) {
            n.sensitivity.store(highest as u8, Ordering::Release);
        }
    }

    /// A name and all that symlinks of tables and renames join with it, at any time.
    fn joined(&self, node: NodeNo) -> SmallVec<[NodeNo; 4]> {
        let mut found: SmallVec<[NodeNo; 4]> = SmallVec::from_slice(&[node]);
        if !self.has_aliases(node) {
            return found;
        }
        let mut seen: FxHashSet<NodeNo> = found.iter().copied().collect();
        let mut i = 0;
        while let Some(n) = found.get(i).copied() {
            i += 1;
            let links = self.present(n, AliasKind::Symlink).chain(self.present(n, AliasKind::Rename));
            let others: SmallVec<[NodeNo; 4]> = links.map(|a| if a.a == n { a.b } else { a.a }).filter(|o| seen.insert(*o)).collect();
            found.extend(others);
        }
        found
    }

    /// The links of a name of one kind that the ledger knows now.
    fn present(&self, node: NodeNo, kind: AliasKind) -> impl Iterator<Item = AliasFact> + '_ {
        self.aliases_of(node).filter(move |a| a.kind == kind && a.recorded_until == NEVER)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        kind::ArtifactKind,
        time::{FOREVER, Micros},
    };

    #[derive(Clone, Debug)]
    enum Step {
        Classify(u32, u32, u8),
        Join(u32, u32, u8),
        Part(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            2 => (0..6u32, 0..2u32, 0..4u8).prop_map(|(n, o, l)| Step::Classify(n, o, l)),
            3 => (0..6u32, 0..6u32, 1..4u8).prop_map(|(a, b, k)| Step::Join(a, b, k)),
            1 => any::<usize>().prop_map(Step::Part),
        ]
    }

    proptest! {
        #[test]
        fn each_name_is_as_sensitive_as_the_most_sensitive_one_joined_with_it(steps in prop::collection::vec(step(), 1..24)) {
            let topology = Topology::new();
            for n in 0..6u8 {
                topology.add_node(NodeId([n; 16]), ArtifactKind::Dataset, "ns", &n.to_string(), 0).unwrap();
            }
            let mut said = std::collections::BTreeMap::new();
            let mut links: Vec<(u32, u32, u32, AliasKind, bool)> = Vec::new();
            for (i, step) in (0u32..).zip(steps) {
                match step {
                    Step::Classify(n, owner, level) => {
                        let level = Sensitivity::from_u8(level).unwrap();
                        let before = said.insert((n, owner), level).unwrap_or_default();
                        prop_assert_eq!(topology.classify(n, owner, level), before);
                    }
                    Step::Join(a, b, kind) if a != b => {
                        let kind = [AliasKind::Symlink, AliasKind::Location, AliasKind::Rename][usize::from(kind) - 1];
                        let fact = AliasFact {
                            slot: 0, a, b, kind, owner: 1, valid_from: Micros(0), valid_until: FOREVER, recorded_from: i, recorded_until: NEVER,
                        };
                        links.push((topology.add_alias(&fact).unwrap(), a, b, kind, true));
                    }
                    Step::Part(which) if !links.is_empty() => {
                        let which = which % links.len();
                        links[which].4 = false;
                        topology.end_alias(links[which].0, 100);
                    }
                    _ => {}
                }
            }
            // Naively: levels flow over links until nothing changes.
            let mut level: Vec<u8> = (0..6).map(|n| said.iter().filter(|((m, _), _)| *m == n).map(|(_, l)| *l as u8).max().unwrap_or(0)).collect();
            for _ in 0..6 {
                for (_, a, b, ..) in links.iter().filter(|l| l.4 && l.3 != AliasKind::Location) {
                    let highest = level[*a as usize].max(level[*b as usize]);
                    (level[*a as usize], level[*b as usize]) = (highest, highest);
                }
            }
            prop_assert_eq!((0..6).map(|n| topology.sensitivity(n)).collect::<Vec<_>>(), level);
        }
    }
}
