//! Readers who may not see everything get the answers of the whole world with what
//! is hidden cut out: over random histories, scopes and levels of sensitivity.
use ledgerline::domain::sight::Sensitivity;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    driver::Asking,
    generator::{History, histories, seeded},
    served::{Reads, Served},
};

/// Tags on some of the things that events describe, by chance.
fn classified(history: &[(String, Value)], seed: u64) -> History {
    const WORDS: [&str; 6] = ["public", "internal", "Confidential", "RESTRICTED", "restricted", "nobody knows"];
    let mut state = seed | 1;
    let mut below = move |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut tag = |entity: &mut Value| {
        if below(6) > 0 {
            return;
        }
        let word = WORDS[usize::try_from(below(6)).unwrap()];
        let body = match below(5) {
            0 => json!({ "_deleted": true, "tags": [] }),
            1 => json!({ "tags": [{ "key": "tier", "value": "gold" }, { "key": "Sensitivity", "value": word, "field": "id" }] }),
            _ => json!({ "tags": [{ "key": "sensitivity", "value": word }] }),
        };
        let mut facet = json!({ "_producer": "https://git.example/tools", "_schemaURL": "https://openlineage.io/spec/facets/1-0-0/TagsDatasetFacet.json" });
        facet.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        if entity.get("facets").is_none() {
            entity["facets"] = json!({});
        }
        entity["facets"]["tags"] = facet;
    };
    let mut history = history.to_vec();
    // A repetition is one of the same event.
    let originals: Vec<Value> = history.iter().map(|h| h.1.clone()).collect();
    for i in 0..history.len() {
        if let Some(first) = (0..i).find(|j| originals[*j] == originals[i]) {
            history[i].1 = history[first].1.clone();
            continue;
        }
        let event = &mut history[i].1;
        for member in ["job", "dataset"] {
            if let Some(entity) = event.get_mut(member) {
                tag(entity);
            }
        }
        // On both sides of one event a dataset is described the same way.
        for member in ["inputs", "outputs"] {
            event.get_mut(member).and_then(Value::as_array_mut).into_iter().flatten().filter(|_| member == "outputs").for_each(&mut tag);
        }
    }
    history
}

fn reads(hidden: u64, clearance: u64) -> Reads {
    const NAMESPACES: [&str; 7] = ["postgres://db:5432", "s3://lake", "bigquery", "hive://metastore:9083", "file", "orchestrator", "jobs"];
    let admitted = NAMESPACES.iter().enumerate().filter(|(i, _)| hidden >> i & 1 == 0).map(|(_, n)| (*n).to_owned()).collect();
    Reads { namespaces: admitted, clearance: Sensitivity::ALL[usize::try_from(clearance % 4).unwrap()] }
}

#[test]
fn restricted_readers_and_the_oracle_agree_on_fixed_histories() {
    for clearance in 0..4 {
        let served = Served::with_clearance(reads(0, clearance).clearance);
        for seed in 0..30 {
            let history = classified(&seeded(seed, 12), seed);
            if let Err(difference) = served.check_as(&history, Asking::USUAL, &reads(seed * 37 % 64, clearance)) {
                panic!("seed {seed}, up to {clearance}\n{difference}");
            }
        }
    }
}

#[test]
fn restricted_readers_and_the_oracle_agree_on_random_histories() {
    let served = Served::with_clearance(Sensitivity::Internal);
    let config = ProptestConfig { cases: 40, failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::default() };
    proptest!(config, |(history in histories(12), seed in any::<u64>(), hidden in 0u64..64)| {
        let asked = Reads { clearance: Sensitivity::Internal, ..reads(hidden, 0) };
        prop_assert_eq!(served.check_as(&classified(&history, seed), Asking::USUAL, &asked).map(|_| ()), Ok(()));
    });
}

#[test]
fn a_job_that_was_sensitive_at_first_is_told_of_by_its_name_later() {
    let tagged = |minute: u32, run: u8, tags: Value| {
        let mut event = crate::support::run_event("COMPLETE", run, minute, &["a"], &["b"]);
        event["job"]["facets"]["tags"] = tags;
        ("alpha".to_owned(), event)
    };
    let secret = json!({ "tags": [{ "key": "sensitivity", "value": "restricted" }] });
    let history = [tagged(10, 1, secret), tagged(20, 2, json!({ "_deleted": true, "tags": [] }))];
    let served = Served::with_clearance(Sensitivity::Internal);
    let asked = Reads { namespaces: vec!["db".to_owned(), "jobs".to_owned()], clearance: Sensitivity::Internal };
    let often = Asking::Some { on_the_way: 60, in_the_end: 60 };
    assert_eq!(served.check_as(&history, often, &asked).map(|_| ()), Ok(()));
}
