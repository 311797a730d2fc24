//! Inputs with markers in every string.
use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::scan::{CONTENT, NAME, PERSON, WIRE};
use crate::{api::stand::Ask, support::run_event};

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A facet with marked members beside its own.
fn facet(own: Value) -> Value {
    let mut facet = json!({
        "_producer": format!("https://{CONTENT}.example.org/{CONTENT}"),
        "_schemaURL": format!("https://{CONTENT}.example.org/s.json"),
        format!("key {CONTENT}"): [format!("value {CONTENT}"), {"deep": {format!("{CONTENT}é\"\\"): format!("\u{1f980}{CONTENT}\n")}}, 1.5e300],
        "note": format!("ask {PERSON}@example.org or <{PERSON}.x@example.org>"),
    });
    facet.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    facet
}

fn named(noun: &str) -> Value {
    json!({"namespace": format!("{noun}://{NAME}:5432"), "name": format!("{noun}.{NAME}/é \"x\"")})
}

fn dataset_facets(i: usize) -> Value {
    json!({
        format!("custom_{NAME}"): facet(json!({})),
        "schema": facet(json!({"fields": [
            {"name": format!("column_{CONTENT}_{i}"), "type": format!("type {CONTENT}"), "description": format!("words {CONTENT}"),
             "fields": [{"name": format!("nested {CONTENT}")}]}]})),
        "documentation": facet(json!({"description": format!("All of {CONTENT}"), "contentType": format!("text/{CONTENT}")})),
        "ownership": facet(json!({"owners": [
            {"name": format!("Jane {PERSON} {i}"), "type": format!("ROLE {CONTENT}")},
            {"name": format!("user:{PERSON}"), "type": "OWNER"},
            {"name": format!("{PERSON}@example.org")}]})),
        "tags": facet(json!({"tags": [{"key": format!("k {CONTENT}"), "value": format!("v {CONTENT}"), "source": format!("s {CONTENT}"), "field": format!("column_{CONTENT}_{i}")}]})),
        "dataSource": facet(json!({"name": format!("source {CONTENT}"), "uri": format!("postgres://{CONTENT}:{CONTENT}@host/{CONTENT}")})),
        "catalog": facet(json!({"framework": CONTENT, "type": CONTENT, "name": CONTENT, "metadataUri": CONTENT, "warehouseUri": CONTENT, "source": CONTENT})),
        "storage": facet(json!({"storageLayer": CONTENT, "fileFormat": CONTENT})),
        "version": facet(json!({"datasetVersion": format!("version {CONTENT}")})),
        "symlinks": facet(json!({"identifiers": [{"namespace": format!("hive://{NAME}"), "name": format!("linked {NAME}"), "type": format!("TABLE {CONTENT}")}]})),
    })
}

