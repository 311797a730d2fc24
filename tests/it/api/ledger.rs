//! The log over HTTP, as somebody reads it who trusts nobody.
use ledgerline::{
    access::Role,
    config::PublicLedger,
    domain::entry::Opening,
    ledger::{Checkpoint, TlogProof, Verifier, decode_hash, leaf_hash, root_of, split_bundle, verify_consistency},
};
use serde_json::{Value, json};

use super::stand::{Ask, Stand};
use crate::support::run_event;

fn filled(stand: &Stand, events: u8) {
    let token = stand.token(&[Role::Producer]);
    for run in 0..events {
        assert_eq!(stand.send(&token, &run_event("COMPLETE", run, u32::from(run), &["a"], &["b"])).status, 201);
    }
}

#[test]
fn a_stranger_can_check_the_log_with_what_is_served() {
    let stand = Stand::new();
    let auditor = stand.token(&[Role::Auditor]);
    filled(&stand, 5);
    let get = |path: &str| {
        let answer = stand.ask(Ask::get(path).by(&auditor));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer
    };
    let vkey = get("/ledger/vkey");
    assert_eq!(vkey.header("content-type"), Some("text/plain; charset=utf-8"));
    let verifier = Verifier::parse(vkey.text().strip_suffix('\n').unwrap()).unwrap();

    let size: u64 = get("/ledger/checkpoint").header("ledger-size").unwrap().parse().unwrap();
    let mut leaves = Vec::new();
    for index in 0..size {
        // Asking for a proof publishes a checkpoint that covers the entry.
        let file = get(&format!("/ledger/proof/{index}"));
        let opening = get(&format!("/ledger/opening/{index}"));
        assert_eq!(opening.header("content-type"), Some("application/json"));
        let opening = Opening::parse(&opening.body).unwrap();
        opening.verify().unwrap();
        let leaf = leaf_hash(&opening.leaf);
        TlogProof::parse(&file.body).unwrap().verify(&leaf, &verifier).unwrap();
        leaves.push(leaf);
    }
    let checkpoint = get("/ledger/checkpoint");
    assert_eq!(
        (checkpoint.header("content-type"), checkpoint.header("cache-control")),
        (Some("text/plain; charset=utf-8"), Some("no-store"))
    );
    let checkpoint = Checkpoint::open(&checkpoint.body, &verifier).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (size, root_of(&leaves)));

    let tile = get(&format!("/ledger/tile/0/000.p/{size}"));
    assert_eq!(tile.body, leaves.concat());
    assert_eq!(tile.header("content-type"), Some("application/octet-stream"));
    assert_eq!(tile.header("cache-control"), Some("private, max-age=604800, immutable"));
    let bundle = get(&format!("/ledger/tile/entries/000.p/{size}"));
    assert_eq!(split_bundle(&bundle.body).unwrap().into_iter().map(leaf_hash).collect::<Vec<_>>(), leaves);

    let consistency = get(&format!("/ledger/consistency?from=2&to={size}")).json();
    let hashes: Vec<_> = consistency["hashes"].as_array().unwrap().iter().map(|h| decode_hash(h.as_str().unwrap()).unwrap()).collect();
    verify_consistency(2, &root_of(&leaves[..2]), size, &checkpoint.root, &hashes).unwrap();
    assert_eq!((consistency["from"].as_u64(), consistency["to"].as_u64()), (Some(2), Some(size)));
}

