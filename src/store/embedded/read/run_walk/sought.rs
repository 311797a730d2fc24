//! Runs as one instant and size see them, and the latest runs that name a dataset.
//!
//! A run is told by reports: one for each (job, source) that sent events of it.
use std::sync::Arc;

use rusqlite::OptionalExtension as _;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use crate::{
    domain::{
        id::{EntryIndex, NodeId},
        lineage::{AsOf, FlowVersion},
        time::Micros,
    },
    store::{
        StoreError,
        embedded::{
            plan::RunShapes,
            project::plan_of,
            read::{
                Reader,
                classes::{Classes, Incarnation},
            },
            schema::backend,
            topology::{NodeNo, PairNo},
        },
    },
};

/// Runs of one (job, source) that are looked at, one after the other, without
/// meeting one that is wanted.
const LOOKED_AT_MAX: usize = 50_000;

/// A dataset that a report names on one side.
pub struct Touch {
    pub dataset: NodeNo,
    /// When the report's run started: tells the incarnation.
    pub start: Micros,
    /// The entries that say so, each the first with its shape.
    pub claims: SmallVec<[FlowVersion; 1]>,
}

/// A run over all its reports.
pub struct RunAt {
    pub id: NodeId,
    pub run_id: Arc<str>,
    /// The asker may not see it.
    pub hidden: bool,
    pub job: Option<NodeNo>,
    /// Its earliest event; `None`: it had not begun.
    pub start: Option<Micros>,
    /// The last that is heard of it by the instant.
    pub last: Micros,
    /// Its latest COMPLETE, FAIL or ABORT by the instant.
    pub end: Option<Micros>,
    /// What it used and what it made.
    touches: [Vec<Touch>; 2],
}

