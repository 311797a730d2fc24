//! Pages of entries: from either end, narrowed by what they are.
use ledgerline::{access::Role, app::tokens::NewToken, domain::time::Micros};
use serde_json::{Value, json};

use super::stand::{Stand, new_token};
use crate::support::{NOON, run_event};

const QUERY: &str = "query Q($first: Int, $after: String, $last: Int, $before: String, $filter: EventFilter) { \
    events(first: $first, after: $after, last: $last, before: $before, filter: $filter) { \
    nodes { index type source actor { handle } recordedAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

fn ask(stand: &Stand, token: &str, variables: Value) -> (Vec<u64>, Value) {
    let data = stand.data(token, QUERY, variables);
    let indexes = data["events"]["nodes"].as_array().unwrap().iter().map(|n| n["index"].as_u64().unwrap()).collect();
    (indexes, data["events"]["pageInfo"].clone())
}

fn send(stand: &Stand, token: &str, run: u8) -> u64 {
    stand.send(token, &run_event("COMPLETE", run, u32::from(run), &["a"], &["b"])).json()["index"].as_u64().unwrap()
}

#[test]
fn the_newest_come_by_last_and_the_older_before_them_each_once() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    let newest = (0..20).fold(0, |_, run| send(&stand, &token, run));
    let (mut seen, mut before) = (Vec::new(), Value::Null);
    loop {
        let (page, info) = ask(&stand, &token, json!({ "last": 8, "before": before }));
        assert!(page.is_sorted() && info["hasNextPage"] == json!(!before.is_null()));
        // What comes meanwhile moves no page.
        send(&stand, &token, 100 + u8::try_from(seen.len()).unwrap());
        seen.splice(0..0, page);
        before = info["startCursor"].clone();
        if info["hasPreviousPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(seen, (0..=newest).collect::<Vec<_>>());
    let (code, _) = stand.error(&token, QUERY, json!({ "first": 1, "last": 1 }));
    assert_eq!(code, "BAD_USER_INPUT");
    assert_eq!(stand.error(&token, QUERY, json!({ "last": 1000 })).0, "BAD_USER_INPUT");
    assert_eq!(stand.error(&token, QUERY, json!({ "before": "x" })).0, "BAD_USER_INPUT");
}

#[test]
fn entries_are_narrowed_by_integration_actor_and_time_of_recording() {
    let stand = Stand::new();
    let one = stand.token_of(NewToken { roles: vec![Role::Engineer], integration: "one".to_owned(), ..new_token() });
    let two = stand.token_of(NewToken {
        roles: vec![Role::Engineer],
        integration: "two".to_owned(),
        actor: "somebody else".to_owned(),
        ..new_token()
    });
    let first = send(&stand, &one, 0);
    stand.world.clock.advance(60_000_000);
    let second = send(&stand, &two, 1);
    stand.world.clock.advance(60_000_000);
    let third = send(&stand, &one, 2);
    let filtered = |filter: Value| ask(&stand, &one, json!({ "last": 50, "filter": filter })).0;
    assert_eq!(filtered(json!({ "integrations": ["one"] })), [first, third]);
    assert_eq!(filtered(json!({ "integrations": ["two", "three"] })), [second]);
    let at = |seconds: i64| Micros(NOON.0 + seconds * 1_000_000).rfc3339();
    let runs = json!(["openlineage.run.v1"]);
    assert_eq!(filtered(json!({ "types": runs, "recordedFrom": at(60) })), [second, third]);
    assert_eq!(filtered(json!({ "types": runs, "recordedUntil": at(60) })), [first]);
    assert_eq!(filtered(json!({ "recordedFrom": at(60), "recordedUntil": at(61) })), [second]);
    assert_eq!(filtered(json!({ "recordedFrom": at(1_000) })), [] as [u64; 0]);
    let data = stand.data(&one, "query Q($n: Long!) { event(index: $n) { actor { handle } } }", json!({ "n": second }));
    assert_eq!(filtered(json!({ "types": runs, "actors": [data["event"]["actor"]["handle"]] })), [second]);
    let (code, _) = stand.error(&one, QUERY, json!({ "filter": { "actors": ["nobody"] } }));
    assert_eq!(code, "BAD_USER_INPUT");
}
