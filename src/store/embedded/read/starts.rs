//! When the run that decides a flow started: tells to which life of its dataset
//! the flow belongs. Asked only for names whose life has ended at least once.
use rusqlite::Connection;

use crate::{
    domain::{id::EntryIndex, lineage::AsOf, time::Micros},
    store::{
        StoreError,
        embedded::{
            intern::Intern,
            plan::RunShapes,
            project::plan_of,
            schema::backend,
            topology::{FlowFact, NodeNo, Side},
        },
    },
};

/// The start of the greatest run that asserts the flow by the instant, from the
/// events below the size. `None` if no such run has.
///
/// # Errors
/// The database's.
pub fn deciding_start(
    db: &Connection,
    intern: &Intern,
    flow: &FlowFact,
    as_of: AsOf,
    head: EntryIndex,
) -> Result<Option<Micros>, StoreError> {
    if flow.side.is_design() { of_design(db, intern, flow, as_of) } else { of_runs(db, intern, flow, as_of, head) }
}

fn of_design(db: &Connection, intern: &Intern, flow: &FlowFact, as_of: AsOf) -> Result<Option<Micros>, StoreError> {
    let mut s = db
        .prepare_cached("SELECT us, shape FROM design WHERE pair = ?1 AND us <= ?2 AND ix < ?3 ORDER BY us DESC, digest DESC")
        .map_err(backend)?;
    let mut rows = s.query((flow.pair, as_of.valid_at.0, as_of.size)).map_err(backend)?;
    while let Some(r) = rows.next().map_err(backend)? {
        let plan = plan_of(db, intern, r.get(1).map_err(backend)?)?;
        if plan.members(flow.side.is_output()).binary_search(&flow.dataset).is_ok() {
            return Ok(Some(Micros(r.get(0).map_err(backend)?)));
        }
    }
    Ok(None)
}

fn of_runs(db: &Connection, intern: &Intern, flow: &FlowFact, as_of: AsOf, head: EntryIndex) -> Result<Option<Micros>, StoreError> {
    let at = as_of.valid_at;
    let span: i64 = db
        .prepare_cached("SELECT span_max FROM pair WHERE no = ?1")
        .and_then(|mut s| s.query_row([flow.pair], |r| r.get(0)))
        .map_err(backend)?;
    let mut s = db
        .prepare_cached("SELECT start, rn, first_ix, shapes FROM run WHERE pair = ?1 AND start <= ?2 ORDER BY start DESC, rid DESC")
        .map_err(backend)?;
    let mut rows = s.query((flow.pair, at.0)).map_err(backend)?;
    let mut best: Option<Micros> = None;
    while let Some(r) = rows.next().map_err(backend)? {
        let (start, rn, first_ix): (i64, u64, u64) = (r.get(0).map_err(backend)?, r.get(1).map_err(backend)?, r.get(2).map_err(backend)?);
        // Seen from an earlier size a run started later, but by no more than its span.
        if best.is_some_and(|b| start.saturating_add(span) <= b.0) {
            break;
        }
        let shapes = RunShapes::decode(&r.get::<_, Vec<u8>>(3).map_err(backend)?, start)?;
        let mut asserts = false;
        for (shape, us, _) in &shapes.0 {
            asserts |= *us <= at.0 && lists(db, intern, *shape, flow.side, flow.dataset)?;
        }
        if !asserts {
            continue;
        }
        if as_of.size >= head {
            return Ok(Some(Micros(start)));
        }
        if let Some(start) = start_as_known(db, intern, flow.side, flow.dataset, rn, first_ix, as_of)? {
            best = best.max(Some(start));
        }
    }
    Ok(best)
}

/// The run's start by its entries below the size, if by then it asserts the flow.
fn start_as_known(
    db: &Connection,
    intern: &Intern,
    side: Side,
    dataset: NodeNo,
    rn: u64,
    first_ix: u64,
    as_of: AsOf,
) -> Result<Option<Micros>, StoreError> {
    let events: Vec<(i64, u32)> = db
        .prepare_cached(
            "SELECT time, shape FROM entry WHERE ix = ?1 AND ix < ?3 UNION ALL \
             SELECT e.time, e.shape FROM run_event r JOIN entry e ON e.ix = r.ix WHERE r.rn = ?2 AND r.ix < ?3",
        )
        .and_then(|mut s| s.query_map((first_ix, rn, as_of.size), |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
        .map_err(backend)?;
    let mut asserts = false;
    for (us, shape) in &events {
        asserts |= *us <= as_of.valid_at.0 && lists(db, intern, *shape, side, dataset)?;
    }
    Ok(events.iter().map(|e| Micros(e.0)).min().filter(|_| asserts))
}

fn lists(db: &Connection, intern: &Intern, shape: u32, side: Side, dataset: NodeNo) -> Result<bool, StoreError> {
    Ok(plan_of(db, intern, shape)?.members(side.is_output()).binary_search(&dataset).is_ok())
}
