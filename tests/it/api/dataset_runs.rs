//! Which runs read or wrote a dataset.
use ledgerline::access::Role;
use serde_json::{Value, json};

use super::stand::Stand;
use crate::support::run_event;

const QUERY: &str = "query($asOf: AsOf) { artifact(ref: { dataset: { namespace: \"db\", name: \"b\" } }, asOf: $asOf) { \
    runs(first: 5) { runId outputs { name } } } }";

fn runs(stand: &Stand, token: &str, as_of: Value) -> Value {
    stand.data(token, QUERY, json!({ "asOf": as_of }))["artifact"]["runs"].take()
}

#[test]
fn a_run_is_told_at_a_size_that_knew_its_later_event_alone() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    let sent = |minute| stand.send(&token, &run_event("RUNNING", 1, minute, &["a"], &["b"])).json()["index"].as_u64().unwrap();
    let size = sent(10) + 1;
    // The same said of an earlier time, by a later entry.
    sent(5);
    for as_of in [json!({}), json!({ "ledgerSize": size, "validAt": "2026-11-24T01:00:00Z" })] {
        let told = runs(&stand, &token, as_of);
        assert_eq!((told.as_array().unwrap().len(), &told[0]["outputs"][0]["name"]), (1, &"b".into()), "{told}");
    }
    assert_eq!(runs(&stand, &token, json!({ "ledgerSize": size, "validAt": "2026-11-24T00:07:00Z" })), json!([]));
}

#[test]
fn a_run_is_told_whose_output_a_later_run_had_closed_before() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    for event in
        [run_event("START", 1, 10, &["a"], &[]), run_event("COMPLETE", 2, 20, &["a"], &["c"]), run_event("COMPLETE", 1, 40, &["a"], &["b"])]
    {
        assert_eq!(stand.send(&token, &event).status, 201);
    }
    let told = runs(&stand, &token, json!({}));
    assert_eq!(told.as_array().unwrap().len(), 1, "{told}");
    assert!(told[0]["runId"].as_str().unwrap().ends_with("01"), "{told}");
}
