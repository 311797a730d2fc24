//! Runs and design events as rows, and as the streams that flows are decided on.
use rusqlite::{Connection, OptionalExtension};

use super::{Projector, plan_of};
use crate::{
    domain::{
        assertion::{Assertion, RunState},
        flow::{Member, RunKey, RunSide, Stream},
        id::EntryIndex,
        time::Micros,
    },
    store::{
        StoreError,
        embedded::{
            intern::Intern,
            plan::{Plan, RunShapes},
            schema::backend,
            topology::{NodeNo, PairNo},
        },
    },
};

/// One run of one (job, source), as its row.
#[derive(Clone, Debug)]
pub struct RunRow {
    pub start: Micros,
    pub complete: Option<Micros>,
    pub shapes: RunShapes,
}

/// A run before and after an event.
pub struct RunChange {
    pub rid: Box<[u8]>,
    pub old: Option<RunRow>,
    pub new: RunRow,
}

impl RunChange {
    /// Its start before, if the event is earlier than all others of the run.
    pub fn moved_from(&self) -> Option<Micros> {
        self.old.as_ref().map(|o| o.start).filter(|s| *s != self.new.start)
    }

    /// The event says nothing about flows that the run had not said.
    pub fn says_nothing_new(&self) -> bool {
        self.old.as_ref().is_some_and(|o| o.start == self.new.start && o.complete == self.new.complete && o.shapes == self.new.shapes)
    }
}

impl Projector<'_> {
    /// Adds the event to its run's row.
    pub(super) fn record_run(
        &mut self,
        ix: EntryIndex,
        pair: PairNo,
        run_id: &str,
        state: RunState,
        time: Micros,
        shape: u32,
    ) -> Result<RunChange, StoreError> {
        let rid: Box<[u8]> = run_id.as_bytes().into();
        let complete = (state == RunState::Complete).then_some(time);
        let db = self.db;
        let change =
            (|| {
                let fresh = db
                    .prepare_cached("INSERT INTO run_id(rid, pair, start) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING")?
                    .execute((&*rid, pair, time.0))?
                    == 1;
                if fresh {
                    let new = RunRow { start: time, complete, shapes: RunShapes(smallvec::smallvec![(shape, time.0, ix)]) };
                    let rn = self.state.run_next;
                    self.state.run_next += 1;
                    insert_run(db, pair, &rid, rn, ix, &new)?;
                    return Ok(RunChange { rid, old: None, new });
                }
                let start: i64 =
                    db.prepare_cached("SELECT start FROM run_id WHERE rid = ?1 AND pair = ?2")?.query_row((&*rid, pair), |r| r.get(0))?;
                let (rn, was, first_ix, shapes): (u64, Option<i64>, u64, Vec<u8>) = db
                    .prepare_cached("SELECT rn, complete, first_ix, shapes FROM run WHERE pair = ?1 AND start = ?2 AND rid = ?3")?
                    .query_row((pair, start, &*rid), |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?;
                let shapes = RunShapes::decode(&shapes, start).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
                let old = RunRow { start: Micros(start), complete: was.map(Micros), shapes };
                let mut new = old.clone();
                new.start = new.start.min(time);
                new.complete = new.complete.max(complete);
                match new.shapes.0.iter_mut().find(|(s, ..)| *s == shape) {
                    Some((_, us, by)) if *us > time.0 => (*us, *by) = (time.0, ix),
                    Some(_) => {}
                    None => new.shapes.0.push((shape, time.0, ix)),
                }
                db.prepare_cached("INSERT INTO run_event(rn, ix) VALUES(?1, ?2)")?.execute((rn, ix))?;
                if old.start != new.start {
                    db.prepare_cached("DELETE FROM run WHERE pair = ?1 AND start = ?2 AND rid = ?3")?.execute((pair, start, &*rid))?;
                    db.prepare_cached("UPDATE run_id SET start = ?3 WHERE rid = ?1 AND pair = ?2")?.execute((&*rid, pair, new.start.0))?;
                    insert_run(db, pair, &rid, rn, first_ix, &new)?;
                } else if old.complete != new.complete || old.shapes != new.shapes {
                    db.prepare_cached("UPDATE run SET complete = ?4, shapes = ?5 WHERE pair = ?1 AND start = ?2 AND rid = ?3")?
                        .execute((pair, start, &*rid, new.complete.map(|t| t.0), new.shapes.encode(start)))?;
                }
                Ok(RunChange { rid, old: Some(old), new })
            })()
            .map_err(backend)?;
        let longest = self.state.spans.get(pair as usize).copied().unwrap_or(0);
        // A run whose start moves back has all its events that much farther away.
        let span = match change.moved_from() {
            Some(was) => longest.saturating_add(was.0.saturating_sub(change.new.start.0)),
            None => time.0.saturating_sub(change.new.start.0),
        };
        self.widen_span(pair, span)?;
        Ok(change)
    }

    /// Remembers the longest time from a run's start to one of its events (or
    /// more: doubled, so that it is rarely written).
    fn widen_span(&mut self, pair: PairNo, span: i64) -> Result<(), StoreError> {
        let Some(longest) = self.state.spans.get_mut(pair as usize) else {
            return Err(StoreError::Inconsistent { place: "pair" });
        };
        if span > *longest {
            *longest = span.saturating_mul(2);
            let longest = *longest;
            self.db
                .prepare_cached("UPDATE pair SET span_max = ?2 WHERE no = ?1")
                .and_then(|mut s| s.execute((pair, longest)))
                .map_err(backend)?;
        }
        Ok(())
    }

    pub(super) fn record_design(&mut self, ix: EntryIndex, pair: PairNo, a: &Assertion, shape: u32) -> Result<(), StoreError> {
        self.db
            .prepare_cached("INSERT INTO design(pair, us, digest, ix, shape) VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")
            .and_then(|mut s| s.execute((pair, a.time.0, &a.digest[..], ix, shape)))
            .map_err(backend)?;
        Ok(())
    }

    pub(super) fn record_dataset_event(&mut self, ix: EntryIndex, plan: &Plan, a: &Assertion, shape: u32) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO dataset_event(node, us, digest, ix, shape, source) VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            )
            .and_then(|mut s| s.execute((plan.dataset, a.time.0, &a.digest[..], ix, shape, plan.source)))
            .map_err(backend)?;
        Ok(())
    }
}

