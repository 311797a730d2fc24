//! What is said about an event that is refused, or taken although it deviates.

/// Why an event is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// It is no JSON that has one meaning: HTTP 400.
    Malformed,
    /// It is JSON but no lineage event: HTTP 422.
    Invalid,
    /// It holds more than is ever taken: HTTP 413.
    TooLarge,
}

/// An event that is not taken. Nothing of it was applied.
///
/// `message` never repeats a value of the event. `pointer` repeats names of
/// members, so it is for the sender, not for logs.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub kind: RefusalKind,
    /// JSON pointer (RFC 6901) to what is wrong, or to where it is missing.
    pub pointer: String,
    /// One sentence for people, without a full stop.
    pub message: String,
}

impl Refusal {
    pub(super) fn new(kind: RefusalKind, pointer: String, message: impl Into<String>) -> Self {
        Self { kind, pointer, message: message.into() }
    }
}

/// Something that deviates from the specification and was understood all the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// One of the codes in [`code`]; stable.
    pub code: &'static str,
    /// JSON pointer (RFC 6901).
    pub pointer: String,
    pub message: String,
}

/// The warnings' codes. Stable: clients count them.
pub mod code {
    /// No `schemaURL`: the event kind was told by its members.
    pub const SCHEMA_URL_MISSING: &str = "schema_url_missing";
    /// No `producer`: all such events of an integration are one source.
    pub const PRODUCER_MISSING: &str = "producer_missing";
    /// A time without a zone was read as UTC.
    pub const TIME_ZONE_MISSING: &str = "time_zone_missing";
    /// A time that decides nothing could not be read.
    pub const TIME_NOT_UNDERSTOOD: &str = "time_not_understood";
    /// `runId` is not the hyphenated text of a UUID; it was taken as it is.
    pub const RUN_ID_NOT_UUID: &str = "run_id_not_uuid";
    /// A run event without `eventType` was read as `OTHER`.
    pub const EVENT_TYPE_MISSING: &str = "event_type_missing";
    /// `eventType` was not in capitals.
    pub const EVENT_TYPE_CASE: &str = "event_type_case";
    /// A facet without `_producer`.
    pub const FACET_PRODUCER_MISSING: &str = "facet_producer_missing";
    /// A facet without `_schemaURL`.
    pub const FACET_SCHEMA_URL_MISSING: &str = "facet_schema_url_missing";
    /// `null` where the member should be left out.
    pub const MEMBER_NULL: &str = "member_null";
    /// A member that the specification does not know: kept, not acted upon.
    pub const MEMBER_UNKNOWN: &str = "member_unknown";
    /// A facet lacks what it is for: kept, not acted upon.
    pub const FACET_INCOMPLETE: &str = "facet_incomplete";
    /// A facet says something that the specification does not know: kept, not acted upon.
    pub const FACET_NOT_UNDERSTOOD: &str = "facet_not_understood";
    /// There were more warnings than are listed.
    pub const MORE_WARNINGS: &str = "more_warnings";
}

/// How many warnings of one event are listed.
pub(super) const WARNINGS_MAX: usize = 64;

/// Appends one reference token (RFC 6901 §3).
pub(super) fn push_pointer(pointer: &mut String, token: &str) {
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}
