//! Breadth-first walks over fields.
mod intervals;

use std::{sync::Arc, time::Instant};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{FieldMap, Told, maps::InputOf, seen::Schemas};
use crate::{
    domain::{
        assertion::Transformation,
        id::NodeId,
        kind::ArtifactKind,
        lineage::{CompletenessStatus, FlowKind, FlowVersion, IncompleteReason, NodeKey, Walk, WalkAnswer, WalkEdge, WalkNode},
        name::Name,
    },
    store::{
        StoreError,
        embedded::{
            read::{
                Reader,
                classes::{Bounds, Classes},
                starts::Starts,
                walk::{DOWN, UP, aliases, opaque, restricted, ways},
            },
            topology::{FlowFact, NodeNo, PairNo},
        },
    },
};

/// A field of a class.
type Field = (u32, Arc<str>);

/// A neighbouring field and what joins them.
struct Neighbour {
    field: Field,
    way: u8,
    job: NodeNo,
    alive: bool,
    transformations: Vec<Transformation>,
    flows: SmallVec<[FlowFact; 1]>,
}

/// What was read for this walk.
#[derive(Default)]
struct Known {
    columns: FxHashMap<NodeNo, Arc<Vec<Told>>>,
    schemas: FxHashMap<u32, Arc<Vec<Schemas>>>,
    readers: FxHashMap<NodeNo, Arc<Vec<PairNo>>>,
    flows: FxHashMap<(PairNo, NodeNo), Arc<Vec<FlowFact>>>,
}

/// A node of the answer while it is walked.
struct Reached {
    field: Field,
    ways: u8,
    expanded: u8,
    /// Walkable neighbours, once they were met.
    neighbours: Vec<Field>,
}

/// Walks fields.
///
/// # Errors
/// The database's.
pub fn walk(reader: &Reader<'_>, question: &Walk) -> Result<WalkAnswer, StoreError> {
    let mut walker = Walker {
        reader,
        question,
        classes: reader.classes_since(question.as_of, question.since),
        starts: Starts::new(reader.db, &reader.shared.intern, question.as_of.size),
        known: Known::default(),
        shown: FxHashMap::default(),
        answer: WalkAnswer::default(),
        reached: Vec::new(),
        edges: FxHashMap::default(),
        met_hidden: false,
    };
    walker.run()?;
    Ok(walker.answer)
}

struct Walker<'a> {
    reader: &'a Reader<'a>,
    question: &'a Walk,
    classes: Classes<'a>,
    starts: Starts<'a>,
    known: Known,
    shown: FxHashMap<Field, u32>,
    answer: WalkAnswer,
    /// By position in the answer.
    reached: Vec<Reached>,
    edges: FxHashMap<(u32, u32, NodeNo), u32>,
    /// Something was met that the asker may not see.
    met_hidden: bool,
}

/// Two incarnations between which something was told, and the output's class.
#[derive(Clone, Copy)]
struct Between {
    input: Option<Bounds>,
    output: Option<Bounds>,
    class: u32,
}

/// An edge between two fields: from, to, by which job.
struct Edge<'e> {
    from: &'e Field,
    to: &'e Field,
    job: NodeNo,
}

