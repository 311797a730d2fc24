//! What the catalog knows of artifacts, runs and entries, as answers: plain
//! facts that a store gives and the border translates.
use std::sync::Arc;

use super::{
    assertion::{Digest, RunState, Transformation},
    entry::part::PartClass,
    id::{EntryId, EntryIndex, Handle, NodeId},
    kind::ArtifactKind,
    lineage::NodeKey,
    name::Name,
    source::Source,
    time::Micros,
};

/// How people and programs point at a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ArtifactRef {
    Key(NodeKey),
    /// A natural key of any kind but fields and runs.
    Named(ArtifactKind, Name),
    /// OpenLineage's runId, lower-case.
    Run(Box<str>),
    Field {
        dataset: Name,
        field: Box<str>,
    },
    /// Marquez' spelling; namespaces hold colons, so several splits are tried
    /// and the known one is taken.
    OneOf(Vec<ArtifactRef>),
}

/// An artifact as one instant saw it.
#[derive(Clone, Debug)]
pub struct ArtifactFacts {
    pub key: NodeKey,
    pub kind: ArtifactKind,
    pub name: Name,
    /// The other names of its class at that instant.
    pub aliases: Vec<Name>,
    /// The earliest event time that names it.
    pub valid_from: Micros,
    /// The end of its life, where it is not alive.
    pub deleted_at: Option<Micros>,
    /// The entry that first named it.
    pub recorded_from: EntryIndex,
    /// Per source and facet name, the latest at that instant. Sorted by name, source.
    pub facets: Vec<FacetFacts>,
    pub owners: Vec<OwnerFacts>,
}

/// A facet in force.
#[derive(Clone, Debug)]
pub struct FacetFacts {
    pub name: Arc<str>,
    pub source: Arc<Source>,
    /// The job whose run or design asserted it, for facets kept per job (`columnLineage`).
    pub job: Option<NodeId>,
    pub valid_from: Micros,
    pub valid_until: Micros,
    pub recorded_from: EntryIndex,
    pub digest: Digest,
    /// The asker may not see the content: it names something that is hidden.
    pub withheld: bool,
    /// The received bytes; `None` when they are destroyed or must be read from
    /// the entry's own parts (they hold a person or vary by run).
    pub bytes: Option<Arc<[u8]>>,
}

/// A version of an artifact's definition.
#[derive(Clone, Debug)]
pub struct VersionFacts {
    /// SHA-256 of the definition's canonical JSON (RFC 8785).
    pub hash: Digest,
    pub valid_from: Micros,
    pub valid_until: Micros,
    /// The entry that recorded it.
    pub entry: EntryIndex,
    /// The definition; `None` when it is destroyed.
    pub definition: Option<Arc<[u8]>>,
}

/// The datasets that a job is declared to read and to write.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct DeclaredFlows {
    pub inputs: Vec<Name>,
    pub outputs: Vec<Name>,
}

/// Somebody responsible for an artifact, by handle.
#[derive(Clone, Debug)]
pub struct OwnerFacts {
    pub handle: Handle,
    pub role: Option<Box<str>>,
    pub source: Arc<Source>,
    pub since: Micros,
    pub recorded_from: EntryIndex,
}

/// A run as one instant saw it, over all its events.
#[derive(Clone, Debug)]
pub struct RunFacts {
    pub id: NodeId,
    pub run_id: Box<str>,
    pub job: Option<NodeId>,
    /// The state of its latest event.
    pub state: RunState,
    /// Its earliest event time.
    pub started_at: Micros,
    /// The time of its latest COMPLETE, FAIL or ABORT.
    pub ended_at: Option<Micros>,
    pub nominal_start: Option<Micros>,
    pub nominal_end: Option<Micros>,
    pub parent: Option<Box<str>>,
    pub root: Option<Box<str>>,
    pub inputs: Vec<NodeId>,
    pub outputs: Vec<NodeId>,
    /// Its entries, in order of the ledger.
    pub entries: Vec<EntryIndex>,
}

/// An entry of the ledger.
#[derive(Clone, Debug)]
pub struct EntryFacts {
    pub index: EntryIndex,
    pub id: EntryId,
    pub recorded_at: Micros,
    /// The dotted event type with version, `openlineage.run.v1`.
    pub event_type: Arc<str>,
    /// The event's own time.
    pub time: Micros,
    pub actor: Option<Handle>,
    pub source: Option<Arc<Source>>,
    pub leaf: Vec<u8>,
    pub leaf_hash: Digest,
    pub parts: Vec<PartFacts>,
}

/// One part of an entry: its bytes only for who may read its class.
#[derive(Clone, Debug)]
pub struct PartFacts {
    pub class: PartClass,
    pub commitment: Digest,
    pub state: PartState,
}

/// Whether a part can be shown.
#[derive(Clone, Debug)]
pub enum PartState {
    Open {
        salt: [u8; 32],
        bytes: Arc<[u8]>,
    },
    Forbidden,
    /// The entry whose act destroyed it, where known.
    Destroyed {
        by: Option<EntryIndex>,
    },
}

/// Field lineage of one output, as one job and source told it.
#[derive(Clone, Debug)]
pub struct FieldEdge {
    pub from: NodeKey,
    pub to: NodeKey,
    pub job: NodeId,
    pub transformations: Vec<Transformation>,
}

/// A page of artifacts: keyset over (namespace, name, kind) by bytes.
#[derive(Clone, Debug, Default)]
pub struct ArtifactPage {
    pub kinds: Vec<ArtifactKind>,
    pub namespace: Option<Box<str>>,
    pub name_prefix: Option<Box<str>>,
    pub after: Option<(Name, ArtifactKind)>,
    /// Rows wanted; ask one more than shown to learn whether there are more.
    pub limit: usize,
}

/// A page of entries, by index.
#[derive(Clone, Debug, Default)]
pub struct EntryPage {
    pub event_types: Vec<Box<str>>,
    /// Integrations of the tokens that sent them.
    pub integrations: Vec<Box<str>>,
    /// Sources by label.
    pub sources: Vec<Box<str>>,
    /// They name one of these artifacts; a field means its dataset.
    pub artifacts: Vec<ArtifactRef>,
    /// Their own time is this instant or later.
    pub time_from: Option<Micros>,
    /// Their own time is before this instant.
    pub time_until: Option<Micros>,
    pub actors: Vec<Handle>,
    /// Recorded at this instant or later.
    pub recorded_from: Option<Micros>,
    /// Recorded before this instant.
    pub recorded_until: Option<Micros>,
    pub after: Option<EntryIndex>,
    pub before: Option<EntryIndex>,
    /// The last entries of the range instead of the first; in order of index all the same.
    pub backwards: bool,
    pub limit: usize,
    /// When to give up looking.
    pub deadline: Option<std::time::Instant>,
}
