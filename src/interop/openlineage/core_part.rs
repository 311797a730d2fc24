//! The `core` part: an [`Assertion`] as RFC 8785 JSON and back. Its members have a
//! published schema, `seeds/schemas/openlineage.{run,job,dataset}.v1.json`; those of
//! declarations `seeds/schemas/catalog.*.json`.
use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    tape::{Doc, Id, Kind},
    text, vocabulary,
};
use crate::domain::{
    assertion::{Assertion, Digest, Entity, FacetRef, Lifecycle, LifecycleChange, Owner, ParentRun, RunState, Subject},
    declared::{Declared, DeclaredAct, Retry},
    id::Handle,
    kind::ArtifactKind,
    name::Name,
    sight::Sensitivity,
    source::Source,
    time::Micros,
};

const RUN: &str = "openlineage.run.v1";
const JOB: &str = "openlineage.job.v1";
const DATASET: &str = "openlineage.dataset.v1";

/// A `core` part that is not one of ours.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what} at `{pointer}` of a core part")]
pub struct CoreError {
    /// JSON pointer into the part.
    pub pointer: String,
    pub what: &'static str,
}

/// A `core` part and where its bytes differ between events of one shape.
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    /// In order and apart.
    pub(super) varying: Vec<Range<usize>>,
}

/// Writes members in sorted order, as they stand here. `actor`: who sent the event.
pub(super) fn write(a: &Assertion, actor: Option<Handle>) -> Written {
    let mut w = Writer { out: Vec::with_capacity(1024), varying: Vec::new(), first: true };
    w.open(b'{');
    if let Some(actor) = actor {
        w.key("actor");
        w.varying(|w| w.text(&actor.text()));
    }
    if let Some(dataset) = &a.dataset {
        w.key("dataset");
        w.entity(dataset);
    }
    w.key("digest");
    w.varying(|w| w.digest(&a.digest));
    if let Subject::Run { state, .. } = &a.subject {
        w.member("eventType", state.word());
    }
    let declared = a.declared.as_ref();
    if let Some(retry) = declared.and_then(|d| d.retry) {
        w.key("idempotency");
        w.open(b'{');
        w.key("key");
        w.varying(|w| w.digest(&retry.key));
        w.key("request");
        w.varying(|w| w.digest(&retry.request));
        w.close(b'}');
    }
    w.side("inputs", a.inputs.as_deref());
    if let Some(job) = &a.job {
        w.key("job");
        w.entity(job);
    }
    if let Some(d) = declared.filter(|d| !d.act.is_about_flows()) {
        w.member("kind", d.kind.word());
    }
    if a.nominal_start.is_some() || a.nominal_end.is_some() {
        w.key("nominal");
        w.open(b'{');
        for (key, at) in [("end", a.nominal_end), ("start", a.nominal_start)] {
            if let Some(at) = at {
                w.key(key);
                w.varying(|w| w.text(&at.rfc3339()));
            }
        }
        w.close(b'}');
    }
    w.side("outputs", a.outputs.as_deref());
    if let Some(owner) = declared.and_then(|d| d.owner) {
        w.key("owner");
        w.varying(|w| w.text(&owner.text()));
    }
    w.parent("parent", a.parent.as_ref());
    if let Some(at) = declared.and_then(|d| d.review_at) {
        w.key("reviewAt");
        w.varying(|w| w.text(&at.rfc3339()));
    }
    w.parent("root", a.root.as_ref());
    if let Subject::Run { run_id, .. } = &a.subject {
        w.key("runId");
        w.varying(|w| w.text(run_id));
    }
    w.key("source");
    w.open(b'{');
    w.member("integration", &a.source.integration);
    w.member("producer", &a.source.producer);
    w.close(b'}');
    w.key("time");
    w.varying(|w| w.text(&a.time.rfc3339()));
    w.member(
        "type",
        match (declared, &a.subject) {
            (Some(d), _) => d.act.event_type(),
            (None, Subject::Run { .. }) => RUN,
            (None, Subject::Job) => JOB,
            (None, Subject::Dataset) => DATASET,
        },
    );
    w.close(b'}');
    Written { bytes: w.out, varying: w.varying }
}

struct Writer {
    out: Vec<u8>,
    varying: Vec<Range<usize>>,
    /// Nothing was written yet in the innermost container.
    first: bool,
}

