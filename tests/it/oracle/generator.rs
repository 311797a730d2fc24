//! Small worlds that go wrong in every way the design names: a few datasets, jobs,
//! runs and sources, events whose times tie and whose order of arrival is free.
//! A history is made of plain numbers first ([`Step`]), so that shrinking drops
//! steps and members, and is then written as OpenLineage 2-0-2.
use ledgerline::domain::time::{MINUTE, Micros};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Map, Value, json};

/// What is sent: (integration, event), in order of arrival.
pub type History = Vec<(String, Value)>;

/// 2026-01-05T08:00:00Z: events lie up to half an hour after it.
pub const BASE: Micros = Micros(1_767_600_000_000_000);

/// Tables, one more name of tables, and two locations.
const NAMES: [(&str, &str); 8] = [
    ("postgres://db:5432", "shop.public.orders"),
    ("postgres://db:5432", "shop.public.customers"),
    ("s3://lake", "warehouse/orders daily"),
    ("s3://lake", "größe/☂"),
    ("bigquery", "shop.report"),
    ("hive://metastore:9083", "default.alias"),
    ("s3://lake", "shared"),
    ("file", "/shared/other"),
];
const TABLES: u8 = 5;
const JOBS: [&str; 3] = ["load", "daily.transform", "report: weekly"];
const COLUMNS: [&str; 4] = ["id", "amount", "email", "address"];

/// One event in numbers. Smaller is simpler.
#[derive(Clone, Debug)]
pub struct Step {
    /// Two-minute steps after [`BASE`].
    time: u8,
    /// Where in the order of arrival; equal ones keep their order.
    arrival: u8,
    source: u8,
    /// Of the producer; from 2 on the runId is spelt in capitals.
    version: u8,
    /// How often the identical event is sent again, right after and at the end.
    again: u8,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Run { run: u8, state: u8, sides: [Side; 2], parent: bool },
    Job { job: u8, sides: [Side; 2] },
    Dataset(Mention),
}

type Side = Option<Vec<Mention>>;

#[derive(Clone, Debug)]
struct Mention {
    dataset: u8,
    lifecycle: Option<Change>,
    symlinks: Option<Vec<(u8, bool)>>,
    /// `None`: no facet; 0: `_deleted`; else a set of columns.
    schema: Option<u8>,
    columns: Option<Lineage>,
    /// `Some(0)`: deleted.
    note: Option<u8>,
}

#[derive(Clone, Debug)]
enum Change {
    Harmless(u8),
    Drop,
    Rename(u8),
}

#[derive(Clone, Debug)]
struct Lineage {
    deleted: bool,
    /// (output column, dataset, column, masking).
    pairs: Vec<(u8, u8, u8, bool)>,
    whole: Option<(u8, u8)>,
}

fn mention() -> impl Strategy<Value = Mention> {
    let dataset = prop_oneof![12 => 0..TABLES, 1 => TABLES..8];
    let lifecycle =
        prop_oneof![2 => (0..4u8).prop_map(Change::Harmless), 2 => Just(Change::Drop), 3 => (0..TABLES).prop_map(Change::Rename)];
    let link =
        prop_oneof![3 => (0..TABLES + 1).prop_map(|d| (d, false)), 4 => (6..8u8).prop_map(|d| (d, true)), 1 => (0..8u8, any::<bool>())];
    let lineage =
        (prop::bool::weighted(0.1), vec((0..4u8, 0..TABLES, 0..4u8, any::<bool>()), 0..5), option::weighted(0.3, (0..TABLES, 0..4u8)));
    (
        dataset,
        option::weighted(0.2, lifecycle),
        option::weighted(0.15, vec(link, 0..3)),
        option::weighted(0.35, prop_oneof![1 => Just(0u8), 5 => 1..16u8, 4 => Just(15u8)]),
        option::weighted(0.7, lineage.prop_map(|(deleted, pairs, whole)| Lineage { deleted, pairs, whole })),
        option::weighted(0.15, 0..3u8),
    )
        .prop_map(|(dataset, lifecycle, symlinks, schema, columns, note)| Mention {
            dataset,
            lifecycle,
            symlinks,
            schema,
            columns,
            note,
        })
}

fn side() -> impl Strategy<Value = Side> {
    option::weighted(0.85, prop_oneof![1 => Just(Vec::new()), 6 => vec(mention(), 1..4)])
}

