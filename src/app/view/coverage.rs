//! Which sources were heard, and when.
use std::collections::BTreeSet;

use super::View;
use crate::{
    access::Action,
    app::AppError,
    domain::{
        catalog::{ArtifactPage, EntryPage},
        coverage::SourceCoverage,
        lineage::{AsOf, FlowVersion, WalkAnswer},
        source::Source,
    },
};

impl View {
    /// Coverage of what a walk found: the sources behind its edges, and for nodes
    /// without an edge those that speak of the node's namespace.
    ///
    /// # Errors
    /// `FORBIDDEN`, `UNAVAILABLE`.
    pub async fn coverage(&self, walk: &WalkAnswer, as_of: AsOf) -> Result<Vec<SourceCoverage>, AppError> {
        self.require(Action::ReadLineage)?;
        let hidden = |node: u32| walk.nodes.get(node as usize).is_none_or(|n| n.restricted);
        let mut flows: Vec<FlowVersion> = Vec::with_capacity(walk.edges.len());
        let mut joined = vec![false; walk.nodes.len()];
        // What leads to something hidden is not told of by who reported it.
        for edge in walk.edges.iter().filter(|e| !hidden(e.from) && !hidden(e.to)) {
            flows.extend(&edge.flows);
            for end in [edge.from, edge.to] {
                if let Some(joined) = joined.get_mut(end as usize) {
                    *joined = true;
                }
            }
        }
        let alone = walk.nodes.iter().zip(&joined).filter(|(n, joined)| !**joined && !n.restricted);
        let namespaces: BTreeSet<&str> = alone.map(|(n, _)| &*n.namespace).collect();
        let namespaces: Vec<Box<str>> = namespaces.into_iter().map(Into::into).collect();
        Ok(self.snapshot.coverage(&flows, &namespaces, as_of).await?)
    }

    /// A page of the sources that speak of something in the caller's namespaces.
    ///
    /// # Errors
    /// `FORBIDDEN`, `UNAVAILABLE`.
    pub async fn sources(&self, after: Option<Source>, limit: usize, as_of: AsOf) -> Result<Vec<SourceCoverage>, AppError> {
        self.require(Action::ReadCatalog)?;
        Ok(self.snapshot.source_page(after, limit, as_of).await?)
    }

    /// How many artifacts a page's filter lets through on all pages.
    ///
    /// # Errors
    /// `FORBIDDEN`, `UNAVAILABLE`.
    pub async fn artifact_count(&self, page: &ArtifactPage, as_of: AsOf) -> Result<u64, AppError> {
        self.require(Action::ReadCatalog)?;
        Ok(self.snapshot.artifact_count(page, as_of).await?)
    }

    /// How many entries a page's filter lets through on all pages.
    ///
    /// # Errors
    /// `FORBIDDEN`, `UNAVAILABLE`, `DEADLINE_EXCEEDED`.
    pub async fn entry_count(&self, page: &EntryPage) -> Result<u64, AppError> {
        self.require(Action::ReadCore)?;
        Ok(self.snapshot.entry_count(&EntryPage { deadline: Some(self.deadline), ..page.clone() }).await?)
    }
}