impl Writer {
    fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.first = true;
    }

    fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.first = false;
    }

    fn comma(&mut self) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
    }

    fn key(&mut self, key: &str) {
        self.comma();
        self.text(key);
        self.out.push(b':');
    }

    fn member(&mut self, key: &str, value: &str) {
        self.key(key);
        self.text(value);
    }

    fn text(&mut self, value: &str) {
        text::quote(value, &mut self.out);
    }

    fn digest(&mut self, digest: &Digest) {
        let mut b64 = [0; 43];
        // 32 bytes are 43 characters, so this always fits.
        let len = URL_SAFE_NO_PAD.encode_slice(digest, &mut b64).unwrap_or(0);
        self.out.push(b'"');
        self.out.extend_from_slice(&b64[..len]);
        self.out.push(b'"');
    }

    /// Writes something that differs between events of one shape.
    fn varying(&mut self, write: impl FnOnce(&mut Self)) {
        let start = self.out.len();
        write(self);
        self.varying.push(start..self.out.len());
    }

    fn side(&mut self, key: &str, side: Option<&[Entity]>) {
        let Some(side) = side else { return };
        self.key(key);
        self.open(b'[');
        for entity in side {
            self.comma();
            self.entity(entity);
        }
        self.close(b']');
    }

    fn entity(&mut self, e: &Entity) {
        self.open(b'{');
        if !e.facets.is_empty() {
            self.key("facets");
            self.open(b'{');
            for facet in &e.facets {
                self.key(&facet.name);
                self.open(b'{');
                if facet.deleted {
                    self.key("deleted");
                    self.out.extend_from_slice(b"true");
                }
                self.key("digest");
                if vocabulary::varies(&facet.name) {
                    self.varying(|w| w.digest(&facet.digest));
                } else {
                    self.digest(&facet.digest);
                }
                if facet.interned {
                    self.key("interned");
                    self.out.extend_from_slice(b"true");
                }
                self.close(b'}');
            }
            self.close(b'}');
        }
        if let Some(lifecycle) = &e.lifecycle {
            self.key("lifecycle");
            self.open(b'{');
            self.member("change", lifecycle.change.word());
            if let Some(previous) = &lifecycle.previous {
                self.key("previous");
                self.name(previous);
            }
            self.close(b'}');
        }
        self.member("name", &e.name.name);
        self.member("namespace", &e.name.namespace);
        if let Some(owners) = &e.owners {
            self.key("owners");
            self.open(b'[');
            for owner in owners {
                self.comma();
                self.open(b'{');
                self.member("handle", &owner.handle.text());
                if let Some(role) = &owner.role {
                    self.member("role", role);
                }
                self.close(b'}');
            }
            self.close(b']');
        }
        if let Some(sensitivity) = e.sensitivity {
            self.member("sensitivity", sensitivity.word());
        }
        if let Some(version) = &e.version {
            self.key("version");
            self.varying(|w| w.text(version));
        }
        self.close(b'}');
    }

    fn name(&mut self, name: &Name) {
        self.open(b'{');
        self.member("name", &name.name);
        self.member("namespace", &name.namespace);
        self.close(b'}');
    }

    fn parent(&mut self, key: &str, parent: Option<&ParentRun>) {
        let Some(parent) = parent else { return };
        self.key(key);
        self.open(b'{');
        self.key("job");
        self.name(&parent.job);
        self.key("runId");
        self.varying(|w| w.text(&parent.run_id));
        self.close(b'}');
    }
}

/// Reads a `core` part back into what it asserts.
///
/// # Errors
/// [`CoreError`] if the bytes are no `core` part of a lineage event, version 1.
pub fn read_core(core: &[u8]) -> Result<Assertion, CoreError> {
    let doc = Doc::scan(core).map_err(|r| CoreError { pointer: r.pointer, what: "malformed JSON" })?;
    let r = Reader { doc: &doc };
    let text = |member| r.text(0, member);
    let event_type = text("type")?;
    let declared = DeclaredAct::of(&event_type).map(|act| r.declared(act)).transpose()?;
    let subject = match event_type.as_ref() {
        RUN => {
            let state = RunState::from_word(&text("eventType")?).ok_or_else(|| r.error(0, "eventType", "an unknown run state"))?;
            Subject::Run { run_id: text("runId")?, state }
        }
        JOB => Subject::Job,
        DATASET => Subject::Dataset,
        _ if declared.as_ref().is_some_and(|d| d.act.is_about_flows()) => Subject::Job,
        _ if declared.is_some() => Subject::Dataset,
        _ => return Err(r.error(0, "type", "an unknown type")),
    };
    let entity = |member| doc.get(0, member).map(|id| r.entity(id)).transpose();
    let side = |member| doc.get(0, member).map(|id| doc.elements(id).map(|e| r.entity(e)).collect()).transpose();
    let source = r.required(0, "source")?;
    let nominal = |member| doc.get(0, "nominal").filter(|&n| doc.get(n, member).is_some()).map(|n| r.time(n, member)).transpose();
    Ok(Assertion {
        subject,
        time: r.time(0, "time")?,
        digest: r.digest(0, "digest")?,
        source: Source { integration: r.text(source, "integration")?, producer: r.text(source, "producer")? },
        job: entity("job")?,
        inputs: side("inputs")?,
        outputs: side("outputs")?,
        dataset: entity("dataset")?,
        parent: doc.get(0, "parent").map(|id| r.parent(id)).transpose()?,
        root: doc.get(0, "root").map(|id| r.parent(id)).transpose()?,
        nominal_start: nominal("start")?,
        nominal_end: nominal("end")?,
        declared,
    })
}

