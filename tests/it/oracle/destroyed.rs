//! Histories of which something was destroyed: what the whole store says of a size is
//! what a store says that was never given more than the entries below it.
//!
//! The history is sent; at some sizes the folder is copied. Then parts are destroyed in
//! the whole folder and in every copy alike: people with their keys, received bytes,
//! the content of facets, what entries said. Each graph is made anew from what is left,
//! and both are asked the same: the whole one as of the size, the copy as of now.
use std::collections::BTreeSet;

use ledgerline::{access::Role, domain::id::Handle};
use proptest::{prelude::*, sample::subsequence};
use serde_json::{Value, json};

use super::{
    compare::difference,
    generator::{History, histories},
};
use crate::{
    api::stand::{Stand, block_on, new_token},
    support::{World, principal},
    verify::{destroyed::vault, folder::Folder, passes, rebuild},
};

/// Everything that is told of one start, at one instant and size.
const ASK: &str = "
query($ref: ArtifactRef!, $asOf: AsOf, $level: LineageLevel!, $collapse: Collapse!) {
  lineage(from: [$ref], asOf: $asOf, options: { depth: 4, level: $level, collapse: $collapse, includeDeleted: true, includeSelfLoops: true }) {
    nodes { id kind namespace name aliases { namespace name } depth selfLoop deletedAt remaining }
    edges { from to kind job validFrom validUntil transformations { type subtype masking }
            assertions(first: 9) { source validFrom validUntil recordedFrom recordedUntil event { index } } }
    byNamespace { namespaces { namespace nodes edgesInside } edges { from to edges } }
    completeness { status reasons nodesVisited edgesVisited prunedByTime }
  }
  lineageCounts(from: [$ref], asOf: $asOf, options: { depth: 4, level: $level }) { upstream { nodes edges } downstream { nodes edges } }
  artifact(ref: $ref, asOf: $asOf) {
    id kind namespace name aliases { namespace name } validFrom recordedFrom deletedAt
    description documentation { source text } tags { key value } jobType { jobType }
    owners { actor { handle } role since source recordedFrom }
    schema { source validFrom fields { path type } }
    facets { name source state validFrom validUntil recordedFrom json }
    fieldHistory { kind validFrom source recordedFrom }
    schemaHistory { validFrom validUntil source hash recordedFrom deleted fields { path } }
    changes(first: 50) { nodes { index kinds facets recordedAt actor { handle } } }
    neighbours(direction: BOTH) { count nodes { id } }
    runs(first: 20) { runId state startedAt endedAt durationMs parentRunId inputs { id } outputs { id } events { index parts { class state } } }
    runStatistics { runs byState { state runs } }
  }
}";

const LIST: &str = "query($asOf: AsOf) {
  artifacts(first: 200, asOf: $asOf) { nodes { id kind namespace name deletedAt } } }";

/// What is destroyed: entries by place in the history, people and facets by number.
#[derive(Clone, Debug)]
struct Destruction {
    cores: BTreeSet<usize>,
    rests: BTreeSet<usize>,
    people: BTreeSet<usize>,
    blobs: BTreeSet<usize>,
}

/// A few of the first `most` numbers.
fn some(most: usize) -> impl Strategy<Value = BTreeSet<usize>> {
    subsequence((0..most).collect::<Vec<_>>(), 0..=most / 3).prop_map(|some| some.into_iter().collect())
}

fn destructions(entries: usize) -> impl Strategy<Value = Destruction> {
    (some(entries), some(entries), some(PEOPLE), some(9)).prop_map(|(cores, rests, people, blobs)| Destruction {
        cores,
        rests,
        people,
        blobs,
    })
}

const PEOPLE: usize = 4;

/// Names a person as owner in every second job's event.
fn with_people(mut history: History) -> History {
    for (i, (_, event)) in history.iter_mut().enumerate() {
        if i % 2 == 0 && event.get("job").is_some() {
            event["job"]["facets"]["ownership"] = json!({
                "_producer": "https://example.org", "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/OwnershipJobFacet.json",
                "owners": [{ "name": format!("user:p{}@example.org", i / 2 % PEOPLE), "type": "MAINTAINER" }],
            });
        }
    }
    history
}

impl Destruction {
    /// Of the entries from `first` on, as far as the folder has them. A facet may be
    /// stored more than once (interned ones are not remembered over a restart).
    fn of(&self, folder: &Folder, first: u64, people: &[Handle]) {
        let db = folder.main();
        let list = |some: &BTreeSet<usize>, first: u64| some.iter().map(|i| (*i as u64 + first).to_string()).collect::<Vec<_>>().join(",");
        db.execute_batch(&format!(
            "UPDATE entry SET core = NULL WHERE ix IN ({}); UPDATE entry SET rest = NULL WHERE ix IN ({});
             UPDATE blob SET sealed = NULL WHERE digest IN (SELECT digest FROM blob WHERE id IN ({}));",
            list(&self.cores, first),
            list(&self.rests, first),
            list(&self.blobs, 1),
        ))
        .unwrap();
        drop(db);
        let gone: Vec<Handle> = self.people.iter().filter_map(|i| people.get(*i).copied()).collect();
        vault(folder).erase_people(&gone).unwrap();
    }
}

