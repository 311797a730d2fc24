//! GraphQL over HTTP on a small estate.
use std::collections::BTreeSet;

use ledgerline::access::Role;
use serde_json::{Value, json};

use super::stand::{Ask, Stand};
use crate::support::run_event;

/// a → etl → b, with a schema, SQL and an unknown facet.
fn estate(stand: &Stand) {
    let token = stand.token(&[Role::Producer]);
    let mut event = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    event["job"]["facets"] = json!({
        "sql": {"_producer": "https://example.org/producer", "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/Facet.json", "query": "select * from a where mail = 'marker@example.org'"},
        "jobType": {"_producer": "https://example.org/producer", "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/Facet.json", "processingType": "BATCH", "integration": "DBT", "jobType": "MODEL"},
    });
    event["outputs"][0]["facets"] = json!({
        "schema": {"_producer": "https://example.org/producer", "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/Facet.json", "fields": [{"name": "id", "type": "int8"}, {"name": "at", "type": "timestamptz", "description": "when"}]},
        "documentation": {"_producer": "https://example.org/producer", "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/Facet.json", "description": "All orders"},
        "custom_thing": {"_producer": "https://example.org/producer", "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/Facet.json", "big": 12345678901234567890123_u128.to_string(), "x": 1.5},
    });
    assert_eq!(stand.send(&token, &event).status, 201);
}

const DATASET_B: &str = r#"{dataset: {namespace: "db", name: "b"}}"#;

#[test]
fn lineage_goes_the_way_that_is_asked_and_says_what_it_stands_on() {
    let stand = Stand::new();
    estate(&stand);
    let token = stand.token(&[Role::Reader]);
    let query = format!(
        "query($d: Direction!){{lineage(from: [{DATASET_B}], options: {{direction: $d, depth: 5}}){{nodes{{id kind name depth restricted remaining}} edges{{from to kind job}} completeness{{status reasons frontier}} asOf{{validAt ledgerSize rootHash}}}} ledger{{size rootHash}}}}"
    );
    let names = |data: &Value| -> Vec<(String, u64)> {
        let nodes = data["lineage"]["nodes"].as_array().unwrap();
        nodes.iter().map(|n| (n["name"].as_str().unwrap().to_owned(), n["depth"].as_u64().unwrap())).collect()
    };
    let up = stand.data(&token, &query, json!({"d": "UPSTREAM"}));
    assert_eq!(names(&up), [("b".to_owned(), 0), ("etl".to_owned(), 1), ("a".to_owned(), 2)]);
    let kinds: Vec<_> = up["lineage"]["edges"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().collect::<BTreeSet<_>>().len(), 2);
    assert_eq!(up["lineage"]["completeness"], json!({"status": "COMPLETE", "reasons": [], "frontier": []}));
    assert_eq!(
        (&up["lineage"]["asOf"]["ledgerSize"], &up["lineage"]["asOf"]["rootHash"]),
        (&up["ledger"]["size"], &up["ledger"]["rootHash"])
    );
    let down = stand.data(&token, &query, json!({"d": "DOWNSTREAM"}));
    assert_eq!(names(&down), [("b".to_owned(), 0)]);

    // The same start in every spelling.
    for start in [
        r#"{nodeId: "dataset:db:b"}"#.to_owned(),
        format!("{{id: {}}}", up["lineage"]["nodes"][0]["id"]),
        r#"{artifact: {kind: DATASET, namespace: "db", name: "b"}}"#.to_owned(),
    ] {
        let data = stand.data(&token, &query.replace(DATASET_B, &start), json!({"d": "UPSTREAM"}));
        assert_eq!(data["lineage"]["nodes"], up["lineage"]["nodes"], "{start}");
    }
}

