//! Flows: what a run or job event changes of when they are open.
use super::{
    Projector,
    runs::{DesignStream, RunChange, RunStream, side_of_design, side_of_run},
};
use crate::{
    domain::{
        assertion::Assertion,
        flow::{Change, Interval, RunKey, RunSide, Stream, affected, restate, splice},
        id::EntryIndex,
        time::{FOREVER, Micros},
    },
    store::{
        StoreError,
        embedded::{
            plan::Plan,
            schema::backend,
            topology::{FlowFact, NEVER, NodeNo, PairNo, Side, position},
        },
    },
};

impl Projector<'_> {
    pub(super) fn apply_run_flows(&mut self, ix: EntryIndex, pair: PairNo, plan: &Plan, run: &RunChange) -> Result<(), StoreError> {
        if run.says_nothing_new() {
            return Ok(());
        }
        for side in [Side::Inputs, Side::Outputs] {
            // A new run is what its one event says: most of the time nothing new.
            if run.old.is_none() && plan.members(side.is_output()).is_empty() {
                continue;
            }
            let new = side_of_run(self.db, self.intern, &run.rid, &run.new, side.is_output())?;
            let old = run.old.as_ref().map(|o| side_of_run(self.db, self.intern, &run.rid, o, side.is_output())).transpose()?;
            if old.as_ref() == Some(&new) {
                continue;
            }
            let only_adds = old.as_ref().is_none_or(|o| takes_nothing_back(o, &new));
            if only_adds && self.holds_already(pair, side, &new)? {
                continue;
            }
            let (db, intern) = (self.db, self.intern);
            let mut stream = RunStream { db, intern, pair, output: side.is_output() };
            self.apply_change(ix, pair, side, &mut stream, &Change { old, new })?;
        }
        Ok(())
    }

    pub(super) fn apply_design_flows(&mut self, ix: EntryIndex, pair: PairNo, plan: &Plan, a: &Assertion) -> Result<(), StoreError> {
        for side in [Side::DesignInputs, Side::DesignOutputs] {
            let Some(new) = side_of_design(plan, side.is_output(), a.time, &a.digest, ix) else { continue };
            if self.holds_already(pair, side, &new)? {
                continue;
            }
            let (db, intern) = (self.db, self.intern);
            let mut stream = DesignStream { db, intern, pair, output: side.is_output() };
            self.apply_change(ix, pair, side, &mut stream, &Change { old: None, new })?;
        }
        Ok(())
    }

    /// Whether all that the run opens is open from then on, and all that it
    /// closes was closed by then. Opening can close nothing and closing can open
    /// nothing, so nothing changes; read from memory.
    fn holds_already(&mut self, pair: PairNo, side: Side, new: &RunSide<NodeNo>) -> Result<bool, StoreError> {
        let db = self.db;
        let stream = self.state.stream(db, pair, side)?;
        let opens_nothing = new.members.iter().all(|m| {
            stream.open.binary_search_by_key(&m.dataset, |o| o.0).is_ok_and(|i| stream.open.get(i).is_some_and(|o| o.1 <= m.since))
        });
        let closes_nothing = new.closes_at.is_none_or(|at| {
            stream.end_max.is_none_or(|end| end <= at)
                && stream.open.iter().all(|o| new.members.binary_search_by_key(&o.0, |m| m.dataset).is_ok())
        });
        Ok(opens_nothing && closes_nothing)
    }

    fn apply_change<S: Stream<NodeNo, Error = StoreError>>(
        &mut self,
        ix: EntryIndex,
        pair: PairNo,
        side: Side,
        stream: &mut S,
        change: &Change<NodeNo>,
    ) -> Result<(), StoreError> {
        let Some((job, _)) = self.topology.pair(pair) else { return Err(StoreError::Inconsistent { place: "pair" }) };
        let fresh = self.state.fresh_pair == Some(pair);
        let touched = if fresh { affected(&mut NoOther, change) } else { affected(stream, change) }?;
        for dataset in touched {
            let (from, until, pieces) = if fresh { restate(&mut NoOther, change, dataset) } else { restate(stream, change, dataset) }?;
            // A flow that was never open leaves no other trace of who names the dataset,
            // and of what the job may have told of its columns.
            if pieces.is_empty() && change.new.members.iter().any(|m| m.dataset == dataset) {
                self.record_naming(dataset, Some(pair), None)?;
                if side.is_output() {
                    self.record_naming(job, None, Some(dataset))?;
                }
            }
            if from < until {
                self.splice_flow(ix, pair, side, job, dataset, from, until, &pieces)?;
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a flow's key has four members and a stretch three")]
    fn splice_flow(
        &mut self,
        ix: EntryIndex,
        pair: PairNo,
        side: Side,
        job: NodeNo,
        dataset: NodeNo,
        from: Micros,
        until: Micros,
        pieces: &[Interval],
    ) -> Result<(), StoreError> {
        let key = (pair, side as u8, dataset);
        let db = self.db;
        let nothing = self.state.stream(db, pair, side)?.is_empty();
        let current = if nothing { Vec::new() } else { self.current_flow(key, from, until)? };
        let change = splice(&current, from, until, pieces);
        if change.ended.is_empty() && change.begun.is_empty() {
            return Ok(());
        }
        let slots = if change.ended.is_empty() { Vec::new() } else { self.open_slots(pair, side, job, dataset) };
        for i in &change.ended {
            db.prepare_cached("UPDATE flow SET ru = ?5 WHERE pair = ?1 AND side = ?2 AND dataset = ?3 AND vf = ?4 AND ru IS NULL")
                .and_then(|mut s| s.execute((key.0, key.1, key.2, i.from.0, ix)))
                .map_err(backend)?;
            let slot = slots.iter().find(|f| f.valid_from == i.from).ok_or(StoreError::Inconsistent { place: "memory of flows" })?;
            self.topology.end_flow(slot.slot, ix);
        }
        for i in &change.begun {
            db.prepare_cached(
                "INSERT INTO flow(pair, side, dataset, vf, rf, vu, ru, by) VALUES(?1, ?2, ?3, ?4, ?5, ?6, NULL, ?7) \
                 ON CONFLICT DO UPDATE SET vu = ?6, ru = NULL, by = ?7",
            )
            .and_then(|mut s| s.execute((key.0, key.1, key.2, i.from.0, ix, i.until.0, i.by)))
            .map_err(backend)?;
            self.topology
                .add_flow(&FlowFact {
                    slot: 0,
                    dataset,
                    job,
                    pair,
                    side,
                    valid_from: i.from,
                    valid_until: i.until,
                    recorded_from: position(ix),
                    recorded_until: NEVER,
                    by: position(i.by),
                })
                .ok_or(StoreError::Inconsistent { place: "memory of flows is full" })?;
        }
        let memory = self.state.stream(db, pair, side)?;
        change.ended.iter().for_each(|i| memory.forget(dataset, i.until));
        change.begun.iter().for_each(|i| memory.note(dataset, i.from, i.until));
        Ok(())
    }

    /// The stored intervals that overlap or touch a stretch, ascending.
    fn current_flow(&self, key: (PairNo, u8, NodeNo), from: Micros, until: Micros) -> Result<Vec<Interval>, StoreError> {
        (|| {
            let mut s = self.db.prepare_cached(
                "SELECT vf, vu, by FROM flow WHERE pair = ?1 AND side = ?2 AND dataset = ?3 AND vf <= ?4 AND ru IS NULL ORDER BY vf DESC",
            )?;
            let mut rows = s.query((key.0, key.1, key.2, until.0))?;
            let mut found = Vec::new();
            while let Some(r) = rows.next()? {
                let i = Interval { from: Micros(r.get(0)?), until: Micros(r.get(1)?), by: r.get(2)? };
                // They are apart from each other, so the ones before end earlier still.
                if i.until < from {
                    break;
                }
                found.push(i);
            }
            found.reverse();
            Ok(found)
        })()
        .map_err(backend)
    }

    /// The current facts of one flow in memory, by way of its less busy end.
    fn open_slots(&self, pair: PairNo, side: Side, job: NodeNo, dataset: NodeNo) -> Vec<FlowFact> {
        let end = if self.topology.degree(job) < self.topology.degree(dataset) { job } else { dataset };
        self.topology
            .flows_of(end, side.list())
            .filter(|f| f.pair == pair && f.side == side && f.dataset == dataset && f.recorded_until == NEVER)
            .collect()
    }
}

/// Whether all that the run said stays said: it has its place, and closes when and
/// what it closed.
fn takes_nothing_back(old: &RunSide<NodeNo>, new: &RunSide<NodeNo>) -> bool {
    old.key == new.key
        && (old.closes_at.is_none() || old.closes_at == new.closes_at)
        && (old.closes_at.is_none() || old.members.len() == new.members.len())
}

/// A (job, source) with no other run than the one at hand.
struct NoOther;

impl Stream<NodeNo> for NoOther {
    type Error = StoreError;

    fn after(&mut self, _: &RunKey) -> Result<Option<RunSide<NodeNo>>, StoreError> {
        Ok(None)
    }

    fn before(&mut self, _: &RunKey) -> Result<Option<RunSide<NodeNo>>, StoreError> {
        Ok(None)
    }
}

const _: () = assert!(FOREVER.0 == i64::MAX, "an open end is the greatest time, so comparisons need no special case");
