//! Questions about lineage and their answers: breadth-first walks over flows
//! that were open at one instant, as one ledger size knew them.
use std::sync::Arc;

use super::{
    assertion::Transformation,
    id::{EntryIndex, NodeId},
    kind::ArtifactKind,
    name::Name,
    source::Source,
    time::Micros,
};

/// A node of an answer: an artifact, one field of a dataset, or a run.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum NodeKey {
    Artifact(NodeId),
    Field(NodeId, Arc<str>),
    /// With OpenLineage's runId.
    Run(NodeId, Arc<str>),
}

impl NodeKey {
    /// The artifact itself, the dataset that has the field, or the run's own id.
    #[must_use]
    pub const fn artifact(&self) -> NodeId {
        match self {
            Self::Artifact(id) | Self::Field(id, _) | Self::Run(id, _) => *id,
        }
    }
}

/// Which way the walk goes. Exact: `Downstream` never returns siblings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    Upstream,
    Downstream,
    Both,
}

/// What the nodes of the walk are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    Artifact,
    Field,
    /// Runs, and the datasets that they used or made.
    Run,
}

/// Which nodes of an artifact walk are left out, what lies on both sides of them
/// joined instead. A start stays, with its own edges, whatever is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Collapse {
    /// Datasets and jobs, joined by flows.
    #[default]
    None,
    /// No jobs: datasets, joined by [`FlowKind::WasDerivedFrom`], an edge a job.
    Jobs,
    /// Jobs only, joined by [`FlowKind::WasDerivedFrom`] where one reads what another wrote.
    Datasets,
}

/// How data moved along an edge, in PROV's words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum FlowKind {
    /// A job read the dataset: dataset → job.
    Used,
    /// A job wrote the dataset: job → dataset.
    WasGeneratedBy,
    /// Field → field, or what lies around a node that is collapsed.
    WasDerivedFrom,
}

/// An instant on both axes, resolved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AsOf {
    pub valid_at: Micros,
    /// Entry `i` is visible iff `i < size`.
    pub size: EntryIndex,
}

/// What to walk.
#[derive(Clone, Debug)]
pub struct Walk {
    /// Known nodes; unknown ones are refused before the walk.
    pub from: Vec<NodeKey>,
    pub direction: Direction,
    pub level: Level,
    /// At level [`Level::Artifact`].
    pub collapse: Collapse,
    /// Hops of the graph as shown.
    pub depth: u32,
    pub nodes_max: usize,
    pub per_node_max: usize,
    pub include_deleted: bool,
    pub include_self_loops: bool,
    /// What the asker may not see is left out instead of shown as restricted.
    pub leave_out_hidden: bool,
    pub as_of: AsOf,
    /// What was walkable at any time in `[since, as_of.valid_at]` is; the instant itself for what is walkable then.
    pub since: Micros,
    /// When to stop, by the store's monotonic clock.
    pub deadline: std::time::Instant,
}

/// What was found. Nodes in order of (depth, id); node 0.. are the starts.
#[derive(Clone, Debug, Default)]
pub struct WalkAnswer {
    pub nodes: Vec<WalkNode>,
    pub edges: Vec<WalkEdge>,
    pub completeness: Completeness,
}

/// One node as shown: a class of names joined by symlinks and renames.
#[derive(Clone, Debug)]
pub struct WalkNode {
    /// Something that the asker may not see: its key is an id of nothing, its kind,
    /// namespace and name say nothing, and it is never walked through.
    pub restricted: bool,
    pub key: NodeKey,
    pub kind: ArtifactKind,
    pub namespace: Arc<str>,
    /// Of a field: the dataset's name, a dot and the field's path is how it is shown; this is the field's path.
    pub name: Arc<str>,
    /// The other names of the class.
    pub aliases: Vec<Name>,
    pub depth: u32,
    pub self_loop: bool,
    /// When its life ended, if it is not alive at the instant itself.
    pub deleted_at: Option<Micros>,
    /// Walkable neighbours in the asked direction that are not in the answer.
    pub remaining: u32,
}

/// One edge per (from, to, kind, job); from → to is the way the data goes.
#[derive(Clone, Debug)]
pub struct WalkEdge {
    /// Positions in `nodes`.
    pub from: u32,
    pub to: u32,
    pub kind: FlowKind,
    /// The job, where the edge does not end in it already.
    pub job: Option<NodeId>,
    pub transformations: Vec<Transformation>,
    /// The maximal interval around the instant in which some source holds it open; of a window the last one that begins by the instant.
    pub valid_from: Micros,
    /// [`super::time::FOREVER`] when open-ended.
    pub valid_until: Micros,
    /// The facts behind it, for [`FlowAssertion`]s on demand.
    pub flows: smallvec::SmallVec<[FlowVersion; 1]>,
}

/// What stands behind an edge: a stored bitemporal fact by its row, or (below 0) an entry that says so itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowVersion(pub i64);

impl FlowVersion {
    /// What one entry says.
    #[must_use]
    pub fn of_entry(index: EntryIndex) -> Self {
        Self(i64::try_from(index).map_or(i64::MIN, |i| -1 - i))
    }

    /// The entry, if it is that.
    #[must_use]
    pub fn entry(self) -> Option<EntryIndex> {
        EntryIndex::try_from(-1 - self.0.min(-1)).ok().filter(|_| self.0 < 0)
    }
}

/// One source's claim behind an edge.
#[derive(Clone, Debug)]
pub struct FlowAssertion {
    pub source: Arc<Source>,
    pub valid_from: Micros,
    pub valid_until: Micros,
    pub recorded_from: EntryIndex,
    /// None also when a later entry than the asked size took it back.
    pub recorded_until: Option<EntryIndex>,
    /// The entry that asserts it.
    pub entry: EntryIndex,
}

/// What a walk left out.
#[derive(Clone, Debug, Default)]
pub struct Completeness {
    pub status: CompletenessStatus,
    pub reasons: Vec<IncompleteReason>,
    pub nodes_visited: u32,
    pub edges_visited: u32,
    /// Shown nodes whose neighbours were cut off; positions in `nodes`.
    pub frontier: Vec<u32>,
    /// Edges met, known at the ledger size, not walkable at the instant.
    pub pruned_by_time: u32,
}

/// Nothing within the asked depth was left out — or why something was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CompletenessStatus {
    #[default]
    Complete,
    Truncated,
    Deadline,
    Restricted,
}

/// Why an answer is not complete.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum IncompleteReason {
    NodesMax,
    PerNodeMax,
    /// The search for paths reached its bound.
    SearchMax,
    Deadline,
    Restricted,
}
