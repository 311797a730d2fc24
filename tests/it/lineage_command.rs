//! `ledgerline lineage` against a real server.
use std::process::Command;

use ledgerline::access::Role;
use serde_json::Value;

use crate::{api::stand::Stand, support::run_event};

fn lineage(stand: &Stand, token: &str, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ledgerline"))
        .env_clear()
        .arg("lineage")
        .args(args)
        .args(["--url", &stand.base, "--token", token])
        .output()
        .unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn stand() -> (Stand, String) {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    let mut event = run_event("COMPLETE", 1, 60, &["raw"], &["clean"]);
    event["outputs"][0]["facets"] = serde_json::json!({"columnLineage": {
        "_producer": "https://example.org/producer", "_schemaURL": "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json",
        "fields": {"total": {"inputFields": [{"namespace": "db", "name": "raw", "field": "amount"}]}}}});
    assert_eq!(stand.send(&token, &event).status, 201);
    (stand, token)
}

#[test]
fn a_lineage_is_printed_with_its_date_and_completeness_in_every_format() {
    let (stand, token) = stand();
    for format in ["table", "json", "dot", "mermaid"] {
        let (code, out, err) =
            lineage(&stand, &token, &["dataset:db:clean", "--direction", "upstream", "--depth", "2", "--format", format]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("2026-11-24T12:00:00.000000Z") && out.contains("COMPLETE"), "{out}");
        assert!(out.contains("raw") && out.contains("etl") && out.contains("clean"), "{out}");
    }
    let (code, out, _) = lineage(&stand, &token, &["job:jobs:etl", "--json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &told["completeness"]["status"], told["nodes"].as_array().unwrap().len()), (0, &"COMPLETE".into(), 3));
}

#[test]
fn what_is_left_out_and_a_window_are_asked_for_in_every_format() {
    let (stand, token) = stand();
    assert_eq!(stand.send(&token, &run_event("COMPLETE", 2, 70, &["fresh"], &["clean"])).status, 201);
    for format in ["table", "json", "dot", "mermaid"] {
        let asked = ["dataset:db:clean", "--direction", "upstream", "--collapse", "jobs", "--format", format];
        let (code, out, err) = lineage(&stand, &token, &asked);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("fresh") && !out.contains("raw") && out.contains("COMPLETE"), "{out}");
        let (code, out, err) = lineage(&stand, &token, &[&asked[..], &["--since", "2026-11-24T01:05:00Z"]].concat());
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.contains("fresh") && out.contains("raw") && out.contains("2026-11-24T12:00:00.000000Z"), "{out}");
    }
    let (code, _, err) = lineage(&stand, &token, &["dataset:db:clean", "--since", "2027-01-01T00:00:00Z"]);
    assert!(code == 1 && err.contains("window"), "{err}");
    let (code, _, err) = lineage(&stand, &token, &["dataset:db:clean", "--collapse", "everything"]);
    assert!(code == 2 && err.contains("everything"), "{err}");
}

#[test]
fn columns_are_named_with_their_dataset() {
    let (stand, token) = stand();
    let (code, out, err) = lineage(&stand, &token, &["datasetField:db:clean:total", "--level", "field", "--direction", "upstream"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("raw.amount") && out.contains("clean.total") && out.contains("WAS_DERIVED_FROM"), "{out}");
}

#[test]
fn what_is_unknown_fails_and_what_is_no_reference_is_wrong_usage() {
    let (stand, token) = stand();
    let (code, out, err) = lineage(&stand, &token, &["dataset:db:nothing"]);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(err.contains("named by no entry"), "{err}");
    for bad in ["clean", "table:db:clean", "dataset:clean", "datasetField:db:clean"] {
        let (code, _, err) = lineage(&stand, &token, &[bad]);
        assert!(code == 2 && err.contains("dataset:NAMESPACE:NAME"), "{bad}: {code} {err}");
    }
    let (code, _, err) = lineage(&stand, &token, &["dataset:db:clean", "--depth", "100000"]);
    assert!(code == 1 && err.contains("depth"), "{err}");
}