/// Sends the history, copying the folder at each of `sizes` (in events sent).
fn recorded(history: &History, sizes: &BTreeSet<usize>) -> (Folder, Vec<Folder>, u64, String) {
    let mut world = World::new();
    let reader = ledgerline::app::tokens::NewToken { roles: vec![Role::Auditor, Role::Engineer], ..new_token() };
    let token = block_on(world.app.create_token_locally(reader)).unwrap().0;
    let first = world.app.ledger_size();
    let mut copies = Vec::new();
    for (i, (integration, event)) in history.iter().enumerate() {
        if sizes.contains(&i) {
            world.app.drain();
            copies.push(Folder::copy_of(world.path()));
            world = world.reopen();
        }
        block_on(world.send_as(&principal(&[Role::Producer], integration), event));
    }
    (Folder::of(world), copies, first, token)
}

/// Instants at which something begins or ends, and one after all.
fn instants(history: &History) -> Vec<String> {
    let times: BTreeSet<&str> = history.iter().map(|(_, e)| e["eventTime"].as_str().unwrap()).collect();
    let times: Vec<&str> = times.into_iter().collect();
    [times[times.len() / 2], times[times.len() - 1], "2026-11-24T13:00:00Z"].map(str::to_owned).to_vec()
}

fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap()
}

/// A folder whose graph was made anew, and the server over it.
fn served(folder: Folder) -> Stand {
    rebuild(folder.path()).unwrap_or_else(|finding| panic!("{finding}"));
    passes(folder.path());
    Stand::over(World::of_folder(folder.into_dir()), |_| {})
}

fn check(history: &History, destruction: &Destruction, sizes: &BTreeSet<usize>) -> Result<(), TestCaseError> {
    let (whole, copies, first, token) = recorded(history, sizes);
    let people: Vec<Handle> = {
        let db = whole.main();
        let mut select = db.prepare("SELECT handle FROM person ORDER BY handle").unwrap();
        select.query_map([], |r| r.get(0).map(Handle)).unwrap().map(Result::unwrap).collect()
    };
    for folder in copies.iter().chain([&whole]) {
        destruction.of(folder, first, &people);
    }
    let whole = served(whole);
    for copy in copies {
        let copy = served(copy);
        let size = copy.world.app.ledger_size();
        for at in instants(history) {
            let now = json!({ "validAt": at });
            let then = json!({ "validAt": at, "ledgerSize": size });
            let of = |as_of: &Value| json!({ "asOf": as_of });
            let listed = copy.data(&token, LIST, of(&now));
            prop_assert_eq!(&listed, &whole.data(&token, LIST, of(&then)), "the list at {} and {}", size, at);
            for artifact in listed["artifacts"]["nodes"].as_array().unwrap() {
                for (level, collapse) in [("ARTIFACT", "NONE"), ("ARTIFACT", "JOBS"), ("FIELD", "NONE")] {
                    if level == "FIELD" && artifact["kind"] != "DATASET" {
                        continue;
                    }
                    let of =
                        |as_of: &Value| json!({ "asOf": as_of, "ref": { "id": artifact["id"] }, "level": level, "collapse": collapse });
                    let (now, then) = (copy.data(&token, ASK, of(&now)), whole.data(&token, ASK, of(&then)));
                    let differs = difference(&pretty(&now), &pretty(&then));
                    prop_assert!(differs.is_none(), "{level} {artifact} at {size} and {at}: {}", differs.unwrap_or_default());
                }
            }
        }
    }
    Ok(())
}

/// How many histories are played. More by `LEDGERLINE_HISTORIES`.
fn cases() -> u32 {
    std::env::var("LEDGERLINE_HISTORIES").ok().map_or(10, |n| n.parse().expect("a number of histories"))
}

#[test]
fn after_any_destruction_as_of_a_size_is_a_replay_to_that_size() {
    let config = ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 60, ..ProptestConfig::default() };
    let sizes = subsequence((1..10).collect::<Vec<usize>>(), 2).prop_map(|some| some.into_iter().collect::<BTreeSet<_>>());
    proptest!(config, |((history, destruction, sizes) in (histories(12), destructions(12), sizes))| {
        check(&with_people(history), &destruction, &sizes)?;
    });
}
