//! Breadth-first walks over runs and the datasets that they used or made, along
//! ways on which time goes forward.
//!
//! What a run can have read was there by the last that is heard of it: walking up,
//! a node is reached with the latest time at which data of it may have mattered,
//! and a run that began after it is not met; walking down with the earliest time
//! at which what matters can be in it, and a run last heard of before it is not
//! met. A node that is reached again with more time is looked at again.
pub(super) mod sought;

use std::{sync::Arc, time::Instant};

use rustc_hash::{FxHashMap, FxHashSet};

use self::sought::{Found, RunAt, Sought, latest_of_class, latest_of_job, run_at};
use super::{
    Reader,
    classes::Classes,
    walk::{DOWN, UP, aliases, opaque, restricted, ways},
};
use crate::{
    domain::{
        id::NodeId,
        kind::ArtifactKind,
        lineage::{CompletenessStatus, FlowKind, FlowVersion, IncompleteReason, NodeKey, Walk, WalkAnswer, WalkEdge, WalkNode},
        time::{DAWN, FOREVER, Micros},
    },
    store::StoreError,
};

/// How many runs of a dataset are counted beyond those that are shown.
const REMAINING_MAX: usize = 1_000;

const LOST: StoreError = StoreError::Inconsistent { place: "answer" };

/// A node: a run by its place in `runs`, or a class of datasets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Place {
    Run(u32),
    Dataset(u32),
}

/// With how much time a node is reached, each way: the latest instant up, the earliest down.
#[derive(Clone, Copy, Default)]
struct Times {
    up: Option<Micros>,
    down: Option<Micros>,
}

impl Times {
    /// Whether that leaves more time than before.
    fn widen(&mut self, way: u8, time: Micros) -> bool {
        let known = if way == UP { &mut self.up } else { &mut self.down };
        let wider = known.is_none_or(|known| if way == UP { known < time } else { time < known });
        if wider {
            *known = Some(time);
        }
        wider
    }

    fn ways(self) -> impl Iterator<Item = (u8, Micros)> {
        [(UP, self.up), (DOWN, self.down)].into_iter().filter_map(|(way, time)| Some((way, time?)))
    }
}

/// A neighbour, and with how much time it is reached.
struct Neighbour {
    place: Place,
    way: u8,
    time: Micros,
    walkable: bool,
    claims: smallvec::SmallVec<[FlowVersion; 1]>,
}

/// Walks runs.
///
/// # Errors
/// The database's.
pub fn walk(reader: &Reader<'_>, question: &Walk, counts_remaining: bool) -> Result<WalkAnswer, StoreError> {
    let mut walker = Walker {
        reader,
        question,
        more: if counts_remaining { REMAINING_MAX } else { 0 },
        classes: reader.classes_since(question.as_of, question.since),
        runs: Vec::new(),
        run_of: FxHashMap::default(),
        shown: FxHashMap::default(),
        reached: Vec::new(),
        answer: WalkAnswer::default(),
        edges: FxHashSet::default(),
        pruned: FxHashSet::default(),
        late: false,
        met_hidden: false,
    };
    walker.run()?;
    Ok(walker.answer)
}

struct Walker<'a> {
    reader: &'a Reader<'a>,
    question: &'a Walk,
    /// How many neighbours beyond the cap are looked for.
    more: usize,
    classes: Classes<'a>,
    runs: Vec<RunAt>,
    run_of: FxHashMap<Arc<str>, u32>,
    shown: FxHashMap<Place, u32>,
    /// By position in the answer.
    reached: Vec<(Place, Times)>,
    answer: WalkAnswer,
    edges: FxHashSet<(u32, u32)>,
    pruned: FxHashSet<(Place, Place, u8)>,
    late: bool,
    /// Something was met that the asker may not see.
    met_hidden: bool,
}

