//! What surrounds every request: a correlation id, trace context in and out,
//! headers that protect browsers, a line in the log and a count. Nothing that is
//! logged or counted comes from the client: no address, no agent, no query.
use std::time::Instant;

use actix_web::{
    Error, HttpMessage as _, Responder as _,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use tracing::Instrument as _;

use super::{Shared, answer::Outcome, auth};
use crate::telemetry::{TraceContext, name};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Of the whole server: it sends no page but one, and that brings its own policy.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'");

/// How a request is told apart in answers and logs.
#[derive(Clone)]
pub struct Correlation {
    /// The trace's id: 32 hexadecimal digits.
    pub id: String,
}

/// The middleware.
pub async fn surround(request: ServiceRequest, next: Next<impl MessageBody + 'static>) -> Result<ServiceResponse<BoxBody>, Error> {
    let began = Instant::now();
    let trace = trace_of(&request);
    let id = trace.trace_id();
    request.extensions_mut().insert(Correlation { id: id.clone() });
    let route = request.match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let method = known(request.method());
    let span = tracing::info_span!("request", correlation_id = %id, method, route);

    let mut response = match auth::check_query_string(request.query_string()) {
        Ok(()) => next.call(request).instrument(span.clone()).await?.map_into_boxed_body(),
        Err(failure) => {
            let answer = Outcome(Err(failure)).respond_to(request.request());
            request.into_response(answer)
        }
    };

    let status = response.status();
    protect(&mut response);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(CORRELATION_ID, value);
    }
    if let Ok(value) = HeaderValue::from_str(&trace.to_string()) {
        headers.insert(TRACEPARENT, value);
    }
    let took = began.elapsed();
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| match status.as_u16() {
        500.. => tracing::warn!(status = status.as_u16(), micros, "answered"),
        400.. => tracing::info!(status = status.as_u16(), micros, "answered"),
        _ => tracing::debug!(status = status.as_u16(), micros, "answered"),
    });
    metrics::counter!(name::HTTP_REQUESTS, "route" => route.clone(), "status" => status.as_u16().to_string()).increment(1);
    metrics::histogram!(name::HTTP_SECONDS, "route" => route).record(took);
    Ok(response)
}

/// The caller's trace, or a new one; in either case our own span of it.
fn trace_of(request: &ServiceRequest) -> TraceContext {
    // INVARIANT: every app is built with the shared data (`server`); without it
    // there would be no randomness to begin a trace with.
    let entropy = request.app_data::<web::Data<Shared>>().map_or_else(
        || std::sync::Arc::new(crate::clock::SystemEntropy) as std::sync::Arc<dyn crate::clock::Entropy>,
        |shared| shared.settings.ambient.entropy.clone(),
    );
    let mut sent = request.headers().get_all(TRACEPARENT);
    match (sent.next().and_then(|v| v.to_str().ok()).and_then(|v| TraceContext::parse(v).ok()), sent.next()) {
        (Some(caller), None) => caller.child(&*entropy),
        // None, several, or something else: the trace begins here.
        _ => TraceContext::begin(&*entropy),
    }
}

/// A method's name from a closed set.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// Headers that browsers obey. A handler's own stay.
fn protect(response: &mut ServiceResponse<BoxBody>) {
    let status = response.status();
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: HeaderValue| {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    };
    default(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    default(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    default(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    default(header::CONTENT_SECURITY_POLICY, POLICY);
    // A tile that is not there yet may be there a moment later: nothing about caching.
    if status != StatusCode::NOT_FOUND {
        default(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    }
}