/// Events that are taken: every kind, every facet that acts on the graph, and others.
pub fn accepted() -> Vec<Value> {
    let job_facets = json!({
        "sql": facet(json!({"query": format!("select '{PERSON}@example.org', \"{CONTENT}\" from t_{CONTENT} -- {CONTENT}"), "dialect": CONTENT})),
        "jobType": facet(json!({"processingType": format!("BATCH {CONTENT}"), "integration": format!("I {CONTENT}"), "jobType": format!("J {CONTENT}")})),
        "sourceCode": facet(json!({"language": CONTENT, "sourceCode": format!("print('{CONTENT}')")})),
        "sourceCodeLocation": facet(json!({"type": "git", "url": format!("https://git.example.org/{CONTENT}"), "path": CONTENT, "branch": CONTENT})),
        "ownership": facet(json!({"owners": [{"name": format!("team:{PERSON}"), "type": CONTENT}]})),
        "documentation": facet(json!({"description": CONTENT})),
        format!("custom_{NAME}"): facet(json!({})),
    });
    let mut job = named("job");
    job["facets"] = job_facets;
    let mut input = named("in");
    input["facets"] = dataset_facets(1);
    input["inputFacets"] = json!({
        "dataQualityMetrics": facet(json!({"rowCount": 7, "columnMetrics": {format!("column_{CONTENT}_1"): {"nullCount": 1}}})),
        "dataQualityAssertions": facet(json!({"assertions": [{"assertion": CONTENT, "success": false, "column": CONTENT}]})),
        format!("i_{CONTENT}"): facet(json!({})),
    });
    let mut output = named("out");
    output["facets"] = dataset_facets(2);
    let members = output["facets"].as_object_mut().unwrap();
    members.insert(
        "columnLineage".to_owned(),
        facet(json!({"fields": {format!("column_{CONTENT}_2"): {
            "inputFields": [{"namespace": input["namespace"], "name": input["name"], "field": format!("column_{CONTENT}_1"),
                "transformations": [{"type": "DIRECT", "subtype": format!("S {CONTENT}"), "description": CONTENT, "masking": true}]}],
            "transformationDescription": CONTENT, "transformationType": CONTENT}}})),
    );
    members.insert(
        "lifecycleStateChange".to_owned(),
        facet(json!({"lifecycleStateChange": "RENAME", "previousIdentifier": {"namespace": format!("old://{NAME}"), "name": format!("was {NAME}")}})),
    );
    output["outputFacets"] =
        json!({"outputStatistics": facet(json!({"rowCount": 1, "size": 2})), format!("o_{CONTENT}"): facet(json!({}))});
    let run_facets = json!({
        "parent": facet(json!({
            "run": {"runId": format!("parent-{NAME}")}, "job": named("parent"),
            "root": {"run": {"runId": format!("root-{NAME}")}, "job": named("root")}})),
        "nominalTime": facet(json!({"nominalStartTime": "2026-11-24T00:00:00Z", "nominalEndTime": CONTENT})),
        "errorMessage": facet(json!({"message": format!("no row for {PERSON}@example.org in {CONTENT}"), "programmingLanguage": CONTENT, "stackTrace": format!("at {CONTENT}")})),
        "processing_engine": facet(json!({"version": CONTENT, "name": CONTENT, "openlineageAdapterVersion": CONTENT})),
        "airflow": facet(json!({"dag": {"owner": format!("{PERSON}, jdoe{PERSON}"), "dag_id": CONTENT}, "task": {"owner": PERSON}})),
        "spark_properties": facet(json!({"properties": {"spark.app.name": CONTENT}})),
        "environment-properties": facet(json!({"environment-properties": {"user": PERSON, "userId": CONTENT}})),
        format!("r_{CONTENT}"): facet(json!({})),
    });
    let producer = format!("https://producer.example.org/{NAME}");
    let schema = format!("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{CONTENT}");
    let mut events = Vec::new();
    for (kind, minute) in [("START", 10), ("RUNNING", 11), ("FAIL", 12), ("COMPLETE", 13), ("OTHER", 14), ("ABORT", 15)] {
        events.push(json!({
            "eventType": kind, "eventTime": format!("2026-11-24T10:{minute}:00Z"), "producer": producer, "schemaURL": schema,
            "run": {"runId": format!("run-{NAME}"), "facets": run_facets, format!("run member {CONTENT}"): CONTENT},
            "job": job, "inputs": [input], "outputs": [output], format!("member {CONTENT}"): {"x": [CONTENT]},
        }));
    }
    events.push(json!({"eventTime": "2026-11-24T10:20:00Z", "producer": producer, "schemaURL": schema, "job": job, "inputs": [input], "outputs": [output]}));
    events.push(json!({"eventTime": "2026-11-24T10:21:00Z", "producer": producer, "schemaURL": schema, "dataset": output}));
    events
}

