//! GraphQL: arguments, ids, cursors, documents.
use ledgerline::access::Role;
use serde_json::{Value, json};

use super::Guarded;
use crate::{
    api::stand::{Ask, Stand},
    support::{World, config, run_event},
};

#[test]
fn sizes_below_zero_and_over_the_maximum_are_errors_that_name_the_argument() {
    let guarded = Guarded::new();
    for list in ["artifacts", "events", "tokens"] {
        for (first, sentence) in [
            (-1, "`first` is -1, it must not be negative"),
            (i32::MIN, "it must not be negative"),
            (201, "`first` is 201, at most 200 is answered"),
            (i32::MAX, "at most 200 is answered"),
        ] {
            let (code, message) = guarded.stand.error(&guarded.token, &format!("{{{list}(first: {first}){{nodes{{id}}}}}}"), json!({}));
            assert_eq!(code, "BAD_USER_INPUT");
            assert!(message.contains(sentence), "{list}: {message}");
        }
        let none = guarded.stand.data(&guarded.token, &format!("{{{list}(first: 0){{nodes{{id}} pageInfo{{hasNextPage}}}}}}"), json!({}));
        assert_eq!(none[list]["nodes"], json!([]), "nothing asked for, nothing answered");
        for odd in ["1.5", "\"1\"", "true", "99999999999", "null"] {
            let answer = guarded.stand.graphql(&guarded.token, &format!("{{{list}(first: {odd}){{nodes{{id}}}}}}"), json!({}));
            let fine = answer.json().get("errors").is_none();
            assert!(fine == (odd == "null") && answer.status == 200, "{list} {odd}: {}", answer.text());
        }
    }
    for option in ["depth: -1", "depth: 101", "maxNodes: -1", "maxNodes: 20001", "perNodeLimit: -5", "perNodeLimit: 10001"] {
        let query = format!("{{lineage(from: [{{run: \"x\"}}], options: {{{option}}}){{nodes{{id}}}}}}");
        let (code, message) = guarded.stand.error(&guarded.token, &query, json!({}));
        let argument = option.split(':').next().unwrap();
        assert!(code == "BAD_USER_INPUT" && message.contains(&format!("{argument}`")), "{option}: {code} {message}");
    }
    guarded.still_works();
}

#[test]
fn ids_of_another_kind_or_of_none_are_errors() {
    let guarded = Guarded::new();
    let event = guarded.stand.data(&guarded.token, "{events{nodes{id}}}", json!({}))["events"]["nodes"][0]["id"].clone();
    let artifact = "query($id: ID!){artifact(ref: {id: $id}){id}}";
    let (code, message) = guarded.stand.error(&guarded.token, artifact, json!({ "id": event }));
    assert!(code == "BAD_USER_INPUT" && message.contains("that of an event"), "{message}");
    for bad in ["", "x", "1", "dataset:db:a", "00000000-0000-4000-8000-000000000001", &"A".repeat(100_000)] {
        for query in [artifact, "query($id: ID!){node(id: $id){id}}", "query($id: ID!){lineage(from: [{id: $id}]){nodes{id}}}"] {
            let (code, message) = guarded.stand.error(&guarded.token, query, json!({ "id": bad }));
            assert_eq!(code, "BAD_USER_INPUT", "{message}");
            assert!(bad.len() < 2 || !message.contains(bad), "{message}");
        }
    }
    for bad in ["", "dataset", "dataset:", "dataset:x", "nothing:a:b", "datasetField:a:b", ":", "run:", &":".repeat(5_000)] {
        let query = "query($id: String!){artifact(ref: {nodeId: $id}){id}}";
        let (code, _) = guarded.stand.error(&guarded.token, query, json!({ "id": bad }));
        assert_eq!(code, "BAD_USER_INPUT", "{bad}");
    }
    for (query, variables) in [
        ("query($r: ArtifactRef!){artifact(ref: $r){id}}", json!({"r": {}})),
        ("query($r: ArtifactRef!){artifact(ref: $r){id}}", json!({"r": {"run": "a", "nodeId": "b"}})),
        ("query($r: ArtifactRef!){artifact(ref: $r){id}}", json!({"r": {"run": null}})),
        ("query($r: ArtifactRef!){artifact(ref: $r){id}}", json!({"r": {"artifact": {"kind": "RUN", "namespace": "", "name": "x"}}})),
        ("query($i: Long!){event(index: $i){id}}", json!({"i": -1})),
        ("query($i: Long!){event(index: $i){id}}", json!({"i": 1.5})),
        ("query($i: Long!){event(index: $i){id}}", json!({"i": "1"})),
        ("query($i: Long!){event(index: $i){id}}", json!({"i": 9_223_372_036_854_775_808_u64})),
        ("query($t: DateTime!){artifacts(asOf: {validAt: $t}){nodes{id}}}", json!({"t": "yesterday"})),
        ("query($t: DateTime!){artifacts(asOf: {validAt: $t}){nodes{id}}}", json!({"t": "2026-11-24T12:00:00"})),
        ("query($t: DateTime!){artifacts(asOf: {validAt: $t}){nodes{id}}}", json!({"t": 7})),
        ("query{artifacts(filter: {kinds: [NOTHING]}){nodes{id}}}", json!({})),
        ("query{lineage(from: []){nodes{id}}}", json!({})),
        ("query($n: Int!){artifacts(first: $n){nodes{id}}}", json!({})),
    ] {
        let answer = guarded.stand.graphql(&guarded.token, query, variables.clone());
        assert_eq!((answer.status, answer.code().as_str()), (200, "BAD_USER_INPUT"), "{query} {variables}: {}", answer.text());
    }
    // What is well-formed and unknown is none, not an error.
    for query in [
        r#"{artifact(ref: {run: "00000000-0000-4000-8000-00000000dead"}){id}}"#,
        r#"{artifact(ref: {nodeId: "dataset:a:b:c"}){id}}"#,
        r#"{artifact(ref: {nodeId: "datasetField:a:b:c"}){id}}"#,
        "{event(index: 9223372036854775807){id}}",
    ] {
        let data = guarded.stand.data(&guarded.token, query, json!({}));
        assert!(data.as_object().unwrap().values().all(Value::is_null), "{query}");
    }
    let far = guarded.stand.error(&guarded.token, "{artifacts(asOf: {ledgerSize: 9223372036854775807}){nodes{id}}}", json!({}));
    assert_eq!(far.0, "STALE");
    for edge in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"] {
        guarded.stand.data(&guarded.token, &format!("{{artifacts(asOf: {{validAt: \"{edge}\"}}){{nodes{{id}}}}}}"), json!({}));
    }
    guarded.still_works();
}

