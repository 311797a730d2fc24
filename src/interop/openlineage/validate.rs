//! From bytes to a [`Reading`], or to the reason why not: the specification of
//! OpenLineage 2-0-2, and what older versions and real producers make of it.
use std::{borrow::Cow, ops::Range};

use sha2::{Digest as _, Sha256};

use super::{
    canonical::canonical,
    facets::{self, shape, shape::Shape},
    people::{PEOPLE_MAX, PERSON_BYTES_MAX, PersonValue, Search},
    reading::{EntityAt, FacetAt, OwnerAt, Reading, RunAt},
    refusal::{Refusal, RefusalKind, WARNINGS_MAX, Warning, code, push_pointer},
    tape::{Doc, Id, Kind},
    vocabulary::{self, FacetRule},
};
use crate::domain::{
    assertion::{Lifecycle, LifecycleChange, ParentRun, RunState, Subject},
    name::NAME_BYTES_MAX,
    time::{DAY, Micros},
};

/// Reads one lineage event. `now` bounds its time: nothing is taken that says it
/// happens more than a day after it.
///
/// # Errors
/// A [`Refusal`] that says where and why. Nothing is taken in part.
pub fn read(body: &[u8], now: Micros) -> Result<Reading<'_>, Refusal> {
    let doc = Doc::scan(body)?;
    // Every object is walked here, so repeated keys show.
    let digest = Sha256::digest(canonical(&doc, 0, &[])?).into();
    let mut v = Validator { doc: &doc, now, warnings: Vec::new(), kept: Vec::new(), ruled: Vec::new() };
    let envelope = v.envelope()?;
    let subject = v.subject(&envelope)?;
    let time = v.event_time(&envelope)?;
    let producer = v.producer(&envelope)?;
    let run = match &subject {
        Subject::Run { .. } => envelope.run.map(|id| v.run(id)).transpose()?,
        _ => None,
    };
    let is_dataset_event = matches!(subject, Subject::Dataset);
    let job = if is_dataset_event { None } else { envelope.job.map(|id| v.entity(id, Role::Job)).transpose()? };
    let inputs = if is_dataset_event { None } else { v.side(envelope.inputs, Role::Input)? };
    let outputs = if is_dataset_event { None } else { v.side(envelope.outputs, Role::Output)? };
    let dataset = if is_dataset_event { envelope.dataset.map(|id| v.entity(id, Role::Dataset)).transpose()? } else { None };
    let people = v.people()?;
    let warnings = v.warnings;
    Ok(Reading { doc, subject, time, producer, canonical: digest, run, job, inputs, outputs, dataset, people, warnings })
}

/// The event's own members that are there and not `null`.
#[derive(Default)]
struct Envelope {
    event_type: Option<Id>,
    event_time: Option<Id>,
    producer: Option<Id>,
    run: Option<Id>,
    job: Option<Id>,
    inputs: Option<Id>,
    outputs: Option<Id>,
    dataset: Option<Id>,
}

/// What an entity is in its event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Job,
    Dataset,
    Input,
    Output,
}

impl Role {
    const fn noun(self) -> &'static str {
        if matches!(self, Self::Job) { "job" } else { "dataset" }
    }
}

