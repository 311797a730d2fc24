//! Loaders of an artifact's page.
use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;

use super::{
    super::error::{ApiError, Result},
    At, Batches, Reading, as_of, at, groups, matched,
};
use crate::domain::{
    catalog::RunFacts,
    history::{ArtifactChange, FacetVersion},
    id::{EntryIndex, NodeId},
    lineage::{AsOf, Direction, NodeKey, WalkAnswer},
};

#[derive(Clone, PartialEq, Eq, Hash)]
struct VersionsAt(At, &'static str, usize, NodeKey);
#[derive(Clone, PartialEq, Eq, Hash)]
struct ChangesAt(At, Option<EntryIndex>, usize, NodeKey);
#[derive(Clone, PartialEq, Eq, Hash)]
struct RunsOfDatasetAt(At, usize, NodeId);
#[derive(Clone, PartialEq, Eq, Hash)]
struct NextTo(At, Direction, usize, NodeKey);

impl Reading {
    /// The versions of one facet of an artifact, newest first, at most `limit`.
    pub async fn facet_versions(&self, key: NodeKey, facet: &'static str, limit: usize, as_of: AsOf) -> Result<Arc<[FacetVersion]>> {
        Ok(self.loader.load_one(VersionsAt(at(as_of), facet, limit, key)).await?.unwrap_or_default())
    }

    /// The entries below `before` that changed something of an artifact, newest first, at most `limit`.
    pub async fn changes(&self, key: NodeKey, before: Option<EntryIndex>, limit: usize, as_of: AsOf) -> Result<Arc<[ArtifactChange]>> {
        Ok(self.loader.load_one(ChangesAt(at(as_of), before, limit, key)).await?.unwrap_or_default())
    }

    /// The latest runs that read or wrote a dataset.
    pub async fn runs_of_dataset(&self, dataset: NodeId, limit: usize, as_of: AsOf) -> Result<Vec<Arc<RunFacts>>> {
        Ok(self.loader.load_one(RunsOfDatasetAt(at(as_of), limit, dataset)).await?.unwrap_or_default())
    }

    /// A node and at most `limit` of its neighbours.
    pub async fn next_to(&self, key: NodeKey, direction: Direction, limit: usize, as_of: AsOf) -> Result<Arc<WalkAnswer>> {
        self.loader.load_one(NextTo(at(as_of), direction, limit, key)).await?.ok_or_else(ApiError::internal)
    }
}

impl Loader<VersionsAt> for Batches {
    type Value = Arc<[FacetVersion]>;
    type Error = ApiError;

    async fn load(&self, keys: &[VersionsAt]) -> Result<HashMap<VersionsAt, Self::Value>> {
        let mut found = HashMap::with_capacity(keys.len());
        for ((at, facet, limit), nodes) in groups(keys, |k| ((k.0, k.1, k.2), k.3.clone())) {
            let versions = matched(nodes.len(), self.0.facet_versions(&nodes, facet, limit, as_of(at)).await?)?;
            found.extend(nodes.into_iter().zip(versions).map(|(n, v)| (VersionsAt(at, facet, limit, n), v.into())));
        }
        Ok(found)
    }
}

impl Loader<ChangesAt> for Batches {
    type Value = Arc<[ArtifactChange]>;
    type Error = ApiError;

    async fn load(&self, keys: &[ChangesAt]) -> Result<HashMap<ChangesAt, Self::Value>> {
        let mut found = HashMap::with_capacity(keys.len());
        for ((at, before, limit), nodes) in groups(keys, |k| ((k.0, k.1, k.2), k.3.clone())) {
            let changes = matched(nodes.len(), self.0.changes(&nodes, before, limit, as_of(at)).await?)?;
            found.extend(nodes.into_iter().zip(changes).map(|(n, c)| (ChangesAt(at, before, limit, n), c.into())));
        }
        Ok(found)
    }
}

impl Loader<RunsOfDatasetAt> for Batches {
    type Value = Vec<Arc<RunFacts>>;
    type Error = ApiError;

    async fn load(&self, keys: &[RunsOfDatasetAt]) -> Result<HashMap<RunsOfDatasetAt, Self::Value>> {
        let mut found = HashMap::with_capacity(keys.len());
        for ((at, limit), datasets) in groups(keys, |k| ((k.0, k.1), k.2)) {
            let runs = matched(datasets.len(), self.0.runs_of_datasets(&datasets, limit, as_of(at)).await?)?;
            let runs = runs.into_iter().map(|r| r.into_iter().map(Arc::new).collect());
            found.extend(datasets.into_iter().zip(runs).map(|(d, r)| (RunsOfDatasetAt(at, limit, d), r)));
        }
        Ok(found)
    }
}

impl Loader<NextTo> for Batches {
    type Value = Arc<WalkAnswer>;
    type Error = ApiError;

    async fn load(&self, keys: &[NextTo]) -> Result<HashMap<NextTo, Self::Value>> {
        let mut found = HashMap::with_capacity(keys.len());
        for ((at, direction, limit), nodes) in groups(keys, |k| ((k.0, k.1, k.2), k.3.clone())) {
            let answers = matched(nodes.len(), self.0.neighbours(&nodes, direction, limit, as_of(at)).await?)?;
            found.extend(nodes.into_iter().zip(answers).map(|(n, a)| (NextTo(at, direction, limit, n), Arc::new(a))));
        }
        Ok(found)
    }
}