/// Headers in which people and programs put things.
pub fn headers(ask: Ask<'_>) -> Ask<'_> {
    [
        ("user-agent", format!("agent/{WIRE}")),
        ("cookie", format!("session={WIRE}; {WIRE}=1")),
        ("traceparent", format!("00-{WIRE}-{WIRE}-01")),
        ("tracestate", format!("vendor={WIRE}")),
        ("baggage", format!("user={WIRE}")),
        ("idempotency-key", WIRE.to_owned()),
        ("referer", format!("https://example.org/{WIRE}?{WIRE}")),
        ("origin", format!("https://{WIRE}.example.org")),
        ("x-forwarded-for", format!("{WIRE}, 192.0.2.1")),
        ("x-request-id", WIRE.to_owned()),
        ("x-correlation-id", WIRE.to_owned()),
        ("accept-language", WIRE.to_owned()),
    ]
    .into_iter()
    .fold(ask, |ask, (name, value)| ask.with(name, value))
}

/// Requests that are refused, one for each way that comes to mind.
pub fn refused(token: &str) -> Vec<Ask<'static>> {
    const EVENTS: [&str; 2] = ["/api/v1/lineage", "/api/v1/lineage/batch"];
    let mut asks = Vec::new();
    let good = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    let set = |pointer: &str, value: Value| {
        let mut event = good.clone();
        let (object, member) = pointer.rsplit_once('/').unwrap();
        event.pointer_mut(object).unwrap()[member] = value;
        event.to_string()
    };
    let w = |text: &str| text.replace('§', WIRE);
    let mut bodies: Vec<Vec<u8>> = [
        w("§"),
        w("\"§\""),
        w("{\"§\": \"§\""),
        w("{\"§\": \"§\"}"),
        w("{\"a\": \"§\" §}"),
        w("{\"§\": 1, \"§\": 2}"),
        w("{\"$serde_json::private::§\": 1}"),
        w("{\"a\": \"\\u§\"}"),
        w("[\"§\"]"),
        format!("{}\"{WIRE}\"{}", "[".repeat(200), "]".repeat(200)),
        set("/eventType", json!(WIRE)),
        set("/eventTime", json!(WIRE)),
        set("/eventTime", json!({ WIRE: WIRE })),
        set("/schemaURL", json!([WIRE])),
        set("/run", json!(WIRE)),
        set("/run/runId", json!([WIRE])),
        set("/run/runId", json!(WIRE.repeat(1_000))),
        set("/run/facets", json!({ WIRE: WIRE })),
        set("/job/name", json!({ WIRE: WIRE })),
        set("/job/namespace", json!(WIRE.repeat(1_000))),
        set("/job/facets", json!({ WIRE: {"_deleted": WIRE} })),
        set("/inputs", json!({ WIRE: [WIRE] })),
        set("/inputs", json!([{"namespace": WIRE, WIRE: WIRE}])),
        set("/outputs", json!([WIRE])),
        set("/job/facets", json!({"ownership": {"owners": [{"name": WIRE.repeat(1_000)}]}})),
    ]
    .map(String::into_bytes)
    .to_vec();
    bodies.push([b"{\"".as_slice(), WIRE.as_bytes(), b"\xff\"}"].concat());
    for body in bodies {
        for path in EVENTS {
            asks.push(headers(Ask::post(path, "application/json", body.clone())).by(token));
        }
        asks.push(Ask::post("/graphql", "application/json", body.clone()).by(token));
        asks.push(Ask::post("/api/v1/lineage/batch", "application/x-ndjson", [&body[..], b"\n", &body].concat()).by(token));
        asks.push(Ask::post("/api/v1/lineage", "application/json", gzip(&body)).with("content-encoding", "gzip").by(token));
        asks.push(Ask::post("/api/v1/lineage", "application/json", body).with("content-encoding", "gzip").by(token));
    }
    for (name, value) in [
        ("authorization", WIRE.to_owned()),
        ("authorization", format!("Bearer {WIRE}")),
        ("authorization", format!("Bearer ll_{WIRE}{}", "A".repeat(43 - WIRE.len()))),
        ("authorization", format!("Basic {}", STANDARD.encode(format!("{WIRE}:{WIRE}")))),
        ("authorization", format!("{WIRE} {WIRE}")),
    ] {
        for path in ["/api/v1/lineage", "/graphql"] {
            asks.push(headers(Ask::json(path, &good)).with(name, value.clone()));
        }
        asks.push(Ask::get("/ledger/checkpoint").with(name, value));
    }
    for path in EVENTS.into_iter().chain(["/graphql"]) {
        asks.push(Ask::post(path, WIRE, WIRE).by(token));
        asks.push(Ask::post(path, &format!("application/json; charset={WIRE}"), WIRE).by(token));
        asks.push(Ask::json(path, &good).with("content-encoding", WIRE).by(token));
    }
    asks.push(Ask::json("/graphql", &json!({"query": "{viewer{person}}"})).with("accept", WIRE).by(token));
    asks.push(Ask::get("/ledger/checkpoint").with("ledger-min-size", WIRE).by(token));
    for path in [
        "/§",
        "/§/§?§=§",
        "/ledger/§",
        "/ledger/tile/§",
        "/ledger/tile/0/§",
        "/ledger/proof/§",
        "/ledger/opening/§",
        "/ledger/logs/§/checkpoint",
        "/ledger/consistency?from=§",
        "/ledger/consistency?from=0&to=§",
        "/ledger/consistency?§",
        "/ledger/checkpoint?token=§",
        "/livez?access_token=§",
        "/graphql?query=§",
        "/api/v1/lineage?§",
        "/api/v1/§",
    ] {
        asks.push(headers(Ask::get(Box::leak(w(path).into_boxed_str()))).by(token));
    }
    asks
}

