//! Errors of use cases: a stable code, what was wrong, where, what to do.
use crate::store::StoreError;

/// The codes of `contract.md`; clients switch on them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Code {
    BadUserInput,
    NotFound,
    Unauthenticated,
    Forbidden,
    StepUpRequired,
    Conflict,
    Stale,
    TooLarge,
    ComplexityExceeded,
    RateLimited,
    DeadlineExceeded,
    Unavailable,
    Internal,
}

impl Code {
    /// As it stands in `extensions.code`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::NotFound => "NOT_FOUND",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::StepUpRequired => "STEP_UP_REQUIRED",
            Self::Conflict => "CONFLICT",
            Self::Stale => "STALE",
            Self::TooLarge => "TOO_LARGE",
            Self::ComplexityExceeded => "COMPLEXITY_EXCEEDED",
            Self::RateLimited => "RATE_LIMITED",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AppError {
    pub code: Code,
    /// For people; names no value of theirs and nothing internal.
    pub message: String,
    /// JSON pointer into a request body, or the path of an argument.
    pub pointer: Option<String>,
    /// Malformed input (400) rather than input that makes no sense (422).
    pub malformed: bool,
    /// Seconds after which to try again.
    pub retry_after: Option<u32>,
    /// For logs only.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl AppError {
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), pointer: None, malformed: false, retry_after: None, source: None }
    }

    #[must_use]
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(Code::BadUserInput, message)
    }

    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// The server cannot do it now.
    #[must_use]
    pub fn unavailable(message: impl Into<String>, retry_after: u32) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Code::Unavailable, message) }
    }
}

impl From<StoreError> for AppError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Deadline => {
                Self::new(Code::DeadlineExceeded, "the request took longer than its deadline; ask for less depth or fewer nodes")
            }
            StoreError::Stopped => Self::unavailable("the store has stopped after a failed write; it recovers at the next start", 5),
            e @ (StoreError::Inconsistent { .. } | StoreError::Backend(_)) => Self {
                source: Some(Box::new(e)),
                ..Self::new(Code::Internal, "the server could not answer; the correlation id leads to its log")
            },
        }
    }
}
