//! What a person or program states through the API, that no integration reports:
//! an assertion like any other, with an event type of its own.
use super::{assertion::Digest, id::Handle, kind::ArtifactKind, source::Source, time::Micros};

/// The producer of every declaration. Its integration is empty, which no token's
/// can be, so that no event that is sent can pass for a declaration.
pub const DECLARED: &str = "declared";

/// The facet that holds an artifact's definition; its digest is the version's hash.
pub const DEFINITION: &str = "ledgerline_definition";

/// The type of the entry that destroys what was recorded.
pub const PART_REDACTED: &str = "catalog.part.redacted.v1";
/// The type of the entry that closes the retirements of a namespace.
pub const NAMESPACE_RETIRED: &str = "catalog.namespace.retired.v1";

/// Everything that is declared has one source, whoever declares it: what one
/// person states, another may correct.
#[must_use]
pub fn source() -> Source {
    Source::new("", DECLARED)
}

/// Which act it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DeclaredAct {
    ArtifactRegistered,
    VersionRecorded,
    OwnersSet,
    TagsSet,
    FlowsAsserted,
    FlowEnded,
    ArtifactRetired,
}

impl DeclaredAct {
    pub const ALL: [Self; 7] = [
        Self::ArtifactRegistered,
        Self::VersionRecorded,
        Self::OwnersSet,
        Self::TagsSet,
        Self::FlowsAsserted,
        Self::FlowEnded,
        Self::ArtifactRetired,
    ];

    /// The dotted event type with version.
    #[must_use]
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::ArtifactRegistered => "catalog.artifact.registered.v1",
            Self::VersionRecorded => "catalog.artifact.version.v1",
            Self::OwnersSet => "catalog.owners.set.v1",
            Self::TagsSet => "catalog.tags.set.v1",
            Self::FlowsAsserted => "catalog.flows.asserted.v1",
            Self::FlowEnded => "catalog.flow.ended.v1",
            Self::ArtifactRetired => "catalog.artifact.retired.v1",
        }
    }

    /// The act of an event type.
    #[must_use]
    pub fn of(event_type: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.event_type() == event_type)
    }

    /// It says something of a job's flows, rather than of one artifact.
    #[must_use]
    pub const fn is_about_flows(self) -> bool {
        matches!(self, Self::FlowsAsserted | Self::FlowEnded)
    }
}

/// What a declaration says beside its assertion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declared {
    pub act: DeclaredAct,
    /// What the artifact is; of flows nothing.
    pub kind: ArtifactKind,
    /// Where the caller gave an `Idempotency-Key`.
    pub retry: Option<Retry>,
    /// Who vouches for declared flows.
    pub owner: Option<Handle>,
    /// When declared flows should be looked at again.
    pub review_at: Option<Micros>,
}

/// An `Idempotency-Key`, and what it was given with: HMACs, so that neither is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retry {
    pub key: Digest,
    pub request: Digest,
}
