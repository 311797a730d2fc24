//! Which entry holds what is in force.
use ledgerline::access::Role;
use serde_json::{Value, json};

use super::stand::Stand;
use crate::support::run_event;

#[test]
fn a_facet_and_an_owner_name_the_entry_that_says_so_and_not_one_that_only_ended_them() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer, Role::Auditor]);
    let sent = |run: u8, minute: u32, column: &str, owner: &str| -> Value {
        let facet = |name: &str, body: Value| {
            let mut facet = json!({ "_producer": "https://example.org/producer", "_schemaURL": format!("https://openlineage.io/spec/facets/1-0-0/{name}.json") });
            facet.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            facet
        };
        let mut event = run_event("COMPLETE", run, minute, &[], &["b"]);
        event["outputs"][0]["facets"] = json!({
            "schema": facet("SchemaDatasetFacet", json!({ "fields": [{ "name": column, "type": "int8" }] })),
            "ownership": facet("OwnershipDatasetFacet", json!({ "owners": [{ "name": owner, "type": "MAINTAINER" }] })),
        });
        let answer = stand.send(&token, &event);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["index"].clone()
    };
    let first = sent(1, 10, "a", "team:first");
    // Ends what the first said at 20, and a late one in between cuts it shorter yet.
    let last = sent(2, 20, "b", "team:second");
    let late = sent(3, 15, "c", "team:third");
    let query = "query($at: DateTime) { artifact(ref: { dataset: { namespace: \"db\", name: \"b\" } }, asOf: { validAt: $at }) { \
        facets { name recordedFrom } owners { recordedFrom } } }";
    for (minute, entry) in [(12, first), (17, late), (25, last)] {
        let told = stand.data(&token, query, json!({ "at": format!("2026-11-24T00:{minute}:00Z") }));
        let facets = told["artifact"]["facets"].as_array().unwrap();
        assert!(!facets.is_empty() && facets.iter().all(|f| f["recordedFrom"] == entry), "at {minute}: {entry} {facets:?}");
        assert_eq!(told["artifact"]["owners"][0]["recordedFrom"], entry, "at {minute}");
    }
}