fn step() -> impl Strategy<Value = Step> {
    let sides = || [side(), side()];
    let state = prop_oneof![3 => Just(5u8), 1 => 0..6u8];
    let what = prop_oneof![
        8 => (0..6u8, state, sides(), prop::bool::weighted(0.1)).prop_map(|(run, state, sides, parent)| What::Run { run, state, sides, parent }),
        2 => (0..3u8, sides()).prop_map(|(job, sides)| What::Job { job, sides }),
        2 => mention().prop_map(What::Dataset),
    ];
    let source = prop_oneof![6 => Just(0u8), 2 => Just(1), 1 => Just(2)];
    let again = prop_oneof![9 => Just(0u8), 1 => 1..3u8];
    (0..16u8, prop_oneof![3 => Just(0u8), 1 => any::<u8>()], source, 0..3u8, again, what)
        .prop_map(|(time, arrival, source, version, again, what)| Step { time, arrival, source, version, again, what })
}

/// Histories of up to `most` different events.
pub fn histories(most: usize) -> impl Strategy<Value = History> {
    vec(step(), 1..=most).prop_map(|steps| write(&steps))
}

/// The same history for the same seed, on every machine.
pub fn seeded(seed: u64, most: usize) -> History {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    write(&vec(step(), most..=most).new_tree(&mut runner).expect("steps need no filter").current())
}

/// Writes steps as events, in order of arrival, repetitions included.
fn write(steps: &[Step]) -> History {
    let mut ordered: Vec<&Step> = steps.iter().collect();
    ordered.sort_by_key(|s| s.arrival);
    let (mut history, mut late) = (History::new(), History::new());
    for step in ordered {
        let sent = (["alpha", "beta", "alpha"][usize::from(step.source)].to_owned(), step.event());
        late.extend((step.again > 1).then(|| sent.clone()));
        history.extend((step.again > 0).then(|| sent.clone()));
        history.push(sent);
    }
    history.extend(late);
    history
}

impl Step {
    fn producer(&self) -> String {
        let tool = ["etl", "etl", "scheduler"][usize::from(self.source)];
        format!("https://git.example/tools/tree/1.{}.0/{tool}", self.version)
    }

    fn event(&self) -> Value {
        let mut event = Map::new();
        let time = Micros(BASE.0 + i64::from(self.time) * 2 * MINUTE).rfc3339();
        let def = match &self.what {
            What::Run { run, state, sides, parent } => {
                let id = |n: u8| format!("0193a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a{n:02x}");
                let id_spelt = if self.version > 1 { id(*run).to_uppercase() } else { id(*run) };
                let word = ["START", "RUNNING", "OTHER", "ABORT", "FAIL", "COMPLETE"][usize::from(*state)];
                event.insert("eventType".into(), word.into());
                let mut facets = Map::new();
                if *parent {
                    let job = |n: usize| json!({ "namespace": "orchestrator", "name": format!("dag {n}") });
                    let root = json!({ "run": { "runId": id(0x21) }, "job": job(1) });
                    let body = json!({ "run": { "runId": id(0x20) }, "job": job(0), "root": root });
                    facets.insert("parent".into(), self.facet("1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet", body));
                }
                event.insert("run".into(), json!({ "runId": id_spelt, "facets": facets }));
                // A runId belongs to one job, as in OpenLineage.
                self.write_job(&mut event, *run % 3, sides);
                "RunEvent"
            }
            What::Job { job, sides } => {
                self.write_job(&mut event, *job, sides);
                "JobEvent"
            }
            What::Dataset(mention) => {
                let alone = Mention { columns: None, ..mention.clone() };
                event.insert("dataset".into(), self.dataset(&alone));
                "DatasetEvent"
            }
        };
        event.insert("eventTime".into(), time.into());
        event.insert("producer".into(), self.producer().into());
        event.insert("schemaURL".into(), format!("https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/{def}").into());
        Value::Object(event)
    }

    fn write_job(&self, event: &mut Map<String, Value>, job: u8, sides: &[Side; 2]) {
        let note = json!({ "description": format!("as of version {}", self.version) });
        let facets = json!({ "documentation": self.facet("1-1-0/DocumentationJobFacet.json#/$defs/DocumentationJobFacet", note) });
        event.insert("job".into(), json!({ "namespace": "jobs", "name": JOBS[usize::from(job)], "facets": facets }));
        let mut described = Vec::new();
        // Outputs first: a dataset that stands on both sides has its facets once.
        for (member, side) in [("outputs", &sides[1]), ("inputs", &sides[0])] {
            let Some(mentions) = side else { continue };
            let mut written = Vec::new();
            for mention in mentions {
                let bare = Mention { dataset: mention.dataset, lifecycle: None, symlinks: None, schema: None, columns: None, note: None };
                if written.iter().any(|(d, _)| *d == mention.dataset) {
                    continue;
                }
                let input = Mention { columns: None, ..mention.clone() };
                let mention = if described.contains(&mention.dataset) {
                    &bare
                } else if member == "inputs" {
                    &input
                } else {
                    mention
                };
                described.push(mention.dataset);
                written.push((mention.dataset, self.dataset(mention)));
            }
            event.insert(member.into(), written.into_iter().map(|(_, json)| json).collect());
        }
    }

