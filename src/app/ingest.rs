//! A lineage event arrives: authorize, read, cut, seal — in parallel, before the
//! queue — and hand it to the sequencer.
use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use smallvec::SmallVec;

use super::{App, AppError, Code, Receipt};
use crate::{
    access::{Action, Principal},
    domain::{
        assertion::{Assertion, Digest, Entity, Subject},
        entry::{PartClass, commitment},
        id::{EntryId, Handle, InstallationSecret, NodeId},
        kind::ArtifactKind,
        name::Name,
        source::Source,
        time::Micros,
    },
    interop::openlineage::{self, BlobRef as Facet, Cut, PersonKind, PersonValue, Reading, RefusalKind, facets},
    store::{
        codec,
        write::{
            Act, BlobRef, Change, Committed, DuplicateKey, EntityDetail, EntityIds, LineageChange, NewShape, SealedPart, Shape, StoredBlob,
        },
    },
    vault::{
        DataKey, Identifier, IdentifierKind, KeyScope, RetentionClass, VaultError,
        envelope::{self, PartAddress},
    },
};

/// The retention class of people's values in lineage events, until schedules tell more.
const PEOPLE_IN_LINEAGE: RetentionClass = RetentionClass(1);

/// What makes ids and duplicate keys.
pub struct IngestIdentity {
    pub secret: InstallationSecret,
    duplicates: Hmac<Sha256>,
}

impl IngestIdentity {
    #[must_use]
    pub fn new(secret: InstallationSecret) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let duplicates = Hmac::new_from_slice(&secret.key("duplicates")).expect("any length");
        Self { secret, duplicates }
    }

    /// An `Idempotency-Key` of an actor for one mutation of a request.
    pub(super) fn retry_key(&self, actor: Handle, parts: &[&[u8]]) -> Digest {
        let mut mac = self.duplicates.clone();
        mac.update(b"ledgerline/retry/v1\n");
        mac.update(&actor.0);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// The same event from the same source has the same key.
    pub(super) fn duplicate_key(&self, source: &Source, time: Micros, digest: &Digest) -> DuplicateKey {
        let mut mac = self.duplicates.clone();
        for part in [source.integration.as_bytes(), source.producer.as_bytes(), digest] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let full = mac.finalize().into_bytes();
        let mut hmac = [0; 16];
        hmac.iter_mut().zip(full).for_each(|(h, f)| *h = f);
        DuplicateKey { millis: time.0.div_euclid(1000), hmac }
    }
}

/// What became of an event.
#[derive(Debug)]
pub struct Ingested {
    pub receipt: Receipt,
    /// The same event from the same source was recorded before; this is its receipt.
    pub duplicate: bool,
    pub warnings: Vec<IngestWarning>,
}

/// Understood, but not as the specification has it.
#[derive(Clone, Debug)]
pub struct IngestWarning {
    pub code: &'static str,
    pub pointer: String,
    pub message: String,
}

/// How a batch is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BatchFormat {
    JsonArray,
    Ndjson,
}

/// What became of a batch, event by event.
#[derive(Debug, Default)]
pub struct BatchOutcome {
    pub received: usize,
    pub successful: usize,
    pub duplicates: usize,
    pub failed: Vec<FailedEvent>,
    /// With the index of their event.
    pub warnings: Vec<(usize, IngestWarning)>,
}

/// An event of a batch that was not recorded.
#[derive(Debug)]
pub struct FailedEvent {
    pub index: usize,
    pub code: Code,
    pub reason: String,
    pub pointer: String,
    pub retry_after: Option<u32>,
}

/// How many events of a batch are on their way at once.
const BATCH_IN_FLIGHT: usize = 64;

impl App {
    /// Records one event.
    ///
    /// # Errors
    /// `FORBIDDEN`, `BAD_USER_INPUT` (malformed or not understood), `TOO_LARGE`,
    /// `UNAVAILABLE`.
    pub async fn ingest(&self, by: &Arc<Principal>, body: Bytes) -> Result<Ingested, AppError> {
        let _preparing = self.preparing.read().await;
        let (act, warnings) = self.prepare(by, &body)?;
        let committed = self.sequencer.submit(act).await?;
        Ok(Ingested { receipt: receipt(&committed), duplicate: committed.duplicate, warnings })
    }

