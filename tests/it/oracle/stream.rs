//! "How a flow lives": what one job said through one source, and what of it is
//! open at an instant.
use std::collections::{BTreeMap, BTreeSet};

use ledgerline::domain::{assertion::RunState, name::Name, time::Micros};

use super::{
    event::{About, Event, Recency},
    model::DatasetIx,
};

/// What one (job, source) said: the input of "How a flow lives".
#[derive(Default)]
pub struct Stream {
    pub runs: BTreeMap<String, RunSaid>,
    /// Per side, each JobEvent that has the member.
    pub design: [Vec<(Recency, BTreeSet<DatasetIx>)>; 2],
}

/// What one run said over all its events.
pub struct RunSaid {
    pub s: Micros,
    /// Its events.
    pub events: Vec<(Micros, RunState)>,
    /// c(r): the time of its last COMPLETE.
    pub complete: Option<Micros>,
    /// Per side, X(r) with a_r(f).
    pub sides: [BTreeMap<DatasetIx, Micros>; 2],
}

impl Stream {
    /// Takes in an event of this job and source that starts at s.
    pub fn add(&mut self, e: &Event, s: Micros, ix: impl Fn(&Name) -> DatasetIx) {
        for (side, members) in e.sides.iter().enumerate() {
            let names = members.iter().flatten().map(|m| ix(&m.name));
            match &e.about {
                About::Run(id, state) => {
                    let empty = || RunSaid { s, events: Vec::new(), complete: None, sides: [BTreeMap::new(), BTreeMap::new()] };
                    let run = self.runs.entry(id.clone()).or_insert_with(empty);
                    run.events.push((e.time, *state));
                    if *state == RunState::Complete {
                        run.complete = run.complete.max(Some(e.time));
                    }
                    for f in names {
                        let a = run.sides[side].entry(f).or_insert(e.time);
                        *a = (*a).min(e.time);
                    }
                }
                About::Job if members.is_some() => self.design[side].push((e.recency(), names.collect())),
                About::Job | About::Dataset => {}
            }
        }
    }

    /// The sentence itself: f is open at t iff some r has f ∈ X(r) and a_r(f) ≤ t,
    /// and no later r' has c(r') ≤ t, X(r') ≠ ∅, f ∉ X(r'). Gives s of the latest such r.
    pub fn open_by_run(&self, side: usize, f: DatasetIx, t: Micros) -> Option<Micros> {
        let order = |id: &String, r: &RunSaid| (r.s, id.clone());
        let witness = |id: &String, r: &RunSaid| {
            r.sides[side].get(&f).is_some_and(|a| *a <= t)
                && !self.runs.iter().any(|(id2, r2)| {
                    order(id2, r2) > order(id, r)
                        && r2.complete.is_some_and(|c| c <= t)
                        && !r2.sides[side].is_empty()
                        && !r2.sides[side].contains_key(&f)
                })
        };
        self.runs.iter().filter(|(id, r)| witness(id, r)).map(|(_, r)| r.s).max()
    }

    /// Per side, the latest JobEvent that has the member holds whole. Gives its time.
    pub fn open_by_design(&self, side: usize, f: DatasetIx, t: Micros) -> Option<Micros> {
        let holds = self.design[side].iter().filter(|(r, _)| r.0 <= t).max_by_key(|(r, _)| *r)?;
        holds.1.contains(&f).then_some(holds.0.0)
    }

    /// Every name that ever stood on that side.
    pub fn ever(&self, side: usize) -> BTreeSet<DatasetIx> {
        let by_run = self.runs.values().flat_map(|r| r.sides[side].keys().copied());
        let by_design = self.design[side].iter().flat_map(|(_, set)| set.iter().copied());
        by_run.chain(by_design).collect()
    }
}
