//! Who gets in, and to what.
use ledgerline::access::Role;
use serde_json::json;

use super::stand::{Ask, Stand};
use crate::support::{NOON, run_event};

const VIEWER: &str = "{viewer{roles may}}";

#[test]
fn without_a_good_token_nothing_is_told() {
    let stand = Stand::new();
    let expiring = stand.token_until(&[Role::Engineer], Some(ledgerline::domain::time::Micros(NOON.0 + 60_000_000)));
    assert_eq!(stand.graphql(&expiring, VIEWER, json!({})).status, 200);
    stand.world.clock.advance(60_000_000);
    let unknown = format!("ll_{}", "A".repeat(43));
    for bad in [expiring.as_str(), unknown.as_str(), "", "ll_", "nonsense", "ll_x y", &expiring[..40]] {
        for ask in [
            Ask::json("/graphql", &json!({ "query": VIEWER })),
            Ask::json("/api/v1/lineage", &json!({})),
            Ask::json("/api/v1/lineage/batch", &json!([])),
            Ask::get("/ledger/checkpoint"),
            Ask::get("/ledger/opening/0"),
        ] {
            let answer = stand.ask(ask.by(bad));
            assert_eq!((answer.status, answer.code().as_str()), (401, "UNAUTHENTICATED"));
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
            assert_eq!(answer.header("ledger-size"), None);
            assert!(bad.len() < 10 || !answer.text().contains(bad));
        }
    }
    let none = stand.ask(Ask::json("/graphql", &json!({ "query": VIEWER })));
    assert_eq!((none.status, none.code().as_str()), (401, "UNAUTHENTICATED"));
}

#[test]
fn a_revoked_token_is_worth_nothing_from_its_receipt_on() {
    let stand = Stand::new();
    let admin = stand.token(&[Role::Admin]);
    stand.world.clock.advance(1);
    let create = "mutation($input: CreateTokenInput!){createToken(input: $input){token details{id actor roles namespaces} receipt{index eventId recordedAt leafHash} refusal{code message field}}}";
    let made = stand.data(&admin, create, json!({"input": {"actor": "etl", "roles": ["READER"], "reason": "reports"}}));
    let made = &made["createToken"];
    assert!(made["refusal"].is_null() && made["receipt"]["leafHash"].as_str().unwrap().len() == 44, "{made}");
    assert_eq!(made["details"]["roles"], json!(["READER"]));
    let token = made["token"].as_str().unwrap();
    assert_eq!(stand.data(token, VIEWER, json!({}))["viewer"]["roles"], json!(["READER"]));

    let revoke = "mutation($input: RevokeTokenInput!){revokeToken(input: $input){receipt{index} refusal{code field}}}";
    let id = &made["details"]["id"];
    let wrong = stand.data(&admin, revoke, json!({"input": {"id": "nonsense", "reason": "x"}}));
    assert_eq!(wrong["revokeToken"]["refusal"], json!({"code": "BAD_USER_INPUT", "field": "id"}));
    let revoked = stand.data(&admin, revoke, json!({"input": {"id": id, "reason": "left"}}));
    assert!(revoked["revokeToken"]["receipt"]["index"].is_u64(), "{revoked}");
    assert_eq!(stand.graphql(token, VIEWER, json!({})).status, 401);

    let tokens = stand.data(&admin, "{tokens(first: 1){nodes{id revokedAt} pageInfo{hasNextPage endCursor}}}", json!({}));
    let after = tokens["tokens"]["pageInfo"]["endCursor"].clone();
    assert_eq!(tokens["tokens"]["pageInfo"]["hasNextPage"], true);
    let rest = stand.data(&admin, "query($after: String){tokens(after: $after){nodes{id revokedAt}}}", json!({ "after": after }));
    let rest = rest["tokens"]["nodes"].as_array().unwrap().clone();
    assert_eq!((rest.len(), &rest[0]["id"], rest[0]["revokedAt"].is_string()), (1, id, true));
}

#[test]
fn refusals_that_one_can_expect_are_data() {
    let stand = Stand::new();
    let create = "mutation($input: CreateTokenInput!){createToken(input: $input){token receipt{index} refusal{code message field}}}";
    let input = |reason: &str| json!({"input": {"actor": "x", "roles": ["ADMIN"], "reason": reason}});
    let reader = stand.token(&[Role::Reader]);
    let refused = stand.data(&reader, create, input("mine"));
    assert_eq!(refused["createToken"]["refusal"]["code"], "FORBIDDEN");
    assert!(refused["createToken"]["receipt"].is_null() && refused["createToken"]["token"].is_null());
    let admin = stand.token(&[Role::Admin]);
    assert_eq!(stand.data(&admin, create, input(" "))["createToken"]["refusal"]["code"], "BAD_USER_INPUT");
}

#[test]
fn roles_open_what_they_name() {
    let stand = Stand::new();
    let producer = stand.token(&[Role::Producer]);
    let reader = stand.token(&[Role::Reader]);
    let auditor = stand.token(&[Role::Auditor]);
    let event = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
    assert_eq!(stand.send(&producer, &event).status, 201);
    for other in [&reader, &auditor] {
        let refused = stand.send(other, &event);
        assert_eq!((refused.status, refused.code().as_str()), (403, "FORBIDDEN"));
    }
    assert_eq!(stand.error(&producer, "{artifacts{nodes{id}}}", json!({})).0, "FORBIDDEN");
    for path in
        ["/ledger/tile/0/000.p/1", "/ledger/tile/entries/000.p/1", "/ledger/proof/0", "/ledger/opening/0", "/ledger/consistency?from=1"]
    {
        assert_eq!(stand.ask(Ask::get(path).by(&reader)).status, 403, "{path}");
        assert_eq!(stand.ask(Ask::get(path).by(&auditor)).status, 200, "{path}");
    }
    for token in [&producer, &reader, &auditor] {
        assert_eq!(stand.ask(Ask::get("/ledger/checkpoint").by(token)).status, 200);
    }
}
