//! Whoever sends nonsense is told so, and nobody else notices.
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use ledgerline::access::Role;
use serde_json::json;

use super::Guarded;
use crate::{api::stand::Stand, support::run_event};

#[test]
fn while_bad_requests_pour_in_others_are_answered() {
    let stand = Stand::new();
    let other = stand.token(&[Role::Engineer]);
    assert_eq!(stand.send(&other, &run_event("COMPLETE", 1, 10, &["a"], &["b"])).status, 201);
    let guarded = Guarded::of(stand);
    let aliases: String = (0..1_000).map(|i| format!("a{i}:person ")).collect();
    let fragments: String = (0..200).map(|i| format!(" fragment F{i} on Query{{...F{}}}", i + 1)).collect();
    let start = r#"[{dataset: {namespace: "db", name: "b"}}]"#;
    let bad = [
        (format!("{{viewer{{{aliases}}}}}"), json!({}), "COMPLEXITY_EXCEEDED"),
        (format!("{{...F0}}{fragments} fragment F200 on Query{{viewer{{person}}}}"), json!({}), "COMPLEXITY_EXCEEDED"),
        ("{...A} fragment A on Query{...B} fragment B on Query{...A}".to_owned(), json!({}), "BAD_USER_INPUT"),
        ("query($s: String){viewer{person}}".to_owned(), json!({"s": "x".repeat(300 << 10)}), "TOO_LARGE"),
        (format!("{{lineage(from: {start}, options: {{direction: SIDEWAYS}}){{nodes{{id}}}}}}"), json!({}), "BAD_USER_INPUT"),
        ("{artifacts(first: 1000000){nodes{id}}}".to_owned(), json!({}), "BAD_USER_INPUT"),
        (format!("{{lineage(from: {start}, options: {{depth: 1000000000}}){{nodes{{id}}}}}}"), json!({}), "BAD_USER_INPUT"),
    ];
    let asked = AtomicBool::new(false);
    thread::scope(|scope| {
        let pouring = scope.spawn(|| {
            let mut rounds = 0;
            while !asked.load(Ordering::Acquire) || rounds == 0 {
                for (query, variables, code) in &bad {
                    assert_eq!(guarded.stand.graphql(&guarded.token, query, variables.clone()).code(), *code, "{}", &query[..40]);
                }
                rounds += 1;
            }
        });
        let query = format!("{{lineage(from: {start}, options: {{depth: 3}}){{nodes{{name}} completeness{{status}}}}}}");
        for _ in 0..50 {
            let lineage = &guarded.stand.data(&other, &query, json!({}))["lineage"];
            assert_eq!((lineage["nodes"].as_array().unwrap().len(), &lineage["completeness"]["status"]), (3, &json!("COMPLETE")));
        }
        asked.store(true, Ordering::Release);
        pouring.join().unwrap();
    });
    guarded.still_works();
}
