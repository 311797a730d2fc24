//! What a page says of all pages together.
use async_graphql::{Context, Object, SimpleObject};

use super::{context::reading, error::Result, scalar::Long};
use crate::domain::{catalog::ArtifactPage, lineage::AsOf};

/// What a page of artifacts says of all pages.
pub struct ArtifactTotals {
    pub page: ArtifactPage,
    pub as_of: AsOf,
}

/// What a page of artifacts says of all pages.
#[Object]
impl ArtifactTotals {
    /// How many artifacts the filter lets through on all pages, at the instant that the pages are about. Counted only where it is asked for, in memory: in a namespace its names that begin so, otherwise all there are, at some 50 ns each.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<Long> {
        Ok(Long(reading(ctx).await?.view.artifact_count(&self.page, self.as_of).await?))
    }
}

/// What a page of tokens says of all pages.
#[derive(SimpleObject)]
pub struct TokenTotals {
    /// How many tokens there are on all pages.
    pub total_count: Long,
}
