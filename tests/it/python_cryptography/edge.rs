//! `docs/examples/verify_edge.py`: of every edge of an answer, and of each change. The
//! question is the one that `docs/verify-an-edge.md` shows.
use std::fs;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledgerline::{
    access::Role,
    domain::{
        entry::{PartClass, commitment, root_of_parts},
        merkle::Hash,
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    api::stand::{Ask, Stand},
    support::{World, config, run_event},
};

/// An answer with the files that it is checked with.
struct Saved {
    folder: TempDir,
    answer: Value,
}

impl Saved {
    /// Everything around dataset `f`, as the page says to ask for it.
    fn of(stand: &Stand, auditor: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let last = stand.world.app.ledger_size() - 1;
        // A proof waits for the checkpoint that covers the entry.
        assert_eq!(stand.ask(Ask::get(&format!("/ledger/proof/{last}")).by(auditor)).status, 200);
        let [_, checkpoint] = ["vkey", "checkpoint"].map(|file| {
            let got = stand.ask(Ask::get(&format!("/ledger/{file}")).by(auditor));
            fs::write(folder.path().join(file), &got.body).unwrap();
            got.text().to_owned()
        });
        let size: u64 = checkpoint.lines().nth(1).unwrap().parse().unwrap();
        assert_eq!(size, last + 1);
        let page = include_str!("../../../docs/verify-an-edge.md");
        let query = page.split("\"query\": \"").nth(1).unwrap().split("\",\n").next().unwrap().replace("\\$", "$");
        let variables = json!({
            "size": size,
            "options": { "depth": 6 },
            "from": [{ "dataset": { "namespace": "db", "name": "f" } }],
        });
        let data = stand.data(auditor, &query, variables);
        Self { folder, answer: json!({ "data": data }) }
    }

    fn check(&self, answer: &Value, files: [&str; 2]) -> (bool, String) {
        fs::write(self.folder.path().join("answer"), answer.to_string()).unwrap();
        super::run("verify_edge.py", self.folder.path(), &[files[0], files[1], "answer"])
    }

    /// The answer after a change is refused for this reason.
    fn refuses(&self, change: impl FnOnce(&mut Value), reason: &str) {
        let mut bent = self.answer.clone();
        change(&mut bent["data"]["lineage"]);
        assert_ne!(bent, self.answer, "nothing was changed");
        let (verified, said) = self.check(&bent, ["vkey", "checkpoint"]);
        assert!(!verified && said.contains(&format!("wrong: {reason}")), "{reason}: {said}");
    }
}

fn bytes(b64u: &Value) -> [u8; 32] {
    URL_SAFE_NO_PAD.decode(b64u.as_str().unwrap()).unwrap().try_into().unwrap()
}

/// Jobs in a row, a table that is renamed, a person, and a flow that somebody declared.
fn estate(stand: &Stand) {
    let engineer = stand.token(&[Role::Engineer]);
    let mut events = [
        run_event("COMPLETE", 1, 10, &["a", "b"], &["c"]),
        run_event("COMPLETE", 2, 20, &["c"], &["d", "e"]),
        run_event("COMPLETE", 3, 30, &["e"], &["f"]),
        run_event("COMPLETE", 4, 35, &[], &["e, renamed"]),
    ];
    for (i, event) in events.iter_mut().enumerate() {
        event["job"] = json!({ "namespace": "jobs", "name": format!("etl {i}") });
    }
    events[0]["job"]["facets"] = json!({ "ownership": {
        "_producer": "https://example.org", "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/OwnershipJobFacet.json",
        "owners": [{ "name": "user:ada@example.org" }],
    } });
    events[3]["outputs"][0]["facets"] = json!({ "lifecycleStateChange": {
        "_producer": "https://example.org", "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/LifecycleStateChangeDatasetFacet.json",
        "lifecycleStateChange": "RENAME", "previousIdentifier": { "namespace": "db", "name": "e" },
    } });
    for event in &events {
        assert_eq!(stand.send(&engineer, event).status, 201);
    }
    let declared = json!({ "input": {
        "job": { "namespace": "jobs", "name": "by hand" }, "inputs": [{ "namespace": "db", "name": "f" }],
        "outputs": [{ "namespace": "db", "name": "g" }], "owner": "ada", "reviewAt": "2027-01-01T00:00:00Z", "reason": "a sheet",
    } });
    let said = "mutation($input: AssertFlowsInput!){assertFlows(input: $input){receipt{index} refusal{message}}}";
    assert!(stand.data(&engineer, said, declared)["assertFlows"]["refusal"].is_null());
    // More than the answer needs, so that proofs have hashes on both sides.
    for run in 10..20 {
        assert_eq!(stand.send(&engineer, &run_event("COMPLETE", run, 40, &["x"], &["y"])).status, 201);
    }
}

#[test]
fn the_example_verifies_every_edge_and_refuses_each_change() {
    let stand = Stand::new();
    let auditor = stand.token(&[Role::Auditor]);
    estate(&stand);
    let saved = Saved::of(&stand, &auditor);
    let (verified, said) = saved.check(&saved.answer, ["vkey", "checkpoint"]);
    assert!(verified, "{said}");
    let edges = saved.answer["data"]["lineage"]["edges"].as_array().unwrap();
    let told: Vec<&str> = said.lines().map(|line| line.split_once(": ").unwrap().1).collect();
    for line in [
        "etl 0 USED a",
        "etl 0 WAS_GENERATED_BY c",
        "etl 1 WAS_GENERATED_BY e",
        "etl 2 USED e",
        "etl 3 WAS_GENERATED_BY e, renamed",
        "by hand USED f",
        "by hand WAS_GENERATED_BY g",
    ] {
        assert!(told.contains(&line), "{line}: {said}");
    }
    assert_eq!((told.len(), edges.len()), (10, 10), "{said}");
    assert!(!said.contains("ada") && !saved.answer.to_string().contains("ada@"), "{said}");

    // An edge that job `etl 1` told.
    let edge = edges.iter().position(|e| e["assertions"][0]["event"]["parts"][0]["text"].as_str().unwrap().contains("etl 1")).unwrap();
    let event = &format!("/edges/{edge}/assertions/0/event");
    let flip = |text: &mut Value| {
        let (first, rest) = text.as_str().unwrap().split_at(1);
        *text = format!("{}{rest}", if first == "A" { "B" } else { "A" }).into();
    };
    let at = |member: &str| format!("{event}/{member}");
    for (place, reason) in [
        ("parts/0/salt", "a text is not what was committed to"),
        ("parts/0/commitment", "a text is not what was committed to"),
        ("parts/1/commitment", "a leaf has other parts"),
        ("proof/hashes/0", "an entry is not in the log"),
    ] {
        saved.refuses(|l| flip(l.pointer_mut(&at(place)).unwrap()), reason);
    }
    let write = |l: &mut Value, place: &str, from: &str, to: &str| {
        let text = l.pointer_mut(&at(place)).unwrap();
        *text = text.as_str().unwrap().replace(from, to).into();
    };
    saved.refuses(|l| write(l, "parts/0/text", "etl 1", "etl 0"), "a text is not what was committed to");
    saved.refuses(|l| write(l, "leaf", "2026", "2025"), "an entry is not in the log");
    saved.refuses(|l| *l.pointer_mut(&at("index")).unwrap() = json!(1), "an entry is not in the log");
    saved.refuses(|l| *l.pointer_mut(&at("index")).unwrap() = json!(1_u64 << 40), "an entry is not in the log");
    saved.refuses(|l| l.pointer_mut(&at("proof/hashes")).unwrap().as_array_mut().unwrap().truncate(1), "an entry is not in the log");
    saved.refuses(|l| *l.pointer_mut(&at("parts/0/text")).unwrap() = Value::Null, "a core part is not shown");
    saved.refuses(|l| l["edges"][edge]["assertions"] = json!([]), "an edge has no evidence");

    // Whoever makes up a text, its commitment and its leaf is found out by the log.
    let forge = |l: &mut Value, whole: bool| {
        write(l, "parts/0/text", "etl 1", "etl 0");
        let event = l.pointer_mut(event).unwrap();
        let forged =
            commitment(PartClass::Core, &bytes(&event["parts"][0]["salt"]), event["parts"][0]["text"].as_str().unwrap().as_bytes());
        event["parts"][0]["commitment"] = URL_SAFE_NO_PAD.encode(forged).into();
        if whole {
            let parts = event["parts"].as_array().unwrap().iter();
            let all: Vec<Hash> = parts.map(|p| bytes(&p["commitment"])).collect();
            let mut leaf: Value = serde_json::from_str(event["leaf"].as_str().unwrap()).unwrap();
            leaf["root"] = URL_SAFE_NO_PAD.encode(root_of_parts(&all)).into();
            event["leaf"] = leaf.to_string().into();
        }
    };
    saved.refuses(|l| forge(l, false), "a leaf has other parts");
    saved.refuses(|l| forge(l, true), "an entry is not in the log");

    // True events for edges that they do not tell.
    let node = |name: &str| {
        let nodes = saved.answer["data"]["lineage"]["nodes"].as_array().unwrap();
        nodes.iter().position(|n| n["name"] == name).unwrap()
    };
    let other = saved.answer["data"]["lineage"]["nodes"][node("a")]["id"].clone();
    for side in ["from", "to"] {
        saved.refuses(|l| l["edges"][edge][side] = other.clone(), "an event does not say what the edge says");
    }
    saved.refuses(|l| l["nodes"][node("f")]["name"] = "another".into(), "an event does not say what the edge says");
    let others = edges.iter().find(|e| e["from"] == other).unwrap()["assertions"].clone();
    saved.refuses(|l| l["edges"][edge]["assertions"] = others, "an event does not say what the edge says");

    // Another head, and another log's key.
    let checkpoint = fs::read_to_string(saved.folder.path().join("checkpoint")).unwrap();
    let lines: Vec<&str> = checkpoint.lines().collect();
    for (from, to) in [(lines[1], "7"), (lines[2], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")] {
        fs::write(saved.folder.path().join("bent"), checkpoint.replacen(from, to, 1)).unwrap();
        let (verified, said) = saved.check(&saved.answer, ["vkey", "bent"]);
        assert!(!verified && said.contains("wrong: the checkpoint"), "{said}");
    }
    let other = Stand::over(World::seeded(8, &config(), |b| b), |_| {});
    let vkey = other.ask(Ask::get("/ledger/vkey").by(&other.token(&[Role::Auditor])));
    fs::write(saved.folder.path().join("other"), vkey.body).unwrap();
    let (verified, said) = saved.check(&saved.answer, ["other", "checkpoint"]);
    assert!(!verified && said.contains("wrong: the checkpoint is not of the log that has this key"), "{said}");
}

#[test]
fn the_example_is_of_60_lines_and_knows_nothing_of_ours() {
    let example = include_str!("../../../docs/examples/verify_edge.py");
    assert!(example.lines().count() <= 60);
    let imported: Vec<&str> = example.lines().filter(|l| l.starts_with("import ") || l.starts_with("from ")).collect();
    assert_eq!(imported[0], "import base64, hashlib, json, pathlib, sys");
    assert!(imported[1..].iter().all(|l| l.starts_with("from cryptography.")), "{imported:?}");
}
