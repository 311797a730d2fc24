//! The whole server without an application: what is answered while it loads, and
//! what never reaches one.
use actix_web::{
    App as Actix,
    body::{BoxBody, MessageBody as _},
    dev::ServiceResponse,
    http::Method,
    middleware::from_fn,
    test::{TestRequest, call_service, init_service},
    web,
};
use serde_json::Value;

use super::*;
use crate::domain::time::Micros;

struct Answer {
    status: u16,
    headers: actix_web::http::header::HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn code(&self) -> Option<String> {
        let json = self.json();
        let code = json.pointer("/error/code").or_else(|| json.pointer("/errors/0/extensions/code"))?;
        Some(code.as_str()?.to_owned())
    }
}

async fn ask_with(settings: impl FnOnce(&mut HttpSettings), request: TestRequest) -> Answer {
    let (ambient, _) = Ambient::fixed(Micros(0), 1);
    let mut all = HttpSettings::new(ambient);
    settings(&mut all);
    let executor = Executor::new(all.graphql.clone());
    let shared = web::Data::new(Shared { cell: AppCell::new(), settings: all, executor });
    let service = init_service(Actix::new().app_data(shared).wrap(from_fn(surround::surround)).configure(routes)).await;
    let response: ServiceResponse<BoxBody> = call_service(&service, request.to_request()).await.map_into_boxed_body();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.into_body().try_into_bytes().unwrap_or_default().to_vec();
    Answer { status, headers, body }
}

async fn ask(request: TestRequest) -> Answer {
    ask_with(|_| {}, request).await
}

fn post(path: &str, content_type: &'static str, body: &'static str) -> TestRequest {
    TestRequest::post().uri(path).insert_header(("content-type", content_type)).set_payload(body)
}

#[actix_web::test]
async fn while_it_loads_it_is_alive_and_not_ready() {
    assert_eq!(ask(TestRequest::get().uri("/livez")).await.status, 200);
    let ready = ask(TestRequest::get().uri("/readyz")).await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("loading")));
    assert!(ready.json()["reason"].is_string());
    let version = ask(TestRequest::get().uri("/version")).await;
    assert_eq!(version.json()["version"], env!("CARGO_PKG_VERSION"));
    for request in [
        post("/api/v1/lineage", "application/json", "{}"),
        post("/api/v1/lineage/batch", "application/json", "[]"),
        post("/graphql", "application/json", r#"{"query":"{viewer{person}}"}"#),
        TestRequest::get().uri("/ledger/checkpoint"),
        TestRequest::get().uri("/ledger/tile/0/000"),
        TestRequest::get().uri("/ledger/opening/0"),
    ] {
        let answer = ask(request).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert_eq!(answer.code().as_deref(), Some("UNAVAILABLE"));
    }
}

#[actix_web::test]
async fn every_answer_has_a_correlation_id_and_protects_browsers() {
    for request in [
        TestRequest::get().uri("/livez"),
        TestRequest::get().uri("/"),
        TestRequest::get().uri("/nothing"),
        TestRequest::post().uri("/graphql"),
    ] {
        let answer = ask(request).await;
        let id = answer.header("x-correlation-id").unwrap();
        assert_eq!(id.len(), 32);
        assert!(answer.header("traceparent").unwrap().starts_with(&format!("00-{id}-")));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
        if answer.status >= 400 {
            let json = answer.json();
            let told = json.pointer("/error/correlationId").or_else(|| json.pointer("/errors/0/extensions/correlationId"));
            assert_eq!(told.and_then(Value::as_str), Some(id));
        }
    }
}

#[actix_web::test]
async fn a_callers_trace_goes_on_and_anything_else_begins_one() {
    let caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = ask(TestRequest::get().uri("/livez").insert_header(("traceparent", caller))).await;
    let parent = answer.header("traceparent").unwrap();
    assert!(parent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && !parent.contains("b7ad6b7169203331"), "{parent}");
    for odd in ["", "marker", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
        let answer = ask(TestRequest::get().uri("/livez").insert_header(("traceparent", odd))).await;
        assert!(!answer.header("traceparent").unwrap().contains("b7ad6b7169203331"));
    }
}

