//! A server that is given a list of documents executes those and no others.
use std::{collections::BTreeMap, sync::Arc};

use ledgerline::{access::Role, api::graphql::documents::Documents};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::stand::{Answer, Ask, Stand};

const LISTED: &str = "query Who($skip: Boolean! = false) { viewer { __typename person @skip(if: $skip) } }";
const INTROSPECTION: &str = "{ __schema { queryType { name } } }";

pub fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

pub fn listed(texts: &[&str]) -> Arc<Documents> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.json");
    let list: BTreeMap<String, &str> = texts.iter().map(|t| (sha256(t), *t)).collect();
    std::fs::write(&file, serde_json::to_vec(&list).unwrap()).unwrap();
    Arc::new(Documents::load(&file).unwrap())
}

fn apollo(text: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": sha256(text) } })
}

#[test]
fn listed_documents_are_executed_in_every_spelling_and_no_other_is() {
    let documents = listed(&[LISTED]);
    let stand = Stand::with(|_| {}, |s| (s.graphql.documents, s.graphql.get_queries) = (Some(documents), true));
    let token = stand.token(&[Role::Reader]);
    let post = |body: &Value| stand.ask(Ask::json("/graphql", body).by(&token));
    let person = json!({"data": {"viewer": {"__typename": "Viewer", "person": false}}});
    for body in [
        json!({ "documentId": format!("sha256:{}", sha256(LISTED)) }),
        json!({ "documentId": sha256(LISTED) }),
        json!({ "extensions": apollo(LISTED) }),
        json!({ "query": LISTED }),
        json!({ "query": LISTED, "documentId": sha256(LISTED), "operationName": "Who" }),
        json!({ "query": null, "documentId": sha256(LISTED), "variables": { "skip": false } }),
    ] {
        assert_eq!(post(&body).json(), person, "{body}");
    }
    let skipped = post(&json!({ "documentId": sha256(LISTED), "variables": { "skip": true } }));
    assert_eq!(skipped.json(), json!({"data": {"viewer": {"__typename": "Viewer"}}}));
    let path = format!("/graphql?documentId=sha256:{}", sha256(LISTED));
    assert_eq!(stand.ask(Ask::get(&path).by(&token)).json(), person);

    let refused = |answer: Answer| (answer.status, answer.code(), answer.json()["errors"][0]["message"].as_str().unwrap().to_owned());
    for other in [LISTED.replace("Who", "Whom"), format!("{LISTED} "), INTROSPECTION.to_owned(), "{".to_owned()] {
        let (status, code, _) = refused(post(&json!({ "query": other })));
        assert_eq!((status, code.as_str()), (200, "FORBIDDEN"), "{other}");
        let (_, code, _) = refused(post(&json!({ "documentId": sha256(&other) })));
        assert_eq!(code, "NOT_FOUND");
        // As Apollo's clients ask: first by the hash, then to register the text. Nothing is registered.
        let (_, code, message) = refused(post(&json!({ "extensions": apollo(&other) })));
        assert_eq!((code.as_str(), message.as_str()), ("NOT_FOUND", "PersistedQueryNotFound"));
        assert_eq!(refused(post(&json!({ "query": other, "extensions": apollo(&other) }))).1, "FORBIDDEN");
        assert_eq!(refused(post(&json!({ "extensions": apollo(&other) }))).1, "NOT_FOUND");
    }
    let batch = post(&json!([{ "query": LISTED }, { "query": INTROSPECTION }])).json();
    assert_eq!((&batch[0], &batch[1]["errors"][0]["extensions"]["code"]), (&person, &json!("FORBIDDEN")));
    for (body, says) in [
        (json!({ "documentId": 7 }), "not the id of a document"),
        (json!({ "documentId": "md5:0" }), "not the id of a document"),
        (json!({ "extensions": { "persistedQuery": { "version": 1 } } }), "not the id of a document"),
        (json!({ "query": LISTED, "documentId": sha256("{a}") }), "`query` is not the document"),
        (json!({ "query": INTROSPECTION, "extensions": apollo(LISTED) }), "`query` is not the document"),
        (json!({ "documentId": null }), "`query` is missing"),
    ] {
        let (status, code, message) = refused(post(&body));
        assert!(status == 400 && code == "BAD_USER_INPUT" && message.contains(says), "{body}: {message}");
    }
}

#[test]
fn without_a_list_a_document_must_be_sent_and_may_be_any() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Reader]);
    let post = |body: &Value| stand.ask(Ask::json("/graphql", body).by(&token));
    assert!(post(&json!({ "query": LISTED, "extensions": apollo(LISTED) })).json()["data"]["viewer"].is_object());
    assert!(post(&json!({ "documentId": sha256(LISTED) })).text().contains("no registered documents"));
    let unsupported = post(&json!({ "extensions": apollo(LISTED) }));
    assert_eq!(unsupported.json()["errors"][0]["message"], "PersistedQueryNotSupported");
}

#[test]
fn limits_hold_for_listed_documents_too() {
    let long = format!("{{viewer{{{}}}}}", (0..31).map(|i| format!("a{i}:person ")).collect::<String>());
    let documents = listed(&[&long]);
    let stand = Stand::with(|_| {}, |s| s.graphql.documents = Some(documents));
    let token = stand.token(&[Role::Reader]);
    let answer = stand.ask(Ask::json("/graphql", &json!({ "documentId": sha256(&long) })).by(&token));
    assert_eq!(answer.code(), "COMPLEXITY_EXCEEDED");
}
