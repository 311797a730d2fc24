//! The contract's level `RUN`, naively: every report of every run is looked at for
//! each node.
//!
//! - A run is what its events by the instant say, over all (job, source) that sent
//!   some: it began with its earliest, is last heard of with its latest, and ended
//!   with its latest COMPLETE, FAIL or ABORT.
//! - A dataset's runs are those of whose reports one names it, in the incarnation
//!   current at that report's start; they are met latest first, by that start.
//! - Up, a start is reached with the instant (a run: with its last), and each run
//!   lowers that to its own last; a run that began later than a dataset was reached
//!   with is not met. Down, a run raises it to its beginning; a run last heard of
//!   earlier is not met. With more time than before a node is looked at again.
//! - A start is walked from also when it began before the window.
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use ledgerline::domain::{
    assertion::RunState,
    kind::ArtifactKind,
    lineage::{Direction, FlowKind},
    name::Name,
    time::{DAWN, FOREVER, Micros},
};

use super::{
    answer::{Answer, AnswerNode, Cut, Options},
    model::JobIx,
    world::{Edge, Place, Shown, Standing, World, word},
};

/// What one (job, source) said of a run by the instant.
struct Report {
    run: Place,
    job: JobIx,
    start: Micros,
    last: Micros,
    end: Option<Micros>,
    /// Datasets used, made; those that are nodes.
    sides: [BTreeMap<Place, Standing>; 2],
}

/// With how much time a node is reached: up, down.
type Times = [Option<Micros>; 2];

fn reports(world: &World<'_>) -> Vec<Report> {
    let mut all = Vec::new();
    for ((job, _), stream) in &world.model.streams {
        for (id, said) in &stream.runs {
            let events: Vec<_> = said.events.iter().filter(|(t, _)| *t <= world.at).collect();
            let Some(last) = events.iter().map(|e| e.0).max() else { continue };
            let ends = |s: RunState| matches!(s, RunState::Complete | RunState::Fail | RunState::Abort);
            let mut sides = [BTreeMap::new(), BTreeMap::new()];
            for (side, named) in sides.iter_mut().zip(&said.sides) {
                for name in named.iter().filter(|(_, a)| **a <= world.at).map(|(name, _)| *name) {
                    if let Some((place, standing)) = world.touched(name, said.s) {
                        let best = side.entry(place).or_insert(standing);
                        *best = standing.max(*best);
                    }
                }
            }
            let end = events.iter().filter(|e| ends(e.1)).map(|e| e.0).max();
            all.push(Report { run: world.run_place(id), job: *job, start: said.s, last, end, sides });
        }
    }
    all
}

fn is_run(place: &Place) -> bool {
    !place.1.is_empty()
}

/// A neighbour: in which way, with how much time, and how the edge stands.
type Neighbour = (Place, usize, Micros, Standing);

struct Walker<'w> {
    world: &'w World<'w>,
    reports: Vec<Report>,
    window: Option<Micros>,
}

impl Walker<'_> {
    fn of<'a>(&'a self, run: &'a Place) -> impl Iterator<Item = &'a Report> {
        self.reports.iter().filter(move |r| r.run == *run)
    }

    fn last(&self, run: &Place) -> Option<Micros> {
        self.of(run).map(|r| r.last).max()
    }

    fn start(&self, run: &Place) -> Option<Micros> {
        self.of(run).map(|r| r.start).min()
    }

    fn in_window(&self, r: &Report) -> bool {
        self.window.is_none_or(|since| since <= r.start)
    }

    /// In the order in which they are followed.
    fn neighbours(&self, place: &Place, times: Times) -> Vec<Neighbour> {
        let mut found: BTreeMap<(Place, usize), (Micros, Micros, Standing)> = BTreeMap::new();
        for way in [0, 1] {
            let Some(time) = times[way] else { continue };
            if is_run(place) {
                for (dataset, standing) in self.of(place).flat_map(|r| &r.sides[way]) {
                    let now = found.entry((dataset.clone(), way)).or_insert((DAWN, time, *standing));
                    now.2 = now.2.max(*standing);
                }
                continue;
            }
            let names = |r: &&Report| r.sides[1 - way].get(place) == Some(&Standing::Walkable);
            let in_time = |r: &&Report| if way == 0 { r.start <= time } else { time <= r.last };
            for r in self.reports.iter().filter(names).filter(in_time).filter(|r| self.in_window(r)) {
                let time = match way {
                    0 => time.min(self.last(&r.run).expect("an event")),
                    _ => time.max(self.start(&r.run).expect("an event")),
                };
                let now = found.entry((r.run.clone(), way)).or_insert((r.start, time, Standing::Walkable));
                now.0 = now.0.max(r.start);
            }
        }
        let mut latest: BTreeMap<Place, Micros> = BTreeMap::new();
        for ((place, _), (start, ..)) in &found {
            let known = latest.entry(place.clone()).or_insert(*start);
            *known = (*known).max(*start);
        }
        let mut found: Vec<Neighbour> = found.into_iter().map(|((p, way), (_, time, standing))| (p, way, time, standing)).collect();
        found.sort_by_key(|(p, way, ..)| (Reverse(latest[p]), p.clone(), *way));
        found
    }

    fn shown(&self, place: &Place) -> Shown {
        if !is_run(place) {
            return self.world.graph(ledgerline::domain::lineage::Level::Artifact).nodes[place].clone();
        }
        let job = self.world.job_of_run(&place.1);
        let name = Name::new(&*self.world.model.jobs[job].name.namespace, &*place.1);
        Shown { kind: ArtifactKind::Run, name, aliases: Vec::new(), alive: true, deleted_at: None, first: DAWN }
    }
}