#[test]
fn cursors_are_good_where_they_were_made_and_nowhere_else() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer, Role::Auditor]);
    for i in 0..3 {
        assert_eq!(stand.send(&token, &run_event("COMPLETE", i, 10, &["a"], &["b"])).status, 201);
    }
    let guarded = Guarded::of(stand);
    let cursor = |stand: &Stand, token: &str, list: &str| -> String {
        let data = stand.data(token, &format!("{{{list}(first: 1){{pageInfo{{endCursor}}}}}}"), json!({}));
        data[list]["pageInfo"]["endCursor"].as_str().unwrap().to_owned()
    };
    let lists = ["artifacts", "events", "tokens"];
    let other = Stand::over(World::seeded(8, &config(), |b| b), |_| {});
    let stranger = other.token(&[Role::Engineer, Role::Auditor]);
    assert_eq!(other.send(&stranger, &run_event("COMPLETE", 1, 10, &["a"], &["b"])).status, 201);
    for list in lists {
        let query = format!("query($after: String){{{list}(after: $after){{nodes{{id}}}}}}");
        let own = cursor(&guarded.stand, &guarded.token, list);
        guarded.stand.data(&guarded.token, &query, json!({ "after": own }));
        let mut bad = vec![
            cursor(&other, &stranger, list),
            String::new(),
            "x".to_owned(),
            own[1..].to_owned(),
            format!("{own}A"),
            own.to_uppercase(),
            "A".repeat(100_000),
        ];
        bad.extend(lists.iter().filter(|l| **l != list).map(|l| cursor(&guarded.stand, &guarded.token, l)));
        bad.extend((0..own.len()).step_by(3).map(|n| own[..n].to_owned()));
        bad.extend((0..own.len()).map(|n| {
            let swapped = if own.as_bytes()[n] == b'A' { 'B' } else { 'A' };
            format!("{}{swapped}{}", &own[..n], &own[n + 1..])
        }));
        for after in bad {
            // The last character holds bits that are no part of the bytes: some spellings differ and mean the same.
            if after.len() == own.len() && after[..own.len() - 1] == own[..own.len() - 1] {
                continue;
            }
            let (code, message) = guarded.stand.error(&guarded.token, &query, json!({ "after": after }));
            assert_eq!(
                (code.as_str(), message.as_str()),
                ("BAD_USER_INPUT", "not a cursor that this server made for this list"),
                "{list} {after}"
            );
        }
        let odd = guarded.stand.graphql(&guarded.token, &query, json!({"after": 7}));
        assert_eq!(odd.code(), "BAD_USER_INPUT");
    }
    guarded.nothing_happened();
}

