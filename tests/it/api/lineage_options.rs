//! Options of a lineage that are wrong, and what they are answered with.
use ledgerline::access::Role;
use serde_json::{Value, json};

use super::stand::Stand;
use crate::support::run_event;

/// a → etl → b, at ten past midnight; then c → etl → b, at twenty past.
pub fn estate() -> (Stand, String) {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    for event in [run_event("COMPLETE", 1, 10, &["a"], &["b"]), run_event("COMPLETE", 2, 20, &["c"], &["b"])] {
        assert_eq!(stand.send(&token, &event).status, 201);
    }
    (stand, token)
}

pub const LINEAGE: &str = "query($from: [ArtifactRef!]!, $options: LineageOptions, $asOf: AsOf) { lineage(from: $from, options: $options, asOf: $asOf) { \
    nodes { name depth } edges { validUntil } completeness { status } asOf { validAt } } }";

fn asked(options: &Value) -> Value {
    json!({ "from": [{ "dataset": { "namespace": "db", "name": "b" } }], "options": options })
}

#[test]
fn a_window_shows_what_ended_in_it_and_until_when() {
    let (stand, token) = estate();
    let names = |options: Value| -> Vec<String> {
        let data = stand.data(&token, LINEAGE, asked(&options));
        data["lineage"]["nodes"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap().to_owned()).collect()
    };
    let up = |window: Value| names(json!({ "direction": "UPSTREAM", "depth": 2, "window": window }));
    assert_eq!(up(Value::Null).len(), 3);
    assert!(up(json!({ "since": "2026-11-24T00:15:00Z" })).contains(&"a".to_owned()));
    assert!(!up(json!({ "since": "2026-11-24T00:20:00Z" })).contains(&"a".to_owned()));
    let query =
        "query($from: [ArtifactRef!]!, $options: LineageOptions) { lineageCounts(from: $from, options: $options) { upstream { nodes } } }";
    let options = json!({ "direction": "UPSTREAM", "depth": 2, "window": { "since": "2026-11-24T00:15:00Z" } });
    assert_eq!(stand.data(&token, query, asked(&options))["lineageCounts"]["upstream"]["nodes"], 3);
}

#[test]
fn a_window_that_begins_after_the_instant_is_bad_input() {
    let (stand, token) = estate();
    for (since, at) in [("2026-11-24T00:20:00Z", "2026-11-24T00:19:59Z"), ("2026-11-25T00:00:00Z", "2026-11-24T12:00:00Z")] {
        let mut asked = asked(&json!({ "window": { "since": since } }));
        asked["asOf"] = json!({ "validAt": at });
        let (code, message) = stand.error(&token, LINEAGE, asked);
        assert_eq!(code, "BAD_USER_INPUT");
        assert!(message.contains("window"), "{message}");
    }
    for window in
        [json!({}), json!({ "since": null }), json!({ "since": "yesterday" }), json!([]), json!({ "until": "2026-11-24T00:00:00Z" })]
    {
        let answer = stand.graphql(&token, LINEAGE, asked(&json!({ "window": window })));
        assert_eq!(answer.code(), "BAD_USER_INPUT", "{window}: {}", answer.text());
    }
}

#[test]
fn words_that_no_enum_has_and_numbers_beyond_reason_are_bad_input() {
    let (stand, token) = estate();
    let wrong = [
        json!({ "level": "ROW" }),
        json!({ "level": "field" }),
        json!({ "direction": "SIDEWAYS" }),
        json!({ "collapse": "ALL" }),
        json!({ "level": "FIELD", "collapse": "DATASETS" }),
        json!({ "depth": 1_000_000_000 }),
        json!({ "depth": -1 }),
        json!({ "depth": 10_000_000_000_u64 }),
        json!({ "maxNodes": 1_000_000_000 }),
        json!({ "perNodeLimit": 1_000_000_000 }),
    ];
    for options in wrong {
        let answer = stand.graphql(&token, LINEAGE, asked(&options));
        assert!(matches!(answer.code().as_str(), "BAD_USER_INPUT" | "COMPLEXITY_EXCEEDED"), "{options}: {}", answer.text());
    }
}

const RUN: &str = "00000000-0000-4000-8000-000000000002";

#[test]
fn runs_are_nodes_with_their_job_and_their_evidence() {
    let (stand, token) = estate();
    let query = "query($from: [ArtifactRef!]!, $options: LineageOptions) { lineage(from: $from, options: $options) { \
        nodes { id kind namespace name depth remaining artifact { name } run { state } } \
        edges { kind job validFrom validUntil assertions { event { index } } } completeness { status } } }";
    let options = json!({ "level": "RUN", "direction": "UPSTREAM", "depth": 2 });
    let told = stand.data(&token, query, json!({ "from": [{ "run": RUN }], "options": options }));
    let nodes = told["lineage"]["nodes"].as_array().unwrap();
    assert_eq!((nodes.len(), &nodes[0]["name"], &nodes[0]["kind"]), (2, &RUN.into(), &"RUN".into()));
    assert_eq!(
        (&nodes[0]["namespace"], &nodes[0]["artifact"], &nodes[0]["run"]["state"]),
        (&"jobs".into(), &Value::Null, &"COMPLETE".into())
    );
    assert_eq!((&nodes[1]["name"], &nodes[1]["artifact"]["name"], &nodes[1]["run"]), (&"c".into(), &"c".into(), &Value::Null));
    let edge = &told["lineage"]["edges"][0];
    assert_eq!((&edge["kind"], &edge["validFrom"]), (&"USED".into(), &"2026-11-24T00:20:00.000000Z".into()));
    assert!(edge["job"].is_string() && edge["assertions"][0]["event"]["index"].is_number(), "{edge}");
    assert_eq!(told["lineage"]["completeness"]["status"], "COMPLETE");
    // The same run by its id, and a job for its runs.
    let again = stand.data(&token, query, json!({ "from": [{ "id": nodes[0]["id"] }], "options": options }));
    assert_eq!(again, told);
    let of_job = json!({ "from": [{ "job": { "namespace": "jobs", "name": "etl" } }], "options": { "level": "RUN", "depth": 0 } });
    assert_eq!(stand.data(&token, query, of_job)["lineage"]["nodes"].as_array().unwrap().len(), 2);
}

#[test]
fn what_makes_no_sense_with_runs_is_refused_by_name() {
    let (stand, token) = estate();
    let code = |from: Value, options: Value| stand.error(&token, LINEAGE, json!({ "from": [from], "options": options })).0;
    let unknown = "00000000-0000-4000-8000-0000000000ff";
    assert_eq!(code(json!({ "run": unknown }), json!({ "level": "RUN" })), "NOT_FOUND");
    assert_eq!(code(json!({ "run": RUN }), json!({})), "BAD_USER_INPUT");
    assert_eq!(code(json!({ "run": RUN }), json!({ "level": "FIELD" })), "BAD_USER_INPUT");
    assert_eq!(code(json!({ "run": RUN }), json!({ "level": "RUN", "collapse": "JOBS" })), "BAD_USER_INPUT");
    let paths = format!("{{ lineagePaths(from: {{ run: \"{RUN}\" }}, to: {{ run: \"{RUN}\" }}, level: RUN) {{ status }} }}");
    assert_eq!(stand.error(&token, &paths, Value::Null).0, "BAD_USER_INPUT");
}