/// Walks from runs, datasets, and jobs (which stand for their latest runs).
pub fn walk(world: &World<'_>, from: &[Place], options: Options) -> Answer {
    let window = Some(world.times[0]).filter(|since| *since < world.at);
    let walker = Walker { world, reports: reports(world), window };
    let (mut reasons, mut frontier) = (BTreeSet::new(), BTreeSet::new());
    let mut starts: BTreeSet<Place> = BTreeSet::new();
    for place in from {
        let job = (!is_run(place)).then(|| world.job_at(place)).flatten();
        let Some(job) = job else {
            starts.insert(place.clone());
            continue;
        };
        let mut runs: BTreeMap<Place, Micros> = BTreeMap::new();
        for r in walker.reports.iter().filter(|r| r.job == job && walker.in_window(r)) {
            let start = runs.entry(r.run.clone()).or_insert(r.start);
            *start = (*start).max(r.start);
        }
        let mut runs: Vec<_> = runs.into_iter().collect();
        runs.sort_by_key(|(run, start)| (Reverse(*start), run.clone()));
        if runs.len() > options.per_node_max {
            reasons.insert(Cut::PerNodeMax);
        }
        starts.extend(runs.into_iter().take(options.per_node_max).map(|(run, _)| run));
    }
    if starts.len() > options.nodes_max {
        reasons.insert(Cut::NodesMax);
    }
    let asked = [options.direction != Direction::Downstream, options.direction != Direction::Upstream];
    let mut reached: BTreeMap<Place, (u32, Times)> = BTreeMap::new();
    let mut level: BTreeMap<Place, Times> = BTreeMap::new();
    for place in starts.into_iter().take(options.nodes_max) {
        let alive = is_run(&place) || walker.shown(&place).alive;
        let times = [0, 1].map(|way| match (is_run(&place), way) {
            _ if !asked[way] || !alive => None,
            (true, 0) => walker.last(&place),
            (true, _) => walker.start(&place),
            (false, 0) => Some(world.at),
            (false, _) => Some(DAWN),
        });
        reached.insert(place.clone(), (0, times));
        if times.iter().any(Option::is_some) {
            level.insert(place, times);
        }
    }
    let mut edges: BTreeMap<Edge, (Micros, Micros)> = BTreeMap::new();
    for depth in 1..=options.depth {
        for (place, times) in std::mem::take(&mut level) {
            let followed = |s: Standing| s == Standing::Walkable || s == Standing::Tombstone && options.include_deleted;
            let found: Vec<Neighbour> = walker.neighbours(&place, times).into_iter().filter(|n| followed(n.3)).collect();
            let mut order: Vec<&Place> = found.iter().map(|n| &n.0).collect();
            order.dedup();
            if order.len() > options.per_node_max {
                reasons.insert(Cut::PerNodeMax);
                frontier.insert(place.clone());
            }
            for (there, way, time, standing) in found.iter().filter(|n| order.iter().take(options.per_node_max).any(|p| **p == n.0)) {
                if !reached.contains_key(there) && reached.len() >= options.nodes_max {
                    reasons.insert(Cut::NodesMax);
                    frontier.insert(place.clone());
                    continue;
                }
                let (from, to) = if *way == 0 { (there, &place) } else { (&place, there) };
                let run = if is_run(from) { from } else { to };
                let kind = word(if is_run(from) { FlowKind::WasGeneratedBy } else { FlowKind::Used });
                let edge = Edge { from: from.clone(), to: to.clone(), kind, job: Some(world.job_of_run(&run.1)) };
                let end = walker.of(run).filter_map(|r| r.end).max().unwrap_or(FOREVER);
                edges.insert(edge, (walker.start(run).expect("an event"), end));
                let known = reached.entry(there.clone()).or_insert((depth, [None, None]));
                let wider = known.1[*way].is_none_or(|known| if *way == 0 { known < *time } else { *time < known });
                if wider && *standing == Standing::Walkable {
                    known.1[*way] = Some(*time);
                    // More time than another neighbour of this depth gave, or the first.
                    level.entry(there.clone()).or_insert([None, None])[*way] = Some(*time);
                }
            }
        }
    }
    let nodes = reached.iter().map(|(place, (depth, times))| {
        let hidden = walker.neighbours(place, *times).into_iter().filter(|n| n.3 == Standing::Walkable && !reached.contains_key(&n.0));
        let remaining = hidden.map(|n| n.0).collect::<BTreeSet<_>>().len();
        (place.clone(), AnswerNode { shown: walker.shown(place), depth: *depth, self_loop: false, remaining })
    });
    Answer { nodes: nodes.collect(), edges, reasons, frontier, pruned: 0, hidden: BTreeSet::new(), restricted: false }
}