impl Walker<'_> {
    fn run(&mut self) -> Result<(), StoreError> {
        let mut starts = self.starts()?;
        starts.sort_by_cached_key(|p| self.id(*p));
        starts.dedup();
        let mut level: FxHashMap<Place, Times> = FxHashMap::default();
        for place in starts {
            if self.answer.nodes.len() >= self.question.nodes_max {
                self.reason(IncompleteReason::NodesMax);
                break;
            }
            let position = self.show(place, 0)?;
            for way in [UP, DOWN].into_iter().filter(|way| ways(self.question.direction) & way != 0) {
                if let Some(time) = self.time_of_start(place, way) {
                    self.reach(position, way, time);
                    level.entry(place).or_default().widen(way, time);
                }
            }
        }
        for depth in 1..=self.question.depth {
            let mut now: Vec<(Place, Times)> = std::mem::take(&mut level).into_iter().collect();
            now.sort_by_cached_key(|(place, _)| self.id(*place));
            for (i, (place, times)) in now.iter().enumerate() {
                if self.is_late() {
                    for (rest, _) in now.iter().skip(i) {
                        self.cut(*rest, IncompleteReason::Deadline);
                    }
                    break;
                }
                self.expand(*place, *times, depth, &mut level)?;
            }
            if self.late || level.is_empty() {
                break;
            }
        }
        if self.met_hidden {
            self.reason(IncompleteReason::Restricted);
        }
        if self.more > 0 {
            self.count_remaining()?;
        }
        let c = &mut self.answer.completeness;
        c.nodes_visited = u32::try_from(self.answer.nodes.len()).unwrap_or(u32::MAX);
        c.edges_visited = u32::try_from(self.answer.edges.len()).unwrap_or(u32::MAX);
        c.pruned_by_time = u32::try_from(self.pruned.len()).unwrap_or(u32::MAX);
        c.status = match c.reasons.first() {
            _ if self.met_hidden => CompletenessStatus::Restricted,
            None => CompletenessStatus::Complete,
            Some(_) if self.late => CompletenessStatus::Deadline,
            Some(_) => CompletenessStatus::Truncated,
        };
        c.frontier.sort_unstable();
        c.frontier.dedup();
        Ok(())
    }

    fn is_late(&mut self) -> bool {
        self.late = self.late || Instant::now() >= self.question.deadline;
        self.late
    }

    /// A job as a start means its latest runs, a column its dataset.
    fn starts(&mut self) -> Result<Vec<Place>, StoreError> {
        let mut starts = Vec::new();
        for key in &self.question.from {
            if let NodeKey::Run(_, run_id) = key {
                starts.push(self.run_named(run_id.clone())?);
                continue;
            }
            let topology = &self.reader.shared.topology;
            let Some(no) = topology.find_any(key.artifact()) else { continue };
            if topology.node(no).is_none_or(|n| n.kind != ArtifactKind::Job) {
                starts.push(Place::Dataset(self.classes.of(no)?));
                continue;
            }
            let limit = self.question.per_node_max;
            let sought = Sought { limit: limit + 1, ..self.sought(UP, self.question.as_of.valid_at) };
            let found = latest_of_job(self.reader, no, self.question.as_of, sought)?;
            if found.runs.len() > limit {
                self.reason(IncompleteReason::PerNodeMax);
            }
            for run in found.runs.into_iter().take(limit) {
                starts.push(self.run_named(run.run_id)?);
            }
        }
        Ok(starts)
    }

    /// `None`: what is not there is not walked from.
    fn time_of_start(&self, place: Place, way: u8) -> Option<Micros> {
        match (place, way) {
            (Place::Run(run), UP) => self.runs.get(run as usize).and_then(|r| r.start.map(|_| r.last)),
            (Place::Run(run), _) => self.runs.get(run as usize).and_then(|r| r.start),
            (Place::Dataset(class), _) if !self.classes.get(class).is_some_and(|c| c.alive) => None,
            (Place::Dataset(_), UP) => Some(self.question.as_of.valid_at),
            (Place::Dataset(_), _) => Some(DAWN),
        }
    }

    fn run_named(&mut self, run_id: Arc<str>) -> Result<Place, StoreError> {
        if let Some(known) = self.run_of.get(&run_id) {
            return Ok(Place::Run(*known));
        }
        let no = u32::try_from(self.runs.len()).map_err(|_| LOST)?;
        self.runs.push(run_at(self.reader, run_id.clone(), self.question.as_of)?);
        self.run_of.insert(run_id, no);
        Ok(Place::Run(no))
    }

    /// The id as the asker is told it: of what is hidden one that is theirs alone, so
    /// that the order of an answer says nothing of it either.
    fn id(&self, place: Place) -> NodeId {
        let own = self.own_id(place);
        if self.is_hidden(place) { opaque(self.reader, &NodeKey::Artifact(own)) } else { own }
    }

    fn own_id(&self, place: Place) -> NodeId {
        match place {
            Place::Run(run) => self.runs.get(run as usize).map(|r| r.id),
            Place::Dataset(class) => {
                let c = self.classes.get(class);
                c.and_then(|c| self.reader.shared.topology.node(c.representative)).map(|n| n.id)
            }
        }
        .unwrap_or(NodeId([0xff; 16]))
    }

    fn is_hidden(&self, place: Place) -> bool {
        match place {
            Place::Run(run) => self.runs.get(run as usize).is_some_and(|r| r.hidden),
            Place::Dataset(class) => self.classes.get(class).is_some_and(|c| c.hidden),
        }
    }

    fn show(&mut self, place: Place, depth: u32) -> Result<u32, StoreError> {
        let topology = &self.reader.shared.topology;
        let position = u32::try_from(self.answer.nodes.len()).map_err(|_| LOST)?;
        let (self_loop, remaining) = (false, 0);
        let node = match place {
            hidden if self.is_hidden(hidden) => restricted(self.reader, &NodeKey::Artifact(self.own_id(hidden)), depth),
            Place::Run(run) => {
                let run = self.runs.get(run as usize).ok_or(LOST)?;
                let namespace = run.job.and_then(|job| topology.node(job)).map_or_else(|| "".into(), |n| n.namespace.clone());
                let (key, kind, name) = (NodeKey::Run(run.id, run.run_id.clone()), ArtifactKind::Run, run.run_id.clone());
                WalkNode {
                    restricted: false,
                    key,
                    kind,
                    namespace,
                    name,
                    aliases: Vec::new(),
                    depth,
                    self_loop,
                    deleted_at: None,
                    remaining,
                }
            }
            Place::Dataset(class) => {
                let class = self.classes.get(class).ok_or(LOST)?;
                let fixed = topology.node(class.representative).ok_or(LOST)?;
                let (namespace, name) = (fixed.namespace.clone(), fixed.name.clone());
                let (key, aliases) = (NodeKey::Artifact(fixed.id), aliases(topology, class));
                WalkNode {
                    restricted: false,
                    key,
                    kind: fixed.kind,
                    namespace,
                    name,
                    aliases,
                    depth,
                    self_loop,
                    deleted_at: class.deleted_at,
                    remaining,
                }
            }
        };
        self.answer.nodes.push(node);
        self.reached.push((place, Times::default()));
        self.shown.insert(place, position);
        Ok(position)
    }

    fn reach(&mut self, position: u32, way: u8, time: Micros) -> bool {
        self.reached.get_mut(position as usize).is_some_and(|(_, times)| times.widen(way, time))
    }

    fn reason(&mut self, reason: IncompleteReason) {
        if !self.answer.completeness.reasons.contains(&reason) {
            self.answer.completeness.reasons.push(reason);
        }
    }

    fn cut(&mut self, place: Place, reason: IncompleteReason) {
        if let Some(position) = self.shown.get(&place) {
            self.answer.completeness.frontier.push(*position);
        }
        self.reason(reason);
    }

    fn expand(&mut self, place: Place, times: Times, depth: u32, next: &mut FxHashMap<Place, Times>) -> Result<(), StoreError> {
        let Some(here) = self.shown.get(&place).copied() else { return Ok(()) };
        let found = match place {
            Place::Run(run) => self.datasets_of(run, times)?,
            Place::Dataset(class) => self.runs_around(class, times)?,
        };
        let mut followed: FxHashSet<Place> = FxHashSet::default();
        for n in found {
            let hidden = self.is_hidden(n.place);
            if !n.walkable {
                // Of what is hidden and not shown nothing is told, not even a count.
                if !hidden {
                    self.pruned.insert((place, n.place, n.way));
                }
                if !self.question.include_deleted || !self.is_tombstone(n.place) {
                    continue;
                }
            }
            self.met_hidden |= hidden;
            if hidden && self.question.leave_out_hidden {
                continue;
            }
            if !followed.contains(&n.place) && followed.len() >= self.question.per_node_max {
                self.cut(place, IncompleteReason::PerNodeMax);
                break;
            }
            followed.insert(n.place);
            let there = match self.shown.get(&n.place) {
                Some(shown) => *shown,
                None if self.answer.nodes.len() >= self.question.nodes_max => {
                    self.cut(place, IncompleteReason::NodesMax);
                    continue;
                }
                None => self.show(n.place, depth)?,
            };
            self.add_edge(here, there, &n);
            if n.walkable && !hidden && self.reach(there, n.way, n.time) {
                next.entry(n.place).or_default().widen(n.way, n.time);
            }
        }
        Ok(())
    }

    fn is_tombstone(&self, place: Place) -> bool {
        matches!(place, Place::Dataset(class) if self.classes.get(class).is_some_and(|c| !c.alive))
    }

    fn add_edge(&mut self, here: u32, there: u32, n: &Neighbour) {
        let (from, to) = if n.way == DOWN { (here, there) } else { (there, here) };
        if !self.edges.insert((from, to)) {
            return;
        }
        let ends = [from, to].map(|p| self.reached.get(p as usize).map(|r| r.0));
        let (run, kind) = match ends {
            [Some(Place::Run(run)), _] => (run, FlowKind::WasGeneratedBy),
            [_, Some(Place::Run(run))] => (run, FlowKind::Used),
            _ => return,
        };
        let hidden = self.is_hidden(Place::Run(run)) || self.is_hidden(n.place);
        let Some(run) = self.runs.get(run as usize) else { return };
        self.answer.edges.push(WalkEdge {
            from,
            to,
            kind,
            job: run.job.filter(|_| !run.hidden).and_then(|job| self.reader.shared.topology.node(job)).map(|n| n.id),
            transformations: Vec::new(),
            valid_from: run.start.unwrap_or(FOREVER),
            valid_until: run.end.unwrap_or(FOREVER),
            // Of what is hidden nobody is told who says so.
            flows: n.claims.iter().filter(|_| !hidden).copied().collect(),
        });
    }

    /// What a run used or made, by id.
    fn datasets_of(&mut self, run: u32, times: Times) -> Result<Vec<Neighbour>, StoreError> {
        let mut found: Vec<Neighbour> = Vec::new();
        for (way, time) in times.ways() {
            let touches = self.runs.get(run as usize).map(|r| r.named(way == DOWN));
            let touches: Vec<_> = touches.into_iter().flatten().map(|t| (t.dataset, t.start, t.claims.clone())).collect();
            for (dataset, start, claims) in touches {
                let incarnation = self.classes.begun_by(dataset, start)?;
                let class = self.classes.of_incarnation(incarnation)?;
                let Some(c) = self.classes.get(class).filter(|c| !c.names.is_empty()) else { continue };
                let alive = c.alive;
                let stale = alive && !self.classes.undropped(incarnation, start)?;
                let (place, walkable) = (Place::Dataset(class), alive && !stale);
                match found.iter_mut().find(|n| (n.place, n.way) == (place, way)) {
                    Some(n) => {
                        n.walkable |= walkable;
                        n.claims.extend(claims);
                    }
                    None => found.push(Neighbour { place, way, time, walkable, claims }),
                }
            }
        }
        found.sort_by_cached_key(|n| (self.id(n.place), n.way));
        Ok(found)
    }

    fn sought(&self, way: u8, time: Micros) -> Sought {
        let at = self.question.as_of.valid_at;
        Sought {
            output: way == UP,
            begun_by: if way == UP { time } else { at },
            heard_since: if way == UP { DAWN } else { time },
            since: (self.question.since < at).then_some(self.question.since),
            limit: self.question.per_node_max.saturating_add(1).max(self.more),
        }
    }

    /// The runs around a dataset, latest first.
    fn around(&mut self, class: u32, times: Times) -> Result<Vec<(Found, u8, Micros)>, StoreError> {
        let mut found = Vec::new();
        if !self.classes.get(class).is_some_and(|c| c.alive) {
            return Ok(found);
        }
        for (way, time) in times.ways() {
            let sought = self.sought(way, time);
            let latest = latest_of_class(self.reader, &mut self.classes, class, self.question.as_of, sought)?;
            if latest.gave_up {
                self.cut(Place::Dataset(class), IncompleteReason::SearchMax);
            }
            found.extend(latest.runs.into_iter().map(|run| (run, way, time)));
        }
        let mut starts: FxHashMap<Arc<str>, Micros> = FxHashMap::default();
        for (run, ..) in &found {
            let start = starts.entry(run.run_id.clone()).or_insert(run.start);
            *start = (*start).max(run.start);
        }
        found.sort_by_cached_key(|(run, way, _)| {
            let start = starts.get(&run.run_id).copied().unwrap_or(run.start);
            (std::cmp::Reverse(start), self.reader.secret.run_node_id(&run.run_id), *way)
        });
        Ok(found)
    }

    fn runs_around(&mut self, class: u32, times: Times) -> Result<Vec<Neighbour>, StoreError> {
        let around = self.around(class, times)?;
        let mut met: FxHashSet<Arc<str>> = FxHashSet::default();
        let mut found = Vec::new();
        for (run, way, time) in around {
            // One more than are followed tells that there are more.
            if !met.contains(&run.run_id) && met.len() > self.question.per_node_max {
                break;
            }
            met.insert(run.run_id.clone());
            let place = self.run_named(run.run_id)?;
            let Place::Run(no) = place else { return Err(LOST) };
            let Some(run) = self.runs.get(no as usize) else { return Err(LOST) };
            let time = if way == UP { time.min(run.last) } else { time.max(run.start.unwrap_or(time)) };
            let mut claims: smallvec::SmallVec<[FlowVersion; 1]> = smallvec::SmallVec::new();
            let touches: Vec<_> = run.named(way == UP).iter().map(|t| (t.dataset, t.start, t.claims.clone())).collect();
            for (dataset, start, said) in touches {
                let incarnation = self.classes.begun_by(dataset, start)?;
                if self.classes.of_incarnation(incarnation)? == class {
                    claims.extend(said);
                }
            }
            found.push(Neighbour { place, way, time, walkable: true, claims });
        }
        Ok(found)
    }

    /// Neighbours that are not shown; of a dataset's runs the latest are counted.
    fn count_remaining(&mut self) -> Result<(), StoreError> {
        for position in 0..self.reached.len() {
            let Some((place, times)) = self.reached.get(position).copied() else { continue };
            if self.is_late() {
                return Ok(());
            }
            let remaining = match place {
                Place::Run(run) => {
                    let found = self.datasets_of(run, times)?;
                    let hidden = found.iter().filter(|n| n.walkable && !self.is_hidden(n.place) && !self.shown.contains_key(&n.place));
                    hidden.map(|n| n.place).collect::<FxHashSet<_>>().len()
                }
                Place::Dataset(class) => {
                    let around = self.around(class, times)?;
                    let is_shown = |run: &Found| self.run_of.get(&run.run_id).is_some_and(|r| self.shown.contains_key(&Place::Run(*r)));
                    let mut hidden: FxHashSet<&str> = FxHashSet::default();
                    for (run, ..) in around.iter().filter(|(run, ..)| !is_shown(run)) {
                        if self.reader.sees_run(&run.run_id)? {
                            hidden.insert(&run.run_id);
                        }
                    }
                    hidden.len()
                }
            };
            if let Some(node) = self.answer.nodes.get_mut(position) {
                node.remaining = u32::try_from(remaining).unwrap_or(u32::MAX);
            }
        }
        Ok(())
    }
}
