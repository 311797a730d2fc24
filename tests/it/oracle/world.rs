//! The world at one instant, as one [`Model`] knows it: nodes (classes of names),
//! and the graph that a walk sees, at artifact and at field level.
use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
};

use ledgerline::domain::{
    kind::ArtifactKind,
    lineage::{FlowKind, Level},
    name::Name,
    source::Source,
    time::{FOREVER, Micros},
};
use serde_json::Value;

use super::{
    event::{Columns, columns},
    hidden::Asker,
    model::{DatasetIx, IncIx, JobIx, Model, Named, Put, Stretch, in_force, stretch},
    stream::Stream,
};

/// Gives a name's id. Ids are opaque here; only their order matters.
pub type IdOf<'f> = &'f dyn Fn(ArtifactKind, &Name) -> [u8; 16];

/// A node of a graph, ordered as walks order neighbours: by id bytes. A field's
/// id is that of its dataset and then its name; artifacts have an empty one.
pub type Place = ([u8; 16], String);

/// A class of names at the instant.
#[derive(Debug)]
pub struct Class {
    /// Names that mean it, the representative first, the others by bytes.
    pub names: Vec<DatasetIx>,
    /// At any time that is asked for.
    pub alive: bool,
    /// The end of its last life, when it is not alive at the instant.
    pub deleted_at: Option<Micros>,
}

/// A node as shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub kind: ArtifactKind,
    pub name: Name,
    pub aliases: Vec<Name>,
    pub alive: bool,
    pub deleted_at: Option<Micros>,
    /// The earliest event time that names it.
    pub first: Micros,
}

/// One edge per (from, to, kind, job), the way the data goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    pub from: Place,
    pub to: Place,
    pub kind: Kind,
    /// Where the edge does not end in it.
    pub job: Option<JobIx>,
}

/// [`FlowKind`] by its word, for an order that reads well.
pub type Kind = &'static str;

/// The word of a kind of flow.
pub const fn word(kind: FlowKind) -> Kind {
    match kind {
        FlowKind::Used => "USED",
        FlowKind::WasGeneratedBy => "WAS_GENERATED_BY",
        FlowKind::WasDerivedFrom => "WAS_DERIVED_FROM",
    }
}

/// How an edge stands at the instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Known at the ledger size, no more: closed, not yet open, or of an ended incarnation.
    Known,
    /// Open, and an end of it is dead: shown with `includeDeleted`, never walked through.
    Tombstone,
    /// Open, and both ends alive.
    Walkable,
}

/// All nodes and edges of a level at the instant.
#[derive(Default, Clone)]
pub struct Graph {
    pub nodes: BTreeMap<Place, Shown>,
    pub edges: BTreeMap<Edge, Standing>,
}

/// How one end of a flow stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Alive,
    Dead,
    /// The flow belongs to an incarnation that is not the node's present one.
    Stale,
}

/// The world at one instant.
pub struct World<'m> {
    pub model: &'m Model,
    pub at: Micros,
    /// The times that are asked for at which something may change: the instant
    /// alone, or of a window its beginning and every event in it.
    pub times: Vec<Micros>,
    job_ids: Vec<[u8; 16]>,
    dataset_ids: Vec<[u8; 16]>,
    run_ids: BTreeMap<String, [u8; 16]>,
    class: Vec<IncIx>,
    classes: BTreeMap<IncIx, Class>,
    artifacts: OnceCell<Graph>,
    fields: OnceCell<Graph>,
    /// Who looks; `None`: somebody who may see everything.
    pub asker: Option<&'m Asker<'m>>,
}

impl<'m> World<'m> {
    pub fn new(model: &'m Model, at: Micros, id_of: IdOf<'_>) -> Self {
        Self::observed(model, at, None, id_of)
    }

