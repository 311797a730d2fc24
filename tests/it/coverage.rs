//! Coverage of sources: equal to a naive count over all events, at every instant on
//! both axes, before and after a restart and a rebuild.
use std::collections::{BTreeMap, BTreeSet};

use ledgerline::{
    access::Role,
    domain::{
        coverage::{GAPS_MIN, WINDOW_HOURS},
        time::{HOUR, MINUTE, Micros, SECOND},
    },
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    api::stand::{Ask, Stand, new_token},
    support::{NOON, run_event},
    verify::{folder::Folder, rebuild},
};

/// An event as the model knows it: which source, when, which entry.
#[derive(Clone, Copy)]
struct Heard {
    source: usize,
    time: i64,
    index: u64,
}

const SOURCES: [(&str, &str); 3] =
    [("alpha", "https://example.org/a"), ("alpha", "https://example.org/b"), ("beta", "https://example.org/a")];
const FIELDS: &str = "source lastEvent{time index recordedAt} events windowFrom rhythm{medianGapSeconds p95GapSeconds expectedWithinSeconds} rhythmUnknown silentSince";

/// What the definition says, counted one by one.
fn naive(all: &[Heard], source: usize, at: i64, size: u64) -> Option<Value> {
    let visible: Vec<&Heard> = all.iter().filter(|h| h.source == source && h.index < size && h.time <= at).collect();
    let last = visible.iter().max_by_key(|h| (h.time, h.index))?;
    let first_hour = at.div_euclid(HOUR) - WINDOW_HOURS + 1;
    let inside: Vec<_> = visible.iter().filter(|h| h.time >= first_hour * HOUR).collect();
    let hours: BTreeSet<i64> = inside.iter().map(|h| h.time.div_euclid(HOUR)).collect();
    let hours: Vec<i64> = hours.into_iter().collect();
    let mut gaps: Vec<i64> = hours.windows(2).map(|w| (w[1] - w[0]) * 3600).collect();
    gaps.sort_unstable();
    let rank = |p: usize| gaps[(gaps.len() * p).div_ceil(100) - 1];
    let rhythm = (gaps.len() >= GAPS_MIN)
        .then(|| json!({"medianGapSeconds": rank(50), "p95GapSeconds": rank(95), "expectedWithinSeconds": rank(95) + 3600}));
    let silent = rhythm.is_some() && (at - last.time) / SECOND > rank(95) + 3600;
    let (integration, producer) = SOURCES[source];
    Some(json!({
        "source": format!("{integration} {producer}"),
        "lastEvent": {"time": Micros(last.time).rfc3339(), "index": last.index, "recordedAt": NOON.rfc3339()},
        "events": inside.len(),
        "windowFrom": Micros(first_hour * HOUR).rfc3339(),
        "rhythmUnknown": if rhythm.is_none() { json!("TOO_FEW_EVENTS") } else { Value::Null },
        "rhythm": rhythm,
        "silentSince": if silent { json!(Micros(last.time).rfc3339()) } else { Value::Null },
    }))
}

fn token(stand: &Stand, integration: &str) -> String {
    stand.token_of(ledgerline::app::tokens::NewToken {
        roles: vec![Role::Producer, Role::Reader],
        integration: integration.to_owned(),
        ..new_token()
    })
}

/// Sends histories of three sources that cross blocks of entries, with late events.
fn history(stand: &Stand, tokens: &BTreeMap<&str, String>, seed: u64) -> Vec<Heard> {
    let mut chance = StdRng::seed_from_u64(seed);
    let mut all = Vec::new();
    let mut sent = 0_u64;
    for _ in 0..50 {
        let source = chance.random_range(0..3);
        let (integration, producer) = SOURCES[source];
        let mut events = Vec::new();
        for _ in 0..chance.random_range(20..70) {
            let back = match chance.random_range(0..10) {
                0 => chance.random_range(0..120 * 24 * 60),
                1..4 => chance.random_range(0..20 * 24) * 60,
                _ => chance.random_range(0..180),
            };
            let time = NOON.0 - back * MINUTE + chance.random_range(0..3) * SECOND;
            sent += 1;
            let mut event = run_event("RUNNING", 0, 0, &["a"], &[]);
            event["eventTime"] = json!(Micros(time).rfc3339());
            event["producer"] = json!(producer);
            event["run"]["runId"] = json!(format!("00000000-0000-4000-{:04x}-{sent:012x}", 0x8000 + seed));
            event["job"]["name"] = json!(format!("{integration}{source}"));
            events.push(event);
            all.push(Heard { source, time, index: 0 });
        }
        let answer = stand.ask(Ask::json("/api/v1/lineage/batch", &json!(events)).by(&tokens[integration]));
        assert_eq!(answer.json()["summary"]["successful"], events.len(), "{}", answer.text());
    }
    // The tokens' own entries come first.
    for (heard, index) in all.iter_mut().zip(tokens.len() as u64..) {
        heard.index = index;
    }
    all
}

