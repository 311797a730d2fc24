//! The naive oracle: design §4 read word by word and evaluated from scratch for
//! each ledger size, with no index, no cache and no state that one entry hands
//! to the next. Slow and plain on purpose.
//!
//! # How the text is read where it leaves something open
//!
//! **Names.** Every event names its job, its inputs and outputs, the dataset of
//! a DatasetEvent, the jobs of the parent facet and of its root, the names in
//! symlinks, the datasets in `columnLineage` inputs, and (known, never alive by
//! it) the `previousIdentifier` of a rename that counts. A facet with
//! `_deleted: true` names nothing beyond its owner.
//!
//! **Lives.** A name's *ends* are the times of drops of it and of renames away
//! from it. A DROP or RENAME on a FAIL or ABORT event ends nothing (and the
//! event then names the dataset like any other). An event e starts at s(e): its
//! run's s(r), where a run is one (job, source, runId); its own time for job and
//! dataset events. e belongs to the *incarnation* numbered by the ends < s(e),
//! so one that starts exactly at an end begins nothing. e keeps its name alive
//! from its own time until the first end at or after s(e). The event that
//! carries a drop thus begins no life, but makes the name known.
//!
//! **What a drop ends.** "A node at t is the class of names": a drop dated D of
//! the current incarnation of a name ends every name joined with it at D (links
//! valid at D, also those of the dropping event). A rename ends the old name
//! alone. A drop of a name that had ended already ends no other name.
//!
//! **Which incarnation a name means at t**: the last one begun at or before t,
//! also when it has ended since; of a name that never lived, the last one ended.
//! Links by symlink join what the two names mean at t. A rename of P to N dated
//! te joins, from te on, the incarnation of P that ended then with the one of N
//! that its event belongs to.
//!
//! **Locations.** Any symlink whose type is not `LOCATION` joins transitively. A
//! location joins the class (so joined) of the one table that claims it at t; if
//! several classes claim it, it joins none. A claim is a facet in force, alive
//! or not; a claim by the location's own class is none.
//!
//! **Facets, schemas and aliases do not belong to an incarnation** ("separate
//! facts, joined at read"; only flows are said to): the latest facet of a name
//! and source is in force until a later one, also over a drop. Symlinks are kept
//! per (name, source), columnLineage per (job, source, output name). Of every
//! other facet a node has one a source: among the names that mean it, that of the
//! name where it changed last; of equal times that of the first name.
//!
//! **Columns.** Live at t iff the dataset is alive and some source's schema in
//! force lists it; without any schema in force column lineage is taken at its
//! word. A dataset-level input influences every field: those of the same facet
//! and those of schemas in force, as far as live.
//!
//! **Flows** are facts of names, per source; the node is found at read. A flow
//! is open at t by its latest asserting run; an end of its dataset in [s(r), t]
//! makes it stale, re-creation or not. Design-time flows likewise, by the time
//! of the JobEvent that holds. A field flow belongs to the run that started last
//! of those that said what is in force, since it is, and needs an output flow of
//! the same job, source and name that is open and of the same node.
//!
//! **When a node ended.** The last end of a life; of an incarnation that never
//! lived (the first that is heard of it is its drop) what ended it.
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ledgerline::domain::{
    assertion::{LifecycleChange, RunState},
    name::Name,
    source::Source,
    time::{FOREVER, Micros},
};
use serde_json::Value;

use super::{
    event::{About, Columns, Event, Recency, column_lineage, columns, identifiers, is_deletion},
    stream::Stream,
};

/// Position of a dataset's name in [`Model::datasets`].
pub type DatasetIx = usize;
/// Position of a job's name in [`Model::jobs`].
pub type JobIx = usize;
/// Names that a symlink facet gives; `true` for locations.
pub type Links = Vec<(DatasetIx, bool)>;
/// Position of an incarnation in [`Model::incarnations`].
pub type IncIx = usize;

/// A name that some entry names.
#[derive(Debug)]
pub struct Named {
    pub name: Name,
    /// The earliest event time that names it.
    pub first: Micros,
    /// (own time, s) of the events that may keep it alive.
    pub mentions: BTreeSet<(Micros, Micros)>,
    /// Ends, and whether a drop (or else only a rename) is among those of that time.
    pub ends: BTreeMap<Micros, bool>,
    /// The first of its incarnations; one more than it has ends follow each other.
    pub base: IncIx,
}

