//! Breadth-first walks over datasets and jobs, in memory.
//!
//! Levels in order of depth, inside a level by id bytes, neighbours by id bytes,
//! caps by count: the same question on the same view gives the same answer.
mod collapse;
mod counting;

use std::{rc::Rc, time::Instant};

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::{
    Reader,
    classes::{Bounds, Class, Classes},
    starts::{Said, Starts},
};
use crate::{
    domain::{
        counts::WalkCounts,
        id::NodeId,
        kind::ArtifactKind,
        lineage::{CompletenessStatus, Direction, FlowKind, FlowVersion, IncompleteReason, NodeKey, Walk, WalkAnswer, WalkEdge, WalkNode},
        name::Name,
        time::Micros,
    },
    store::{
        StoreError,
        embedded::topology::{FlowFact, Topology},
    },
};

/// How many nodes are expanded between two looks at the clock.
const EXPANSIONS_A_LOOK: usize = 128;

/// How an edge stands at the instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Standing {
    /// Known at the ledger size, no more: closed, not yet open, or of an ended incarnation.
    Known,
    /// Open, and an end of it is dead: shown with `includeDeleted`, never walked through.
    Tombstone,
    /// Open, and both ends alive: of a window, each at some time in it.
    Walkable,
}

/// Ways in which a node was reached and is walked on: "never siblings".
pub const UP: u8 = 1;
pub const DOWN: u8 = 2;

/// The ways of a direction.
pub const fn ways(direction: Direction) -> u8 {
    match direction {
        Direction::Upstream => UP,
        Direction::Downstream => DOWN,
        Direction::Both => UP | DOWN,
    }
}

/// A neighbour of a class with what joins them.
struct Neighbour {
    class: u32,
    kind: FlowKind,
    /// The job's class, where it stands between the two and is not shown.
    job: Option<u32>,
    /// [`UP`] or [`DOWN`].
    way: u8,
    standing: Standing,
    /// Every stretch in which some source holds the edge open.
    spans: SmallVec<[(Micros, Micros); 2]>,
    /// The facts that hold it open at the instant, or in the window.
    open: SmallVec<[FlowFact; 1]>,
}

/// A node of the answer while it is walked.
#[derive(Default)]
struct Reached {
    class: u32,
    ways: u8,
    expanded: u8,
    /// Walkable neighbours, once they were met.
    neighbours: Vec<u32>,
}

/// Walks datasets and jobs.
///
/// # Errors
/// The database's.
pub fn walk(reader: &Reader<'_>, question: &Walk) -> Result<WalkAnswer, StoreError> {
    found(reader, question, false)
}

/// Counts what a walk finds, without names, edges and what lies behind; without
/// caps where that is bounded otherwise.
///
/// # Errors
/// The database's.
pub fn count(reader: &Reader<'_>, question: &Walk) -> Result<WalkCounts, StoreError> {
    if reader.seen.is_none() && counting::fits(question) {
        return counting::count(reader, question);
    }
    Ok(WalkCounts::of(&found(reader, question, true)?))
}

fn found(reader: &Reader<'_>, question: &Walk, only_counts: bool) -> Result<WalkAnswer, StoreError> {
    let mut walker = walker(reader, question, only_counts);
    walker.run()?;
    Ok(walker.answer)
}

fn walker<'a>(reader: &'a Reader<'a>, question: &'a Walk, only_counts: bool) -> Walker<'a> {
    let topology = &reader.shared.topology;
    Walker {
        topology,
        question,
        only_counts,
        reader,
        classes: reader.classes_since(question.as_of, question.since),
        starts: Starts::new(reader.db, &reader.shared.intern, question.as_of.size),
        starts_at: FxHashSet::default(),
        shown: FxHashMap::default(),
        answer: WalkAnswer::default(),
        reached: Vec::new(),
        edges: FxHashSet::default(),
        pruned: FxHashSet::default(),
        behind: FxHashMap::default(),
        late: false,
        met_hidden: false,
    }
}

