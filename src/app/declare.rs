//! Declarations: what people and programs state that no integration reports.
//! Each is written as the lineage event that it amounts to, cut, sealed and
//! projected like those that are sent, under an event type of its own.
use std::sync::Arc;

use serde_json::{Map, Value, json};

pub use super::retry::RetryKey;
use super::{App, AppError, Code, Receipt, ingest::receipt, ingest::refused};
use crate::{
    access::{Action, Principal},
    domain::{
        assertion::Digest,
        canonical_json,
        catalog::{ArtifactFacts, ArtifactRef},
        declared::{self, DEFINITION, Declared, DeclaredAct, Retry},
        kind::ArtifactKind,
        lineage::{AsOf, NodeKey},
        name::Name,
        time::Micros,
    },
    interop::openlineage,
    store::{
        Snapshot,
        write::{Act, DuplicateKey},
    },
};

/// The longest reason, in bytes.
const REASON_BYTES_MAX: usize = 4096;
/// The most owners, tags or flows of one declaration.
const LIST_MAX: usize = 1000;
/// The greatest integer that every JSON reader takes for what it is.
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// What is stated.
#[derive(Clone, Debug)]
pub enum Declaration {
    /// There is this artifact, defined so.
    Register { kind: ArtifactKind, name: Name, definition: Map<String, Value> },
    /// It is defined so from now on.
    Version { artifact: ArtifactRef, definition: Map<String, Value> },
    /// These are responsible; nobody else is declared to be.
    Owners { artifact: ArtifactRef, owners: Vec<DeclaredOwner> },
    /// It has these tags; no other is declared.
    Tags { artifact: ArtifactRef, tags: Vec<DeclaredTag> },
    /// The job reads and writes these, beside what was declared before.
    Flows { job: Name, inputs: Vec<Name>, outputs: Vec<Name>, owner: String, review_at: Micros },
    /// It no longer reads, or writes, this one.
    EndFlow { job: Name, dataset: Name, output: bool },
    /// Its life ends.
    Retire { artifact: ArtifactRef },
}

/// Somebody responsible, named as people name them; kept as a handle.
#[derive(Clone, Debug)]
pub struct DeclaredOwner {
    pub name: String,
    pub role: Option<String>,
}

/// A tag on an artifact, or on one of its columns.
#[derive(Clone, Debug)]
pub struct DeclaredTag {
    pub key: String,
    pub value: String,
    pub field: Option<String>,
}

impl Declaration {
    const fn act(&self) -> DeclaredAct {
        match self {
            Self::Register { .. } => DeclaredAct::ArtifactRegistered,
            Self::Version { .. } => DeclaredAct::VersionRecorded,
            Self::Owners { .. } => DeclaredAct::OwnersSet,
            Self::Tags { .. } => DeclaredAct::TagsSet,
            Self::Flows { .. } => DeclaredAct::FlowsAsserted,
            Self::EndFlow { .. } => DeclaredAct::FlowEnded,
            Self::Retire { .. } => DeclaredAct::ArtifactRetired,
        }
    }

    const fn action(&self) -> Action {
        match self {
            Self::EndFlow { .. } | Self::Retire { .. } => Action::CorrectCatalog,
            _ => Action::DeclareCatalog,
        }
    }
}

/// Why, and under which `Idempotency-Key`.
#[derive(Clone, Debug)]
pub struct Statement {
    pub reason: String,
    pub retry: Option<RetryKey>,
}

/// What a declaration is about, once that is known.
pub(super) struct Target {
    pub(super) kind: ArtifactKind,
    pub(super) name: Name,
    pub(super) facts: Option<ArtifactFacts>,
}

/// How a declaration is written down.
pub(super) struct Written<'a> {
    pub(super) reason: &'a str,
    pub(super) retry: Option<Retry>,
    /// When it holds from.
    pub(super) at: Micros,
    /// When it was stated.
    pub(super) now: Micros,
}

