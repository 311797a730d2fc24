//! What flows now: bare arrays of neighbours.
use std::sync::Arc;

use super::{
    Copied,
    bits::{Bits, Kinds},
    rows::Rows,
};
use crate::{
    domain::{
        id::EntryIndex,
        kind::ArtifactKind,
        lineage::AsOf,
        time::{DAWN, FOREVER, Micros},
    },
    store::embedded::topology::{Marks, NEVER, NodeNo, Topology, position},
};

/// The graph as the size `size` knows it from the instant `at` on, for all nodes
/// at which nothing is known to change after `at`, and nothing was changed by
/// entries from `size` on. Those nodes, and all their neighbours, are one name
/// each and alive.
pub struct Present {
    size: EntryIndex,
    at: Micros,
    marks: Arc<Marks>,
    kinds: Kinds,
    /// By way: up, down.
    ways: [Rows<NodeNo>; 2],
}

impl Copied for Present {
    fn copy(topology: &Topology, size: EntryIndex, until: Micros) -> Self {
        let marks = topology.attend();
        let nodes = marks.nodes();
        let flows = topology.flow_count();
        let facts = || (0..flows).filter_map(|slot| topology.flow(slot));
        // The least instant from which on things are as they are `until` then.
        let times = facts().filter(|f| f.known(size)).flat_map(|f| [f.valid_from, f.valid_until]);
        let at = times.filter(|t| *t <= until && *t < FOREVER).max().unwrap_or(DAWN);

        let lives = |node| topology.life_at(node, size).first().is_some_and(|life| life.0 <= at);
        let mut others = Bits::new(nodes);
        for node in (0..nodes).filter(|node| !topology.is_plain(*node) || !lives(*node)) {
            others.insert(node);
            marks.set(node);
        }
        let mut open: Vec<(NodeNo, NodeNo, bool)> = Vec::new();
        for f in facts() {
            let known = f.known(size);
            let ends_later = f.recorded_until != NEVER && EntryIndex::from(f.recorded_until) >= size;
            let turns_later = known && f.valid_until > at && (f.valid_from > at || f.valid_until < FOREVER);
            if f.recorded_from >= position(size) {
                marks.set_grown(f.dataset);
                marks.set_grown(f.job);
            }
            if ends_later || turns_later {
                marks.set(f.dataset);
                marks.set(f.job);
            } else if known && f.valid_until == FOREVER {
                if others.contains(f.dataset) {
                    marks.set(f.job);
                }
                if others.contains(f.job) {
                    marks.set(f.dataset);
                }
                open.push((f.dataset, f.job, f.side.is_output()));
            }
        }
        let rows = |down: bool| {
            let entries = open.iter().map(|(dataset, job, output)| if *output == down { (*job, *dataset) } else { (*dataset, *job) });
            Rows::sorted(nodes, entries).distinct()
        };
        Self { size, at, kinds: Kinds::of(topology, nodes), ways: [rows(false), rows(true)], marks }
    }

    fn marks(&self) -> &Arc<Marks> {
        &self.marks
    }

    fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    fn bytes(&self) -> usize {
        self.marks.bytes() + self.kinds.bytes() + self.ways.iter().map(Rows::bytes).sum::<usize>()
    }
}

impl Present {
    /// Whether it tells of an instant.
    pub fn covers(&self, as_of: AsOf) -> bool {
        as_of.size >= self.size && as_of.valid_at >= self.at
    }

    /// Follows nodes one way at an instant that it covers: all edges are counted,
    /// each neighbour is met. Gives the nodes that it does not tell of to `others`.
    pub fn follow(
        &self,
        topology: &Topology,
        (as_of, down): (AsOf, bool),
        level: &[NodeNo],
        mut meet: impl FnMut(NodeNo),
        others: &mut Vec<NodeNo>,
    ) -> u64 {
        let [up, downwards] = &self.ways;
        let rows = if down { downwards } else { up };
        let (mut edges, mut added) = (0, Vec::new());
        for node in level {
            let row = rows.row(*node);
            if self.marks.is_set(*node) {
                if self.marks.is_changed(*node) || !self.added(topology, (as_of, down), *node, row, &mut added) {
                    others.push(*node);
                    continue;
                }
                edges += added.len() as u64;
                added.iter().for_each(|neighbour| meet(*neighbour));
            }
            edges += row.len() as u64;
            row.iter().for_each(|neighbour| meet(*neighbour));
        }
        edges
    }

    /// The neighbours of a node by later flows that are not in its row; `false`
    /// where there is more to them than bare flows.
    fn added(&self, topology: &Topology, (as_of, down): (AsOf, bool), node: NodeNo, row: &[NodeNo], added: &mut Vec<NodeNo>) -> bool {
        added.clear();
        let is_job = topology.node(node).is_some_and(|n| n.kind == ArtifactKind::Job);
        let list = usize::from(down == is_job);
        // The latest come first, and none of those before the copy was changed.
        let later = topology.flows_of(node, list).take_while(|f| f.recorded_from >= position(self.size));
        for f in later.filter(|f| f.known(as_of.size) && f.open(as_of.valid_at)) {
            let neighbour = if is_job { f.dataset } else { f.job };
            let lives = || topology.life_at(neighbour, as_of.size).first().is_some_and(|life| life.0 <= as_of.valid_at);
            if !topology.is_plain(neighbour) || !lives() {
                return false;
            }
            added.push(neighbour);
        }
        added.sort_unstable();
        added.dedup();
        added.retain(|neighbour| row.binary_search(neighbour).is_err());
        true
    }
}
