//! What somebody sees of the oracle's graph who may not see everything: naively,
//! the whole graph with what is hidden cut out of it.
//!
//! - A name is seen when its namespace is admitted and its sensitivity cleared.
//!   A name is as sensitive now as the most sensitive of the names that symlinks of
//!   tables and renames ever joined with it; a node as any name of its class.
//! - A node is called by those of its names whose namespaces are admitted.
//! - A hidden node has an id that says nothing, no more. It is never expanded; of
//!   edges to it those are there that show it.
//! - What lies behind a hidden job is not joined through it.
use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledgerline::domain::{
    kind::ArtifactKind,
    lineage::{Collapse, Level},
    name::Name,
    sight::Sensitivity,
    time::{FOREVER, Micros},
};
use serde_json::Value;

use super::{
    answer::Options,
    collapsed,
    compare::{artifact_text, label as called, spelt},
    model::{DatasetIx, JobIx, Model, Put, in_force},
    world::{Edge, Graph, Place, Shown, Standing, World},
};

/// Somebody who may not see everything.
pub struct Asker<'f> {
    pub admits: &'f dyn Fn(&str) -> bool,
    /// Names of datasets and jobs that are too sensitive, as of the whole ledger.
    pub above: [BTreeSet<Name>; 2],
    /// The id that stands for a hidden node: of its id and, of a field, its path.
    pub opaque: &'f dyn Fn(&Place) -> [u8; 16],
}

/// The names of datasets and of jobs above a clearance.
pub fn above(present: &Model, clearance: Sensitivity) -> [BTreeSet<Name>; 2] {
    let last = Micros(FOREVER.0 - 1);
    let said = |puts: &[Put<Value>]| {
        let tags = in_force(puts, last).and_then(|p| p.value.as_ref()?.get("tags")?.as_array());
        let of_it = tags.into_iter().flatten().filter(|t| t["key"].as_str().is_some_and(|k| k.eq_ignore_ascii_case("sensitivity")));
        of_it.map(|t| t["value"].as_str().map_or(Sensitivity::Restricted, Sensitivity::of_tag)).max().unwrap_or_default()
    };
    let mut levels: Vec<Sensitivity> = vec![Sensitivity::Public; present.datasets.len()];
    for ((_, _, name), puts) in present.facets.iter().filter(|((facet, ..), _)| facet == "tags") {
        levels[*name] = levels[*name].max(said(puts));
    }
    let mut links: BTreeSet<(DatasetIx, DatasetIx)> = BTreeSet::new();
    for ((name, _), puts) in &present.symlinks {
        // What was in force at some instant.
        for at in puts.iter().map(|p| p.recency.0) {
            let told = in_force(puts, at).and_then(|p| p.value.as_ref());
            links.extend(
                told.into_iter().flatten().filter(|(other, location)| !location && other != name).map(|(other, _)| (*name, *other)),
            );
        }
    }
    links.extend(present.renames.iter().map(|(_, old, new)| (present.incarnations[*old].name, present.incarnations[*new].name)));
    for _ in 0..present.datasets.len() {
        for (a, b) in &links {
            let highest = levels[*a].max(levels[*b]);
            (levels[*a], levels[*b]) = (highest, highest);
        }
    }
    let datasets = (0..levels.len()).filter(|n| levels[*n] > clearance).map(|n| present.datasets[n].name.clone()).collect();
    let mut jobs: BTreeMap<JobIx, Sensitivity> = BTreeMap::new();
    for ((_, _, job), puts) in present.job_facets.iter().filter(|((facet, ..), _)| facet == "tags") {
        let level = jobs.entry(*job).or_default();
        *level = (*level).max(said(puts));
    }
    let jobs = jobs.iter().filter(|(_, level)| **level > clearance).map(|(job, _)| present.jobs[*job].name.clone()).collect();
    [datasets, jobs]
}

/// Who looks: [`Asker`] with what is to be known of the ledger left out.
#[derive(Clone, Copy)]
pub struct Looks<'f> {
    pub admits: &'f dyn Fn(&str) -> bool,
    pub clearance: Sensitivity,
    pub opaque: &'f dyn Fn(&Place) -> [u8; 16],
}

