//! What is told of walks without their nodes, naively: counts are those of the
//! oracle's own walks, paths are all there are, tried one by one.
use std::collections::{BTreeMap, BTreeSet};

use ledgerline::domain::lineage::{Collapse, Direction, Level};
use serde_json::{Value, json};

use super::{
    answer::{Cut, Options, walk, walk_without_hidden},
    hidden,
    world::{Edge, Place, Standing, World},
};

/// Asks for counts: variables `from`, `options`, `asOf`.
pub const COUNTS: &str = "lineageCounts";

/// Asks for paths: variables `from`, `to`, `first`, `level`, `asOf`.
pub const PATHS: &str = "lineagePaths";

/// Asks for a roll-up by namespaces: a lineage's variables.
pub const ROLL_UP: &str = "rollUp";

/// What is asked of each.
pub const FRAGMENTS: [&str; 3] = [
    "fragment rollUp on Lineage { byNamespace { \
       namespaces { namespace nodes byKind { kind nodes } depth edgesInside } edges { from to edges } } } ",
    "fragment lineageCounts on LineageCounts { \
       upstream { nodes edges byKind { kind nodes } byDepth { depth nodes } status reasons } \
       downstream { nodes edges byKind { kind nodes } byDepth { depth nodes } status reasons } } ",
    "fragment lineagePaths on LineagePaths { \
       paths { length nodes { kind namespace name } edges { kind } } moreExist status reasons } ",
];

/// Everything there is.
const WIDEST: Options = Options {
    direction: Direction::Both,
    level: Level::Artifact,
    collapse: Collapse::None,
    depth: 1_000,
    nodes_max: 20_000,
    per_node_max: 10_000,
    include_deleted: false,
    include_self_loops: false,
};

/// The answer to [`COUNTS`], as JSON.
///
/// Caps bound what is shown, and so no count of artifacts as they are.
pub fn counts(world: &World<'_>, from: &[Place], mut options: Options) -> Value {
    // Caps bound counts of who may not see everything, as they bound their walks.
    let caps = options.level != Level::Artifact || options.collapse != Collapse::None || world.times != [world.at] || world.asker.is_some();
    if !caps {
        (options.nodes_max, options.per_node_max) = (usize::MAX, usize::MAX);
    }
    let way = |direction: Direction| {
        if options.direction != Direction::Both && options.direction != direction {
            return Value::Null;
        }
        let answer = walk_without_hidden(world, from, Options { direction, ..options });
        let (mut kinds, mut depths) = (BTreeMap::new(), BTreeMap::new());
        let found: Vec<_> = answer.nodes.values().filter(|n| n.depth > 0).collect();
        for node in &found {
            *kinds.entry(node.shown.kind).or_insert(0) += 1;
            *depths.entry(node.depth).or_insert(0) += 1;
        }
        let by_kind = kinds.iter().map(|(kind, n)| json!({ "kind": kind.word().to_uppercase(), "nodes": n }));
        let by_depth = depths.iter().map(|(depth, n)| json!({ "depth": depth, "nodes": n }));
        let reasons = answer.reasons.iter().map(|r| match r {
            Cut::NodesMax => "NODES_MAX",
            Cut::PerNodeMax => "PER_NODE_MAX",
        });
        let reasons = reasons.chain(answer.restricted.then_some("RESTRICTED"));
        let status = match (answer.restricted, answer.reasons.is_empty()) {
            (true, _) => "RESTRICTED",
            (false, true) => "COMPLETE",
            (false, false) => "TRUNCATED",
        };
        json!({
            "nodes": found.len(),
            "edges": answer.edges.len(),
            "byKind": by_kind.collect::<Vec<_>>(),
            "byDepth": by_depth.collect::<Vec<_>>(),
            "status": status,
            "reasons": reasons.collect::<BTreeSet<_>>(),
        })
    };
    json!({ "upstream": way(Direction::Upstream), "downstream": way(Direction::Downstream) })
}

