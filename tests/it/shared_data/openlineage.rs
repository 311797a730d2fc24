//! Every real event reads, cuts and comes back.
use std::{fs, path::PathBuf};

use crate::openlineage::{check_everything, core_schemas};
use ledgerline::interop::openlineage::{batch, code, facets, facets_of, readable_sql};

/// Each event with the name of its file.
pub fn events() -> Vec<(String, Vec<u8>)> {
    let root = super::folder().join("data/openlineage");
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in ["", "dbt/after_run", "dbt/structured_logs", "dbt/all_pass"] {
        files.extend(fs::read_dir(root.join(folder)).expect("the data").map(|e| e.expect("an entry").path()));
    }
    files.sort();
    let mut events = Vec::new();
    for file in files {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let body = || fs::read(&file).expect("a file");
        if name.ends_with(".ndjson") {
            for (_, event) in batch(&body(), Some("application/x-ndjson")) {
                events.push((name.clone(), event.expect("an event").to_vec()));
            }
        } else if name.ends_with(".json") {
            events.push((name, body()));
        }
    }
    events
}

#[test]
fn every_real_event_is_read_cut_and_reassembled() {
    let (events, schemas) = (events(), core_schemas());
    assert_eq!(events.iter().filter(|(file, _)| file.ends_with(".ndjson")).count(), 557);
    assert_eq!(events.iter().filter(|(file, _)| file.ends_with(".json")).count(), 110, "of dbt");
    for (file, event) in &events {
        let warnings = check_everything(event, &schemas);
        let expected_any = file.contains(".lax.");
        assert!(!expected_any || !warnings.is_empty(), "{file}: a lax event without a warning");
        let strict = !file.contains(".lax.") && !file.contains(".completed.");
        // Valid events may still have members that the specification leaves open.
        assert!(!strict || warnings.iter().all(|w| w.code == code::MEMBER_UNKNOWN), "{file}: {warnings:?}");
    }
}

#[test]
fn the_facets_of_all_events_are_read() {
    let (mut columns, mut field_flows, mut statements) = (0, 0, 0);
    for (_, event) in events() {
        for facet in facets_of(&event).expect("JSON") {
            let raw = facet.raw.as_bytes();
            match facet.name.as_ref() {
                "schema" => columns += facets::schema(raw).expect("a schema").fields.len(),
                "columnLineage" => field_flows += facets::column_lineage(raw).expect("lineage").fields.len(),
                "sql" => {
                    let readable = readable_sql(&facets::sql(raw).expect("a statement").query);
                    assert!(!readable.contains('\''), "{readable}");
                    statements += 1;
                }
                _ => {}
            }
        }
    }
    assert!(columns > 900 && field_flows > 100 && statements > 50, "{columns} {field_flows} {statements}");
}
