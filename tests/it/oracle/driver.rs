//! Plays a history into a server and asks the server and the oracle the same
//! questions: after each event, and when all are in, at every earlier size again.
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use ledgerline::domain::{
    kind::ArtifactKind,
    lineage::{Collapse, Direction, Level},
    name::Name,
    time::{MINUTE, Micros},
};
use serde_json::{Value, json};

use super::{
    answer::{Options, walk},
    compare::{ARTIFACT, LINEAGE, Labels, difference, expected, expected_artifact, label, served, served_artifact},
    derived::{self, COUNTS, PATHS, ROLL_UP},
    event::Event,
    hidden::{Asker, Looks, above, hides_start},
    model::Model,
    world::{IdOf, Place, Standing, World},
};

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub enum Asking {
    /// So many questions by chance after each event, and so many again of each size at the end.
    Some { on_the_way: usize, in_the_end: usize },
    /// Everything at every instant, after each event: for small histories.
    All,
}

impl Asking {
    /// Enough that a wrong answer is found soon.
    pub const USUAL: Self = Self::Some { on_the_way: 1, in_the_end: 3 };
}

/// Nothing that was not asked for.
const NARROW: Options = Options {
    direction: Direction::Both,
    level: Level::Artifact,
    collapse: Collapse::None,
    depth: 1,
    nodes_max: 200,
    per_node_max: 20,
    include_deleted: false,
    include_self_loops: false,
};

/// The code of what is unknown, and of what is hidden.
const NOT_FOUND: &str = "NOT_FOUND";

/// The most questions in one document.
const AT_ONCE: usize = 24;

/// Sends one event for an integration; gives the ledger's size after it, or
/// nothing for a repetition.
pub type Send<'f> = &'f mut dyn FnMut(&str, &Value) -> Option<u64>;
/// Asks some questions, maybe at once; gives a response for each.
pub type Ask<'f> = &'f mut dyn FnMut(&[Question]) -> Vec<Value>;

/// One question: [`LINEAGE`], [`ARTIFACT`], [`COUNTS`], [`PATHS`] or [`ROLL_UP`], with variables.
#[derive(Clone, Debug)]
pub struct Question {
    pub query: &'static str,
    pub variables: Value,
}

/// A question and what the oracle answers.
struct Expected {
    question: Question,
    answer: String,
    level: Level,
    /// Of a walk: what it was.
    walked: Option<(Vec<Place>, Options)>,
}

/// Sends the history and compares. `id_of` gives ids in the server's order of bytes.
/// Returns the number of comparisons made.
///
/// # Errors
/// The first difference as text: question, lines that differ, the events so far.
pub fn check_history(id_of: IdOf<'_>, send: Send<'_>, ask: Ask<'_>, history: &[(String, Value)], asking: Asking) -> Result<usize, String> {
    check_history_as(None, id_of, send, ask, history, asking)
}

/// The same, asked by somebody who may not see everything.
///
/// # Errors
/// As [`check_history`].
pub fn check_history_as(
    looks: Option<Looks<'_>>,
    id_of: IdOf<'_>,
    send: Send<'_>,
    ask: Ask<'_>,
    history: &[(String, Value)],
    asking: Asking,
) -> Result<usize, String> {
    let mut check = Check { looks, id_of, ask, jobs: Labels::new(), known_jobs: BTreeSet::new(), chance: Chance(1), made: 0 };
    let (mut events, mut seen, mut sizes) = (Vec::new(), HashSet::new(), Vec::<u64>::new());
    let mut models = Vec::new();
    for (integration, json) in history {
        let event = Event::read(integration, json);
        check.chance.stir(&event.digest);
        let is_new = seen.insert((event.source.clone(), event.digest));
        let size = match (is_new, send(integration, json)) {
            (true, Some(size)) => size,
            (false, None) => continue,
            (_, told) => return Err(with_events(&format!("is new: {is_new}, was told {told:?}: {json}"), history, 0)),
        };
        events.push(Arc::new(event));
        sizes.push(size);
        models.push(Model::of(&events));
        let model = &models[models.len() - 1];
        check.questions(asking, false, (model, model), size).map_err(|e| with_events(&e, history, size))?;
    }
    for (size, model) in sizes.iter().zip(&models) {
        let all = &models[models.len() - 1];
        check.questions(asking, true, (model, all), *size).map_err(|e| with_events(&e, history, *size))?;
        if let Some(later) = all.datasets.iter().find(|d| model.dataset(&d.name).is_none()) {
            check.not_found(&later.name, *size).map_err(|e| with_events(&e, history, *size))?;
        }
    }
    Ok(check.made)
}

