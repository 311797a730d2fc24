//! What a redaction would destroy, as a store tells it.
use std::sync::Arc;

use super::{
    assertion::Digest,
    id::{EntryIndex, NodeId},
};

/// The facets that the graph itself is read from: without their content a replay
/// would make another graph.
pub const OF_THE_GRAPH: &[&str] = &["columnLineage", "symlinks"];

/// Which facets of an entry a redaction is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FacetsWanted {
    /// All but those of the graph.
    All,
    Named(Vec<Box<str>>),
}

/// What is asked: the facets, and how many entries alike are to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedactionQuestion {
    pub index: EntryIndex,
    pub facets: FacetsWanted,
    /// The entry's own bytes too.
    pub bytes: bool,
    pub alike_max: usize,
}

/// An entry as far as it can be redacted.
#[derive(Clone, Debug)]
pub struct Redactable {
    pub event_type: Arc<str>,
    pub rest: RestState,
    /// What its bytes have in common with other entries; none of administrative acts.
    pub shape: Option<(Digest, u32)>,
    /// The namespaces that the entry names, and those of artifacts that have one of
    /// the facets or what lies in the bytes.
    pub namespaces: Vec<Box<str>>,
    /// Those asked for that are interned; of a name all that the event has.
    pub facets: Vec<RedactableFacet>,
    /// Asked for by name, but not interned: they lie in the entry's own bytes.
    pub inside: Vec<Box<str>>,
    /// Asked for by name, but the event has none.
    pub absent: Vec<Box<str>>,
    /// Other entries of the shape that still have their `rest`, in order, at most as many as asked.
    pub alike: Vec<EntryIndex>,
    /// How many there are in all.
    pub alike_count: u64,
    /// Artifacts that would be described by less.
    pub artifacts: Vec<NodeId>,
}

/// Whether an entry's `rest` is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestState {
    /// The entry never had one.
    Absent,
    There,
    /// Destroyed; by which entry, where known.
    Gone {
        by: Option<EntryIndex>,
    },
}

/// An interned facet.
#[derive(Clone, Debug)]
pub struct RedactableFacet {
    pub name: Box<str>,
    pub digest: Digest,
    /// The numbers that its content is stored under.
    pub numbers: Vec<u32>,
    pub redacted: bool,
    /// The graph is read from this very content, here or elsewhere.
    pub of_the_graph: bool,
}
