//! From events to the graph: what one event changes, decided on the
//! transaction's own state and written in it. Replay runs the same code.
mod drops;
mod facets;
mod flows;
mod life;
mod names;
mod runs;
mod state;

use std::sync::Arc;

use rusqlite::Connection;
use smallvec::SmallVec;
pub use state::State;

use super::{intern::Intern, plan::Plan, topology::Topology};
use crate::{
    domain::{
        assertion::{Assertion, Digest, Subject},
        id::{EntryIndex, Handle},
        time::Micros,
    },
    store::{
        StoreError,
        write::{EntityDetail, EntityIds},
    },
};

/// Reads back the canonical digest of an entry's event: it lies in `core`.
pub trait Digests {
    /// # Errors
    /// A part that cannot be opened.
    fn digest_of(&self, db: &Connection, index: EntryIndex) -> Result<Digest, StoreError>;
}

/// The shape of an event, with what is needed to plan it if it is new.
pub enum ShapeOf<'a> {
    /// Planned before.
    Known(u32),
    /// Stored under this number, not planned yet.
    Unplanned { shape: u32, details: &'a [EntityDetail], blobs: &'a [(Digest, u32)] },
}

/// Applies events inside one transaction.
pub struct Projector<'a> {
    pub db: &'a Connection,
    pub topology: &'a Topology,
    pub intern: &'a Intern,
    pub state: &'a mut State,
    pub digests: &'a dyn Digests,
}

/// What applying an event told.
#[derive(Debug)]
pub struct Applied {
    pub source: u32,
    /// People whose ownership changed by it.
    pub concerns: SmallVec<[Handle; 1]>,
}

/// An event's place in the order of "latest": time, then rank and digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Stamp {
    us: Micros,
    /// Rank, then the digest's first 15 bytes.
    tie: [u8; 16],
}

impl Stamp {
    fn new(us: Micros, rank: u8, digest: &Digest) -> Self {
        let mut tie = [rank; 16];
        for (t, d) in tie.iter_mut().skip(1).zip(digest) {
            *t = *d;
        }
        Self { us, tie }
    }
}

impl Projector<'_> {
    /// Applies one event as entry `ix`.
    ///
    /// # Errors
    /// The store's; the transaction must then be given up.
    pub fn apply(&mut self, ix: EntryIndex, a: &Assertion, ids: &EntityIds, shape: ShapeOf<'_>) -> Result<Applied, StoreError> {
        // Only the event that makes a pair is its first.
        self.state.fresh_pair = None;
        let (shape, plan) = match shape {
            ShapeOf::Known(shape) => (shape, self.plan(shape)?),
            ShapeOf::Unplanned { shape, details, blobs } => (shape, self.make_plan(ix, shape, a, ids, details, blobs)?),
        };
        let stamp = Stamp::new(a.time, plan.rank, &a.digest);
        let start = match (&a.subject, plan.pair) {
            (Subject::Run { run_id, state }, Some(pair)) => {
                let change = self.record_run(ix, pair, run_id, *state, a.time, shape)?;
                self.apply_run_flows(ix, pair, &plan, &change)?;
                if let Some(was) = change.moved_from() {
                    self.restate_lives_of_run(ix, &change, was)?;
                }
                change.new.start
            }
            (Subject::Job, Some(pair)) => {
                self.record_design(ix, pair, a, shape)?;
                self.apply_design_flows(ix, pair, &plan, a)?;
                a.time
            }
            (Subject::Dataset, _) => {
                self.record_dataset_event(ix, &plan, a, shape)?;
                a.time
            }
            _ => return Err(StoreError::Inconsistent { place: "shape.plan: no job" }),
        };
        for node in &plan.named {
            self.witness(ix, *node, start, a.time)?;
        }
        self.name_parents(ix, a, ids, plan.source, start)?;
        for node in &plan.ends {
            self.end(ix, *node, a.time, plan.drops.binary_search(node).is_ok())?;
        }
        for (old, new) in &plan.renames {
            self.rename(ix, *old, *new, a.time)?;
        }
        let concerns = self.apply_facets(ix, stamp, a, ids, &plan)?;
        self.restate_drops(ix)?;
        for node in plan.named.iter().chain(plan.ends.iter()) {
            self.state.seen(*node, a.time);
        }
        Ok(Applied { source: plan.source, concerns })
    }

    /// A shape's plan, from memory or its row.
    pub(super) fn plan(&self, shape: u32) -> Result<Arc<Plan>, StoreError> {
        plan_of(self.db, self.intern, shape)
    }
}

/// A shape's plan, from memory or its row.
///
/// # Errors
/// A missing or unreadable row.
pub fn plan_of(db: &Connection, intern: &Intern, shape: u32) -> Result<Arc<Plan>, StoreError> {
    if let Some(plan) = intern.plan(shape) {
        return Ok(plan);
    }
    let bytes: Vec<u8> = db
        .prepare_cached("SELECT plan FROM shape WHERE id = ?1")
        .and_then(|mut s| s.query_row([shape], |r| r.get(0)))
        .map_err(super::schema::backend)?;
    let plan = Plan::decode(&bytes)?;
    intern.add_plan(shape, plan.clone());
    Ok(plan)
}