fn sources(stand: &Stand, token: &str, as_of: &Value) -> Vec<Value> {
    let query = format!("query($asOf: AsOf){{sources(first: 200, asOf: $asOf){{nodes{{{FIELDS}}}}}}}");
    stand.data(token, &query, json!({"asOf": as_of}))["sources"]["nodes"].as_array().unwrap().clone()
}

fn agrees(stand: &Stand, token: &str, all: &[Heard], instants: &[(i64, u64)]) -> Vec<Vec<Value>> {
    let mut answers = Vec::new();
    for (at, size) in instants {
        let found = sources(stand, token, &json!({"validAt": Micros(*at).rfc3339(), "ledgerSize": size}));
        let expected: Vec<Value> = (0..3).filter_map(|s| naive(all, s, *at, *size)).collect();
        assert_eq!(found, expected, "at {at} and {size}");
        answers.push(found);
    }
    answers
}

#[test]
fn coverage_is_what_counting_every_event_gives_at_any_instant_and_size_and_after_a_rebuild() {
    let stand = Stand::new();
    let tokens: BTreeMap<&str, String> = ["alpha", "beta"].into_iter().map(|i| (i, token(&stand, i))).collect();
    let reader = tokens["alpha"].clone();
    let all = history(&stand, &tokens, 6);
    let size = stand.world.app.ledger_size();
    assert!(size > 2 * 1024, "several blocks: {size}");
    let mut chance = StdRng::seed_from_u64(7);
    let instants: Vec<(i64, u64)> = (0..60)
        .map(|i| {
            let at = NOON.0 - chance.random_range(0..[120 * 24 * 60, 24 * 60, 90][i % 3]) * MINUTE + chance.random_range(0..4) * SECOND;
            (at + if i % 7 == 0 { 40 * 24 * HOUR } else { 0 }, if i % 4 == 0 { size } else { chance.random_range(1..=size) })
        })
        .chain([(NOON.0, 1024), (NOON.0, 1025), (NOON.0, 2048), (NOON.0, 2047), (NOON.0 - 1, size)])
        .collect();
    let before = agrees(&stand, &reader, &all, &instants);
    // What a lineage says of its sources is the same, by either way out.
    for (i, (at, ledger)) in instants.iter().enumerate().filter(|(i, _)| i % 6 == 0) {
        let query = format!(
            "query($ref: ArtifactRef!, $asOf: AsOf){{
               flat: lineage(from: [$ref], asOf: $asOf){{coverage{{{FIELDS}}}}}
               full: lineage(from: [$ref], asOf: $asOf){{coverage{{{FIELDS}}} edges{{assertions{{source}}}}}}}}"
        );
        let asked =
            json!({"ref": {"dataset": {"namespace": "db", "name": "a"}}, "asOf": {"validAt": Micros(*at).rfc3339(), "ledgerSize": ledger}});
        let answer = stand.graphql(&reader, &query, asked).json();
        if answer["errors"][0]["extensions"]["code"] == json!("NOT_FOUND") {
            continue;
        }
        assert_eq!(answer["data"]["flat"]["coverage"], answer["data"]["full"]["coverage"]);
        assert_eq!(answer["data"]["flat"]["coverage"], json!(before[i]), "all three speak of it at {at} and {ledger}");
    }
    filters_agree(&stand, &reader, &all);
    stand.world.app.drain();
    let folder = Folder::copy_of(stand.world.path());
    let rebuilt = rebuild(folder.path()).unwrap();
    assert!(rebuilt.differences.is_empty(), "{:?}", rebuilt.differences);
    let again = Stand::over(crate::support::World::of_folder(folder.into_dir()), |_| {});
    // In the restarted server the open block was read back, and goes on.
    assert_eq!(agrees(&again, &reader, &all, &instants), before);
    history(&again, &tokens, 8);
    again.world.app.drain();
    let folder = Folder::copy_of(again.world.path());
    assert!(rebuild(folder.path()).unwrap().differences.is_empty());
}

