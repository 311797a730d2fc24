//! Responses as bytes. Values that are already text are copied, not parsed again;
//! `data` is left out where execution never began.
use async_graphql::{Response, ServerError, Value};
use async_graphql_value::RAW_VALUE_TOKEN;

/// Whether a response ended before execution: it then has no `data`. Errors of
/// execution have a path.
#[must_use]
pub fn is_request_error(response: &Response) -> bool {
    matches!(response.data, Value::Null) && !response.errors.is_empty() && response.errors.iter().all(|e| e.path.is_empty())
}

/// Appends a response.
pub fn push_response(out: &mut Vec<u8>, response: &Response) {
    out.push(b'{');
    if !is_request_error(response) {
        out.extend_from_slice(b"\"data\":");
        push_value(out, &response.data);
    }
    if !response.errors.is_empty() {
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        out.extend_from_slice(b"\"errors\":");
        push_errors(out, &response.errors);
    }
    if !response.extensions.is_empty() {
        out.extend_from_slice(b",\"extensions\":");
        push_json(out, &response.extensions);
    }
    out.push(b'}');
}

/// Appends a list of errors.
fn push_errors(out: &mut Vec<u8>, errors: &[ServerError]) {
    push_json(out, &errors);
}

fn push_json<T: serde::Serialize>(out: &mut Vec<u8>, value: &T) {
    let start = out.len();
    if serde_json::to_writer(&mut *out, value).is_err() {
        // A Vec takes every byte and our maps have text keys, so this is not reached;
        // half a value would be worse than none.
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// Appends a value. Texts that are marked as JSON are copied as they are: the
/// resolvers that made them answer for them.
pub fn push_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::List(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                push_value(out, item);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            if let (1, Some(Value::String(text))) = (members.len(), members.get(RAW_VALUE_TOKEN)) {
                out.extend_from_slice(text.as_bytes());
                return;
            }
            out.push(b'{');
            for (i, (key, member)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                // Response keys are names: letters, digits and underscores.
                out.push(b'"');
                out.extend_from_slice(key.as_bytes());
                out.extend_from_slice(b"\":");
                push_value(out, member);
            }
            out.push(b'}');
        }
        other => push_json(out, other),
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};

    use super::{super::scalar, *};

    struct Query;

    #[Object]
    impl Query {
        async fn ok(&self) -> Vec<Option<&str>> {
            vec![Some("é\"\\\n"), None]
        }

        async fn number(&self) -> f64 {
            1.5
        }

        async fn json(&self) -> Option<scalar::Json> {
            scalar::json(br#"{"a": 1E2, "a": [true]}"#)
        }

        async fn fails(&self) -> async_graphql::Result<i32> {
            Err("no".into())
        }

        async fn may_fail(&self) -> Option<async_graphql::Result<i32>> {
            None
        }
    }

    fn answer(query: &str) -> String {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let response = futures::FutureExt::now_or_never(schema.execute(query)).unwrap();
        let mut out = Vec::new();
        push_response(&mut out, &response);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_json_and_raw_text_as_it_is() {
        assert_eq!(
            answer("{ok number json mayFail __typename}"),
            r#"{"data":{"ok":["é\"\\\n",null],"number":1.5,"json":{"a": 1E2, "a": [true]},"mayFail":null,"__typename":"Query"}}"#
        );
    }

    #[test]
    fn data_is_left_out_when_execution_never_began() {
        assert!(answer("{").starts_with(r#"{"errors":["#));
        assert!(answer("{nothing}").starts_with(r#"{"errors":["#));
        assert!(answer("{fails}").starts_with(r#"{"data":null,"errors":["#));
    }
}
