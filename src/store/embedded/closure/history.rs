//! What flowed at any instant, as any ledger size knew it: arrays of all facts,
//! each with its four bounds told in seven bits.
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
        time::{FOREVER, Micros},
    },
    store::embedded::topology::{FlowFact, Marks, NEVER, NodeNo, Topology, position},
};

/// How many facts bounds are chosen by.
const SAMPLE: usize = 1 << 15;
/// The last bucket of what ends: never, or for ever.
const NO_END: u8 = 127;
/// The top bit of each byte.
const TOPS: u32 = 0x8080_8080;

/// A fact as a row holds it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Stretch {
    neighbour: NodeNo,
    /// By byte: the buckets of where it begins, and 127 less those of where it ends.
    buckets: u32,
    slot: u32,
}

/// All facts of the size `size`, for all nodes that are one name each without an
/// end, and have only such neighbours.
pub struct History {
    size: EntryIndex,
    marks: Arc<Marks>,
    kinds: Kinds,
    /// The nodes of which it does not tell.
    others: Bits,
    recorded: Scale,
    valid: Scale,
    /// By way: up, down.
    ways: [Rows<Stretch>; 2],
}

/// Bounds that cut an axis into buckets with about as many ends of facts in each.
struct Scale(Vec<i64>);

impl Scale {
    fn of(mut values: Vec<i64>) -> Self {
        values.sort_unstable();
        let step = (values.len() / 125).max(1);
        let mut bounds: Vec<i64> = values.into_iter().skip(step).step_by(step).take(125).collect();
        bounds.dedup();
        Self(bounds)
    }

    /// From 1 to 126.
    fn bucket(&self, value: i64) -> u8 {
        u8::try_from(self.0.partition_point(|bound| *bound <= value)).unwrap_or(NO_END) + 1
    }

    fn until(&self, value: i64, never: bool) -> u8 {
        if never { NO_END } else { self.bucket(value) }
    }
}

/// An instant on both axes, as buckets.
#[derive(Clone, Copy)]
struct Instant {
    as_of: AsOf,
    at_most: u32,
    below: u32,
}

impl Instant {
    /// Whether the fact is known and open then. Buckets decide, but where the
    /// instant falls into the bucket of a bound.
    #[inline]
    fn is_in(self, stretch: Stretch, topology: &Topology) -> bool {
        // No byte exceeds the other's: then no top bit is borrowed.
        if (self.at_most | TOPS).wrapping_sub(stretch.buckets) & TOPS != TOPS {
            return false;
        }
        if (self.below | TOPS).wrapping_sub(stretch.buckets) & TOPS == TOPS {
            return true;
        }
        topology.flow(stretch.slot).is_some_and(|f| f.known(self.as_of.size) && f.open(self.as_of.valid_at))
    }
}

