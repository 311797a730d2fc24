//! One OpenLineage event as the oracle reads it: straight from its JSON, by
//! names of members only. It shares no code with the server's reader.
use std::collections::BTreeMap;

use ledgerline::domain::{
    assertion::{LifecycleChange, RunState},
    name::Name,
    source::Source,
    time::Micros,
};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// "Latest = greatest (event time, rank, digest)."
pub type Recency = (Micros, u8, [u8; 32]);

/// What an event is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum About {
    /// `runId` as lower-case text.
    Run(String, RunState),
    Job,
    Dataset,
}

/// An event with the source that the token and the producer make together.
#[derive(Clone, Debug)]
pub struct Event {
    pub source: Source,
    pub time: Micros,
    pub digest: [u8; 32],
    pub about: About,
    pub job: Option<Entity>,
    /// Inputs, outputs; `None`: the member is absent.
    pub sides: [Option<Vec<Entity>>; 2],
    pub dataset: Option<Entity>,
    /// Jobs of the `parent` facet and of its root.
    pub ancestors: Vec<Name>,
}

/// A job or a dataset as mentioned by one event.
#[derive(Clone, Debug)]
pub struct Entity {
    pub name: Name,
    pub facets: BTreeMap<String, Value>,
}

/// What `columnLineage` says of one output.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// (output field, input dataset, input field).
    pub pairs: Vec<(String, Name, String)>,
    /// Inputs that influence every field.
    pub whole: Vec<(Name, String)>,
    /// Output fields that the facet has, also those without inputs.
    pub outputs: Vec<String>,
}

impl Event {
    /// Reads a valid event.
    ///
    /// # Panics
    /// For anything that is not valid OpenLineage 2-0-2: the generator makes no such thing.
    pub fn read(integration: &str, json: &Value) -> Self {
        let job = json.get("job").map(Entity::read);
        let side = |member| json.get(member).and_then(Value::as_array).map(|list| list.iter().map(Entity::read).collect());
        let about = match (json.get("run"), &job) {
            (Some(run), _) => {
                let state = RunState::from_word(text(json, "eventType")).expect("a run state");
                About::Run(text(run, "runId").to_lowercase(), state)
            }
            (None, Some(_)) => About::Job,
            (None, None) => About::Dataset,
        };
        let parent = json.pointer("/run/facets/parent");
        let ancestors = ["/job", "/root/job"].iter().filter_map(|path| parent?.pointer(path)).map(name).collect();
        Self {
            source: Source::new(integration, text(json, "producer")),
            time: Micros::read(text(json, "eventTime")).expect("an instant").at,
            digest: Sha256::digest(canonical(json)).into(),
            about,
            job,
            sides: [side("inputs"), side("outputs")],
            dataset: json.get("dataset").map(Entity::read),
            ancestors,
        }
    }

    pub fn recency(&self) -> Recency {
        let rank = match self.about {
            About::Run(_, state) => match state {
                RunState::Start => 1,
                RunState::Running => 2,
                RunState::Other => 3,
                RunState::Abort => 4,
                RunState::Fail => 5,
                RunState::Complete => 6,
            },
            About::Job | About::Dataset => 0,
        };
        (self.time, rank, self.digest)
    }

    /// "…unless its event is FAIL or ABORT."
    pub const fn may_end_lives(&self) -> bool {
        !matches!(self.about, About::Run(_, RunState::Fail | RunState::Abort))
    }

    /// Every dataset the event describes: inputs, outputs, the dataset of a DatasetEvent.
    pub fn datasets(&self) -> impl Iterator<Item = &Entity> {
        self.sides.iter().flatten().flatten().chain(&self.dataset)
    }
}

impl Entity {
    fn read(json: &Value) -> Self {
        let facets = json.get("facets").and_then(Value::as_object);
        Self { name: name(json), facets: facets.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect() }
    }

    /// The lifecycle change, with the previous name where one is given.
    pub fn lifecycle(&self) -> Option<(LifecycleChange, Option<Name>)> {
        let facet = self.facets.get("lifecycleStateChange").filter(|f| !is_deletion(f))?;
        let change = LifecycleChange::ALL.into_iter().find(|c| c.word() == text(facet, "lifecycleStateChange"))?;
        Some((change, facet.get("previousIdentifier").map(name)))
    }
}

/// `_deleted: true`: the facet ends here.
pub fn is_deletion(facet: &Value) -> bool {
    facet.get("_deleted") == Some(&Value::Bool(true))
}

/// Columns of a `schema` facet, nested ones as dotted paths beside their parents.
pub fn columns(facet: &Value) -> Vec<String> {
    fn walk(fields: Option<&Value>, prefix: &str, into: &mut Vec<String>) {
        for field in fields.and_then(Value::as_array).into_iter().flatten() {
            let path = format!("{prefix}{}", text(field, "name"));
            walk(field.get("fields"), &format!("{path}."), into);
            into.push(path);
        }
    }
    let mut found = Vec::new();
    walk(facet.get("fields"), "", &mut found);
    found
}

/// Identifiers of a `symlinks` facet; `true` for locations.
pub fn identifiers(facet: &Value) -> Vec<(Name, bool)> {
    let list = facet.get("identifiers").and_then(Value::as_array);
    list.into_iter().flatten().map(|i| (name(i), i.get("type").and_then(Value::as_str) == Some("LOCATION"))).collect()
}

/// A `columnLineage` facet.
pub fn column_lineage(facet: &Value) -> Columns {
    let inputs = |list: Option<&Value>| -> Vec<(Name, String)> {
        list.and_then(Value::as_array).into_iter().flatten().map(|i| (name(i), text(i, "field").to_owned())).collect()
    };
    let mut read = Columns { whole: inputs(facet.get("dataset")), ..Columns::default() };
    for (field, says) in facet.get("fields").and_then(Value::as_object).into_iter().flatten() {
        read.outputs.push(field.clone());
        read.pairs.extend(inputs(says.get("inputFields")).into_iter().map(|(dataset, input)| (field.clone(), dataset, input)));
    }
    read
}

fn text<'a>(json: &'a Value, member: &str) -> &'a str {
    json.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn name(json: &Value) -> Name {
    Name::new(text(json, "namespace"), text(json, "name"))
}

/// The canonical event: keys sorted, nothing between the tokens.
fn canonical(json: &Value) -> String {
    fn write(json: &Value, out: &mut String) {
        match json {
            Value::Object(members) => {
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(b.0));
                out.push('{');
                for (i, (key, value)) in sorted.into_iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    out.push_str(&Value::from(key.as_str()).to_string());
                    out.push(':');
                    write(value, out);
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i > 0 { "," } else { "" });
                    write(item, out);
                }
                out.push(']');
            }
            plain => out.push_str(&plain.to_string()),
        }
    }
    let mut out = String::new();
    write(json, &mut out);
    out
}
