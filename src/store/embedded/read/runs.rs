//! Runs: what their events, taken together, say.
use rustc_hash::FxHashSet;

use super::Reader;
use crate::{
    domain::{
        assertion::{Assertion, RunState, Subject},
        catalog::RunFacts,
        id::{EntryIndex, NodeId},
        lineage::AsOf,
        time::Micros,
    },
    interop::openlineage::read_core,
    store::{
        StoreError,
        embedded::{project::plan_of, schema::backend, topology::NodeNo},
    },
};

/// A run over all (job, source) pairs that report it.
///
/// # Errors
/// The database's.
pub fn run(reader: &Reader<'_>, run_id: &str, as_of: AsOf) -> Result<Option<RunFacts>, StoreError> {
    let rows: Vec<(u64, u64, u32)> = reader
        .db
        .prepare_cached(
            "SELECT r.rn, r.first_ix, r.pair FROM run_id i JOIN run r ON r.pair = i.pair AND r.start = i.start AND r.rid = i.rid \
             WHERE i.rid = ?1",
        )
        .and_then(|mut s| s.query_map([run_id.as_bytes()], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect())
        .map_err(backend)?;
    if !rows.iter().all(|r| reader.sees_pair(r.2)) {
        return Ok(None);
    }
    let mut entries: Vec<EntryIndex> = Vec::new();
    let (mut inputs, mut outputs): (FxHashSet<NodeNo>, FxHashSet<NodeNo>) = Default::default();
    for (rn, first_ix, _) in &rows {
        entries.push(*first_ix);
        let more: Vec<u64> = reader
            .db
            .prepare_cached("SELECT ix FROM run_event WHERE rn = ?1")
            .and_then(|mut s| s.query_map([rn], |r| r.get(0))?.collect())
            .map_err(backend)?;
        entries.extend(more);
    }
    entries.retain(|ix| *ix < as_of.size);
    entries.sort_unstable();
    let times = times(reader, &entries)?;
    let mut shapes: FxHashSet<u32> = FxHashSet::default();
    entries.clear();
    for (ix, _, shape) in times.iter().filter(|(_, us, _)| *us <= as_of.valid_at) {
        entries.push(*ix);
        if shapes.insert(*shape) {
            let plan = plan_of(reader.db, &reader.shared.intern, *shape)?;
            inputs.extend(plan.members(false));
            outputs.extend(plan.members(true));
        }
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let topology = &reader.shared.topology;
    let job = rows.first().and_then(|r| topology.pair(r.2)).and_then(|(job, _)| topology.node(job)).map(|n| n.id);
    let ids = |nos: FxHashSet<NodeNo>| {
        let mut ids: Vec<NodeId> = nos.into_iter().filter(|n| reader.sees(*n)).filter_map(|n| topology.node(n)).map(|n| n.id).collect();
        ids.sort_unstable();
        ids
    };
    let mut facts = RunFacts {
        id: reader.secret.run_node_id(run_id),
        run_id: run_id.into(),
        job,
        state: RunState::Other,
        started_at: times.iter().map(|t| t.1).min().unwrap_or_default(),
        ended_at: None,
        nominal_start: None,
        nominal_end: None,
        parent: None,
        root: None,
        inputs: ids(inputs),
        outputs: ids(outputs),
        entries,
    };
    tell(reader, &mut facts)?;
    Ok(Some(facts))
}

/// Entries with their events' times and shapes.
fn times(reader: &Reader<'_>, entries: &[EntryIndex]) -> Result<Vec<(EntryIndex, Micros, u32)>, StoreError> {
    let mut s = reader.db.prepare_cached("SELECT time, shape FROM entry WHERE ix = ?1").map_err(backend)?;
    entries.iter().map(|ix| s.query_row([ix], |r| Ok((*ix, Micros(r.get(0)?), r.get(1)?))).map_err(backend)).collect()
}

/// What stands in the events' `core` parts: state, nominal times, parents.
fn tell(reader: &Reader<'_>, facts: &mut RunFacts) -> Result<(), StoreError> {
    let entries = reader.entries();
    let mut events: Vec<Assertion> = Vec::with_capacity(facts.entries.len());
    for ix in &facts.entries {
        if let Some(core) = entries.core(*ix)? {
            events.push(read_core(&core).map_err(|e| StoreError::Backend(Box::new(e)))?);
        }
    }
    events.sort_by_key(|e| (e.time, e.rank(), e.digest));
    for e in &events {
        if let Subject::Run { state, .. } = e.subject {
            facts.state = state;
            if matches!(state, RunState::Complete | RunState::Fail | RunState::Abort) {
                facts.ended_at = Some(e.time);
            }
        }
        facts.nominal_start = e.nominal_start.or(facts.nominal_start);
        facts.nominal_end = e.nominal_end.or(facts.nominal_end);
        if let Some(p) = e.parent.as_ref().filter(|p| !reader.hides_job(&p.job)) {
            facts.parent = Some(p.run_id.clone());
        }
        if let Some(r) = e.root.as_ref().filter(|r| !reader.hides_job(&r.job)) {
            facts.root = Some(r.run_id.clone());
        }
    }
    Ok(())
}

/// The latest runs of a job over all sources, newest start first.
///
/// # Errors
/// The database's.
pub fn runs_of_job(reader: &Reader<'_>, job: NodeId, limit: usize, as_of: AsOf) -> Result<Vec<RunFacts>, StoreError> {
    let Some(no) = reader.find(job, as_of.size) else { return Ok(Vec::new()) };
    let mut found: Vec<(i64, Vec<u8>)> = Vec::new();
    let pairs: Vec<u32> = reader
        .db
        .prepare_cached("SELECT no FROM pair WHERE job = ?1")
        .and_then(|mut s| s.query_map([no], |r| r.get(0))?.collect())
        .map_err(backend)?;
    for pair in pairs {
        let rows: Vec<(i64, Vec<u8>)> = reader
            .db
            .prepare_cached(
                "SELECT start, rid FROM run WHERE pair = ?1 AND start <= ?2 AND first_ix < ?3 ORDER BY start DESC, rid DESC LIMIT ?4",
            )
            .and_then(|mut s| {
                s.query_map((pair, as_of.valid_at.0, as_of.size, i64::try_from(limit).unwrap_or(i64::MAX)), |r| Ok((r.get(0)?, r.get(1)?)))?
                    .collect()
            })
            .map_err(backend)?;
        found.extend(rows);
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    // Several sources may report a run, each from another time on.
    let mut seen = FxHashSet::default();
    found.retain(|(_, rid)| seen.insert(rid.clone()));
    let mut runs = Vec::new();
    for (_, rid) in found.into_iter().take(limit) {
        let rid = String::from_utf8(rid).map_err(|_| StoreError::Inconsistent { place: "run.rid" })?;
        runs.extend(run(reader, &rid, as_of)?);
    }
    // The rows are in the order of what is known today.
    runs.sort_by(|a, b| (b.started_at, &b.run_id).cmp(&(a.started_at, &a.run_id)));
    Ok(runs)
}