/// Every filter of `events`, walked from both ends in pages and counted.
fn filters_agree(stand: &Stand, token: &str, all: &[Heard]) {
    let label = |s: usize| format!("{} {}", SOURCES[s].0, SOURCES[s].1);
    let (early, late) = (NOON.0 - 10 * 24 * HOUR, NOON.0 - 30 * MINUTE);
    let at = |t: i64| Micros(t).rfc3339();
    let job = |s: usize| json!({"job": {"namespace": "jobs", "name": format!("{}{s}", SOURCES[s].0)}});
    type Naive<'a> = Box<dyn Fn(&Heard) -> bool + 'a>;
    let cases: Vec<(Value, Naive<'_>)> = vec![
        (json!({"types": ["openlineage.run.v1"]}), Box::new(|_| true)),
        (json!({"types": ["openlineage.run.v1"], "sources": [label(1)]}), Box::new(|h| h.source == 1)),
        (json!({"integrations": ["alpha"]}), Box::new(|h| h.source < 2)),
        (json!({"integrations": ["beta"], "sources": [label(0)]}), Box::new(|_| false)),
        (json!({"artifacts": [job(2)]}), Box::new(|h| h.source == 2)),
        (json!({"artifacts": [job(2), job(0)], "timeFrom": at(early)}), Box::new(|h| h.source != 1 && h.time >= early)),
        (
            json!({"sources": [label(0)], "timeFrom": at(early), "timeUntil": at(late)}),
            Box::new(|h| h.source == 0 && h.time >= early && h.time < late),
        ),
        (json!({"timeUntil": at(early), "types": ["openlineage.run.v1"]}), Box::new(|h| h.time < early)),
        (json!({"types": ["no.such.type"]}), Box::new(|_| false)),
        (json!({"artifacts": [{"job": {"namespace": "jobs", "name": "nobody"}}]}), Box::new(|_| false)),
        (json!({"sources": ["nobody"]}), Box::new(|_| false)),
    ];
    for (filter, holds) in cases {
        let expected: Vec<u64> = all.iter().filter(|h| holds(h)).map(|h| h.index).collect();
        for (size, ends) in [("first", ("after", "endCursor", "hasNextPage")), ("last", ("before", "startCursor", "hasPreviousPage"))] {
            let query = format!(
                "query($cursor: String, $filter: EventFilter){{events({size}: 200, {}: $cursor, filter: $filter){{
                   totalCount nodes{{index}} pageInfo{{{} {}}}}}}}",
                ends.0, ends.1, ends.2
            );
            let (mut seen, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let data = stand.data(token, &query, json!({"cursor": cursor, "filter": filter}));
                let page = &data["events"];
                assert_eq!(page["totalCount"], expected.len(), "{filter}");
                let indexes = page["nodes"].as_array().unwrap().iter().map(|n| n["index"].as_u64().unwrap());
                if size == "first" {
                    seen.extend(indexes);
                } else {
                    seen.splice(0..0, indexes);
                }
                cursor = page["pageInfo"][ends.1].clone();
                if page["pageInfo"][ends.2] == json!(false) {
                    break;
                }
            }
            assert_eq!(seen, expected, "{size} {filter}");
        }
    }
    let total = stand.data(token, "{events(first: 1){totalCount}}", json!({}));
    assert_eq!(total["events"]["totalCount"], stand.world.app.ledger_size());
    let run = json!({"filter": {"artifacts": [{"run": "00000000-0000-4000-8006-000000000001"}]}});
    assert_eq!(stand.error(token, "query($filter: EventFilter){events(filter: $filter){totalCount}}", run).0, "BAD_USER_INPUT");
}

