//! The oracle against histories written by hand: each sentence of design §4 and
//! of the contract's lineage as one small case with its expected answer.
mod flows;
mod nodes;
mod runs;
mod served;
mod walks;
mod windows;

use ledgerline::domain::{
    kind::ArtifactKind,
    lineage::{Collapse, Direction, Level},
    name::Name,
    source::Source,
    time::{FOREVER, MINUTE, Micros},
};
use serde_json::{Value, json};

use super::{
    answer::{Options, walk},
    compare::expected,
    generator::BASE,
    mirror::id_of,
    model::Model,
    world::{Edge, Place, World},
};

const PRODUCER: &str = "https://git.example/tools/tree/1.0.0/etl";

/// The instant so many minutes after the base.
fn at(minute: i64) -> Micros {
    Micros(BASE.0 + minute * MINUTE)
}

fn name(name: &str) -> Name {
    Name::new("n", name)
}

/// An event under construction, sent by the integration `alpha`.
#[derive(Clone)]
struct Sent(String, Value);

impl Sent {
    fn new(minute: i64, mut body: Value) -> Self {
        body["eventTime"] = at(minute).rfc3339().into();
        body["producer"] = PRODUCER.into();
        body["schemaURL"] = "https://openlineage.io/spec/2-0-2/OpenLineage.json".into();
        Self("alpha".to_owned(), body)
    }

    /// Members as words: `a b`; `[]` is an empty array, nothing an absent one.
    fn sides(mut self, inputs: &str, outputs: &str) -> Self {
        for (member, words) in [("inputs", inputs), ("outputs", outputs)] {
            if !words.is_empty() {
                let datasets = words.split_whitespace().filter(|w| *w != "[]");
                self.1[member] = datasets.map(|d| json!({ "namespace": "n", "name": d })).collect();
            }
        }
        self
    }

    /// Puts a facet on each mention of a dataset.
    fn facet(mut self, dataset: &str, facet: &str, value: &Value) -> Self {
        let put = |mention: &mut Value| {
            if mention["name"] == dataset {
                mention["facets"][facet] = value.clone();
            }
        };
        for member in ["inputs", "outputs"] {
            self.1.get_mut(member).and_then(Value::as_array_mut).into_iter().flatten().for_each(put);
        }
        self.1.get_mut("dataset").into_iter().for_each(put);
        self
    }

    fn from(mut self, integration: &str) -> Self {
        self.0 = integration.to_owned();
        self
    }

    fn job(mut self, job: &str) -> Self {
        self.1["job"]["name"] = job.into();
        self
    }

    fn schema(self, dataset: &str, columns: &str) -> Self {
        let fields: Vec<Value> = columns.split_whitespace().map(|c| json!({ "name": c })).collect();
        self.facet(dataset, "schema", &json!({ "fields": fields }))
    }

    /// `columnLineage` in words: `x<a.y` says that x of the output comes from y of
    /// a; `*<a.y` that all of it does.
    fn columns(self, dataset: &str, words: &str) -> Self {
        let (mut fields, mut whole) = (json!({}), Vec::new());
        for (to, from) in words.split_whitespace().filter_map(|w| w.split_once('<')) {
            let (input, field) = from.split_once('.').expect("dataset.field");
            let input = json!({ "namespace": "n", "name": input, "field": field });
            match (to, &mut fields[to]) {
                ("*", _) => whole.push(input),
                (_, Value::Object(says)) => says["inputFields"].as_array_mut().expect("a list").push(input),
                (_, empty) => *empty = json!({ "inputFields": [input] }),
            }
        }
        if let Some(fields) = fields.as_object_mut() {
            fields.remove("*");
        }
        self.facet(dataset, "columnLineage", &json!({ "fields": fields, "dataset": whole }))
    }

    fn symlinks(self, dataset: &str, links: &str) -> Self {
        let identifiers: Vec<Value> = links
            .split_whitespace()
            .map(|l| json!({ "namespace": "n", "name": l, "type": if l.starts_with('/') { "LOCATION" } else { "TABLE" } }))
            .collect();
        self.facet(dataset, "symlinks", &json!({ "identifiers": identifiers }))
    }

    fn dropped(self, dataset: &str) -> Self {
        self.facet(dataset, "lifecycleStateChange", &json!({ "lifecycleStateChange": "DROP" }))
    }

    fn renamed(self, from: &str, to: &str) -> Self {
        let previous = json!({ "namespace": "n", "name": from });
        self.facet(to, "lifecycleStateChange", &json!({ "lifecycleStateChange": "RENAME", "previousIdentifier": previous }))
    }
}

/// An event of a run of job `j`.
fn run(minute: i64, run: u8, state: &str) -> Sent {
    let id = format!("00000000-0000-4000-8000-0000000000{run:02x}");
    Sent::new(minute, json!({ "eventType": state, "run": { "runId": id }, "job": { "namespace": "n", "name": "j" } }))
}

/// A JobEvent of job `j`.
fn design(minute: i64) -> Sent {
    Sent::new(minute, json!({ "job": { "namespace": "n", "name": "j" } }))
}

/// A DatasetEvent.
fn dataset(minute: i64, name: &str) -> Sent {
    Sent::new(minute, json!({ "dataset": { "namespace": "n", "name": name } }))
}

