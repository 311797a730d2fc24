//! Lineage: what a walk found, what it left out, and what it stands on.
use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use smallvec::SmallVec;

use super::{
    super::{
        context::reading,
        error::{ApiError, Result},
        id::GlobalId,
        input::{price, size},
        scalar::{DateTime, Long},
    },
    Name,
    artifact::Artifact,
    coverage::SourceCoverage,
    event::LedgerEvent,
    rollup::NamespaceLineage,
    run::Run,
};
use crate::{
    app::view,
    domain::{
        assertion,
        lineage::{self as domain, AsOf, FlowVersion, NodeKey, WalkAnswer, WalkEdge, WalkNode},
    },
    ledger::{Hash, encode_hash},
};

/// The most claims of one edge in one answer.
const ASSERTIONS_MAX: i32 = 20;

/// Which way the walk goes. Exact: `DOWNSTREAM` never returns siblings.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "domain::Direction")]
pub enum Direction {
    /// Where the data comes from.
    Upstream,
    /// Where the data goes.
    Downstream,
    /// Both ways, each by itself.
    Both,
}

/// What the nodes of a lineage are.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "domain::Level")]
pub enum LineageLevel {
    /// Datasets and jobs.
    Artifact,
    /// Columns. A dataset as start means all its columns.
    Field,
    /// Runs and the datasets that they used or made. A job as start means its latest runs, at most `perNodeLimit`. Of a dataset's runs the
    /// latest are met first. Every node is reached by a way on which time goes forward: a run can have used what was there by the last that
    /// is heard of it, so up from there no run is met that began later, and down from a run none that was last heard of before it began.
    /// Runs count that began by the instant (with `window`, in it).
    Run,
}

/// What a lineage leaves out; what lies on both sides of it is joined instead. A start is always shown, with its own edges.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "domain::Collapse")]
pub enum Collapse {
    /// Nothing: datasets and jobs, joined by `USED` and `WAS_GENERATED_BY`.
    None,
    /// Jobs: datasets, joined by `WAS_DERIVED_FROM`, one edge for each job between them.
    Jobs,
    /// Datasets: jobs, joined by `WAS_DERIVED_FROM` where one reads what another wrote.
    Datasets,
}

/// How data moved along an edge, in PROV's words.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "domain::FlowKind")]
pub enum FlowKind {
    /// A job read a dataset: from the dataset to the job.
    Used,
    /// A job wrote a dataset: from the job to the dataset.
    WasGeneratedBy,
    /// A column was made from another; where something is collapsed, what lies on both sides of it.
    WasDerivedFrom,
}

/// A stretch of time up to the instant of the answer.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct FlowWindow {
    /// When it begins; not after `asOf.validAt`.
    pub since: DateTime,
}

/// How far a walk goes and what it shows. More than a maximum is an error, never a silent clip.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct LineageOptions {
    /// Which way.
    #[graphql(default_with = "Direction::Both")]
    pub direction: Direction,
    /// How many hops of the graph as shown; at most 100 by default.
    #[graphql(default = 1)]
    pub depth: i32,
    /// Artifacts, their columns, or runs.
    #[graphql(default_with = "LineageLevel::Artifact")]
    pub level: LineageLevel,
    /// What is left out and passed through; a hop is one of the graph so shown. Columns are joined without jobs whatever it says, and `DATASETS` is an error for them; for runs anything but `NONE` is.
    #[graphql(default_with = "Collapse::None")]
    pub collapse: Collapse,
    /// How many nodes at most; at most 20,000 by default.
    #[graphql(default = 200)]
    pub max_nodes: i32,
    /// How many neighbours of one node at most; at most 10,000 by default. What is left out is counted by `remaining`.
    #[graphql(default = 20)]
    pub per_node_limit: i32,
    /// Without it an edge is walked that is open at the instant (`asOf.validAt`), between nodes alive then. With it one that was open at any
    /// time from `since` to the instant, between nodes each alive at some time in it; which names are one node is still told as of the
    /// instant, and a name that began anew since a drop is another node than before. Of what `collapse` joins both must have been open at
    /// one time.
    pub window: Option<FlowWindow>,
    /// Whether nodes that are not alive at the instant (with `window`: at no time in it) are shown. They are never walked through.
    #[graphql(default = false)]
    pub include_deleted: bool,
    /// Whether edges from a node to itself are shown.
    #[graphql(default = false)]
    pub include_self_loops: bool,
}

