//! Copies of the graph's shape as flat arrays, for counting over very many nodes:
//! made when first needed, made anew when too much has changed, true meanwhile.
//!
//! A copy is never changed. It says of which nodes it does not tell: those whose
//! neighbours depend on more than bare flows when it is made, and those that
//! change later ([`Marks`]). They are read where they are kept.
mod bits;
mod history;
mod present;
mod rows;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwapOption;
pub use bits::{Bits, Kinds};
use history::History;
use parking_lot::Mutex;
use present::Present;

use super::{
    shared::Shared,
    topology::{Marks, NodeNo, Topology},
};
use crate::domain::{id::EntryIndex, lineage::AsOf, time::Micros};

/// A copy is not made anew before so many times what making it took have passed.
const REST: u32 = 10;
/// It is when so many nodes changed, and of many one in 64.
const CHANGED_MAX: usize = 256;

/// A copy of the graph's shape.
trait Copied: Send + Sync + Sized + 'static {
    /// What a ledger size knows. `until`: which valid times are not ahead.
    fn copy(topology: &Topology, size: EntryIndex, until: Micros) -> Self;
    fn marks(&self) -> &Arc<Marks>;
    fn kinds(&self) -> &Kinds;
    fn bytes(&self) -> usize;
}

/// The copies there are.
pub struct Copies {
    present: Slot<Present>,
    history: Slot<History>,
    /// From how many nodes of an answer on one is made.
    from: usize,
}

/// A copy that tells of an instant.
pub enum Copy {
    Present(Arc<Present>),
    History(Arc<History>),
}

struct Slot<T> {
    made: ArcSwapOption<T>,
    making: Mutex<()>,
    /// Somebody makes a newer one.
    renewing: AtomicBool,
    rests_until: Mutex<Option<Instant>>,
}

impl Copies {
    pub fn new(from: usize) -> Self {
        Self { present: Slot::new(), history: Slot::new(), from }
    }

    /// A copy that is there and tells of an instant.
    pub fn find(&self, as_of: AsOf) -> Option<Copy> {
        let present = self.present.made.load();
        if let Some(present) = present.as_ref().filter(|p| p.covers(as_of)) {
            return Some(Copy::Present(present.clone()));
        }
        self.history.made.load_full().map(Copy::History)
    }

    /// Whether an answer is so large that one should be made.
    pub const fn are_worth_it(&self, nodes: usize) -> bool {
        nodes >= self.from
    }

    /// A copy that tells of an instant, made if need be, as a view sees the graph
    /// whose size is `head`. None where only a newer one is there.
    pub fn make(&self, topology: &Topology, as_of: AsOf, head: EntryIndex, until: Micros) -> Option<Copy> {
        if as_of.size == head {
            let present = self.present.get(topology, head, until);
            if present.covers(as_of) {
                return Some(Copy::Present(present));
            }
        }
        if let Some(found) = self.find(as_of) {
            return Some(found);
        }
        let is_past = as_of.size < head || as_of.valid_at < until;
        is_past.then(|| Copy::History(self.history.get(topology, head, until)))
    }

    /// Has copies made anew, beside, of which too much is no longer true.
    pub fn renew(&self, shared: &Arc<Shared>, copy: &Copy, head: EntryIndex, until: Micros) {
        match copy {
            Copy::Present(_) => self.present.renew(shared, |c| &c.present, head, until),
            Copy::History(_) => self.history.renew(shared, |c| &c.history, head, until),
        }
    }

    /// In memory, in bytes: of the present, and of the history.
    pub fn bytes(&self) -> (usize, usize) {
        let (present, history) = (self.present.made.load(), self.history.made.load());
        (present.as_ref().map_or(0, |c| c.bytes()), history.as_ref().map_or(0, |c| c.bytes()))
    }
}

impl Copy {
    /// To be called for each view before nodes are followed.
    pub fn settle(&self, topology: &Topology) {
        self.marks().settle(topology);
    }

    pub fn kinds(&self) -> &Kinds {
        match self {
            Self::Present(copy) => copy.kinds(),
            Self::History(copy) => copy.kinds(),
        }
    }

