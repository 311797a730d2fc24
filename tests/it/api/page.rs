//! An artifact's page: what it went through, how it fares, what is next to it,
//! and what its reader may do.
use ledgerline::{access::Role, app::tokens::NewToken};
use serde_json::{Value, json};

use super::stand::{Stand, new_token};
use crate::support::run_event;

const DATASET_B: &str = r#"{dataset: {namespace: "db", name: "b"}}"#;

fn facet(mut content: Value) -> Value {
    content["_producer"] = json!("https://example.org/producer");
    content["_schemaURL"] = json!("https://openlineage.io/spec/facets/1-0-0/Facet.json");
    content
}

/// A run that writes `b` with these columns.
fn with_columns(run: u8, minute: u32, columns: &[(&str, &str)]) -> Value {
    let fields: Vec<Value> = columns.iter().map(|(name, t)| json!({"name": name, "type": t})).collect();
    let mut event = run_event("COMPLETE", run, minute, &["a"], &["b"]);
    event["outputs"][0]["facets"] = json!({"schema": facet(json!({ "fields": fields }))});
    event
}

fn send_all(stand: &Stand, token: &str, events: &[Value]) -> Vec<u64> {
    events
        .iter()
        .map(|event| {
            let answer = stand.send(token, event);
            assert_eq!(answer.status, 201, "{}", answer.text());
            answer.json()["index"].as_u64().unwrap()
        })
        .collect()
}

/// `[kind path before>after]` of the changes of a version.
fn changes(version: &Value) -> Vec<String> {
    let one = |c: &Value| {
        let text = |member: &str| c[member].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}>{}", text("kind"), text("path"), text("typeBefore"), text("typeAfter"))
    };
    version["changes"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn a_schema_history_tells_each_change_with_its_evidence_whatever_the_order_of_arrival() {
    let events = [
        with_columns(1, 10, &[("id", "int4"), ("old", "text")]),
        with_columns(2, 20, &[("id", "int4"), ("old", "text")]),
        with_columns(3, 30, &[("id", "int8"), ("new", "date")]),
    ];
    let query = format!(
        "query($at: AsOf){{artifact(ref: {DATASET_B}, asOf: $at){{schemaHistory{{fields{{path}} changes{{kind path typeBefore typeAfter}} \
         deleted hash source validFrom validUntil recordedFrom event{{index leafHash type}}}}}}}}"
    );
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let stand = Stand::new();
        let token = stand.token(&[Role::Producer, Role::Reader]);
        let sent: Vec<Value> = order.iter().map(|i| events[*i].clone()).collect();
        send_all(&stand, &token, &sent);
        let data = stand.data(&token, &query, json!({}));
        let history = data["artifact"]["schemaHistory"].as_array().unwrap();
        assert_eq!(history.len(), 2, "{order:?}: {data}");
        assert_eq!(changes(&history[0]), ["RETYPED id int4>int8", "ADDED new ->date", "REMOVED old text>-"], "{order:?}");
        assert_eq!(changes(&history[1]), ["ADDED id ->int4", "ADDED old ->text"], "{order:?}");
        assert_eq!(
            (&history[0]["validFrom"], &history[0]["validUntil"], &history[1]["validFrom"], &history[1]["validUntil"]),
            (&json!("2026-11-24T00:30:00.000000Z"), &Value::Null, &json!("2026-11-24T00:10:00.000000Z"), &history[0]["validFrom"]),
            "{order:?}"
        );
        for version in history {
            assert_eq!(version["recordedFrom"], version["event"]["index"], "{order:?}");
            assert_eq!(version["hash"].as_str().unwrap().len(), 64);
        }
        // Before the third event's time nobody listed `new`.
        let then = stand.data(&token, &query, json!({"at": {"validAt": "2026-11-24T00:25:00Z"}}));
        assert_eq!(then["artifact"]["schemaHistory"].as_array().unwrap().len(), 1, "{order:?}");
        let page = query.replace("schemaHistory{", "schemaHistory(first: 1){");
        let latest = stand.data(&token, &page, json!({}));
        assert_eq!(latest["artifact"]["schemaHistory"].as_array().unwrap(), &history[..1], "the diff needs no second version: {order:?}");
    }
}