fn model(sent: &[Sent]) -> Model {
    Model::new(&sent.iter().map(|s| (s.0.clone(), s.1.clone())).collect::<Vec<_>>())
}

/// When a flow of job `j` by `alpha` is open, in minutes: `1..5 8..`.
fn open(sent: &[Sent], side: usize, dataset: &str) -> String {
    open_by(sent, "j", "alpha", side, dataset)
}

fn open_by(sent: &[Sent], job: &str, integration: &str, side: usize, dataset: &str) -> String {
    let intervals = model(sent).open_intervals(&name(job), &name(dataset), side, &Source::new(integration, PRODUCER));
    let minute = |t: Micros| (t.0 - BASE.0) / MINUTE;
    let spelt = |(from, until): &(Micros, Micros)| match *until {
        FOREVER => format!("{}..", minute(*from)),
        until => format!("{}..{}", minute(*from), minute(until)),
    };
    intervals.iter().map(spelt).collect::<Vec<_>>().join(" ")
}

/// The node that a dataset's name means: `a, b` with the representative first,
/// then ` dead` or ` dead since 5`.
fn node(sent: &[Sent], minute: i64, dataset: &str) -> String {
    let model = model(sent);
    let world = World::new(&model, at(minute), &id_of);
    let class = world.class_of(model.dataset(&name(dataset)).expect("a known name"));
    let names: Vec<&str> = class.names.iter().map(|n| &*model.datasets[*n].name.name).collect();
    let state = match (class.alive, class.deleted_at) {
        (true, _) => String::new(),
        (false, None) => " dead".to_owned(),
        (false, Some(t)) => format!(" dead since {}", (t.0 - BASE.0) / MINUTE),
    };
    format!("{}{state}", names.join(", "))
}

const WIDE: Options = Options {
    direction: Direction::Both,
    level: Level::Artifact,
    collapse: Collapse::None,
    depth: 9,
    nodes_max: 200,
    per_node_max: 20,
    include_deleted: false,
    include_self_loops: false,
};

/// A walk from `job:j`, `a` or `a.x` as short lines: nodes `a@1` (depth) with
/// `+2` for what remains, `†` for the dead; edges `a→j`; then the state of the walk.
fn walked(sent: &[Sent], minute: i64, from: &str, options: Options) -> String {
    observed(sent, minute, minute, from, options)
}

/// The same over a window, with the edges that are closed by its end as `a⇢j`.
fn observed(sent: &[Sent], since: i64, minute: i64, from: &str, options: Options) -> String {
    let model = model(sent);
    let world = World::observed(&model, at(minute), Some(at(since)), &id_of);
    let start = match (from.strip_prefix("job:"), from.split_once('.')) {
        (Some(job), _) => world.place(ArtifactKind::Job, &name(job)),
        (_, Some((dataset, field))) => world.field_place(&name(dataset), field),
        _ => world.place(ArtifactKind::Dataset, &name(from)),
    };
    let answer = walk(&world, &[start.expect("a known start")], options);
    let called = |p: &Place| &*answer.nodes[p].shown.name.name;
    let mut nodes: Vec<String> = answer
        .nodes
        .iter()
        .map(|(p, n)| {
            let rest = if n.remaining > 0 { format!("+{}", n.remaining) } else { String::new() };
            let dead = if n.shown.alive { "" } else { "†" };
            let cycle = if n.self_loop { "↺" } else { "" };
            format!("{}@{}{rest}{dead}{cycle}", called(p), n.depth)
        })
        .collect();
    let arrow = |until: Micros| if until > at(minute) { '→' } else { '⇢' };
    let edge = |(e, (_, until)): (&Edge, &(Micros, Micros))| format!("{}{}{}", called(&e.from), arrow(*until), called(&e.to));
    let mut edges: Vec<String> = answer.edges.iter().map(edge).collect();
    let mut cut: Vec<&str> = answer.frontier.iter().map(called).collect();
    nodes.sort();
    edges.sort();
    cut.sort_unstable();
    let cut = if cut.is_empty() { String::new() } else { format!(" | cut at {}", cut.join(" ")) };
    let pruned = if answer.pruned > 0 { format!(" | pruned {}", answer.pruned) } else { String::new() };
    format!("{} | {}{cut}{pruned}", nodes.join(" "), edges.join(" "))
}

/// The one edge line of a walk, for its interval.
fn edge_lines(sent: &[Sent], minute: i64, from: &str) -> Vec<String> {
    let model = model(sent);
    let world = World::new(&model, at(minute), &id_of);
    let level = if from.contains('.') { Level::Field } else { Level::Artifact };
    let place = match from.split_once('.') {
        Some((dataset, field)) => world.field_place(&name(dataset), field),
        None => world.place(ArtifactKind::Dataset, &name(from)),
    };
    let answer = walk(&world, &[place.expect("a known start")], Options { level, ..WIDE });
    let text = expected(&world, &answer, level);
    text.lines()
        .filter(|l| l.starts_with("edge"))
        .map(|l| l.rsplit('[').next().unwrap_or_default().trim_end_matches(')').to_owned())
        .collect()
}
