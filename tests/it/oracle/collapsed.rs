//! The contract's `collapse`, naively: of the graph with datasets and jobs one
//! sort is left out, and each two edges that meet in such a node become one.
//!
//! - A start of the sort left out stays, with its own edges.
//! - What passes through a node that is not alive is not known.
//! - An edge stands as the worse of its two, over all nodes between as the best;
//!   it is open while both are open at one of the nodes between; of a window, both
//!   were open at one time in it.
use ledgerline::domain::{
    kind::ArtifactKind,
    lineage::{Collapse, FlowKind, Level},
    time::Micros,
};

use super::world::{Edge, Graph, Place, Standing, World, word};

/// The graph as shown.
pub fn graph(world: &World<'_>, collapse: Collapse, starts: &[Place]) -> Graph {
    let base = world.graph(Level::Artifact);
    let shown = |place: &Place| starts.contains(place) || !is_left_out(world, collapse, place);
    let mut graph = Graph {
        nodes: base.nodes.iter().filter(|(p, _)| shown(p)).map(|(p, n)| (p.clone(), n.clone())).collect(),
        edges: base.edges.iter().filter(|(e, _)| shown(&e.from) && shown(&e.to)).map(|(e, s)| (e.clone(), *s)).collect(),
    };
    for (first, second) in pairs(world, collapse) {
        let together = world.times.iter().any(|t| world.artifact_open(first, *t) && world.artifact_open(second, *t));
        let standing = if together { base.edges[first].min(base.edges[second]) } else { Standing::Known };
        let best = graph.edges.entry(joined(world, collapse, first, second)).or_insert(standing);
        *best = standing.max(*best);
    }
    graph
}

/// Whether data flowed along an edge of that graph at t.
pub fn is_open(world: &World<'_>, collapse: Collapse, edge: &Edge, t: Micros) -> bool {
    if edge.kind != word(FlowKind::WasDerivedFrom) {
        return world.artifact_open(edge, t);
    }
    let mut of_it = pairs(world, collapse).filter(|(a, b)| joined(world, collapse, a, b) == *edge);
    of_it.any(|(a, b)| world.artifact_open(a, t) && world.artifact_open(b, t))
}

/// Whether a node is of the sort that is left out.
pub fn is_left_out(world: &World<'_>, collapse: Collapse, place: &Place) -> bool {
    (world.graph(Level::Artifact).nodes[place].kind == ArtifactKind::Job) == (collapse == Collapse::Jobs)
}

/// Each two edges that meet in a living node that is left out.
fn pairs<'w>(world: &'w World<'_>, collapse: Collapse) -> impl Iterator<Item = (&'w Edge, &'w Edge)> {
    let base = world.graph(Level::Artifact);
    let meets = move |p: &Place| base.nodes[p].alive && is_left_out(world, collapse, p) && !world.hides(p);
    let firsts = base.edges.keys().filter(move |e| meets(&e.to));
    firsts.flat_map(|a| base.edges.keys().filter(|b| a.to == b.from).map(move |b| (a, b)))
}

fn joined(world: &World<'_>, collapse: Collapse, first: &Edge, second: &Edge) -> Edge {
    let is_it = |job: &&_| world.place(ArtifactKind::Job, job) == Some(first.to.clone());
    let job = world.model.jobs.iter().position(|j| is_it(&&j.name)).filter(|_| collapse == Collapse::Jobs);
    Edge { from: first.from.clone(), to: second.to.clone(), kind: word(FlowKind::WasDerivedFrom), job }
}