    /// Records the events of a batch; one bad event never spoils the others.
    ///
    /// # Errors
    /// `FORBIDDEN`, `TOO_LARGE` for the batch as a whole.
    pub async fn ingest_batch(&self, by: &Arc<Principal>, body: Bytes, format: BatchFormat) -> Result<BatchOutcome, AppError> {
        use futures::stream::{StreamExt, iter};
        self.require(by, Action::IngestEvent)?;
        if body.len() > self.limits.batch_bytes_max {
            return Err(too_large(body.len(), self.limits.batch_bytes_max));
        }
        let content_type = match format {
            BatchFormat::JsonArray => "application/json",
            BatchFormat::Ndjson => "application/x-ndjson",
        };
        let mut outcome = BatchOutcome::default();
        let whole = body.clone();
        let events = openlineage::batch(&whole, Some(content_type)).map(|(index, event)| (index, event.map(|e| body.slice_ref(e))));
        let mut done = iter(events)
            .map(|(index, event)| async move {
                let result = match event {
                    Ok(event) => self.ingest(by, event).await,
                    Err(refusal) => Err(refused(refusal)),
                };
                (index, result)
            })
            .buffered(BATCH_IN_FLIGHT);
        while let Some((index, result)) = done.next().await {
            outcome.received += 1;
            match result {
                Ok(i) => {
                    outcome.successful += 1;
                    outcome.duplicates += usize::from(i.duplicate);
                    outcome.warnings.extend(i.warnings.into_iter().map(|w| (index, w)));
                }
                Err(e) => outcome.failed.push(FailedEvent {
                    index,
                    code: e.code,
                    reason: e.message,
                    pointer: e.pointer.unwrap_or_default(),
                    retry_after: e.retry_after,
                }),
            }
        }
        Ok(outcome)
    }

    /// Everything that needs no order: reading, cutting, hashing, sealing.
    fn prepare(&self, by: &Principal, body: &[u8]) -> Result<(Act, Vec<IngestWarning>), AppError> {
        let now = self.ambient.clock.now();
        if body.len() > self.limits.event_bytes_max {
            return Err(too_large(body.len(), self.limits.event_bytes_max));
        }
        self.permit(by, Action::IngestEvent, now, &[])?;
        let reading = openlineage::read(body, now).map_err(refused)?;
        self.permit_namespaces(by, now, &reading)?;
        let source = Source::new(&by.integration, reading.producer());
        let handles = self.handles(by, reading.people())?;
        let cut = reading.cut_by(Some(by.actor), &source, &handles);
        let warnings = reading
            .warnings()
            .iter()
            .map(|w| IngestWarning { code: w.code, pointer: w.pointer.clone(), message: w.message.clone() })
            .collect();
        let duplicate = self.identity.duplicate_key(&source, cut.assertion.time, reading.canonical_digest());
        let act = self.seal(by, now, Some(duplicate), cut).map_err(|e| self.vault_error(e))?;
        Ok((act, warnings))
    }

    /// A token's scope holds for everything that an event acts on: its job and
    /// datasets, and what its facets join, end or read from. `parent` and `root`
    /// name jobs without saying anything of them, and lie with another team as a
    /// rule (an orchestrator), so they are not asked about.
    fn permit_namespaces(&self, by: &Principal, at: Micros, reading: &Reading<'_>) -> Result<(), AppError> {
        if by.scope.holds_everything() {
            return Ok(());
        }
        let by_facets = reading.named_by_facets();
        let namespaces: Vec<&str> = reading.namespaces().chain(by_facets.iter().map(|n| &*n.namespace)).collect();
        self.permit(by, Action::IngestEvent, at, &namespaces)
    }

