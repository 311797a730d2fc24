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
    assert!(!can(&engineer(&["elsewhere"])).contains(&"INGEST_EVENTS".to_owned()));
}