#[test]
fn flat_answers_and_answers_with_evidence_agree() {
    let stand = Stand::new();
    estate(&stand);
    let token = stand.token(&[Role::Engineer, Role::Auditor]);
    let fields = "id kind namespace name aliases{namespace name} depth selfLoop deletedAt remaining";
    let edges = "from to kind job transformations{type masking} validFrom validUntil";
    let query = |node: &str, edge: &str| {
        format!(
            "{{lineage(from: [{DATASET_B}], options: {{depth: 9}}){{nodes{{{fields} {node}}} edges{{{edges} {edge}}} asOf{{rootHash}}}}}}"
        )
    };
    let flat = stand.data(&token, &query("", ""), json!({}));
    let mut whole = stand.data(
        &token,
        &query(
            "artifact{id name kind}",
            "assertions{source validFrom recordedFrom event{index leafHash proof{tlogProof} parts{class state json}}}",
        ),
        json!({}),
    );
    for edge in whole["lineage"]["edges"].as_array_mut().unwrap() {
        let assertions = edge.as_object_mut().unwrap().remove("assertions").unwrap();
        assert_eq!(assertions[0]["recordedFrom"], assertions[0]["event"]["index"]);
        assert!(assertions[0]["event"]["proof"]["tlogProof"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\n"));
    }
    for node in whole["lineage"]["nodes"].as_array_mut().unwrap() {
        let artifact = node.as_object_mut().unwrap().remove("artifact").unwrap();
        assert_eq!((&artifact["id"], &artifact["name"], &artifact["kind"]), (&node["id"], &node["name"], &node["kind"]));
    }
    assert_eq!(flat, whole);
}

#[test]
fn an_artifact_shows_what_its_reader_may_see() {
    let stand = Stand::new();
    estate(&stand);
    let reader = stand.token(&[Role::Reader]);
    let engineer = stand.token(&[Role::Engineer]);
    let dataset = format!(
        "{{artifact(ref: {DATASET_B}){{nodeId description schema{{fields{{path type description}}}} facets(names: [\"custom_thing\", \"schema\"]){{name state json}} runs{{id}}}}}}"
    );
    let data = stand.data(&reader, &dataset, json!({}));
    let artifact = &data["artifact"];
    assert_eq!((&artifact["nodeId"], &artifact["description"]), (&json!("dataset:db:b"), &json!("All orders")));
    assert_eq!(artifact["schema"][0]["fields"][1], json!({"path": "at", "type": "timestamptz", "description": "when"}));
    let states = |v: &Value| -> Vec<(String, String)> {
        v["artifact"]["facets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| (f["name"].as_str().unwrap().to_owned(), f["state"].as_str().unwrap().to_owned()))
            .collect()
    };
    assert_eq!(states(&data), [("custom_thing".to_owned(), "FORBIDDEN".to_owned()), ("schema".to_owned(), "OPEN".to_owned())]);
    let data = stand.data(&engineer, &dataset, json!({}));
    assert_eq!(data["artifact"]["facets"][0]["json"]["big"], "12345678901234567890123");

    let job = r#"query($raw: Boolean!){artifact(ref: {job: {namespace: "jobs", name: "etl"}}){sql(raw: $raw) jobType{integration} runs{runId state startedAt endedAt inputs{name} outputs{name} job{name}}}}"#;
    let data = stand.data(&reader, job, json!({"raw": false}));
    let sql = data["artifact"]["sql"].as_str().unwrap();
    assert!(sql.starts_with("select * from a where mail =") && !sql.contains("marker"), "{sql}");
    assert_eq!(data["artifact"]["jobType"]["integration"], "DBT");
    let run = &data["artifact"]["runs"][0];
    assert_eq!(
        (&run["state"], &run["inputs"][0]["name"], &run["outputs"][0]["name"], &run["job"]["name"]),
        (&json!("COMPLETE"), &json!("a"), &json!("b"), &json!("etl"))
    );
    assert_eq!(stand.error(&reader, job, json!({"raw": true})).0, "FORBIDDEN");
    let raw = stand.data(&engineer, job, json!({"raw": true}));
    assert!(raw["artifact"]["sql"].as_str().unwrap().contains("'marker@example.org'"));
}

#[test]
fn pages_give_each_once_and_stand_on_the_first_ones_instant() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Producer, Role::Reader]);
    let names: Vec<String> = (0..23).map(|i| format!("t{i:02}")).collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(stand.send(&token, &run_event("COMPLETE", 1, 10, &refs, &["out"])).status, 201);
    let query = "query($after: String){artifacts(first: 4, after: $after, filter: {kinds: [DATASET]}){edges{cursor node{id name}} pageInfo{hasNextPage endCursor hasPreviousPage}}}";
    let (mut seen, mut after, mut pages) = (Vec::new(), Value::Null, 0);
    loop {
        let data = stand.data(&token, query, json!({ "after": after }));
        let page = &data["artifacts"];
        assert_eq!(page["pageInfo"]["hasPreviousPage"], json!(pages > 0));
        seen.extend(page["edges"].as_array().unwrap().iter().map(|e| e["node"]["name"].as_str().unwrap().to_owned()));
        // Written between pages: not in this walk, which stands on its first page.
        assert_eq!(
            stand.send(&token, &run_event("COMPLETE", 100 + pages, 20 + u32::from(pages), &[&format!("t{pages:02}x")], &["out"])).status,
            201
        );
        after = page["pageInfo"]["endCursor"].clone();
        pages += 1;
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    let mut expected = names.clone();
    expected.insert(0, "out".to_owned());
    assert_eq!((seen, pages), (expected, 6));
    let asked = "query($after: String){artifacts(after: $after, asOf: {ledgerSize: 1}){nodes{id}}}";
    assert_eq!(stand.error(&token, asked, json!({ "after": after })).0, "BAD_USER_INPUT");
    assert_eq!(
        stand.error(&token, "query($after: String){events(after: $after){nodes{id}}}", json!({ "after": after })).0,
        "BAD_USER_INPUT"
    );

    let events = stand.data(&token, "{events(first: 2){edges{cursor node{index}} pageInfo{endCursor}}}", json!({}));
    let next = stand.data(
        &token,
        "query($after: String){events(first: 200, after: $after){nodes{index}}}",
        json!({"after": events["events"]["pageInfo"]["endCursor"]}),
    );
    assert_eq!(next["events"]["nodes"][0]["index"], 2);
}

#[test]
fn bad_input_has_a_code_and_a_sentence() {
    let stand = Stand::new();
    estate(&stand);
    let token = stand.token(&[Role::Reader]);
    let lineage = |options: &str| format!("{{lineage(from: [{DATASET_B}], options: {{{options}}}){{nodes{{id}}}}}}");
    for (query, code, says) in [
        ("{artifacts(first: -1){nodes{id}}}".to_owned(), "BAD_USER_INPUT", "`first` is -1"),
        ("{artifacts(first: 201){nodes{id}}}".to_owned(), "BAD_USER_INPUT", "at most 200"),
        ("{events(first: 1000000){nodes{id}}}".to_owned(), "BAD_USER_INPUT", "at most 200"),
        ("{artifacts(after: \"bm9uc2Vuc2U\"){nodes{id}}}".to_owned(), "BAD_USER_INPUT", "not a cursor"),
        ("{node(id: \"nonsense\"){id}}".to_owned(), "BAD_USER_INPUT", "not an id"),
        ("{artifact(ref: {id: \"BAAAAAAAAAAH\"}){id}}".to_owned(), "BAD_USER_INPUT", "of an event"),
        ("{artifact(ref: {}){id}}".to_owned(), "BAD_USER_INPUT", ""),
        ("{artifact(ref: {nodeId: \"x\"}){id}}".to_owned(), "BAD_USER_INPUT", "a node id is"),
        ("{artifact(ref: {run: \"r\", nodeId: \"dataset:a:b\"}){id}}".to_owned(), "BAD_USER_INPUT", ""),
        (lineage("depth: 101"), "BAD_USER_INPUT", "`depth` is 101"),
        (lineage("depth: -1"), "BAD_USER_INPUT", "must not be negative"),
        (lineage("maxNodes: 20001"), "BAD_USER_INPUT", "`maxNodes`"),
        (lineage("perNodeLimit: 10001"), "BAD_USER_INPUT", "`perNodeLimit`"),
        (lineage("direction: SIDEWAYS"), "BAD_USER_INPUT", ""),
        (lineage("depth: 99999999999"), "BAD_USER_INPUT", ""),
        ("{lineage(from: []){nodes{id}}}".to_owned(), "BAD_USER_INPUT", "no start"),
        ("{lineage(from: [{dataset: {namespace: \"db\", name: \"nope\"}}]){nodes{id}}}".to_owned(), "NOT_FOUND", ""),
        (format!("{{lineage(from: [{DATASET_B}], minLedgerSize: 999){{nodes{{id}}}}}}"), "STALE", ""),
        (format!("{{artifact(ref: {DATASET_B}, asOf: {{ledgerSize: 999}}){{id}}}}"), "STALE", ""),
        (format!("{{artifact(ref: {DATASET_B}, asOf: {{validAt: \"yesterday\"}}){{id}}}}"), "BAD_USER_INPUT", ""),
        (format!("{{artifact(ref: {DATASET_B}, asOf: {{ledgerSize: -1}}){{id}}}}"), "BAD_USER_INPUT", ""),
        (
            format!("{{{}}}", (0..31).map(|i| format!("a{i}:viewer{{person}}")).collect::<String>()),
            "COMPLEXITY_EXCEEDED",
            "`graphql.aliases_max`, 30",
        ),
        ("{viewer{nope}}".to_owned(), "BAD_USER_INPUT", ""),
        ("{".to_owned(), "BAD_USER_INPUT", ""),
    ] {
        let (got, message) = stand.error(&token, &query, json!({}));
        assert!(got == code && message.contains(says), "{query}: {got} {message}");
    }
    for (query, nothing) in [
        ("{artifact(ref: {dataset: {namespace: \"db\", name: \"nope\"}}){id}}", "artifact"),
        ("{run(runId: \"nope\"){id}}", "run"),
        ("{event(index: 999){id}}", "event"),
        ("{node(id: \"BAAAAAAAAAPn\"){id}}", "node"),
    ] {
        assert_eq!(stand.data(&token, query, json!({})), json!({ nothing: null }), "{query}");
    }
    assert_eq!(stand.data(&token, "{viewer{person}}", json!({})), json!({"viewer": {"person": false}}));
}

#[test]
fn every_id_leads_back_to_what_it_is_of() {
    let stand = Stand::new();
    estate(&stand);
    let token = stand.token(&[Role::Reader]);
    let data = stand.data(
        &token,
        &format!(
            "{{artifact(ref: {DATASET_B}){{id}} run(runId: \"00000000-0000-4000-8000-000000000001\"){{id runId events{{id}}}} field: lineage(from: [{{field: {{namespace: \"db\", dataset: \"b\", field: \"at\"}}}}], options: {{level: FIELD}}){{nodes{{id dataset}}}}}}"
        ),
        json!({}),
    );
    let ids = [
        ("Artifact", &data["artifact"]["id"]),
        ("Run", &data["run"]["id"]),
        ("LedgerEvent", &data["run"]["events"][0]["id"]),
        ("Artifact", &data["field"]["nodes"][0]["id"]),
    ];
    for (ty, id) in ids {
        let node = stand.data(&token, "query($id: ID!){node(id: $id){__typename id}}", json!({ "id": id }));
        assert_eq!(node["node"], json!({"__typename": ty, "id": id}));
    }
    assert_eq!(data["field"]["nodes"][0]["dataset"], data["artifact"]["id"]);
}

#[test]
fn media_types_decide_the_status() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Reader]);
    let ask = |accept: &str, body: &str| {
        let answer = stand.ask(Ask::post("/graphql", "application/json", body).with("accept", accept).by(&token));
        (answer.status, answer.header("content-type").unwrap().split(';').next().unwrap().to_owned(), answer.json().get("data").is_some())
    };
    let (json_type, graphql_type) = ("application/json".to_owned(), "application/graphql-response+json".to_owned());
    for (body, json_status, graphql_status, data) in [
        (r#"{"query":"{viewer{person}}"}"#, 200, 200, true),
        (r#"{"query":"{"}"#, 200, 400, false),
        (r#"{"query":"{nope}"}"#, 200, 400, false),
        (r#"{"query":"query($n:Int!){artifacts(first:$n){nodes{id}}}","variables":{"n":"x"}}"#, 200, 400, false),
        (r#"{"query":"{artifacts(first:-1){nodes{id}}}"}"#, 200, 400, true),
        (r#"{"query":"{a:artifact(ref:{nodeId:\"x\"}){id} viewer{person}}"}"#, 200, 200, true),
        (r#"{"query":"query A{viewer{person}} query B{viewer{person}}"}"#, 200, 400, false),
        (r#"{"query":"query A{viewer{person}} query B{viewer{person}}","operationName":"B"}"#, 200, 200, true),
        (r#"{"nope":1}"#, 400, 400, false),
        ("{", 400, 400, false),
    ] {
        assert_eq!(ask("application/json", body), (json_status, json_type.clone(), data), "{body}");
        assert_eq!(ask("application/graphql-response+json", body), (graphql_status, graphql_type.clone(), data), "{body}");
    }
}

#[test]
fn batches_have_a_cap_and_read_one_state() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Reader]);
    let one = json!({"query": "{ledger{size rootHash}}"});
    let batch = |n: usize| stand.ask(Ask::json("/graphql", &Value::Array(vec![one.clone(); n])).by(&token));
    let answer = batch(5);
    let responses = answer.json();
    assert_eq!((answer.status, responses.as_array().unwrap().len()), (200, 5));
    assert!(responses.as_array().unwrap().iter().all(|r| r == &responses[0]));
    assert_eq!((batch(6).status, batch(6).code().as_str()), (400, "BAD_USER_INPUT"));
    assert_eq!(batch(0).status, 400);
}

#[test]
fn no_act_is_done_by_get() {
    let stand = Stand::with(|_| {}, |s| s.graphql.get_queries = true);
    let admin = stand.token(&[Role::Admin]);
    let get = |query: &str| stand.ask(Ask::get(&format!("/graphql?query={query}")).by(&admin));
    assert_eq!(get("%7Bviewer%7Bperson%7D%7D").json(), json!({"data": {"viewer": {"person": false}}}));
    let refused = get("mutation%7BrevokeToken(input%3A%7Bid%3A%22x%22%2Creason%3A%22y%22%7D)%7Brefusal%7Bcode%7D%7D%7D");
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")));
    let off = Stand::new();
    let token = off.token(&[Role::Reader]);
    let refused = off.ask(Ask::get("/graphql?query=%7Bviewer%7Bperson%7D%7D").by(&token));
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")));
}
