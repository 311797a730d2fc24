//! One request: read, checked against the limits, executed.
use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{
    Request, Response, ServerError, Value, Variables,
    parser::{
        parse_query,
        types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType},
    },
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Schema, builder,
    context::RequestContext,
    documents::Asked,
    error::{self, ApiError},
    limits,
    mask::{self, Vocabulary},
    order::order,
    settings::GraphqlSettings,
};
use crate::app::{AppError, Code};

pub mod live;

/// The longest idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 255;

/// Members of a JSON object that serde_json keeps for itself: what is validated
/// under such a key is not what comes out again.
const PRIVATE_KEYS: &str = "$serde_json::private::";

/// A request as it comes over the wire. Other members are ignored.
#[derive(Deserialize)]
struct Wire<'b> {
    query: Option<serde_json::Value>,
    #[serde(rename = "operationName")]
    operation_name: Option<serde_json::Value>,
    #[serde(borrow)]
    variables: Option<&'b RawValue>,
    extensions: Option<serde_json::Value>,
    #[serde(rename = "documentId")]
    document_id: Option<serde_json::Value>,
}

/// A request that was read: its parameters have the right types.
pub struct Operation {
    asked: Asked,
    name: Option<String>,
    variables: Variables,
    /// The member `idempotencyKey` of its `extensions`, whatever it is.
    retry_key: Option<serde_json::Value>,
}

/// An operation's own idempotency key, for its mutations.
pub struct OperationKey(pub String);

/// One operation, or several in one body.
pub enum Operations {
    One(Operation),
    Many(Vec<Operation>),
}

fn malformed(message: impl Into<String>) -> AppError {
    AppError { malformed: true, ..AppError::bad_input(message) }
}

impl Operation {
    /// Puts together what came as texts: the parameters of a GET.
    ///
    /// # Errors
    /// Variables or extensions that are no JSON object.
    pub fn from_texts(
        query: Option<String>,
        document_id: Option<String>,
        name: Option<String>,
        variables: Option<&str>,
        extensions: Option<&str>,
        settings: &GraphqlSettings,
    ) -> Result<Self, AppError> {
        let json = |what: &str, text: Option<&str>| {
            text.filter(|t| !t.is_empty())
                .map(|t| RawValue::from_string(t.to_owned()).map_err(|_| malformed(format!("`{what}` is not JSON"))))
                .transpose()
        };
        #[derive(serde::Serialize)]
        struct Whole {
            query: Option<String>,
            #[serde(rename = "documentId")]
            document_id: Option<String>,
            #[serde(rename = "operationName")]
            name: Option<String>,
            variables: Option<Box<RawValue>>,
            extensions: Option<Box<RawValue>>,
        }
        let whole =
            Whole { query, document_id, name, variables: json("variables", variables)?, extensions: json("extensions", extensions)? };
        let text = serde_json::to_vec(&whole).map_err(|_| malformed("the parameters are not JSON"))?;
        Self::read(&text, settings)
    }

    fn read(body: &[u8], settings: &GraphqlSettings) -> Result<Self, AppError> {
        let wire: Wire = serde_json::from_slice(body).map_err(|e| not_json(&e))?;
        let query = match wire.query {
            Some(serde_json::Value::String(query)) => Some(query),
            None | Some(serde_json::Value::Null) => None,
            Some(_) => return Err(malformed("`query` is not a text").at("/query")),
        };
        let name = match wire.operation_name {
            Some(serde_json::Value::String(name)) if !name.is_empty() => Some(name),
            None | Some(serde_json::Value::Null | serde_json::Value::String(_)) => None,
            Some(_) => return Err(malformed("`operationName` is not a text").at("/operationName")),
        };
        let variables = wire.variables.map(|text| variables(text.get(), settings)).transpose()?.unwrap_or_default();
        if !matches!(wire.extensions, None | Some(serde_json::Value::Null | serde_json::Value::Object(_))) {
            return Err(malformed("`extensions` is not an object").at("/extensions"));
        }
        let asked = Asked::read(query, wire.document_id.as_ref(), wire.extensions.as_ref())?;
        let retry_key = wire.extensions.and_then(|mut e| e.get_mut("idempotencyKey").map(serde_json::Value::take)).filter(|k| !k.is_null());
        Ok(Self { asked, name, variables, retry_key })
    }
}

