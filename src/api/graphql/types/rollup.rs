//! A lineage with each namespace as one node.
use async_graphql::SimpleObject;

use super::counts::NodesOfKind;
use crate::domain::{lineage::WalkAnswer, rollup::RollUp};

/// What a lineage shows, with each namespace as one node.
#[derive(SimpleObject, Clone, Debug)]
pub struct NamespaceLineage {
    /// The namespaces, in order of their bytes.
    pub namespaces: Vec<NamespaceNode>,
    /// How data goes from one to another, in order of the two.
    pub edges: Vec<NamespaceFlow>,
}

/// A namespace of a lineage.
#[derive(SimpleObject, Clone, Debug)]
pub struct NamespaceNode {
    /// The namespace.
    pub namespace: String,
    /// How many nodes of it are shown.
    pub nodes: u32,
    /// Those by what they are.
    pub by_kind: Vec<NodesOfKind>,
    /// How many hops its nearest node is away from the nearest start.
    pub depth: u32,
    /// How many of the edges shown are between its own nodes.
    pub edges_inside: u32,
}

/// Data went from a namespace to another.
#[derive(SimpleObject, Clone, Debug)]
pub struct NamespaceFlow {
    /// The namespace that the data came from.
    pub from: String,
    /// The namespace that it went to.
    pub to: String,
    /// How many of the edges shown do so.
    pub edges: u32,
}

impl From<&WalkAnswer> for NamespaceLineage {
    fn from(walk: &WalkAnswer) -> Self {
        let all = RollUp::of(walk);
        let node = |(namespace, n): (std::sync::Arc<str>, crate::domain::rollup::NamespaceNode)| NamespaceNode {
            namespace: namespace.to_string(),
            nodes: n.nodes,
            by_kind: n.by_kind.into_iter().map(|(kind, nodes)| NodesOfKind { kind: kind.into(), nodes }).collect(),
            depth: n.depth,
            edges_inside: n.edges_inside,
        };
        Self {
            namespaces: all.namespaces.into_iter().map(node).collect(),
            edges: all
                .edges
                .into_iter()
                .map(|((from, to), edges)| NamespaceFlow { from: from.to_string(), to: to.to_string(), edges })
                .collect(),
        }
    }
}
