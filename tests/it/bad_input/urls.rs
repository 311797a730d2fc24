//! Addresses and tokens.
use ledgerline::access::Role;
use serde_json::json;

use super::Guarded;
use crate::{
    api::stand::{Ask, Stand},
    support::{NOON, run_event},
};

#[test]
fn absurd_tile_paths_are_not_found() {
    let guarded = Guarded::new();
    for path in [
        "/ledger/tile/",
        "/ledger/tile//",
        "/ledger/tile/0",
        "/ledger/tile/0/",
        "/ledger/tile/-1/000.p/1",
        "/ledger/tile/64/000",
        "/ledger/tile/256/000",
        "/ledger/tile/99999999999999999999/000",
        "/ledger/tile/0/0",
        "/ledger/tile/0/000.p/",
        "/ledger/tile/0/000.p/0",
        "/ledger/tile/0/000.p/256",
        "/ledger/tile/0/000.p/01",
        "/ledger/tile/0/000.p/-1",
        "/ledger/tile/0/000.p/1/",
        "/ledger/tile/0/000.p/1/2",
        "/ledger/tile/0/x000/000.p/1",
        "/ledger/tile/0/x001/x002/x003/x004/x005/x006/x007/008",
        "/ledger/tile/0/x018/x446/x744/x073/x709/x551/615",
        "/ledger/tile/0/x018/x446/x744/x073/x709/x551/616",
        "/ledger/tile/63/x018/x446/x744/x073/x709/x551/615.p/255",
        "/ledger/tile/entries/x018/x446/x744/x073/x709/x551/615.p/255",
        "/ledger/tile/entries/",
        "/ledger/tile/entries/000",
        "/ledger/tile/Entries/000.p/1",
        "/ledger/tile/%30/000.p/x",
        "/ledger/tile/..%2f..%2fetc%2fpasswd",
        "/ledger/tile/0/%00",
        "/ledger/tile/0/000.p/%ff",
        "/ledger/tile/0/٠٠٠.p/1",
        "/ledger/",
        "/ledger/logs//checkpoint",
        "/ledger/proof",
        "/ledger/opening/",
        "//ledger/checkpoint",
        "/graphql/",
        "/api/v1/lineage/",
        "/api/v1/lineage/batch/x",
        "/metrics/x",
    ] {
        let answer = guarded.ask(Ask::get(&path.replace('٠', "%D9%A0")).by(&guarded.token));
        assert_eq!((answer.status, answer.code().as_str(), answer.header("cache-control")), (404, "NOT_FOUND", None), "{path}");
    }
    let long = format!("/ledger/tile/0/{}000", "x999/".repeat(1_000));
    assert_eq!(guarded.ask(Ask::get(&long).by(&guarded.token)).status, 404);
    guarded.still_works();
}

#[test]
fn numbers_of_the_ledger_are_whole_and_there() {
    let guarded = Guarded::new();
    for number in
        ["-1", "+1", "01", "1.0", "1e3", "0x1", "", "%20", "18446744073709551616", "99999999999999999999999999", "NaN", "%F0%9F%A6%80"]
    {
        for path in ["/ledger/proof/", "/ledger/opening/", "/ledger/consistency?from=", "/ledger/consistency?from=0&to="] {
            let answer = guarded.ask(Ask::get(&format!("{path}{number}")).by(&guarded.token));
            let nothing = number.is_empty() && !path.contains('?');
            assert_eq!(answer.status, if nothing { 404 } else { 400 }, "{path}{number}");
            assert!(["BAD_USER_INPUT", "NOT_FOUND"].contains(&answer.code().as_str()));
        }
    }
    for number in ["9223372036854775807", "9223372036854775808", "18446744073709551615", "1000"] {
        for path in ["/ledger/proof/", "/ledger/opening/"] {
            let answer = guarded.ask(Ask::get(&format!("{path}{number}")).by(&guarded.token));
            assert_eq!((answer.status, answer.code().as_str()), (404, "NOT_FOUND"), "{path}{number}");
        }
        let answer = guarded.ask(Ask::get(&format!("/ledger/consistency?from=0&to={number}")).by(&guarded.token));
        assert_eq!((answer.status, answer.code().as_str()), (422, "BAD_USER_INPUT"), "{number}");
        let answer = guarded.ask(Ask::get("/ledger/checkpoint").with("ledger-min-size", number).by(&guarded.token));
        assert_eq!((answer.status, answer.code().as_str()), (412, "STALE"), "{number}");
    }
    for number in ["-1", "18446744073709551616", "x", "1 "] {
        let answer = guarded.ask(Ask::get("/ledger/checkpoint").with("ledger-min-size", number).by(&guarded.token));
        assert!(answer.status == 400 || number == "1 ", "{number}");
    }
    for path in ["/ledger/consistency?from=0&to=0", "/ledger/consistency?from=1&from=0", "/ledger/consistency?from=1&to=1&x=%ff"] {
        assert!(guarded.ask(Ask::get(path).by(&guarded.token)).status < 500, "{path}");
    }
    guarded.still_works();
}