impl App {
    /// Records a declaration.
    ///
    /// # Errors
    /// `FORBIDDEN`, `BAD_USER_INPUT`, `NOT_FOUND` (an artifact or flow that is not
    /// known), `CONFLICT` (it is so already; the artifact is retired; the
    /// `Idempotency-Key` was given with something else), `UNAVAILABLE`.
    pub async fn declare(&self, by: &Arc<Principal>, what: Declaration, statement: Statement) -> Result<Receipt, AppError> {
        let now = self.ambient.clock.now();
        self.permit(by, what.action(), now, &[])?;
        check(&what, &statement, now)?;
        // Held until the entry is committed: the next one sees it.
        let _turn = self.declaring.lock().await;
        let _preparing = self.preparing.read().await;
        let snapshot = self.store.snapshot().await?;
        let now = self.ambient.clock.now();
        // What the caller may not see is unknown here too.
        let target = target(&*self.store.snapshot_for(self.sight(by)).await?, &what, now).await?;
        let mut namespaces: Vec<&str> = vec![&target.name.namespace];
        match &what {
            Declaration::Flows { inputs, outputs, .. } => namespaces.extend(inputs.iter().chain(outputs).map(|n| &*n.namespace)),
            Declaration::EndFlow { dataset, .. } => namespaces.push(&dataset.namespace),
            _ => {}
        }
        self.permit(by, what.action(), now, &namespaces)?;

        let retry = self.retry(by.actor, statement.retry.as_ref(), &request(&what, &target, &statement.reason));
        if let Some(first) = self.first_act(&*snapshot, retry.as_ref()).await? {
            return Ok(first.receipt);
        }

        possible(&what, &target)?;
        let written = Written { reason: &statement.reason, retry, at: now, now };
        let act = self.declared_act(by, &*snapshot, &what, &target, &written).await?;
        Ok(receipt(&self.sequencer.submit(act).await?))
    }

    /// A declaration as an act: the event that it amounts to, cut and sealed.
    ///
    /// # Errors
    /// As [`Self::declare`].
    pub(super) async fn declared_act(
        &self,
        by: &Principal,
        snapshot: &dyn Snapshot,
        what: &Declaration,
        target: &Target,
        written: &Written<'_>,
    ) -> Result<Act, AppError> {
        let Written { reason, retry, at, now } = *written;
        let mut facets = Map::new();
        let mut event = Map::new();
        self.state(snapshot, what, target, &mut facets, &mut event).await?;
        let subject = if what.act().is_about_flows() { "job" } else { "dataset" };
        event.insert(subject.into(), json!({"facets": facets, "name": &*target.name.name, "namespace": &*target.name.namespace}));
        event.insert("eventTime".into(), at.rfc3339().into());
        event.insert("producer".into(), declared::DECLARED.into());
        event.insert("ledgerline".into(), json!({"reason": reason}));
        let body = canonical_json::write(&Value::Object(event));
        if body.len() > self.limits.event_bytes_max {
            return Err(AppError::new(Code::TooLarge, "the declaration is longer than an event may be").at("input"));
        }
        let reading = openlineage::read(&body, now).map_err(|r| AppError { pointer: Some("input".to_owned()), ..refused(r) })?;
        let handles = self.handles(by, reading.people())?;
        let (owner, review_at) = match what {
            Declaration::Flows { owner, review_at, .. } => {
                let place = reading.people().iter().position(|p| *p.value == **owner);
                (place.and_then(|i| handles.get(i)).copied(), Some(*review_at))
            }
            _ => (None, None),
        };
        let declared = Declared { act: what.act(), kind: target.kind, retry, owner, review_at };
        let cut = reading.cut_as(Some(declared), Some(by.actor), &declared::source(), &handles);
        if let (Declaration::Version { .. }, Some(facts)) = (what, &target.facts) {
            let new = cut.assertion.dataset.iter().flat_map(|e| &e.facets).find(|f| &*f.name == DEFINITION).map(|f| f.digest);
            if definition_of(facts).is_some_and(|d| Some(d) == new) {
                return Err(AppError::new(Code::Conflict, "the version in force has this very definition").at("input.definition"));
            }
        }
        self.seal(by, now, retry.map(|r| DuplicateKey::of_retry(&r.key)), cut).map_err(|e| self.vault_error(e))
    }

