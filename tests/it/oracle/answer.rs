//! A walk over the oracle's graph: breadth-first, plain, exactly as the contract
//! says, and where it says nothing, as follows.
//!
//! - BOTH is the union of what lies upstream and what lies downstream; a node
//!   reached upwards is walked upwards only. One level expands its nodes in order
//!   of id bytes, each once for the ways in which it was newly reached, and
//!   `perNodeLimit` counts its distinct neighbours over those ways, also ones
//!   already shown.
//! - A start counts as a node and is always shown. When `maxNodes` is reached the
//!   walk goes on between the nodes shown, so that their edges are met.
//! - An edge is *met* by expanding one of its ends in its direction; nodes at the
//!   asked depth are not expanded, and neighbours beyond a cap are not followed.
//!   It is known to a node when it was ever open by one of the names that mean it.
//! - A self-loop is no neighbour. The flag is told of every living node.
//! - A dead neighbour (with `includeDeleted`) is shown and not expanded.
//! - `remaining` counts the walkable neighbours, in the ways the node was reached,
//!   that are not shown; 0 for the dead.
use std::collections::{BTreeMap, BTreeSet};

use ledgerline::domain::{
    lineage::{Collapse, Direction, Level},
    time::Micros,
};

use super::{
    collapsed, hidden, runs,
    world::{Edge, Place, Shown, Standing, World},
};

/// What to walk: the contract's `LineageOptions`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub direction: Direction,
    pub level: Level,
    pub collapse: Collapse,
    pub depth: u32,
    pub nodes_max: usize,
    pub per_node_max: usize,
    pub include_deleted: bool,
    pub include_self_loops: bool,
}

/// Why a walk was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cut {
    NodesMax,
    PerNodeMax,
}

/// A node of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerNode {
    pub shown: Shown,
    pub depth: u32,
    pub self_loop: bool,
    pub remaining: usize,
}

/// The answer of the oracle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub nodes: BTreeMap<Place, AnswerNode>,
    /// With the maximal interval around the instant.
    pub edges: BTreeMap<Edge, (Micros, Micros)>,
    pub reasons: BTreeSet<Cut>,
    pub frontier: BTreeSet<Place>,
    /// Edges met, known, not walkable.
    pub pruned: usize,
    /// Nodes that the asker may not see.
    pub hidden: BTreeSet<Place>,
    /// Something that the asker may not see was met.
    pub restricted: bool,
}

/// The ways in which a node was reached: up, down.
type Ways = [bool; 2];

/// Walks from known nodes.
pub fn walk(world: &World<'_>, from: &[Place], options: Options) -> Answer {
    walk_seen(world, from, options, false)
}

/// The same, what is hidden left out instead of shown without a name.
pub fn walk_without_hidden(world: &World<'_>, from: &[Place], options: Options) -> Answer {
    walk_seen(world, from, options, true)
}