/// The answer to [`PATHS`], as JSON.
pub fn paths(world: &World<'_>, from: &[Place], to: &[Place], first: usize, level: Level) -> Value {
    let seen = world.asker.map(|_| hidden::graph(world, world.graph(level), &[], Options { level, ..WIDEST }, true));
    let graph = seen.as_ref().map_or_else(|| world.graph(level), |seen| &seen.graph);
    let met = [(Direction::Upstream, to), (Direction::Downstream, from)]
        .iter()
        .all(|(direction, starts)| walk(world, starts, Options { level, direction: *direction, ..WIDEST }).restricted);
    let [from, to] = [from, to].map(|ends| ends.iter().map(|p| world.place_seen(p).0).collect::<Vec<_>>());
    let walkable: Vec<&Edge> = graph.edges.iter().filter(|(_, s)| **s == Standing::Walkable).map(|(e, _)| e).collect();
    let mut all: Vec<Vec<&Place>> = Vec::new();
    let mut open: Vec<Vec<&Place>> = from.iter().collect::<BTreeSet<_>>().into_iter().map(|p| vec![p]).collect();
    while let Some(path) = open.pop() {
        let last = path[path.len() - 1];
        if to.contains(last) {
            all.push(path);
            continue;
        }
        let next: BTreeSet<&Place> = walkable.iter().filter(|e| e.from == *last).map(|e| &e.to).collect();
        let fits = |p: &&Place| !path.contains(p) && !from.contains(p);
        open.extend(next.into_iter().filter(fits).map(|p| path.iter().copied().chain([p]).collect::<Vec<_>>()));
    }
    all.sort_by_key(|path| (path.len(), path.clone()));
    let told = all.iter().take(first).map(|path| {
        let nodes = path.iter().map(|p| {
            let shown = &graph.nodes[*p];
            json!({ "kind": shown.kind.word().to_uppercase(), "namespace": &*shown.name.namespace, "name": &*shown.name.name })
        });
        let edges = path.windows(2).flat_map(|w| walkable.iter().filter(|e| e.from == *w[0] && e.to == *w[1]));
        let edges = edges.map(|e| json!({ "kind": e.kind }));
        json!({ "length": path.len() - 1, "nodes": nodes.collect::<Vec<_>>(), "edges": edges.collect::<Vec<_>>() })
    });
    let more = (all.len() > first || !met).then_some(all.len() > first);
    let (status, reasons) = if met { ("RESTRICTED", vec!["RESTRICTED"]) } else { ("COMPLETE", Vec::new()) };
    json!({ "paths": told.collect::<Vec<_>>(), "moreExist": more, "status": status, "reasons": reasons })
}

/// The answer to [`ROLL_UP`], as JSON.
pub fn roll_up(world: &World<'_>, from: &[Place], options: Options) -> Value {
    let mut answer = walk(world, from, options);
    let hidden = std::mem::take(&mut answer.hidden);
    answer.nodes.retain(|place, _| !hidden.contains(place));
    answer.edges.retain(|edge, _| !hidden.contains(&edge.from) && !hidden.contains(&edge.to));
    let of = |place: &Place| answer.nodes[place].shown.name.namespace.to_string();
    let names: BTreeSet<String> = answer.nodes.keys().map(of).collect();
    let ends: Vec<(String, String)> = answer.edges.keys().map(|e| (of(&e.from), of(&e.to))).collect();
    let count = |from: &String, to: &String| ends.iter().filter(|e| e.0 == *from && e.1 == *to).count();
    let namespaces = names.iter().map(|namespace| {
        let own: Vec<_> = answer.nodes.iter().filter(|(p, _)| of(p) == *namespace).map(|(_, n)| n).collect();
        let kinds: BTreeSet<_> = own.iter().map(|n| n.shown.kind).collect();
        let by_kind = kinds
            .iter()
            .map(|kind| json!({ "kind": kind.word().to_uppercase(), "nodes": own.iter().filter(|n| n.shown.kind == *kind).count() }));
        json!({
            "namespace": namespace,
            "nodes": own.len(),
            "byKind": by_kind.collect::<Vec<_>>(),
            "depth": own.iter().map(|n| n.depth).min(),
            "edgesInside": count(namespace, namespace),
        })
    });
    let pairs = names.iter().flat_map(|from| names.iter().map(move |to| (from, to))).filter(|(from, to)| from != to && count(from, to) > 0);
    let edges = pairs.map(|(from, to)| json!({ "from": from, "to": to, "edges": count(from, to) }));
    json!({ "byNamespace": { "namespaces": namespaces.collect::<Vec<_>>(), "edges": edges.collect::<Vec<_>>() } })
}

/// An answer as text. Reasons come in no order.
pub fn text(answer: &Value) -> String {
    let mut answer = answer.clone();
    for way in ["upstream", "downstream"] {
        if let Some(reasons) = answer.get_mut(way).and_then(|w| w.get_mut("reasons")).and_then(Value::as_array_mut) {
            reasons.sort_by_key(ToString::to_string);
        }
    }
    serde_json::to_string_pretty(&answer).expect("JSON")
}