    fn marks(&self) -> &Arc<Marks> {
        match self {
            Self::Present(copy) => copy.marks(),
            Self::History(copy) => copy.marks(),
        }
    }

    /// Follows nodes one way at an instant that it tells of: all edges are counted,
    /// every neighbour is met, once for each node that it is next to. Gives the
    /// nodes that it does not tell of to `others`.
    pub fn follow(
        &self,
        topology: &Topology,
        (as_of, down): (AsOf, bool),
        level: &[NodeNo],
        meet: impl FnMut(NodeNo),
        others: &mut Vec<NodeNo>,
    ) -> u64 {
        match self {
            Self::Present(copy) => copy.follow(topology, (as_of, down), level, meet, others),
            Self::History(copy) => copy.follow(topology, as_of, down, level, meet, others),
        }
    }
}

impl<T: Copied> Slot<T> {
    fn new() -> Self {
        Self { made: ArcSwapOption::empty(), making: Mutex::new(()), renewing: AtomicBool::new(false), rests_until: Mutex::new(None) }
    }

    fn get(&self, topology: &Topology, size: EntryIndex, until: Micros) -> Arc<T> {
        if let Some(made) = self.made.load_full() {
            return made;
        }
        let _one_at_a_time = self.making.lock();
        if let Some(made) = self.made.load_full() {
            return made;
        }
        self.put(topology, size, until)
    }

    fn put(&self, topology: &Topology, size: EntryIndex, until: Micros) -> Arc<T> {
        let begun = Instant::now();
        let made = Arc::new(T::copy(topology, size, until));
        // Whoever has the old one began before this: what its view knows is marked.
        if let Some(old) = self.made.swap(Some(made.clone())) {
            topology.dismiss(old.marks());
        }
        let took = begun.elapsed();
        *self.rests_until.lock() = Some(Instant::now() + took * REST);
        tracing::debug!(size, bytes = made.bytes(), milliseconds = took.as_millis(), "the graph was copied");
        made
    }

    fn renew(&self, shared: &Arc<Shared>, slot: fn(&Copies) -> &Self, size: EntryIndex, until: Micros) {
        let Some(made) = self.made.load_full() else { return };
        let (marks, topology) = (made.marks(), &shared.topology);
        let changed = marks.touched().saturating_add(topology.node_count().saturating_sub(marks.nodes()));
        let is_old = changed as usize > marks.nodes() as usize / 64 + CHANGED_MAX;
        let rests = self.rests_until.lock().is_some_and(|until| Instant::now() < until);
        if !is_old || rests || self.renewing.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = shared.clone();
        let renewed = std::thread::Builder::new().name("graph-copy".into()).spawn(move || {
            let slot = slot(&shared.copies);
            slot.put(&shared.topology, size, until);
            slot.renewing.store(false, Ordering::Release);
        });
        if renewed.is_err() {
            self.renewing.store(false, Ordering::Release);
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
            position::{LogNumber, LogSpan, Logs},
            time::FOREVER,
        },
        ledger::EMPTY_ROOT,
        store::{
            Head, PublishedCheckpoint,
            embedded::{
                intern::Intern,
                topology::{FlowFact, LifeFact, NEVER, Side},
            },
        },
    };

    /// Jobs `2n + 1` that read the dataset before them and write the one after,
    /// each told by an entry of its own, at its number as time.
    fn chain(jobs: u32) -> Arc<Shared> {
        let topology = Topology::new();
        for no in 0..=jobs * 2 {
            let kind = if no % 2 == 0 { ArtifactKind::Dataset } else { ArtifactKind::Job };
            let mut id = [0; 16];
            id[..4].copy_from_slice(&no.to_be_bytes());
            let by = no.saturating_sub(1) / 2;
            topology.add_node(NodeId(id), kind, "ns", &no.to_string(), by);
            let life = LifeFact { slot: 0, valid_from: Micros(by.into()), valid_until: FOREVER, recorded_from: by, recorded_until: NEVER };
            topology.add_life(no, &life);
        }
        (0..jobs).for_each(|n| link(&topology, 2 * n, 2 * n + 1, 2 * n + 2, n));
        let span = LogSpan { log: LogNumber(0), origin: "o".into(), first: 0, closed_size: None };
        let unsigned = PublishedCheckpoint { size: 0, root: EMPTY_ROOT, note: String::new() };
        let head = Head { size: jobs.into(), root: EMPTY_ROOT };
        Arc::new(Shared::new(topology, Copies::new(0), Intern::new(), Logs::new(vec![span]).unwrap(), head, Arc::new(unsigned)))
    }

