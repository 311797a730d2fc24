//! Declarations: every mutation leaves an entry that fits its published schema,
//! is replayed like any other, and is done once however often it is sent.
use std::collections::BTreeMap;

use async_graphql::parser::{
    parse_schema,
    types::{TypeKind, TypeSystemDefinition},
};
use ledgerline::{access::Role, api::graphql::sdl, app::tokens::NewToken};
use serde_json::{Value, json};

use super::stand::{Ask, Stand, new_token};
use crate::verify::{folder::Folder, passes};

const SCREEN: &str = r#"{kind: SCREEN, namespace: "app", name: "orders"}"#;

/// Each mutation: an input, the selection that only it has, and the type of its event.
fn acts() -> Vec<(&'static str, String, &'static str)> {
    let of = r#"artifact: {artifact: {kind: SCREEN, namespace: "app", name: "orders"}}"#;
    vec![
        ("createToken", r#"{actor: "robot", roles: [READER], reason: "r"}"#.to_owned(), "token.created.v1"),
        ("revokeToken", r#"{id: "TOKEN", reason: "r"}"#.to_owned(), "token.revoked.v1"),
        (
            "registerArtifact",
            format!(r#"{{artifact: {SCREEN}, definition: {{fields: ["a"], size: 1.50}}, reason: "told by jane@example.org"}}"#),
            "catalog.artifact.registered.v1",
        ),
        (
            "recordArtifactVersion",
            format!(r#"{{{of}, definition: {{fields: ["a", "b"], size: 2}}, reason: "r"}}"#),
            "catalog.artifact.version.v1",
        ),
        ("setOwners", format!(r#"{{{of}, owners: [{{name: "joe@example.org", role: "MAINTAINER"}}], reason: "r"}}"#), "catalog.owners.set.v1"),
        ("setTags", format!(r#"{{{of}, tags: [{{key: "tier", value: "1"}}, {{key: "pii", field: "a"}}], reason: "r"}}"#), "catalog.tags.set.v1"),
        (
            "assertFlows",
            r#"{job: {namespace: "app", name: "by hand"}, inputs: [{namespace: "app", name: "in"}], outputs: [{namespace: "app", name: "out"}],
               owner: "Jane Roe", reviewAt: "2027-11-24T00:00:00Z", reason: "r"}"#
                .to_owned(),
            "catalog.flows.asserted.v1",
        ),
        (
            "endFlow",
            r#"{job: {namespace: "app", name: "by hand"}, dataset: {namespace: "app", name: "out"}, kind: WAS_GENERATED_BY, reason: "r"}"#.to_owned(),
            "catalog.flow.ended.v1",
        ),
        ("retireArtifact", format!(r#"{{{of}, reason: "r"}}"#), "catalog.artifact.retired.v1"),
        ("retireNamespace", r#"{namespace: "app", reason: "r"}"#.to_owned(), "catalog.namespace.retired.v1"),
        // An admin may redact what administrators said.
        ("redactPart", r#"{index: INDEX, class: REST, reason: "r"}"#.to_owned(), "catalog.part.redacted.v1"),
    ]
}

fn document(mutation: &str, input: &str) -> String {
    format!(
        "mutation {{ {mutation}(input: {input}) {{ receipt {{ index eventId recordedAt leafHash }} refusal {{ code message field }} }} }}"
    )
}

/// Does an act a moment after the one before.
fn act(stand: &Stand, token: &str, mutation: &str, input: &str) -> Value {
    stand.world.clock.advance(1_000_000);
    let data = stand.data(token, &document(mutation, input), json!({}));
    let payload = data[mutation].clone();
    assert_ne!(payload["receipt"].is_null(), payload["refusal"].is_null(), "exactly one: {payload}");
    payload
}

fn done(stand: &Stand, token: &str, mutation: &str, input: &str) -> u64 {
    let payload = act(stand, token, mutation, input);
    payload["receipt"]["index"].as_u64().unwrap_or_else(|| panic!("{mutation}: {payload}"))
}

fn refused(stand: &Stand, token: &str, mutation: &str, input: &str) -> String {
    act(stand, token, mutation, input)["refusal"]["code"].as_str().unwrap_or_else(|| panic!("{mutation} was done: {input}")).to_owned()
}

fn input_of(mutation: &str) -> String {
    acts().into_iter().find(|a| a.0 == mutation).unwrap().1
}

fn core(stand: &Stand, token: &str, index: u64) -> Value {
    let data = stand.data(token, &format!("{{event(index: {index}) {{type parts {{class json}}}}}}"), json!({}));
    assert_eq!(data["event"]["parts"][0]["class"], "CORE");
    data["event"]["parts"][0]["json"].clone()
}

#[test]
fn every_mutation_leaves_an_entry_that_fits_its_schema_and_is_replayed() {
    let stand = Stand::new();
    let token = stand.token_of(NewToken { person: true, roles: vec![Role::Admin, Role::Engineer], ..new_token() });
    let mut entries = BTreeMap::new();
    for (mutation, mut input, event_type) in acts() {
        if mutation == "revokeToken" {
            let tokens = stand.data(&token, "{tokens {nodes {id}}}", json!({}));
            let last = tokens["tokens"]["nodes"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
            input = input.replace("TOKEN", &last);
        }
        if let Some((index, _)) = entries.get("registerArtifact") {
            input = input.replace("INDEX", &u64::to_string(index));
        }
        let index = done(&stand, &token, mutation, &input);
        entries.insert(mutation, (index, event_type));
    }
    let reader = stand.token(&[Role::Engineer]);
    for (mutation, (index, event_type)) in &entries {
        let core = core(&stand, &reader, *index);
        assert_eq!(core["type"], *event_type, "{mutation}");
        let path = format!("{}/seeds/schemas/{event_type}.json", env!("CARGO_MANIFEST_DIR"));
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))).unwrap();
        let errors: Vec<String> = jsonschema::validator_for(&schema).unwrap().iter_errors(&core).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{mutation}: {errors:?}: {core}");
        let text = core.to_string();
        assert!(!text.contains("example.org") && !text.contains("Jane"), "people stand in `core` as handles: {text}");
    }
    // A mutation that is not listed above is not covered.
    let document = parse_schema(sdl()).unwrap();
    let known = document.definitions.iter().find_map(|d| match d {
        TypeSystemDefinition::Type(t) if t.node.name.node == "Mutation" => Some(t.node.clone()),
        _ => None,
    });
    let TypeKind::Object(root) = known.unwrap().kind else { panic!("`Mutation` is an object") };
    let mut fields: Vec<String> = root.fields.iter().map(|f| f.node.name.node.to_string()).collect();
    fields.sort();
    assert_eq!(fields, entries.keys().map(|k| (*k).to_owned()).collect::<Vec<_>>());

    stand.world.app.drain();
    passes(Folder::copy_of(stand.world.path()).path());
}

#[test]
fn a_registered_artifact_has_its_owners_tags_and_life() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    for mutation in ["registerArtifact", "setOwners", "setTags"] {
        done(&stand, &token, mutation, &input_of(mutation));
    }
    let query = format!(
        "{{artifact(ref: {{artifact: {SCREEN}}}) {{kind deletedAt owners {{actor {{handle}} role source}} tags {{key value field source}}}}}}"
    );
    let artifact = stand.data(&token, &query, json!({}))["artifact"].clone();
    assert_eq!((&artifact["kind"], &artifact["deletedAt"]), (&json!("SCREEN"), &Value::Null));
    assert_eq!((&artifact["owners"][0]["role"], &artifact["owners"][0]["source"]), (&json!("MAINTAINER"), &json!("declared")));
    assert_eq!(artifact["tags"].as_array().unwrap().len(), 2, "{artifact}");
    assert_eq!(artifact["tags"][1]["field"], "a");

    assert_eq!(refused(&stand, &token, "registerArtifact", &input_of("registerArtifact")), "CONFLICT");
    done(&stand, &token, "retireArtifact", &input_of("retireArtifact"));
    stand.world.clock.advance(1_000_000);
    assert_ne!(stand.data(&token, &query, json!({}))["artifact"]["deletedAt"], Value::Null);
    assert_eq!(refused(&stand, &token, "retireArtifact", &input_of("retireArtifact")), "CONFLICT");
    assert_eq!(refused(&stand, &token, "setTags", &input_of("setTags")), "CONFLICT");
    // Registered anew it lives again.
    done(&stand, &token, "registerArtifact", &input_of("registerArtifact"));
    assert_eq!(stand.data(&token, &query, json!({}))["artifact"]["deletedAt"], Value::Null);
}

#[test]
fn versions_have_a_hash_a_difference_a_reason_and_evidence() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    let first = done(&stand, &token, "registerArtifact", &input_of("registerArtifact"));
    let between = stand.world.app.ledger_size();
    let version = input_of("recordArtifactVersion");
    let second = done(&stand, &token, "recordArtifactVersion", &version);
    assert_eq!(refused(&stand, &token, "recordArtifactVersion", &version), "CONFLICT");
    // Another spelling of the same is the same.
    assert_eq!(refused(&stand, &token, "recordArtifactVersion", &version.replace("2}", "2.0}")), "CONFLICT");
    let with_address = version.replace("2}", "\"ask jane@example.org\"}");
    done(&stand, &token, "recordArtifactVersion", &with_address);

    let fields = "hash definition changes {pointer before after} changeCount reason event {index type} validUntil";
    let versions = |as_of: &str, token: &str| -> Vec<Value> {
        let query = format!("{{artifact(ref: {{artifact: {SCREEN}}}{as_of}) {{versions {{{fields}}}}}}}");
        stand.data(token, &query, json!({}))["artifact"]["versions"].as_array().unwrap().clone()
    };
    let all = versions("", &token);
    assert_eq!(all.len(), 3);
    // `printf '{"fields":["a"],"size":1.5}' | sha256sum`
    assert_eq!(all[2]["hash"], hex::encode(<sha2::Sha256 as sha2::Digest>::digest(br#"{"fields":["a"],"size":1.5}"#)));
    assert_eq!(all[2]["event"], json!({"index": first, "type": "catalog.artifact.registered.v1"}));
    assert_eq!(all[1]["event"], json!({"index": second, "type": "catalog.artifact.version.v1"}));
    let changes = json!([
        {"pointer": "/fields/1", "before": null, "after": "b"},
        {"pointer": "/size", "before": 1.5, "after": 2},
    ]);
    assert_eq!((&all[1]["changes"], &all[1]["changeCount"]), (&changes, &json!(2)));
    assert_eq!(all[0]["validUntil"], Value::Null);
    // Who is named stands there by handle, and the hash is that of what is shown.
    let shown = all[0]["definition"]["size"].as_str().unwrap().to_owned();
    assert!(shown.starts_with("ask ") && shown.len() == 4 + 36, "{shown}");
    let text = all[0]["definition"].to_string();
    assert_eq!(all[0]["hash"], hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text)));
    assert!(all[2]["reason"].as_str().unwrap().starts_with("told by ") && !all[2]["reason"].as_str().unwrap().contains('@'));
    // A reader sees no reasons, and the past is as it was.
    let reader = stand.token(&[Role::Reader]);
    assert_eq!(versions("", &reader)[2]["reason"], Value::Null);
    let past = versions(&format!(", asOf: {{ledgerSize: {between}}}"), &token);
    assert_eq!(past.len(), 1);
    assert_eq!((&past[0]["hash"], &past[0]["validUntil"]), (&all[2]["hash"], &Value::Null));
}

#[test]
fn declared_flows_add_up_are_shown_as_declared_and_end() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    let first = done(&stand, &token, "assertFlows", &input_of("assertFlows"));
    let second = input_of("assertFlows").replace(r#""in""#, r#""in2""#);
    done(&stand, &token, "assertFlows", &second);
    let edges = || -> Vec<Value> {
        let query =
            r#"{lineage(from: [{job: {namespace: "app", name: "by hand"}}]) {edges {kind assertions {source event {index type}}}}}"#;
        stand.data(&token, query, json!({}))["lineage"]["edges"].as_array().unwrap().clone()
    };
    let three = edges();
    assert_eq!(three.len(), 3, "{three:?}");
    assert!(three.iter().all(|e| e["assertions"][0]["source"] == "declared"));
    assert!(three.iter().any(|e| e["assertions"][0]["event"] == json!({"index": first, "type": "catalog.flows.asserted.v1"})));
    let said = core(&stand, &token, first);
    assert_eq!(said["reviewAt"], "2027-11-24T00:00:00.000000Z");
    assert_eq!(said["owner"].as_str().unwrap().len(), 36);

    done(&stand, &token, "endFlow", &input_of("endFlow"));
    stand.world.clock.advance(1_000_000);
    assert_eq!(edges().len(), 2);
    assert_eq!(refused(&stand, &token, "endFlow", &input_of("endFlow")), "NOT_FOUND");
}

#[test]
fn a_retry_gets_the_first_answer_also_after_a_restart() {
    let mut stand = Stand::new();
    let mut token = stand.token(&[Role::Engineer]);
    let send = |stand: &Stand, token: &str, input: &str| {
        stand.world.clock.advance(1_000_000);
        let body = json!({ "query": document("registerArtifact", input) });
        let answer = stand.ask(Ask::json("/graphql", &body).by(token).with("idempotency-key", "k-1"));
        answer.json()["data"]["registerArtifact"].clone()
    };
    let input = input_of("registerArtifact");
    let first = send(&stand, &token, &input);
    assert!(first["receipt"].is_object(), "{first}");
    assert_eq!(send(&stand, &token, &input), first);
    // The same key with something else is a mistake of the client's.
    let other = send(&stand, &token, &input.replace("told by", "said by"));
    assert_eq!(other["refusal"]["code"], "CONFLICT", "{other}");
    // Somebody else's key is another key.
    let stranger = stand.token_of(NewToken { actor: "other".to_owned(), roles: vec![Role::Engineer], ..new_token() });
    assert_eq!(send(&stand, &stranger, &input)["refusal"]["code"], "CONFLICT");

    let copy = {
        stand.world.app.drain();
        Folder::copy_of(stand.world.path())
    };
    passes(copy.path());
    stand = Stand::restarted(stand);
    token = stand.token(&[Role::Engineer]);
    assert_eq!(send(&stand, &token, &input), first);
}

#[test]
fn what_makes_no_sense_or_is_not_permitted_is_refused_with_its_code() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    let register = input_of("registerArtifact");
    for (input, code) in [
        (register.replace("SCREEN", "RUN"), "BAD_USER_INPUT"),
        (register.replace("told by jane@example.org", " "), "BAD_USER_INPUT"),
        (register.replace("fields", "_deleted"), "BAD_USER_INPUT"),
        (register.replace("1.50", "9007199254740993"), "BAD_USER_INPUT"),
    ] {
        assert_eq!(refused(&stand, &token, "registerArtifact", &input), code, "{input}");
    }
    for mutation in ["recordArtifactVersion", "setOwners", "setTags", "retireArtifact"] {
        assert_eq!(refused(&stand, &token, mutation, &input_of(mutation)), "NOT_FOUND", "{mutation}");
    }
    let past = input_of("assertFlows").replace("2027", "2025");
    assert_eq!(refused(&stand, &token, "assertFlows", &past), "BAD_USER_INPUT");
    assert_eq!(refused(&stand, &token, "assertFlows", &input_of("assertFlows").replace("Jane Roe", "-")), "BAD_USER_INPUT");
    let derived = input_of("endFlow").replace("WAS_GENERATED_BY", "WAS_DERIVED_FROM");
    assert_eq!(refused(&stand, &token, "endFlow", &derived), "BAD_USER_INPUT");

    for role in Role::ALL.into_iter().filter(|r| *r != Role::Engineer) {
        let token = stand.token(&[role]);
        for (mutation, input, _) in acts().into_iter().skip(2).filter(|a| a.0 != "redactPart" || role != Role::Admin) {
            let input = input.replace("INDEX", "0");
            assert_eq!(refused(&stand, &token, mutation, &input), "FORBIDDEN", "{role:?} {mutation}");
        }
    }
    // A scope holds for every namespace that a declaration names.
    let scoped = stand.token_of(NewToken { roles: vec![Role::Engineer], namespaces: vec!["app".to_owned()], ..new_token() });
    assert_eq!(refused(&stand, &scoped, "registerArtifact", &register.replace(r#""app""#, r#""crm""#)), "FORBIDDEN");
    let elsewhere = input_of("assertFlows").replace(r#"namespace: "app", name: "in""#, r#"namespace: "crm", name: "in""#);
    assert_eq!(refused(&stand, &scoped, "assertFlows", &elsewhere), "FORBIDDEN");
    done(&stand, &scoped, "registerArtifact", &register);
}