impl Default for LineageOptions {
    fn default() -> Self {
        Self {
            direction: Direction::Both,
            depth: 1,
            level: LineageLevel::Artifact,
            collapse: Collapse::None,
            max_nodes: 200,
            per_node_limit: 20,
            window: None,
            include_deleted: false,
            include_self_loops: false,
        }
    }
}

impl LineageOptions {
    /// In the application's words.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for negative numbers. Maxima are the application's.
    pub fn read(self) -> Result<view::LineageOptions> {
        let count = |argument: &str, n: i32| size(argument, n, i32::MAX);
        Ok(view::LineageOptions {
            direction: self.direction.into(),
            level: self.level.into(),
            collapse: self.collapse.into(),
            depth: u32::try_from(count("options.depth", self.depth)?).unwrap_or(u32::MAX),
            nodes_max: count("options.maxNodes", self.max_nodes)?,
            per_node_max: count("options.perNodeLimit", self.per_node_limit)?,
            include_deleted: self.include_deleted,
            include_self_loops: self.include_self_loops,
            since: self.window.map(|w| w.since.0),
        })
    }
}

/// What a lineage may cost: each node with all that is asked of nodes and edges.
#[must_use]
pub fn lineage_price(options: Option<LineageOptions>, child: usize) -> usize {
    price(Some(options.unwrap_or_default().max_nodes), 0, i32::MAX, child)
}

/// A walk, and what it stands on. Shared by everything that shows a piece of it.
#[derive(Debug)]
pub struct Answered {
    pub walk: WalkAnswer,
    pub as_of: AsOf,
    /// The tree's root at that size, where the document asks for it.
    pub root: Option<Hash>,
    /// Its sources, where the document asks for them.
    pub coverage: Vec<SourceCoverage>,
}

/// The graph around some nodes at one instant. Nodes come in order of depth and id.
#[derive(Clone)]
pub struct Lineage(pub Arc<Answered>);

/// The graph around some nodes at one instant. Nodes come in order of depth and id.
#[Object]
impl Lineage {
    /// The nodes, the starts first.
    async fn nodes(&self) -> Vec<LineageNode> {
        (0..self.0.walk.nodes.len()).map(|at| LineageNode { all: self.0.clone(), at }).collect()
    }

    /// The edges between the nodes shown, one for each (from, to, kind, job).
    async fn edges(&self) -> Vec<LineageEdge> {
        (0..self.0.walk.edges.len()).map(|at| LineageEdge { all: self.0.clone(), at }).collect()
    }

    /// The same with each namespace as one node: of what is shown, so of a lineage that was cut a part, and without what is restricted.
    async fn by_namespace(&self) -> NamespaceLineage {
        NamespaceLineage::from(&self.0.walk)
    }

    /// What was left out, and why.
    async fn completeness(&self) -> Completeness {
        Completeness(self.0.clone())
    }

    /// The sources that the answer stands on, in order of name: those behind its edges, and for nodes shown without an edge all that name something in the node's namespace. Whether each still speaks is judged at the answer's instant, by what was recorded then.
    #[graphql(complexity = "20 + 10 * child_complexity")]
    async fn coverage(&self) -> &[SourceCoverage] {
        &self.0.coverage
    }

    /// The instant that the answer is about.
    async fn as_of(&self) -> ResolvedAsOf {
        ResolvedAsOf { as_of: self.0.as_of, root: self.0.root }
    }
}

/// A node of a lineage: an artifact, or one column of a dataset.
pub struct LineageNode {
    all: Arc<Answered>,
    at: usize,
}

impl LineageNode {
    fn node(&self) -> Result<&WalkNode> {
        self.all.walk.nodes.get(self.at).ok_or_else(ApiError::internal)
    }