fn insert_run(db: &Connection, pair: PairNo, rid: &[u8], rn: u64, first_ix: u64, row: &RunRow) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO run(pair, start, rid, rn, complete, first_ix, shapes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute((pair, row.start.0, rid, rn, row.complete.map(|t| t.0), first_ix, row.shapes.encode(row.start.0)))?;
    Ok(())
}

/// One side of a run.
pub fn side_of_run(db: &Connection, intern: &Intern, rid: &[u8], row: &RunRow, output: bool) -> Result<RunSide<NodeNo>, StoreError> {
    let mut members: Vec<Member<NodeNo>> = Vec::new();
    for (shape, us, by) in &row.shapes.0 {
        let plan = plan_of(db, intern, *shape)?;
        let since = Micros(*us);
        if members.is_empty() {
            members.extend(plan.members(output).iter().map(|d| Member { dataset: *d, since, by: *by }));
            continue;
        }
        for d in plan.members(output) {
            match members.binary_search_by_key(d, |m| m.dataset) {
                Ok(i) => {
                    if let Some(m) = members.get_mut(i).filter(|m| since < m.since) {
                        (m.since, m.by) = (since, *by);
                    }
                }
                Err(i) => members.insert(i, Member { dataset: *d, since, by: *by }),
            }
        }
    }
    let closes_at = row.complete.filter(|_| !members.is_empty());
    Ok(RunSide { key: RunKey { start: row.start, id: rid.into() }, closes_at, members })
}

/// The runs of a (job, source), one side of them, in order.
pub struct RunStream<'a> {
    pub db: &'a Connection,
    pub intern: &'a Intern,
    pub pair: PairNo,
    pub output: bool,
}

