//! GraphQL over HTTP (the working draft of 2026-08-06), by a handler of our own:
//! JSON bodies only, within a bound; no mutation by GET; media types and statuses
//! as the draft and its audits ask for.
use std::{sync::Arc, time::Instant};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode, header},
    web::{Data, Payload, Query},
};
use async_graphql::{Response, Value};

use super::{
    HttpSettings, Shared,
    answer::{Failure, LEDGER_SIZE, correlation_id, idempotency_key, min_size},
    auth, body,
    media::{self, Media},
};
use crate::{
    api::graphql::{
        CursorKey, GraphqlSettings,
        context::RequestContext,
        error::code_of,
        execute::{Kind, Operation, Operations, refusal},
        mask::Unparsed,
        response::{is_request_error, push_response},
    },
    app::{AppError, Code},
    telemetry::name,
};

/// `/graphql`, every method.
pub async fn graphql(request: HttpRequest, payload: Payload, shared: Data<Shared>) -> HttpResponse {
    let accepted = media::accepted(request.headers().get_all(header::ACCEPT).map(|v| v.to_str().unwrap_or("?")));
    let id = correlation_id(&request);
    let answer = async {
        let Some(media) = accepted else {
            return Err(Failure::new(
                StatusCode::NOT_ACCEPTABLE,
                Code::BadUserInput,
                "answers are `application/graphql-response+json` or `application/json`, in UTF-8",
            ));
        };
        answer(&request, payload, &shared, media, &id).await
    };
    answer.await.unwrap_or_else(|failure| refused(failure, accepted.unwrap_or(Media::Json), &id))
}

/// A failure before any operation ran, in the shape that GraphQL clients read.
fn refused(failure: Failure, media: Media, id: &str) -> HttpResponse {
    failure.log(id);
    let mut response = HttpResponse::build(failure.status);
    failure.headers(&mut response);
    let mut body = Vec::with_capacity(256);
    push_response(&mut body, &refusal(failure.error, id));
    response.content_type(media.content_type()).body(body)
}

async fn answer(request: &HttpRequest, payload: Payload, shared: &Shared, media: Media, id: &str) -> Result<HttpResponse, Failure> {
    let settings = shared.executor.settings();
    let by_get = match *request.method() {
        Method::POST => false,
        Method::GET | Method::HEAD if settings.get_queries => true,
        _ => return Err(Failure::method(allowed(shared))),
    };
    if !by_get && media::content_type(request).as_deref() != Some("application/json") {
        return Err(Failure::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::BadUserInput,
            "a request is sent as `application/json` in UTF-8, with that `Content-Type`",
        ));
    }
    let app = shared.cell.app()?;
    let principal = auth::principal(request, app)?;
    let min = min_size(request)?;
    // A parameter of the wrong type does not fit, as a document that does not.
    let wrong = |error: AppError| {
        let parameter = error.malformed && error.pointer.is_some() && media == Media::GraphqlResponse;
        let failure = Failure::from(error);
        if parameter { failure.with_status(invalid(&shared.settings)) } else { failure }
    };
    let operations = if by_get {
        Operations::One(from_query(request.query_string(), settings, wrong)?)
    } else {
        let bytes = body::read(request, payload, settings.body_bytes_max, shared.settings.body_timeout).await?;
        Operations::read(&bytes, settings).map_err(wrong)?
    };
    let size = app.ledger_size();
    if let Some(min) = min.filter(|min| *min > size) {
        let stale = AppError::new(Code::Stale, format!("the ledger has {size} entries, at least {min} were asked for"));
        return Ok(respond(shared, media, &[refusal(stale, id)], false, size));
    }

    // All operations of one request read the same state.
    let mut context = RequestContext::new(app.clone(), principal, CursorKey::new(&app.key("cursors")), min);
    context.idempotency_key = idempotency_key(request)?;
    let context = Arc::new(context);
    let permitted = |kind| match kind {
        Kind::Query => true,
        Kind::Mutation => !by_get,
        Kind::Subscription => false,
    };
    let (operations, batch) = match operations {
        Operations::One(one) => (vec![one], false),
        Operations::Many(many) => (many, true),
    };
    let mut responses = Vec::with_capacity(operations.len());
    for operation in operations {
        let began = Instant::now();
        let response = match shared.executor.execute(operation, &context, id, permitted).await {
            Ok(response) => response,
            Err(Kind::Mutation) => return Err(Failure::method("POST")),
            Err(_) => refusal(AppError::bad_input("a subscription is asked for over WebSocket, by `graphql-transport-ws`"), id),
        };
        let outcome = if response.is_ok() { "ok" } else { "errors" };
        metrics::counter!(name::GRAPHQL_OPERATIONS, "outcome" => outcome).increment(1);
        metrics::histogram!(name::GRAPHQL_SECONDS).record(began.elapsed());
        responses.push(response);
    }
    let stands_on = context.size_read().unwrap_or_else(|| app.ledger_size());
    Ok(respond(shared, media, &responses, batch, stands_on))
}