    /// The same where all counts that held at any time since: names are joined as
    /// the instant sees it, flows and lives may have ended by then.
    pub fn observed(model: &'m Model, at: Micros, since: Option<Micros>, id_of: IdOf<'_>) -> Self {
        let since = since.unwrap_or(at);
        let times: Vec<Micros> = [since].into_iter().chain(model.instants.iter().copied().filter(|t| since < *t && *t <= at)).collect();
        let class = model.classes(at);
        let mut classes = BTreeMap::new();
        for root in class.iter().copied().collect::<BTreeSet<_>>() {
            let mut names: Vec<DatasetIx> = (0..model.datasets.len()).filter(|n| class[model.meaning(*n, at)] == root).collect();
            // Datasets are in order of their bytes, so the first of the earliest represents.
            if let Some(first) = (0..names.len()).min_by_key(|i| model.datasets[names[*i]].first) {
                names[..=first].rotate_right(1);
            }
            let lives = || (0..class.len()).filter(|i| class[*i] == root).flat_map(|i| model.lives(i));
            let lives_at = |t: Micros| !names.is_empty() && lives().any(|(from, until)| from <= t && t < until);
            let alive = times.iter().any(|t| lives_at(*t));
            let of_class = (0..class.len()).filter(|i| class[*i] == root);
            let deleted_at = of_class.filter_map(|i| model.ended_at(i, at)).max().filter(|_| !lives_at(at));
            classes.insert(root, Class { names, alive, deleted_at });
        }
        let ids = |kind, named: &[Named]| named.iter().map(|n| id_of(kind, &n.name)).collect();
        let (job_ids, dataset_ids) = (ids(ArtifactKind::Job, &model.jobs), ids(ArtifactKind::Dataset, &model.datasets));
        let runs = model.streams.values().flat_map(|s| s.runs.keys());
        let run_ids = runs.map(|id| (id.clone(), id_of(ArtifactKind::Run, &Name::new("", &**id)))).collect();
        let (artifacts, fields) = (OnceCell::new(), OnceCell::new());
        Self { model, at, times, run_ids, job_ids, dataset_ids, class, classes, artifacts, fields, asker: None }
    }

    /// The world as somebody sees it.
    pub fn seen_by(self, asker: Option<&'m Asker<'m>>) -> Self {
        Self { asker, ..self }
    }

    /// The job of a node.
    pub fn job_at(&self, place: &Place) -> Option<JobIx> {
        self.job_ids.iter().position(|id| *id == place.0)
    }

    /// The names that mean a dataset's or field's node, and all whose incarnations are of it.
    pub fn names_at(&self, place: &Place) -> Option<(&[DatasetIx], Vec<DatasetIx>)> {
        let (root, class) = self.classes.iter().find(|(_, c)| c.names.first().is_some_and(|n| self.dataset_ids[*n] == place.0))?;
        let members = (0..self.class.len()).filter(|i| self.class[*i] == *root).map(|i| self.model.incarnations[i].name);
        Some((&class.names, members.collect()))
    }

    /// The id of a dataset's name.
    pub fn id_of(&self, name: DatasetIx) -> [u8; 16] {
        self.dataset_ids[name]
    }

    /// The class that a name means.
    pub fn class_of(&self, name: DatasetIx) -> &Class {
        &self.classes[&self.root(name)]
    }

    fn root(&self, name: DatasetIx) -> IncIx {
        self.class[self.model.meaning(name, self.at)]
    }

    /// The classes in which some incarnation of a name is shown.
    fn homes(&self, name: DatasetIx) -> BTreeSet<IncIx> {
        let named = &self.model.datasets[name];
        let roots = (named.base..=named.base + named.ends.len()).map(|i| self.class[i]);
        roots.filter(|root| !self.classes[root].names.is_empty()).collect()
    }

    /// The node of a dataset's or job's name.
    pub fn place(&self, kind: ArtifactKind, name: &Name) -> Option<Place> {
        match kind {
            ArtifactKind::Job => self.model.job(name).map(|j| self.job_place(j)),
            _ => self.model.dataset(name).map(|d| self.class_place(self.root(d))),
        }
    }

    /// The node of a field, if some entry names it, by any name of its dataset's class.
    pub fn field_place(&self, dataset: &Name, field: &str) -> Option<Place> {
        let root = self.root(self.model.dataset(dataset)?);
        let known = self.classes[&root].names.iter().any(|n| self.model.fields.contains(&(*n, field.to_owned())));
        known.then(|| self.field_place_of(root, field))
    }

    /// The node of a run that some entry names.
    pub fn run_place(&self, id: &str) -> Place {
        (self.run_ids[id], id.to_owned())
    }

    pub fn job_of_run(&self, id: &str) -> JobIx {
        self.model.streams.iter().find(|(_, s)| s.runs.contains_key(id)).expect("a known run").0.0
    }

    /// The node that a run which started at s means by a name, and how the edge stands.
    pub fn touched(&self, name: DatasetIx, s: Micros) -> Option<(Place, Standing)> {
        let root = self.class[self.model.incarnation(name, s)];
        let is_node = !self.classes[&root].names.is_empty();
        is_node.then(|| (self.class_place(root), standing_of([self.end(name, s, s), End::Alive])))
    }

    fn job_place(&self, job: JobIx) -> Place {
        (self.job_ids[job], String::new())
    }

    fn class_place(&self, root: IncIx) -> Place {
        self.field_place_of(root, "")
    }

