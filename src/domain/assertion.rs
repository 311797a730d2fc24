//! What one lineage event asserts, in the domain's own words: the input of every
//! decision, and what the `core` part of its entry can be read back into.
use super::{declared::Declared, id::Handle, kind::ArtifactKind, name::Name, sight::Sensitivity, source::Source, time::Micros};

/// SHA-256 of some bytes.
pub type Digest = [u8; 32];

/// OpenLineage's run states.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum RunState {
    Start = 1,
    Running = 2,
    Other = 3,
    Abort = 4,
    Fail = 5,
    Complete = 6,
}

impl RunState {
    pub const ALL: [Self; 6] = [Self::Start, Self::Running, Self::Other, Self::Abort, Self::Fail, Self::Complete];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Running => "RUNNING",
            Self::Other => "OTHER",
            Self::Abort => "ABORT",
            Self::Fail => "FAIL",
            Self::Complete => "COMPLETE",
        }
    }

    /// The state of a word on the wire.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }

    /// Decides between equal times: design-time events 0, then as numbered here.
    #[must_use]
    pub const fn rank(self) -> u8 {
        self as u8
    }
}

/// What an event is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Subject {
    /// `RunEvent`. `run_id` is OpenLineage's runId as lower-case text.
    Run { run_id: Box<str>, state: RunState },
    /// `JobEvent`: design-time facts of a job and its flows.
    Job,
    /// `DatasetEvent`: design-time facts of one dataset (`Assertion::dataset`).
    Dataset,
}

/// One lineage event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Assertion {
    pub subject: Subject,
    /// The event's own time: valid time.
    pub time: Micros,
    /// SHA-256 of the canonical event, people's values replaced by their handles:
    /// decides between equal times and ranks.
    pub digest: Digest,
    pub source: Source,
    /// Of run and job events.
    pub job: Option<Entity>,
    /// `None`: the member was absent (design-time flows of that side stay as they were).
    pub inputs: Option<Vec<Entity>>,
    pub outputs: Option<Vec<Entity>>,
    /// Of dataset events.
    pub dataset: Option<Entity>,
    pub parent: Option<ParentRun>,
    /// The `root` of the parent facet.
    pub root: Option<ParentRun>,
    pub nominal_start: Option<Micros>,
    pub nominal_end: Option<Micros>,
    /// Stated through the API rather than by an integration's event.
    pub declared: Option<Declared>,
}

impl Assertion {
    /// Every job and dataset that the event describes.
    pub fn entities(&self) -> impl Iterator<Item = &Entity> {
        self.job.iter().chain(self.inputs.iter().flatten()).chain(self.outputs.iter().flatten()).chain(&self.dataset)
    }

    /// What `dataset` is: an OpenLineage event knows datasets alone there.
    #[must_use]
    pub fn dataset_kind(&self) -> ArtifactKind {
        self.declared.as_ref().map_or(ArtifactKind::Dataset, |d| d.kind)
    }

    /// Decides between equal times: design-time events 0, then by run state.
    #[must_use]
    pub const fn rank(&self) -> u8 {
        match self.subject {
            Subject::Run { state, .. } => state.rank(),
            Subject::Job | Subject::Dataset => 0,
        }
    }
}

/// A job or dataset as one event describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entity {
    pub name: Name,
    /// The entity's facets by name, whole, each once; in RFC 8785's order of names.
    pub facets: Vec<FacetRef>,
    /// The `ownership` facet, people as handles. `None`: no such facet.
    pub owners: Option<Vec<Owner>>,
    /// What the `tags` facet says of it, or of its most sensitive column. `None`: nothing.
    pub sensitivity: Option<Sensitivity>,
    /// The `lifecycleStateChange` facet.
    pub lifecycle: Option<Lifecycle>,
    /// `datasetVersion` of the `version` facet.
    pub version: Option<Box<str>>,
}

/// A facet by name and content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FacetRef {
    pub name: Box<str>,
    /// SHA-256 of the facet's received bytes, people's values replaced by their
    /// handles: the digest of a name that is easily guessed would tell it.
    pub digest: Digest,
    /// `_deleted: true`: the facet ends here.
    pub deleted: bool,
    /// Kept once for many entries; otherwise it varies by run or holds a person
    /// and lies in the entry's `rest`.
    pub interned: bool,
}

/// An owner of an artifact.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Owner {
    pub handle: Handle,
    /// The facet's `type` (role), e.g. `MAINTAINER`.
    pub role: Option<Box<str>>,
}

/// A `lifecycleStateChange` facet that was understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lifecycle {
    pub change: LifecycleChange,
    /// The name before a `RENAME`.
    pub previous: Option<Name>,
}

/// OpenLineage's lifecycle changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum LifecycleChange {
    Alter,
    Create,
    Drop,
    Overwrite,
    Rename,
    Truncate,
}

impl LifecycleChange {
    pub const ALL: [Self; 6] = [Self::Alter, Self::Create, Self::Drop, Self::Overwrite, Self::Rename, Self::Truncate];

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alter => "ALTER",
            Self::Create => "CREATE",
            Self::Drop => "DROP",
            Self::Overwrite => "OVERWRITE",
            Self::Rename => "RENAME",
            Self::Truncate => "TRUNCATE",
        }
    }
}

/// The run (and job) that started this one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParentRun {
    pub run_id: Box<str>,
    pub job: Name,
}

/// What a `schema` facet lists, nested fields as dotted paths (`a.b`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schema {
    pub fields: Vec<SchemaField>,
}

/// One column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SchemaField {
    /// Dotted path from the top.
    pub path: Box<str>,
    pub data_type: Option<Box<str>>,
    pub description: Option<Box<str>>,
}

/// What a `columnLineage` facet says of one output dataset.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ColumnLineage {
    /// Per output field, in the facet's order.
    pub fields: Vec<FieldLineage>,
    /// Dataset-level (indirect) inputs: they influence every field.
    pub dataset: Vec<InputField>,
}

/// The inputs of one output field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldLineage {
    pub field: Box<str>,
    pub inputs: Vec<InputField>,
}

/// One field that another was made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InputField {
    pub dataset: Name,
    pub field: Box<str>,
    pub transformations: Vec<Transformation>,
}

/// How: OpenLineage's transformation.
#[derive(Clone, PartialEq, Eq, Debug, Hash)]
pub struct Transformation {
    /// `DIRECT` or `INDIRECT` (or what a producer wrote).
    pub kind: Box<str>,
    /// `IDENTITY`, `TRANSFORMATION`, `AGGREGATION`, `JOIN`, `FILTER`, …
    pub subtype: Option<Box<str>>,
    pub description: Option<Box<str>>,
    pub masking: bool,
}

/// Another name of a dataset, from its `symlinks` facet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symlink {
    pub name: Name,
    /// A place that several tables may share (`type: LOCATION`): it does not
    /// join those tables to each other.
    pub location: bool,
}

/// A tag, from a `tags` facet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tag {
    pub key: Box<str>,
    pub value: Box<str>,
    pub source: Option<Box<str>>,
    /// The column it is on, or the whole artifact.
    pub field: Option<Box<str>>,
}