/// Questions that are answered; what they ask for may hold names and contents.
pub fn questions() -> Vec<(String, Value)> {
    let w = |text: &str| text.replace('§', WIRE).replace('%', NAME);
    vec![
        (w("query §op {§a: viewer{§b: person} ...§f} fragment §f on Query {ledger{§c: size}}"), json!({})),
        (w("query($§v: String){artifacts(filter: {namespace: $§v}){nodes{id}}}"), json!({ format!("{WIRE}v"): WIRE })),
        (
            w(
                "{artifacts(first: 200){nodes{§a: name namespace nodeId aliases{name} description schema{fields{path type description}} owners{role source} tags{key value} facets{name state json} sql(raw: true) runs{runId facets{name json} parent{runId} events{index parts{text}}}}}}",
            ),
            json!({}),
        ),
        (
            w(
                "{lineage(from: [{job: {namespace: \"job://%:5432\", name: \"job.%/é \\\"x\\\"\"}}], options: {depth: 9}){nodes{name artifact{name}} edges{transformations{subtype} assertions{source event{source parts{json}}}}}}",
            ),
            json!({}),
        ),
        (
            w(
                "{lineage(from: [{dataset: {namespace: \"in://%:5432\", name: \"in.%/é \\\"x\\\"\"}}], options: {depth: 9, level: FIELD}){nodes{name} edges{transformations{subtype description}}}}",
            ),
            json!({}),
        ),
        (
            w(
                "{run(runId: \"run-%\"){runId facets{name json}} artifact(ref: {nodeId: \"dataset:§:§\"}){id} events(filter: {types: [\"§\"]}){nodes{id}}}",
            ),
            json!({}),
        ),
    ]
}