fn allowed(shared: &Shared) -> &'static str {
    if shared.executor.settings().get_queries { "GET, HEAD, POST" } else { "POST" }
}

fn from_query(query: &str, settings: &GraphqlSettings, wrong: impl Fn(AppError) -> Failure) -> Result<Operation, Failure> {
    let Query(pairs) =
        Query::<Vec<(String, String)>>::from_query(query).map_err(|_| Failure::malformed("the query string cannot be read"))?;
    let one = |name: &str| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let (variables, extensions) = (one("variables"), one("extensions"));
    Operation::from_texts(one("query"), one("documentId"), one("operationName"), variables.as_deref(), extensions.as_deref(), settings)
        .map_err(wrong)
}

fn respond(shared: &Shared, media: Media, responses: &[Response], batch: bool, stands_on: u64) -> HttpResponse {
    let status = if batch { StatusCode::OK } else { responses.first().map_or(StatusCode::OK, |r| status(&shared.settings, media, r)) };
    let mut body = Vec::with_capacity(1024);
    if batch {
        body.push(b'[');
    }
    for (i, response) in responses.iter().enumerate() {
        if i > 0 {
            body.push(b',');
        }
        push_response(&mut body, response);
    }
    if batch {
        body.push(b']');
    }
    HttpResponse::build(status).content_type(media.content_type()).insert_header((LEDGER_SIZE, stands_on)).body(body)
}

/// 200 under `application/json`, whatever became of a well-formed request. Under
/// `application/graphql-response+json` 200 when there are data (partial ones by
/// configuration); without data what the gravest error says.
fn status(settings: &HttpSettings, media: Media, response: &Response) -> StatusCode {
    if media == Media::Json || response.errors.is_empty() {
        return StatusCode::OK;
    }
    if !matches!(response.data, Value::Null) {
        return if settings.partial_success { partial() } else { StatusCode::OK };
    }
    let fits_not = is_request_error(response) && !response.errors.iter().any(|e| e.source::<Unparsed>().is_some());
    let client = if fits_not { invalid(settings) } else { StatusCode::BAD_REQUEST };
    let of = |code: &str| match code {
        "INTERNAL" => StatusCode::INTERNAL_SERVER_ERROR,
        "UNAVAILABLE" => StatusCode::SERVICE_UNAVAILABLE,
        "DEADLINE_EXCEEDED" => StatusCode::GATEWAY_TIMEOUT,
        "RATE_LIMITED" => StatusCode::TOO_MANY_REQUESTS,
        "FORBIDDEN" => StatusCode::FORBIDDEN,
        _ => client,
    };
    response.errors.iter().filter_map(code_of).map(of).max().unwrap_or(client)
}

/// The status of a well-formed request that does not fit the schema.
fn invalid(settings: &HttpSettings) -> StatusCode {
    if settings.unprocessable_content { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST }
}

/// Partial success, a status of GraphQL over HTTP's draft of 2026-08-06.
fn partial() -> StatusCode {
    StatusCode::from_u16(294).unwrap_or(StatusCode::OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::graphql::error::ApiError;

    fn response(data: Value, codes: &[Code], executed: bool) -> Response {
        let mut response = Response::new(data);
        for code in codes {
            let error: async_graphql::Error = ApiError::from(AppError::new(*code, "no")).into();
            let mut error = error.into_server_error(async_graphql::Pos::default());
            if executed {
                error.path = vec![async_graphql::PathSegment::Field("lineage".to_owned())];
            }
            response.errors.push(error);
        }
        response
    }

    #[test]
    fn statuses_are_what_the_media_type_promises() {
        let some = || Value::Object([(async_graphql::Name::new("a"), Value::Null)].into_iter().collect());
        let settings = HttpSettings::new(crate::clock::Ambient::system());
        for (data, codes, executed, expected) in [
            (some(), &[] as &[Code], true, 200),
            (some(), &[Code::Internal], true, 200),
            (Value::Null, &[Code::BadUserInput], false, 400),
            (Value::Null, &[Code::ComplexityExceeded], false, 400),
            (Value::Null, &[Code::NotFound], true, 400),
            (Value::Null, &[Code::Forbidden], true, 403),
            (Value::Null, &[Code::BadUserInput, Code::Unavailable], true, 503),
            (Value::Null, &[Code::DeadlineExceeded], true, 504),
            (Value::Null, &[Code::Internal], true, 500),
        ] {
            let response = response(data, codes, executed);
            assert_eq!(status(&settings, Media::GraphqlResponse, &response).as_u16(), expected, "{codes:?}");
            assert_eq!(status(&settings, Media::Json, &response).as_u16(), 200, "{codes:?}");
        }
    }
}
