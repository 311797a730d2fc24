//! The facts that hang on nodes: adding them, superseding them, walking them.
use std::sync::atomic::Ordering;

use super::{HAS_ALIASES, HAS_ENDS, NEVER, NONE, NodeNo, PairNo, Topology, position, span};
use crate::domain::{
    id::EntryIndex,
    time::{FOREVER, Micros},
};

/// Which flows of a job: inputs or outputs, by runs or by design.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Side {
    Inputs = 0,
    Outputs = 1,
    DesignInputs = 2,
    DesignOutputs = 3,
}

impl Side {
    pub fn from_u8(n: u8) -> Option<Self> {
        [Self::Inputs, Self::Outputs, Self::DesignInputs, Self::DesignOutputs].into_iter().find(|s| *s as u8 == n)
    }

    /// The dataset was read (0) or written (1).
    pub const fn list(self) -> usize {
        self as usize & 1
    }

    pub const fn is_output(self) -> bool {
        self.list() == 1
    }

    pub const fn is_design(self) -> bool {
        self as u8 >= 2
    }
}

/// A flow between a dataset and a job in one stretch of time, as some entry recorded it.
#[derive(Clone, Copy, Debug)]
pub struct FlowFact {
    pub slot: u32,
    pub dataset: NodeNo,
    pub job: NodeNo,
    pub pair: PairNo,
    pub side: Side,
    pub valid_from: Micros,
    pub valid_until: Micros,
    pub recorded_from: u32,
    pub recorded_until: u32,
    /// The entry whose event asserts it.
    pub by: u32,
}

/// A stretch of a node's life.
#[derive(Clone, Copy, Debug)]
pub struct LifeFact {
    pub slot: u32,
    pub valid_from: Micros,
    pub valid_until: Micros,
    pub recorded_from: u32,
    pub recorded_until: u32,
}

/// Why two names are one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum AliasKind {
    /// A symlink of type TABLE: joins transitively.
    Symlink = 1,
    /// A place that several tables may share: joins one table only.
    Location = 2,
    /// `a` was renamed to `b` at `valid_from`: a's life that ended then goes on in b.
    Rename = 3,
}

const fn alias_kind(n: u8) -> AliasKind {
    match n {
        2 => AliasKind::Location,
        3 => AliasKind::Rename,
        _ => AliasKind::Symlink,
    }
}

/// Two names joined in one stretch of time.
#[derive(Clone, Copy, Debug)]
pub struct AliasFact {
    pub slot: u32,
    pub a: NodeNo,
    pub b: NodeNo,
    pub kind: AliasKind,
    pub owner: u32,
    pub valid_from: Micros,
    pub valid_until: Micros,
    pub recorded_from: u32,
    pub recorded_until: u32,
}

/// Whether a fact with these positions is known at a ledger size.
pub const fn known(recorded_from: u32, recorded_until: u32, size: EntryIndex) -> bool {
    (recorded_from as EntryIndex) < size && !(recorded_until != NEVER && (recorded_until as EntryIndex) < size)
}

impl FlowFact {
    pub const fn known(&self, size: EntryIndex) -> bool {
        known(self.recorded_from, self.recorded_until, size)
    }

    pub fn open(&self, at: Micros) -> bool {
        self.valid_from <= at && at < self.valid_until
    }
}

impl LifeFact {
    pub const fn known(&self, size: EntryIndex) -> bool {
        known(self.recorded_from, self.recorded_until, size)
    }
}

impl AliasFact {
    pub const fn known(&self, size: EntryIndex) -> bool {
        known(self.recorded_from, self.recorded_until, size)
    }

    pub fn holds(&self, at: Micros) -> bool {
        self.valid_from <= at && at < self.valid_until
    }
}