    /// What the event says of its subject.
    async fn state(
        &self,
        snapshot: &dyn Snapshot,
        what: &Declaration,
        target: &Target,
        facets: &mut Map<String, Value>,
        event: &mut Map<String, Value>,
    ) -> Result<(), AppError> {
        let names = |list: &[Name]| -> Value {
            list.iter().map(|n| json!({"name": &*n.name, "namespace": &*n.namespace})).collect::<Vec<_>>().into()
        };
        match what {
            Declaration::Register { definition, .. } | Declaration::Version { definition, .. } => {
                facets.insert(DEFINITION.into(), Value::Object(definition.clone()));
            }
            Declaration::Owners { owners, .. } => {
                let one = |o: &DeclaredOwner| match &o.role {
                    Some(role) => json!({"name": o.name, "type": role}),
                    None => json!({"name": o.name}),
                };
                facets.insert("ownership".into(), json!({"owners": owners.iter().map(one).collect::<Vec<_>>()}));
            }
            Declaration::Tags { tags, .. } => {
                let one = |t: &DeclaredTag| match &t.field {
                    Some(field) => json!({"field": field, "key": t.key, "value": t.value}),
                    None => json!({"key": t.key, "value": t.value}),
                };
                facets.insert("tags".into(), json!({"tags": tags.iter().map(one).collect::<Vec<_>>()}));
            }
            Declaration::Flows { inputs, outputs, owner, review_at, .. } => {
                let current = snapshot.declared_flows(job_id(self, &target.name)).await?;
                for (member, stated, mut all) in [("inputs", inputs, current.inputs), ("outputs", outputs, current.outputs)] {
                    if !stated.is_empty() {
                        all.extend(stated.iter().cloned());
                        all.sort();
                        all.dedup();
                        event.insert(member.into(), names(&all));
                    }
                }
                facets.insert("ledgerline_declaration".into(), json!({"owner": owner, "reviewAt": review_at.rfc3339()}));
            }
            Declaration::EndFlow { dataset, output, .. } => {
                let current = snapshot.declared_flows(job_id(self, &target.name)).await?;
                let (member, mut all) = if *output { ("outputs", current.outputs) } else { ("inputs", current.inputs) };
                let before = all.len();
                all.retain(|n| n != dataset);
                if all.len() == before {
                    let message = "no such flow is declared; what an integration reports ends by what it reports";
                    return Err(AppError::new(Code::NotFound, message).at("input.dataset"));
                }
                event.insert(member.into(), names(&all));
            }
            Declaration::Retire { .. } => {
                facets.insert("lifecycleStateChange".into(), json!({"lifecycleStateChange": "DROP"}));
            }
        }
        Ok(())
    }
}

fn job_id(app: &App, job: &Name) -> crate::domain::id::NodeId {
    app.identity.secret.node_id(ArtifactKind::Job, job)
}

/// What can be said without looking at anything.
fn check(what: &Declaration, statement: &Statement, now: Micros) -> Result<(), AppError> {
    let wrong = |message: &str, at: &str| Err(AppError::bad_input(message).at(at));
    check_reason(&statement.reason)?;
    let too_many = |count: usize, at: &str| match count {
        0..=LIST_MAX => Ok(()),
        _ => Err(AppError::bad_input(format!("there are {count}, at most {LIST_MAX} are taken at once")).at(at)),
    };
    match what {
        Declaration::Register { kind, definition, .. } => {
            if matches!(kind, ArtifactKind::Field | ArtifactKind::Run) {
                return wrong("fields and runs are not registered; datasets and jobs have them", "input.artifact.kind");
            }
            check_definition(definition)
        }
        Declaration::Version { definition, .. } => check_definition(definition),
        Declaration::Owners { owners, .. } => {
            if owners.iter().any(|o| !o.name.chars().any(char::is_alphanumeric)) {
                return wrong("an owner has a name, with a letter or digit in it", "input.owners");
            }
            too_many(owners.len(), "input.owners")
        }
        Declaration::Tags { tags, .. } => {
            if tags.iter().any(|t| t.key.trim().is_empty()) {
                return wrong("a tag has a key", "input.tags");
            }
            too_many(tags.len(), "input.tags")
        }
        Declaration::Flows { inputs, outputs, owner, review_at, .. } => {
            if inputs.is_empty() && outputs.is_empty() {
                return wrong("a declaration of flows names at least one input or output", "input.inputs");
            }
            if !owner.chars().any(char::is_alphanumeric) {
                return wrong("somebody vouches for declared flows: a name, with a letter or digit in it", "input.owner");
            }
            if *review_at <= now {
                return wrong("the date of the review is in the past", "input.reviewAt");
            }
            too_many(inputs.len() + outputs.len(), "input.inputs")
        }
        Declaration::EndFlow { .. } | Declaration::Retire { .. } => Ok(()),
    }
}

/// Why something is done.
pub(super) fn check_reason(reason: &str) -> Result<(), AppError> {
    let wrong = |message: &str| Err(AppError::bad_input(message).at("input.reason"));
    if reason.trim().is_empty() {
        return wrong("every declaration needs a reason");
    }
    if reason.len() > REASON_BYTES_MAX {
        return wrong("the reason is longer than 4096 bytes");
    }
    Ok(())
}

