//! Redaction: what an event said is destroyed, because it should never have been
//! said: a password in a SQL text, an address in a description.
use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{App, AppError, Code, Receipt, declare::check_reason, ingest::receipt, retry, retry::RetryKey};
use crate::{
    access::{Action, Principal},
    domain::{
        canonical_json,
        declared::{DECLARED, PART_REDACTED},
        entry::PartClass,
        id::EntryIndex,
        redaction::{FacetsWanted, Redactable, RedactionQuestion, RestState},
    },
    store::write::{Change, DuplicateKey, Redaction},
};

/// The most entries that one act redacts beside the one it names.
pub const ALIKE_MAX: usize = 1_000;
/// The most names of facets.
const NAMES_MAX: usize = 1_000;

/// What is to be destroyed.
#[derive(Clone, Debug)]
pub struct PartToRedact {
    pub index: EntryIndex,
    pub class: PartClass,
    /// Names of facets that are kept once; `None`: all of the event.
    pub facets: Option<Vec<String>>,
    /// The entry's own bytes.
    pub bytes: bool,
    /// Those of the entries that are alike too.
    pub alike: bool,
}

/// What was destroyed.
#[derive(Clone, Debug)]
pub struct Redacted {
    pub receipt: Receipt,
    /// Entries whose part is gone.
    pub entries: Vec<EntryIndex>,
    /// Facets whose content is gone, for everybody who has it.
    pub facets: Vec<String>,
    /// Entries that have the same unvarying text and were left.
    pub remaining: u64,
    /// One of them.
    pub next: Option<EntryIndex>,
}

impl App {
    /// Redacts the `rest` of an entry, its facets, or both.
    ///
    /// # Errors
    /// `FORBIDDEN`, `BAD_USER_INPUT`, `NOT_FOUND` (an entry or facet that is not
    /// there), `CONFLICT` (it is gone already; the graph is made of it; it is not
    /// kept where it was looked for), `UNAVAILABLE`.
    pub async fn redact(
        &self,
        by: &Arc<Principal>,
        what: PartToRedact,
        reason: String,
        key: Option<RetryKey>,
    ) -> Result<Redacted, AppError> {
        let now = self.ambient.clock.now();
        // Who may correct neither the catalog nor tokens learns nothing of what there is.
        if self.permit(by, Action::CorrectCatalog, now, &[]).is_err() {
            self.permit(by, Action::ManageTokens, now, &[])?;
        }
        check_reason(&reason)?;
        check(&what)?;
        let _turn = self.declaring.lock().await;
        let request =
            canonical_json::write(&json!([PART_REDACTED, what.index, what.class.word(), what.facets, what.bytes, what.alike, reason]));
        let retry = self.retry(by.actor, key.as_ref(), &request);
        if let Some(first) = self.first_act(&*self.store.snapshot().await?, retry.as_ref()).await? {
            return Ok(said(first.receipt, first.core.as_ref()));
        }
        // From here on nothing is prepared that could refer to what is destroyed.
        let _alone = self.preparing.write().await;
        let snapshot = self.store.snapshot().await?;
        let question = RedactionQuestion {
            index: what.index,
            facets: match &what.facets {
                None => FacetsWanted::All,
                Some(names) => FacetsWanted::Named(names.iter().map(|n| n.as_str().into()).collect()),
            },
            bytes: what.bytes,
            alike_max: if what.alike { ALIKE_MAX } else { 1 },
        };
        let found = snapshot.redactable(question).await?;
        let found = found.ok_or_else(|| AppError::new(Code::NotFound, "there is no such entry").at("input.index"))?;
        let now = self.ambient.clock.now();
        let namespaces: Vec<&str> = found.namespaces.iter().map(|n| &**n).collect();
        // The reasons of administrative acts are their administrators'.
        let of_catalog = found.shape.is_some() || found.event_type.starts_with("catalog.");
        self.permit(by, if of_catalog { Action::CorrectCatalog } else { Action::ManageTokens }, now, &namespaces)?;
        possible(&what, &found)?;

        let mut redaction = Redaction { decided_at: snapshot.head().size, changed: found.artifacts.clone(), ..Redaction::default() };
        let mut left = found.alike_count;
        let mut next = found.alike.first().copied();
        if what.bytes && found.rest == RestState::There {
            redaction.entries.push(what.index);
        }
        if what.alike {
            redaction.entries.extend(&found.alike);
            redaction.entries.sort_unstable();
            left -= found.alike.len() as u64;
            next = match left {
                0 => None,
                _ => self.one_more(&*snapshot, &what, &found).await?,
            };
        }
        if what.bytes && left == 0 {
            redaction.shape = found.shape;
        }
        let facets: Vec<_> = found.facets.iter().filter(|f| !f.redacted && !f.of_the_graph).collect();
        for f in &facets {
            if !redaction.blobs.iter().any(|(digest, _)| *digest == f.digest) {
                redaction.blobs.push((f.digest, f.numbers.clone()));
            }
        }
        let facets: Vec<Value> = facets.iter().map(|f| json!({"digest": URL_SAFE_NO_PAD.encode(f.digest), "name": &*f.name})).collect();
        let mut core = json!({
            "actor": by.actor.text(),
            "class": what.class.word(),
            "entries": redaction.entries,
            "facets": facets,
            "remaining": left,
            "source": {"integration": "", "producer": DECLARED},
            "time": now.rfc3339(),
            "type": PART_REDACTED,
        });
        if let (Some(next), Some(members)) = (next, core.as_object_mut()) {
            members.insert("next".to_owned(), next.into());
        }
        retry::put(&mut core, retry.as_ref());
        let duplicate = retry.map(|r| DuplicateKey::of_retry(&r.key));
        let act = self.administrative(Some(by), PART_REDACTED, now, &core, &reason, duplicate, Change::Redact(Box::new(redaction)))?;
        let committed = self.sequencer.submit(act).await?;
        Ok(said(receipt(&committed), Some(&core)))
    }