    fn field_place_of(&self, root: IncIx, field: &str) -> Place {
        (self.dataset_ids[self.classes[&root].names[0]], field.to_owned())
    }

    /// All that a walk at that level can meet.
    pub fn graph(&self, level: Level) -> &Graph {
        match level {
            Level::Artifact | Level::Run => self.artifacts.get_or_init(|| self.artifact_graph()),
            Level::Field => self.fields.get_or_init(|| self.field_graph()),
        }
    }

    fn artifact_graph(&self) -> Graph {
        let mut graph = Graph::default();
        for (job, named) in self.model.jobs.iter().enumerate() {
            let alive = named.mentions.iter().any(|(te, _)| *te <= self.at);
            let shown = Shown {
                kind: ArtifactKind::Job,
                name: named.name.clone(),
                aliases: Vec::new(),
                alive,
                deleted_at: None,
                first: named.first,
            };
            graph.nodes.insert(self.job_place(job), shown);
        }
        for (root, class) in self.classes.iter().filter(|(_, c)| !c.names.is_empty()) {
            graph.nodes.insert(self.class_place(*root), self.shown(class));
        }
        for ((job, _), stream) in &self.model.streams {
            for side in [0, 1] {
                for name in self.model.ever_open(stream, side) {
                    let mut stands = |root, standing| {
                        let now = graph.edges.entry(self.artifact_edge(*job, side, root)).or_insert(standing);
                        *now = standing.max(*now);
                    };
                    self.homes(name).into_iter().for_each(|root| stands(root, Standing::Known));
                    for t in &self.times {
                        for (d, root) in self.deciders(stream, side, name, *t) {
                            stands(root, standing_of([self.end(name, d, *t), End::Alive]));
                        }
                    }
                }
            }
        }
        graph
    }

    fn artifact_edge(&self, job: JobIx, side: usize, root: IncIx) -> Edge {
        let (job, dataset) = (self.job_place(job), self.class_place(root));
        if side == 0 {
            Edge { from: dataset, to: job, kind: word(FlowKind::Used), job: None }
        } else {
            Edge { from: job, to: dataset, kind: word(FlowKind::WasGeneratedBy), job: None }
        }
    }

    fn shown(&self, class: &Class) -> Shown {
        let name = |n: &DatasetIx| self.model.datasets[*n].name.clone();
        Shown {
            kind: ArtifactKind::Dataset,
            name: name(&class.names[0]),
            aliases: class.names[1..].iter().map(name).collect(),
            alive: class.alive,
            deleted_at: class.deleted_at,
            first: self.model.datasets[class.names[0]].first,
        }
    }

    /// How the dataset's end of a flow decided by a run or event that starts at s stands at t (what lies
    /// outside of the times that are asked for is told as of the nearest of them).
    fn end(&self, name: DatasetIx, s: Micros, t: Micros) -> End {
        let incarnation = self.model.incarnation(name, s);
        let class = &self.classes[&self.class[incarnation]];
        match (class.names.is_empty(), class.alive) {
            (true, _) => End::Stale,
            (false, false) => End::Dead,
            (false, true) if self.model.undropped(incarnation, s, t.clamp(self.times[0], self.at)) => End::Alive,
            (false, true) => End::Stale,
        }
    }

    /// Whether a flow decided at s belongs to that node's incarnation at t (or, of a
    /// dead node, to the class).
    fn belongs(&self, name: DatasetIx, s: Micros, root: IncIx, t: Micros) -> bool {
        self.class[self.model.incarnation(name, s)] == root && self.end(name, s, t) != End::Stale
    }

    /// The maximal interval around the instant in which some source holds the edge
    /// open; where there is none, the last one before.
    pub fn interval(&self, level: Level, edge: &Edge) -> (Micros, Micros) {
        let intervals = match level {
            Level::Artifact | Level::Run => self.model.maximal(|t| self.artifact_open(edge, t)),
            Level::Field => self.model.maximal(|t| self.field_open(edge, t)),
        };
        self.last_of(&intervals)
    }

    /// The last interval that begins by the instant.
    pub fn last_of(&self, intervals: &[(Micros, Micros)]) -> (Micros, Micros) {
        intervals.iter().rev().find(|(from, _)| *from <= self.at).copied().unwrap_or((FOREVER, FOREVER))
    }

    /// Whether data flowed along an edge between artifacts at t.
    pub fn artifact_open(&self, edge: &Edge, t: Micros) -> bool {
        let side = usize::from(edge.kind != word(FlowKind::Used));
        let (job, dataset) = if side == 0 { (&edge.to, &edge.from) } else { (&edge.from, &edge.to) };
        self.model.streams.iter().filter(|((j, _), _)| self.job_place(*j) == *job).any(|(_, stream)| {
            stream.ever(side).into_iter().any(|n| {
                self.deciders(stream, side, n, t).any(|(s, root)| self.class_place(root) == *dataset && self.belongs(n, s, root, t))
            })
        })
    }