#[test]
fn a_schema_history_is_told_by_source_and_ends_where_a_source_takes_it_back() {
    let stand = Stand::new();
    let reader = stand.token(&[Role::Reader]);
    let one = stand.token(&[Role::Producer]);
    let other = stand.token_of(NewToken { roles: vec![Role::Producer], integration: "other".to_owned(), ..new_token() });
    let mut taken_back = run_event("COMPLETE", 3, 30, &["a"], &["b"]);
    taken_back["outputs"][0]["facets"] = json!({"schema": facet(json!({"_deleted": true}))});
    send_all(&stand, &one, &[with_columns(1, 10, &[("id", "int4")]), taken_back]);
    send_all(&stand, &other, &[with_columns(2, 20, &[("id", "int4"), ("theirs", "text")])]);
    let query = format!(
        "{{artifact(ref: {DATASET_B}){{schema{{source}} schemaHistory{{fields{{path}} changes{{kind path typeBefore typeAfter}} deleted source}} \
         fieldHistory(path: \"id\"){{kind source typeAfter validFrom event{{index}}}}}}}}"
    );
    let data = stand.data(&reader, &query, json!({}));
    let history = data["artifact"]["schemaHistory"].as_array().unwrap();
    let told: Vec<(bool, Vec<String>)> = history.iter().map(|v| (v["deleted"].as_bool().unwrap(), changes(v))).collect();
    assert_eq!(
        told,
        [
            (true, vec!["REMOVED id int4>-".to_owned()]),
            (false, vec!["ADDED id ->int4".to_owned(), "ADDED theirs ->text".to_owned()]),
            (false, vec!["ADDED id ->int4".to_owned()]),
        ]
    );
    assert_eq!(data["artifact"]["schema"].as_array().unwrap().len(), 1);
    let kinds: Vec<(&str, bool)> = data["artifact"]["fieldHistory"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["kind"].as_str().unwrap(), c["source"].as_str().unwrap().starts_with("other ")))
        .collect();
    assert_eq!(kinds, [("REMOVED", false), ("ADDED", true), ("ADDED", false)]);
}

#[test]
fn a_column_tells_its_own_history() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Producer, Role::Reader]);
    let indexes = send_all(
        &stand,
        &token,
        &[
            with_columns(1, 10, &[("x", "text")]),
            with_columns(2, 20, &[("x", "text"), ("id", "int4")]),
            with_columns(3, 30, &[("id", "int8")]),
            with_columns(4, 40, &[("x", "text")]),
            with_columns(5, 50, &[("x", "text"), ("id", "int8")]),
        ],
    );
    let field = r#"{artifact(ref: {field: {namespace: "db", dataset: "b", field: "id"}}){kind fieldHistory{kind typeBefore typeAfter recordedFrom}}}"#;
    let data = stand.data(&token, field, json!({}));
    assert_eq!(
        data["artifact"]["fieldHistory"],
        json!([
            {"kind": "ADDED", "typeBefore": null, "typeAfter": "int8", "recordedFrom": indexes[4]},
            {"kind": "REMOVED", "typeBefore": "int8", "typeAfter": null, "recordedFrom": indexes[3]},
            {"kind": "RETYPED", "typeBefore": "int4", "typeAfter": "int8", "recordedFrom": indexes[2]},
            {"kind": "ADDED", "typeBefore": null, "typeAfter": "int4", "recordedFrom": indexes[1]},
        ])
    );
    let query = format!("{{artifact(ref: {DATASET_B}){{none: fieldHistory{{kind}} last: fieldHistory(path: \"id\", first: 1){{kind}}}}}}");
    let data = stand.data(&token, &query, json!({}));
    assert_eq!((&data["artifact"]["none"], &data["artifact"]["last"]), (&json!([]), &json!([{"kind": "ADDED"}])));
    let over = format!("{{artifact(ref: {DATASET_B}){{schemaHistory(first: 101){{hash}}}}}}");
    assert_eq!(stand.error(&token, &over, json!({})).0, "BAD_USER_INPUT");
}