    /// An entry alike beyond those that are done at once.
    async fn one_more(
        &self,
        snapshot: &dyn crate::store::Snapshot,
        what: &PartToRedact,
        found: &Redactable,
    ) -> Result<Option<EntryIndex>, AppError> {
        let question =
            RedactionQuestion { index: what.index, facets: FacetsWanted::Named(Vec::new()), bytes: true, alike_max: found.alike.len() + 1 };
        Ok(snapshot.redactable(question).await?.and_then(|more| more.alike.last().copied()))
    }
}

/// What an entry of a redaction says.
fn said(receipt: Receipt, core: Option<&Value>) -> Redacted {
    let list = |member: &str| core.and_then(|c| c.get(member)).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut facets: Vec<String> = list("facets").iter().filter_map(|f| f.get("name").and_then(Value::as_str)).map(str::to_owned).collect();
    facets.sort_unstable();
    facets.dedup();
    Redacted {
        receipt,
        entries: list("entries").iter().filter_map(Value::as_u64).collect(),
        facets,
        remaining: core.and_then(|c| c.get("remaining")).and_then(Value::as_u64).unwrap_or(0),
        next: core.and_then(|c| c.get("next")).and_then(Value::as_u64),
    }
}

/// What can be said without looking at anything.
fn check(what: &PartToRedact) -> Result<(), AppError> {
    let wrong = |message: &str, at: &str| Err(AppError::bad_input(message).at(at));
    match what.class {
        PartClass::Rest => {}
        PartClass::Core => {
            let message = "the graph is made of `core`: names and flows; retire the artifact or end the flow instead";
            return wrong(message, "input.class");
        }
        PartClass::Person => {
            return wrong("what names a person is destroyed with the person's keys, by an erasure, not by a redaction", "input.class");
        }
        PartClass::Context => return wrong("`context` is destroyed by its retention, not by a redaction", "input.class"),
    }
    let names = what.facets.as_deref().unwrap_or_default();
    if names.len() > NAMES_MAX {
        return wrong("at most 1000 facets are named at once", "input.facets");
    }
    if !what.bytes {
        if what.facets.as_ref().is_some_and(Vec::is_empty) {
            return wrong("nothing is left to redact; name facets or leave `bytes` true", "input.bytes");
        }
        if what.alike {
            return wrong("a facet is kept once for all that have it; `alike` is about the entries' own bytes", "input.alike");
        }
    }
    Ok(())
}

/// Whether it makes sense for this entry.
fn possible(what: &PartToRedact, found: &Redactable) -> Result<(), AppError> {
    let conflict = |message: String, at: &str| Err(AppError::new(Code::Conflict, message).at(at));
    // What was sent is not repeated in an error's text: its place is told.
    let place = |name: &str| {
        let i = what.facets.iter().flatten().position(|n| n == name).unwrap_or(0);
        format!("input.facets.{i}")
    };
    if let Some(absent) = found.absent.first() {
        return Err(AppError::new(Code::NotFound, "the event has no facet of this name").at(place(absent)));
    }
    if let Some(inside) = found.inside.first().filter(|_| !what.bytes) {
        return conflict("this facet lies in the entry's own bytes; leave `bytes` true".to_owned(), &place(inside));
    }
    if what.facets.is_some()
        && let Some(f) = found.facets.iter().find(|f| f.of_the_graph)
    {
        return conflict("the graph is made of this facet: of names and columns; it cannot be redacted".to_owned(), &place(&f.name));
    }
    let some_facet = found.facets.iter().any(|f| !f.redacted && !f.of_the_graph);
    let some_bytes = what.bytes && (found.rest == RestState::There || (what.alike && found.alike_count > 0));
    if some_facet || some_bytes {
        return Ok(());
    }
    match found.rest {
        RestState::Absent => Err(AppError::new(Code::NotFound, "the entry has no such part").at("input.class")),
        RestState::Gone { by: Some(by) } => conflict(format!("it was redacted before, by entry {by}"), "input.index"),
        _ => conflict("it was destroyed before".to_owned(), "input.index"),
    }
}