struct Walker<'a> {
    reader: &'a Reader<'a>,
    topology: &'a Topology,
    question: &'a Walk,
    only_counts: bool,
    classes: Classes<'a>,
    starts: Starts<'a>,
    /// The classes of the starts.
    starts_at: FxHashSet<u32>,
    /// Class → position in the answer.
    shown: FxHashMap<u32, u32>,
    answer: WalkAnswer,
    /// By position in the answer.
    reached: Vec<Reached>,
    edges: FxHashSet<(u32, u32, FlowKind, Option<u32>)>,
    /// Edges met that are not walkable, by classes.
    pruned: FxHashSet<(u32, u32, FlowKind, Option<u32>)>,
    /// What lies behind nodes that are left out, by (class, way).
    behind: FxHashMap<(u32, u8), Rc<Vec<Neighbour>>>,
    /// The deadline passed.
    late: bool,
    /// Something was met that the asker may not see.
    met_hidden: bool,
}

impl Walker<'_> {
    fn run(&mut self) -> Result<(), StoreError> {
        let asked = ways(self.question.direction);
        let mut level: Vec<(u32, u8)> = Vec::new();
        for start in &self.question.from {
            let Some(no) = self.topology.find_any(start.artifact()) else { continue };
            let class = self.classes.of(no)?;
            if self.is_hidden(class) {
                continue;
            }
            if !level.iter().any(|l| l.0 == class) {
                level.push((class, asked));
            }
        }
        self.starts_at = level.iter().map(|l| l.0).collect();
        level.sort_by_key(|l| self.id(l.0));
        for (class, ways) in &level {
            let position = self.show(*class, 0)?;
            self.reach(position, *ways);
        }
        level.retain(|l| self.is_alive(l.0));
        for depth in 1..=self.question.depth {
            let mut next: FxHashMap<u32, u8> = FxHashMap::default();
            for (i, (class, ways)) in level.iter().enumerate() {
                if self.late || i.is_multiple_of(EXPANSIONS_A_LOOK) && Instant::now() >= self.question.deadline {
                    for (rest, _) in level.iter().skip(i) {
                        self.cut(*rest, IncompleteReason::Deadline);
                    }
                    self.late = true;
                    break;
                }
                self.expand(*class, *ways, depth, &mut next)?;
            }
            if self.late || next.is_empty() {
                break;
            }
            level = next.into_iter().collect();
            level.sort_by_cached_key(|l| self.id(l.0));
        }
        let restricted = self.met_hidden;
        if !self.only_counts {
            self.count_remaining()?;
        }
        let c = &mut self.answer.completeness;
        c.nodes_visited = u32::try_from(self.answer.nodes.len()).unwrap_or(u32::MAX);
        c.pruned_by_time = u32::try_from(self.pruned.len()).unwrap_or(u32::MAX);
        if restricted {
            c.reasons.push(IncompleteReason::Restricted);
        }
        c.status = match c.reasons.first() {
            _ if restricted => CompletenessStatus::Restricted,
            None => CompletenessStatus::Complete,
            Some(_) if self.late => CompletenessStatus::Deadline,
            Some(_) => CompletenessStatus::Truncated,
        };
        c.frontier.sort_unstable();
        c.frontier.dedup();
        Ok(())
    }

    fn id(&self, class: u32) -> NodeId {
        let Some(c) = self.classes.get(class) else { return NodeId([0xff; 16]) };
        let id = self.topology.node(c.representative).map_or(NodeId([0xff; 16]), |n| n.id);
        if c.hidden { opaque(self.reader, &NodeKey::Artifact(id)) } else { id }
    }

    fn is_hidden(&self, class: u32) -> bool {
        self.classes.get(class).is_some_and(|c| c.hidden)
    }

    fn is_alive(&self, class: u32) -> bool {
        self.classes.get(class).is_some_and(|c| c.alive)
    }

    fn is_walkable(&self, class: u32) -> bool {
        self.classes.get(class).is_some_and(|c| c.alive && !c.hidden)
    }

    /// Of neighbours that the asker may not see: those that are not shown are not
    /// told of; the others are noted, and left out where that is asked for.
    fn withhold(&mut self, found: &mut Vec<Neighbour>, least: Standing) {
        if self.reader.seen.is_none() {
            return;
        }
        let (classes, leave_out) = (&self.classes, self.question.leave_out_hidden);
        let mut met = false;
        found.retain(|n| {
            let hidden = classes.get(n.class).is_some_and(|c| c.hidden);
            met |= hidden && n.standing >= least;
            !hidden || !leave_out && n.standing >= least
        });
        self.met_hidden |= met;
    }

    fn show(&mut self, class: u32, depth: u32) -> Result<u32, StoreError> {
        let Some(c) = self.classes.get(class) else { return Err(StoreError::Inconsistent { place: "classes" }) };
        let Some(fixed) = self.topology.node(c.representative) else { return Err(StoreError::Inconsistent { place: "memory of nodes" }) };
        let position = u32::try_from(self.answer.nodes.len()).map_err(|_| StoreError::Inconsistent { place: "answer" })?;
        if c.hidden {
            self.answer.nodes.push(restricted(self.reader, &NodeKey::Artifact(fixed.id), depth));
            self.reached.push(Reached { class, ..Reached::default() });
            self.shown.insert(class, position);
            return Ok(position);
        }
        self.answer.nodes.push(WalkNode {
            restricted: false,
            key: NodeKey::Artifact(fixed.id),
            kind: fixed.kind,
            namespace: fixed.namespace.clone(),
            name: fixed.name.clone(),
            aliases: if self.only_counts { Vec::new() } else { aliases(self.topology, c) },
            depth,
            self_loop: false,
            deleted_at: c.deleted_at,
            remaining: 0,
        });
        self.reached.push(Reached { class, ..Reached::default() });
        self.shown.insert(class, position);
        Ok(position)
    }

    /// Tells which of the ways are new to the node.
    fn reach(&mut self, position: u32, ways: u8) -> u8 {
        let Some(r) = self.reached.get_mut(position as usize) else { return 0 };
        let new = ways & !r.ways;
        r.ways |= ways;
        new
    }

    fn cut(&mut self, class: u32, reason: IncompleteReason) {
        if let Some(position) = self.shown.get(&class) {
            self.answer.completeness.frontier.push(*position);
        }
        if !self.answer.completeness.reasons.contains(&reason) {
            self.answer.completeness.reasons.push(reason);
        }
    }

    fn expand(&mut self, class: u32, ways: u8, depth: u32, next: &mut FxHashMap<u32, u8>) -> Result<(), StoreError> {
        let Some(position) = self.shown.get(&class).copied() else { return Ok(()) };
        let mut found = self.neighbours(class, ways)?;
        if self.late {
            self.cut(class, IncompleteReason::Deadline);
        }
        let least = if self.question.include_deleted { Standing::Tombstone } else { Standing::Walkable };
        self.withhold(&mut found, least);
        let self_loops = self.question.include_self_loops;
        for n in found.iter().filter(|n| n.standing < Standing::Walkable && (n.class != class || self_loops)) {
            let (from, to) = if n.way == DOWN { (class, n.class) } else { (n.class, class) };
            self.pruned.insert((from, to, n.kind, n.job));
        }
        found.retain(|n| n.standing >= least);
        // One order over all neighbours; a neighbour met in several ways counts once.
        found.sort_by_cached_key(|n| (self.id(n.class), n.class, n.kind, n.way, n.job.map(|j| self.id(j))));
        if let Some(r) = self.reached.get_mut(position as usize) {
            r.expanded |= ways;
            r.neighbours.extend(found.iter().filter(|n| n.standing == Standing::Walkable).map(|n| n.class));
        }
        if self_loops {
            found.iter().filter(|n| n.class == class).for_each(|n| self.add_edge(position, position, n));
        }
        let mut followed = 0;
        let mut last = None;
        for n in found.iter().filter(|n| n.class != class) {
            if last.replace(n.class) != Some(n.class) {
                followed += 1;
            }
            if followed > self.question.per_node_max {
                self.cut(class, IncompleteReason::PerNodeMax);
                break;
            }
            let other = match self.shown.get(&n.class) {
                Some(shown) => *shown,
                None if self.answer.nodes.len() >= self.question.nodes_max => {
                    self.cut(class, IncompleteReason::NodesMax);
                    continue;
                }
                None => self.show(n.class, depth)?,
            };
            self.add_edge(position, other, n);
            // Never walked through: what is not alive has no neighbours, what is hidden keeps them.
            if self.is_walkable(n.class) {
                let new = self.reach(other, n.way);
                if new != 0 {
                    *next.entry(n.class).or_default() |= new;
                }
            }
        }
        Ok(())
    }

    fn add_edge(&mut self, here: u32, there: u32, n: &Neighbour) {
        let (from, to) = if n.way == DOWN { (here, there) } else { (there, here) };
        if !self.edges.insert((from, to, n.kind, n.job)) {
            return;
        }
        self.answer.completeness.edges_visited += 1;
        if self.only_counts {
            return;
        }
        let (valid_from, valid_until) = span_around(&n.spans, self.question.as_of.valid_at);
        self.answer.edges.push(WalkEdge {
            from,
            to,
            kind: n.kind,
            // Otherwise it ends in the job.
            job: n.job.map(|job| self.id(job)),
            transformations: Vec::new(),
            valid_from,
            valid_until,
            flows: match self.is_hidden(n.class) {
                true => SmallVec::new(),
                false => n.open.iter().map(|f| FlowVersion(f.slot.into())).collect(),
            },
        });
    }

    /// The neighbours of a class in some ways, with how each edge stands.
    fn collect(&mut self, class: u32, ways: u8) -> Result<Vec<Neighbour>, StoreError> {
        let Some(c) = self.classes.get(class).filter(|c| c.alive) else { return Ok(Vec::new()) };
        let members = c.members.clone();
        let (topology, size) = (self.topology, self.question.as_of.size);
        let mut met = Met::default();
        for m in &members {
            let is_job = topology.node(m.node).is_some_and(|n| n.kind == ArtifactKind::Job);
            let own = if is_job { SmallVec::new() } else { self.classes.bounds(class, *m)? };
            for way in [UP, DOWN] {
                if ways & way == 0 {
                    continue;
                }
                // A job's inputs lie upstream of it, a dataset's readers downstream.
                let list = usize::from((way == DOWN) == is_job);
                for f in topology.flows_of(m.node, list).filter(|f| f.known(size)) {
                    if is_job {
                        for (other, bounds) in self.classes.homes(f.dataset)? {
                            self.meet(&mut met, &f, other, way, bounds)?;
                        }
                    } else {
                        let other = self.classes.of(f.job)?;
                        for bounds in &own {
                            self.meet(&mut met, &f, other, way, *bounds)?;
                        }
                    }
                }
            }
        }
        Ok(met.neighbours)
    }

    fn meet(&mut self, met: &mut Met, f: &FlowFact, other: u32, way: u8, bounds: Option<Bounds>) -> Result<(), StoreError> {
        let window = self.starts.window(f.pair, Said::Flow(f.side, f.dataset), bounds)?;
        let span = (f.valid_from.max(window.0), f.valid_until.min(window.1));
        let at = self.question.as_of.valid_at;
        let open = span.0 <= at && self.question.since < span.1 && span.0 < span.1;
        let standing = match (open, self.is_alive(other)) {
            (false, _) => Standing::Known,
            (true, false) => Standing::Tombstone,
            (true, true) => Standing::Walkable,
        };
        let kind = if f.side.is_output() { FlowKind::WasGeneratedBy } else { FlowKind::Used };
        let i = *met.at.entry((other, kind, way)).or_insert(met.neighbours.len());
        if i == met.neighbours.len() {
            let (spans, open) = (SmallVec::new(), SmallVec::new());
            met.neighbours.push(Neighbour { class: other, kind, job: None, way, standing, spans, open });
        }
        let Some(n) = met.neighbours.get_mut(i) else { return Ok(()) };
        n.standing = n.standing.max(standing);
        if span.0 < span.1 {
            n.spans.push(span);
        }
        // Between two drops the same fact may be met again.
        if open && n.open.last().is_none_or(|last| last.slot != f.slot) {
            n.open.push(*f);
        }
        Ok(())
    }

    fn count_remaining(&mut self) -> Result<(), StoreError> {
        for position in 0..self.reached.len() {
            let Some(r) = self.reached.get_mut(position) else { continue };
            let (class, ways, expanded) = (r.class, r.ways, r.expanded);
            let mut neighbours = std::mem::take(&mut r.neighbours);
            let missing = ways & !expanded;
            if missing != 0 {
                if self.late {
                    continue;
                }
                let mut more = self.neighbours(class, missing)?;
                self.withhold(&mut more, Standing::Walkable);
                neighbours.extend(more.iter().filter(|n| n.standing == Standing::Walkable).map(|n| n.class));
            }
            let self_loop = neighbours.contains(&class);
            neighbours.retain(|n| !self.shown.contains_key(n));
            neighbours.sort_unstable();
            neighbours.dedup();
            if let Some(node) = self.answer.nodes.get_mut(position) {
                node.self_loop = self_loop;
                node.remaining = u32::try_from(neighbours.len()).unwrap_or(u32::MAX);
            }
        }
        Ok(())
    }
}

