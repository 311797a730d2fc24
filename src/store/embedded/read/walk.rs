//! Breadth-first walks over datasets and jobs, in memory.
//!
//! Levels in order of depth, inside a level by id bytes, neighbours by id bytes,
//! caps by count: the same question on the same view gives the same answer.
use std::time::Instant;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{
    Reader,
    classes::{Classes, Member},
    starts::deciding_start,
};
use crate::{
    domain::{
        id::NodeId,
        kind::ArtifactKind,
        lineage::{CompletenessStatus, Direction, FlowKind, FlowVersion, IncompleteReason, NodeKey, Walk, WalkAnswer, WalkEdge, WalkNode},
        name::Name,
        time::Micros,
    },
    store::{
        StoreError,
        embedded::topology::{FlowFact, NodeNo, Topology},
    },
};

/// How many nodes are expanded between two looks at the clock.
const EXPANSIONS_A_LOOK: usize = 128;

/// A neighbour of a class with what joins them.
pub struct Neighbour {
    pub class: u32,
    pub kind: FlowKind,
    /// The neighbour lies downstream.
    pub downstream: bool,
    /// Every stretch in which some source holds the edge open.
    pub spans: SmallVec<[(Micros, Micros); 2]>,
    /// The facts that hold it open at the instant.
    pub open: SmallVec<[FlowFact; 1]>,
}

/// Walks datasets and jobs.
///
/// # Errors
/// The database's.
pub fn walk(reader: &Reader<'_>, question: &Walk) -> Result<WalkAnswer, StoreError> {
    let topology = &reader.shared.topology;
    let mut walker = Walker {
        reader,
        topology,
        question,
        classes: Classes::new(topology, reader.db, question.as_of),
        shown: FxHashMap::default(),
        answer: WalkAnswer::default(),
        neighbours: Vec::new(),
        edges: FxHashMap::default(),
    };
    walker.run()?;
    Ok(walker.answer)
}

struct Walker<'a> {
    reader: &'a Reader<'a>,
    topology: &'a Topology,
    question: &'a Walk,
    classes: Classes<'a>,
    /// Class → position in the answer.
    shown: FxHashMap<u32, u32>,
    answer: WalkAnswer,
    /// Of each shown node, the walkable neighbours once they were collected.
    neighbours: Vec<Option<Vec<u32>>>,
    edges: FxHashMap<(u32, u32, FlowKind), u32>,
}

