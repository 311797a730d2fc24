//! What an artifact's page asks beyond its facts.
use super::View;
use crate::{
    access::Action,
    app::AppError,
    domain::{
        history::FacetVersion,
        lineage::{AsOf, NodeKey},
    },
};

impl View {
    /// Versions of one facet of each artifact, newest first.
    ///
    /// # Errors
    /// `FORBIDDEN`, `UNAVAILABLE`.
    pub async fn facet_versions(
        &self,
        keys: &[NodeKey],
        name: &str,
        limit: usize,
        as_of: AsOf,
    ) -> Result<Vec<Vec<FacetVersion>>, AppError> {
        self.require(Action::ReadCatalog)?;
        Ok(self.snapshot.facet_versions(keys, name, limit, as_of).await?)
    }
}
