//! Refused attempts and administrative acts as entries, and the schemas of
//! everything that is ever written.
use std::collections::{BTreeMap, BTreeSet};

use ledgerline::{access::Role, app::tokens::NewToken};
use serde_json::{Value, json};

use crate::{
    api::stand::{Ask, Stand, new_token},
    support::run_event,
};

const MINUTE: i64 = 60_000_000;

/// Types and `core` parts of all entries.
fn entries(stand: &Stand) -> Vec<(String, Value)> {
    let auditor = stand.token(&[Role::Auditor]);
    let data = stand.data(&auditor, "{events(first: 200){nodes{type parts{class json}}}}", json!({}));
    let core = |parts: &Value| parts.as_array().unwrap().iter().find(|p| p["class"] == "CORE").unwrap()["json"].clone();
    let nodes = data["events"]["nodes"].as_array().unwrap().clone();
    nodes.iter().map(|n| (n["type"].as_str().unwrap().to_owned(), core(&n["parts"]))).collect()
}

fn refused(stand: &Stand) -> Vec<Value> {
    entries(stand).into_iter().filter(|(kind, _)| kind == "access.refused.v1").map(|(_, core)| core).collect()
}

/// Waits for what was handed in without anybody waiting for it: the queue is in order.
fn settle(stand: &Stand) {
    stand.token(&[Role::Reader]);
}

#[test]
fn refusals_of_a_minute_are_one_entry_that_counts_them() {
    let stand = Stand::new();
    let reader = stand.token(&[Role::Reader]);
    let expiring = stand.token_until(&[Role::Admin], Some(ledgerline::domain::time::Micros(crate::support::NOON.0 + 10 * MINUTE)));
    let event = run_event("START", 1, 1, &["a"], &["b"]);
    for _ in 0..5 {
        assert_eq!(stand.send(&reader, &event).status, 403);
        assert_eq!(stand.send("nonsense", &event).status, 401);
        assert_eq!(stand.ask(Ask::get("/ledger/checkpoint")).status, 401);
    }
    assert_eq!(stand.ask(Ask::get("/ledger/opening/0").by(&reader)).status, 403);
    assert_eq!(stand.ask(Ask::get("/ledger/tile/0/000.p/1").by(&reader)).status, 403);
    assert_eq!(stand.error(&reader, "{tokens{nodes{id}}}", json!({})).0, "FORBIDDEN");
    // What may be done, or makes no sense, is no refused attempt.
    assert_eq!(stand.graphql(&reader, "{viewer{may} ledger{size} nothing}", json!({})).status, 200);
    assert_eq!(stand.ask(Ask::get("/ledger/checkpoint").by(&reader)).status, 200);

    stand.world.clock.advance(MINUTE - 1);
    stand.world.app.tend();
    settle(&stand);
    assert_eq!(refused(&stand), [] as [Value; 0]);
    stand.world.clock.advance(1);
    stand.world.app.tend();
    stand.world.app.tend();
    settle(&stand);
    let all = refused(&stand);
    assert_eq!(all.len(), 1);
    let rows = all[0]["counts"].as_array().unwrap();
    let told: BTreeMap<(String, bool, String), u64> = rows
        .iter()
        .map(|r| {
            let text = |m: &str| r[m].as_str().unwrap().to_owned();
            ((text("action"), r["actor"].is_string(), text("code")), r["count"].as_u64().unwrap())
        })
        .collect();
    let row = |action: &str, known: bool, code: &str, n: u64| ((action.to_owned(), known, code.to_owned()), n);
    assert_eq!(
        told,
        BTreeMap::from([
            row("Authenticate", false, "UNAUTHENTICATED", 10),
            row("IngestEvent", true, "FORBIDDEN", 5),
            row("ReadLedger", true, "FORBIDDEN", 2),
            row("ReadTokens", true, "FORBIDDEN", 1),
        ])
    );
    assert_eq!((&all[0]["from"], &all[0]["until"]), (&json!("2026-11-24T12:00:00.000000Z"), &json!("2026-11-24T12:01:00.000000Z")));

    // A token that ended is known by its actor.
    stand.world.clock.advance(10 * MINUTE);
    assert_eq!(stand.send(&expiring, &event).status, 401);
    stand.world.clock.advance(MINUTE);
    stand.world.app.tend();
    settle(&stand);
    let all = refused(&stand);
    assert_eq!((all.len(), &all[1]["counts"][0]["code"], all[1]["counts"][0]["actor"].is_string()), (2, &json!("UNAUTHENTICATED"), true));
}

