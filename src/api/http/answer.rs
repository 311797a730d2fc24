//! Answers: errors as JSON, and the headers that say where an answer stands.
use std::future::{Ready, ready};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    http::{StatusCode, header},
};
use serde::Serialize;

use super::surround::Correlation;
use crate::{
    api::graphql::execute::KEY_BYTES_MAX,
    app::{AppError, Code},
    domain::id::EntryIndex,
    telemetry::name,
};

/// The size of the ledger that an answer stands on.
pub const LEDGER_SIZE: &str = "ledger-size";
/// Names a request, so that it can be sent again without being done again.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The least size that an answer must stand on.
pub const LEDGER_MIN_SIZE: &str = "ledger-min-size";

/// A request that was not done: the error and the status that says so.
#[derive(Debug)]
pub struct Failure {
    pub status: StatusCode,
    pub error: AppError,
    /// Methods that are allowed, where the request's is not.
    allow: Option<&'static str>,
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self { status: status_of(&error), error, allow: None }
    }
}

impl Failure {
    /// A failure with a status that the code alone does not tell.
    #[must_use]
    pub fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self { status, error: AppError::new(code, message), allow: None }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Input that is not even well-formed: 400.
    #[must_use]
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::BadUserInput, message)
    }

    #[must_use]
    pub fn method(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, Code::BadUserInput, format!("the method is not allowed here; allowed: {allow}"))
        }
    }

    /// Headers that belong to the status.
    pub fn headers(&self, response: &mut actix_web::HttpResponseBuilder) {
        if let Some(allow) = self.allow {
            response.insert_header((header::ALLOW, allow));
        }
        if let Some(seconds) = self.error.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = match self.error.code {
                Code::StepUpRequired => r#"Bearer realm="ledgerline", error="insufficient_user_authentication""#,
                _ => r#"Bearer realm="ledgerline""#,
            };
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
    }

    /// What only the log may know.
    pub fn log(&self, correlation_id: &str) {
        metrics::counter!(name::REFUSALS, "code" => self.error.code.word()).increment(1);
        if self.error.code == Code::Internal {
            let source = self.error.source.as_deref().map(tracing::field::display);
            tracing::error!(correlation_id, error = source, "a request failed");
        }
    }
}

/// The status of an error.
#[must_use]
pub fn status_of(error: &AppError) -> StatusCode {
    match error.code {
        Code::BadUserInput if error.malformed => StatusCode::BAD_REQUEST,
        Code::BadUserInput | Code::ComplexityExceeded => StatusCode::UNPROCESSABLE_ENTITY,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::Unauthenticated | Code::StepUpRequired => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::Conflict => StatusCode::CONFLICT,
        Code::Stale => StatusCode::PRECONDITION_FAILED,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[derive(Serialize)]
struct ErrorBody<'e> {
    error: ErrorFacts<'e>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorFacts<'e> {
    code: &'static str,
    message: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'e str>,
    correlation_id: &'e str,
}

/// What a handler answers: a response, or a failure as JSON.
pub struct Outcome(pub Result<HttpResponse, Failure>);

impl From<Result<HttpResponse, Failure>> for Outcome {
    fn from(outcome: Result<HttpResponse, Failure>) -> Self {
        Self(outcome)
    }
}

impl Responder for Outcome {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        let failure = match self.0 {
            Ok(response) => return response,
            Err(failure) => failure,
        };
        let correlation = correlation_id(request);
        failure.log(&correlation);
        let mut response = HttpResponse::build(failure.status);
        failure.headers(&mut response);
        let internal = failure.error.code == Code::Internal;
        let message = if internal { "the server could not answer; the correlation id leads to its log" } else { &failure.error.message };
        response.json(ErrorBody {
            error: ErrorFacts {
                code: failure.error.code.word(),
                message,
                pointer: failure.error.pointer.as_deref(),
                correlation_id: &correlation,
            },
        })
    }
}

/// The correlation id of a request.
#[must_use]
pub fn correlation_id(request: &HttpRequest) -> String {
    request.extensions().get::<Correlation>().map(|c| c.id.clone()).unwrap_or_default()
}

/// 404 as JSON.
pub fn not_found() -> Ready<Outcome> {
    ready(Outcome(Err(Failure::new(StatusCode::NOT_FOUND, Code::NotFound, "there is nothing at this path"))))
}

/// 405 as JSON.
pub fn not_allowed(allow: &'static str) -> Ready<Outcome> {
    ready(Outcome(Err(Failure::method(allow))))
}

/// What the header `Idempotency-Key` says.
///
/// # Errors
/// 400 when it is there and no text, empty, too long, or given twice.
pub fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Failure> {
    let mut values = request.headers().get_all(IDEMPOTENCY_KEY);
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|k| (1..=KEY_BYTES_MAX).contains(&k.len()) && values.next().is_none());
    key.map(|k| Some(k.to_owned())).ok_or_else(|| Failure::malformed("the header `Idempotency-Key` is one text of 1 to 255 bytes"))
}

/// What the header `Ledger-Min-Size` asks for.
///
/// # Errors
/// 400 when it is no number.
pub fn min_size(request: &HttpRequest) -> Result<Option<EntryIndex>, Failure> {
    let Some(value) = request.headers().get(LEDGER_MIN_SIZE) else { return Ok(None) };
    let number = value.to_str().ok().filter(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit())).and_then(|s| s.parse().ok());
    number.map(Some).ok_or_else(|| Failure::malformed("the header `Ledger-Min-Size` is not a whole number"))
}

/// Refuses when the ledger is smaller than the request asks for.
///
/// # Errors
/// 400, or 412 with `STALE`.
pub fn fresh_enough(request: &HttpRequest, size: EntryIndex) -> Result<(), Failure> {
    match min_size(request)? {
        Some(min) if min > size => {
            Err(AppError::new(Code::Stale, format!("the ledger has {size} entries, at least {min} were asked for")).into())
        }
        _ => Ok(()),
    }
}