    /// What holds a flow open at t: (s, class at the instant), for classes that some name means.
    fn deciders<'a>(&'a self, stream: &'a Stream, side: usize, n: DatasetIx, t: Micros) -> impl Iterator<Item = (Micros, IncIx)> + 'a {
        let both = [stream.open_by_run(side, n, t), stream.open_by_design(side, n, t)];
        both.into_iter()
            .flatten()
            .map(move |s| (s, self.class[self.model.incarnation(n, s)]))
            .filter(|(_, root)| !self.classes[root].names.is_empty())
    }

    /// Schemas in force for a node, one a source: the latest over all its names.
    pub fn schemas(&self, name: DatasetIx) -> BTreeMap<&Source, &Value> {
        self.latest("schema", self.root(name), self.at)
    }

    /// The columns that schemas in force list under some names of a node.
    pub fn columns_under(&self, names: &[DatasetIx]) -> BTreeSet<String> {
        self.latest_of("schema", names, self.at).values().flat_map(|s| columns(s)).collect()
    }

    fn latest(&self, facet: &str, root: IncIx, t: Micros) -> BTreeMap<&Source, &Value> {
        self.latest_of(facet, &self.classes[&root].names, t)
    }

    fn latest_of(&self, facet: &str, names: &[DatasetIx], t: Micros) -> BTreeMap<&Source, &Value> {
        let mut latest: BTreeMap<&Source, (Micros, &Put<Value>)> = BTreeMap::new();
        // In order of names: the first keeps its place against equal ones.
        for ((_, source, _), puts) in self.model.facets.iter().filter(|((f, _, name), _)| f == facet && names.contains(name)) {
            let Some(Stretch { put, since, .. }) = stretch(puts, t) else { continue };
            let now = latest.entry(source).or_insert((since, put));
            if since > now.0 {
                *now = (since, put);
            }
        }
        latest.into_iter().filter_map(|(source, (_, put))| Some((source, put.value.as_ref()?))).collect()
    }

    /// Facets in force for a dataset's node by (facet, source), but symlinks and
    /// columnLineage, which are kept per name and per job.
    pub fn facets(&self, name: DatasetIx) -> BTreeMap<(&str, &Source), &Value> {
        let names: BTreeSet<&str> = self.model.facets.keys().map(|k| k.0.as_str()).collect();
        names.into_iter().flat_map(|f| self.latest(f, self.root(name), self.at).into_iter().map(move |(s, v)| ((f, s), v))).collect()
    }

    /// Facets in force for a job by (facet, source).
    pub fn job_facets(&self, job: JobIx) -> BTreeMap<(&str, &Source), &Value> {
        let of_job = self.model.job_facets.iter().filter(|((.., j), _)| *j == job);
        of_job.filter_map(|((f, s, _), puts)| Some(((f.as_str(), s), in_force(puts, self.at)?.value.as_ref()?))).collect()
    }

    /// The columns that schemas in force list; `None`: no schema is in force.
    pub fn schema_columns(&self, name: DatasetIx) -> Option<BTreeSet<String>> {
        self.columns_of(self.root(name), self.at)
    }

    /// The same at each time that is asked for at which the node lived (of one that
    /// did not, at each time).
    pub fn columns_seen(&self, name: DatasetIx) -> Vec<Option<BTreeSet<String>>> {
        self.columns_seen_of(self.root(name))
    }

    fn columns_seen_of(&self, root: IncIx) -> Vec<Option<BTreeSet<String>>> {
        let lived = |t: Micros| {
            let mut lives = (0..self.class.len()).filter(|i| self.class[*i] == root).flat_map(|i| self.model.lives(i));
            lives.any(|(from, until)| from <= t && t < until)
        };
        let at = self.times.iter().filter(|t| !self.classes[&root].alive || lived(**t));
        at.map(|t| self.columns_of(root, *t)).collect()
    }

    fn columns_of(&self, root: IncIx, t: Micros) -> Option<BTreeSet<String>> {
        let schemas = self.latest("schema", root, t);
        (!schemas.is_empty()).then(|| schemas.values().flat_map(|s| columns(s)).collect())
    }