/// A definition has one canonical form, and is not read as something else.
fn check_definition(definition: &Map<String, Value>) -> Result<(), AppError> {
    fn exact(value: &Value) -> bool {
        match value {
            Value::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(n), _) => n.unsigned_abs() <= INTEGER_MAX,
                (None, Some(_)) => false,
                (None, None) => true,
            },
            Value::Array(items) => items.iter().all(exact),
            Value::Object(members) => members.values().all(exact),
            _ => true,
        }
    }
    if definition.contains_key("_deleted") {
        return Err(AppError::bad_input("`_deleted` would end the definition; use another name").at("input.definition"));
    }
    if !definition.values().all(exact) {
        let message = "an integer beyond 2^53 - 1 has no canonical form (RFC 8785); write it as a string";
        return Err(AppError::bad_input(message).at("input.definition"));
    }
    Ok(())
}

/// What it is about.
async fn target(snapshot: &dyn Snapshot, what: &Declaration, now: Micros) -> Result<Target, AppError> {
    let as_of = AsOf { valid_at: now, size: snapshot.head().size };
    let find = async |r: ArtifactRef| -> Result<Option<ArtifactFacts>, AppError> {
        let Some(key) = snapshot.resolve(&[r], as_of.size).await?.pop().flatten() else { return Ok(None) };
        if matches!(key, NodeKey::Field(..)) {
            return Err(AppError::bad_input("a column is part of its dataset; name the dataset").at("input.artifact"));
        }
        Ok(snapshot.artifacts(&[key], as_of).await?.pop().flatten())
    };
    match what {
        Declaration::Register { kind, name, .. } => {
            let facts = find(ArtifactRef::Named(*kind, name.clone())).await?;
            Ok(Target { kind: *kind, name: name.clone(), facts })
        }
        Declaration::Flows { job, .. } | Declaration::EndFlow { job, .. } => {
            Ok(Target { kind: ArtifactKind::Dataset, name: job.clone(), facts: None })
        }
        Declaration::Version { artifact, .. }
        | Declaration::Owners { artifact, .. }
        | Declaration::Tags { artifact, .. }
        | Declaration::Retire { artifact } => {
            let Some(facts) = find(artifact.clone()).await? else {
                return Err(AppError::new(Code::NotFound, "no entry names this artifact").at("input.artifact"));
            };
            Ok(Target { kind: facts.kind, name: facts.name.clone(), facts: Some(facts) })
        }
    }
}

/// Whether the act makes sense as things stand.
fn possible(what: &Declaration, target: &Target) -> Result<(), AppError> {
    let conflict = |message: &str| Err(AppError::new(Code::Conflict, message).at("input.artifact"));
    let Some(facts) = &target.facts else { return Ok(()) };
    match (what, facts.deleted_at) {
        (Declaration::Register { .. }, None) if definition_of(facts).is_some() => {
            conflict("the artifact is registered; record a new version of it")
        }
        (Declaration::Register { .. }, _) | (_, None) => Ok(()),
        (Declaration::Retire { .. }, Some(_)) => conflict("the artifact is not alive any more"),
        (_, Some(_)) => conflict("the artifact is not alive any more; register it anew"),
    }
}

/// The hash of the declared definition in force.
fn definition_of(facts: &ArtifactFacts) -> Option<Digest> {
    let source = declared::source();
    facts.facets.iter().find(|f| &*f.name == DEFINITION && *f.source == source).map(|f| f.digest)
}

/// What a retry must repeat.
fn request(what: &Declaration, target: &Target, reason: &str) -> Vec<u8> {
    let name = |n: &Name| json!([&*n.namespace, &*n.name]);
    let names = |list: &[Name]| list.iter().map(name).collect::<Vec<_>>();
    let said = match what {
        Declaration::Register { definition, .. } | Declaration::Version { definition, .. } => Value::Object(definition.clone()),
        Declaration::Owners { owners, .. } => owners.iter().map(|o| json!([o.name, o.role])).collect::<Vec<_>>().into(),
        Declaration::Tags { tags, .. } => tags.iter().map(|t| json!([t.key, t.value, t.field])).collect::<Vec<_>>().into(),
        Declaration::Flows { inputs, outputs, owner, review_at, .. } => {
            json!([names(inputs), names(outputs), owner, review_at.rfc3339()])
        }
        Declaration::EndFlow { dataset, output, .. } => json!([name(dataset), output]),
        Declaration::Retire { .. } => Value::Null,
    };
    canonical_json::write(&json!([what.act().event_type(), target.kind.word(), name(&target.name), said, reason]))
}