#[test]
fn sources_are_paged_and_a_scoped_token_sees_those_of_its_namespaces() {
    let stand = Stand::new();
    let tokens: Vec<String> = ["a", "b", "c"].into_iter().map(|i| token(&stand, i)).collect();
    for (run, token) in tokens.iter().enumerate() {
        let mut event = run_event("COMPLETE", u8::try_from(run).unwrap(), 10, &["x"], &["y"]);
        if run == 2 {
            event["job"]["namespace"] = json!("elsewhere");
            event["inputs"] = json!([{"namespace": "apart", "name": "x"}]);
            event["outputs"] = json!([]);
        }
        assert_eq!(stand.send(token, &event).status, 201);
    }
    let mut seen = Vec::new();
    let mut after = Value::Null;
    loop {
        let query = "query($after: String){sources(first: 1, after: $after){nodes{source events} pageInfo{hasNextPage endCursor}}}";
        let data = stand.data(&tokens[0], query, json!({"after": after}));
        seen.extend(data["sources"]["nodes"].as_array().unwrap().iter().map(|n| n["source"].as_str().unwrap().to_owned()));
        after = data["sources"]["pageInfo"]["endCursor"].clone();
        if data["sources"]["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
    }
    assert_eq!(seen, ["a", "b", "c"].map(|i| format!("{i} https://example.org/producer")));
    let scoped = stand.token_of(ledgerline::app::tokens::NewToken {
        roles: vec![Role::Reader],
        namespaces: vec!["apart*".to_owned()],
        ..new_token()
    });
    let found = sources(&stand, &scoped, &Value::Null);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["source"], "c https://example.org/producer");
    let listed = stand.data(&scoped, "{artifacts{totalCount nodes{namespace}}}", json!({}));
    assert_eq!(listed["artifacts"], json!({"totalCount": 1, "nodes": [{"namespace": "apart"}]}));
    // What leads to something hidden is not told of by who reported it.
    let query = "{lineage(from: [{dataset: {namespace: \"apart\", name: \"x\"}}]){nodes{restricted} coverage{source}}}";
    let covered = stand.data(&scoped, query, json!({}));
    assert_eq!(covered["lineage"]["nodes"], json!([{"restricted": false}, {"restricted": true}]));
    assert_eq!(covered["lineage"]["coverage"], json!([{"source": "c https://example.org/producer"}]), "it speaks of the namespace");
    assert_eq!(stand.error(&tokens[0], "{sources(after: \"x\"){nodes{source}}}", json!({})).0, "BAD_USER_INPUT");
    let producer = stand.token(&[Role::Producer]);
    assert_eq!(stand.error(&producer, "{sources{nodes{source}}}", json!({})).0, "FORBIDDEN");
}

#[test]
fn a_start_without_edges_is_covered_by_those_who_speak_of_its_namespace() {
    let stand = Stand::new();
    let (one, two) = (token(&stand, "one"), token(&stand, "two"));
    stand.send(&one, &run_event("COMPLETE", 1, 10, &["x"], &["y"]));
    let alone = json!({
        "eventTime": "2026-11-24T11:00:00Z", "producer": "https://example.org/catalog",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/DatasetEvent",
        "dataset": {"namespace": "db", "name": "alone"},
    });
    assert_eq!(stand.send(&two, &alone).status, 201);
    let covered = |name: &str| {
        let query = "query($ref: ArtifactRef!){lineage(from: [$ref]){coverage{source rhythmUnknown}}}";
        let data = stand.data(&one, query, json!({"ref": {"dataset": {"namespace": "db", "name": name}}}));
        data["lineage"]["coverage"].as_array().unwrap().iter().map(|s| s["source"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(covered("alone"), ["one https://example.org/producer", "two https://example.org/catalog"]);
    assert_eq!(covered("x"), ["one https://example.org/producer"]);
    // Edges of runs stand on entries, and those have sources too.
    let query = "query($run: ID!){lineage(from: [{run: $run}], options: {level: RUN}){edges{from} coverage{source}}}";
    let data = stand.data(&one, query, json!({"run": "00000000-0000-4000-8000-000000000001"}));
    assert_eq!(data["lineage"]["edges"].as_array().unwrap().len(), 2);
    assert_eq!(data["lineage"]["coverage"], json!([{"source": "one https://example.org/producer"}]));
}