fn with_events(problem: &str, history: &[(String, Value)], size: u64) -> String {
    let lines: Vec<String> = history.iter().map(|(integration, json)| format!("{integration} {json}")).collect();
    format!("{problem}\nat ledger size {size}; the history:\n{}", lines.join("\n"))
}

struct Check<'f> {
    looks: Option<Looks<'f>>,
    id_of: IdOf<'f>,
    ask: Ask<'f>,
    jobs: Labels,
    known_jobs: BTreeSet<Name>,
    chance: Chance,
    made: usize,
}

impl Check<'_> {
    /// `present`: all that was sent by now, for rights are those of the present.
    fn questions(&mut self, asking: Asking, in_the_end: bool, (model, present): (&Model, &Model), size: u64) -> Result<(), String> {
        self.label_jobs(model);
        let asker = self.looks.map(|l| Asker { admits: l.admits, above: above(present, l.clearance), opaque: l.opaque });
        let asker = asker.as_ref();
        let expected: Vec<Expected> = match asking {
            Asking::Some { in_the_end: many, .. } if in_the_end => (0..many).filter_map(|_| self.question(model, asker, size)).collect(),
            Asking::Some { on_the_way: many, .. } => (0..many).filter_map(|_| self.question(model, asker, size)).collect(),
            Asking::All if in_the_end => Vec::new(),
            Asking::All => self.every_question(model, size),
        };
        self.made += expected.len();
        for expected in expected.chunks(AT_ONCE) {
            let questions: Vec<Question> = expected.iter().map(|e| e.question.clone()).collect();
            for (expected, response) in expected.iter().zip((self.ask)(&questions)) {
                let code = response["errors"][0]["extensions"]["code"].as_str();
                let served = match expected.question.query {
                    _ if code == Some(NOT_FOUND) => NOT_FOUND.to_owned(),
                    ARTIFACT => served_artifact(&response["data"]["artifact"]),
                    COUNTS | PATHS | ROLL_UP => derived::text(&response["data"][expected.question.query]),
                    _ => served(&response["data"]["lineage"], expected.level, &self.jobs),
                };
                equal(&expected.answer, &served, &expected.question.variables, &response)?;
            }
        }
        Ok(())
    }

    /// One question, chosen by chance.
    fn question(&mut self, model: &Model, asker: Option<&Asker<'_>>, size: u64) -> Option<Expected> {
        let chance = &mut self.chance;
        let beyond = [model.instants[0], *model.instants.last().unwrap_or(&model.instants[0])];
        let at = match chance.below(8) {
            0 => Micros(beyond[0].0 - MINUTE),
            1 | 2 => Micros(beyond[1].0 + MINUTE),
            3 => Micros(chance.pick(&model.instants).0 - 1),
            4 => *chance.pick(&model.instants),
            // The later, the more there is.
            _ => *chance.pick(&model.instants[model.instants.len() / 2..]),
        };
        let since = match chance.below(3) {
            0 => Some(Micros(chance.pick(&model.instants).0.min(at.0))),
            1 if chance.below(3) == 0 => Some(Micros((chance.pick(&model.instants).0 - 1).min(at.0))),
            _ => None,
        };
        let world = World::new(model, at, self.id_of).seen_by(asker);
        let observed = World::observed(model, at, since, self.id_of).seen_by(asker);
        let as_of = json!({ "validAt": at.rfc3339(), "ledgerSize": size });
        let mut as_asked = as_of.clone();
        as_asked["since"] = json!(since.map(Micros::rfc3339));
        match chance.below(20) {
            0 if !model.datasets.is_empty() => {
                let dataset = chance.below(model.datasets.len());
                Some(artifact(&world, dataset, &as_of))
            }
            1..=3 => self.lineage(&observed, Level::Field, &as_asked),
            4 => self.lineage(&observed, Level::Field, &as_asked).map(|asked| counts(&observed, asked)),
            5 => self.lineage(&observed, Level::Artifact, &as_asked).map(|asked| counts(&observed, asked)),
            6 => self.paths(&world, Level::Field, &as_of),
            7 => self.paths(&world, Level::Artifact, &as_of),
            8 => self.lineage(&observed, Level::Field, &as_asked).map(|asked| rolled_up(&observed, asked)),
            9 => self.lineage(&observed, Level::Artifact, &as_asked).map(|asked| rolled_up(&observed, asked)),
            // What is hidden of runs is `rights`'.
            14..=19 if asker.is_some() => self.lineage(&observed, Level::Artifact, &as_asked),
            14..=17 => self.lineage(&observed, Level::Run, &as_asked),
            18 => self.lineage(&observed, Level::Run, &as_asked).map(|asked| counts(&observed, asked)),
            19 => self.lineage(&observed, Level::Run, &as_asked).map(|asked| rolled_up(&observed, asked)),
            _ => self.lineage(&observed, Level::Artifact, &as_asked),
        }
    }

    /// Every start at every instant, the wide way and the strict ways.
    fn every_question(&self, model: &Model, size: u64) -> Vec<Expected> {
        let mut all = Vec::new();
        let before = model.instants.first().map(|t| Micros(t.0 - MINUTE));
        for at in before.into_iter().chain(model.instants.iter().copied()) {
            let world = World::new(model, at, self.id_of);
            let as_of = json!({ "validAt": at.rfc3339(), "ledgerSize": size });
            all.extend((0..model.datasets.len()).map(|dataset| artifact(&world, dataset, &as_of)));
            let artifacts = (0..model.datasets.len() + model.jobs.len()).filter_map(|i| artifact_start(&world, i));
            let fields = model.fields.iter().filter_map(|(dataset, field)| field_start(&world, *dataset, field));
            let runs = run_starts(&world).into_iter().map(|s| (Level::Run, s));
            let starts = artifacts.map(|s| (Level::Artifact, s)).chain(fields.map(|s| (Level::Field, s))).chain(runs);
            // All that was so until then beside what is so then.
            let since = model.instants.first().filter(|first| **first < at).copied();
            let observed = since.map(|since| World::observed(model, at, Some(since), self.id_of));
            let mut all_since = as_of.clone();
            all_since["since"] = json!(since.map(Micros::rfc3339));
            for (level, (from, places)) in starts {
                for (direction, wide) in [(Direction::Both, true), (Direction::Upstream, false), (Direction::Downstream, false)] {
                    let options = Options {
                        direction,
                        level,
                        collapse: Collapse::None,
                        depth: if wide { 1 } else { 20 },
                        nodes_max: 200,
                        per_node_max: 20,
                        include_deleted: wide,
                        include_self_loops: wide,
                    };
                    all.push(lineage(&world, &json!([from]), &places, options, &as_of));
                    if let Some(observed) = observed.as_ref().filter(|_| wide) {
                        let deep = Options { depth: 3, ..options };
                        all.push(lineage(observed, &json!([from]), &places, deep, &all_since));
                    }
                }
            }
        }
        all
    }

    fn lineage(&mut self, world: &World<'_>, level: Level, as_of: &Value) -> Option<Expected> {
        let (mut from, mut places) = (Vec::new(), Vec::new());
        for _ in 0..1 + self.chance.below(5) / 4 {
            if let Some((reference, place)) = self.telling_start(world, level) {
                from.push(reference);
                places.extend(place);
            }
        }
        if from.is_empty() {
            return None;
        }
        let mut options = Options {
            direction: *self.chance.pick(&[Direction::Upstream, Direction::Downstream, Direction::Both]),
            level,
            collapse: Collapse::None,
            depth: *self.chance.pick(&[0, 1, 1, 2, 3, 4, 20]),
            nodes_max: 200,
            per_node_max: 20,
            include_deleted: self.chance.below(4) == 0,
            include_self_loops: self.chance.below(2) == 0,
        };
        if level == Level::Artifact {
            options.collapse = *self.chance.pick(&[Collapse::None, Collapse::None, Collapse::Jobs, Collapse::Datasets]);
        }
        // How dead nodes count against caps is left open, so the two are not mixed.
        if !options.include_deleted && self.chance.below(3) == 0 {
            options.nodes_max = places.len() + self.chance.below(5);
            options.per_node_max = 1 + self.chance.below(3);
        }
        Some(lineage(world, &json!(from), &places, options, as_of))
    }

    /// Paths between two starts, mostly ones that are joined.
    fn paths(&mut self, world: &World<'_>, level: Level, as_of: &Value) -> Option<Expected> {
        let (from, begins) = self.telling_start(world, level)?;
        let (mut to, mut arrives) = self.telling_start(world, level)?;
        for _ in 0..8 {
            let wide = Options { direction: Direction::Downstream, level, depth: 20, nodes_max: 200, per_node_max: 200, ..NARROW };
            if begins != arrives && walk(world, &begins, wide).nodes.keys().any(|p| arrives.contains(p)) {
                break;
            }
            (to, arrives) = self.telling_start(world, level)?;
        }
        let first = self.chance.below(6);
        let level_word = if level == Level::Field { "FIELD" } else { "ARTIFACT" };
        let variables = json!({ "from": from, "to": to, "first": first, "level": level_word, "asOf": as_of });
        let answer = match ["from", "to"].iter().any(|end| hides_start(world, &variables[*end])) {
            true => NOT_FOUND.to_owned(),
            false => derived::text(&derived::paths(world, &begins, &arrives, first, level)),
        };
        Some(Expected { question: Question { query: PATHS, variables }, answer, level, walked: None })
    }

    /// A start, mostly one from which the walk can go somewhere.
    fn telling_start(&mut self, world: &World<'_>, level: Level) -> Option<(Value, Vec<Place>)> {
        let goes = |places: &[Place]| {
            if level == Level::Run {
                return true;
            }
            let mut open = world.graph(level).edges.iter().filter(|(_, s)| **s != Standing::Known).map(|(e, _)| e);
            open.any(|e| places.contains(&e.from) || places.contains(&e.to))
        };
        for _ in 0..4 {
            let start = self.start(world, level);
            if start.as_ref().is_some_and(|(_, places)| goes(places)) || self.chance.below(6) == 0 {
                return start;
            }
        }
        self.start(world, level)
    }

    /// A start by name: an artifact; a field; or a living dataset with a schema, for all its fields.
    fn start(&mut self, world: &World<'_>, level: Level) -> Option<(Value, Vec<Place>)> {
        let model = world.model;
        if level == Level::Run {
            let starts = run_starts(world);
            return starts.get(self.chance.below(starts.len().max(1))).cloned();
        }
        if level == Level::Artifact {
            return artifact_start(world, self.chance.below(model.datasets.len() + model.jobs.len()));
        }
        let fields: Vec<&(usize, String)> = model.fields.iter().collect();
        let (dataset, field) = fields.get(self.chance.below(fields.len().max(1)))?;
        let name = &model.datasets[*dataset].name;
        let seen: Option<BTreeSet<String>> =
            world.columns_seen(*dataset).into_iter().try_fold(BTreeSet::new(), |all, seen| Some(all.into_iter().chain(seen?).collect()));
        let listed = seen.filter(|c| !c.is_empty() && world.class_of(*dataset).alive);
        if let Some(columns) = listed.filter(|_| self.chance.below(4) == 0) {
            let places = columns.iter().map(|c| world.field_place(name, c)).collect::<Option<_>>();
            return Some((json!({ "dataset": name_ref(name) }), places?));
        }
        field_start(world, *dataset, field)
    }

    /// Learns the ids of jobs, which edges between fields carry.
    fn label_jobs(&mut self, model: &Model) {
        let new: Vec<&Name> = model.jobs.iter().map(|j| &j.name).filter(|n| !self.known_jobs.contains(*n)).collect();
        let ask = |name: &&Name| Question { query: ARTIFACT, variables: json!({ "ref": { "job": name_ref(name) } }) };
        let questions: Vec<Question> = new.iter().map(ask).collect();
        if questions.is_empty() {
            return;
        }
        for (name, response) in new.into_iter().zip((self.ask)(&questions)) {
            // One that the reader may not see yet is asked for again.
            if let Some(id) = response["data"]["artifact"]["id"].as_str() {
                self.jobs.insert(id.to_owned(), label(ArtifactKind::Job, name));
                self.known_jobs.insert(name.clone());
            }
        }
    }

    /// A name that only later entries name is not found.
    fn not_found(&mut self, name: &Name, size: u64) -> Result<(), String> {
        let variables = json!({ "from": [{ "dataset": name_ref(name) }], "asOf": { "ledgerSize": size } });
        let response = (self.ask)(&[Question { query: LINEAGE, variables: variables.clone() }]).pop().unwrap_or_default();
        self.made += 1;
        let code = response["errors"][0]["extensions"]["code"].as_str().unwrap_or("no error");
        equal("NOT_FOUND", code, &variables, &response)
    }
}