#[test]
fn what_is_not_there_is_404_without_a_word_on_caching() {
    let stand = Stand::new();
    let auditor = stand.token(&[Role::Auditor]);
    filled(&stand, 1);
    for path in [
        "/ledger/tile/0/000",
        "/ledger/tile/0/000.p/0",
        "/ledger/tile/0/000.p/250",
        "/ledger/tile/0/0",
        "/ledger/tile/00/000.p/1",
        "/ledger/tile/64/000.p/1",
        "/ledger/tile/1/000.p/1",
        "/ledger/tile/entries/x001/234.p/1",
        "/ledger/tile/../checkpoint",
        "/ledger/tile/0/%2e%2e/000",
        "/ledger/proof/999999",
        "/ledger/opening/999999",
        "/ledger/logs/other/checkpoint",
    ] {
        let answer = stand.ask(Ask::get(path).by(&auditor));
        assert_eq!((answer.status, answer.header("cache-control"), answer.header("content-encoding")), (404, None, None), "{path}");
    }
    for path in [
        "/ledger/proof/x",
        "/ledger/opening/-1",
        "/ledger/proof/01",
        "/ledger/consistency",
        "/ledger/consistency?from=x",
        "/ledger/consistency?from=2&to=1",
    ] {
        let answer = stand.ask(Ask::get(path).by(&auditor));
        assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_USER_INPUT"), "{path}");
    }
}

#[test]
fn an_answer_stands_on_the_size_that_is_asked_for_or_is_stale() {
    let stand = Stand::new();
    let auditor = stand.token(&[Role::Auditor]);
    let get = |min: &str| stand.ask(Ask::get("/ledger/checkpoint").with("ledger-min-size", min).by(&auditor));
    let size = get("0").header("ledger-size").unwrap().to_owned();
    assert_eq!(get(&size).status, 200);
    let stale = get(&(size.parse::<u64>().unwrap() + 1).to_string());
    assert_eq!((stale.status, stale.code().as_str()), (412, "STALE"));
    assert_eq!(get("x").status, 400);
    let stale = stand.ask(Ask::json("/graphql", &json!({"query": "{ledger{size}}"})).with("ledger-min-size", "999").by(&auditor));
    assert_eq!((stale.status, stale.code().as_str()), (200, "STALE"));
}

#[test]
fn the_setting_opens_to_strangers_what_it_names() {
    let resources = ["/ledger/checkpoint", "/ledger/tile/0/000.p/1", "/ledger/tile/entries/000.p/1", "/ledger/opening/0"];
    for (public, statuses) in [
        (PublicLedger::None, [401, 401, 401, 401]),
        (PublicLedger::Checkpoint, [200, 401, 401, 401]),
        (PublicLedger::Hashes, [200, 200, 401, 401]),
        (PublicLedger::Entries, [200, 200, 200, 401]),
    ] {
        let stand = Stand::with(|c| c.ledger.public = public, |_| {});
        filled(&stand, 1);
        for (path, expected) in resources.iter().zip(statuses) {
            let answer = stand.ask(Ask::get(path));
            assert_eq!(answer.status, expected, "{public:?} {path}");
            assert_eq!(answer.header("access-control-allow-origin"), (expected == 200).then_some("*"));
        }
        // A bad token is refused also where none is needed.
        assert_eq!(stand.ask(Ask::get("/ledger/checkpoint").by("nonsense")).status, 401);
    }
}

#[test]
fn an_opening_shows_what_the_reader_may_see() {
    let stand = Stand::new();
    filled(&stand, 1);
    let states = |roles: &[Role]| -> Vec<(String, String)> {
        let token = stand.token(roles);
        let index =
            stand.data(&stand.token(&[Role::Reader]), "{events(filter: {types: [\"openlineage.run.v1\"]}){nodes{index}}}", json!({}));
        let index = index["events"]["nodes"][0]["index"].as_u64().unwrap();
        let opening: Value = stand.ask(Ask::get(&format!("/ledger/opening/{index}")).by(&token)).json();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        opening["parts"].as_array().unwrap().iter().map(|p| (text(&p["class"]), text(&p["state"]))).collect()
    };
    let auditor = states(&[Role::Auditor]);
    assert!(auditor.iter().filter(|(class, _)| class != "person").all(|(_, state)| state == "OPEN"), "{auditor:?}");
    assert!(auditor.iter().filter(|(class, _)| class == "person").all(|(_, state)| state == "FORBIDDEN"));
    assert!(auditor.len() >= 2);
}