struct Validator<'d, 'a> {
    doc: &'d Doc<'a>,
    now: Micros,
    warnings: Vec<Warning>,
    /// Node ranges that are not searched for e-mail addresses: what goes to `core`,
    /// and facets that the vocabulary lists.
    kept: Vec<Range<Id>>,
    /// Facets in which the vocabulary names people.
    ruled: Vec<(Id, &'static FacetRule)>,
}

impl<'a> Validator<'_, 'a> {
    fn envelope(&mut self) -> Result<Envelope, Refusal> {
        if self.doc.kind(0) != Kind::Object {
            return Err(self.invalid(0, format!("an event is an object, not {}", self.doc.kind(0).word())));
        }
        let mut e = Envelope::default();
        let mut schema_url = None;
        let mut unknown = Vec::new();
        for (key, value) in self.doc.members(0) {
            let slot = match self.doc.lossy(key).as_ref() {
                "eventType" => &mut e.event_type,
                "eventTime" => &mut e.event_time,
                "producer" => &mut e.producer,
                "schemaURL" => &mut schema_url,
                "run" => &mut e.run,
                "job" => &mut e.job,
                "inputs" => &mut e.inputs,
                "outputs" => &mut e.outputs,
                "dataset" => &mut e.dataset,
                _ => {
                    unknown.push(value);
                    continue;
                }
            };
            if self.doc.kind(value) == Kind::Null {
                self.warn(code::MEMBER_NULL, value, "null was read as if the member were not there");
            } else {
                *slot = Some(value);
            }
        }
        match schema_url {
            Some(id) if self.doc.kind(id) == Kind::String => self.keep(id),
            Some(id) => return Err(self.wrong_type(id, "`schemaURL`", "a string")),
            None => self.warn_missing(code::SCHEMA_URL_MISSING, 0, "schemaURL", "the kind of event was told by its members"),
        }
        let design_time = e.run.is_none();
        if design_time && e.job.is_some() && e.dataset.is_some() {
            return Err(self.invalid_at(0, "dataset", "an event without `run` is about a job or about a dataset, not about both"));
        }
        let about_a_dataset = design_time && e.job.is_none();
        let beside_the_point = [
            e.event_type.filter(|_| design_time),
            e.dataset.filter(|_| !about_a_dataset),
            e.inputs.filter(|_| about_a_dataset),
            e.outputs.filter(|_| about_a_dataset),
        ];
        unknown.extend(beside_the_point.into_iter().flatten());
        for value in unknown {
            self.warn_unknown(value);
        }
        Ok(e)
    }

    fn subject(&mut self, e: &Envelope) -> Result<Subject, Refusal> {
        let Some(run) = e.run else {
            return match (e.job, e.dataset) {
                (Some(_), _) => Ok(Subject::Job),
                (None, Some(_)) => Ok(Subject::Dataset),
                (None, None) => {
                    Err(self.invalid(0, "an event has a `run` and a `job`, a `job`, or a `dataset`; this one has none of them"))
                }
            };
        };
        self.object(run, "`run`")?;
        if e.job.is_none() {
            return Err(self.invalid_at(0, "job", "a run event must name its job"));
        }
        let Some(id) = self.doc.get(run, "runId") else {
            return Err(self.invalid_at(run, "runId", "a run must have a `runId`"));
        };
        let run_id = self.text(id, "`runId`")?;
        if run_id.len() != 36 || uuid::Uuid::try_parse(&run_id).is_err() {
            self.warn(code::RUN_ID_NOT_UUID, id, "the run's id is not the text of a UUID and was taken as it is");
        }
        let run_id = run_id.to_ascii_lowercase().into();
        let Some(id) = e.event_type else {
            self.warn_missing(code::EVENT_TYPE_MISSING, 0, "eventType", "a run event without `eventType` was read as OTHER");
            return Ok(Subject::Run { run_id, state: RunState::Other });
        };
        let word = self.text(id, "`eventType`")?;
        if let Some(state) = RunState::from_word(&word) {
            return Ok(Subject::Run { run_id, state });
        }
        let Some(state) = RunState::from_word(&word.to_ascii_uppercase()) else {
            return Err(self.invalid(id, "`eventType` must be one of START, RUNNING, COMPLETE, ABORT, FAIL, OTHER"));
        };
        self.warn(code::EVENT_TYPE_CASE, id, "`eventType` should be in capitals");
        Ok(Subject::Run { run_id, state })
    }

    fn event_time(&mut self, e: &Envelope) -> Result<Micros, Refusal> {
        let Some(id) = e.event_time else { return Err(self.invalid_at(0, "eventTime", "an event must have an `eventTime`")) };
        let text = self.text(id, "`eventTime`")?;
        let Ok(read) = Micros::read(&text) else {
            return Err(self.invalid(id, "`eventTime` is not an RFC 3339 instant"));
        };
        if read.at.0 > self.now.0.saturating_add(DAY) {
            return Err(self.invalid(id, "`eventTime` is more than 24 hours ahead of this server's clock"));
        }
        if read.zone_assumed {
            self.warn(code::TIME_ZONE_MISSING, id, "`eventTime` has no zone and was read as UTC");
        }
        Ok(read.at)
    }