#[test]
fn a_page_says_what_its_reader_may_do_there() {
    let stand = Stand::new();
    send_all(&stand, &stand.token(&[Role::Producer]), &[run_event("COMPLETE", 1, 10, &["a"], &["b"])]);
    let can = |token: &str| {
        let data = stand.data(token, &format!("{{artifact(ref: {DATASET_B}){{viewerCan}}}}"), json!({}));
        data["artifact"]["viewerCan"].as_array().unwrap().iter().map(|p| p.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(can(&stand.token(&[Role::Reader])), ["READ_CATALOG", "READ_LINEAGE", "READ_CORE"]);
    let engineer = |namespaces: &[&str]| {
        let namespaces = namespaces.iter().map(|n| (*n).to_owned()).collect();
        stand.token_of(NewToken { roles: vec![Role::Engineer], namespaces, ..new_token() })
    };
    assert!(can(&engineer(&["db"])).contains(&"INGEST_EVENTS".to_owned()));
    // To whoever is good for other namespaces only it is as if nobody had named it.
    let elsewhere = engineer(&["elsewhere"]);
    assert_eq!(stand.data(&elsewhere, &format!("{{artifact(ref: {DATASET_B}){{viewerCan}}}}"), json!({}))["artifact"], Value::Null);
}

#[test]
fn changes_are_told_newest_first_with_who_and_what_and_page_by_page_in_one_state_of_the_world() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Producer, Role::Reader]);
    let mut renamed = run_event("COMPLETE", 5, 50, &["a"], &["c"]);
    renamed["outputs"][0]["facets"] = json!({"lifecycleStateChange": facet(json!({
        "lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": "db", "name": "b"}}))});
    let indexes = send_all(
        &stand,
        &token,
        &[
            with_columns(1, 10, &[("id", "int4")]),
            with_columns(2, 20, &[("id", "int4")]),
            with_columns(3, 30, &[("id", "int8")]),
            run_event("COMPLETE", 4, 40, &["a"], &["other"]),
            renamed,
        ],
    );
    let query = |first: u8, after: &str| {
        let page = format!(
            "changes(first: {first}{after}){{nodes{{index kinds facets actor{{handle}} time recordedAt reason event{{index}}}} pageInfo{{hasNextPage endCursor}}}}"
        );
        stand.data(
            &token,
            &format!("{{artifact(ref: {{dataset: {{namespace: \"db\", name: \"c\"}}}}){{{page}}} viewer{{actor{{handle}}}}}}"),
            json!({}),
        )
    };
    let all = query(20, "");
    let nodes = all["artifact"]["changes"]["nodes"].as_array().unwrap().clone();
    let told: Vec<Value> = nodes.iter().map(|n| json!([n["index"], n["kinds"], n["facets"]])).collect();
    assert_eq!(
        told,
        [
            json!([indexes[4], ["NAMED", "FACET", "FLOW", "ENDED", "ALIAS"], ["lifecycleStateChange"]]),
            json!([indexes[3], ["FLOW"], []]),
            json!([indexes[2], ["FACET"], ["schema"]]),
            json!([indexes[0], ["NAMED", "FACET", "FLOW"], ["schema"]]),
        ],
        "under both names; a run that says nothing new changes nothing"
    );
    for node in &nodes {
        assert_eq!((&node["index"], &node["actor"]), (&node["event"]["index"], &all["viewer"]["actor"]));
        assert_eq!(node["reason"], Value::Null);
    }
    let first = query(1, "");
    let cursor = first["artifact"]["changes"]["pageInfo"]["endCursor"].as_str().unwrap().to_owned();
    send_all(&stand, &token, &[with_columns(6, 55, &[("id", "text")])]);
    let mut paged = first["artifact"]["changes"]["nodes"].as_array().unwrap().clone();
    let rest = query(20, &format!(", after: \"{cursor}\""));
    paged.extend(rest["artifact"]["changes"]["nodes"].as_array().unwrap().iter().cloned());
    assert_eq!(paged, nodes);
    assert_eq!(rest["artifact"]["changes"]["pageInfo"]["hasNextPage"], false);
    let events = stand.data(&token, "{events(first: 1){pageInfo{endCursor}}}", json!({}));
    let foreign = events["events"]["pageInfo"]["endCursor"].as_str().unwrap();
    let bad = format!("{{artifact(ref: {DATASET_B}){{changes(after: \"{foreign}\"){{nodes{{index}}}}}}}}");
    assert_eq!(stand.error(&token, &bad, json!({})).0, "BAD_USER_INPUT");
}