    /// One handle for each value that names a person; new ones are durable in
    /// the vault before the entry that needs them.
    pub(super) fn handles(&self, by: &Principal, people: &[PersonValue<'_>]) -> Result<Vec<Handle>, AppError> {
        if people.is_empty() {
            return Ok(Vec::new());
        }
        let identifiers: Vec<Identifier> = people.iter().map(|p| identifier(by, p)).collect::<Result<_, _>>()?;
        self.vault.handles_for(&identifiers).map_err(|e| self.vault_error(e))
    }

    pub(super) fn seal(&self, by: &Principal, now: Micros, duplicate: Option<DuplicateKey>, cut: Cut<'_>) -> Result<Act, VaultError> {
        let Cut { assertion, core, rest, blobs, people, shape, prefix, prefix_core } = cut;
        let (of_core, of_rest) = prefix.split_at(prefix_core);
        let mut random = [0; 10];
        self.ambient.entropy.fill(&mut random);
        let id = EntryId::new(u64::try_from(now.0 / 1000).unwrap_or(0), &random);
        let month = now.month();
        let mut parts: SmallVec<[SealedPart; 3]> = SmallVec::new();
        parts.push(self.seal_part(id, 0, PartClass::Core, KeyScope::Class { class: PartClass::Core, month }, &core, Some(of_core))?);
        parts.push(self.seal_part(id, 1, PartClass::Rest, KeyScope::Class { class: PartClass::Rest, month }, &rest, Some(of_rest))?);
        for (i, p) in people.iter().enumerate() {
            let scope = KeyScope::Person { handle: p.handle, retention: PEOPLE_IN_LINEAGE };
            let number = u32::try_from(i + 2).map_err(|_| VaultError::BadClass)?;
            parts.push(self.seal_part(id, number, PartClass::Person, scope, &p.bytes, None)?);
        }
        let event_type = match (&assertion.declared, &assertion.subject) {
            (Some(declared), _) => declared.act.event_type(),
            (None, Subject::Run { .. }) => "openlineage.run.v1",
            (None, Subject::Job) => "openlineage.job.v1",
            (None, Subject::Dataset) => "openlineage.dataset.v1",
        };
        let shape = match self.store.shape(&shape) {
            Some(known) => Shape::Known(known),
            None => Shape::New(Box::new(self.new_shape(shape, (of_core, of_rest), &blobs, &assertion)?)),
        };
        let ids = self.ids(&assertion);
        Ok(Act {
            id,
            event_type,
            time: assertion.time,
            actor: Some(by.actor),
            parts,
            concerns: by.person.then_some(by.actor).into_iter().collect(),
            duplicate,
            change: Change::Lineage(Box::new(LineageChange { assertion, ids, shape })),
        })
    }

    pub(super) fn seal_part(
        &self,
        id: EntryId,
        number: u32,
        class: PartClass,
        scope: KeyScope,
        bytes: &[u8],
        prefix: Option<&[u8]>,
    ) -> Result<SealedPart, VaultError> {
        let mut salt = [0; 32];
        self.ambient.entropy.fill(&mut salt);
        let packed = codec::encode(bytes, prefix);
        let address = PartAddress { entry: id, number, class: class.word() };
        let (key, sealed) = self.with_key(scope, |key| envelope::seal(key, &address, &salt, &packed, &*self.ambient.entropy))?;
        Ok(SealedPart { class, commitment: commitment(class, &salt, bytes), key, sealed })
    }

    /// Seals with the scope's key; a key that is used up meanwhile is asked for anew.
    fn with_key<T>(&self, scope: KeyScope, seal: impl Fn(&DataKey) -> Result<T, VaultError>) -> Result<(u32, T), VaultError> {
        loop {
            let key = self.vault.data_key(scope)?;
            match seal(&key) {
                Ok(sealed) => return Ok((key.id().0, sealed)),
                Err(VaultError::KeySpent(_) | VaultError::KeyDestroyed(_)) => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn new_shape(
        &self,
        digest: Digest,
        (of_core, of_rest): (&[u8], &[u8]),
        blobs: &[Facet<'_>],
        a: &Assertion,
    ) -> Result<NewShape, VaultError> {
        let scope = KeyScope::Blob { class: PartClass::Rest };
        let entropy = &*self.ambient.entropy;
        let pack = |digest: &Digest, bytes: &[u8]| {
            let packed = codec::encode(bytes, None);
            self.with_key(scope, |key| envelope::seal_blob(key, digest, &packed, entropy))
        };
        let (packed_core, packed_rest) = (codec::encode(of_core, None), codec::encode(of_rest, None));
        let (key, (sealed, rest)) = self.with_key(scope, |key| {
            let of_rest = envelope::seal_blob(key, &codec::rest_of_shape(&digest), &packed_rest, entropy)?;
            Ok((envelope::seal_blob(key, &digest, &packed_core, entropy)?, of_rest))
        })?;
        let stored = blobs
            .iter()
            .map(|b| {
                let stored = match self.store.blob(&b.digest) {
                    Some(known) => StoredBlob::Known(known),
                    None => {
                        let (key, sealed) = pack(&b.digest, b.bytes)?;
                        StoredBlob::New { key, sealed }
                    }
                };
                Ok(BlobRef { digest: b.digest, stored })
            })
            .collect::<Result<_, VaultError>>()?;
        let details = entities(a)
            .map(|e| {
                detail(&self.identity.secret, e, |d| {
                    // What was redacted says nothing any more, whoever says it again: a replay cannot read it either.
                    blobs.iter().find(|b| b.digest == *d && !self.store.is_redacted(d)).map(|b| Cow::Borrowed(b.bytes))
                })
            })
            .collect();
        Ok(NewShape { digest, key, sealed, rest, blobs: stored, details })
    }

    pub(super) fn ids(&self, a: &Assertion) -> EntityIds {
        entity_ids(&self.identity.secret, a)
    }
}

/// The entities of an assertion in the order that details are kept in.
pub(super) fn entities(a: &Assertion) -> impl Iterator<Item = &Entity> {
    a.job.iter().chain(a.inputs.iter().flatten()).chain(a.outputs.iter().flatten()).chain(a.dataset.iter())
}

/// Node ids of everything an assertion names by itself.
pub(super) fn entity_ids(secret: &InstallationSecret, a: &Assertion) -> EntityIds {
    let dataset = |e: &Entity| secret.node_id(ArtifactKind::Dataset, &e.name);
    let job = |name| secret.node_id(ArtifactKind::Job, name);
    EntityIds {
        job: a.job.as_ref().map(|j| job(&j.name)),
        inputs: a.inputs.iter().flatten().map(dataset).collect(),
        outputs: a.outputs.iter().flatten().map(dataset).collect(),
        dataset: a.dataset.as_ref().map(|e| secret.node_id(a.dataset_kind(), &e.name)),
        parent_job: a.parent.as_ref().map(|p| job(&p.job)),
        root_job: a.root.as_ref().map(|p| job(&p.job)),
    }
}

/// What an entity's facets name beyond itself.
pub(super) fn detail<'b>(secret: &InstallationSecret, e: &Entity, mut blob: impl FnMut(&Digest) -> Option<Cow<'b, [u8]>>) -> EntityDetail {
    let id = |name: &Name| -> NodeId { secret.node_id(ArtifactKind::Dataset, name) };
    let mut detail = EntityDetail::default();
    for f in e.facets.iter().filter(|f| f.interned && !f.deleted) {
        match &*f.name {
            "symlinks" => {
                let links = blob(&f.digest).map(|b| facets::symlinks(&b)).unwrap_or_default();
                detail.symlinks.extend(links.into_iter().map(|l| (id(&l.name), l)));
            }
            "columnLineage" => {
                let lineage = blob(&f.digest).and_then(|b| facets::column_lineage(&b)).unwrap_or_default();
                let inputs = lineage.fields.into_iter().flat_map(|f| f.inputs).chain(lineage.dataset);
                for input in inputs {
                    if !detail.column_sources.iter().any(|(_, n)| *n == input.dataset) {
                        detail.column_sources.push((id(&input.dataset), input.dataset));
                    }
                }
            }
            _ => {}
        }
    }
    detail.previous = e.lifecycle.as_ref().and_then(|l| l.previous.as_ref()).map(id);
    detail
}

fn identifier(by: &Principal, p: &PersonValue<'_>) -> Result<Identifier, AppError> {
    // An e-mail address names one person everywhere; a name or login only where it comes from.
    let (kind, namespace) = match p.kind {
        PersonKind::Email => (IdentifierKind::Email, ""),
        PersonKind::Name => (IdentifierKind::Name, &*by.integration),
        PersonKind::Account => (IdentifierKind::Account, &*by.integration),
        PersonKind::NetworkAddress => (IdentifierKind::Custom("network address".into()), &*by.integration),
    };
    // What normalises to nothing still is somebody's value: it is kept apart by its bytes.
    Identifier::new(kind, namespace, &p.value)
        .or_else(|_| Identifier::new(IdentifierKind::Custom("unreadable".into()), &by.integration, &hex::encode(p.value.as_bytes())))
        .map_err(|_| AppError::bad_input("a value that names a person is longer than 4 KiB"))
}

pub(super) fn receipt(c: &Committed) -> Receipt {
    Receipt { index: c.index, event_id: c.id, recorded_at: c.recorded_at, leaf_hash: c.leaf_hash }
}

fn too_large(found: usize, max: usize) -> AppError {
    AppError::new(Code::TooLarge, format!("the body has {found} bytes, at most {max} are taken"))
}

pub(super) fn refused(r: openlineage::Refusal) -> AppError {
    let code = if r.kind == RefusalKind::TooLarge { Code::TooLarge } else { Code::BadUserInput };
    AppError { malformed: r.kind == RefusalKind::Malformed, ..AppError::new(code, r.message).at(r.pointer) }
}

pub(super) fn sealing(e: VaultError) -> AppError {
    AppError { source: Some(Box::new(e)), ..AppError::unavailable("the vault could not be used; nothing was recorded", 5) }
}
