//! Paths through a graph that a walk found: the shortest first, of equal length
//! in order of the nodes' ids, no node twice on one path. A path leaves the starts
//! with its first hop and ends where it first arrives.
//!
//! Best-first search over unfinished paths, each judged by its hops so far and the
//! fewest that can follow. What can follow is exact but for nodes already on the
//! path, so unfinished paths come in the order in which their ends would; and a
//! path is never before its own beginning. Hence finished ones come in order, and
//! the search stops as soon as enough are known.
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::lineage::{CompletenessStatus, IncompleteReason, NodeKey, WalkAnswer};

/// Steps of one search, about what half a second affords.
const WORK_MAX: usize = 400_000_000;
/// What unfinished paths may hold at once, in nodes of 4 bytes (32 MiB).
const HELD_MAX: usize = 8 << 20;
/// What a path holds beside its nodes.
const PATH_HOLDS: usize = 16;

/// A path the way the data goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// Positions in the walk's nodes.
    pub nodes: Vec<u32>,
    /// Positions in the walk's edges: those between each two nodes, in order.
    pub edges: Vec<u32>,
}

/// Paths, and the graph that they lead through.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    pub walk: WalkAnswer,
    pub found: Vec<Path>,
    /// Whether there are more than those; unknown where the search was cut first.
    pub more: Option<bool>,
    pub status: CompletenessStatus,
    pub reasons: Vec<IncompleteReason>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Sought<'q> {
    /// Nodes to begin at, as the walk's nodes are called.
    pub from: &'q [NodeKey],
    /// Nodes to arrive at.
    pub to: &'q [NodeKey],
    /// How many paths at most.
    pub first: usize,
    /// How many nodes at most on all of them together.
    pub nodes_max: usize,
}

/// Looks for paths in what a walk found.
#[must_use]
pub fn paths(walk: WalkAnswer, sought: Sought<'_>) -> Paths {
    let mut search = Search::new(&walk, sought);
    let (mut found, mut nodes) = (Vec::new(), 0);
    let mut reasons = walk.completeness.reasons.clone();
    let mut more = None;
    loop {
        match search.next() {
            Next::Path(_) if found.len() == sought.first => more = Some(true),
            Next::Path(path) if nodes + path.len() > sought.nodes_max => {
                if !reasons.contains(&IncompleteReason::NodesMax) {
                    reasons.push(IncompleteReason::NodesMax);
                }
                more = Some(true);
            }
            Next::Path(path) => {
                nodes += path.len();
                found.push(path);
                continue;
            }
            // What the walk left out may lead there too.
            Next::End => more = reasons.is_empty().then_some(false),
            Next::Cut => reasons.push(IncompleteReason::SearchMax),
        }
        break;
    }
    let status = match walk.completeness.status {
        CompletenessStatus::Complete if !reasons.is_empty() => CompletenessStatus::Truncated,
        status => status,
    };
    let found = found.iter().map(|path| search.told(path)).collect();
    Paths { walk, found, more, status, reasons }
}

enum Next {
    /// A path, by ranks.
    Path(Vec<u32>),
    /// There are no others.
    End,
    /// The search reached its bound.
    Cut,
}

/// A node that a hop leads to, by rank, and the edge, by position.
type Hop = (u32, u32);

/// Nodes by their rank in order of ids.
struct Search {
    /// Rank → position in the walk.
    position: Vec<u32>,
    /// Hops by rank, in order.
    hops: Vec<Vec<Hop>>,
    /// The fewest hops to an end; `None`: none is reached.
    rest: Vec<Option<u32>>,
    is_start: Vec<bool>,
    is_end: Vec<bool>,
    /// Unfinished paths: hops at least, nodes so far.
    open: BinaryHeap<Reverse<(u32, Vec<u32>)>>,
    held: usize,
    work: usize,
}

