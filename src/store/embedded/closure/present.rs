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
            let is_later = f.recorded_from >= position(size) || f.recorded_until != NEVER && EntryIndex::from(f.recorded_until) >= size;
            let will_change = known && f.valid_until > at && (f.valid_from > at || f.valid_until < FOREVER);
            if is_later || will_change {
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

    /// Follows nodes one way: all edges are counted, each neighbour that was not
    /// met before is met. Gives the nodes that it does not tell of to `others`.
    pub fn follow(&self, down: bool, level: &[NodeNo], mut meet: impl FnMut(NodeNo), others: &mut Vec<NodeNo>) -> u64 {
        let [up, downwards] = &self.ways;
        let rows = if down { downwards } else { up };
        let mut edges = 0;
        for node in level {
            if self.marks.is_set(*node) {
                others.push(*node);
                continue;
            }
            let row = rows.row(*node);
            edges += row.len() as u64;
            row.iter().for_each(|neighbour| meet(*neighbour));
        }
        edges
    }
}
