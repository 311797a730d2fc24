//! A walk's answer with each namespace as one node.
use std::{collections::BTreeMap, sync::Arc};

use super::{kind::ArtifactKind, lineage::WalkAnswer};

/// One namespace of an answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NamespaceNode {
    pub nodes: u32,
    /// Kinds that occur, in order of [`ArtifactKind`].
    pub by_kind: BTreeMap<ArtifactKind, u32>,
    /// The least depth of its nodes.
    pub depth: u32,
    /// Edges between its own nodes.
    pub edges_inside: u32,
}

/// Namespaces in order of bytes, and how many edges lead from one to another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RollUp {
    pub namespaces: BTreeMap<Arc<str>, NamespaceNode>,
    pub edges: BTreeMap<(Arc<str>, Arc<str>), u32>,
}

impl RollUp {
    /// Rolls up what a walk found.
    #[must_use]
    pub fn of(walk: &WalkAnswer) -> Self {
        let mut all = Self::default();
        // What is restricted belongs to no namespace that may be told.
        for node in walk.nodes.iter().filter(|n| !n.restricted) {
            let of =
                all.namespaces.entry(node.namespace.clone()).or_insert_with(|| NamespaceNode { depth: node.depth, ..Default::default() });
            of.nodes += 1;
            of.depth = of.depth.min(node.depth);
            *of.by_kind.entry(node.kind).or_default() += 1;
        }
        for edge in &walk.edges {
            let namespace = |at: u32| walk.nodes.get(at as usize).filter(|n| !n.restricted).map(|n| &n.namespace);
            let [Some(from), Some(to)] = [edge.from, edge.to].map(namespace) else { continue };
            if from == to {
                all.namespaces.entry(from.clone()).or_default().edges_inside += 1;
            } else {
                *all.edges.entry((from.clone(), to.clone())).or_default() += 1;
            }
        }
        all
    }
}