impl RunAt {
    /// What it made, or what it used.
    pub fn named(&self, output: bool) -> &[Touch] {
        self.touches.get(usize::from(output)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// What one report said by an instant.
struct Report {
    start: Micros,
    last: Micros,
    /// (entry, time, shape).
    events: Vec<(EntryIndex, Micros, u32)>,
}

/// What is looked for around a dataset.
#[derive(Clone, Copy)]
pub struct Sought {
    /// Runs that made it, or that used it.
    pub output: bool,
    /// Of runs that made it: begun by then.
    pub begun_by: Micros,
    /// Of runs that used it: heard of at this time or later.
    pub heard_since: Micros,
    /// Begun at this time or later.
    pub since: Option<Micros>,
    pub limit: usize,
}

/// A run that was found, by its start in the report that names the dataset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    pub start: Micros,
    pub run_id: Arc<str>,
}

/// The runs found, latest first, and whether some may be missing.
#[derive(Default)]
pub struct Latest {
    pub runs: Vec<Found>,
    /// Too many others lie between.
    pub gave_up: bool,
}

fn report(reader: &Reader<'_>, rn: u64, first_ix: u64, as_of: AsOf) -> Result<Option<Report>, StoreError> {
    let known: Vec<(u64, i64, u32)> = reader
        .db
        .prepare_cached(
            "SELECT ix, time, shape FROM entry WHERE ix = ?1 AND ix < ?3 UNION ALL \
             SELECT e.ix, e.time, e.shape FROM run_event r JOIN entry e ON e.ix = r.ix WHERE r.rn = ?2 AND r.ix < ?3",
        )
        .and_then(|mut s| s.query_map((first_ix, rn, as_of.size), |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect())
        .map_err(backend)?;
    let mut events: Vec<_> = known.into_iter().map(|(ix, us, shape)| (ix, Micros(us), shape)).collect();
    events.retain(|e| e.1 <= as_of.valid_at);
    events.sort_unstable();
    let times = || events.iter().map(|e| e.1);
    let (Some(start), Some(last)) = (times().min(), times().max()) else { return Ok(None) };
    Ok(Some(Report { start, last, events }))
}

/// A run by OpenLineage's runId.
///
/// # Errors
/// The database's.
pub fn run_at(reader: &Reader<'_>, run_id: Arc<str>, as_of: AsOf) -> Result<RunAt, StoreError> {
    let rows: Vec<(u64, u64, PairNo)> = reader
        .db
        .prepare_cached(
            "SELECT r.rn, r.first_ix, r.pair FROM run_id i JOIN run r ON r.pair = i.pair AND r.start = i.start AND r.rid = i.rid \
             WHERE i.rid = ?1 ORDER BY i.pair",
        )
        .and_then(|mut s| s.query_map([run_id.as_bytes()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect())
        .map_err(backend)?;
    let (id, hidden) = (reader.secret.run_node_id(&run_id), !reader.sees_run(&run_id)?);
    let mut run = RunAt { id, run_id, hidden, job: None, start: None, last: as_of.valid_at, end: None, touches: [Vec::new(), Vec::new()] };
    let mut last: Option<Micros> = None;
    for (rn, first_ix, pair) in rows {
        if first_ix < as_of.size && run.job.is_none() {
            run.job = reader.shared.topology.pair(pair).map(|(job, _)| job);
        }
        let Some(report) = report(reader, rn, first_ix, as_of)? else { continue };
        run.start = Some(run.start.map_or(report.start, |s| s.min(report.start)));
        last = last.max(Some(report.last));
        let mut shapes: FxHashSet<u32> = FxHashSet::default();
        for (ix, us, shape) in &report.events {
            let plan = plan_of(reader.db, &reader.shared.intern, *shape)?;
            if plan.rank >= ENDS_FROM {
                run.end = run.end.max(Some(*us));
            }
            if !shapes.insert(*shape) {
                continue;
            }
            for (output, touches) in [false, true].into_iter().zip(&mut run.touches) {
                for dataset in plan.members(output) {
                    let claim = FlowVersion::of_entry(*ix);
                    match touches.iter_mut().find(|t| t.dataset == *dataset && t.start == report.start) {
                        Some(t) => t.claims.push(claim),
                        None => touches.push(Touch { dataset: *dataset, start: report.start, claims: smallvec::smallvec![claim] }),
                    }
                }
            }
        }
    }
    run.last = last.unwrap_or(as_of.valid_at);
    Ok(run)
}

/// ABORT, FAIL and COMPLETE rank from here on.
const ENDS_FROM: u8 = crate::domain::assertion::RunState::Abort.rank();

/// The latest runs that name a class on one side, latest start first.
///
/// # Errors
/// The database's.
pub fn latest_of_class(
    reader: &Reader<'_>,
    classes: &mut Classes<'_>,
    class: u32,
    as_of: AsOf,
    sought: Sought,
) -> Result<Latest, StoreError> {
    let members = classes.get(class).map(|c| c.members.clone()).unwrap_or_default();
    let mut nodes: SmallVec<[NodeNo; 2]> = members.iter().map(|m| m.node).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let names = |node: &NodeNo| nodes.binary_search(node).is_ok();
    let belongs = |report: &Report| -> Result<bool, StoreError> {
        for (.., shape) in &report.events {
            for node in plan_of(reader.db, &reader.shared.intern, *shape)?.members(sought.output).iter().filter(|n| names(n)) {
                let incarnation = classes.begun_by(*node, report.start)?;
                if members.contains(&incarnation) && classes.undropped(incarnation, report.start)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    };
    let pairs = pairs_naming(reader, &nodes, sought.output)?;
    latest(
        reader,
        pairs,
        as_of,
        sought,
        |shape| Ok(plan_of(reader.db, &reader.shared.intern, shape)?.members(sought.output).iter().any(names)),
        belongs,
    )
}

/// The latest runs that name any of some names on one side, whatever became of those since.
///
/// # Errors
/// The database's.
pub fn latest_of_names(reader: &Reader<'_>, names: &[NodeNo], as_of: AsOf, sought: Sought) -> Result<Latest, StoreError> {
    let names_it = |shape: u32| -> Result<bool, StoreError> {
        Ok(plan_of(reader.db, &reader.shared.intern, shape)?.members(sought.output).iter().any(|m| names.contains(m)))
    };
    let is_it = |report: &Report| -> Result<bool, StoreError> {
        for (.., shape) in &report.events {
            if names_it(*shape)? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    let mut pairs = pairs_naming(reader, names, sought.output)?;
    pairs.retain(|pair| reader.sees_pair(*pair));
    latest(reader, pairs, as_of, sought, names_it, is_it)
}

/// The (job, source) pairs whose runs may name one of some names on that side.
fn pairs_naming(reader: &Reader<'_>, nodes: &[NodeNo], output: bool) -> Result<FxHashSet<PairNo>, StoreError> {
    let mut pairs: FxHashSet<PairNo> = FxHashSet::default();
    for node in nodes {
        let flows = reader.shared.topology.flows_of(*node, usize::from(output));
        pairs.extend(flows.filter(|f| !f.side.is_design()).map(|f| f.pair));
        reader
            .db
            .prepare_cached("SELECT by / 2 FROM naming WHERE node = ?1 AND by % 2 = 0")
            .and_then(|mut s| {
                for pair in s.query_map([node], |r| r.get::<_, PairNo>(0))? {
                    pairs.insert(pair?);
                }
                Ok(())
            })
            .map_err(backend)?;
    }
    Ok(pairs)
}

/// The latest runs of a job.
///
/// # Errors
/// The database's.
pub fn latest_of_job(reader: &Reader<'_>, job: NodeNo, as_of: AsOf, sought: Sought) -> Result<Latest, StoreError> {
    let pairs: FxHashSet<PairNo> = reader
        .db
        .prepare_cached("SELECT no FROM pair WHERE job = ?1")
        .and_then(|mut s| s.query_map([job], |r| r.get(0))?.collect())
        .map_err(backend)?;
    latest(reader, pairs, as_of, sought, |_| Ok(true), |_| Ok(true))
}

fn latest(
    reader: &Reader<'_>,
    pairs: FxHashSet<PairNo>,
    as_of: AsOf,
    sought: Sought,
    may: impl Fn(u32) -> Result<bool, StoreError>,
    mut is_it: impl FnMut(&Report) -> Result<bool, StoreError>,
) -> Result<Latest, StoreError> {
    let newer: bool = reader
        .db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM entry WHERE ix >= ?1)")
        .and_then(|mut s| s.query_row([as_of.size], |r| r.get(0)))
        .map_err(backend)?;
    let mut all: FxHashMap<Arc<str>, Micros> = FxHashMap::default();
    let mut gave_up = false;
    for pair in pairs {
        let span: Option<i64> = reader
            .db
            .prepare_cached("SELECT span_max FROM pair WHERE no = ?1")
            .and_then(|mut s| s.query_row([pair], |r| r.get(0)).optional())
            .map_err(backend)?;
        let span = span.unwrap_or(0);
        // A row knows of later entries too, by which its run may have begun earlier.
        let ahead = if newer { span } else { 0 };
        let least = sought.since.unwrap_or(sought.heard_since).max(sought.heard_since).0.saturating_sub(span);
        let mut s = reader
            .db
            .prepare_cached(
                "SELECT start, rn, first_ix, rid, shapes FROM run WHERE pair = ?1 AND start <= ?2 AND start >= ?3 ORDER BY start DESC, rid DESC",
            )
            .map_err(backend)?;
        let mut rows = s.query((pair, sought.begun_by.min(as_of.valid_at).0, least)).map_err(backend)?;
        let (mut found, mut looked_at): (Vec<Found>, usize) = (Vec::new(), 0);
        let mut enough: Option<Micros> = None;
        while let Some(r) = rows.next().map_err(backend)? {
            let start: i64 = r.get(0).map_err(backend)?;
            if enough.is_some_and(|least| start.saturating_add(ahead) < least.0) {
                break;
            }
            looked_at += 1;
            if looked_at > LOOKED_AT_MAX {
                gave_up = true;
                break;
            }
            let shapes = RunShapes::decode(&r.get::<_, Vec<u8>>(4).map_err(backend)?, start)?;
            let mut any = false;
            for (shape, ..) in &shapes.0 {
                any = any || may(*shape)?;
            }
            let first_ix: u64 = r.get(2).map_err(backend)?;
            if !any {
                continue;
            }
            let Some(told) = report(reader, r.get(1).map_err(backend)?, first_ix, as_of)? else { continue };
            let in_time = told.start <= sought.begun_by && told.last >= sought.heard_since && sought.since.is_none_or(|s| s <= told.start);
            if !in_time || !is_it(&told)? {
                continue;
            }
            let rid = String::from_utf8(r.get(3).map_err(backend)?).map_err(|_| StoreError::Inconsistent { place: "run.rid" })?;
            found.push(Found { start: told.start, run_id: rid.into() });
            looked_at = 0;
            if found.len() >= sought.limit {
                found.sort_by_key(|f| std::cmp::Reverse(f.start));
                enough = sought.limit.checked_sub(1).and_then(|last| found.get(last)).map(|f| f.start);
            }
        }
        for f in found {
            let start = all.entry(f.run_id).or_insert(f.start);
            *start = (*start).max(f.start);
        }
    }
    let mut runs: Vec<Found> = all.into_iter().map(|(run_id, start)| Found { start, run_id }).collect();
    runs.sort_by_cached_key(|f| (std::cmp::Reverse(f.start), reader.secret.run_node_id(&f.run_id)));
    runs.truncate(sought.limit);
    Ok(Latest { runs, gave_up })
}

impl Classes<'_> {
    /// The incarnation to which a run belongs that started then.
    ///
    /// # Errors
    /// The database's.
    pub fn begun_by(&mut self, node: NodeNo, start: Micros) -> Result<Incarnation, StoreError> {
        let k = if self.has_ends(node) { self.lives(node)?.ended_by(start) } else { 0 };
        Ok(Incarnation { node, k })
    }

    /// Whether no drop reached the incarnation from a run's start on: up to the
    /// instant, or of a window up to its beginning.
    ///
    /// # Errors
    /// The database's.
    pub fn undropped(&mut self, of: Incarnation, start: Micros) -> Result<bool, StoreError> {
        if !self.has_ends(of.node) {
            return Ok(true);
        }
        let until = self.since().max(start);
        Ok(!self.lives(of.node)?.drops(of.k, until).any(|drop| drop >= start))
    }
}