/// One incarnation of a dataset's name.
#[derive(Debug)]
pub struct Incarnation {
    pub name: DatasetIx,
    /// Its own end.
    pub end: Micros,
    /// When its life begins, if it ever does.
    pub born: Option<Micros>,
    /// Drops of it or of a name joined with it at that time.
    pub drops: BTreeSet<Micros>,
}

/// A facet as one event put it; `None`: deleted.
pub struct Put<T> {
    pub recency: Recency,
    /// s(e) of the event.
    pub s: Micros,
    pub value: Option<T>,
    /// The facet as sent.
    pub raw: Value,
}

/// What is in force at an instant, or the deletion that is.
pub struct Stretch<'p, T> {
    pub put: &'p Put<T>,
    /// Since when the same was in force all the time.
    pub since: Micros,
    /// The latest start of a run that said so since then.
    pub s: Micros,
}

/// The latest with event time ≤ t, with all before it that said the same.
pub fn stretch<T>(puts: &[Put<T>], t: Micros) -> Option<Stretch<'_, T>> {
    let mut visible: BTreeMap<Micros, &Put<T>> = BTreeMap::new();
    for put in puts.iter().filter(|p| p.recency.0 <= t) {
        let now = visible.entry(put.recency.0).or_insert(put);
        if put.recency > now.recency {
            *now = put;
        }
    }
    let (_, put) = visible.last_key_value()?;
    let since = *visible.iter().rev().take_while(|(_, p)| p.raw == put.raw).last()?.0;
    let same = puts.iter().filter(|p| p.raw == put.raw && since <= p.recency.0 && p.recency.0 <= t);
    Some(Stretch { put, since, s: same.map(|p| p.s).max()? })
}

/// The latest with event time ≤ t, unless it is a deletion.
pub fn in_force<T>(puts: &[Put<T>], t: Micros) -> Option<&Put<T>> {
    puts.iter().filter(|p| p.recency.0 <= t).max_by_key(|p| p.recency).filter(|p| p.value.is_some())
}

/// The world as a ledger of one size knows it.
pub struct Model {
    pub datasets: Vec<Named>,
    pub jobs: Vec<Named>,
    pub incarnations: Vec<Incarnation>,
    pub streams: BTreeMap<(JobIx, Source), Stream>,
    /// Event times, each once: nothing changes between two of them.
    pub instants: Vec<Micros>,
    /// (time, old incarnation, new one).
    pub renames: Vec<(Micros, IncIx, IncIx)>,
    pub symlinks: BTreeMap<(DatasetIx, Source), Vec<Put<Links>>>,
    pub columns: BTreeMap<(JobIx, Source, DatasetIx), Vec<Put<Columns>>>,
    /// Facets of datasets by (facet, source, name).
    pub facets: BTreeMap<(String, Source, DatasetIx), Vec<Put<Value>>>,
    /// Facets of jobs by (facet, source, name).
    pub job_facets: BTreeMap<(String, Source, JobIx), Vec<Put<Value>>>,
    /// Fields that some entry names, schema or column lineage.
    pub fields: BTreeSet<(DatasetIx, String)>,
    run_states: BTreeMap<String, Vec<(Recency, RunState)>>,
    dataset_ix: BTreeMap<Name, DatasetIx>,
    job_ix: BTreeMap<Name, JobIx>,
}

impl Model {
    /// The world after these (integration, event) pairs, in order of the ledger.
    pub fn new(history: &[(String, Value)]) -> Self {
        let events: Vec<Arc<Event>> = history.iter().map(|(i, json)| Arc::new(Event::read(i, json))).collect();
        Self::of(&events)
    }

    /// The world after these events. The same event of the same source twice is once.
    pub fn of(history: &[Arc<Event>]) -> Self {
        let mut seen = BTreeSet::new();
        let events: Vec<&Event> = history.iter().map(Arc::as_ref).filter(|e| seen.insert((&e.source, e.digest))).collect();
        let starts: Vec<Micros> = events.iter().map(|e| start_of(e, &events)).collect();
        let mut model = Self::names(&events, &starts);
        model.flows_and_facets(&events, &starts);
        model.drops_of_classes(&events);
        model
    }

