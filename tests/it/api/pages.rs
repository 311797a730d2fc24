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
            {nodes{name} pageInfo{hasNextPage endCursor}}}";
        let (mut seen, mut after, mut page) = (Vec::new(), Value::Null, 0_u32);
        loop {
            let data = stand.data(&token, query, json!({ "n": size, "after": after }));
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