struct Reader<'d, 'a> {
    doc: &'d Doc<'a>,
}

impl Reader<'_, '_> {
    fn error(&self, object: Id, member: &str, what: &'static str) -> CoreError {
        CoreError { pointer: format!("{}/{member}", self.doc.pointer(object)), what }
    }

    fn required(&self, object: Id, member: &str) -> Result<Id, CoreError> {
        self.doc.get(object, member).ok_or_else(|| self.error(object, member, "a missing member"))
    }

    fn text(&self, object: Id, member: &str) -> Result<Box<str>, CoreError> {
        self.optional_text(object, member)?.ok_or_else(|| self.error(object, member, "a missing member"))
    }

    fn optional_text(&self, object: Id, member: &str) -> Result<Option<Box<str>>, CoreError> {
        let Some(id) = self.doc.get(object, member) else { return Ok(None) };
        match self.doc.kind(id) {
            Kind::String => Ok(Some(self.doc.lossy(id).into())),
            _ => Err(self.error(object, member, "a value of another type")),
        }
    }

    fn time(&self, object: Id, member: &str) -> Result<Micros, CoreError> {
        let text = self.text(object, member)?;
        Micros::read(&text).map(|read| read.at).map_err(|_| self.error(object, member, "not an instant"))
    }

    fn digest(&self, object: Id, member: &str) -> Result<Digest, CoreError> {
        let text = self.text(object, member)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.as_bytes()).ok().and_then(|b| Digest::try_from(b).ok());
        bytes.ok_or_else(|| self.error(object, member, "not a digest"))
    }

    fn flag(&self, object: Id, member: &str) -> bool {
        self.doc.get(object, member).is_some_and(|id| self.doc.kind(id) == Kind::True)
    }

    fn declared(&self, act: DeclaredAct) -> Result<Declared, CoreError> {
        let optional = |member| self.doc.get(0, member);
        let kind = match act.is_about_flows() {
            true => ArtifactKind::Dataset,
            false => ArtifactKind::from_word(&self.text(0, "kind")?).ok_or_else(|| self.error(0, "kind", "an unknown kind"))?,
        };
        let retry = |id| Ok(Retry { key: self.digest(id, "key")?, request: self.digest(id, "request")? });
        let handle = |_| Handle::parse(&self.text(0, "owner")?).ok_or_else(|| self.error(0, "owner", "not a handle"));
        Ok(Declared {
            act,
            kind,
            retry: optional("idempotency").map(retry).transpose()?,
            owner: optional("owner").map(handle).transpose()?,
            review_at: optional("reviewAt").map(|_| self.time(0, "reviewAt")).transpose()?,
        })
    }

    fn name(&self, object: Id) -> Result<Name, CoreError> {
        Ok(Name { namespace: self.text(object, "namespace")?, name: self.text(object, "name")? })
    }

    fn parent(&self, object: Id) -> Result<ParentRun, CoreError> {
        Ok(ParentRun { run_id: self.text(object, "runId")?, job: self.name(self.required(object, "job")?)? })
    }

    fn entity(&self, object: Id) -> Result<Entity, CoreError> {
        let doc = self.doc;
        let facets = doc.get(object, "facets").map_or_else(
            || Ok(Vec::new()),
            |facets| {
                doc.members(facets)
                    .map(|(key, facet)| {
                        let digest = self.digest(facet, "digest")?;
                        let (deleted, interned) = (self.flag(facet, "deleted"), self.flag(facet, "interned"));
                        Ok(FacetRef { name: doc.lossy(key).into(), digest, deleted, interned })
                    })
                    .collect()
            },
        )?;
        Ok(Entity {
            name: self.name(object)?,
            facets,
            owners: doc.get(object, "owners").map(|list| doc.elements(list).map(|o| self.owner(o)).collect()).transpose()?,
            sensitivity: doc.get(object, "sensitivity").map(|_| self.sensitivity(object)).transpose()?,
            lifecycle: doc.get(object, "lifecycle").map(|id| self.lifecycle(id)).transpose()?,
            version: self.optional_text(object, "version")?,
        })
    }

    fn sensitivity(&self, object: Id) -> Result<Sensitivity, CoreError> {
        let word = self.text(object, "sensitivity")?;
        Sensitivity::from_word(&word).ok_or_else(|| self.error(object, "sensitivity", "an unknown sensitivity"))
    }

    fn owner(&self, object: Id) -> Result<Owner, CoreError> {
        let handle = Handle::parse(&self.text(object, "handle")?).ok_or_else(|| self.error(object, "handle", "not a handle"))?;
        Ok(Owner { handle, role: self.optional_text(object, "role")? })
    }

    fn lifecycle(&self, object: Id) -> Result<Lifecycle, CoreError> {
        let word = self.text(object, "change")?;
        let change = LifecycleChange::ALL.into_iter().find(|c| c.word() == word.as_ref());
        let change = change.ok_or_else(|| self.error(object, "change", "an unknown change"))?;
        Ok(Lifecycle { change, previous: self.doc.get(object, "previous").map(|id| self.name(id)).transpose()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(subject: Subject) -> Assertion {
        let source = Source { integration: "i".into(), producer: "p".into() };
        let entity = |n: &str| Entity {
            name: Name::new("ns", n),
            facets: Vec::new(),
            owners: None,
            sensitivity: None,
            lifecycle: None,
            version: None,
        };
        Assertion {
            dataset: matches!(subject, Subject::Dataset).then(|| entity("d")),
            job: (!matches!(subject, Subject::Dataset)).then(|| entity("j\n\"é\"")),
            subject,
            time: Micros(1_700_000_000_000_001),
            digest: [255; 32],
            source,
            inputs: None,
            outputs: Some(Vec::new()),
            parent: None,
            root: None,
            nominal_start: None,
            nominal_end: Some(Micros(-1)),
            declared: None,
        }
    }

    #[test]
    fn a_small_core_is_these_bytes() {
        let a = bare(Subject::Run { run_id: "r".into(), state: RunState::Fail });
        let written = write(&a, None);
        assert_eq!(
            String::from_utf8(written.bytes.clone()).expect("UTF-8"),
            r#"{"digest":"__________________________________________8","eventType":"FAIL","job":{"name":"j\n\"é\"","namespace":"ns"},"nominal":{"end":"1969-12-31T23:59:59.999999Z"},"outputs":[],"runId":"r","source":{"integration":"i","producer":"p"},"time":"2023-11-14T22:13:20.000001Z","type":"openlineage.run.v1"}"#
        );
        assert_eq!(read_core(&written.bytes), Ok(a));
        let varying: Vec<&str> = written.varying.into_iter().map(|r| std::str::from_utf8(&written.bytes[r]).expect("UTF-8")).collect();
        assert_eq!(varying[1..], [r#""1969-12-31T23:59:59.999999Z""#, r#""r""#, r#""2023-11-14T22:13:20.000001Z""#]);
    }

    #[test]
    fn declarations_come_back_with_what_they_say_beside() {
        for act in DeclaredAct::ALL {
            let flows = act.is_about_flows();
            let kind = if flows { ArtifactKind::Dataset } else { ArtifactKind::Screen };
            let retry = Some(Retry { key: [1; 32], request: [2; 32] });
            let declared = Declared { act, kind, retry, owner: Some(Handle([3; 16])), review_at: Some(Micros(5)) };
            let a = Assertion { declared: Some(declared), ..bare(if flows { Subject::Job } else { Subject::Dataset }) };
            let written = write(&a, Some(Handle([7; 16])));
            assert_eq!(read_core(&written.bytes), Ok(a));
            let json: serde_json::Value = serde_json::from_slice(&written.bytes).expect("JSON");
            assert_eq!(crate::domain::canonical_json::write(&json), written.bytes);
        }
    }

    #[test]
    fn design_time_subjects_come_back_too_and_damage_is_told() {
        for subject in [Subject::Job, Subject::Dataset] {
            let a = bare(subject);
            assert_eq!(read_core(&write(&a, Some(Handle([7; 16]))).bytes), Ok(a));
        }
        let error = read_core(br#"{"type":"openlineage.job.v1","time":"x"}"#).expect_err("damaged");
        assert_eq!(error.to_string(), "a missing member at `/source` of a core part");
        assert!(read_core(b"{}").is_err() && read_core(b"[]").is_err() && read_core(b"x").is_err());
    }
}
