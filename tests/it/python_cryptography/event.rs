//! `docs/examples/verify_event.py`: of every entry, and of each change.
use std::{fs, path::Path};

use ledgerline::access::Role;
use serde_json::{Value, json};

use crate::api::stand::{Ask, Stand};

fn run(folder: &Path, files: &[&str]) -> (bool, String) {
    super::run("verify_event.py", folder, files)
}

fn send(stand: &Stand, token: &str, from: usize, to: usize) {
    for n in from..to {
        let event = json!({
            "eventType": "COMPLETE", "eventTime": format!("2026-11-01T00:00:{:02}Z", n % 60),
            "run": { "runId": format!("0194bb3e-4a00-7000-8000-{n:012}") },
            "job": { "namespace": "n", "name": "j", "facets": { "ownership": {
                "_producer": "https://example.org", "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/OwnershipJobFacet.json",
                "owners": [{ "name": "user:ada@example.org" }],
            } } },
            "producer": "https://example.org/1.0.0", "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
        });
        assert_eq!(stand.send(token, &event).status, 201);
    }
}

#[test]
fn the_example_verifies_every_event_and_refuses_each_change() {
    let stand = Stand::new();
    let producer = stand.token(&[Role::Producer]);
    let auditor = stand.token(&[Role::Auditor]);
    let folder = tempfile::tempdir().unwrap();
    let keep = |path: &str, name: &str| {
        let answer = stand.ask(Ask::get(path).by(&auditor));
        assert_eq!(answer.status, 200, "{}", answer.text());
        fs::write(folder.path().join(name), &answer.body).unwrap();
        answer.text().to_owned()
    };
    let size_of = |note: &str| note.rsplit_once("\n\n").unwrap().0.lines().nth_back(1).unwrap().parse::<u64>().unwrap();
    let all = ["vkey", "proof", "opening", "older", "consistency"];
    keep("/ledger/vkey", "vkey");
    send(&stand, &producer, 0, 5);
    keep("/ledger/proof/6", "proof");
    let older = keep("/ledger/checkpoint", "older");
    send(&stand, &producer, 5, 11);
    keep("/ledger/proof/12", "proof");
    keep(&format!("/ledger/consistency?from={}&to=13", size_of(&older)), "consistency");
    for index in 0..13 {
        keep(&format!("/ledger/proof/{index}"), "proof");
        keep(&format!("/ledger/opening/{index}"), "opening");
        let (verified, said) = run(folder.path(), &all);
        assert!(verified && said.contains(&format!("entry {index} is in the log of 13 entries")), "{said}");
        assert!(said.contains("continues the one of 7 entries") && !said.contains("ada@example.org"), "{said}");
    }

    // One character elsewhere in any file, and it is refused with a reason.
    let opening: Value = serde_json::from_slice(&fs::read(folder.path().join("opening")).unwrap()).unwrap();
    let changed = |at: &str| {
        let mut bent = opening.clone();
        let text = bent.pointer_mut(at).unwrap();
        let (first, rest) = text.as_str().unwrap().split_at(1);
        *text = format!("{}{rest}", if first == "A" { "B" } else { "A" }).into();
        bent.to_string()
    };
    for at in ["/parts/0/salt", "/parts/0/bytes", "/parts/1/bytes", "/parts/2/commitment"] {
        fs::write(folder.path().join("bent"), changed(at)).unwrap();
        let (verified, said) = run(folder.path(), &["vkey", "proof", "bent"]);
        assert!(!verified && said.contains("wrong: the parts are not what the leaf commits to"), "{at}: {said}");
    }
    let proof = fs::read_to_string(folder.path().join("proof")).unwrap();
    let old_root = older.lines().nth(2).unwrap();
    for (file, text, reason) in [
        ("proof", proof.replace("index 12", "index 11"), "of two entries"),
        ("proof", proof.replace("\n13\n", "\n14\n"), "signature does not verify"),
        ("older", older.replace(old_root, &format!("{}=", "A".repeat(43))), "signature does not verify"),
        ("consistency", json!({ "hashes": [format!("{}=", "A".repeat(43))] }).to_string(), "the log was rewritten"),
    ] {
        fs::write(folder.path().join("bent"), text).unwrap();
        let files = all.map(|f| if f == file { "bent" } else { f });
        let (verified, said) = run(folder.path(), &files);
        assert!(!verified && said.contains(reason), "{file}: {said}");
    }
}
