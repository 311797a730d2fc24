//! The list of registered documents holds over WebSocket as over HTTP.
use ledgerline::access::Role;
use serde_json::json;

use super::{EVENTS, Served, client::Client};
use crate::{
    api::{
        documents::{listed, sha256},
        stand::block_on,
    },
    support::run_event,
};

#[test]
fn only_listed_documents_are_subscribed_to() {
    let documents = listed(&[EVENTS, "{ viewer { person } }"]);
    let served = Served::with(|s| s.graphql.documents = Some(documents));
    let token = served.stand.token(&[Role::Engineer]);
    assert_eq!(served.stand.send(&token, &run_event("COMPLETE", 1, 10, &["a"], &["b"])).status, 201);
    block_on(async {
        let mut client = Client::acknowledged(&served.stand.base, &token).await;
        let subscribe = |id: &str, payload| json!({ "id": id, "type": "subscribe", "payload": payload });
        client.say(subscribe("s", json!({ "documentId": format!("sha256:{}", sha256(EVENTS)), "variables": { "after": 0 } }))).await;
        assert_eq!(client.index().await, 1);
        client.say(json!({ "id": "s", "type": "complete" })).await;
        for (payload, code) in [
            (json!({ "query": "subscription { events { index } }" }), "FORBIDDEN"),
            (json!({ "query": "{ ledger { size } }" }), "FORBIDDEN"),
            (json!({ "documentId": sha256("{ ledger { size } }") }), "NOT_FOUND"),
        ] {
            client.say(subscribe("w", payload)).await;
            let mut heard = client.hear().await;
            // What the subscription had sent before it was told to end.
            while heard["id"] == "s" {
                heard = client.hear().await;
            }
            assert_eq!((&heard["type"], &heard["payload"][0]["extensions"]["code"]), (&json!("error"), &json!(code)), "{heard}");
        }
        client.say(subscribe("q", json!({ "query": "{ viewer { person } }" }))).await;
        assert_eq!(client.hear().await["payload"], json!({"data": {"viewer": {"person": false}}}));
    });
}