impl Walker<'_> {
    fn run(&mut self) -> Result<(), StoreError> {
        let asked = ways(self.question.direction);
        let mut starts = self.starts()?;
        self.sort(&mut starts);
        starts.dedup();
        let mut level: Vec<(Field, u8)> = Vec::new();
        for f in starts {
            if self.answer.nodes.len() >= self.question.nodes_max {
                self.reason(IncompleteReason::NodesMax);
                break;
            }
            let position = self.show(&f, 0)?;
            self.reach(position, asked);
            level.push((f, asked));
        }
        let mut late = false;
        for depth in 1..=self.question.depth {
            let mut next: FxHashMap<Field, u8> = FxHashMap::default();
            for (i, (f, ways)) in level.iter().enumerate() {
                if i.is_multiple_of(16) && Instant::now() >= self.question.deadline {
                    for (rest, _) in level.iter().skip(i) {
                        self.cut(rest, IncompleteReason::Deadline);
                    }
                    late = true;
                    break;
                }
                self.expand(f, *ways, depth, &mut next)?;
            }
            if late || next.is_empty() {
                break;
            }
            level = next.into_iter().collect();
            level.sort_by_cached_key(|(f, _)| self.key(f));
        }
        let restricted = self.met_hidden;
        self.count_remaining(late)?;
        let c = &mut self.answer.completeness;
        c.nodes_visited = u32::try_from(self.answer.nodes.len()).unwrap_or(u32::MAX);
        if restricted {
            c.reasons.push(IncompleteReason::Restricted);
        }
        c.status = match c.reasons.first() {
            _ if restricted => CompletenessStatus::Restricted,
            None => CompletenessStatus::Complete,
            Some(_) if late => CompletenessStatus::Deadline,
            Some(_) => CompletenessStatus::Truncated,
        };
        c.frontier.sort_unstable();
        c.frontier.dedup();
        Ok(())
    }

    /// A dataset as a start means all its live fields.
    fn starts(&mut self) -> Result<Vec<Field>, StoreError> {
        let mut starts = Vec::new();
        for key in &self.question.from {
            let Some(no) = self.reader.shared.topology.find_any(key.artifact()) else { continue };
            let class = self.classes.of(no)?;
            if self.is_hidden(class) {
                continue;
            }
            match key {
                NodeKey::Run(..) => {}
                NodeKey::Field(_, field) => starts.push((class, field.clone())),
                NodeKey::Artifact(_) => {
                    let seen = self.schemas(class)?;
                    starts.extend(seen.iter().flatten().flat_map(|s| s.paths.iter()).map(|p| (class, p.clone())));
                    if seen.iter().any(Vec::is_empty) {
                        for node in self.names(class) {
                            for told in self.columns_in_force(node)? {
                                if let Some(map) = self.map(&told)? {
                                    starts.extend(map.fields.iter().map(|p| (class, p.clone())));
                                }
                            }
                        }
                    }
                }
            }
        }
        Ok(starts)
    }

    fn names(&self, class: u32) -> SmallVec<[NodeNo; 1]> {
        self.classes.get(class).map(|c| c.names.clone()).unwrap_or_default()
    }

    /// The schemas in force, as often as they were others.
    fn schemas(&mut self, class: u32) -> Result<Arc<Vec<Schemas>>, StoreError> {
        if let Some(known) = self.known.schemas.get(&class) {
            return Ok(known.clone());
        }
        let names = self.names(class);
        let found = Arc::new(self.reader.schemas_seen(&mut self.classes, class, &names, self.question)?);
        self.known.schemas.insert(class, found.clone());
        Ok(found)
    }

    fn columns(&mut self, output: NodeNo) -> Result<Arc<Vec<Told>>, StoreError> {
        if let Some(known) = self.known.columns.get(&output) {
            return Ok(known.clone());
        }
        let found = Arc::new(self.reader.told_columns(output, self.question.as_of.size)?);
        self.known.columns.insert(output, found.clone());
        Ok(found)
    }

    fn columns_in_force(&mut self, output: NodeNo) -> Result<SmallVec<[Told; 2]>, StoreError> {
        let (since, at) = (self.question.since, self.question.as_of.valid_at);
        Ok(self.columns(output)?.iter().filter(|t| t.from <= at && since < t.until).copied().collect())
    }

    fn map(&self, told: &Told) -> Result<Option<Arc<FieldMap>>, StoreError> {
        Ok(told.blob.map(|b| self.reader.columns_of(b)).transpose()?.flatten())
    }

    fn readers(&mut self, node: NodeNo) -> Result<Arc<Vec<PairNo>>, StoreError> {
        if let Some(known) = self.known.readers.get(&node) {
            return Ok(known.clone());
        }
        let mut pairs: Vec<PairNo> = self.reader.pairs_reading(node, self.question.as_of.size)?.into_iter().collect();
        pairs.sort_unstable();
        let found = Arc::new(pairs);
        self.known.readers.insert(node, found.clone());
        Ok(found)
    }

    /// The flows from a job to an output, by runs and by design.
    fn output_flows(&mut self, pair: PairNo, output: NodeNo) -> Arc<Vec<FlowFact>> {
        if let Some(known) = self.known.flows.get(&(pair, output)) {
            return known.clone();
        }
        let topology = &self.reader.shared.topology;
        let job = topology.pair(pair).map(|(job, _)| job);
        let end = job.filter(|job| topology.degree(*job) < topology.degree(output)).unwrap_or(output);
        let size = self.question.as_of.size;
        let facts = topology.flows_of(end, 1).filter(|f| f.pair == pair && f.dataset == output && f.known(size));
        let found = Arc::new(facts.collect::<Vec<_>>());
        self.known.flows.insert((pair, output), found.clone());
        found
    }

    /// The dataset is alive, and some schema in force lists the field or none is in
    /// force; of a window, at some time in it.
    fn live(&mut self, field: &Field) -> Result<bool, StoreError> {
        if !self.classes.get(field.0).is_some_and(|c| c.alive) {
            return Ok(false);
        }
        Ok(self.schemas(field.0)?.iter().any(|seen| seen.is_empty() || seen.iter().any(|s| s.has(&field.1))))
    }

    fn key(&self, f: &Field) -> (NodeId, Arc<str>) {
        let Some(c) = self.classes.get(f.0) else { return (NodeId([0xff; 16]), f.1.clone()) };
        let id = self.reader.shared.topology.node(c.representative).map_or(NodeId([0xff; 16]), |n| n.id);
        if c.hidden { (opaque(self.reader, &NodeKey::Field(id, f.1.clone())), "".into()) } else { (id, f.1.clone()) }
    }

    fn is_hidden(&self, class: u32) -> bool {
        self.classes.get(class).is_some_and(|c| c.hidden)
    }

    /// As for artifacts: who may not be seen and is not shown is not told of.
    fn withhold(&mut self, found: &mut Vec<Neighbour>, include_deleted: bool) {
        if self.reader.seen.is_none() {
            return;
        }
        let (classes, leave_out) = (&self.classes, self.question.leave_out_hidden);
        let mut met = false;
        found.retain(|n| {
            let hidden = classes.get(n.field.0).is_some_and(|c| c.hidden);
            let shown = n.alive || include_deleted;
            met |= hidden && shown;
            !hidden || !leave_out && shown
        });
        self.met_hidden |= met;
    }

    fn sort(&self, fields: &mut [Field]) {
        fields.sort_by_cached_key(|f| self.key(f));
    }

    fn show(&mut self, f: &Field, depth: u32) -> Result<u32, StoreError> {
        let topology = &self.reader.shared.topology;
        let Some(c) = self.classes.get(f.0) else { return Err(StoreError::Inconsistent { place: "classes" }) };
        let Some(fixed) = topology.node(c.representative) else { return Err(StoreError::Inconsistent { place: "memory of nodes" }) };
        let of = |dataset: &str| format!("{dataset}.{}", f.1);
        let position = u32::try_from(self.answer.nodes.len()).map_err(|_| StoreError::Inconsistent { place: "answer" })?;
        if c.hidden {
            self.answer.nodes.push(restricted(self.reader, &NodeKey::Field(fixed.id, f.1.clone()), depth));
            self.reached.push(Reached { field: f.clone(), ways: 0, expanded: 0, neighbours: Vec::new() });
            self.shown.insert(f.clone(), position);
            return Ok(position);
        }
        self.answer.nodes.push(WalkNode {
            restricted: false,
            key: NodeKey::Field(fixed.id, f.1.clone()),
            kind: ArtifactKind::Field,
            namespace: fixed.namespace.clone(),
            name: of(&fixed.name).into(),
            aliases: aliases(topology, c).into_iter().map(|a| Name { name: of(&a.name).into(), ..a }).collect(),
            depth,
            self_loop: false,
            deleted_at: c.deleted_at,
            remaining: 0,
        });
        self.reached.push(Reached { field: f.clone(), ways: 0, expanded: 0, neighbours: Vec::new() });
        self.shown.insert(f.clone(), position);
        Ok(position)
    }

    /// Tells which of the ways are new to the node.
    fn reach(&mut self, position: u32, ways: u8) -> u8 {
        let Some(r) = self.reached.get_mut(position as usize) else { return 0 };
        let new = ways & !r.ways;
        r.ways |= ways;
        new
    }

    fn reason(&mut self, reason: IncompleteReason) {
        if !self.answer.completeness.reasons.contains(&reason) {
            self.answer.completeness.reasons.push(reason);
        }
    }

    fn cut(&mut self, f: &Field, reason: IncompleteReason) {
        if let Some(position) = self.shown.get(f) {
            self.answer.completeness.frontier.push(*position);
        }
        self.reason(reason);
    }

    fn expand(&mut self, f: &Field, ways: u8, depth: u32, next: &mut FxHashMap<Field, u8>) -> Result<(), StoreError> {
        let Some(here) = self.shown.get(f).copied() else { return Ok(()) };
        let mut found = self.collect(f, ways)?;
        self.withhold(&mut found, self.question.include_deleted);
        self.answer.completeness.pruned_by_time += u32::try_from(found.iter().filter(|n| !n.alive).count()).unwrap_or(u32::MAX);
        found.retain(|n| n.alive || self.question.include_deleted);
        found.sort_by_cached_key(|n| (self.key(&n.field), n.way, n.job));
        self.remember(here, ways, &found);
        let mut followed = 0;
        let mut last: Option<Field> = None;
        for n in found {
            if n.field == *f {
                if self.question.include_self_loops {
                    self.add_edge(here, here, n)?;
                }
                continue;
            }
            if last.as_ref() != Some(&n.field) {
                last = Some(n.field.clone());
                followed += 1;
            }
            if followed > self.question.per_node_max {
                self.cut(f, IncompleteReason::PerNodeMax);
                continue;
            }
            let there = match self.shown.get(&n.field) {
                Some(shown) => *shown,
                None if self.answer.nodes.len() >= self.question.nodes_max => {
                    self.cut(f, IncompleteReason::NodesMax);
                    continue;
                }
                None => self.show(&n.field, depth)?,
            };
            if n.alive && !self.is_hidden(n.field.0) {
                let new = self.reach(there, n.way);
                if new != 0 {
                    *next.entry(n.field.clone()).or_default() |= new;
                }
            }
            self.add_edge(here, there, n)?;
        }
        Ok(())
    }

    /// Keeps what was met of a node's walkable neighbours, itself among them.
    fn remember(&mut self, position: u32, ways: u8, found: &[Neighbour]) {
        let Some(r) = self.reached.get_mut(position as usize) else { return };
        r.expanded |= ways;
        r.neighbours.extend(found.iter().filter(|n| n.alive).map(|n| n.field.clone()));
    }

    fn add_edge(&mut self, here: u32, there: u32, n: Neighbour) -> Result<(), StoreError> {
        let (from, to) = if n.way == DOWN { (here, there) } else { (there, here) };
        if self.edges.contains_key(&(from, to, n.job)) {
            return Ok(());
        }
        self.edges.insert((from, to, n.job), u32::try_from(self.answer.edges.len()).unwrap_or(u32::MAX));
        let fields = [here, there].map(|p| self.reached.get(p as usize).map(|r| r.field.clone()));
        let [Some(near), Some(far)] = fields else { return Ok(()) };
        let edge = if n.way == DOWN { Edge { from: &near, to: &far, job: n.job } } else { Edge { from: &far, to: &near, job: n.job } };
        let (valid_from, valid_until) = self.interval(&edge)?;
        // Of what is hidden nobody is told who says so, and what was done to it.
        let hidden = self.is_hidden(n.field.0);
        self.answer.edges.push(WalkEdge {
            from,
            to,
            kind: FlowKind::WasDerivedFrom,
            job: self.reader.shared.topology.node(n.job).map(|j| j.id),
            transformations: if hidden { Vec::new() } else { n.transformations },
            valid_from,
            valid_until,
            flows: n.flows.iter().filter(|_| !hidden).map(|f| FlowVersion(f.slot.into())).collect(),
        });
        self.answer.completeness.edges_visited += 1;
        Ok(())
    }

    fn collect(&mut self, f: &Field, ways: u8) -> Result<Vec<Neighbour>, StoreError> {
        let mut found: Vec<Neighbour> = Vec::new();
        if !self.live(f)? {
            return Ok(found);
        }
        let members = self.classes.get(f.0).map(|c| c.members.clone()).unwrap_or_default();
        for m in members {
            for own in self.classes.bounds(f.0, m)? {
                if ways & UP != 0 {
                    for told in self.columns_in_force(m.node)? {
                        let Some(map) = self.map(&told)? else { continue };
                        // What influences every field influences those that are known to be there.
                        let listed = map.makes(&f.1) || self.schemas(f.0)?.iter().flatten().any(|s| s.has(&f.1));
                        for input in map.inputs_of(&f.1).filter(|_| listed) {
                            for (class, bounds) in self.classes.homes(input.dataset)? {
                                let between = Between { input: bounds, output: own, class: f.0 };
                                self.meet(&mut found, (class, input.field.clone()), UP, &told, between, &input.transformations)?;
                            }
                        }
                    }
                }
                if ways & DOWN != 0 {
                    for pair in self.readers(m.node)?.iter() {
                        for output in self.reader.outputs_of(*pair, self.question.as_of.size) {
                            for told in self.columns_in_force(output)?.iter().filter(|t| t.pair == *pair) {
                                let Some(map) = self.map(told)?.filter(|map| map.reads(m.node, &f.1)) else { continue };
                                for (class, bounds) in self.classes.homes(output)? {
                                    let between = Between { input: own, output: bounds, class };
                                    for (field, input) in self.made(&map, m.node, &f.1, class)? {
                                        self.meet(&mut found, (class, field), DOWN, told, between, &input.transformations)?;
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// The fields of an output that were made from one, and how.
    fn made(&mut self, map: &FieldMap, dataset: NodeNo, field: &str, output: u32) -> Result<Vec<(Arc<str>, InputOf)>, StoreError> {
        let mut made: Vec<(Arc<str>, InputOf)> = map.made_from(dataset, field).map(|(m, i)| (m.clone(), i.clone())).collect();
        for input in map.influence(dataset, field) {
            let schemas = self.schemas(output)?;
            let mut listed: Vec<&Arc<str>> = schemas.iter().flatten().flat_map(|s| s.paths.iter()).filter(|p| !map.makes(p)).collect();
            listed.sort_unstable();
            listed.dedup();
            made.extend(map.fields.iter().chain(listed).map(|m| (m.clone(), input.clone())));
        }
        Ok(made)
    }

    /// Meets a neighbour, if what was told holds at the instant.
    fn meet(
        &mut self,
        found: &mut Vec<Neighbour>,
        field: Field,
        way: u8,
        told: &Told,
        between: Between,
        transformations: &[Transformation],
    ) -> Result<(), StoreError> {
        let (since, at) = (self.question.since, self.question.as_of.valid_at);
        let mut open: SmallVec<[FlowFact; 1]> = SmallVec::new();
        self.told_spans(told, between, |flow, (from, until)| {
            if from <= at && since < until && !open.iter().any(|f| f.slot == flow.slot) {
                open.push(*flow);
            }
        })?;
        let Some(job) = open.first().map(|f| f.job) else { return Ok(()) };
        let alive = self.live(&field)?;
        // A job that is hidden is not passed through.
        if !self.reader.sees(job) {
            self.met_hidden |= alive || self.question.include_deleted;
            return Ok(());
        }
        match found.iter_mut().find(|n| n.field == field && n.way == way && n.job == job) {
            Some(n) => {
                for flow in open {
                    if !n.flows.iter().any(|f| f.slot == flow.slot) {
                        n.flows.push(flow);
                    }
                }
                for t in transformations {
                    if !n.transformations.contains(t) {
                        n.transformations.push(t.clone());
                    }
                }
            }
            None => found.push(Neighbour { field, way, job, alive, transformations: transformations.to_vec(), flows: open }),
        }
        Ok(())
    }

    fn count_remaining(&mut self, late: bool) -> Result<(), StoreError> {
        for position in 0..self.reached.len() {
            let Some(r) = self.reached.get_mut(position) else { continue };
            let (field, ways, expanded) = (r.field.clone(), r.ways, r.expanded);
            let mut neighbours = std::mem::take(&mut r.neighbours);
            // Also of a node that was reached in no way its self-loop is told.
            let missing = match (expanded, ways) {
                (0, 0) if self.is_hidden(field.0) => 0,
                (0, 0) => UP,
                _ => ways & !expanded,
            };
            if missing != 0 && !late {
                let mut more = self.collect(&field, missing)?;
                self.withhold(&mut more, false);
                neighbours.extend(more.into_iter().filter(|n| n.alive && (ways != 0 || n.field == field)).map(|n| n.field));
            }
            let self_loop = neighbours.contains(&field);
            neighbours.retain(|n| !self.shown.contains_key(n));
            neighbours.sort_unstable();
            neighbours.dedup();
            if let Some(node) = self.answer.nodes.get_mut(position) {
                node.self_loop = self_loop;
                node.remaining = if late && missing != 0 { 0 } else { u32::try_from(neighbours.len()).unwrap_or(u32::MAX) };
            }
        }
        Ok(())
    }
}