impl Topology {
    /// Links a flow in at its dataset and its job; returns its slot. For the writer.
    pub fn add_flow(&self, f: &FlowFact) -> Option<u32> {
        let no = self.flow_count.load(Ordering::Relaxed);
        let slot = self.flows.slot(no)?;
        let (dataset, job) = (self.nodes.get(f.dataset)?, self.nodes.get(f.job)?);
        let (dataset_head, job_head) = (dataset.flows.get(f.side.list())?, job.flows.get(f.side.list())?);
        slot.dataset.store(f.dataset, Ordering::Relaxed);
        slot.job.store(f.job, Ordering::Relaxed);
        slot.pair.store(f.pair, Ordering::Relaxed);
        slot.side.store(f.side as u8, Ordering::Relaxed);
        slot.valid_from.store(f.valid_from.0, Ordering::Relaxed);
        slot.valid_until.store(f.valid_until.0, Ordering::Relaxed);
        slot.recorded_from.store(f.recorded_from, Ordering::Relaxed);
        slot.recorded_until.store(f.recorded_until, Ordering::Relaxed);
        slot.by.store(f.by, Ordering::Relaxed);
        slot.next_of_dataset.store(dataset_head.0.load(Ordering::Relaxed), Ordering::Relaxed);
        slot.next_of_job.store(job_head.0.load(Ordering::Relaxed), Ordering::Relaxed);
        self.flow_count.store(no + 1, Ordering::Release);
        dataset_head.0.store(no, Ordering::Release);
        job_head.0.store(no, Ordering::Release);
        dataset.degree.fetch_add(1, Ordering::Relaxed);
        job.degree.fetch_add(1, Ordering::Relaxed);
        self.touch_flow(f.dataset, f.job, false);
        Some(no)
    }

    /// The fact is superseded by that entry; readers below it still see it.
    pub fn end_flow(&self, slot: u32, by: EntryIndex) {
        if let Some(s) = self.flows.get(slot) {
            s.recorded_until.store(position(by), Ordering::Release);
            self.touch_flow(s.dataset.load(Ordering::Relaxed), s.job.load(Ordering::Relaxed), true);
        }
    }

    pub fn flow(&self, slot: u32) -> Option<FlowFact> {
        let s = self.flows.get(slot)?;
        let (valid_from, valid_until) = span(&s.valid_from, &s.valid_until);
        Some(FlowFact {
            slot,
            dataset: s.dataset.load(Ordering::Relaxed),
            job: s.job.load(Ordering::Relaxed),
            pair: s.pair.load(Ordering::Relaxed),
            side: Side::from_u8(s.side.load(Ordering::Relaxed))?,
            valid_from,
            valid_until,
            recorded_from: s.recorded_from.load(Ordering::Relaxed),
            recorded_until: s.recorded_until.load(Ordering::Acquire),
            by: s.by.load(Ordering::Relaxed),
        })
    }