fn artifact(world: &World<'_>, dataset: usize, as_of: &Value) -> Expected {
    let variables = json!({ "ref": { "dataset": name_ref(&world.model.datasets[dataset].name) }, "asOf": as_of });
    Expected {
        question: Question { query: ARTIFACT, variables },
        answer: expected_artifact(world, dataset),
        level: Level::Artifact,
        walked: None,
    }
}

/// The dataset of that number, or the job of one beyond those.
fn artifact_start(world: &World<'_>, i: usize) -> Option<(Value, Vec<Place>)> {
    let model = world.model;
    let (kind, member, name) = match model.datasets.get(i) {
        Some(dataset) => (ArtifactKind::Dataset, "dataset", &dataset.name),
        None => (ArtifactKind::Job, "job", &model.jobs.get(i - model.datasets.len())?.name),
    };
    Some((json!({ member: name_ref(name) }), vec![world.place(kind, name)?]))
}

/// Every start at the level of runs: datasets, jobs, runs.
fn run_starts(world: &World<'_>) -> Vec<(Value, Vec<Place>)> {
    let model = world.model;
    let ids: BTreeSet<&String> = model.streams.values().flat_map(|s| s.runs.keys()).collect();
    let artifacts = (0..model.datasets.len() + model.jobs.len()).filter_map(|i| artifact_start(world, i));
    artifacts.chain(ids.into_iter().map(|id| (json!({ "run": id }), vec![world.run_place(id)]))).collect()
}