fn variables(text: &str, settings: &GraphqlSettings) -> Result<Variables, AppError> {
    let max = settings.variables_bytes_max;
    if text.len() > max {
        let message = format!("the variables take more bytes than `graphql.variables_bytes_max`, {max}, permits");
        return Err(AppError::new(Code::TooLarge, message).at("/variables"));
    }
    if !text.starts_with('{') {
        return Err(malformed("`variables` is not an object").at("/variables"));
    }
    let variables: BTreeMap<async_graphql::Name, Value> =
        serde_json::from_str(text).map_err(|_| malformed("`variables` cannot be read").at("/variables"))?;
    if variables.values().any(private) || variables.keys().any(|k| k.starts_with(PRIVATE_KEYS)) {
        return Err(malformed("`variables` holds a member that begins with `$serde_json::private::`").at("/variables"));
    }
    let mut read = Variables::default();
    read.extend(variables);
    Ok(read)
}

fn private(value: &Value) -> bool {
    match value {
        Value::List(items) => items.iter().any(private),
        Value::Object(members) => members.iter().any(|(k, v)| k.starts_with(PRIVATE_KEYS) || private(v)),
        _ => false,
    }
}

fn not_json(e: &serde_json::Error) -> AppError {
    match e.classify() {
        serde_json::error::Category::Data => malformed("the body is not a GraphQL request: an object with `query` is expected"),
        _ => malformed(format!("the body is not JSON (line {}, column {})", e.line(), e.column())),
    }
}

impl Operations {
    /// Reads a request body.
    ///
    /// # Errors
    /// `BAD_USER_INPUT`, malformed: no JSON, no request, wrong types, more
    /// operations than permitted, none at all.
    pub fn read(body: &[u8], settings: &GraphqlSettings) -> Result<Self, AppError> {
        match body.iter().find(|b| !b.is_ascii_whitespace()) {
            Some(b'[') => {
                let bodies: Vec<&RawValue> = serde_json::from_slice(body).map_err(|e| not_json(&e))?;
                let batch_max = settings.batch_max;
                match bodies.len() {
                    0 => Err(malformed("the batch is empty")),
                    n if n > batch_max => {
                        Err(malformed(format!("the batch holds {n} operations, more than `graphql.batch_max`, {batch_max}, permits")))
                    }
                    _ => {
                        bodies.into_iter().map(|b| Operation::read(b.get().as_bytes(), settings)).collect::<Result<_, _>>().map(Self::Many)
                    }
                }
            }
            _ => Operation::read(body, settings).map(Self::One),
        }
    }
}

/// Whether an operation only reads, decided before it is executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Query,
    Mutation,
    Subscription,
}

/// The schema with its limits.
pub struct Executor {
    schema: Schema,
    settings: GraphqlSettings,
    vocabulary: Vocabulary,
}

impl Executor {
    #[must_use]
    pub fn new(settings: GraphqlSettings) -> Self {
        let mut builder =
            builder().limit_complexity(settings.complexity_max).limit_recursive_depth(settings.nesting_max).disable_suggestions();
        if !settings.introspection {
            builder = builder.disable_introspection();
        }
        let schema = builder.finish();
        let vocabulary = Vocabulary::of(&schema.sdl());
        Self { schema, settings, vocabulary }
    }

    #[must_use]
    pub fn settings(&self) -> &GraphqlSettings {
        &self.settings
    }

    /// Executes an operation, unless it is of a kind that is not `permitted`.
    /// Errors carry codes and the correlation id.
    ///
    /// # Errors
    /// The kind that was not permitted.
    pub async fn execute(
        &self,
        operation: Operation,
        context: &Arc<RequestContext>,
        correlation_id: &str,
        permitted: impl Fn(Kind) -> bool,
    ) -> Result<Response, Kind> {
        let prepared = retry_key(operation.retry_key.as_ref(), context).map_err(refused).and_then(|key| Ok((key, self.read(&operation)?)));
        let mut response = match prepared {
            Ok((key, (query, document))) => {
                if let Some(kind) = kind(&document, operation.name.as_deref()).filter(|kind| !permitted(*kind)) {
                    return Err(kind);
                }
                let mut request = Request::new(query).variables(operation.variables).data(context.clone());
                if let Some(key) = key {
                    request = request.data(OperationKey(key));
                }
                let name = operation.name;
                request.operation_name.clone_from(&name);
                request.set_parsed_query(document.clone());
                let mut response = self.schema.execute(request).await;
                if let Some(operation) = chosen(&document, name.as_deref()) {
                    order(&mut response.data, operation, &document);
                }
                response
            }
            Err(error) => Response::from_errors(vec![error]),
        };
        self.vocabulary.mask_errors(&mut response.errors);
        error::finish(&mut response.errors, correlation_id, self.settings.complexity_max);
        Ok(response)
    }

