//! Loaders of an artifact's page.
use std::{collections::HashMap, sync::Arc};

use async_graphql::dataloader::Loader;

use super::{
    super::error::{ApiError, Result},
    At, Batches, Reading, as_of, at, groups, matched,
};
use crate::domain::{
    history::FacetVersion,
    lineage::{AsOf, NodeKey},
};

#[derive(Clone, PartialEq, Eq, Hash)]
struct VersionsAt(At, &'static str, usize, NodeKey);

impl Reading {
    /// The versions of one facet of an artifact, newest first, at most `limit`.
    pub async fn facet_versions(&self, key: NodeKey, facet: &'static str, limit: usize, as_of: AsOf) -> Result<Arc<[FacetVersion]>> {
        Ok(self.loader.load_one(VersionsAt(at(as_of), facet, limit, key)).await?.unwrap_or_default())
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