/// Questions that make no sense, or that an admin may not ask.
pub fn bad_questions() -> Vec<(String, Value)> {
    let texts = [
        "§",
        "{§",
        "{§(",
        "{ viewer { person } } §",
        "{viewer{person}} # §\n {",
        "\"§\"",
        "{§}",
        "{viewer{§}}",
        "{viewer{person((§: 1))}}",
        "{artifacts(§: 1){nodes{id}}}",
        "{artifacts(first: §){nodes{id}}}",
        "{artifacts(first: \"§\"){nodes{id}}}",
        "{artifacts(filter: {§: \"§\"}){nodes{id}}}",
        "{artifacts(filter: {kinds: [§]}){nodes{id}}}",
        "{artifacts(filter: {namePrefix: {§: \"§\"}}){nodes{id}}}",
        "{...§}",
        "{... on § {id}}",
        "fragment § on § {id} {viewer{person}}",
        "{viewer @§ {person}}",
        "{viewer @include(if: \"§\"){person}}",
        "{viewer @include(§: true){person}}",
        "query § {viewer{person}} query § {viewer{person}}",
        "query($§: §){viewer{person}}",
        "query($§: Int){viewer{person}}",
        "{artifacts(first: $§){nodes{id}}}",
        "query($§: Int!, $§: Int!){viewer{person}}",
        "query($x: Int = \"§\"){artifacts(first: $x){nodes{id}}}",
        "subscription § {§}",
        "mutation § {§}",
        "{§: viewer{person} §: ledger{size}}",
        "{viewer{§: roles §: may}}",
        "{__type(name: §){name}}",
        "{node(id: \"§\"){id}}",
        "{node(id: {§: 1}){id}}",
        "{artifact(ref: {nodeId: \"§\"}){id}}",
        "{artifact(ref: {nodeId: \"§:§\", run: \"§\"}){id}}",
        "{artifact(ref: {§: 1}){id}}",
        "{artifact(ref: {id: \"§\"}){id}}",
        "{artifact(ref: {run: \"§\"}, asOf: {validAt: \"§\"}){id}}",
        "{artifact(ref: {run: \"§\"}, asOf: {ledgerSize: \"§\"}){id}}",
        "{event(index: \"§\"){id}}",
        "{artifacts(after: \"§\"){nodes{id}}}",
        "{events(after: \"§\"){nodes{id}}}",
        "{tokens(after: \"§\"){nodes{id}}}",
        "{run(runId: \"§\"){id}}",
        "{lineage(from: [{run: \"§\"}]){nodes{id}}}",
        "{lineage(from: [{job: {namespace: \"§\", name: \"§\"}}], options: {direction: §}){nodes{id}}}",
        "{artifacts(filter: {namespace: \"§\"}){nodes{id}}}",
        "{events(filter: {types: [\"§\"]}){nodes{id}}}",
        "mutation{createToken(input: {actor: \"§\", roles: [§], reason: \"§\"}){token}}",
        "mutation{createToken(input: {actor: \"§\", roles: [\"§\"], reason: \"§\"}){token}}",
        "mutation{createToken(input: {actor: \"§\", roles: [READER], reason: \"§\", expiresAt: \"§\"}){token}}",
        "mutation{createToken(input: {§: \"§\"}){token}}",
        "mutation{revokeToken(input: {id: [\"§\"], reason: \"§\"}){receipt{index}}}",
    ];
    let mut all: Vec<(String, Value)> = texts.iter().map(|t| (t.replace('§', WIRE), json!({}))).collect();
    for (kind, value) in [
        ("Int!", json!(WIRE)),
        ("Int!", json!({ WIRE: WIRE })),
        ("[ArtifactKind!]!", json!([WIRE])),
        ("ArtifactRef!", json!({ WIRE: WIRE })),
        ("ArtifactRef!", json!({"nodeId": {WIRE: WIRE}})),
        ("ArtifactRef!", json!({"dataset": {"namespace": WIRE}})),
        ("DateTime!", json!(WIRE)),
        ("Long!", json!(WIRE)),
    ] {
        let used = match kind {
            "Int!" => "artifacts(first: $v){nodes{id}}",
            "[ArtifactKind!]!" => "artifacts(filter: {kinds: $v}){nodes{id}}",
            "ArtifactRef!" => "artifact(ref: $v){id}",
            "DateTime!" => "artifacts(asOf: {validAt: $v}){nodes{id}}",
            _ => "event(index: $v){id}",
        };
        all.push((format!("query($v: {kind}){{{used}}}"), json!({ "v": value })));
    }
    all
}

/// Acts of administration, and whether they are done.
pub fn acts() -> Vec<(String, Value, bool)> {
    let create = "mutation($i: CreateTokenInput!){createToken(input: $i){details{actor} receipt{index} refusal{code message field}}}";
    let revoke = "mutation($i: RevokeTokenInput!){revokeToken(input: $i){receipt{index} refusal{code message field}}}";
    let input = |actor: String, person: bool, namespaces: Value, reason: String| json!({"i": {"actor": actor, "person": person, "roles": ["READER"], "integration": format!("integration {NAME}"), "namespaces": namespaces, "reason": reason}});
    let reason = || format!("{CONTENT} asked by {PERSON}@example.org");
    vec![
        (create.to_owned(), input(format!("{PERSON}@example.org"), true, json!([format!("{NAME}*")]), reason()), true),
        (create.to_owned(), input(format!("{NAME} etl"), false, json!([NAME]), reason()), true),
        (create.to_owned(), input(format!("{WIRE} etl"), false, json!([format!("{WIRE}*{WIRE}")]), reason()), false),
        (create.to_owned(), input(" ".to_owned(), false, json!([WIRE]), WIRE.to_owned()), false),
        (create.to_owned(), input(WIRE.repeat(1_000), true, json!([WIRE]), WIRE.to_owned()), false),
        (create.to_owned(), input(WIRE.to_owned(), true, json!([WIRE]), " ".to_owned()), false),
        (revoke.to_owned(), json!({"i": {"id": WIRE, "reason": WIRE}}), false),
        (revoke.to_owned(), json!({"i": {"id": "00000000-0000-4000-8000-000000000000", "reason": WIRE}}), false),
    ]
}