fn walk_seen(world: &World<'_>, from: &[Place], options: Options, leave_out: bool) -> Answer {
    if options.level == Level::Run {
        return runs::walk(world, from, options);
    }
    let collapses = options.level == Level::Artifact && options.collapse != Collapse::None;
    let collapsed = collapses.then(|| collapsed::graph(world, options.collapse, from));
    let full = collapsed.as_ref().unwrap_or_else(|| world.graph(options.level));
    let seen = world.asker.map(|_| hidden::graph(world, full, from, options, leave_out));
    let (graph, from) = seen.as_ref().map_or((full, from), |seen| (&seen.graph, &seen.from));
    let mut expanded: Vec<(Place, Ways)> = Vec::new();
    let asked: Ways = match options.direction {
        Direction::Upstream => [true, false],
        Direction::Downstream => [false, true],
        Direction::Both => [true, true],
    };
    let mut reached: BTreeMap<Place, (u32, Ways)> = from.iter().map(|p| (p.clone(), (0, asked))).collect();
    let mut level: BTreeMap<Place, Ways> = reached.keys().filter(|p| graph.nodes[*p].alive).map(|p| (p.clone(), asked)).collect();
    let (mut edges, mut pruned) = (BTreeSet::new(), BTreeSet::new());
    let (mut reasons, mut frontier) = (BTreeSet::new(), BTreeSet::new());
    for depth in 1..=options.depth {
        let mut next: BTreeMap<Place, Ways> = BTreeMap::new();
        for (place, ways) in std::mem::take(&mut level) {
            expanded.push((place.clone(), ways));
            let mut neighbours: BTreeMap<Place, Vec<(&Edge, usize)>> = BTreeMap::new();
            for (edge, standing) in &graph.edges {
                for (way, other) in others(edge, &place, ways) {
                    if *other == place && !options.include_self_loops {
                        continue;
                    }
                    if *standing != Standing::Walkable {
                        pruned.insert(edge);
                    }
                    let follows = *standing == Standing::Walkable || *standing == Standing::Tombstone && options.include_deleted;
                    match (follows, *other == place) {
                        (true, true) => drop(edges.insert(edge)),
                        (true, false) => neighbours.entry(other.clone()).or_default().push((edge, way)),
                        (false, _) => {}
                    }
                }
            }
            if neighbours.len() > options.per_node_max {
                reasons.insert(Cut::PerNodeMax);
                frontier.insert(place.clone());
            }
            for (neighbour, by) in neighbours.into_iter().take(options.per_node_max) {
                if !reached.contains_key(&neighbour) && reached.len() >= options.nodes_max {
                    reasons.insert(Cut::NodesMax);
                    frontier.insert(place.clone());
                    continue;
                }
                let known = reached.entry(neighbour.clone()).or_insert((depth, [false, false]));
                for (edge, way) in by {
                    edges.insert(edge);
                    if graph.nodes[&neighbour].alive && !known.1[way] {
                        known.1[way] = true;
                        next.entry(neighbour.clone()).or_insert([false, false])[way] = true;
                    }
                }
            }
        }
        level = next;
    }
    let nodes = reached.iter().map(|(place, (depth, ways))| {
        let shown = graph.nodes[place].clone();
        let walkable = || graph.edges.iter().filter(|(_, s)| **s == Standing::Walkable).map(|(e, _)| e);
        let self_loop = walkable().any(|e| e.from == *place && e.to == *place);
        let ways = if shown.alive { *ways } else { [false, false] };
        let behind: BTreeSet<&Place> =
            walkable().flat_map(|e| others(e, place, ways)).map(|(_, p)| p).filter(|p| !reached.contains_key(*p)).collect();
        (place.clone(), AnswerNode { shown, depth: *depth, self_loop, remaining: behind.len() })
    });
    Answer {
        nodes: nodes.collect(),
        edges: edges.into_iter().map(|e| (e.clone(), interval(world, options, seen.as_ref().map_or(e, |s| &s.edges[e])))).collect(),
        reasons,
        frontier,
        pruned: pruned.len(),
        restricted: seen.as_ref().is_some_and(|s| expanded.iter().any(|(place, ways)| s.met(place, *ways))),
        hidden: seen.map(|s| s.hidden).unwrap_or_default(),
    }
}

fn interval(world: &World<'_>, options: Options, edge: &Edge) -> (Micros, Micros) {
    if options.level == Level::Field || options.collapse == Collapse::None {
        return world.interval(options.level, edge);
    }
    world.last_of(&world.model.maximal(|t| collapsed::is_open(world, options.collapse, edge, t)))
}

/// The other ends of an edge from a node, with the way that leads there.
fn others<'e>(edge: &'e Edge, place: &Place, ways: Ways) -> impl Iterator<Item = (usize, &'e Place)> {
    let up = (ways[0] && edge.to == *place).then_some((0, &edge.from));
    let down = (ways[1] && edge.from == *place).then_some((1, &edge.to));
    up.into_iter().chain(down)
}