#[test]
fn what_was_refused_last_is_recorded_by_draining() {
    let world = {
        let stand = Stand::new();
        let reader = stand.token(&[Role::Reader]);
        assert_eq!(stand.send(&reader, &run_event("START", 1, 1, &["a"], &["b"])).status, 403);
        let before = stand.world.app.ledger_size();
        stand.world.app.drain();
        (before, stand.world.app.ledger_size())
    };
    assert_eq!(world.1, world.0 + 1);
}

#[test]
fn a_person_who_was_refused_is_referred_to_once() {
    let stand = Stand::new();
    let person = stand.token_of(NewToken { actor: "Jane Roe".to_owned(), person: true, roles: vec![Role::Reader], ..new_token() });
    for _ in 0..3 {
        assert_eq!(stand.send(&person, &run_event("START", 1, 1, &["a"], &["b"])).status, 403);
        assert_eq!(stand.ask(Ask::get("/ledger/opening/0").by(&person)).status, 403);
    }
    stand.world.clock.advance(MINUTE);
    stand.world.app.tend();
    settle(&stand);
    let auditor = stand.token(&[Role::Auditor]);
    let data = stand.data(&auditor, "{events(filter: {types: [\"access.refused.v1\"]}){nodes{leaf actor{handle}}}}", json!({}));
    let leaf: Value = serde_json::from_str(data["events"]["nodes"][0]["leaf"].as_str().unwrap()).unwrap();
    assert_eq!((leaf["refs"].as_array().unwrap().len(), &data["events"]["nodes"][0]["actor"]), (1, &Value::Null));
}

#[test]
fn everything_that_is_written_has_a_published_schema_and_keeps_to_it() {
    let stand = Stand::new();
    let admin = stand.token(&[Role::Admin]);
    let producer = stand.token(&[Role::Producer]);
    let create = "mutation($i: CreateTokenInput!){createToken(input: $i){details{id} refusal{code}}}";
    let input = json!({"i": {"actor": "Jane Roe", "person": true, "roles": ["AUDITOR", "PRIVACY_OFFICER", "RECORDS_MANAGER"],
        "namespaces": ["a*", "b"], "expiresAt": "2027-01-01T00:00:00Z", "reason": "a person"}});
    let made = stand.data(&admin, create, input);
    let id = made["createToken"]["details"]["id"].clone();
    assert!(id.is_string(), "{made}");
    let revoke = "mutation($i: RevokeTokenInput!){revokeToken(input: $i){receipt{index}}}";
    assert!(stand.data(&admin, revoke, json!({"i": {"id": id, "reason": "left"}}))["revokeToken"]["receipt"].is_object());
    let run = run_event("COMPLETE", 1, 1, &["a"], &["b"]);
    let without = |members: &[&str]| {
        let mut event = run.clone();
        members.iter().for_each(|m| drop(event.as_object_mut().unwrap().remove(*m)));
        event
    };
    let job = without(&["run", "eventType"]);
    let mut dataset = without(&["run", "eventType", "job", "inputs", "outputs"]);
    dataset["dataset"] = json!({"namespace": "db", "name": "a"});
    for event in [&run, &job, &dataset] {
        let answer = stand.send(&producer, event);
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    assert_eq!(stand.send(&admin, &run).status, 403);
    assert_eq!(stand.send("x", &run).status, 401);
    stand.world.clock.advance(MINUTE);
    stand.world.app.tend();
    settle(&stand);

    let folder = format!("{}/seeds/schemas", env!("CARGO_MANIFEST_DIR"));
    let published: BTreeMap<String, jsonschema::Validator> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let schema: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let kind = path.file_stem().unwrap().to_str().unwrap().to_owned();
            assert_eq!(schema["$id"], format!("urn:ledgerline:schema:{kind}"));
            (kind, jsonschema::validator_for(&schema).unwrap())
        })
        .collect();
    let mut written = BTreeSet::new();
    for (kind, core) in entries(&stand) {
        let schema = published.get(&kind).unwrap_or_else(|| panic!("`{kind}` has no schema"));
        if let Err(e) = schema.validate(&core) {
            panic!("{kind}: {e}\n{core}");
        }
        assert_eq!(core["type"], kind);
        written.insert(kind);
    }
    // Declarations are tried by `api::declare`, each with its mutation.
    let here = published.keys().filter(|kind| !kind.starts_with("catalog.")).cloned().collect();
    assert_eq!(written, here, "every type is written here, so that every schema is tried");
    assert_eq!(types_in_source(), written, "a new type of event needs a schema, and a line above");
}

/// The event types that the source spells, such as `"token.created.v1"`.
fn types_in_source() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/app"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let words = text.split('"').skip(1).step_by(2);
            found.extend(
                words
                    .filter(|w| {
                        w.rsplit_once(".v").is_some_and(|(name, v)| name.contains('.') && !name.contains(' ') && v.parse::<u8>().is_ok())
                    })
                    .map(str::to_owned),
            );
        }
    }
    found
}