    /// Names, mentions, ends, incarnations.
    fn names(events: &[&Event], starts: &[Micros]) -> Self {
        type Found = BTreeMap<Name, Named>;
        fn mention<'a>(found: &'a mut Found, name: &Name, e: &Event) -> &'a mut Named {
            let named = found.entry(name.clone()).or_insert_with(|| Named {
                name: name.clone(),
                first: FOREVER,
                mentions: BTreeSet::new(),
                ends: BTreeMap::new(),
                base: 0,
            });
            named.first = named.first.min(e.time);
            named
        }
        let (mut datasets, mut jobs) = (Found::new(), Found::new());
        for (&e, &s) in events.iter().zip(starts) {
            for job in e.job.iter().map(|j| &j.name).chain(&e.ancestors) {
                mention(&mut jobs, job, e).mentions.insert((e.time, s));
            }
            for entity in e.datasets() {
                mention(&mut datasets, &entity.name, e).mentions.insert((e.time, s));
                let facet = |name: &str| entity.facets.get(name).filter(|f| !is_deletion(f));
                for (link, _) in facet("symlinks").map(identifiers).into_iter().flatten() {
                    mention(&mut datasets, &link, e).mentions.insert((e.time, s));
                }
                let lineage = facet("columnLineage").map(column_lineage).unwrap_or_default();
                for input in lineage.pairs.iter().map(|p| &p.1).chain(lineage.whole.iter().map(|w| &w.0)) {
                    mention(&mut datasets, input, e).mentions.insert((e.time, s));
                }
                match entity.lifecycle().filter(|_| e.may_end_lives()) {
                    Some((LifecycleChange::Drop, _)) => {
                        mention(&mut datasets, &entity.name, e).ends.insert(e.time, true);
                    }
                    Some((LifecycleChange::Rename, Some(previous))) if previous != entity.name => {
                        mention(&mut datasets, &previous, e).ends.entry(e.time).or_insert(false);
                    }
                    _ => {}
                }
            }
        }
        let mut incarnations = Vec::new();
        let mut datasets: Vec<Named> = datasets.into_values().collect();
        for (name, Named { mentions, ends, base, .. }) in datasets.iter_mut().enumerate() {
            *base = incarnations.len();
            for (k, end) in ends.keys().copied().chain([FOREVER]).enumerate() {
                let of_this = |s: Micros| ends.keys().filter(|d| **d < s).count() == k;
                let born = mentions.iter().filter(|(te, s)| of_this(*s) && *te < end).map(|(te, _)| *te).min();
                incarnations.push(Incarnation { name, end, born, drops: BTreeSet::new() });
            }
        }
        // Jobs are never dropped by events; they need no incarnations.
        let jobs: Vec<Named> = jobs.into_values().collect();
        Self {
            dataset_ix: datasets.iter().enumerate().map(|(i, n)| (n.name.clone(), i)).collect(),
            job_ix: jobs.iter().enumerate().map(|(i, n)| (n.name.clone(), i)).collect(),
            instants: events.iter().map(|e| e.time).collect::<BTreeSet<_>>().into_iter().collect(),
            datasets,
            jobs,
            incarnations,
            streams: BTreeMap::new(),
            renames: Vec::new(),
            symlinks: BTreeMap::new(),
            columns: BTreeMap::new(),
            facets: BTreeMap::new(),
            job_facets: BTreeMap::new(),
            fields: BTreeSet::new(),
            run_states: BTreeMap::new(),
        }
    }

    fn flows_and_facets(&mut self, events: &[&Event], starts: &[Micros]) {
        for (e, &s) in events.iter().zip(starts) {
            let recency = e.recency();
            let job = e.job.as_ref().map(|j| self.job_ix[&j.name]);
            if let (Some(entity), Some(job)) = (&e.job, job) {
                for (facet, value) in &entity.facets {
                    let put = Put { recency, s, value: (!is_deletion(value)).then(|| value.clone()), raw: value.clone() };
                    self.job_facets.entry((facet.clone(), e.source.clone(), job)).or_default().push(put);
                }
                self.streams.entry((job, e.source.clone())).or_default().add(e, s, |n| self.dataset_ix[n]);
            }
            if let About::Run(id, state) = &e.about {
                self.run_states.entry(id.clone()).or_default().push((recency, *state));
            }
            let outputs = e.sides[1].iter().flatten().count();
            let first_output = e.sides[0].iter().flatten().count();
            for (nth, entity) in e.datasets().enumerate() {
                let n = self.dataset_ix[&entity.name];
                let is_output = e.job.is_some() && (first_output..first_output + outputs).contains(&nth);
                for (facet, json) in &entity.facets {
                    let kept = (!is_deletion(json)).then_some(json);
                    match facet.as_str() {
                        "symlinks" => {
                            let links = |f| identifiers(f).into_iter().map(|(link, location)| (self.dataset_ix[&link], location)).collect();
                            let put = Put { recency, s, value: kept.map(links), raw: json.clone() };
                            self.symlinks.entry((n, e.source.clone())).or_default().push(put);
                        }
                        "columnLineage" => {
                            let said = kept.map(column_lineage);
                            for (output, dataset, input) in said.iter().flat_map(|c| &c.pairs) {
                                self.fields.insert((n, output.clone()));
                                self.fields.insert((self.dataset_ix[dataset], input.clone()));
                            }
                            for (dataset, input) in said.iter().flat_map(|c| &c.whole) {
                                self.fields.insert((self.dataset_ix[dataset], input.clone()));
                            }
                            self.fields.extend(said.iter().flat_map(|c| &c.outputs).map(|f| (n, f.clone())));
                            if let Some(job) = job.filter(|_| is_output) {
                                let put = Put { recency, s, value: said, raw: json.clone() };
                                self.columns.entry((job, e.source.clone(), n)).or_default().push(put);
                            }
                        }
                        other => {
                            if other == "schema" {
                                self.fields.extend(kept.iter().flat_map(|f| columns(f)).map(|c| (n, c)));
                            }
                            let put = Put { recency, s, value: kept.cloned(), raw: json.clone() };
                            self.facets.entry((facet.clone(), e.source.clone(), n)).or_default().push(put);
                        }
                    }
                }
                if let Some((LifecycleChange::Rename, Some(previous))) = entity.lifecycle().filter(|_| e.may_end_lives())
                    && previous != entity.name
                {
                    let old = self.dataset_ix[&previous];
                    self.renames.push((e.time, self.incarnation(old, e.time), self.incarnation(n, Micros(e.time.0 + 1))));
                }
            }
        }
    }

    /// "A node at t is the class of names": each drop reaches what was joined then.
    fn drops_of_classes(&mut self, events: &[&Event]) {
        let mut reached = Vec::new();
        for e in events.iter().filter(|e| e.may_end_lives()) {
            for entity in e.datasets().filter(|d| matches!(d.lifecycle(), Some((LifecycleChange::Drop, _)))) {
                let name = self.dataset_ix[&entity.name];
                let dropped = self.incarnation(name, e.time);
                reached.push((dropped, e.time));
                if self.meaning(name, e.time) == dropped {
                    let classes = self.classes(e.time);
                    reached.extend((0..classes.len()).filter(|i| classes[*i] == classes[dropped]).map(|i| (i, e.time)));
                }
            }
        }
        for (incarnation, at) in reached {
            self.incarnations[incarnation].drops.insert(at);
        }
    }

    pub fn dataset(&self, name: &Name) -> Option<DatasetIx> {
        self.dataset_ix.get(name).copied()
    }

    pub fn job(&self, name: &Name) -> Option<JobIx> {
        self.job_ix.get(name).copied()
    }

    /// The incarnation to which an event belongs that starts at s.
    pub fn incarnation(&self, name: DatasetIx, s: Micros) -> IncIx {
        self.datasets[name].base + self.datasets[name].ends.keys().filter(|d| **d < s).count()
    }

    /// The incarnation that a name means at t.
    pub fn meaning(&self, name: DatasetIx, t: Micros) -> IncIx {
        let named = &self.datasets[name];
        let last_born = (0..=named.ends.len()).rev().find(|k| self.incarnations[named.base + k].born.is_some_and(|b| b <= t));
        let last_ended = || named.ends.keys().filter(|d| **d <= t).count().saturating_sub(1);
        named.base + last_born.unwrap_or_else(last_ended)
    }

    /// Whether no drop reached the incarnation in [s, t].
    pub fn undropped(&self, incarnation: IncIx, s: Micros, t: Micros) -> bool {
        self.incarnations[incarnation].drops.range(s..).next().is_none_or(|d| *d > t)
    }

    /// Lives of an incarnation as half-open intervals, one a mention.
    pub fn lives(&self, incarnation: IncIx) -> Vec<(Micros, Micros)> {
        let this = &self.incarnations[incarnation];
        let mentions = self.datasets[this.name].mentions.iter().filter(|(_, s)| self.incarnation(this.name, *s) == incarnation);
        let until = |s: Micros| this.drops.range(s..).next().map_or(this.end, |d| this.end.min(*d));
        mentions.map(|(te, s)| (*te, until(*s))).filter(|(from, until)| from < until).collect()
    }

    /// When an incarnation's life ended last by t; of one that never lived, when it was ended.
    pub fn ended_at(&self, incarnation: IncIx, t: Micros) -> Option<Micros> {
        let this = &self.incarnations[incarnation];
        match self.lives(incarnation).into_iter().filter(|(from, _)| *from <= t).map(|(_, until)| until).max() {
            Some(until) => Some(until).filter(|until| *until <= t),
            None => match this.born.filter(|born| *born <= t && this.drops.contains(born)) {
                // Begun at the very instant of a drop.
                Some(born) => Some(born),
                None => this.drops.iter().chain([&this.end]).filter(|end| **end <= t).max().copied(),
            },
        }
    }

    /// Datasets of a side whose flow is open at some time.
    pub fn ever_open(&self, stream: &Stream, side: usize) -> BTreeSet<DatasetIx> {
        let open = |f, t| stream.open_by_run(side, f, t).is_some() || stream.open_by_design(side, f, t).is_some();
        stream.ever(side).into_iter().filter(|f| self.instants.iter().any(|t| open(*f, *t))).collect()
    }

    /// For each incarnation the class it is in at t, as the lowest member's position.
    pub fn classes(&self, t: Micros) -> Vec<IncIx> {
        let mut class: Vec<IncIx> = (0..self.incarnations.len()).collect();
        fn join(class: &mut [IncIx], a: IncIx, b: IncIx) {
            let (low, high) = (class[a].min(class[b]), class[a].max(class[b]));
            class.iter_mut().filter(|c| **c == high).for_each(|c| *c = low);
        }
        for (_, old, new) in self.renames.iter().filter(|(at, ..)| *at <= t) {
            join(&mut class, *old, *new);
        }
        let links: Vec<(DatasetIx, &(DatasetIx, bool))> = self
            .symlinks
            .iter()
            .filter_map(|((name, _), puts)| Some((*name, in_force(puts, t)?.value.as_ref()?)))
            .flat_map(|(name, links)| links.iter().map(move |l| (name, l)))
            .collect();
        for (name, (link, _)) in links.iter().filter(|l| !l.1.1) {
            join(&mut class, self.meaning(*name, t), self.meaning(*link, t));
        }
        let mut claims: BTreeMap<DatasetIx, BTreeSet<IncIx>> = BTreeMap::new();
        for (name, (location, _)) in links.iter().filter(|l| l.1.1) {
            let by = class[self.meaning(*name, t)];
            if by != class[self.meaning(*location, t)] {
                claims.entry(*location).or_default().insert(by);
            }
        }
        for (location, by) in claims.iter().filter(|(_, by)| by.len() == 1) {
            by.iter().for_each(|table| join(&mut class, self.meaning(*location, t), *table));
        }
        class
    }

    /// The maximal intervals in which a source holds a flow open, by run or design.
    pub fn open_intervals(&self, job: &Name, dataset: &Name, side: usize, source: &Source) -> Vec<(Micros, Micros)> {
        let (Some(job), Some(f)) = (self.job(job), self.dataset(dataset)) else { return Vec::new() };
        let Some(stream) = self.streams.get(&(job, source.clone())) else { return Vec::new() };
        self.maximal(|t| stream.open_by_run(side, f, t).is_some() || stream.open_by_design(side, f, t).is_some())
    }

    /// The maximal half-open intervals in which something holds that changes at event times only.
    pub fn maximal(&self, holds: impl Fn(Micros) -> bool) -> Vec<(Micros, Micros)> {
        let mut intervals: Vec<(Micros, Micros)> = Vec::new();
        for (i, t) in self.instants.iter().enumerate().filter(|(_, t)| holds(**t)) {
            let until = self.instants.get(i + 1).copied().unwrap_or(FOREVER);
            match intervals.last_mut() {
                Some(last) if last.1 == *t => last.1 = until,
                _ => intervals.push((*t, until)),
            }
        }
        intervals
    }

    /// The state of a run's latest event at t, over all its sources.
    pub fn run_state(&self, run_id: &str, t: Micros) -> Option<RunState> {
        self.run_states.get(run_id)?.iter().filter(|(r, _)| r.0 <= t).max_by_key(|(r, _)| *r).map(|(_, s)| *s)
    }
}

/// s(r) for the events of a run: the earliest of its (job, source, runId).
fn start_of(e: &Event, events: &[&Event]) -> Micros {
    let job = |e: &Event| e.job.as_ref().map(|j| j.name.clone());
    let same = |o: &&&Event| match (&e.about, &o.about) {
        (About::Run(a, _), About::Run(b, _)) => a == b && o.source == e.source && job(o) == job(e),
        _ => false,
    };
    events.iter().filter(same).map(|o| o.time).min().unwrap_or(e.time)
}