#[test]
fn documents_that_are_none_are_told_where_they_go_wrong_and_not_repeated() {
    let guarded = Guarded::new();
    for query in [
        "",
        "{",
        "}",
        "{jane",
        "query {artifact(ref: jane) {id}",
        "jane",
        "{viewer{person}} {viewer{person}}",
        "subscription{jane}",
        "{jane}",
        "query Q($jane: Int){viewer{person}}",
        "{viewer{person(jane: 1)}}",
        "{viewer @jane{person}}",
        "{...Jane}",
        "fragment Jane on Query{jane}",
        "{artifacts(filter: {jane: 1}){nodes{id}}}",
    ] {
        let answer = guarded.stand.graphql(&guarded.token, query, json!({}));
        assert_eq!((answer.status, answer.code().as_str()), (200, "BAD_USER_INPUT"), "{query}: {}", answer.text());
        assert!(!answer.text().to_lowercase().contains("jane"), "{}", answer.text());
        assert!(answer.json().get("data").is_none(), "{}", answer.text());
    }
    let named = json!({"query": "query A{viewer{person}} query B{viewer{person}}"});
    for name in [Value::Null, json!("Jane"), json!("")] {
        let mut body = named.clone();
        body["operationName"] = name;
        let answer = guarded.ask(Ask::json("/graphql", &body).by(&guarded.token));
        assert_eq!((answer.status, answer.code().as_str()), (200, "BAD_USER_INPUT"));
        assert!(!answer.text().contains("Jane"), "{}", answer.text());
    }
    for (body, status) in [
        ("", 400),
        ("[]", 400),
        ("{}", 400),
        ("nope", 400),
        (r#"{"query": 1}"#, 400),
        (r#"{"query": "{viewer{person}}", "variables": []}"#, 400),
        (r#"{"query": "{viewer{person}}", "query": "{viewer{person}}"}"#, 400),
    ] {
        let answer = guarded.ask(Ask::post("/graphql", "application/json", body).by(&guarded.token));
        assert_eq!((answer.status, answer.code().as_str()), (status, "BAD_USER_INPUT"), "{body}: {}", answer.text());
    }
    let invalid = guarded.ask(Ask::post("/graphql", "application/json", b"{\"query\": \"\xff\"}".to_vec()).by(&guarded.token));
    assert_eq!((invalid.status, invalid.code().as_str()), (400, "BAD_USER_INPUT"));
    let large = guarded.ask(Ask::post("/graphql", "application/json", vec![b' '; (1 << 20) + 1]).by(&guarded.token));
    assert_eq!((large.status, large.code().as_str()), (413, "TOO_LARGE"));
    for kind in ["text/plain", "application/graphql", "application/x-www-form-urlencoded"] {
        assert_eq!(guarded.ask(Ask::post("/graphql", kind, "{}").by(&guarded.token)).status, 415);
    }
    guarded.still_works();
}

#[test]
fn documents_that_cost_too_much_are_refused_before_they_run() {
    let guarded = Guarded::new();
    let nested = |n: usize| format!("{{artifacts{{nodes{}id{}}}}}", "{runs{job".repeat(n), "}}".repeat(n).as_str());
    let long_list = format!("{{artifacts(filter: {{kinds: [{}]}}){{nodes{{id}}}}}}", "JOB,".repeat(5_000));
    let value = format!("{{artifacts(filter: {}{}){{nodes{{id}}}}}}", "{kinds:".repeat(10_000), "}".repeat(10_000));
    let aliases: String = (0..31).map(|i| format!("a{i}: viewer{{person}} ")).collect();
    let bomb: String = (0..15).map(|i| format!(" fragment F{i} on Query{{...F{} ...F{}}}", i + 1, i + 1)).collect();
    for query in [
        nested(20),
        nested(10_000),
        long_list,
        value,
        format!("{{{aliases}}}"),
        format!("{{...F0}}{bomb} fragment F15 on Query{{viewer{{person}}}}"),
        "{".repeat(10_000),
        "{a: lineage(from: [{run: \"x\"}], options: {maxNodes: 20000}){nodes{artifact{runs(first: 100){events(first: 200){parts{text}}}}}}}".to_owned(),
    ] {
        let answer = guarded.stand.graphql(&guarded.token, &query, json!({}));
        let code = answer.code();
        assert!(answer.status == 200 && ["COMPLEXITY_EXCEEDED", "BAD_USER_INPUT"].contains(&code.as_str()), "{code}: {}", &query[..60]);
    }
    guarded.still_works();
}