fn field_start(world: &World<'_>, dataset: usize, field: &str) -> Option<(Value, Vec<Place>)> {
    let name = &world.model.datasets[dataset].name;
    let reference = json!({ "field": { "namespace": &*name.namespace, "dataset": &*name.name, "field": field } });
    Some((reference, vec![world.field_place(name, field)?]))
}

fn lineage(world: &World<'_>, from: &Value, places: &[Place], options: Options, as_of: &Value) -> Expected {
    let direction = match options.direction {
        Direction::Upstream => "UPSTREAM",
        Direction::Downstream => "DOWNSTREAM",
        Direction::Both => "BOTH",
    };
    let since = as_of.get("since").filter(|s| !s.is_null());
    let variables = json!({
        "from": from,
        "asOf": { "validAt": as_of["validAt"], "ledgerSize": as_of["ledgerSize"] },
        "options": {
            "direction": direction,
            "depth": options.depth,
            "level": format!("{:?}", options.level).to_uppercase(),
            "maxNodes": options.nodes_max,
            "perNodeLimit": options.per_node_max,
            "collapse": format!("{:?}", options.collapse).to_uppercase(),
            "includeDeleted": options.include_deleted,
            "includeSelfLoops": options.include_self_loops,
            "window": since.map(|since| json!({ "since": since })),
        }
    });
    let unknown = from.as_array().into_iter().flatten().any(|start| hides_start(world, start));
    let answer = if unknown { NOT_FOUND.to_owned() } else { expected(world, &walk(world, places, options), options.level) };
    Expected { question: Question { query: LINEAGE, variables }, answer, level: options.level, walked: Some((places.to_vec(), options)) }
}