    fn producer(&mut self, e: &Envelope) -> Result<Cow<'a, str>, Refusal> {
        let Some(id) = e.producer else {
            self.warn_missing(code::PRODUCER_MISSING, 0, "producer", "events without `producer` are of one source per integration");
            return Ok(Cow::Borrowed(""));
        };
        self.text(id, "`producer`")
    }

    fn run(&mut self, run: Id) -> Result<RunAt, Refusal> {
        let mut at = RunAt { id: run, parent: None, root: None, nominal_start: None, nominal_end: None };
        let mut facets = None;
        for (key, value) in self.doc.members(run) {
            match self.doc.lossy(key).as_ref() {
                "runId" => {}
                "facets" => facets = self.not_null(value),
                _ => self.warn_unknown(value),
            }
        }
        for facet in self.facets(facets, shape::of_run_facet)? {
            match facet.name.as_ref() {
                "parent" | "parentRun" if !facet.deleted => {
                    at.parent = self.parent(facet.value);
                    at.root = self.doc.get(facet.value, "root").and_then(|root| self.parent(root));
                }
                "nominalTime" if !facet.deleted => {
                    at.nominal_start = self.nominal(facet.value, "nominalStartTime");
                    at.nominal_end = self.nominal(facet.value, "nominalEndTime");
                }
                _ => {}
            }
        }
        Ok(at)
    }

    fn parent(&mut self, id: Id) -> Option<ParentRun> {
        let doc = self.doc;
        let run_id = doc.get(id, "run").and_then(|run| doc.get_string(run, "runId")).filter(|v| !v.is_empty() && v.len() <= NAME_BYTES_MAX);
        let job = doc.get(id, "job").and_then(|job| facets::name(doc, job));
        let (Some(run_id), Some(job)) = (run_id, job) else {
            self.warn(code::FACET_INCOMPLETE, id, "a parent needs a run's id and a job's namespace and name");
            return None;
        };
        Some(ParentRun { run_id: run_id.to_ascii_lowercase().into(), job })
    }

    fn nominal(&mut self, facet: Id, member: &str) -> Option<Micros> {
        let id = self.doc.get(facet, member)?;
        let read = self.doc.string(id).and_then(|text| Micros::read(&text).ok());
        match read {
            None => self.warn(code::TIME_NOT_UNDERSTOOD, id, "a nominal time is not an RFC 3339 instant"),
            Some(r) if r.zone_assumed => self.warn(code::TIME_ZONE_MISSING, id, "a nominal time has no zone and was read as UTC"),
            Some(_) => {}
        }
        read.map(|r| r.at)
    }

    fn side(&mut self, side: Option<Id>, role: Role) -> Result<Option<Vec<EntityAt<'a>>>, Refusal> {
        let Some(id) = side else { return Ok(None) };
        if self.doc.kind(id) != Kind::Array {
            let what = if role == Role::Input { "`inputs`" } else { "`outputs`" };
            return Err(self.wrong_type(id, what, "an array"));
        }
        let doc = self.doc;
        doc.elements(id).map(|dataset| self.entity(dataset, role)).collect::<Result<_, _>>().map(Some)
    }

    fn entity(&mut self, id: Id, role: Role) -> Result<EntityAt<'a>, Refusal> {
        let noun = role.noun();
        self.object(id, if role == Role::Job { "a job" } else { "a dataset" })?;
        let (mut namespace, mut name, mut facets, mut side_facets) = (None, None, None, None);
        for (key, value) in self.doc.members(id) {
            match (self.doc.lossy(key).as_ref(), role) {
                ("namespace", _) => namespace = self.not_null(value),
                ("name", _) => name = self.not_null(value),
                ("facets", _) => facets = self.not_null(value),
                ("inputFacets", Role::Input) | ("outputFacets", Role::Output) => side_facets = self.not_null(value),
                _ => self.warn_unknown(value),
            }
        }
        let Some(namespace) = namespace else { return Err(self.invalid_at(id, "namespace", format!("a {noun} must have a namespace"))) };
        let Some(name) = name else { return Err(self.invalid_at(id, "name", format!("a {noun} must have a name"))) };
        let mut entity = EntityAt {
            namespace: self.text(namespace, "a namespace")?,
            name: self.text(name, "a name")?,
            facets: self.facets(facets, shape::of_entity_facet)?,
            side_facets,
            owners: None,
            lifecycle: None,
            version: None,
        };
        self.facets(side_facets, |_| None)?;
        for facet in &entity.facets {
            match facet.name.as_ref() {
                "ownership" => entity.owners = Some(if facet.deleted { Vec::new() } else { self.owners(facet.value) }),
                "lifecycleStateChange" if !facet.deleted => entity.lifecycle = self.lifecycle(facet.value),
                "version" if !facet.deleted => entity.version = self.version(facet.value),
                _ => {}
            }
        }
        Ok(entity)
    }

    fn facets(&mut self, facets: Option<Id>, shape_of: fn(&str) -> Option<&'static Shape>) -> Result<Vec<FacetAt<'a>>, Refusal> {
        let Some(id) = facets else { return Ok(Vec::new()) };
        self.object(id, "a set of facets")?;
        let mut list = Vec::new();
        for (key, value) in self.doc.members(id) {
            let name = self.bounded(key, "a facet's name")?;
            let rule = vocabulary::rule(&name);
            let deleted = match self.doc.kind(value) {
                Kind::Null => true,
                Kind::Object => self.facet(value)?,
                _ => return Err(self.wrong_type(value, "a facet", "an object")),
            };
            if let Some((id, expected)) = shape_of(&name).filter(|_| !deleted).and_then(|shape| shape::misfit(self.doc, value, shape)) {
                return Err(self.wrong_type(id, "this member of the facet", expected));
            }
            if let Some(rule) = rule {
                if !rule.people.is_empty() {
                    self.ruled.push((value, rule));
                }
                if rule.verbatim {
                    self.kept.push(value..self.doc.node(value).next);
                }
            }
            list.push(FacetAt { name, key, value, deleted, varies: rule.is_some_and(|r| r.varies) });
        }
        Ok(list)
    }

    /// Tells whether the facet is deleted.
    fn facet(&mut self, facet: Id) -> Result<bool, Refusal> {
        let (mut producer, mut schema_url, mut deleted) = (false, false, false);
        for (key, value) in self.doc.members(facet) {
            // Most members are the facet's own; these three begin with `_`.
            if !self.doc.interior(key).starts_with(['_', '\\']) {
                continue;
            }
            match (self.doc.lossy(key).as_ref(), self.doc.kind(value)) {
                ("_producer", kind) => producer = kind == Kind::String,
                ("_schemaURL", kind) => schema_url = kind == Kind::String,
                ("_deleted", kind @ (Kind::True | Kind::False | Kind::Null)) => deleted = kind == Kind::True,
                ("_deleted", _) => return Err(self.wrong_type(value, "`_deleted`", "a boolean")),
                _ => {}
            }
        }
        if !producer {
            self.warn_missing(code::FACET_PRODUCER_MISSING, facet, "_producer", "a facet should name its producer");
        }
        if !schema_url {
            self.warn_missing(code::FACET_SCHEMA_URL_MISSING, facet, "_schemaURL", "a facet should name its schema");
        }
        Ok(deleted)
    }

    fn owners(&mut self, facet: Id) -> Vec<OwnerAt<'a>> {
        let Some(list) = self.doc.get(facet, "owners") else {
            self.warn(code::FACET_INCOMPLETE, facet, "an `ownership` facet without `owners` names nobody");
            return Vec::new();
        };
        let owner = |id| Some(OwnerAt { name: self.doc.get(id, "name")?, role: self.doc.get_string(id, "type") });
        self.doc.elements(list).filter_map(owner).collect()
    }

    fn lifecycle(&mut self, facet: Id) -> Option<Lifecycle> {
        let Some(id) = self.doc.get(facet, "lifecycleStateChange") else {
            self.warn(code::FACET_INCOMPLETE, facet, "a `lifecycleStateChange` facet does not say which change");
            return None;
        };
        let word = self.doc.string(id).unwrap_or_default();
        let Some(change) = LifecycleChange::ALL.into_iter().find(|c| c.word().eq_ignore_ascii_case(&word)) else {
            self.warn(code::FACET_NOT_UNDERSTOOD, id, "the change is none of ALTER, CREATE, DROP, OVERWRITE, RENAME, TRUNCATE");
            return None;
        };
        let previous = self.doc.get(facet, "previousIdentifier").and_then(|id| facets::name(self.doc, id));
        if change == LifecycleChange::Rename && previous.is_none() {
            self.warn(code::FACET_INCOMPLETE, facet, "a rename does not say what the name was before");
        }
        Some(Lifecycle { change, previous })
    }

    fn version(&mut self, facet: Id) -> Option<Box<str>> {
        let Some(id) = self.doc.get(facet, "datasetVersion") else {
            self.warn(code::FACET_INCOMPLETE, facet, "a `version` facet without `datasetVersion` says nothing");
            return None;
        };
        match self.doc.kind(id) {
            Kind::String => Some(self.doc.lossy(id).into()),
            Kind::Number => Some(self.doc.raw(id).into()),
            _ => {
                self.warn(code::FACET_NOT_UNDERSTOOD, id, "`datasetVersion` should be a string");
                None
            }
        }
    }

    fn people(&mut self) -> Result<Vec<PersonValue<'a>>, Refusal> {
        let mut search = Search { doc: self.doc, found: Vec::new() };
        for (facet, rule) in &self.ruled {
            search.by_rule(*facet, rule);
        }
        self.kept.sort_unstable_by_key(|r| r.start);
        search.addresses(&self.kept);
        let people = search.finish();
        if people.len() > PEOPLE_MAX {
            return Err(self.invalid(0, format!("an event may name people in at most {PEOPLE_MAX} places")));
        }
        if let Some(long) = people.iter().find(|p| p.span.len() > PERSON_BYTES_MAX) {
            let id = self.doc.nodes.partition_point(|n| n.start as usize <= long.span.start);
            let id = Id::try_from(id.saturating_sub(1)).unwrap_or(0);
            return Err(self.invalid(id, format!("what names a person must not be longer than {PERSON_BYTES_MAX} bytes")));
        }
        Ok(people)
    }

    /// A text that goes to `core`: a string, not empty, within the bound of names.
    fn text(&mut self, id: Id, what: &str) -> Result<Cow<'a, str>, Refusal> {
        if self.doc.kind(id) != Kind::String {
            return Err(self.wrong_type(id, what, "a string"));
        }
        let value = self.bounded(id, what)?;
        if value.is_empty() {
            return Err(self.invalid(id, format!("{what} must not be empty")));
        }
        self.keep(id);
        Ok(value)
    }

    fn bounded(&self, id: Id, what: &str) -> Result<Cow<'a, str>, Refusal> {
        let Some(value) = self.doc.exact(id) else {
            let message = format!("{what} holds half of a surrogate pair, which is no character");
            return Err(Refusal::new(RefusalKind::Malformed, self.doc.pointer(id), message));
        };
        if value.len() > NAME_BYTES_MAX {
            return Err(self.invalid(id, format!("{what} must not be longer than {NAME_BYTES_MAX} bytes")));
        }
        Ok(value)
    }

    fn object(&self, id: Id, what: &str) -> Result<(), Refusal> {
        if self.doc.kind(id) == Kind::Object { Ok(()) } else { Err(self.wrong_type(id, what, "an object")) }
    }

    fn not_null(&mut self, id: Id) -> Option<Id> {
        if self.doc.kind(id) != Kind::Null {
            return Some(id);
        }
        self.warn(code::MEMBER_NULL, id, "null was read as if the member were not there");
        None
    }

    fn keep(&mut self, id: Id) {
        self.kept.push(id..id + 1);
    }

    fn wrong_type(&self, id: Id, what: &str, expected: &str) -> Refusal {
        self.invalid(id, format!("{what} must be {expected}, not {}", self.doc.kind(id).word()))
    }

    fn invalid(&self, id: Id, message: impl Into<String>) -> Refusal {
        Refusal::new(RefusalKind::Invalid, self.doc.pointer(id), message)
    }

    fn invalid_at(&self, object: Id, member: &str, message: impl Into<String>) -> Refusal {
        let mut pointer = self.doc.pointer(object);
        push_pointer(&mut pointer, member);
        Refusal::new(RefusalKind::Invalid, pointer, message)
    }

    fn warn_unknown(&mut self, id: Id) {
        self.warn(code::MEMBER_UNKNOWN, id, "the specification does not know this member here; it was kept and not acted upon");
    }

    fn warn(&mut self, code: &'static str, id: Id, message: &str) {
        if self.has_room() {
            self.warnings.push(Warning { code, pointer: self.doc.pointer(id), message: message.into() });
        }
    }

    fn warn_missing(&mut self, code: &'static str, object: Id, member: &str, message: &str) {
        if self.has_room() {
            let mut pointer = self.doc.pointer(object);
            push_pointer(&mut pointer, member);
            self.warnings.push(Warning { code, pointer, message: message.into() });
        }
    }

    /// Makes a note instead when the list is full.
    fn has_room(&mut self) -> bool {
        if self.warnings.len() == WARNINGS_MAX {
            let message = format!("there are more warnings than these {WARNINGS_MAX}");
            self.warnings.push(Warning { code: code::MORE_WARNINGS, pointer: String::new(), message });
        }
        self.warnings.len() < WARNINGS_MAX
    }
}