#[test]
fn a_token_in_an_address_is_refused_and_not_repeated() {
    let guarded = Guarded::new();
    let token = &guarded.token;
    let body = run_event("COMPLETE", 1, 10, &["a"], &["b"]).to_string();
    for name in ["token", "access_token", "TOKEN", "api_key", "bearer", "authorization", "q"] {
        for (method, path) in
            [("POST", "/api/v1/lineage"), ("POST", "/graphql"), ("GET", "/ledger/checkpoint"), ("GET", "/readyz"), ("GET", "/nothing")]
        {
            let ask = Ask {
                method,
                path: &format!("{path}?{name}={token}"),
                headers: vec![("content-type", "application/json".into())],
                body: body.clone().into(),
            };
            let answer = guarded.ask(ask);
            assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_USER_INPUT"), "{path} {name}");
            assert!(!answer.text().contains(token.as_str()) && answer.text().contains("Authorization: Bearer"));
        }
    }
    guarded.still_works();
}

#[test]
fn tokens_that_are_not_good_open_nothing() {
    let stand = Stand::new();
    let admin = stand.token(&[Role::Admin]);
    let expiring = stand.token_until(&[Role::Engineer], Some(ledgerline::domain::time::Micros(NOON.0 + 1_000_000)));
    let create = "mutation($i: CreateTokenInput!){createToken(input: $i){token details{id}}}";
    let made = stand.data(&admin, create, json!({"i": {"actor": "x", "roles": ["ENGINEER"], "reason": "r"}}))["createToken"].clone();
    let revoked = made["token"].as_str().unwrap();
    let event = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    let revoke = "mutation($i: RevokeTokenInput!){revokeToken(input: $i){receipt{index} refusal{code message}}}";
    stand.data(&admin, revoke, json!({"i": {"id": made["details"]["id"], "reason": "r"}}));
    let again = stand.data(&admin, revoke, json!({"i": {"id": made["details"]["id"], "reason": "r"}}));
    assert_eq!(again["revokeToken"]["refusal"]["code"], "CONFLICT");
    stand.world.clock.advance(1_000_000);
    let guarded = Guarded::of(stand);
    let unknown = format!("ll_{}", "B".repeat(42) + "A");
    let malformed = format!("ll_{}", "!".repeat(43));
    for (token, why) in [
        (expiring.as_str(), "the token has expired"),
        (revoked, "the token is not known or was revoked"),
        (unknown.as_str(), "the token is not known or was revoked"),
        (malformed.as_str(), "not a token: it must be `ll_` and 43 characters of base64url"),
        // The client's library leaves nothing behind `Bearer`.
        ("", "the header `Authorization` is not `Bearer` and a token"),
        (&guarded.token[..45], "not a token: it must be `ll_` and 43 characters of base64url"),
    ] {
        for ask in [
            Ask::json("/api/v1/lineage", &event),
            Ask::json("/api/v1/lineage/batch", &json!([event])),
            Ask::get("/ledger/checkpoint"),
            Ask::json("/graphql", &json!({"query": "{ledger{size}}"})),
        ] {
            let answer = guarded.ask(ask.by(token));
            assert_eq!((answer.status, answer.code().as_str()), (401, "UNAUTHENTICATED"));
            assert!(answer.text().contains(why) && answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{}", answer.text());
        }
    }
    for header in [
        "Basic bGw6eA==",
        "Bearer",
        "bearer",
        &guarded.token,
        &format!("Bearer {0}, Bearer {0}", guarded.token),
        &format!("Token {}", guarded.token),
    ] {
        let answer = guarded.ask(Ask::json("/api/v1/lineage", &event).with("authorization", header));
        assert_eq!((answer.status, answer.code().as_str()), (401, "UNAUTHENTICATED"), "{header}");
    }
    guarded.still_works();
}