    fn link(topology: &Topology, from: NodeNo, job: NodeNo, to: NodeNo, by: u32) {
        for (dataset, side) in [(from, Side::Inputs), (to, Side::Outputs)] {
            let fact = FlowFact {
                slot: 0,
                dataset,
                job,
                pair: 0,
                side,
                valid_from: Micros(by.into()),
                valid_until: FOREVER,
                recorded_from: by,
                recorded_until: NEVER,
                by,
            };
            topology.add_flow(&fact);
        }
    }

    /// All that a copy meets from the first dataset downwards, and what it does not tell of.
    fn down(shared: &Shared, copy: &Copy, as_of: AsOf) -> (Vec<NodeNo>, Vec<NodeNo>) {
        copy.settle(&shared.topology);
        let (mut met, mut others, mut i) = (vec![0], Vec::new(), 0);
        while let Some(node) = met.get(i).copied() {
            i += 1;
            let mut next = Vec::new();
            copy.follow(&shared.topology, (as_of, true), &[node], |n| next.push(n), &mut others);
            met.append(&mut next);
        }
        (met, others)
    }

    const fn at(size: EntryIndex, valid_at: i64) -> AsOf {
        AsOf { valid_at: Micros(valid_at), size }
    }

    #[test]
    fn the_present_is_followed_whole_and_the_past_on_both_axes() {
        let shared = chain(1_000);
        let make = |as_of| shared.copies.make(&shared.topology, as_of, 1_000, Micros(5_000)).unwrap();
        let now = make(at(1_000, 5_000));
        assert!(matches!(now, Copy::Present(_)));
        assert_eq!(down(&shared, &now, at(1_000, 5_000)), ((0..=2_000).collect(), vec![]));
        let past = make(at(1_000, 300));
        assert!(matches!(past, Copy::History(_)));
        assert_eq!(down(&shared, &past, at(1_000, 300)), ((0..=602).collect(), vec![]));
        assert_eq!(down(&shared, &make(at(301, 5_000)), at(301, 5_000)), ((0..=602).collect(), vec![]));
        assert_eq!(down(&shared, &past, at(301, 7)), ((0..=16).collect(), vec![]));
    }

    #[test]
    fn what_changes_later_is_told_apart_and_the_copy_is_renewed_beside() {
        let shared = chain(1_000);
        let copy = shared.copies.make(&shared.topology, at(1_000, 5_000), 1_000, Micros(5_000)).unwrap();
        link(&shared.topology, 10, 13, 16, 1_000);
        let (mut met, others) = down(&shared, &copy, at(1_001, 5_000));
        met.sort_unstable();
        met.dedup();
        assert_eq!((met.len(), others), (2_001, vec![]), "what was only added is found behind the row");
        shared.topology.end_flow(0, 1_001);
        assert_eq!(down(&shared, &copy, at(1_002, 5_000)), (vec![0], vec![0]));
        (0..600).for_each(|n| link(&shared.topology, 2 * n, 2 * n + 1, 2 * n + 2, 1_002 + n));
        let newer = at(1_602, 5_000);
        loop {
            shared.copies.renew(&shared, &copy, 1_602, Micros(5_000));
            match shared.copies.find(newer) {
                Some(copy) if down(&shared, &copy, newer).0.len() > 2_000 => break,
                _ => std::thread::yield_now(),
            }
        }
    }

    #[test]
    fn a_view_older_than_the_copy_of_the_present_gets_none_that_it_could_not_use() {
        let shared = chain(100);
        shared.copies.make(&shared.topology, at(100, 5_000), 100, Micros(5_000)).unwrap();
        assert!(shared.copies.make(&shared.topology, at(99, 5_000), 99, Micros(5_000)).is_none());
        assert!(shared.copies.find(at(99, 5_000)).is_none());
    }
}
