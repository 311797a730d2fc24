//! The oracle behind the server's interface, so that driver and texts can be
//! tested without a server, and can be seen to fail when an answer is wrong.
use std::collections::BTreeSet;

use ledgerline::domain::{
    assertion::RunState,
    kind::ArtifactKind,
    lineage::{Collapse, Direction, Level},
    name::Name,
    time::{FOREVER, Micros},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    answer::{Options, walk},
    compare::ARTIFACT,
    derived::{self, COUNTS, PATHS, ROLL_UP},
    event::Event,
    model::Model,
    world::{Place, Shown, World},
};

/// Ids of the tests: any order will do that is not the names' own.
pub fn id_of(kind: ArtifactKind, name: &Name) -> [u8; 16] {
    let hash = Sha256::digest(format!("{}\0{}\0{}", kind.word(), name.namespace, name.name));
    hash[..16].try_into().expect("16 of 32 bytes")
}

/// A ledger in memory. `deaf` to COMPLETE events, it closes no flow.
#[derive(Default)]
pub struct Mirror {
    pub history: Vec<(String, Value)>,
    pub deaf: bool,
}

impl Mirror {
    pub fn send(&mut self, integration: &str, event: &Value) -> Option<u64> {
        let key = |i: &str, e: &Value| {
            let read = Event::read(i, e);
            (read.source, read.digest)
        };
        if self.history.iter().any(|(i, e)| key(i, e) == key(integration, event)) {
            return None;
        }
        self.history.push((integration.to_owned(), event.clone()));
        Some(self.history.len() as u64 + 7)
    }

    pub fn ask(&self, query: &str, variables: &Value) -> Value {
        let size = variables["asOf"]["ledgerSize"].as_u64().map_or(self.history.len(), |n| usize::try_from(n).unwrap_or(0) - 7);
        let heard = |(_, e): &&(String, Value)| !self.deaf || Event::read("", e).recency().1 != RunState::Complete as u8;
        let model = Model::new(&self.history[..size].iter().filter(heard).cloned().collect::<Vec<_>>());
        let at = variables["asOf"]["validAt"].as_str().map_or(FOREVER, |t| Micros::read(t).expect("an instant").at);
        let since = variables["options"]["window"]["since"].as_str().map(|t| Micros::read(t).expect("an instant").at);
        let world = World::observed(&model, at, since, &id_of);
        if query == ARTIFACT {
            return json!({ "data": { "artifact": artifact(&world, &variables["ref"]) } });
        }
        if query == PATHS {
            let level = if variables["level"] == "FIELD" { Level::Field } else { Level::Artifact };
            let [Some(from), Some(to)] = ["from", "to"].map(|end| places(&world, &variables[end], level)) else { return not_found() };
            let first = usize::try_from(variables["first"].as_u64().expect("a number")).expect("a small number");
            return json!({ "data": { query: derived::paths(&world, &from, &to, first, level) } });
        }
        let (options, level) = options(&variables["options"]);
        let mut from = Vec::new();
        for start in variables["from"].as_array().into_iter().flatten() {
            match places(&world, start, level) {
                Some(found) => from.extend(found),
                None => return not_found(),
            }
        }
        if query == ROLL_UP {
            return json!({ "data": { query: derived::roll_up(&world, &from, options) } });
        }
        if query == COUNTS {
            return json!({ "data": { query: derived::counts(&world, &from, options) } });
        }
        json!({ "data": { "lineage": lineage(&world, &from, options) } })
    }
}

fn not_found() -> Value {
    json!({ "data": null, "errors": [{ "message": "", "extensions": { "code": "NOT_FOUND" } }] })
}

fn name(json: &Value, member: &str) -> Name {
    Name::new(json["namespace"].as_str().unwrap_or_default(), json[member].as_str().unwrap_or_default())
}

fn places(world: &World<'_>, start: &Value, level: Level) -> Option<Vec<Place>> {
    if let Some(field) = start.get("field") {
        return Some(vec![world.field_place(&name(field, "dataset"), field["field"].as_str()?)?]);
    }
    if let Some(run) = start.get("run").and_then(Value::as_str) {
        let known = world.model.streams.values().any(|s| s.runs.contains_key(run));
        return known.then(|| vec![world.run_place(run)]);
    }
    if let Some(job) = start.get("job") {
        return Some(vec![world.place(ArtifactKind::Job, &name(job, "name"))?]);
    }
    let dataset = name(&start["dataset"], "name");
    if level != Level::Field {
        return Some(vec![world.place(ArtifactKind::Dataset, &dataset)?]);
    }
    let seen = world.columns_seen(world.model.dataset(&dataset)?).into_iter();
    let columns = seen.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect::<BTreeSet<_>>();
    columns.iter().map(|c| world.field_place(&dataset, c)).collect()
}

