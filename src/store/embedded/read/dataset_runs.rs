//! The latest runs that read or wrote a dataset.
use std::{cmp::Reverse, sync::Arc};

use rustc_hash::FxHashMap;

use super::{
    Reader,
    run_walk::sought::{Sought, latest_of_names},
    runs::run,
};
use crate::{
    domain::{
        catalog::RunFacts,
        id::NodeId,
        lineage::AsOf,
        time::{DAWN, Micros},
    },
    store::{StoreError, embedded::topology::NodeNo},
};

/// The latest runs of any job that name the dataset, under the names that mean it
/// at the instant, as input or output: newest start first.
///
/// # Errors
/// The database's.
pub fn runs_of_datasets(reader: &Reader<'_>, datasets: &[NodeId], limit: usize, as_of: AsOf) -> Result<Vec<Vec<RunFacts>>, StoreError> {
    let mut classes = reader.classes(as_of);
    let mut answers = Vec::with_capacity(datasets.len());
    for dataset in datasets {
        let Some(no) = reader.find(*dataset, as_of.size) else {
            answers.push(Vec::new());
            continue;
        };
        let class = classes.of(no)?;
        let names: &[NodeNo] = classes.get(class).filter(|c| !c.hidden).map(|c| c.shown()).unwrap_or_default();
        let mut starts: FxHashMap<Arc<str>, Micros> = FxHashMap::default();
        for output in [false, true] {
            let sought = Sought { output, begun_by: as_of.valid_at, heard_since: DAWN, since: None, limit };
            for found in latest_of_names(reader, names, as_of, sought)?.runs {
                let start = starts.entry(found.run_id).or_insert(found.start);
                *start = (*start).max(found.start);
            }
        }
        let mut found: Vec<(Micros, Arc<str>)> = starts.into_iter().map(|(run_id, start)| (start, run_id)).collect();
        found.sort_unstable_by_key(|f| Reverse(f.clone()));
        let mut runs = Vec::new();
        for (_, run_id) in found.into_iter().take(limit) {
            runs.extend(run(reader, &run_id, as_of)?);
        }
        answers.push(runs);
    }
    Ok(answers)
}
