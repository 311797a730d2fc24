//! Errors on their way out: every one has a stable code and a correlation id, and
//! none tells what went wrong inside.
use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, ServerError, Value};

use crate::app::{AppError, Code};

/// An error of a resolver. Cheap to clone, since loaders hand one failure to many.
#[derive(Clone, Debug)]
pub struct ApiError(Arc<AppError>);

/// What resolvers return.
pub type Result<T> = std::result::Result<T, ApiError>;

impl ApiError {
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    #[must_use]
    pub fn inner(&self) -> &AppError {
        &self.0
    }

    /// Input that makes no sense, at an argument.
    #[must_use]
    pub fn input(argument: &str, message: impl Into<String>) -> Self {
        AppError::bad_input(message).at(argument).into()
    }

    /// Something that contradicts itself inside.
    #[must_use]
    pub fn internal() -> Self {
        AppError::new(Code::Internal, INTERNAL).into()
    }
}

/// What clients read instead of what happened.
const INTERNAL: &str = "the server could not answer; the correlation id leads to its log";

impl From<AppError> for ApiError {
    fn from(e: AppError) -> Self {
        Self(Arc::new(e))
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(e: ApiError) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", e.0.code.word());
        if let Some(pointer) = &e.0.pointer {
            extensions.set("argument", pointer.as_str());
        }
        if let Some(seconds) = e.0.retry_after {
            extensions.set("retryAfterSeconds", seconds);
        }
        let message = if e.0.code == Code::Internal { INTERNAL.to_owned() } else { e.0.message.clone() };
        Self { message, source: Some(e.0), extensions: Some(extensions) }
    }
}

/// Gives every error its code and the request's correlation id, and logs what
/// only the log may know. Errors without a code come from async-graphql itself:
/// parsing, validation, coercion.
pub fn finish(errors: &mut [ServerError], correlation_id: &str, complexity_max: usize) {
    for error in errors {
        if let Some(inner) = error.source::<AppError>().filter(|e| e.code == Code::Internal) {
            let source = inner.source.as_deref().map(tracing::field::display);
            tracing::error!(correlation_id, error = source, detail = %inner.message, "a resolver failed");
        }
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            let code = match error.message.as_str() {
                "Query is too complex." => {
                    error.message = format!(
                        "the operation may cost more than `graphql.complexity_max`, {complexity_max}; ask for fewer nodes or fields"
                    );
                    Code::ComplexityExceeded
                }
                "Query is nested too deep." => Code::ComplexityExceeded,
                _ => Code::BadUserInput,
            };
            extensions.set("code", code.word());
        }
        extensions.set("correlationId", correlation_id);
    }
}

/// The code of a finished error.
#[must_use]
pub fn code_of(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_errors_tell_nothing() {
        let mut inner = AppError::new(Code::Internal, "row 7 of table secrets");
        inner.source = Some("disk on fire".into());
        let error: async_graphql::Error = ApiError::from(inner).into();
        let mut errors = [error.into_server_error(async_graphql::Pos { line: 1, column: 1 })];
        finish(&mut errors, "c0", 1);
        let json = serde_json::to_string(&errors[0]).unwrap();
        assert_eq!(
            json,
            r#"{"message":"the server could not answer; the correlation id leads to its log","locations":[{"line":1,"column":1}],"extensions":{"code":"INTERNAL","correlationId":"c0"}}"#
        );
    }

    #[test]
    fn errors_without_a_code_are_the_clients() {
        let mut errors = [ServerError::new("Unknown field", None), ServerError::new("Query is too complex.", None)];
        finish(&mut errors, "c0", 7);
        assert_eq!(code_of(&errors[0]), Some("BAD_USER_INPUT"));
        assert_eq!(code_of(&errors[1]), Some("COMPLEXITY_EXCEEDED"));
        assert!(errors[1].message.contains("`graphql.complexity_max`, 7"));
    }

    #[test]
    fn arguments_are_named() {
        let error: async_graphql::Error = ApiError::input("first", "no").into();
        let extensions = error.extensions.unwrap();
        assert_eq!(extensions.get("argument"), Some(&Value::from("first")));
        assert_eq!(extensions.get("code"), Some(&Value::from("BAD_USER_INPUT")));
    }
}
