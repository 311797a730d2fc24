//! Events in over HTTP: what is accepted, what is refused, and in which words.
use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use ledgerline::access::Role;
use serde_json::{Value, json};

use super::stand::{Ask, Stand};
use crate::support::run_event;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_event_gets_a_receipt_and_the_same_event_the_same_one() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Producer]);
    let event = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    let first = stand.send(&token, &event);
    let receipt = first.json();
    assert_eq!((first.status, &receipt["duplicate"], &receipt["warnings"]), (201, &json!(false), &json!([])));
    let size: u64 = first.header("ledger-size").unwrap().parse().unwrap();
    assert_eq!(receipt["index"].as_u64(), Some(size - 1));
    let mut again = receipt.clone();
    again["duplicate"] = json!(true);
    // Compressed, with spaces, and without a content type: the same event.
    let body = gzip(serde_json::to_string_pretty(&event).unwrap().as_bytes());
    let second =
        stand.ask(Ask { headers: Vec::new(), ..Ask::post("/api/v1/lineage", "", body) }.with("content-encoding", "gzip").by(&token));
    assert_eq!((second.status, second.json()), (200, again));
    assert_eq!(second.header("ledger-size").unwrap(), size.to_string());
}

#[test]
fn what_is_no_event_is_refused_with_a_pointer_and_nothing_is_written() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Producer]);
    let size = || stand.ask(Ask::get("/ledger/checkpoint").by(&token)).header("ledger-size").unwrap().to_owned();
    let before = size();
    let event = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    let without = |member: &str| {
        let mut event = event.clone();
        event.as_object_mut().unwrap().remove(member);
        event.to_string()
    };
    let mut far = event.clone();
    far["eventTime"] = json!("2036-01-01T00:00:00Z");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, statuses) in [
        ("{".to_owned(), &[400][..]),
        (String::new(), &[400]),
        ("[]".to_owned(), &[400, 422]),
        (deep, &[400, 422]),
        (r#"{"run": {}, "run": {}}"#.to_owned(), &[400, 422]),
        (without("job"), &[422]),
        (without("eventTime"), &[422]),
        (far.to_string(), &[422]),
    ] {
        let answer = stand.ask(Ask::post("/api/v1/lineage", "application/json", body.clone()).by(&token));
        assert!(statuses.contains(&answer.status), "{} {}", answer.status, answer.text());
        assert_eq!(answer.code(), "BAD_USER_INPUT");
        assert!(!answer.json()["error"]["message"].as_str().unwrap().is_empty());
    }
    let invalid = stand.ask(Ask::post("/api/v1/lineage", "application/json", vec![b'{', 0xff, b'}']).by(&token));
    assert_eq!((invalid.status, invalid.code().as_str()), (400, "BAD_USER_INPUT"));
    let pointed = stand.ask(Ask::post("/api/v1/lineage", "application/json", without("job")).by(&token));
    assert!(pointed.json()["error"]["pointer"].is_string(), "{}", pointed.text());
    assert_eq!(size(), before);
    assert_eq!(stand.send(&token, &event).status, 201);
}

#[test]
fn bodies_stop_at_the_limit_and_the_server_goes_on() {
    let stand = Stand::with(|c| c.ingest.body_bytes_max.0 = 64 << 10, |_| {});
    let token = stand.token(&[Role::Producer]);
    let bomb = gzip(&vec![b' '; 32 << 20]);
    for (ask, status, code) in [
        (Ask::post("/api/v1/lineage", "application/json", vec![b' '; (64 << 10) + 1]), 413, "TOO_LARGE"),
        (Ask::post("/api/v1/lineage", "application/json", bomb).with("content-encoding", "gzip"), 413, "TOO_LARGE"),
        (Ask::post("/api/v1/lineage", "application/json", "not gzip").with("content-encoding", "gzip"), 400, "BAD_USER_INPUT"),
        (Ask::post("/api/v1/lineage", "application/json", "{}").with("content-encoding", "br"), 415, "BAD_USER_INPUT"),
        (Ask::post("/api/v1/lineage", "text/plain", "{}"), 415, "BAD_USER_INPUT"),
        (Ask::post("/api/v1/lineage", "application/x-www-form-urlencoded", "a=b"), 415, "BAD_USER_INPUT"),
        (Ask::post("/api/v1/lineage/batch", "text/plain", "[]"), 415, "BAD_USER_INPUT"),
    ] {
        let answer = stand.ask(ask.by(&token));
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
    assert_eq!(stand.send(&token, &run_event("COMPLETE", 1, 10, &["a"], &["b"])).status, 201);
}

#[test]
fn one_bad_event_of_a_batch_spoils_no_other() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Producer]);
    let good = |run| run_event("COMPLETE", run, u32::from(run), &["a"], &["b"]);
    let array = json!([good(1), {"eventTime": "x"}, good(2), good(1)]);
    let answer = stand.ask(Ask::json("/api/v1/lineage/batch", &array).by(&token));
    let json = answer.json();
    assert_eq!((answer.status, &json["status"]), (200, &json!("partial_success")), "{json}");
    assert_eq!(json["summary"]["received"], 4);
    assert_eq!((&json["summary"]["failed"], &json["summary"]["duplicates"]), (&json!(1), &json!(1)));
    assert_eq!(json["failed_events"][0]["index"], 1);
    let lines: String = [good(3).to_string(), String::new(), "{".to_owned(), good(4).to_string()].join("\n");
    let answer = stand.ask(
        Ask::post("/api/v1/lineage/batch", "application/x-ndjson", gzip(lines.as_bytes())).with("content-encoding", "gzip").by(&token),
    );
    let json = answer.json();
    assert_eq!((answer.status, &json["status"], &json["summary"]["failed"]), (200, &json!("partial_success"), &json!(1)), "{json}");
    let all: Value =
        stand.data(&stand.token(&[Role::Reader]), "{events(filter: {types: [\"openlineage.run.v1\"]}){nodes{type}}}", json!({}));
    assert_eq!(all["events"]["nodes"].as_array().unwrap().len(), 4);
}