    /// The text of an operation, and what it means.
    fn read(&self, operation: &Operation) -> Result<(String, ExecutableDocument), ServerError> {
        let query = operation.asked.clone().text(self.settings.documents.as_deref()).map_err(refused)?;
        let document = self.prepare(&query)?;
        Ok((query, document))
    }

    fn prepare(&self, query: &str) -> Result<ExecutableDocument, ServerError> {
        limits::check_text(query, &self.settings).map_err(refused)?;
        let document = parse_query(query).map_err(mask::syntax)?;
        limits::check_document(&document, &self.settings).map_err(refused)?;
        Ok(document)
    }
}

/// Where there is no header, as over WebSocket, the key comes with the operation.
fn retry_key(told: Option<&serde_json::Value>, context: &RequestContext) -> Result<Option<String>, AppError> {
    let wrong = |message: &str| Err(AppError::bad_input(message).at("/extensions/idempotencyKey"));
    match told {
        None => Ok(None),
        Some(_) if context.idempotency_key.is_some() => wrong("an idempotency key is given by the header or by `extensions`, not by both"),
        Some(serde_json::Value::String(key)) if (1..=KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(key.clone())),
        Some(_) => wrong("`extensions.idempotencyKey` is one text of 1 to 255 bytes"),
    }
}

fn refused(e: AppError) -> ServerError {
    let e: async_graphql::Error = ApiError::from(e).into();
    ServerError { extensions: e.extensions, ..ServerError::new(e.message, None) }
}

/// The operation that will be executed; `None` where that is for validation to refuse.
fn chosen<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Option<&'d OperationDefinition> {
    Some(match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => &operation.node,
        (DocumentOperations::Multiple(all), Some(name)) => &all.get(name)?.node,
        (DocumentOperations::Multiple(all), None) => &all.values().next().filter(|_| all.len() == 1)?.node,
    })
}

/// The kind of the operation that will be executed.
fn kind(document: &ExecutableDocument, name: Option<&str>) -> Option<Kind> {
    Some(match chosen(document, name)?.ty {
        OperationType::Query => Kind::Query,
        OperationType::Mutation => Kind::Mutation,
        OperationType::Subscription => Kind::Subscription,
    })
}