impl Search {
    fn new(walk: &WalkAnswer, sought: Sought<'_>) -> Self {
        let count = walk.nodes.len();
        let mut position: Vec<u32> = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
        position.sort_by_key(|p| walk.nodes.get(*p as usize).map(|n| &n.key));
        let mut rank = vec![0_u32; count];
        for (r, p) in (0_u32..).zip(&position) {
            if let Some(slot) = rank.get_mut(*p as usize) {
                *slot = r;
            }
        }
        let (mut hops, mut back) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        for (e, edge) in (0_u32..).zip(&walk.edges) {
            let ends = [edge.from, edge.to].map(|p| rank.get(p as usize).copied());
            let [Some(from), Some(to)] = ends else { continue };
            if from != to {
                hops.get_mut(from as usize).into_iter().for_each(|h| h.push((to, e)));
                back.get_mut(to as usize).into_iter().for_each(|b| b.push(from));
            }
        }
        hops.iter_mut().for_each(|h| h.sort_unstable());
        let has = |keys: &[NodeKey]| -> Vec<bool> {
            position.iter().map(|p| walk.nodes.get(*p as usize).is_some_and(|n| keys.contains(&n.key))).collect()
        };
        let (is_start, is_end) = (has(sought.from), has(sought.to));
        let starts: Vec<u32> = (0_u32..).zip(&is_start).filter(|(_, is)| **is).map(|(r, _)| r).collect();
        let rest = fewest(&back, &is_end);
        let mut search = Self { position, hops, rest, is_start, is_end, open: BinaryHeap::new(), held: 0, work: 0 };
        starts.into_iter().for_each(|r| search.push(vec![r]));
        search
    }

    fn push(&mut self, path: Vec<u32>) {
        let last = path.last().and_then(|l| self.rest.get(*l as usize)).copied().flatten();
        if let Some(rest) = last {
            let hops = u32::try_from(path.len()).unwrap_or(u32::MAX).saturating_add(rest);
            self.held += path.len() + PATH_HOLDS;
            self.open.push(Reverse((hops, path)));
        }
    }

    fn next(&mut self) -> Next {
        while let Some(Reverse((_, path))) = self.open.pop() {
            self.held -= path.len() + PATH_HOLDS;
            let Some(last) = path.last().copied() else { continue };
            if self.is_end.get(last as usize) == Some(&true) {
                return Next::Path(path);
            }
            let on = self.hops.get(last as usize).cloned().unwrap_or_default();
            let mut next: Vec<u32> = on.into_iter().map(|(to, _)| to).collect();
            next.dedup();
            for to in next {
                self.work += path.len();
                if self.is_start.get(to as usize) == Some(&false) && !path.contains(&to) {
                    self.push(path.iter().copied().chain([to]).collect());
                }
            }
            if self.work > WORK_MAX || self.held > HELD_MAX {
                return Next::Cut;
            }
        }
        Next::End
    }

    /// The path in the walk's positions, with its edges.
    fn told(&self, path: &[u32]) -> Path {
        let edges = path.windows(2).flat_map(|pair| {
            let [from, to] = [pair.first(), pair.last()].map(|r| r.copied().unwrap_or_default());
            let hops = self.hops.get(from as usize).map(Vec::as_slice).unwrap_or_default();
            hops.iter().filter(move |(there, _)| *there == to).map(|(_, e)| *e)
        });
        Path { edges: edges.collect(), nodes: path.iter().filter_map(|r| self.position.get(*r as usize).copied()).collect() }
    }
}

