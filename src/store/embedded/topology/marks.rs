//! Which nodes changed since somebody began to copy the graph's shape, so that the
//! copy can go on being used for all the others.
use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use parking_lot::Mutex;

use super::{NodeNo, Topology};

/// The nodes of which a copy does not tell: a bit each, set by the writer before
/// the commit that changes something is published.
pub struct Marks {
    nodes: u32,
    /// All that a copy does not tell whole.
    bits: Box<[AtomicU64]>,
    /// Those of them at which flows were not only added.
    changed: Box<[AtomicU64]>,
    /// How many the writer set.
    touched: AtomicU32,
    /// Names that ended, or were joined with others, for the first time: what flows
    /// between them and their neighbours is to be read anew there too.
    special: Mutex<Vec<NodeNo>>,
    spreading: Mutex<()>,
}

impl Marks {
    fn new(nodes: u32) -> Self {
        let bits = || -> Box<[AtomicU64]> {
            let bits: Box<[AtomicU64]> = (0..nodes.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
            // What lies beyond the last node is later than the copy.
            if let Some(last) = bits.last().filter(|_| !nodes.is_multiple_of(64)) {
                last.store(u64::MAX << (nodes % 64), Ordering::Relaxed);
            }
            bits
        };
        Self { nodes, bits: bits(), changed: bits(), touched: AtomicU32::new(0), special: Mutex::default(), spreading: Mutex::new(()) }
    }

    /// The nodes that were there, by number from 0.
    pub const fn nodes(&self) -> u32 {
        self.nodes
    }

    /// How many nodes changed.
    pub fn touched(&self) -> u32 {
        self.touched.load(Ordering::Relaxed)
    }

    /// Whether there is more to the node than the copy tells.
    pub fn is_set(&self, node: NodeNo) -> bool {
        is_in(&self.bits, node)
    }

    /// Of one that is set: whether something else happened than that flows were
    /// added, by later entries than the copy knows.
    pub fn is_changed(&self, node: NodeNo) -> bool {
        is_in(&self.changed, node)
    }

    /// For whoever copies: the node cannot be copied.
    pub fn set(&self, node: NodeNo) {
        put(&self.changed, node);
        put(&self.bits, node);
    }

    /// For whoever copies: flows of the node are later than the copy.
    pub fn set_grown(&self, node: NodeNo) {
        put(&self.bits, node);
    }

    fn touch(&self, node: NodeNo, changed: bool) {
        if changed {
            put(&self.changed, node);
        }
        if put(&self.bits, node) {
            self.touched.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Marks the neighbours of what became special. To be called before bits are
    /// read for a view: what its size knows has been told by then.
    pub fn settle(&self, topology: &Topology) {
        // Whoever comes second waits until all is marked; the writer waits for nobody.
        let _one_at_a_time = self.spreading.lock();
        let special = std::mem::take(&mut *self.special.lock());
        for node in special {
            self.touch(node, true);
            for f in (0..2).flat_map(|list| topology.flows_of(node, list)) {
                self.touch(if f.dataset == node { f.job } else { f.dataset }, true);
            }
        }
    }

    /// In memory, in bytes.
    pub fn bytes(&self) -> usize {
        (self.bits.len() + self.changed.len()) * 8
    }
}

fn is_in(bits: &[AtomicU64], node: NodeNo) -> bool {
    bits.get(node as usize / 64).is_none_or(|word| word.load(Ordering::Relaxed) >> (node % 64) & 1 != 0)
}

/// Tells whether the bit is new.
fn put(bits: &[AtomicU64], node: NodeNo) -> bool {
    let bit = 1 << (node % 64);
    bits.get(node as usize / 64).is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
}

impl Topology {
    /// From now on what changes is marked. Whoever reads the graph after this call
    /// finds either a change or its mark.
    pub fn attend(&self) -> Arc<Marks> {
        let mut attended = self.attended.lock();
        let marks = Arc::new(Marks::new(self.node_count()));
        attended.push(marks.clone());
        marks
    }

    /// Nobody will begin to read by these marks any more.
    pub fn dismiss(&self, marks: &Arc<Marks>) {
        self.attended.lock().retain(|m| !Arc::ptr_eq(m, marks));
    }

    /// What flows between two nodes changed: was added, or ended. For the writer,
    /// after the change: the lock orders it with [`Topology::attend`], so it cannot
    /// be missed on both sides.
    pub(super) fn touch_flow(&self, dataset: NodeNo, job: NodeNo, ended: bool) {
        for marks in self.attended.lock().iter() {
            marks.touch(dataset, ended);
            marks.touch(job, ended);
        }
    }

    /// A node ended, or was joined with another, for the first time.
    pub(super) fn turn_special(&self, node: NodeNo) {
        for marks in self.attended.lock().iter() {
            marks.special.lock().push(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            id::NodeId,
            kind::ArtifactKind,
            time::{FOREVER, Micros},
        },
        store::embedded::topology::{FlowFact, NEVER, Side},
    };

    #[test]
    fn a_change_marks_its_ends_and_an_end_marks_what_flows_there() {
        let topology = Topology::new();
        for n in 0..6u8 {
            let kind = if n < 3 { ArtifactKind::Dataset } else { ArtifactKind::Job };
            topology.add_node(NodeId([n; 16]), kind, "ns", &n.to_string(), 0).unwrap();
        }
        let flow = |dataset, job| FlowFact {
            slot: 0,
            dataset,
            job,
            pair: 0,
            side: Side::Inputs,
            valid_from: Micros(0),
            valid_until: FOREVER,
            recorded_from: 0,
            recorded_until: NEVER,
            by: 0,
        };
        let slot = topology.add_flow(&flow(0, 3)).unwrap();
        let marks = topology.attend();
        let set = |marks: &Marks| (0..8).filter(|n| marks.is_set(*n)).collect::<Vec<u32>>();
        assert_eq!(set(&marks), [6, 7], "later nodes are not in the copy");
        topology.add_flow(&flow(1, 4)).unwrap();
        assert_eq!(set(&marks), [1, 4, 6, 7]);
        assert!(!marks.is_changed(4));
        topology.end_flow(slot + 1, 3);
        assert!(marks.is_changed(1) && marks.is_changed(4) && !marks.is_changed(0));
        topology.mark_ends(0);
        topology.mark_ends(0);
        marks.settle(&topology);
        assert_eq!(set(&marks), [0, 1, 3, 4, 6, 7]);
        topology.dismiss(&marks);
        topology.end_flow(slot, 9);
        topology.mark_ends(2);
        marks.settle(&topology);
        assert_eq!((set(&marks).len(), marks.touched()), (6, 4));
    }
}