/// Neighbours by what joins them.
#[derive(Default)]
struct Met {
    neighbours: Vec<Neighbour>,
    at: FxHashMap<(u32, FlowKind, u8), usize>,
}

/// The id of something hidden in the asker's answers.
pub fn opaque(reader: &Reader<'_>, key: &NodeKey) -> NodeId {
    reader.seen.map_or_else(|| key.artifact(), |seen| seen.sight.opaque(key))
}

/// A node that the asker may not see.
pub fn restricted(reader: &Reader<'_>, key: &NodeKey, depth: u32) -> WalkNode {
    WalkNode {
        restricted: true,
        key: NodeKey::Artifact(opaque(reader, key)),
        kind: ArtifactKind::Dataset,
        namespace: "".into(),
        name: "".into(),
        aliases: Vec::new(),
        depth,
        self_loop: false,
        deleted_at: None,
        remaining: 0,
    }
}

/// The other names that mean a class.
pub fn aliases(topology: &Topology, class: &Class) -> Vec<Name> {
    let others = class.shown().iter().filter(|n| **n != class.representative).filter_map(|n| topology.node(*n));
    let mut aliases: Vec<Name> = others.map(|n| Name { namespace: (&*n.namespace).into(), name: (&*n.name).into() }).collect();
    aliases.sort();
    aliases
}

/// The maximal interval around an instant that intervals cover together; where
/// none lies around it, the last one before.
pub fn span_around(spans: &[(Micros, Micros)], at: Micros) -> (Micros, Micros) {
    let mut sorted: SmallVec<[(Micros, Micros); 4]> = SmallVec::from_slice(spans);
    sorted.sort_unstable();
    let mut merged: Option<(Micros, Micros)> = None;
    for (from, until) in sorted {
        match &mut merged {
            Some((_, end)) if from <= *end => *end = (*end).max(until),
            Some(_) if from > at => break,
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
        assert_eq!(span_around(&spans, Micros(15)), (Micros(0), Micros(9)));
        assert_eq!(span_around(&spans, Micros(99)), (Micros(20), Micros(30)));
    }
}
