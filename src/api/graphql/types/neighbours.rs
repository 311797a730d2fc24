//! What is next to an artifact.
use async_graphql::{Context, SimpleObject};

use super::{
    super::{context::reading, error::Result},
    artifact::Artifact,
    lineage::CompletenessStatus,
};
use crate::domain::lineage::{self, Direction};

/// The most neighbours in one answer.
pub const NEIGHBOURS_MAX: i32 = 200;

/// What is one hop away, alive at the instant.
#[derive(SimpleObject, Clone)]
pub struct Neighbours {
    /// How many there are, shown or not.
    pub count: i32,
    /// Those that are shown, in order of their ids.
    pub nodes: Vec<Artifact>,
    /// Whether all are shown.
    pub status: CompletenessStatus,
}

impl Neighbours {
    pub(super) async fn of(ctx: &Context<'_>, artifact: &Artifact, direction: Direction, first: usize) -> Result<Self> {
        let reading = reading(ctx).await?;
        let key = artifact.facts.key.clone();
        let answer = reading.next_to(key.clone(), direction, first, artifact.as_of).await?;
        let keys: Vec<_> = answer.nodes.iter().skip(1).map(|n| n.key.clone()).collect();
        let remaining = answer.nodes.first().map_or(0, |n| n.remaining) as usize;
        let count = i32::try_from(keys.len() + remaining).unwrap_or(i32::MAX);
        let facts = reading.artifacts(keys, artifact.as_of).await?;
        let status = match answer.completeness.status {
            // What is left out is counted.
            lineage::CompletenessStatus::Complete if remaining > 0 => CompletenessStatus::Truncated,
            status => status.into(),
        };
        Ok(Self { count, nodes: facts.into_iter().map(|facts| Artifact { facts, as_of: artifact.as_of }).collect(), status })
    }
}