/// Whether a start is unknown to who looks: by its name, or by what it is joined with.
pub fn hides_start(world: &World<'_>, reference: &Value) -> bool {
    let Some(asker) = world.asker else { return false };
    let (kind, of, member) = match (reference.get("job"), reference.get("field"), reference.get("dataset")) {
        (Some(job), ..) => (ArtifactKind::Job, job, "name"),
        (_, Some(field), _) => (ArtifactKind::Dataset, field, "dataset"),
        (.., dataset) => (ArtifactKind::Dataset, dataset.expect("a start"), "name"),
    };
    let text = |member: &str| of[member].as_str().unwrap_or_default().to_owned();
    let name = Name::new(text("namespace"), text(member));
    asker.hides_name(kind, &name) || world.place(kind, &name).is_some_and(|place| world.hides(&place))
}

impl Asker<'_> {
    /// Whether a name by itself is hidden.
    pub fn hides_name(&self, kind: ArtifactKind, name: &Name) -> bool {
        !(self.admits)(&name.namespace) || self.above[usize::from(kind == ArtifactKind::Job)].contains(name)
    }
}

impl World<'_> {
    /// Whether a node is hidden from who looks.
    pub fn hides(&self, place: &Place) -> bool {
        self.place_seen(place).1
    }

    /// Under which id a node stands for who looks, and whether it is hidden.
    pub fn place_seen(&self, place: &Place) -> (Place, bool) {
        let Some(asker) = self.asker else { return (place.clone(), false) };
        if let Some((names, members)) = self.names_at(place) {
            let name = |n: &DatasetIx| &self.model.datasets[*n].name;
            let admitted: Vec<DatasetIx> = self.admitted(names);
            let first = admitted.first().or(names.first()).expect("a node has a name");
            let own = (self.id_of(*first), place.1.clone());
            let hidden = admitted.is_empty() || members.iter().any(|m| asker.above[0].contains(name(m)));
            return if hidden { (((asker.opaque)(&own), String::new()), true) } else { (own, false) };
        }
        let job = self.job_at(place).expect("a node is a dataset, a field or a job");
        match asker.hides_name(ArtifactKind::Job, &self.model.jobs[job].name) {
            true => (((asker.opaque)(place), String::new()), true),
            false => (place.clone(), false),
        }
    }

    /// The names whose namespaces are admitted, the one that stands for them first.
    fn admitted(&self, names: &[DatasetIx]) -> Vec<DatasetIx> {
        let datasets = &self.model.datasets;
        let admits = |n: &DatasetIx| self.asker.is_none_or(|a| (a.admits)(&datasets[*n].name.namespace));
        let mut admitted: Vec<DatasetIx> = names.iter().copied().filter(admits).collect();
        admitted.sort_unstable();
        if let Some(first) = (0..admitted.len()).min_by_key(|i| datasets[admitted[*i]].first) {
            admitted[..=first].rotate_right(1);
        }
        admitted
    }

    fn node_seen(&self, place: &Place, shown: &Shown) -> (Place, Shown, bool) {
        let (to, hidden) = self.place_seen(place);
        if hidden {
            let nothing = Shown { name: Name::new("", ""), aliases: Vec::new(), alive: false, deleted_at: None, ..shown.clone() };
            return (to, nothing, true);
        }
        let Some((names, _)) = self.names_at(place) else { return (to, shown.clone(), false) };
        let admitted = self.admitted(names);
        let name = |n: &DatasetIx| self.model.datasets[*n].name.clone();
        let first = name(&admitted[0]);
        let seen = match shown.kind {
            ArtifactKind::Field => Shown { name: Name::new(first.namespace, format!("{}.{}", first.name, place.1)), ..shown.clone() },
            _ => Shown { name: first, aliases: admitted[1..].iter().map(name).collect(), ..shown.clone() },
        };
        (to, seen, false)
    }
}

/// A graph as somebody sees it.
pub struct Seen {
    pub graph: Graph,
    pub from: Vec<Place>,
    /// Each edge as it is in the whole graph.
    pub edges: BTreeMap<Edge, Edge>,
    pub hidden: BTreeSet<Place>,
    /// From where, and which way, something hidden is met.
    walls: BTreeSet<(Place, usize)>,
}