    /// The node, where the caller may see it.
    fn told(&self) -> Result<Option<&WalkNode>> {
        Ok(Some(self.node()?).filter(|n| !n.restricted))
    }
}

/// A node of a lineage: an artifact, or one column of a dataset.
#[Object]
impl LineageNode {
    /// The node's id; `node(id:)` and `ArtifactRef.id` take it. Where restricted, one that stands for the node in the caller's answers alone and leads nowhere.
    async fn id(&self) -> Result<ID> {
        Ok(GlobalId::of_node(&self.node()?.key).into())
    }

    /// Whether the caller may know nothing but that something is here.
    async fn restricted(&self) -> Result<bool> {
        Ok(self.node()?.restricted)
    }

    /// What it is; none where restricted.
    async fn kind(&self) -> Result<Option<super::super::input::ArtifactKind>> {
        Ok(self.told()?.map(|n| n.kind.into()))
    }

    /// The namespace; of a run its job's; none where restricted.
    async fn namespace(&self) -> Result<Option<&str>> {
        Ok(self.told()?.map(|n| &*n.namespace))
    }

    /// The name inside the namespace; of a column its path inside the dataset; of a run OpenLineage's runId; none where restricted.
    async fn name(&self) -> Result<Option<&str>> {
        Ok(self.told()?.map(|n| &*n.name))
    }

    /// Of a column: the id of the dataset that has it.
    async fn dataset(&self) -> Result<Option<ID>> {
        Ok(dataset_of(&self.node()?.key).map(ID::from))
    }

    /// The other names that were this node at that instant, by symlinks and renames.
    async fn aliases(&self) -> Result<Vec<Name>> {
        Ok(self.node()?.aliases.iter().map(Name::from).collect())
    }

    /// How many hops away from the nearest start.
    async fn depth(&self) -> Result<u32> {
        Ok(self.node()?.depth)
    }

    /// Whether an edge leads from the node to itself.
    async fn self_loop(&self) -> Result<bool> {
        Ok(self.node()?.self_loop)
    }

    /// When its life ended, where it is not alive at that instant.
    async fn deleted_at(&self) -> Result<Option<DateTime>> {
        Ok(self.node()?.deleted_at.map(DateTime))
    }

    /// How many neighbours in the asked direction are not in the answer; none of one that is restricted is counted. Of a dataset's runs
    /// the latest `perNodeLimit`, and at least 1,000, are looked at.
    async fn remaining(&self) -> Result<u32> {
        Ok(self.node()?.remaining)
    }

    /// The run, as the same instant saw it; none of what is no run.
    #[graphql(complexity = "20 + 3 * child_complexity")]
    async fn run(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        let NodeKey::Run(_, run_id) = &self.node()?.key else { return Ok(None) };
        let facts = reading(ctx).await?.run((**run_id).into(), self.all.as_of).await?;
        Ok(facts.map(|facts| Run { facts, as_of: self.all.as_of }))
    }

    /// The artifact with all its facts at the same instant; none of a run, and where restricted.
    #[graphql(complexity = "20 + 3 * child_complexity")]
    async fn artifact(&self, ctx: &Context<'_>) -> Result<Option<Artifact>> {
        let Some(node) = self.told()? else { return Ok(None) };
        let facts = reading(ctx).await?.artifact(node.key.clone(), self.all.as_of).await?;
        Ok(facts.map(|facts| Artifact { facts, as_of: self.all.as_of }))
    }
}

/// The id of the dataset that has a field.
pub(in super::super) fn dataset_of(key: &NodeKey) -> Option<String> {
    match key {
        NodeKey::Field(dataset, _) => Some(GlobalId::of_artifact(*dataset)),
        NodeKey::Artifact(_) | NodeKey::Run(..) => None,
    }
}

/// An edge of a lineage: data went from `from` to `to`.
pub struct LineageEdge {
    all: Arc<Answered>,
    at: usize,
}

impl LineageEdge {
    /// The edge at that position of what was found.
    #[must_use]
    pub const fn new(all: Arc<Answered>, at: usize) -> Self {
        Self { all, at }
    }