/// The errors of a request that was not executed, in a response's shape.
#[must_use]
pub fn refusal(error: AppError, correlation_id: &str) -> Response {
    let internal = error.code == Code::Internal;
    let error: async_graphql::Error = ApiError::from(error).into();
    let mut errors = vec![ServerError {
        source: error.source.filter(|_| internal),
        extensions: error.extensions,
        ..ServerError::new(error.message, None)
    }];
    error::finish(&mut errors, correlation_id, 0);
    Response::from_errors(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Operations, String> {
        Operations::read(body.as_bytes(), &GraphqlSettings::default()).map_err(|e| {
            assert!(e.malformed && e.code == Code::BadUserInput);
            e.message
        })
    }

    #[test]
    fn bodies_that_are_no_request_are_malformed() {
        for bad in [
            "",
            "  ",
            "nope",
            "7",
            "null",
            "\"{a}\"",
            "{}",
            r#"{"query": null}"#,
            r#"{"query": 7}"#,
            r#"{"query": {"a": 1}}"#,
            r#"{"query": ["{a}"]}"#,
            r#"{"query": "{a}", "variables": "x"}"#,
            r#"{"query": "{a}", "variables": [1]}"#,
            r#"{"query": "{a}", "variables": 7}"#,
            r#"{"query": "{a}", "operationName": 7}"#,
            r#"{"query": "{a}", "operationName": {}}"#,
            r#"{"query": "{a}", "extensions": 7}"#,
            r#"{"query": "{a}", "extensions": []}"#,
            r#"{"query": "{a}", "variables": {"\u0024serde_json::private::RawValue": "1"}}"#,
            r#"{"query": "{a}", "variables": {"v": [{"x": {"$serde_json::private::Number": "1"}}]}}"#,
            "[]",
            "[7]",
            &format!("[{}]", [r#"{"query":"{a}"}"#; 6].join(",")),
            &format!(r#"{{"query":"{{a}}","variables":{{"v":{}{}}}}}"#, "[".repeat(200), "]".repeat(200)),
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unknown_members_are_ignored_and_nothing_stands_for_none() {
        for good in [
            r#"{"query": "{a}"}"#,
            r#" {"query": "{a}", "id": [1], "variables": null, "operationName": null, "extensions": null}"#,
            r#"{"query": "{a}", "variables": {}, "operationName": "", "extensions": {"x": 1}}"#,
        ] {
            assert!(matches!(read(good), Ok(Operations::One(o)) if o.asked == Asked::Text("{a}".to_owned()) && o.name.is_none()), "{good}");
        }
        let many = format!("[{}]", [r#"{"query":"{a}"}"#; 5].join(","));
        assert!(matches!(read(&many), Ok(Operations::Many(all)) if all.len() == 5));
    }

    #[test]
    fn parameters_of_a_get_are_texts_of_json() {
        let read = |v: Option<&str>| {
            Operation::from_texts(Some("query Q{a}".to_owned()), None, Some("Q".to_owned()), v, None, &GraphqlSettings::default())
        };
        let operation = read(Some(r#"{"n": 9007199254740993}"#)).unwrap();
        assert_eq!(operation.name.as_deref(), Some("Q"));
        assert_eq!(operation.variables.get("n"), Some(&Value::Number(9_007_199_254_740_993u64.into())));
        assert!(read(None).is_ok() && read(Some("")).is_ok());
        assert!(read(Some("{")).is_err() && read(Some("[1]")).is_err());
        assert!(Operation::from_texts(None, None, None, None, None, &GraphqlSettings::default()).is_err());
    }

    #[test]
    fn the_kind_is_that_of_the_operation_which_runs() {
        let of = |text: &str, name: Option<&str>| kind(&parse_query(text).unwrap(), name);
        assert_eq!(of("{a}", None), Some(Kind::Query));
        assert_eq!(of("mutation M{a}", None), Some(Kind::Mutation));
        // No such operation: not executed at all.
        assert_eq!(of("mutation M{a}", Some("Q")), None);
        assert_eq!(of("query Q{a} mutation M{a}", Some("M")), Some(Kind::Mutation));
        assert_eq!(of("query Q{a} mutation M{a}", Some("Q")), Some(Kind::Query));
        assert_eq!(of("query Q{a} mutation M{a}", None), None);
        assert_eq!(of("subscription{a}", None), Some(Kind::Subscription));
    }

    /// Validation, limits and prices are decided without a store.
    fn refused_for(query: &str) -> String {
        let executor = Executor::new(GraphqlSettings::default());
        let document = match executor.prepare(query) {
            Ok(document) => document,
            Err(e) => return e.message,
        };
        let mut request = Request::new(query);
        request.set_parsed_query(document);
        let response = futures::FutureExt::now_or_never(executor.schema.execute(request)).unwrap();
        response.errors.into_iter().map(|e| e.message).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn the_budget_admits_a_lineage_at_the_maxima_with_every_scalar_and_no_more() {
        let lineage = |nodes: &str| {
            format!(
                "{{lineage(from: [{{run: \"r\"}}], options: {{depth: 100, maxNodes: 20000, perNodeLimit: 10000}}) {{ \
                 nodes {{id restricted kind namespace name dataset aliases {{namespace name}} depth selfLoop deletedAt remaining {nodes}}} \
                 edges {{from to kind job transformations {{type subtype description masking}} validFrom validUntil}} \
                 completeness {{status reasons nodesVisited edgesVisited frontier prunedByTime}} asOf {{validAt ledgerSize rootHash}}}}}}"
            )
        };
        // Without a request's data the resolver itself fails: the limits let it through.
        assert!(refused_for(&lineage("")).contains("the correlation id leads to its log"), "{}", refused_for(&lineage("")));
        assert_eq!(refused_for(&lineage("artifact {id facets {name source json} schema {fields {path}}}")), "Query is too complex.");
        assert_eq!(
            refused_for("{artifacts(first: 2000000000) {nodes {runs(first: 2000000000) {events(first: 2000000000) {id}}}}}"),
            "Query is too complex."
        );
    }

    #[test]
    fn nothing_is_suggested_and_introspection_can_be_switched_off() {
        assert!(!refused_for("{artifactz {id}}").contains("artifacts"));
        let executor = Executor::new(GraphqlSettings { introspection: false, ..GraphqlSettings::default() });
        let ask = |q: &str| {
            let response = futures::FutureExt::now_or_never(executor.schema.execute(q)).unwrap();
            serde_json::to_string(&response.data).unwrap()
        };
        assert!(!ask("{__schema {queryType {name}}}").contains("Query\""));
        assert!(refused_for("{__schema {queryType {name}}}").is_empty());
    }

    #[test]
    fn refusals_have_the_shape_of_a_response() {
        let response = refusal(malformed("no"), "c0");
        let mut out = Vec::new();
        super::super::response::push_response(&mut out, &response);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"errors":[{"message":"no","extensions":{"code":"BAD_USER_INPUT","correlationId":"c0"}}]}"#
        );
    }
}