/// The same walk, rolled up.
fn rolled_up(world: &World<'_>, asked: Expected) -> Expected {
    let known = asked.walked.as_ref().filter(|_| asked.answer != NOT_FOUND);
    let answer = known.map(|(places, options)| derived::text(&derived::roll_up(world, places, *options)));
    let answer = answer.or(Some(NOT_FOUND.to_owned()));
    Expected { question: Question { query: ROLL_UP, ..asked.question }, answer: answer.unwrap_or_default(), ..asked }
}

/// The same walk, counted.
fn counts(world: &World<'_>, asked: Expected) -> Expected {
    let known = asked.walked.as_ref().filter(|_| asked.answer != NOT_FOUND);
    let answer = known.map(|(places, options)| derived::text(&derived::counts(world, places, *options)));
    let answer = answer.or(Some(NOT_FOUND.to_owned()));
    Expected { question: Question { query: COUNTS, ..asked.question }, answer: answer.unwrap_or_default(), ..asked }
}

fn equal(expected: &str, served: &str, variables: &Value, response: &Value) -> Result<(), String> {
    match difference(expected, served) {
        None => Ok(()),
        Some(lines) => {
            let errors = response.get("errors").map_or(String::new(), |e| format!("\nerrors: {e}"));
            Err(format!("{lines}\nasked: {variables}{errors}\nthe oracle in full:\n{expected}"))
        }
    }
}

fn name_ref(name: &Name) -> Value {
    json!({ "namespace": &*name.namespace, "name": &*name.name })
}

/// Choices that depend on the history alone (SplitMix64 over its digests).
struct Chance(u64);

impl Chance {
    fn stir(&mut self, digest: &[u8; 32]) {
        self.0 = digest.iter().fold(self.0, |h, b| h.wrapping_mul(0x0100_0000_01B3) ^ u64::from(*b));
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % n.max(1) as u64).unwrap_or(0)
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