    /// The flow facts of a node: list 0 the inputs of jobs (`used`), 1 their
    /// outputs (`wasGeneratedBy`). Latest first; every version.
    pub fn flows_of(&self, node: NodeNo, list: usize) -> impl Iterator<Item = FlowFact> + '_ {
        let mut next = self.nodes.get(node).and_then(|n| n.flows.get(list)).map_or(NONE, |h| h.0.load(Ordering::Acquire));
        std::iter::from_fn(move || {
            if next == NONE {
                return None;
            }
            let fact = self.flow(next)?;
            let s = self.flows.get(next)?;
            next = if fact.dataset == node { s.next_of_dataset.load(Ordering::Relaxed) } else { s.next_of_job.load(Ordering::Relaxed) };
            Some(fact)
        })
    }

    /// Adds a stretch of life. For the writer.
    pub fn add_life(&self, node: NodeNo, f: &LifeFact) -> Option<u32> {
        let no = self.life_count.load(Ordering::Relaxed);
        let (slot, n) = (self.lives.slot(no)?, self.nodes.get(node)?);
        slot.valid_from.store(f.valid_from.0, Ordering::Relaxed);
        slot.valid_until.store(f.valid_until.0, Ordering::Relaxed);
        slot.recorded_from.store(f.recorded_from, Ordering::Relaxed);
        slot.recorded_until.store(f.recorded_until, Ordering::Relaxed);
        slot.next.store(n.lives.0.load(Ordering::Relaxed), Ordering::Relaxed);
        self.life_count.store(no + 1, Ordering::Release);
        n.lives.0.store(no, Ordering::Release);
        if f.valid_until < FOREVER {
            self.raise(node, HAS_ENDS);
        }
        Some(no)
    }

    pub fn end_life(&self, slot: u32, by: EntryIndex) {
        if let Some(s) = self.lives.get(slot) {
            s.recorded_until.store(position(by), Ordering::Release);
        }
    }

    /// Marks a node whose life is known to end even if no stretch of it shows
    /// (a drop at or before its first naming).
    pub fn mark_ends(&self, node: NodeNo) {
        self.raise(node, HAS_ENDS);
    }

    fn raise(&self, node: NodeNo, flag: u8) {
        if self.nodes.get(node).is_some_and(|n| n.flags.fetch_or(flag, Ordering::AcqRel) == 0) {
            self.turn_special(node);
        }
    }

    /// Every version of every stretch of a node's life, latest recorded first.
    pub fn lives_of(&self, node: NodeNo) -> impl Iterator<Item = LifeFact> + '_ {
        let mut next = self.nodes.get(node).map_or(NONE, |n| n.lives.0.load(Ordering::Acquire));
        std::iter::from_fn(move || {
            let slot = next;
            let s = (slot != NONE).then(|| self.lives.get(slot))??;
            next = s.next.load(Ordering::Relaxed);
            let (valid_from, valid_until) = span(&s.valid_from, &s.valid_until);
            Some(LifeFact {
                slot,
                valid_from,
                valid_until,
                recorded_from: s.recorded_from.load(Ordering::Relaxed),
                recorded_until: s.recorded_until.load(Ordering::Acquire),
            })
        })
    }

    /// The stretches of life known at a size, ascending.
    pub fn life_at(&self, node: NodeNo, size: EntryIndex) -> smallvec::SmallVec<[(Micros, Micros); 2]> {
        let mut out: smallvec::SmallVec<[(Micros, Micros); 2]> =
            self.lives_of(node).filter(|l| l.known(size)).map(|l| (l.valid_from, l.valid_until)).collect();
        if out.len() > 1 {
            out.sort_unstable();
        }
        out
    }

    /// Links two names. For the writer.
    pub fn add_alias(&self, f: &AliasFact) -> Option<u32> {
        let no = self.alias_count.load(Ordering::Relaxed);
        let (slot, a, b) = (self.aliases.slot(no)?, self.nodes.get(f.a)?, self.nodes.get(f.b)?);
        slot.a.store(f.a, Ordering::Relaxed);
        slot.b.store(f.b, Ordering::Relaxed);
        slot.kind.store(f.kind as u8, Ordering::Relaxed);
        slot.owner.store(f.owner, Ordering::Relaxed);
        slot.valid_from.store(f.valid_from.0, Ordering::Relaxed);
        slot.valid_until.store(f.valid_until.0, Ordering::Relaxed);
        slot.recorded_from.store(f.recorded_from, Ordering::Relaxed);
        slot.recorded_until.store(f.recorded_until, Ordering::Relaxed);
        slot.next_of_a.store(a.aliases.0.load(Ordering::Relaxed), Ordering::Relaxed);
        slot.next_of_b.store(b.aliases.0.load(Ordering::Relaxed), Ordering::Relaxed);
        self.alias_count.store(no + 1, Ordering::Release);
        a.aliases.0.store(no, Ordering::Release);
        b.aliases.0.store(no, Ordering::Release);
        self.raise(f.a, HAS_ALIASES);
        self.raise(f.b, HAS_ALIASES);
        self.rejoined(f.a, f.b, f.kind);
        Some(no)
    }

    pub fn end_alias(&self, slot: u32, by: EntryIndex) {
        if let Some(s) = self.aliases.get(slot) {
            s.recorded_until.store(position(by), Ordering::Release);
            self.rejoined(s.a.load(Ordering::Relaxed), s.b.load(Ordering::Relaxed), alias_kind(s.kind.load(Ordering::Relaxed)));
        }
    }

    /// Every alias fact that touches a node, latest recorded first.
    pub fn aliases_of(&self, node: NodeNo) -> impl Iterator<Item = AliasFact> + '_ {
        let mut next = self.nodes.get(node).map_or(NONE, |n| n.aliases.0.load(Ordering::Acquire));
        std::iter::from_fn(move || {
            let slot = next;
            let s = (slot != NONE).then(|| self.aliases.get(slot))??;
            let (a, b) = (s.a.load(Ordering::Relaxed), s.b.load(Ordering::Relaxed));
            next = if a == node { s.next_of_a.load(Ordering::Relaxed) } else { s.next_of_b.load(Ordering::Relaxed) };
            let kind = alias_kind(s.kind.load(Ordering::Relaxed));
            let (valid_from, valid_until) = span(&s.valid_from, &s.valid_until);
            Some(AliasFact {
                slot,
                a,
                b,
                kind,
                owner: s.owner.load(Ordering::Relaxed),
                valid_from,
                valid_until,
                recorded_from: s.recorded_from.load(Ordering::Relaxed),
                recorded_until: s.recorded_until.load(Ordering::Acquire),
            })
        })
    }
}