    /// Column lineage in force: (job, source, output name, s, what it says).
    pub fn column_lineage(&self, t: Micros) -> impl Iterator<Item = (JobIx, &Source, DatasetIx, Micros, &Columns)> {
        self.model.columns.iter().filter_map(move |((job, source, output), puts)| {
            let Stretch { put, s, .. } = stretch(puts, t)?;
            Some((*job, source, *output, s, put.value.as_ref()?))
        })
    }

    fn field_graph(&self) -> Graph {
        let mut graph = Graph::default();
        let mut columns: BTreeMap<IncIx, Vec<Option<BTreeSet<String>>>> = BTreeMap::new();
        for (root, class) in self.classes.iter().filter(|(_, c)| !c.names.is_empty()) {
            let seen = self.columns_seen_of(*root);
            let known = self.model.fields.iter().filter(|(n, _)| class.names.contains(n)).map(|(_, f)| f.clone());
            // A name that a rename left and that means something else now lends its fields too.
            let lent = self.model.fields.iter().filter(|(n, _)| {
                let base = self.model.datasets[*n].base;
                (base..=base + self.model.datasets[*n].ends.len()).any(|i| self.class[i] == *root)
            });
            for field in known.chain(lent.map(|(_, f)| f.clone())) {
                let shown = self.shown(class);
                let alive = class.alive && seen.iter().any(|listed| listed.as_ref().is_none_or(|l| l.contains(&field)));
                let name = Name::new(shown.name.namespace, format!("{}.{field}", shown.name.name));
                let shown = Shown { kind: ArtifactKind::Field, name, aliases: Vec::new(), alive, ..shown };
                graph.nodes.insert(self.field_place_of(*root, &field), shown);
            }
            columns.insert(*root, seen);
        }
        let all_told = self.times.iter().flat_map(|t| self.column_lineage(*t).map(move |told| (*t, told)));
        for (t, (job, source, output, s, says)) in all_told {
            let stream = &self.model.streams[&(job, source.clone())];
            let out_root = self.class[self.model.incarnation(output, s)];
            if !self.output_open(stream, output, t, out_root) || self.end(output, s, t) == End::Stale {
                continue;
            }
            let every: BTreeSet<&String> = says.outputs.iter().chain(columns[&out_root].iter().flatten().flatten()).collect();
            let whole = says.whole.iter().flat_map(|(d, f)| every.iter().map(move |o| (*o, d, f)));
            for (to, dataset, from) in says.pairs.iter().map(|(o, d, f)| (o, d, f)).chain(whole) {
                let Some(input) = self.model.dataset(dataset) else { continue };
                if self.end(input, s, t) == End::Stale {
                    continue;
                }
                let in_root = self.class[self.model.incarnation(input, s)];
                let edge = Edge {
                    from: self.field_place_of(in_root, from),
                    to: self.field_place_of(out_root, to),
                    kind: word(FlowKind::WasDerivedFrom),
                    job: Some(job),
                };
                let both = [&edge.from, &edge.to].map(|p| if graph.nodes.get(p).is_some_and(|n| n.alive) { End::Alive } else { End::Dead });
                let standing = standing_of(both);
                let now = graph.edges.entry(edge).or_insert(standing);
                *now = standing.max(*now);
            }
        }
        graph
    }

    /// Whether that output flow is open at t, and of that node.
    fn output_open(&self, stream: &Stream, output: DatasetIx, t: Micros, root: IncIx) -> bool {
        self.deciders(stream, 1, output, t).any(|(s, of)| of == root && self.end(output, s, t) != End::Stale)
    }

    fn field_open(&self, edge: &Edge, t: Micros) -> bool {
        self.column_lineage(t).filter(|c| Some(c.0) == edge.job).any(|(job, source, output, s, says)| {
            let is = |name: DatasetIx, place: &Place| {
                let root = self.class[self.model.incarnation(name, s)];
                self.belongs(name, s, root, t) && self.field_place_of(root, &place.1) == *place
            };
            let listed = says.pairs.iter().filter(|(o, ..)| *o == edge.to.1).map(|(_, d, f)| (d, f));
            let mut inputs = listed.chain(says.whole.iter().map(|(d, f)| (d, f))).filter(|(_, f)| **f == edge.from.1);
            is(output, &edge.to)
                && inputs.any(|(d, _)| self.model.dataset(d).is_some_and(|d| is(d, &edge.from)))
                && self.output_open(&self.model.streams[&(job, source.clone())], output, t, self.class[self.model.incarnation(output, s)])
        })
    }
}

fn standing_of(ends: [End; 2]) -> Standing {
    match ends {
        [End::Stale, _] | [_, End::Stale] => Standing::Known,
        [End::Alive, End::Alive] => Standing::Walkable,
        _ => Standing::Tombstone,
    }
}