impl Walker<'_> {
    fn run(&mut self) -> Result<(), StoreError> {
        let mut level: Vec<u32> = Vec::new();
        for start in &self.question.from {
            let Some(no) = self.topology.find_any(start.artifact()) else { continue };
            let class = self.classes.of(no)?;
            if !self.shown.contains_key(&class) && !level.contains(&class) {
                level.push(class);
            }
        }
        self.sort(&mut level);
        for class in &level {
            self.show(*class, 0)?;
        }
        let mut late = false;
        for depth in 0..self.question.depth {
            let mut next: Vec<u32> = Vec::new();
            for (i, class) in level.iter().enumerate() {
                if i.is_multiple_of(EXPANSIONS_A_LOOK) && Instant::now() >= self.question.deadline {
                    for rest in level.iter().skip(i) {
                        self.cut(*rest, IncompleteReason::Deadline);
                    }
                    late = true;
                    break;
                }
                self.expand(*class, depth, &mut next)?;
            }
            if late || next.is_empty() {
                break;
            }
            self.sort(&mut next);
            level = next;
        }
        self.count_remaining(late)?;
        let c = &mut self.answer.completeness;
        c.nodes_visited = u32::try_from(self.answer.nodes.len()).unwrap_or(u32::MAX);
        c.status = match c.reasons.first() {
            None => CompletenessStatus::Complete,
            Some(_) if late => CompletenessStatus::Deadline,
            Some(_) => CompletenessStatus::Truncated,
        };
        c.frontier.sort_unstable();
        c.frontier.dedup();
        Ok(())
    }

    fn id(&self, class: u32) -> NodeId {
        self.classes.get(class).and_then(|c| self.topology.node(c.representative)).map_or(NodeId([0xff; 16]), |n| n.id)
    }

    fn sort(&self, classes: &mut [u32]) {
        classes.sort_by_key(|c| self.id(*c));
    }

    fn show(&mut self, class: u32, depth: u32) -> Result<(), StoreError> {
        let Some(c) = self.classes.get(class) else { return Err(StoreError::Inconsistent { place: "classes" }) };
        let Some(fixed) = self.topology.node(c.representative) else { return Err(StoreError::Inconsistent { place: "memory of nodes" }) };
        let mut aliases: Vec<Name> = Vec::new();
        for m in c.members.iter().filter(|m| m.node != c.representative) {
            if let Some(n) = self.topology.node(m.node) {
                let name = Name { namespace: (&*n.namespace).into(), name: (&*n.name).into() };
                if !aliases.contains(&name) {
                    aliases.push(name);
                }
            }
        }
        aliases.sort();
        let position = u32::try_from(self.answer.nodes.len()).map_err(|_| StoreError::Inconsistent { place: "answer" })?;
        self.answer.nodes.push(WalkNode {
            key: NodeKey::Artifact(fixed.id),
            kind: fixed.kind,
            namespace: fixed.namespace.clone(),
            name: fixed.name.clone(),
            aliases,
            depth,
            self_loop: false,
            deleted_at: c.deleted_at,
            remaining: 0,
        });
        self.neighbours.push(None);
        self.shown.insert(class, position);
        Ok(())
    }

    fn cut(&mut self, class: u32, reason: IncompleteReason) {
        if let Some(position) = self.shown.get(&class) {
            self.answer.completeness.frontier.push(*position);
        }
        if !self.answer.completeness.reasons.contains(&reason) {
            self.answer.completeness.reasons.push(reason);
        }
    }

    fn expand(&mut self, class: u32, depth: u32, next: &mut Vec<u32>) -> Result<(), StoreError> {
        let Some(position) = self.shown.get(&class).copied() else { return Ok(()) };
        let mut pruned = 0;
        let mut found = self.collect(class, Some(&mut pruned))?;
        self.answer.completeness.pruned_by_time += pruned;
        // One order over all neighbours; a neighbour met in several ways counts once.
        found.sort_by_cached_key(|n| (self.id(n.class), n.kind, n.downstream));
        let mut distinct: Vec<u32> = found.iter().map(|n| n.class).collect();
        distinct.dedup();
        if distinct.len() > self.question.per_node_max {
            self.cut(class, IncompleteReason::PerNodeMax);
        }
        let followed = distinct.get(..distinct.len().min(self.question.per_node_max)).unwrap_or_default().to_vec();
        for other in &followed {
            if self.shown.contains_key(other) {
                continue;
            }
            if self.answer.nodes.len() >= self.question.nodes_max {
                self.cut(class, IncompleteReason::NodesMax);
                continue;
            }
            self.show(*other, depth + 1)?;
            // Never walked through: what is not alive has no neighbours.
            if self.classes.get(*other).is_some_and(|c| c.alive) {
                next.push(*other);
            }
        }
        for n in &found {
            if followed.binary_search_by_key(&self.id(n.class), |c| self.id(*c)).is_ok()
                && let Some(other) = self.shown.get(&n.class).copied()
            {
                self.add_edge(position, other, n);
            }
        }
        if let Some(slot) = self.neighbours.get_mut(position as usize) {
            *slot = Some(distinct);
        }
        Ok(())
    }

    fn add_edge(&mut self, here: u32, there: u32, n: &Neighbour) {
        let (from, to) = if n.downstream { (here, there) } else { (there, here) };
        if self.edges.contains_key(&(from, to, n.kind)) {
            return;
        }
        let (valid_from, valid_until) = span_around(&n.spans, self.question.as_of.valid_at);
        let job = n.open.first().and_then(|f| self.topology.node(f.job)).map(|j| j.id);
        self.edges.insert((from, to, n.kind), u32::try_from(self.answer.edges.len()).unwrap_or(u32::MAX));
        self.answer.edges.push(WalkEdge {
            from,
            to,
            kind: n.kind,
            job,
            transformations: Vec::new(),
            valid_from,
            valid_until,
            flows: n.open.iter().map(|f| FlowVersion(f.slot.into())).collect(),
        });
        self.answer.completeness.edges_visited += 1;
    }

    /// The walkable neighbours of a class in the asked direction.
    fn collect(&mut self, class: u32, pruned: Option<&mut u32>) -> Result<Vec<Neighbour>, StoreError> {
        let Some(c) = self.classes.get(class) else { return Ok(Vec::new()) };
        if !c.alive {
            return Ok(Vec::new());
        }
        let members = c.members.clone();
        let mut met: Vec<Neighbour> = Vec::new();
        let mut at: FxHashMap<(u32, FlowKind), usize> = FxHashMap::default();
        for m in &members {
            let is_job = self.topology.node(m.node).is_some_and(|n| n.kind == ArtifactKind::Job);
            for downstream in [false, true] {
                if !self.asked(downstream) {
                    continue;
                }
                // A job's inputs lie upstream of it, a dataset's readers downstream.
                let list = usize::from(downstream == is_job);
                let kind = if list == 0 { FlowKind::Used } else { FlowKind::WasGeneratedBy };
                let facts: SmallVec<[FlowFact; 8]> =
                    self.topology.flows_of(m.node, list).filter(|f| f.known(self.question.as_of.size)).collect();
                for f in facts {
                    let other = self.classes.of(if is_job { f.dataset } else { f.job })?;
                    let life = if is_job { self.member(other, f.dataset) } else { Some(*m) };
                    let open = f.open(self.question.as_of.valid_at)
                        && self.classes.get(other).is_some_and(|o| o.alive || self.question.include_deleted)
                        && self.belongs(&f, life)?;
                    let i = *at.entry((other, kind)).or_insert_with(|| {
                        met.push(Neighbour { class: other, kind, downstream, spans: SmallVec::new(), open: SmallVec::new() });
                        met.len() - 1
                    });
                    if let Some(n) = met.get_mut(i) {
                        n.spans.push((f.valid_from, f.valid_until));
                        if open {
                            n.open.push(f);
                        }
                    }
                }
            }
        }
        let known = met.len();
        met.retain(|n| !n.open.is_empty());
        if let Some(pruned) = pruned {
            *pruned += u32::try_from(known - met.len()).unwrap_or(u32::MAX);
        }
        Ok(met)
    }

    fn asked(&self, downstream: bool) -> bool {
        match self.question.direction {
            Direction::Both => true,
            Direction::Downstream => downstream,
            Direction::Upstream => !downstream,
        }
    }

    /// The life of a dataset's name that belongs to the class.
    fn member(&self, class: u32, node: NodeNo) -> Option<Member> {
        self.classes.get(class)?.members.iter().find(|m| m.node == node).copied()
    }

    /// Whether the flow belongs to that life of its dataset's name.
    fn belongs(&self, flow: &FlowFact, life: Option<Member>) -> Result<bool, StoreError> {
        let Some((after, until)) = life.and_then(|m| m.life) else { return Ok(true) };
        let start = deciding_start(self.reader.db, &self.reader.shared.intern, flow, self.question.as_of, self.reader.head)?;
        Ok(start.is_some_and(|s| after < s && s <= until))
    }

    fn count_remaining(&mut self, late: bool) -> Result<(), StoreError> {
        let classes: Vec<(u32, u32)> = self.shown.iter().map(|(c, p)| (*p, *c)).collect();
        for (position, class) in classes {
            let known = self.neighbours.get_mut(position as usize).and_then(Option::take);
            let neighbours = match known {
                Some(n) => n,
                None if late => continue,
                None => {
                    let mut n: Vec<u32> = self.collect(class, None)?.iter().map(|n| n.class).collect();
                    n.sort_unstable();
                    n.dedup();
                    n
                }
            };
            let remaining = neighbours.iter().filter(|n| !self.shown.contains_key(*n)).count();
            if let Some(node) = self.answer.nodes.get_mut(position as usize) {
                node.remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
            }
        }
        Ok(())
    }
}

/// The maximal interval around an instant that intervals cover together.
pub fn span_around(spans: &[(Micros, Micros)], at: Micros) -> (Micros, Micros) {
    let mut sorted: SmallVec<[(Micros, Micros); 4]> = SmallVec::from_slice(spans);
    sorted.sort_unstable();
    let mut merged: Option<(Micros, Micros)> = None;
    for (from, until) in sorted {
        match &mut merged {
            Some((_, end)) if from <= *end => *end = (*end).max(until),
            Some((start, end)) if *start <= at && at < *end => break,
            _ => merged = Some((from, until)),
        }
    }
    merged.unwrap_or((at, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_as_long_as_its_sources_hold_it_together() {
        let spans = [(3, 9), (0, 5), (20, 30)].map(|(a, b)| (Micros(a), Micros(b)));
        assert_eq!(span_around(&spans, Micros(2)), (Micros(0), Micros(9)));
        assert_eq!(span_around(&spans, Micros(25)), (Micros(20), Micros(30)));
    }
}