impl Copied for History {
    fn copy(topology: &Topology, size: EntryIndex, _: Micros) -> Self {
        let marks = topology.attend();
        let nodes = marks.nodes();
        let flows = topology.flow_count();
        let facts = || (0..flows).filter_map(|slot| topology.flow(slot));
        let (mut recorded, mut valid) = (Vec::new(), Vec::new());
        for f in facts().step_by((flows as usize / SAMPLE).max(1)) {
            recorded.push(i64::from(f.recorded_from));
            recorded.extend(Some(i64::from(f.recorded_until)).filter(|_| f.recorded_until != NEVER));
            valid.push(f.valid_from.0);
            valid.extend(Some(f.valid_until.0).filter(|_| f.valid_until < FOREVER));
        }
        let (recorded, valid) = (Scale::of(recorded), Scale::of(valid));

        // Of each node the latest beginning that was ever told, and the first entry.
        let mut births: Vec<(Micros, u32)> = Vec::with_capacity(nodes as usize);
        let mut others = Bits::new(nodes);
        for node in 0..nodes {
            let lives = topology.lives_of(node).map(|l| (l.valid_from, l.recorded_from));
            births.push(lives.reduce(|a, b| (a.0.max(b.0), a.1.min(b.1))).unwrap_or((FOREVER, NEVER)));
            if !topology.is_plain(node) {
                others.insert(node);
            }
        }
        let lived = |node: NodeNo, f: &FlowFact| {
            births.get(node as usize).is_some_and(|(from, recorded)| *from <= f.valid_from && *recorded <= f.recorded_from)
                || topology.lives_of(node).any(|l| l.valid_from <= f.valid_from && l.recorded_from <= f.recorded_from)
        };
        let mut kept: Vec<(NodeNo, NodeNo, bool, u32, u32)> = Vec::with_capacity(flows as usize);
        let mut odd = Vec::new();
        for f in facts() {
            let is_later = f.recorded_from >= position(size) || f.recorded_until != NEVER && EntryIndex::from(f.recorded_until) >= size;
            if is_later {
                marks.set(f.dataset);
                marks.set(f.job);
            }
            if f.recorded_from >= position(size) {
                continue;
            }
            // An open flow of a name without ends is its life; where it were not, it is looked at.
            odd.extend([f.dataset, f.job].into_iter().filter(|node| !lived(*node, &f)));
            let bytes = [
                recorded.bucket(f.recorded_from.into()),
                NO_END - recorded.until(f.recorded_until.into(), f.recorded_until == NEVER),
                valid.bucket(f.valid_from.0),
                NO_END - valid.until(f.valid_until.0, f.valid_until == FOREVER),
            ];
            kept.push((f.dataset, f.job, f.side.is_output(), u32::from_le_bytes(bytes), f.slot));
        }
        drop(births);
        for node in odd {
            others.insert(node);
        }
        let beside: Vec<NodeNo> = kept
            .iter()
            .flat_map(|(dataset, job, ..)| [(*dataset, *job), (*job, *dataset)])
            .filter(|(node, neighbour)| others.contains(*neighbour) && !others.contains(*node))
            .map(|(node, _)| node)
            .collect();
        for node in beside {
            others.insert(node);
        }
        let rows = |down: bool| {
            let entries = kept.iter().map(|(dataset, job, output, buckets, slot)| {
                let stretch = |neighbour: &NodeNo| Stretch { neighbour: *neighbour, buckets: *buckets, slot: *slot };
                if *output == down { (*job, stretch(dataset)) } else { (*dataset, stretch(job)) }
            });
            Rows::sorted(nodes, entries)
        };
        let ways = [rows(false), rows(true)];
        Self { size, kinds: Kinds::of(topology, nodes), others, recorded, valid, ways, marks }
    }

    fn marks(&self) -> &Arc<Marks> {
        &self.marks
    }

    fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    fn bytes(&self) -> usize {
        self.marks.bytes() + self.others.bytes() + self.kinds.bytes() + self.ways.iter().map(Rows::bytes).sum::<usize>()
    }
}

impl History {
    fn instant(&self, as_of: AsOf) -> Instant {
        // The last entry that is visible: known from it on, and not yet superseded by it.
        let last = i64::from(position(as_of.size)).saturating_sub(1);
        let (recorded, valid) = (self.recorded.bucket(last), self.valid.bucket(as_of.valid_at.0));
        let bytes = [recorded, NO_END - recorded, valid, NO_END - valid];
        // Each is at least 1.
        Instant { as_of, at_most: u32::from_le_bytes(bytes), below: u32::from_le_bytes(bytes.map(|b| b - 1)) }
    }

    /// As [`super::Present::follow`], at an instant.
    pub fn follow(
        &self,
        topology: &Topology,
        as_of: AsOf,
        down: bool,
        level: &[NodeNo],
        mut meet: impl FnMut(NodeNo),
        others: &mut Vec<NodeNo>,
    ) -> u64 {
        let [up, downwards] = &self.ways;
        let rows = if down { downwards } else { up };
        let instant = self.instant(as_of);
        // What was changed since is of no concern to who knows only what was before.
        let marks = (as_of.size > self.size).then_some(&*self.marks);
        let mut edges = 0;
        for node in level {
            if *node >= self.marks.nodes() || self.others.contains(*node) || marks.is_some_and(|m| m.is_set(*node)) {
                others.push(*node);
                continue;
            }
            let mut last = None;
            for stretch in rows.row(*node) {
                // Several sources, or several stretches, are one edge.
                if last != Some(stretch.neighbour) && instant.is_in(*stretch, topology) {
                    last = Some(stretch.neighbour);
                    edges += 1;
                    meet(stretch.neighbour);
                }
            }
        }
        edges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_never_decide_what_they_do_not_know() {
        let scale = Scale::of((0..1_000).map(|n| n * n).collect());
        for value in [-5, 0, 1, 7_000, 500_000, 998_001, i64::MAX] {
            let bucket = scale.bucket(value);
            assert!((1..=126).contains(&bucket));
            for other in [-6, 0, 2, 6_999, 7_001, 499_999, 2_000_000] {
                assert!(scale.bucket(other) <= bucket || other > value);
            }
        }
        assert!(Scale::of(vec![4; 10_000]).bucket(4) > Scale::of(vec![4; 10_000]).bucket(3));
        assert_eq!(Scale::of(Vec::new()).bucket(9), 1);
    }
}
