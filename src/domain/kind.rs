//! The kinds of things that have provenance.

/// What a node is. `DATASET`, `FIELD`, `JOB` and `RUN` are OpenLineage's; the
/// others are the artifacts of no-code platforms. All behave alike unless a
/// page says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum ArtifactKind {
    Dataset = 1,
    Field = 2,
    Job = 3,
    Run = 4,
    DataModel = 5,
    Workflow = 6,
    Screen = 7,
    Automation = 8,
    Connector = 9,
    ApiContract = 10,
    Report = 11,
    Model = 12,
    Document = 13,
    Deployment = 14,
    Policy = 15,
}

impl ArtifactKind {
    /// Every kind, in order of its number.
    pub const ALL: [Self; 15] = [
        Self::Dataset,
        Self::Field,
        Self::Job,
        Self::Run,
        Self::DataModel,
        Self::Workflow,
        Self::Screen,
        Self::Automation,
        Self::Connector,
        Self::ApiContract,
        Self::Report,
        Self::Model,
        Self::Document,
        Self::Deployment,
        Self::Policy,
    ];

    /// The kind of a stored number.
    #[must_use]
    pub fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|k| *k as u8 == n)
    }

    /// The kind of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.word() == word)
    }

    /// The word that goes into ids (lower case, stable for ever).
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Dataset => "dataset",
            Self::Field => "field",
            Self::Job => "job",
            Self::Run => "run",
            Self::DataModel => "data_model",
            Self::Workflow => "workflow",
            Self::Screen => "screen",
            Self::Automation => "automation",
            Self::Connector => "connector",
            Self::ApiContract => "api_contract",
            Self::Report => "report",
            Self::Model => "model",
            Self::Document => "document",
            Self::Deployment => "deployment",
            Self::Policy => "policy",
        }
    }
}