#[test]
fn what_is_next_to_an_artifact_is_counted_whole_and_shown_as_asked() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Producer, Role::Reader]);
    send_all(&stand, &token, &[run_event("COMPLETE", 1, 10, &["a", "a2", "a3"], &["b"])]);
    let query = "query($n: Int!){artifact(ref: {job: {namespace: \"jobs\", name: \"etl\"}}){up: neighbours(direction: UPSTREAM, first: $n){count nodes{name kind} status} \
                 down: neighbours(direction: DOWNSTREAM){count nodes{name} status} both: neighbours(direction: BOTH, first: 0){count nodes{name} status}}}";
    let data = stand.data(&token, query, json!({"n": 10}));
    let mut names: Vec<&str> = data["artifact"]["up"]["nodes"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(
        (names, &data["artifact"]["up"]["count"], &data["artifact"]["up"]["status"]),
        (vec!["a", "a2", "a3"], &json!(3), &json!("COMPLETE"))
    );
    assert_eq!(data["artifact"]["down"], json!({"count": 1, "nodes": [{"name": "b"}], "status": "COMPLETE"}));
    assert_eq!(data["artifact"]["both"], json!({"count": 4, "nodes": [], "status": "TRUNCATED"}));
    let data = stand.data(&token, query, json!({"n": 2}));
    let up = &data["artifact"]["up"];
    assert_eq!((&up["count"], up["nodes"].as_array().unwrap().len(), &up["status"]), (&json!(3), 2, &json!("TRUNCATED")));
}

#[test]
fn statistics_say_how_the_latest_runs_went() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Producer, Role::Reader]);
    let mut events = Vec::new();
    for (run, start, end, state) in [(1, 10, 12, "COMPLETE"), (2, 20, 29, "COMPLETE"), (3, 30, 31, "FAIL"), (4, 40, 43, "COMPLETE")] {
        events.push(run_event("START", run, start, &["a"], &["b"]));
        events.push(run_event(state, run, end, &["a"], &["b"]));
    }
    events.push(run_event("START", 5, 50, &["a"], &["b"]));
    send_all(&stand, &token, &events);
    let query = "query($n: Int!){artifact(ref: {job: {namespace: \"jobs\", name: \"etl\"}}){runs{state durationMs} \
                 runStatistics(last: $n){runs byState{state runs} medianDurationMs longestDurationMs completedAt failedAt}}}";
    let data = stand.data(&token, query, json!({"n": 20}));
    let durations: Vec<&Value> = data["artifact"]["runs"].as_array().unwrap().iter().map(|r| &r["durationMs"]).collect();
    assert_eq!(durations, [&Value::Null, &json!(180_000), &json!(60_000), &json!(540_000), &json!(120_000)]);
    assert_eq!(
        data["artifact"]["runStatistics"],
        json!({
            "runs": 5,
            "byState": [{"state": "START", "runs": 1}, {"state": "FAIL", "runs": 1}, {"state": "COMPLETE", "runs": 3}],
            "medianDurationMs": 180_000,
            "longestDurationMs": 540_000,
            "completedAt": "2026-11-24T00:43:00.000000Z",
            "failedAt": "2026-11-24T00:31:00.000000Z",
        })
    );
    let latest = stand.data(&token, query, json!({"n": 1}));
    let of_one = &latest["artifact"]["runStatistics"];
    assert_eq!((&of_one["runs"], &of_one["medianDurationMs"]), (&json!(1), &Value::Null));
    let dataset = stand.data(&token, &format!("{{artifact(ref: {DATASET_B}){{runStatistics{{runs}}}}}}"), json!({}));
    assert_eq!(dataset["artifact"]["runStatistics"], Value::Null);
}