fn options(json: &Value) -> (Options, Level) {
    let number = |member: &str| json[member].as_u64().unwrap_or(1);
    let level = match json["level"].as_str() {
        Some("FIELD") => Level::Field,
        Some("RUN") => Level::Run,
        _ => Level::Artifact,
    };
    let direction = match json["direction"].as_str() {
        Some("UPSTREAM") => Direction::Upstream,
        Some("DOWNSTREAM") => Direction::Downstream,
        _ => Direction::Both,
    };
    let options = Options {
        direction,
        level,
        collapse: match json["collapse"].as_str() {
            Some("JOBS") => Collapse::Jobs,
            Some("DATASETS") => Collapse::Datasets,
            _ => Collapse::None,
        },
        depth: u32::try_from(number("depth")).unwrap_or(u32::MAX),
        nodes_max: usize::try_from(number("maxNodes")).unwrap_or(usize::MAX),
        per_node_max: usize::try_from(number("perNodeLimit")).unwrap_or(usize::MAX),
        include_deleted: json["includeDeleted"] == true,
        include_self_loops: json["includeSelfLoops"] == true,
    };
    (options, level)
}

fn opaque(place: &Place) -> String {
    format!("{}/{}", hex::encode(place.0), place.1)
}

fn shown(node: &Shown) -> Value {
    let aliases: Vec<Value> = node.aliases.iter().map(|a| json!({ "namespace": &*a.namespace, "name": &*a.name })).collect();
    json!({
        "kind": node.kind.word().to_uppercase(),
        "namespace": &*node.name.namespace,
        "name": &*node.name.name,
        "aliases": aliases,
        "deletedAt": node.deleted_at.map(Micros::rfc3339),
        "validFrom": node.first.rfc3339(),
    })
}

fn artifact(world: &World<'_>, reference: &Value) -> Value {
    let Some(place) = places(world, reference, Level::Artifact).and_then(|p| p.into_iter().next()) else { return Value::Null };
    let mut artifact = shown(&world.graph(Level::Artifact).nodes[&place]);
    let dataset = world.model.dataset(&name(&reference["dataset"], "name"));
    let columns = dataset.and_then(|d| world.schema_columns(d)).unwrap_or_default();
    artifact["schema"] = json!([{ "fields": columns.iter().map(|c| json!({ "path": c })).collect::<Vec<_>>() }]);
    artifact["id"] = opaque(&place).into();
    artifact
}

fn lineage(world: &World<'_>, from: &[Place], options: Options) -> Value {
    let answer = walk(world, from, options);
    let nodes: Vec<Value> = answer
        .nodes
        .iter()
        .map(|(place, node)| {
            let mut json = shown(&node.shown);
            json["id"] = opaque(place).into();
            json["depth"] = node.depth.into();
            json["selfLoop"] = node.self_loop.into();
            json["remaining"] = node.remaining.into();
            json
        })
        .collect();
    let job = |j: usize| opaque(&world.place(ArtifactKind::Job, &world.model.jobs[j].name).expect("a known job"));
    let edges: Vec<Value> = answer
        .edges
        .iter()
        .map(|(edge, (since, until))| {
            json!({
                "from": opaque(&edge.from),
                "to": opaque(&edge.to),
                "kind": edge.kind,
                "job": edge.job.map(job),
                "validFrom": since.rfc3339(),
                "validUntil": (*until != FOREVER).then(|| until.rfc3339()),
            })
        })
        .collect();
    let cut = !answer.reasons.is_empty();
    json!({
        "nodes": nodes,
        "edges": edges,
        "completeness": {
            "status": if cut { "TRUNCATED" } else { "COMPLETE" },
            "reasons": answer.reasons.iter().map(|r| format!("{r:?}").to_uppercase()).map(|r| r.replace("MAX", "_MAX").replace("PERNODE", "PER_NODE")).collect::<Vec<_>>(),
            "frontier": answer.frontier.iter().map(opaque).collect::<Vec<_>>(),
            "prunedByTime": answer.pruned,
        }
    })
}