impl Seen {
    /// Whether expanding a node meets something hidden.
    pub fn met(&self, place: &Place, ways: [bool; 2]) -> bool {
        (0..2).any(|way| ways[way] && self.walls.contains(&(place.clone(), way)))
    }
}

/// Cuts what is hidden out of a graph.
pub fn graph(world: &World<'_>, full: &Graph, from: &[Place], options: Options, leave_out: bool) -> Seen {
    let mut seen = Seen {
        graph: Graph::default(),
        from: from.iter().map(|p| world.place_seen(p).0).collect(),
        edges: BTreeMap::new(),
        hidden: BTreeSet::new(),
        walls: BTreeSet::new(),
    };
    for (place, shown) in &full.nodes {
        let (to, shown, hidden) = world.node_seen(place, shown);
        if hidden {
            seen.hidden.insert(to.clone());
        }
        if !hidden || !leave_out {
            seen.graph.nodes.insert(to, shown);
        }
    }
    for (edge, standing) in &full.edges {
        let [(a, a_hidden), (b, b_hidden)] = [&edge.from, &edge.to].map(|p| world.place_seen(p));
        let follows = *standing == Standing::Walkable || *standing == Standing::Tombstone && options.include_deleted;
        let by_hidden = edge.job.is_some_and(|j| world.asker.is_some_and(|s| s.hides_name(ArtifactKind::Job, &world.model.jobs[j].name)));
        if follows && (by_hidden || a_hidden || b_hidden) {
            seen.walls.extend((!a_hidden).then(|| (a.clone(), 1)));
            seen.walls.extend((!b_hidden).then(|| (b.clone(), 0)));
        }
        let shown = !by_hidden && (!a_hidden && !b_hidden || a_hidden != b_hidden && follows && !leave_out);
        if shown {
            let mapped = Edge { from: a, to: b, ..edge.clone() };
            seen.graph.edges.insert(mapped.clone(), *standing);
            seen.edges.insert(mapped, edge.clone());
        }
    }
    if options.level == Level::Artifact && options.collapse != Collapse::None {
        // What is left out and hidden is met beside the graph as shown.
        for (edge, _) in world.graph(Level::Artifact).edges.iter().filter(|(_, s)| **s == Standing::Walkable) {
            for (near, far, way) in [(&edge.from, &edge.to, 1), (&edge.to, &edge.from, 0)] {
                let (place, hidden) = world.place_seen(near);
                let passes = !collapsed::is_left_out(world, options.collapse, near) && collapsed::is_left_out(world, options.collapse, far);
                if !hidden && passes && world.hides(far) {
                    seen.walls.insert((place, way));
                }
            }
        }
    }
    seen
}

/// What an id that says nothing is called in texts.
pub fn label(id: &str) -> String {
    let bytes = URL_SAFE_NO_PAD.decode(id).unwrap_or_default();
    format!("restricted {}", hex::encode(bytes.get(1..).unwrap_or_default()))
}

/// The same of a node.
pub fn label_of(place: &Place) -> String {
    format!("restricted {}", hex::encode(place.0))
}

/// What is told of an artifact that the asker names so.
pub fn expected_artifact(world: &World<'_>, dataset: DatasetIx) -> String {
    let name = |n: &DatasetIx| &world.model.datasets[*n].name;
    let place = world.place(ArtifactKind::Dataset, name(&dataset)).expect("a known name");
    if world.hides(&place) || world.asker.is_some_and(|a| a.hides_name(ArtifactKind::Dataset, name(&dataset))) {
        return super::compare::served_artifact(&Value::Null);
    }
    let class = world.class_of(dataset);
    let names = world.admitted(&class.names);
    let columns = world.columns_under(&names).into_iter().collect();
    let aliases = names[1..].iter().map(|n| spelt(name(n))).collect();
    artifact_text(
        &called(ArtifactKind::Dataset, name(&names[0])),
        aliases,
        Some(world.model.datasets[names[0]].first),
        class.deleted_at,
        columns,
    )
}