/// The fewest hops from each node to an end.
fn fewest(back: &[Vec<u32>], is_end: &[bool]) -> Vec<Option<u32>> {
    let mut rest: Vec<Option<u32>> = is_end.iter().map(|end| end.then_some(0)).collect();
    let mut queue: VecDeque<u32> = (0_u32..).zip(is_end).filter(|(_, end)| **end).map(|(r, _)| r).collect();
    while let Some(at) = queue.pop_front() {
        let hops = rest.get(at as usize).copied().flatten().unwrap_or(0) + 1;
        for before in back.get(at as usize).into_iter().flatten() {
            if let Some(slot @ None) = rest.get_mut(*before as usize) {
                *slot = Some(hops);
                queue.push_back(*before);
            }
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use smallvec::SmallVec;

    use super::*;
    use crate::domain::{
        id::NodeId,
        kind::ArtifactKind,
        lineage::{FlowKind, WalkEdge, WalkNode},
        time::{DAWN, FOREVER},
    };

    fn key(n: u32) -> NodeKey {
        NodeKey::Artifact(NodeId(u128::from(n).to_be_bytes()))
    }

    fn walk(nodes: u32, edges: &[(u32, u32)]) -> WalkAnswer {
        let node = |n| WalkNode {
            restricted: false,
            key: key(n),
            kind: ArtifactKind::Dataset,
            namespace: "n".into(),
            name: "x".into(),
            aliases: Vec::new(),
            depth: 0,
            self_loop: false,
            deleted_at: None,
            remaining: 0,
        };
        let edge = |(from, to): &(u32, u32)| WalkEdge {
            from: *from,
            to: *to,
            kind: FlowKind::Used,
            job: None,
            transformations: Vec::new(),
            valid_from: DAWN,
            valid_until: FOREVER,
            flows: SmallVec::new(),
        };
        WalkAnswer { nodes: (0..nodes).map(node).collect(), edges: edges.iter().map(edge).collect(), ..WalkAnswer::default() }
    }

    fn sought<'q>(from: &'q [NodeKey], to: &'q [NodeKey], first: usize) -> Sought<'q> {
        Sought { from, to, first, nodes_max: 20_000 }
    }

    #[test]
    fn a_long_chain_is_one_path_and_no_more() {
        let edges: Vec<_> = (0..5_000).map(|n| (n, n + 1)).collect();
        let paths = paths(walk(5_001, &edges), sought(&[key(0)], &[key(5_000)], 3));
        assert_eq!((paths.found.len(), paths.more, paths.status), (1, Some(false), CompletenessStatus::Complete));
        assert_eq!(paths.found[0].edges.len(), 5_000);
    }

    #[test]
    fn countless_paths_cost_no_more_than_those_asked_for() {
        // A ladder: 2^200 paths of equal length.
        let edges: Vec<_> =
            (0..200).flat_map(|i| [(3 * i, 3 * i + 1), (3 * i, 3 * i + 2), (3 * i + 1, 3 * i + 3), (3 * i + 2, 3 * i + 3)]).collect();
        let paths = paths(walk(601, &edges), sought(&[key(0)], &[key(600)], 2));
        assert_eq!((paths.found.len(), paths.more, paths.status), (2, Some(true), CompletenessStatus::Complete));
        assert!(paths.found[0].nodes < paths.found[1].nodes);
    }

    #[test]
    fn a_search_that_cannot_end_is_cut_and_says_so() {
        // All of a clique lead to each other, and to the end by one node alone that
        // is cut off once it was passed.
        let mut edges = vec![(0, 1), (1, 2)];
        for a in 3..60 {
            edges.extend((3..60).filter(|b| a != *b).map(|b| (a, b)));
            edges.extend([(1, a), (a, 1)]);
        }
        let paths = paths(walk(60, &edges), sought(&[key(0)], &[key(2)], 3));
        assert_eq!((paths.found.len(), paths.more, paths.status), (1, None, CompletenessStatus::Truncated));
        assert_eq!(paths.reasons, [IncompleteReason::SearchMax]);
    }

    #[test]
    fn a_node_is_its_own_path_of_no_hops() {
        let paths = paths(walk(2, &[(0, 1), (1, 0)]), sought(&[key(0)], &[key(0)], 3));
        assert_eq!(paths.found, [Path { nodes: vec![0], edges: vec![] }]);
        assert_eq!(paths.more, Some(false));
    }
}