#[actix_web::test]
async fn unknown_paths_and_methods_are_told_as_json() {
    let unknown = ask(TestRequest::get().uri("/nothing")).await;
    assert_eq!((unknown.status, unknown.code().as_deref(), unknown.header("cache-control")), (404, Some("NOT_FOUND"), None));
    assert_eq!(ask(TestRequest::get().uri("/ledger/tile")).await.status, 404);
    for (method, path, allow) in [
        (Method::GET, "/api/v1/lineage", "POST"),
        (Method::PUT, "/api/v1/lineage/batch", "POST"),
        (Method::POST, "/livez", "GET, HEAD"),
        (Method::DELETE, "/ledger/checkpoint", "GET, HEAD"),
        (Method::POST, "/ledger/tile/0/000", "GET, HEAD"),
        (Method::GET, "/graphql?query={viewer{person}}", "POST"),
        (Method::PUT, "/graphql", "POST"),
    ] {
        let answer = ask(TestRequest::default().method(method).uri(path)).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{path}");
        assert_eq!(answer.code().as_deref(), Some("BAD_USER_INPUT"));
    }
    assert_eq!(ask(TestRequest::default().method(Method::HEAD).uri("/livez")).await.status, 200);
}

#[actix_web::test]
async fn a_token_in_an_address_is_refused_everywhere() {
    for path in ["/livez?token=x", "/graphql?access_token=x", "/ledger/checkpoint?Token=x", "/nothing?api_key=x"] {
        let answer = ask(TestRequest::get().uri(path)).await;
        assert_eq!((answer.status, answer.code().as_deref()), (400, Some("BAD_USER_INPUT")), "{path}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains("Authorization: Bearer"));
    }
}

#[actix_web::test]
async fn graphql_takes_json_only_and_answers_what_is_accepted() {
    let body = r#"{"query":"{viewer{person}}"}"#;
    for odd in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/graphql",
    ] {
        let answer = ask(post("/graphql", odd, body)).await;
        assert_eq!((answer.status, answer.code().as_deref()), (415, Some("BAD_USER_INPUT")), "{odd}");
    }
    assert_eq!(ask(TestRequest::post().uri("/graphql").set_payload(body)).await.status, 415);
    assert_eq!(ask(post("/graphql", "application/json", body).insert_header(("accept", "text/html"))).await.status, 406);
    let graphql = ask(post("/graphql", "application/json", body).insert_header(("accept", "application/graphql-response+json"))).await;
    assert_eq!((graphql.status, graphql.header("content-type")), (503, Some("application/graphql-response+json; charset=utf-8")));
    assert!(graphql.json().get("data").is_none());
}

#[actix_web::test]
async fn queries_by_get_are_a_setting() {
    let on = |settings: &mut HttpSettings| settings.graphql.get_queries = true;
    let answer = ask_with(on, TestRequest::get().uri("/graphql?query=%7Bviewer%7Bperson%7D%7D")).await;
    assert_eq!((answer.status, answer.header("allow")), (503, None));
    let answer = ask_with(on, TestRequest::delete().uri("/graphql")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, POST")));
}

#[actix_web::test]
async fn the_page_is_kept_by_its_tag() {
    for (path, kind) in [("/", "text/html"), ("/page.css", "text/css"), ("/page.js", "text/javascript")] {
        let page = ask(TestRequest::get().uri(path)).await;
        assert_eq!(page.status, 200);
        assert!(page.header("content-type").unwrap().starts_with(kind));
        assert!(page.header("content-security-policy").unwrap().contains("script-src 'self';"));
        let tag = page.header("etag").unwrap().to_owned();
        let again = ask(TestRequest::get().uri(path).insert_header(("if-none-match", tag))).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
    }
}

#[actix_web::test]
async fn metrics_are_shown_where_they_are_kept_and_to_whom_it_is_permitted() {
    assert_eq!(ask(TestRequest::get().uri("/metrics")).await.status, 404);
    let (_, metrics) = Metrics::recorder().unwrap();
    let keep = metrics.clone();
    let public = ask_with(move |s| s.metrics = Some(keep), TestRequest::get().uri("/metrics")).await;
    assert_eq!((public.status, public.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let private = move |s: &mut HttpSettings| {
        s.metrics = Some(metrics);
        s.metrics_public = false;
    };
    // Nobody can be authenticated while it loads.
    assert_eq!(ask_with(private, TestRequest::get().uri("/metrics")).await.status, 503);
}
