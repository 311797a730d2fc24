//! Coverage: which sources an answer stands on, and whether they still speak.
use async_graphql::{Enum, Object, SimpleObject};

use super::super::scalar::{DateTime, Long};
use crate::domain::coverage as domain;

/// A source and when it was heard. `COMPLETE` says that an answer was not cut; this says whether somebody stopped reporting.
#[derive(Clone, Debug)]
pub struct SourceCoverage(pub domain::SourceCoverage);

/// A source and when it was heard. `COMPLETE` says that an answer was not cut; this says whether somebody stopped reporting.
#[Object]
impl SourceCoverage {
    /// Who: the integration of the token and the producer, or `declared`.
    pub async fn source(&self) -> String {
        self.0.source.label()
    }

    /// Its latest event by the event's own time, up to the answer's instant. A repetition of an event is none.
    pub async fn last_event(&self) -> SourceEvent {
        SourceEvent { time: DateTime(self.0.last.time), index: Long(self.0.last.index), recorded_at: DateTime(self.0.last.recorded_at) }
    }

    /// How many events it has between `windowFrom` and the answer's instant.
    pub async fn events(&self) -> Long {
        Long(self.0.events)
    }

    /// Where the eight weeks begin that `events` and `rhythm` are read from; they end at the answer's instant.
    pub async fn window_from(&self) -> DateTime {
        DateTime(self.0.window_from)
    }

    /// How often it is heard; none where that is not known.
    pub async fn rhythm(&self) -> Option<SourceRhythm> {
        self.0.rhythm.ok().map(Into::into)
    }

    /// Why no rhythm is known; none where it is.
    pub async fn rhythm_unknown(&self) -> Option<RhythmUnknown> {
        self.0.rhythm.err().map(Into::into)
    }

    /// The time of its last event, where longer ago than `rhythm.expectedWithinSeconds`; none while it is within its rhythm, or none is known.
    pub async fn silent_since(&self) -> Option<DateTime> {
        self.0.silent_since.map(DateTime)
    }
}

/// Where an event of a source lies.
#[derive(SimpleObject, Clone, Copy, Debug)]
pub struct SourceEvent {
    /// The event's own time.
    pub time: DateTime,
    /// Its entry in the ledger.
    pub index: Long,
    /// When it was recorded.
    pub recorded_at: DateTime,
}

/// How often a source is heard: the gaps between hours with events.
#[derive(SimpleObject, Clone, Copy, Debug)]
pub struct SourceRhythm {
    /// Half of the gaps are no longer, in seconds.
    pub median_gap_seconds: Long,
    /// Nineteen of twenty gaps are no longer, in seconds.
    pub p95_gap_seconds: Long,
    /// Longer silence is out of rhythm: `p95GapSeconds` and an hour.
    pub expected_within_seconds: Long,
}

impl From<domain::Rhythm> for SourceRhythm {
    fn from(r: domain::Rhythm) -> Self {
        Self {
            median_gap_seconds: Long(r.median_gap_seconds),
            p95_gap_seconds: Long(r.p95_gap_seconds),
            expected_within_seconds: Long(r.expected_within_seconds()),
        }
    }
}

/// Why no rhythm of a source is known.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "domain::NoRhythm")]
pub enum RhythmUnknown {
    /// Fewer than six hours with events in eight weeks.
    TooFewEvents,
    /// Declarations by people, who declare when there is something to declare.
    Declared,
}
