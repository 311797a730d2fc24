//! Tokens that are good for some namespaces only.
use ledgerline::{access::Role, app::tokens::NewToken};
use serde_json::{Value, json};

use super::Guarded;
use crate::{
    api::stand::{Ask, Stand, new_token},
    support::run_event,
};

fn scoped(stand: &Stand, namespaces: &[&str]) -> String {
    let namespaces = namespaces.iter().map(|n| (*n).to_owned()).collect();
    stand.token_of(NewToken { roles: vec![Role::Producer], namespaces, ..new_token() })
}

fn facet(value: Value) -> Value {
    let mut facet = json!({"_producer": "https://example.org/p", "_schemaURL": "https://example.org/s"});
    facet.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    facet
}

#[test]
fn an_event_that_acts_outside_its_tokens_scope_is_forbidden_whole() {
    let stand = Stand::new();
    let token = scoped(&stand, &["jobs", "db*"]);
    let guarded = Guarded::of(stand);
    let event = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    let set = |pointer: &str, value: Value| {
        let mut event = event.clone();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    };
    let facets = |side: &str, facets: Value| {
        let mut event = event.clone();
        event[side][0]["facets"] = facets;
        event
    };
    let dataset = |namespace: &str| json!({"eventTime": "2026-11-24T10:00:00Z", "producer": "p", "schemaURL": "s", "dataset": {"namespace": namespace, "name": "x"}});
    let symlink = |ns: &str| json!({"symlinks": facet(json!({"identifiers": [{"namespace": ns, "name": "x", "type": "TABLE"}]}))});
    let renamed = |ns: &str| json!({"lifecycleStateChange": facet(json!({"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": ns, "name": "x"}}))});
    let columns = |ns: &str| json!({"columnLineage": facet(json!({"fields": {"c": {"inputFields": [{"namespace": ns, "name": "x", "field": "y"}]}}}))});
    for outside in [
        set("/job/namespace", json!("jobs2")),
        set("/job/namespace", json!("JOBS")),
        set("/inputs/0/namespace", json!("bank")),
        set("/outputs/0/namespace", json!("d")),
        dataset("bank"),
        // What joins, ends or reads another team's dataset acts on it too.
        facets("inputs", symlink("bank")),
        facets("outputs", renamed("bank")),
        facets("outputs", columns("bank")),
    ] {
        let answer = guarded.ask(Ask::json("/api/v1/lineage", &outside).by(&token));
        assert_eq!((answer.status, answer.code().as_str()), (403, "FORBIDDEN"), "{outside}");
        assert_eq!(answer.json()["error"]["message"], "the token's scope does not hold that namespace");
        let batch = guarded.ask(Ask::json("/api/v1/lineage/batch", &json!([outside])).by(&token)).json();
        assert_eq!((&batch["status"], &batch["failed_events"][0]["code"]), (&json!("failure"), &json!("FORBIDDEN")));
    }
    let mut of_an_orchestrator = event.clone();
    of_an_orchestrator["run"]["facets"] = json!({"parent": facet(json!({"run": {"runId": "00000000-0000-4000-8000-0000000000ff"}, "job": {"namespace": "airflow", "name": "dag"}}))});
    for inside in [
        event.clone(),
        dataset("db2"),
        facets("inputs", symlink("db://lake")),
        facets("outputs", renamed("db")),
        facets("outputs", columns("db3")),
        // A parent is pointed at, not acted on.
        of_an_orchestrator,
    ] {
        let answer = guarded.stand.ask(Ask::json("/api/v1/lineage", &inside).by(&token));
        assert_eq!(answer.status, 201, "{inside}: {}", answer.text());
    }
    // In a batch the others are recorded.
    let batch = json!([set("/job/namespace", json!("bank")), run_event("START", 9, 1, &["a"], &["b"])]);
    let answer = guarded.stand.ask(Ask::json("/api/v1/lineage/batch", &batch).by(&token)).json();
    assert_eq!((&answer["summary"]["successful"], &answer["failed_events"][0]["index"]), (&json!(1), &json!(0)));
}

#[test]
fn patterns_that_mean_nothing_make_no_token() {
    let guarded = Guarded::new();
    let admin = guarded.stand.token(&[Role::Admin]);
    let before = guarded.stand.world.app.ledger_size();
    let create = "mutation($i: CreateTokenInput!){createToken(input: $i){token refusal{code message field}}}";
    for namespaces in [json!(["a*b"]), json!([""]), json!(["**"]), json!(["fine", "*x"])] {
        let input = json!({"i": {"actor": "x", "roles": ["PRODUCER"], "namespaces": namespaces, "reason": "r"}});
        let refusal = guarded.stand.data(&admin, create, input)["createToken"]["refusal"].clone();
        assert_eq!((&refusal["code"], &refusal["field"]), (&json!("BAD_USER_INPUT"), &json!("input.namespaces")), "{namespaces}");
        assert!(!refusal["message"].as_str().unwrap().contains('x'), "{refusal}");
    }
    assert_eq!(guarded.stand.world.app.ledger_size(), before);
}