#[test]
fn quality_is_told_over_runs_to_who_may_read_statistics() {
    let stand = Stand::new();
    let producer = stand.token(&[Role::Producer]);
    let check = |column: &str, success: bool| json!({"assertion": "not_null", "column": column, "success": success, "severity": "error"});
    // `etl` writes `b` and counts it; `check` reads it and tests it, twice.
    let mut made = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    made["outputs"][0]["outputFacets"] = json!({"outputStatistics": facet(json!({"rowCount": 7, "size": 700}))});
    let tested = |run: u8, minute: u32, success: bool| {
        let mut event = run_event("COMPLETE", run, minute, &["b", "x"], &[]);
        event["job"]["name"] = json!("check");
        event["inputs"][0]["inputFacets"] = json!({
            "dataQualityAssertions": facet(json!({"assertions": [check("id", true), check("at", success)]})),
            "dataQualityMetrics": facet(json!({"rowCount": 8, "columnMetrics": {"id": {"nullCount": 0}}})),
        });
        event["inputs"][1]["inputFacets"] = json!({"dataQualityMetrics": facet(json!({"rowCount": 99, "columnMetrics": {}}))});
        event
    };
    // A run of the same job that has nothing to do with `b`.
    let mut elsewhere = run_event("COMPLETE", 4, 25, &["x"], &[]);
    elsewhere["job"]["name"] = json!("check");
    let indexes = send_all(&stand, &producer, &[tested(3, 30, false), made, tested(2, 20, true), elsewhere]);
    let query = format!(
        "query($n: Int!){{artifact(ref: {DATASET_B}){{quality(runs: $n){{run{{startedAt job{{name}}}} assertions{{assertion column success severity}} \
         failed metrics rows bytes files recordedIn}}}}}}"
    );
    let engineer = stand.token(&[Role::Engineer]);
    let data = stand.data(&engineer, &query, json!({"n": 5}));
    let found = data["artifact"]["quality"].as_array().unwrap();
    let told: Vec<Value> =
        found.iter().map(|q| json!([q["run"]["job"]["name"], q["failed"], q["rows"], q["bytes"], q["recordedIn"]])).collect();
    assert_eq!(
        told,
        [json!(["check", 1, 8, null, [indexes[0]]]), json!(["check", 0, 8, null, [indexes[2]]]), json!(["etl", 0, 7, 700, [indexes[1]]]),]
    );
    assert_eq!(found[0]["assertions"][1], json!({"assertion": "not_null", "column": "at", "success": false, "severity": "error"}));
    assert_eq!(found[0]["metrics"]["columnMetrics"]["id"]["nullCount"], 0);
    assert_eq!(stand.data(&engineer, &query, json!({"n": 1}))["artifact"]["quality"].as_array().unwrap(), &found[..1]);
    assert_eq!(stand.data(&stand.token(&[Role::Reader]), &query, json!({"n": 5}))["artifact"]["quality"], Value::Null);
}