impl RunStream<'_> {
    fn step(&mut self, sql: &str, key: &RunKey) -> Result<Option<RunSide<NodeNo>>, StoreError> {
        let mut key = key.clone();
        loop {
            let row = self
                .db
                .prepare_cached(sql)
                .and_then(|mut s| {
                    s.query_row((self.pair, key.start.0, &*key.id), |r| {
                        Ok((r.get::<_, i64>(0)?, r.get::<_, Vec<u8>>(1)?, r.get::<_, Option<i64>>(2)?, r.get::<_, Vec<u8>>(3)?))
                    })
                    .optional()
                })
                .map_err(backend)?;
            let Some((start, rid, complete, shapes)) = row else { return Ok(None) };
            let row = RunRow { start: Micros(start), complete: complete.map(Micros), shapes: RunShapes::decode(&shapes, start)? };
            let side = side_of_run(self.db, self.intern, &rid, &row, self.output)?;
            // A run with no members says nothing on this side.
            if side.members.is_empty() {
                key = side.key;
                continue;
            }
            return Ok(Some(side));
        }
    }
}

impl Stream<NodeNo> for RunStream<'_> {
    type Error = StoreError;

    fn after(&mut self, key: &RunKey) -> Result<Option<RunSide<NodeNo>>, StoreError> {
        self.step(
            "SELECT start, rid, complete, shapes FROM run WHERE pair = ?1 AND (start, rid) > (?2, ?3) ORDER BY start, rid LIMIT 1",
            key,
        )
    }

    fn before(&mut self, key: &RunKey) -> Result<Option<RunSide<NodeNo>>, StoreError> {
        self.step(
            "SELECT start, rid, complete, shapes FROM run WHERE pair = ?1 AND (start, rid) < (?2, ?3) ORDER BY start DESC, rid DESC LIMIT 1",
            key,
        )
    }
}

/// The job events of a (job, source) that have the side's member.
pub struct DesignStream<'a> {
    pub db: &'a Connection,
    pub intern: &'a Intern,
    pub pair: PairNo,
    pub output: bool,
}

/// What a job event says on one side; `None` when it has no such member.
pub fn side_of_design(plan: &Plan, output: bool, us: Micros, digest: &[u8], ix: EntryIndex) -> Option<RunSide<NodeNo>> {
    let members = (if output { &plan.outputs } else { &plan.inputs }).as_ref()?;
    Some(RunSide {
        key: RunKey { start: us, id: digest.into() },
        closes_at: Some(us),
        members: members.iter().map(|d| Member { dataset: *d, since: us, by: ix }).collect(),
    })
}

impl DesignStream<'_> {
    fn step(&mut self, sql: &str, key: &RunKey) -> Result<Option<RunSide<NodeNo>>, StoreError> {
        let mut key = key.clone();
        loop {
            let row = self
                .db
                .prepare_cached(sql)
                .and_then(|mut s| {
                    s.query_row((self.pair, key.start.0, &*key.id), |r| {
                        Ok((r.get::<_, i64>(0)?, r.get::<_, Vec<u8>>(1)?, r.get::<_, u64>(2)?, r.get::<_, u32>(3)?))
                    })
                    .optional()
                })
                .map_err(backend)?;
            let Some((us, digest, ix, shape)) = row else { return Ok(None) };
            let plan = plan_of(self.db, self.intern, shape)?;
            match side_of_design(&plan, self.output, Micros(us), &digest, ix) {
                Some(side) => return Ok(Some(side)),
                None => key = RunKey { start: Micros(us), id: digest.into() },
            }
        }
    }
}

impl Stream<NodeNo> for DesignStream<'_> {
    type Error = StoreError;

    fn after(&mut self, key: &RunKey) -> Result<Option<RunSide<NodeNo>>, StoreError> {
        self.step("SELECT us, digest, ix, shape FROM design WHERE pair = ?1 AND (us, digest) > (?2, ?3) ORDER BY us, digest LIMIT 1", key)
    }

    fn before(&mut self, key: &RunKey) -> Result<Option<RunSide<NodeNo>>, StoreError> {
        self.step(
            "SELECT us, digest, ix, shape FROM design WHERE pair = ?1 AND (us, digest) < (?2, ?3) ORDER BY us DESC, digest DESC LIMIT 1",
            key,
        )
    }
}
