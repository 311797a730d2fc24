//! Breadth-first walks over fields.
use std::{sync::Arc, time::Instant};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{FieldMap, FieldSet, InForce};
use crate::{
    domain::{
        assertion::Transformation,
        id::NodeId,
        kind::ArtifactKind,
        lineage::{CompletenessStatus, Direction, FlowKind, FlowVersion, IncompleteReason, NodeKey, Walk, WalkAnswer, WalkEdge, WalkNode},
        name::Name,
        time::Micros,
    },
    store::{
        StoreError,
        embedded::{
            read::{Reader, classes::Classes, starts::deciding_start},
            topology::{FlowFact, NodeNo, PairNo},
        },
    },
};

/// A field of a class.
type Field = (u32, Arc<str>);

/// A neighbouring field and what joins them.
struct Neighbour {
    field: Field,
    downstream: bool,
    job: NodeNo,
    transformations: Vec<Transformation>,
    spans: SmallVec<[(Micros, Micros); 1]>,
    flows: SmallVec<[FlowFact; 1]>,
}

/// Column lineage in force of one output, by job and source.
type Columns = Arc<Vec<(PairNo, InForce, Arc<FieldMap>)>>;

/// Column lineage in force of one output name, per job, and the schemas of a class.
#[derive(Default)]
struct Known {
    columns: FxHashMap<NodeNo, Columns>,
    schemas: FxHashMap<u32, Arc<Vec<Arc<FieldSet>>>>,
    readers: FxHashMap<NodeNo, Arc<Vec<PairNo>>>,
}

