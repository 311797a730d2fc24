//! Many events in one body.
use ledgerline::access::Role;
use serde_json::{Value, json};

use super::{Guarded, with, without};
use crate::{
    api::stand::{Ask, Stand},
    support::run_event,
};

fn event(i: usize) -> Value {
    let mut event = run_event("COMPLETE", 0, 10, &["a"], &["b"]);
    event["run"]["runId"] = json!(format!("00000000-0000-4000-8000-{i:012x}"));
    event
}

#[test]
fn of_5000_events_every_third_bad_the_good_ones_are_recorded_once() {
    const EVENTS: usize = 5_000;
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    let bad = [
        json!({"eventTime": "x"}),
        json!(7),
        serde_json::from_str(&without("/job")).unwrap(),
        serde_json::from_str(&with("/inputs", json!(1))).unwrap(),
    ];
    let events: Vec<Value> = (0..EVENTS).map(|i| if i % 3 == 2 { bad[i % bad.len()].clone() } else { event(i) }).collect();
    let failing: Vec<u64> = (0..EVENTS as u64).filter(|i| i % 3 == 2).collect();
    let before = stand.world.app.ledger_size();
    let lines: String = events.iter().map(|e| format!("{e}\n")).collect();
    for (round, ask) in
        [Ask::json("/api/v1/lineage/batch", &json!(events)), Ask::post("/api/v1/lineage/batch", "application/x-ndjson", lines)]
            .into_iter()
            .enumerate()
    {
        let answer = stand.ask(ask.by(&token)).json();
        let good = EVENTS - failing.len();
        assert_eq!(answer["status"], "partial_success");
        assert_eq!(
            answer["summary"],
            json!({"received": EVENTS, "successful": good, "failed": failing.len(), "duplicates": if round == 0 { 0 } else { good }})
        );
        let failed = answer["failed_events"].as_array().unwrap();
        assert_eq!(failed.iter().map(|f| f["index"].as_u64().unwrap()).collect::<Vec<_>>(), failing);
        assert!(
            failed
                .iter()
                .all(|f| f["code"] == "BAD_USER_INPUT" && f["reason"].as_str().is_some_and(|r| !r.is_empty()) && f["pointer"].is_string())
        );
        assert_eq!(stand.world.app.ledger_size(), before + good as u64);
    }
}

#[test]
fn no_events_are_a_success_of_nothing() {
    let guarded = Guarded::new();
    for (kind, body) in [
        ("application/json", "[]"),
        ("application/json", " [ ] \n"),
        ("application/json", ""),
        ("application/x-ndjson", ""),
        ("application/x-ndjson", "\r\n\n  \n"),
    ] {
        let answer = guarded.ask(Ask::post("/api/v1/lineage/batch", kind, body).by(&guarded.token));
        assert_eq!(
            (answer.status, answer.json()),
            (
                200,
                json!({"status": "success", "summary": {"received": 0, "successful": 0, "failed": 0, "duplicates": 0}, "failed_events": []})
            ),
            "{kind} {body:?}"
        );
    }
    guarded.still_works();
}

#[test]
fn lines_may_end_as_on_windows_be_blank_and_begin_with_a_mark() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    let body = format!("\u{feff}{}\r\n\r\n   \r\n{}\n\n{{bad}}\r\n\t{}\t", event(1), event(2), event(3));
    let answer = stand.ask(Ask::post("/api/v1/lineage/batch", "application/x-ndjson; charset=utf-8", body).by(&token)).json();
    assert_eq!(answer["summary"], json!({"received": 4, "successful": 3, "failed": 1, "duplicates": 0}), "{answer}");
    assert_eq!(answer["failed_events"][0]["index"], 2);
}

#[test]
fn a_body_that_breaks_off_keeps_what_was_whole() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    let whole = json!([event(1), event(2), event(3)]).to_string();
    let cut = &whole[..whole.len() - 20];
    let answer = stand.ask(Ask::post("/api/v1/lineage/batch", "application/json", cut).by(&token)).json();
    assert_eq!(answer["summary"], json!({"received": 3, "successful": 2, "failed": 1, "duplicates": 0}), "{answer}");
    assert_eq!((&answer["failed_events"][0]["index"], &answer["failed_events"][0]["pointer"]), (&json!(2), &json!("/2")));
}

#[test]
fn an_event_of_a_batch_may_be_as_large_as_one_alone() {
    let stand = Stand::with(|c| c.ingest.body_bytes_max.0 = 4096, |_| {});
    let token = stand.token(&[Role::Engineer]);
    let mut large = event(1);
    large["inputs"][0]["facets"] = json!({"x": {"_producer": "p", "_schemaURL": "s", "pad": "x".repeat(5_000)}});
    let answer = stand.ask(Ask::json("/api/v1/lineage/batch", &json!([event(0), large, event(2)])).by(&token)).json();
    assert_eq!((&answer["summary"]["successful"], &answer["failed_events"][0]["index"]), (&json!(2), &json!(1)));
    assert_eq!(answer["failed_events"][0]["code"], "TOO_LARGE");
    assert_eq!(stand.send(&token, &large).status, 413);
}