    fn edge(&self) -> Result<&WalkEdge> {
        self.all.walk.edges.get(self.at).ok_or_else(ApiError::internal)
    }

    fn id_of(&self, node: u32) -> Result<ID> {
        let node = self.all.walk.nodes.get(node as usize).ok_or_else(ApiError::internal)?;
        Ok(GlobalId::of_node(&node.key).into())
    }
}

/// An edge of a lineage: data went from `from` to `to`.
#[Object]
impl LineageEdge {
    /// The node that the data came from.
    async fn from(&self) -> Result<ID> {
        self.id_of(self.edge()?.from)
    }

    /// The node that the data went to.
    async fn to(&self) -> Result<ID> {
        self.id_of(self.edge()?.to)
    }

    /// How.
    async fn kind(&self) -> Result<FlowKind> {
        Ok(self.edge()?.kind.into())
    }

    /// The job that moved it, where the edge does not end in it already and one alone did; of a run its job.
    async fn job(&self) -> Result<Option<ID>> {
        Ok(self.edge()?.job.map(|job| GlobalId::of_artifact(job).into()))
    }

    /// What was done to the data, where a source says so.
    async fn transformations(&self) -> Result<Vec<Transformation>> {
        Ok(self.edge()?.transformations.iter().map(Transformation::from).collect())
    }

    /// Since when some source holds the edge open without a gap, up to the instant; with `window`, of an edge that is closed by then, the
    /// last time that it was open. Of a run when it began.
    async fn valid_from(&self) -> Result<DateTime> {
        Ok(DateTime(self.edge()?.valid_from))
    }

    /// Until when, after the instant (before it, where `window` shows what is closed by then); none where it is open-ended. Of a run when it ended.
    async fn valid_until(&self) -> Result<Option<DateTime>> {
        Ok(DateTime::end(self.edge()?.valid_until))
    }

    /// Who says so: the claims behind the edge, each with the entry that holds it. None where an end of it is restricted.
    #[graphql(complexity = "10 + price(Some(first), 3, ASSERTIONS_MAX, child_complexity)")]
    async fn assertions(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 3, desc = "How many at most; at most 20.")] first: i32,
    ) -> Result<Vec<FlowAssertion>> {
        let first = size("first", first, ASSERTIONS_MAX)?;
        let flows: SmallVec<[FlowVersion; 4]> = self.edge()?.flows.iter().take(first).copied().collect();
        let claims = reading(ctx).await?.claims(&flows, self.all.as_of.size).await?;
        Ok(claims.into_iter().map(FlowAssertion).collect())
    }
}

/// What was done to data on its way, in OpenLineage's words.
#[derive(SimpleObject, Clone, Debug)]
pub struct Transformation {
    /// `DIRECT` or `INDIRECT`, or what the producer wrote.
    #[graphql(name = "type")]
    pub kind: String,
    /// `IDENTITY`, `AGGREGATION`, `JOIN`, `FILTER` and so on.
    pub subtype: Option<String>,
    /// In the producer's words.
    pub description: Option<String>,
    /// Whether values are masked on the way.
    pub masking: bool,
}

impl From<&assertion::Transformation> for Transformation {
    fn from(t: &assertion::Transformation) -> Self {
        Self {
            kind: t.kind.to_string(),
            subtype: t.subtype.as_deref().map(str::to_owned),
            description: t.description.as_deref().map(str::to_owned),
            masking: t.masking,
        }
    }
}

/// One source's claim that data flowed.
pub struct FlowAssertion(Arc<domain::FlowAssertion>);

/// One source's claim that data flowed.
#[Object]
impl FlowAssertion {
    /// Who says so: the integration of the token and the producer.
    async fn source(&self) -> String {
        self.0.source.label()
    }

    /// Since when the source holds the flow open.
    async fn valid_from(&self) -> DateTime {
        DateTime(self.0.valid_from)
    }

    /// Until when; none where it is open-ended.
    async fn valid_until(&self) -> Option<DateTime> {
        DateTime::end(self.0.valid_until)
    }

