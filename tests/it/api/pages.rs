//! Pages of the catalog stay a walk over one state, whatever is written meanwhile.
use ledgerline::access::Role;
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::stand::Stand;
use crate::support::run_event;

/// Names that sort around each other, also beyond ASCII.
fn name() -> impl Strategy<Value = String> {
    "[a-cA-C_.éß🏃]{1,4}"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_walk_in_pages_gives_each_artifact_once_while_others_are_written(
        names in proptest::collection::btree_set(name(), 1..400),
        inserts in vec(vec(name(), 1..8), 0..6),
        size in 1_u32..200,
    ) {
        let stand = Stand::new();
        let token = stand.token(&[Role::Producer, Role::Reader]);
        let size = size.max(u32::try_from(names.len()).unwrap() / 20);
        let prefixed: Vec<String> = names.iter().cloned().collect();
        let refs: Vec<&str> = prefixed.iter().map(String::as_str).collect();
        prop_assert_eq!(stand.send(&token, &run_event("COMPLETE", 1, 10, &refs, &[])).status, 201);

        let query = "query($n: Int!, $after: String) {artifacts(first: $n, after: $after, filter: {kinds: [DATASET]})
            {totalCount nodes{name} pageInfo{hasNextPage endCursor}}}";
        let (mut seen, mut after, mut page) = (Vec::new(), Value::Null, 0_u32);
        loop {
            let data = stand.data(&token, query, json!({ "n": size, "after": after }));
            // Of this walk, whatever was written since.
            prop_assert_eq!(&data["artifacts"]["totalCount"], prefixed.len());
            let nodes = data["artifacts"]["nodes"].as_array().unwrap();
            seen.extend(nodes.iter().map(|n| n["name"].as_str().unwrap().to_owned()));
            // Before, between and behind what was already given.
            if let Some(more) = inserts.get(page as usize) {
                let more: Vec<&str> = more.iter().map(String::as_str).collect();
                prop_assert_eq!(stand.send(&token, &run_event("COMPLETE", 100 + page as u8, 20 + page, &more, &[])).status, 201);
            }
            let info = &data["artifacts"]["pageInfo"];
            after = info["endCursor"].clone();
            page += 1;
            if info["hasNextPage"] == json!(false) {
                break;
            }
            prop_assert!(page < 500, "the walk ends");
        }
        // Text sorts by its bytes, and what was written later is not of this walk.
        prop_assert_eq!(seen, prefixed);
    }
}

#[test]
fn a_total_counts_what_the_pages_list_with_ends_renames_and_symlinks() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Producer, Role::Reader]);
    let facet = |value: Value| {
        let mut facet = json!({"_producer": "https://example.org/p", "_schemaURL": "https://example.org/s"});
        facet.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        facet
    };
    for (run, minute, dataset, facets) in [
        (1, 10, "plain", json!({})),
        (2, 11, "linked", json!({"symlinks": facet(json!({"identifiers": [{"namespace": "hive", "name": "t", "type": "TABLE"}]}))})),
        (3, 12, "old", json!({})),
        (4, 13, "gone", json!({})),
        (5, 20, "gone", json!({"lifecycleStateChange": facet(json!({"lifecycleStateChange": "DROP"}))})),
        (
            6,
            21,
            "new",
            json!({"lifecycleStateChange": facet(json!({"lifecycleStateChange": "RENAME",
            "previousIdentifier": {"namespace": "db", "name": "old"}}))}),
        ),
    ] {
        let mut event = run_event("COMPLETE", run, minute, &[], &[dataset]);
        event["outputs"][0]["facets"] = facets;
        assert_eq!(stand.send(&token, &event).status, 201);
    }
    let size = stand.world.app.ledger_size();
    let filters = [
        json!({}),
        json!({"kinds": ["JOB"]}),
        json!({"kinds": ["DATASET"]}),
        json!({"namespace": "db"}),
        json!({"namespace": "db", "namePrefix": "n"}),
        json!({"namePrefix": "g"}),
        json!({"namespace": "nowhere"}),
    ];
    let query = "query($filter: ArtifactFilter, $asOf: AsOf){artifacts(first: 200, filter: $filter, asOf: $asOf){totalCount nodes{name}}}";
    let mut most = 0;
    for filter in &filters {
        for minute in [0, 10, 11, 12, 13, 19, 20, 21, 40] {
            for ledger in 1..=size {
                let at = format!("2026-11-24T00:{minute:02}:00Z");
                let data = stand.data(&token, query, json!({"filter": filter, "asOf": {"validAt": at, "ledgerSize": ledger}}));
                let listed = data["artifacts"]["nodes"].as_array().unwrap().len();
                assert_eq!(data["artifacts"]["totalCount"], listed, "{filter} at {minute} and {ledger}: {data}");
                most = most.max(listed);
            }
        }
    }
    assert!(most >= 5, "the job, and what lives beside it: {most}");
}

#[test]
fn twenty_thousand_artifacts_are_walked_each_once_while_others_are_written() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Producer, Role::Reader]);
    let write = |run: u8, minute: u32, names: Vec<String>| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(stand.send(&token, &run_event("COMPLETE", run, minute, &[], &names)).status, 201);
    };
    const EACH: usize = 1_000;
    (0..20_u8).for_each(|e| write(e, 10, (0..EACH).map(|i| format!("d{:05}", usize::from(e) * EACH + i)).collect()));
    let query = "query($after: String){artifacts(first: 200, after: $after, filter: {kinds: [DATASET]}){nodes{name} pageInfo{hasNextPage endCursor}}}";
    let (mut seen, mut after, mut page) = (Vec::new(), Value::Null, 0_u32);
    loop {
        let data = stand.data(&token, query, json!({ "after": after }));
        seen.extend(data["artifacts"]["nodes"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap().to_owned()));
        if page.is_multiple_of(10) {
            // Before, right behind, and at the end of where the walk is.
            let here = seen.last().unwrap();
            write(200, 20 + page / 10, vec![format!("a{page}"), format!("{here}x"), format!("z{page}")]);
        }
        page += 1;
        after = data["artifacts"]["pageInfo"]["endCursor"].clone();
        if data["artifacts"]["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    let all: Vec<String> = (0..20 * EACH).map(|i| format!("d{i:05}")).collect();
    assert!(seen == all, "{} of {}", seen.len(), all.len());
}