/// Walks fields.
///
/// # Errors
/// The database's.
pub fn walk(reader: &Reader<'_>, question: &Walk) -> Result<WalkAnswer, StoreError> {
    let mut walker = Walker {
        reader,
        question,
        classes: Classes::new(&reader.shared.topology, reader.db, question.as_of),
        known: Known::default(),
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
    question: &'a Walk,
    classes: Classes<'a>,
    known: Known,
    shown: FxHashMap<Field, u32>,
    answer: WalkAnswer,
    neighbours: Vec<Option<Vec<Field>>>,
    edges: FxHashMap<(u32, u32, NodeNo), u32>,
}

impl Walker<'_> {
    fn run(&mut self) -> Result<(), StoreError> {
        let mut level = self.starts()?;
        self.sort(&mut level);
        level.dedup();
        for f in &level {
            if self.answer.nodes.len() >= self.question.nodes_max {
                self.reason(IncompleteReason::NodesMax);
                break;
            }
            self.show(f, 0)?;
        }
        let mut late = false;
        for depth in 0..self.question.depth {
            let mut next = Vec::new();
            for (i, f) in level.iter().enumerate() {
                if i % 16 == 0 && Instant::now() >= self.question.deadline {
                    for rest in level.iter().skip(i) {
                        self.cut(rest, IncompleteReason::Deadline);
                    }
                    late = true;
                    break;
                }
                self.expand(f, depth, &mut next)?;
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

    /// A dataset as a start means all its live fields.
    fn starts(&mut self) -> Result<Vec<Field>, StoreError> {
        let mut starts = Vec::new();
        for key in &self.question.from {
            let Some(no) = self.reader.shared.topology.find_any(key.artifact()) else { continue };
            let class = self.classes.of(no)?;
            match key {
                NodeKey::Field(_, field) => starts.push((class, field.clone())),
                NodeKey::Artifact(_) => {
                    let schemas = self.schemas(class)?;
                    starts.extend(schemas.iter().flat_map(|s| s.paths.iter()).map(|p| (class, p.clone())));
                    if schemas.is_empty() {
                        let members: SmallVec<[NodeNo; 1]> = self.members(class);
                        for node in members {
                            let columns = self.columns(node)?;
                            starts.extend(columns.iter().flat_map(|(_, _, m)| m.fields.iter()).map(|p| (class, p.clone())));
                        }
                    }
                }
            }
        }
        Ok(starts)
    }

    fn members(&self, class: u32) -> SmallVec<[NodeNo; 1]> {
        self.classes.get(class).map(|c| c.members.iter().map(|m| m.node).collect()).unwrap_or_default()
    }

    fn schemas(&mut self, class: u32) -> Result<Arc<Vec<Arc<FieldSet>>>, StoreError> {
        if let Some(known) = self.known.schemas.get(&class) {
            return Ok(known.clone());
        }
        let members = self.classes.get(class).map(|c| c.members.clone()).unwrap_or_default();
        let found = Arc::new(self.reader.schemas(&members, self.question.as_of)?);
        self.known.schemas.insert(class, found.clone());
        Ok(found)
    }

    fn columns(&mut self, node: NodeNo) -> Result<Columns, StoreError> {
        if let Some(known) = self.known.columns.get(&node) {
            return Ok(known.clone());
        }
        let found = Arc::new(self.reader.columns_in_force(node, self.question.as_of)?);
        self.known.columns.insert(node, found.clone());
        Ok(found)
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

    /// The dataset is alive, and some schema in force lists the field or none is in force.
    fn live(&mut self, field: &Field) -> Result<bool, StoreError> {
        if !self.classes.get(field.0).is_some_and(|c| c.alive) {
            return Ok(false);
        }
        let schemas = self.schemas(field.0)?;
        Ok(schemas.is_empty() || schemas.iter().any(|s| s.has(&field.1)))
    }

    fn key(&self, f: &Field) -> (NodeId, Arc<str>) {
        let id =
            self.classes.get(f.0).and_then(|c| self.reader.shared.topology.node(c.representative)).map_or(NodeId([0xff; 16]), |n| n.id);
        (id, f.1.clone())
    }

    fn sort(&self, fields: &mut [Field]) {
        fields.sort_by_cached_key(|f| self.key(f));
    }

    fn show(&mut self, f: &Field, depth: u32) -> Result<(), StoreError> {
        let topology = &self.reader.shared.topology;
        let Some(c) = self.classes.get(f.0) else { return Err(StoreError::Inconsistent { place: "classes" }) };
        let Some(fixed) = topology.node(c.representative) else { return Err(StoreError::Inconsistent { place: "memory of nodes" }) };
        let mut aliases: Vec<Name> = c
            .members
            .iter()
            .filter(|m| m.node != c.representative)
            .filter_map(|m| topology.node(m.node))
            .map(|n| Name { namespace: (&*n.namespace).into(), name: format!("{}.{}", n.name, f.1).into() })
            .collect();
        aliases.sort();
        aliases.dedup();
        let position = u32::try_from(self.answer.nodes.len()).map_err(|_| StoreError::Inconsistent { place: "answer" })?;
        self.answer.nodes.push(WalkNode {
            key: NodeKey::Field(fixed.id, f.1.clone()),
            kind: ArtifactKind::Field,
            namespace: fixed.namespace.clone(),
            name: format!("{}.{}", fixed.name, f.1).into(),
            aliases,
            depth,
            self_loop: false,
            deleted_at: c.deleted_at,
            remaining: 0,
        });
        self.neighbours.push(None);
        self.shown.insert(f.clone(), position);
        Ok(())
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

    fn expand(&mut self, f: &Field, depth: u32, next: &mut Vec<Field>) -> Result<(), StoreError> {
        let Some(here) = self.shown.get(f).copied() else { return Ok(()) };
        let mut pruned = 0;
        let mut found = self.collect(f, &mut pruned)?;
        self.answer.completeness.pruned_by_time += pruned;
        found.sort_by_cached_key(|n| (self.key(&n.field), n.downstream, n.job));
        let mut distinct: Vec<Field> = found.iter().map(|n| n.field.clone()).filter(|n| n != f).collect();
        distinct.dedup();
        if distinct.len() > self.question.per_node_max {
            self.cut(f, IncompleteReason::PerNodeMax);
        }
        let followed: Vec<Field> = distinct.iter().take(self.question.per_node_max).cloned().collect();
        for other in &followed {
            if self.shown.contains_key(other) {
                continue;
            }
            if self.answer.nodes.len() >= self.question.nodes_max {
                self.cut(f, IncompleteReason::NodesMax);
                continue;
            }
            self.show(other, depth + 1)?;
            if self.live(other)? {
                next.push(other.clone());
            }
        }
        for n in found {
            if n.field == *f {
                if let Some(node) = self.answer.nodes.get_mut(here as usize) {
                    node.self_loop = true;
                }
                if !self.question.include_self_loops {
                    continue;
                }
            } else if !followed.contains(&n.field) {
                continue;
            }
            if let Some(there) = self.shown.get(&n.field).copied() {
                self.add_edge(here, there, n);
            }
        }
        if let Some(slot) = self.neighbours.get_mut(here as usize) {
            *slot = Some(distinct);
        }
        Ok(())
    }

    fn add_edge(&mut self, here: u32, there: u32, n: Neighbour) {
        let (from, to) = if n.downstream { (here, there) } else { (there, here) };
        if self.edges.contains_key(&(from, to, n.job)) {
            return;
        }
        self.edges.insert((from, to, n.job), u32::try_from(self.answer.edges.len()).unwrap_or(u32::MAX));
        let (valid_from, valid_until) = super::super::walk::span_around(&n.spans, self.question.as_of.valid_at);
        self.answer.edges.push(WalkEdge {
            from,
            to,
            kind: FlowKind::WasDerivedFrom,
            job: self.reader.shared.topology.node(n.job).map(|j| j.id),
            transformations: n.transformations,
            valid_from,
            valid_until,
            flows: n.flows.iter().map(|f| FlowVersion(f.slot.into())).collect(),
        });
        self.answer.completeness.edges_visited += 1;
    }

    fn collect(&mut self, f: &Field, pruned: &mut u32) -> Result<Vec<Neighbour>, StoreError> {
        let mut found: Vec<Neighbour> = Vec::new();
        if !self.live(f)? {
            return Ok(found);
        }
        let members = self.members(f.0);
        let upstream = self.question.direction != Direction::Downstream;
        let downstream = self.question.direction != Direction::Upstream;
        for node in members {
            if upstream {
                for (pair, facet, map) in self.columns(node)?.iter() {
                    let Some(open) = self.output_open(*pair, node)? else {
                        *pruned += u32::from(map.inputs_of(&f.1).next().is_some());
                        continue;
                    };
                    for input in map.inputs_of(&f.1) {
                        let class = self.classes.of(input.dataset)?;
                        self.meet(&mut found, (class, input.field.clone()), false, facet, &open, &input.transformations, pruned)?;
                    }
                }
            }
            if downstream {
                for pair in self.readers(node)?.iter() {
                    for output in self.reader.outputs_of(*pair, self.question.as_of.size) {
                        let columns = self.columns(output)?;
                        for (_, facet, map) in columns.iter().filter(|(p, ..)| p == pair) {
                            let made: Vec<(Arc<str>, Arc<[Transformation]>)> = map
                                .made_from(node, &f.1)
                                .map(|(m, i)| (m.clone(), i.transformations.clone()))
                                .chain(
                                    map.influence(node, &f.1)
                                        .flat_map(|i| map.fields.iter().map(|m| (m.clone(), i.transformations.clone()))),
                                )
                                .collect();
                            if made.is_empty() {
                                continue;
                            }
                            let Some(open) = self.output_open(*pair, output)? else {
                                *pruned += 1;
                                continue;
                            };
                            let class = self.classes.of(output)?;
                            for (field, transformations) in made {
                                self.meet(&mut found, (class, field), true, facet, &open, &transformations, pruned)?;
                            }
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    #[expect(clippy::too_many_arguments, reason = "an edge with both its ends")]
    fn meet(
        &mut self,
        found: &mut Vec<Neighbour>,
        field: Field,
        downstream: bool,
        facet: &InForce,
        open: &FlowFact,
        transformations: &[Transformation],
        pruned: &mut u32,
    ) -> Result<(), StoreError> {
        if !self.live(&field)? {
            *pruned += 1;
            return Ok(());
        }
        // The field edge holds while the facet is in force and the output flow open.
        let span = (facet.valid_from.max(open.valid_from), facet.valid_until.min(open.valid_until));
        match found.iter_mut().find(|n| n.field == field && n.downstream == downstream && n.job == open.job) {
            Some(n) => {
                n.spans.push(span);
                n.flows.push(*open);
                for t in transformations {
                    if !n.transformations.contains(t) {
                        n.transformations.push(t.clone());
                    }
                }
            }
            None => found.push(Neighbour {
                field,
                downstream,
                job: open.job,
                transformations: transformations.to_vec(),
                spans: smallvec::smallvec![span],
                flows: smallvec::smallvec![*open],
            }),
        }
        Ok(())
    }

    /// The open flow from the job to that output, if it belongs to the output's current life.
    fn output_open(&mut self, pair: PairNo, output: NodeNo) -> Result<Option<FlowFact>, StoreError> {
        let as_of = self.question.as_of;
        let topology = &self.reader.shared.topology;
        let Some((job, _)) = topology.pair(pair) else { return Ok(None) };
        let end = if topology.degree(job) < topology.degree(output) { job } else { output };
        let facts: SmallVec<[FlowFact; 2]> = topology
            .flows_of(end, 1)
            .filter(|f| f.pair == pair && f.dataset == output && f.known(as_of.size) && f.open(as_of.valid_at))
            .collect();
        for f in facts {
            let class = self.classes.of(output)?;
            let life = self.classes.get(class).and_then(|c| c.members.iter().find(|m| m.node == output)).and_then(|m| m.life);
            let belongs = match life {
                None => true,
                Some((after, until)) => deciding_start(self.reader.db, &self.reader.shared.intern, &f, as_of, self.reader.head)?
                    .is_some_and(|s| after < s && s <= until),
            };
            if belongs {
                return Ok(Some(f));
            }
        }
        Ok(None)
    }

    fn count_remaining(&mut self, late: bool) -> Result<(), StoreError> {
        let shown: Vec<(Field, u32)> = self.shown.iter().map(|(f, p)| (f.clone(), *p)).collect();
        for (f, position) in shown {
            let known = self.neighbours.get_mut(position as usize).and_then(Option::take);
            let neighbours = match known {
                Some(n) => n,
                None if late => continue,
                None => {
                    let mut ignored = 0;
                    let mut n: Vec<Field> = self.collect(&f, &mut ignored)?.into_iter().map(|n| n.field).filter(|n| *n != f).collect();
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