    /// The entry since which the ledger says so.
    async fn recorded_from(&self) -> Long {
        Long(self.0.recorded_from)
    }

    /// The entry below `asOf { ledgerSize }` since which the ledger says otherwise; none where at that size it still does.
    async fn recorded_until(&self) -> Option<Long> {
        self.0.recorded_until.map(Long)
    }

    /// The entry that holds the claim.
    #[graphql(complexity = "5 + child_complexity")]
    async fn event(&self, ctx: &Context<'_>) -> Result<LedgerEvent> {
        let entry = reading(ctx).await?.entry(self.0.entry).await?.ok_or_else(ApiError::internal)?;
        Ok(LedgerEvent(entry))
    }
}

/// Whether something was left out within the asked depth. It says nothing of what no source reported.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "domain::CompletenessStatus")]
pub enum CompletenessStatus {
    /// Nothing within the asked depth was left out.
    Complete,
    /// A cap was reached.
    Truncated,
    /// Time was over.
    Deadline,
    /// Something is not the caller's to see.
    Restricted,
}

/// Why an answer is not complete.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "domain::IncompleteReason")]
pub enum IncompleteReason {
    /// `maxNodes` was reached.
    NodesMax,
    /// `perNodeLimit` was reached at the nodes of `frontier`.
    PerNodeMax,
    /// The search for paths reached its bound of work.
    SearchMax,
    /// The walk took longer than the server permits.
    Deadline,
    /// Nodes that the caller may not see were met.
    Restricted,
}

/// What a walk left out.
pub struct Completeness(Arc<Answered>);

/// What a walk left out.
#[Object]
impl Completeness {
    /// In one word.
    async fn status(&self) -> CompletenessStatus {
        self.0.walk.completeness.status.into()
    }

    /// Every reason, once.
    async fn reasons(&self) -> Vec<IncompleteReason> {
        self.0.walk.completeness.reasons.iter().map(|r| (*r).into()).collect()
    }

    /// How many nodes the walk came to.
    async fn nodes_visited(&self) -> u32 {
        self.0.walk.completeness.nodes_visited
    }

    /// How many edges the walk looked at.
    async fn edges_visited(&self) -> u32 {
        self.0.walk.completeness.edges_visited
    }

    /// The nodes whose neighbours were cut off: where to go on.
    async fn frontier(&self) -> Result<Vec<ID>> {
        let node = |at: &u32| {
            let node = self.0.walk.nodes.get(*at as usize).ok_or_else(ApiError::internal)?;
            Ok(GlobalId::of_node(&node.key).into())
        };
        self.0.walk.completeness.frontier.iter().map(node).collect()
    }

    /// How many edges the walk met that are known at that ledger size and not walkable at that instant.
    async fn pruned_by_time(&self) -> u32 {
        self.0.walk.completeness.pruned_by_time
    }
}

/// The instant of an answer, on both axes, and the root of the log at that size.
pub struct ResolvedAsOf {
    pub as_of: AsOf,
    pub root: Option<Hash>,
}

/// The instant of an answer, on both axes, and the root of the log at that size.
#[Object]
impl ResolvedAsOf {
    /// When it was so in the world.
    async fn valid_at(&self) -> DateTime {
        DateTime(self.as_of.valid_at)
    }

    /// How many entries of the ledger the answer stands on.
    async fn ledger_size(&self) -> Long {
        Long(self.as_of.size)
    }

    /// The root of the log's Merkle tree at that size: base64, as in checkpoints.
    async fn root_hash(&self, ctx: &Context<'_>) -> Result<String> {
        let root = match self.root {
            Some(root) => root,
            None => root_at(ctx, self.as_of).await?,
        };
        Ok(encode_hash(&root))
    }
}

/// The root at an instant's size.
pub async fn root_at(ctx: &Context<'_>, as_of: AsOf) -> Result<Hash> {
    let view = &reading(ctx).await?.view;
    let head = view.head();
    if as_of.size == head.size {
        return Ok(head.root);
    }
    Ok(view.root_at(as_of.size).await?)
}
