//! The latest runs that read or wrote a dataset.
use rustc_hash::FxHashMap;

use super::{Reader, runs::run};
use crate::{
    domain::{
        catalog::RunFacts,
        id::NodeId,
        lineage::AsOf,
        time::{FOREVER, Micros},
    },
    store::{
        StoreError,
        embedded::{
            plan::RunShapes,
            project::plan_of,
            schema::backend,
            topology::{NodeNo, PairNo},
        },
    },
};

/// The latest runs of any job that name the dataset, under the names that mean it
/// at the instant, as input or output: newest start first. Of each job's runs
/// those are looked at that lie where a flow of the dataset was stated.
///
/// # Errors
/// The database's.
pub fn runs_of_datasets(reader: &Reader<'_>, datasets: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, StoreError> {
    let topology = &reader.shared.topology;
    let mut classes = reader.classes(as_of);
    let mut answers = Vec::with_capacity(datasets.len());
    for dataset in datasets {
        let Some(no) = reader.find(*dataset, as_of.size) else {
            answers.push(Vec::new());
            continue;
        };
        let class = classes.of(no)?;
        let names: &[NodeNo] = classes.get(class).filter(|c| !c.hidden).map(|c| c.shown()).unwrap_or_default();
        let mut stated: FxHashMap<PairNo, (Micros, Micros)> = FxHashMap::default();
        for f in names.iter().flat_map(|n| (0..2).flat_map(|list| topology.flows_of(*n, list))) {
            if !f.side.is_design() && u64::from(f.recorded_from) < as_of.size && reader.sees_pair(f.pair) {
                let (from, until) = stated.entry(f.pair).or_insert((FOREVER, f.valid_until));
                (*from, *until) = ((*from).min(f.valid_from), (*until).max(f.valid_until));
            }
        }
        let mut found: Vec<(i64, Vec<u8>)> = Vec::new();
        for (pair, (from, until)) in stated {
            newest(reader, pair, (from, until), names, limit, as_of, &mut found)?;
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup_by(|a, b| a.1 == b.1);
        let mut runs = Vec::new();
        for (_, rid) in found.into_iter().take(limit) {
            let rid = String::from_utf8(rid).map_err(|_| StoreError::Inconsistent { place: "run.rid" })?;
            runs.extend(run(reader, &rid, as_of)?);
        }
        answers.push(runs);
    }
    Ok(answers)
}

/// Adds the newest runs of a job and source that name the dataset.
fn newest(
    reader: &Reader<'_>,
    pair: PairNo,
    (from, until): (Micros, Micros),
    names: &[NodeNo],
    limit: usize,
    as_of: AsOf,
    found: &mut Vec<(i64, Vec<u8>)>,
) -> Result<(), StoreError> {
    let span: i64 = reader
        .db
        .prepare_cached("SELECT span_max FROM pair WHERE no = ?1")
        .and_then(|mut s| s.query_row([pair], |r| r.get(0)))
        .map_err(backend)?;
    let mut s = reader
        .db
        .prepare_cached(
            "SELECT start, rid, shapes FROM run WHERE pair = ?1 AND start >= ?2 AND start <= ?3 AND first_ix < ?4 \
             ORDER BY start DESC, rid DESC",
        )
        .map_err(backend)?;
    let mut rows = s.query((pair, from.0.saturating_sub(span), until.min(as_of.valid_at).0, as_of.size)).map_err(backend)?;
    let mut taken = 0;
    while taken < limit
        && let Some(r) = rows.next().map_err(backend)?
    {
        let start: i64 = r.get(0).map_err(backend)?;
        for (shape, us, by) in RunShapes::decode(&r.get::<_, Vec<u8>>(2).map_err(backend)?, start)?.0 {
            if by >= as_of.size || us > as_of.valid_at.0 {
                continue;
            }
            let plan = plan_of(reader.db, &reader.shared.intern, shape)?;
            if [false, true].iter().any(|output| plan.members(*output).iter().any(|m| names.contains(m))) {
                found.push((start, r.get(1).map_err(backend)?));
                taken += 1;
                break;
            }
        }
    }
    Ok(())
}