    fn dataset(&self, mention: &Mention) -> Value {
        let mut facets = Map::new();
        let mut put = |name: &str, def: &str, body: Value| facets.insert(name.to_owned(), self.facet(def, body));
        let identifier = |d: u8| json!({ "namespace": NAMES[usize::from(d)].0, "name": NAMES[usize::from(d)].1 });
        if let Some(schema) = mention.schema {
            put("schema", "1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet", schema_body(schema));
        }
        if let Some(lineage) = &mention.columns {
            put("columnLineage", "1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet", lineage_body(lineage));
        }
        if let Some(links) = &mention.symlinks {
            let links: Vec<Value> = links
                .iter()
                .filter(|(d, _)| *d != mention.dataset)
                .map(|(d, location)| {
                    let (namespace, name) = NAMES[usize::from(*d)];
                    json!({ "namespace": namespace, "name": name, "type": if *location { "LOCATION" } else { "TABLE" } })
                })
                .collect();
            // No identifier is a way to withdraw, and so is a deletion.
            let body = if links.is_empty() && self.version > 0 { json!({ "_deleted": true }) } else { json!({ "identifiers": links }) };
            put("symlinks", "1-0-1/SymlinksDatasetFacet.json#/$defs/SymlinksDatasetFacet", body);
        }
        if let Some(change) = &mention.lifecycle {
            let body = match change {
                Change::Harmless(n) => json!({ "lifecycleStateChange": (["ALTER", "CREATE", "OVERWRITE", "TRUNCATE"][usize::from(*n)]) }),
                Change::Drop => json!({ "lifecycleStateChange": "DROP" }),
                Change::Rename(from) => {
                    let previous = if *from == mention.dataset { (*from + 1) % TABLES } else { *from };
                    json!({ "lifecycleStateChange": "RENAME", "previousIdentifier": identifier(previous) })
                }
            };
            put("lifecycleStateChange", "1-0-1/LifecycleStateChangeDatasetFacet.json#/$defs/LifecycleStateChangeDatasetFacet", body);
        }
        if let Some(note) = mention.note {
            let body =
                if note == 0 { json!({ "_deleted": true, "description": "" }) } else { json!({ "description": format!("note {note}") }) };
            put("documentation", "1-1-0/DocumentationDatasetFacet.json#/$defs/DocumentationDatasetFacet", body);
        }
        let mut dataset = identifier(mention.dataset);
        dataset["facets"] = Value::Object(facets);
        dataset
    }

    fn facet(&self, def: &str, body: Value) -> Value {
        let mut facet = json!({ "_producer": self.producer(), "_schemaURL": format!("https://openlineage.io/spec/facets/{def}") });
        if let (Value::Object(facet), Value::Object(body)) = (&mut facet, body) {
            facet.extend(body);
        }
        facet
    }
}

fn schema_body(set: u8) -> Value {
    if set == 0 {
        return json!({ "_deleted": true });
    }
    let field = |i: usize| match COLUMNS[i] {
        "address" => json!({ "name": "address", "type": "STRUCT", "fields": [{ "name": "city", "type": "VARCHAR" }] }),
        plain => json!({ "name": plain, "type": "VARCHAR" }),
    };
    json!({ "fields": (0..COLUMNS.len()).filter(|i| set & 1 << i != 0).map(field).collect::<Vec<_>>() })
}

fn lineage_body(lineage: &Lineage) -> Value {
    if lineage.deleted {
        return json!({ "_deleted": true, "fields": {} });
    }
    let column = |c: u8| if c == 3 { "address.city" } else { COLUMNS[usize::from(c)] };
    let input = |d: u8, c: u8, transformation: Value| {
        let (namespace, name) = NAMES[usize::from(d)];
        json!({ "namespace": namespace, "name": name, "field": column(c), "transformations": [transformation] })
    };
    let mut fields = Map::new();
    for (to, dataset, from, masking) in &lineage.pairs {
        let how = json!({ "type": "DIRECT", "subtype": "TRANSFORMATION", "description": "", "masking": masking });
        let says = fields.entry(column(*to)).or_insert_with(|| json!({ "inputFields": [] }));
        if let Some(list) = says["inputFields"].as_array_mut() {
            list.push(input(*dataset, *from, how));
        }
    }
    let whole = lineage.whole.map(|(d, c)| input(d, c, json!({ "type": "INDIRECT", "subtype": "FILTER" })));
    json!({ "fields": fields, "dataset": whole.into_iter().collect::<Vec<_>>() })
}
