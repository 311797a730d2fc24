//! A namespace is given up: everything in it that is alive ends.
use std::sync::Arc;

use futures::stream::{StreamExt as _, iter};
use serde_json::{Value, json};

use super::{
    App, AppError, Code, Receipt,
    declare::{Declaration, Target, Written, check_reason},
    ingest::receipt,
    retry::{self, RetryKey},
};
use crate::{
    access::{Action, Principal},
    domain::{
        canonical_json,
        catalog::{ArtifactFacts, ArtifactPage, ArtifactRef},
        declared::{DECLARED, NAMESPACE_RETIRED},
        id::EntryIndex,
        lineage::AsOf,
        time::Micros,
    },
    store::{
        Snapshot,
        write::{Act, Change, DuplicateKey},
    },
};

/// The most artifacts that one act retires.
pub const RETIRED_MAX: usize = 1_000;
/// How many of its entries are on their way at once.
const IN_FLIGHT: usize = 64;
/// Artifacts read at a time.
const PAGE: usize = 256;

/// Which namespace, and from when on.
#[derive(Clone, Debug)]
pub struct NamespaceToRetire {
    pub namespace: String,
    /// `None`: now.
    pub at: Option<Micros>,
}

/// What was retired.
#[derive(Clone, Debug)]
pub struct NamespaceRetired {
    /// Of the entry that closes the act.
    pub receipt: Receipt,
    /// An entry for each artifact that ended.
    pub entries: Vec<EntryIndex>,
    /// Artifacts that are known under a name of another namespace too, and were left.
    pub skipped: u64,
    /// There are more than one act retires.
    pub more: bool,
}

/// What is alive in a namespace.
struct Alive {
    found: Vec<ArtifactFacts>,
    skipped: u64,
    more: bool,
}

impl App {
    /// Ends every artifact of a namespace, each by an entry as `retireArtifact`
    /// writes it, and closes with one that lists them.
    ///
    /// # Errors
    /// `FORBIDDEN`, `BAD_USER_INPUT`, `NOT_FOUND` (nothing of that namespace is
    /// alive then), `CONFLICT` (the key was given with something else), `UNAVAILABLE`.
    /// What was retired before a failure stays so; the same again goes on.
    pub async fn retire_namespace(
        &self,
        by: &Arc<Principal>,
        what: NamespaceToRetire,
        reason: String,
        key: Option<RetryKey>,
    ) -> Result<NamespaceRetired, AppError> {
        let now = self.ambient.clock.now();
        self.permit(by, Action::CorrectCatalog, now, &[&what.namespace])?;
        check_reason(&reason)?;
        if what.at.is_some_and(|at| at > now) {
            return Err(AppError::bad_input("a life cannot be ended ahead of time; `at` is in the future").at("input.at"));
        }
        let _turn = self.declaring.lock().await;
        let _preparing = self.preparing.read().await;
        let request = canonical_json::write(&json!([NAMESPACE_RETIRED, what.namespace, what.at.map(Micros::rfc3339), reason]));
        let retry = self.retry(by.actor, key.as_ref(), &request);
        let snapshot = self.store.snapshot().await?;
        if let Some(first) = self.first_act(&*snapshot, retry.as_ref()).await? {
            return Ok(said(first.receipt, first.core.as_ref()));
        }
        let now = self.ambient.clock.now();
        let at = what.at.unwrap_or(now);
        let alive = alive(&*snapshot, &what.namespace, at).await?;
        if alive.found.is_empty() {
            let message = match alive.skipped {
                0 => "nothing of this namespace is alive then".to_owned(),
                n => format!("all that is alive of this namespace ({n}) has a name in another one too; retire these artifacts one by one"),
            };
            return Err(AppError::new(Code::NotFound, message).at("input.namespace"));
        }
        let mut acts: Vec<Act> = Vec::with_capacity(alive.found.len());
        for facts in alive.found {
            let declaration = Declaration::Retire { artifact: ArtifactRef::Key(facts.key.clone()) };
            let target = Target { kind: facts.kind, name: facts.name.clone(), facts: Some(facts) };
            let written = Written { reason: &reason, retry: None, at, now };
            acts.push(self.declared_act(by, &*snapshot, &declaration, &target, &written).await?);
        }
        let mut done = iter(acts).map(|act| self.sequencer.submit(act)).buffered(IN_FLIGHT);
        let mut entries: Vec<EntryIndex> = Vec::new();
        while let Some(committed) = done.next().await {
            entries.push(committed?.index);
        }
        drop(done);
        let mut core = json!({
            "actor": by.actor.text(),
            "at": at.rfc3339(),
            "entries": entries,
            "more": alive.more,
            "namespace": what.namespace,
            "skipped": alive.skipped,
            "source": {"integration": "", "producer": DECLARED},
            "time": now.rfc3339(),
            "type": NAMESPACE_RETIRED,
        });
        retry::put(&mut core, retry.as_ref());
        let duplicate = retry.map(|r| DuplicateKey::of_retry(&r.key));
        let act = self.administrative(Some(by), NAMESPACE_RETIRED, now, &core, &reason, duplicate, Change::Nothing)?;
        let committed = self.sequencer.submit(act).await?;
        Ok(said(receipt(&committed), Some(&core)))
    }
}

fn said(receipt: Receipt, core: Option<&Value>) -> NamespaceRetired {
    let member = |name: &str| core.and_then(|c| c.get(name));
    let entries = member("entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    NamespaceRetired {
        receipt,
        entries: entries.iter().filter_map(Value::as_u64).collect(),
        skipped: member("skipped").and_then(Value::as_u64).unwrap_or(0),
        more: member("more").and_then(Value::as_bool).unwrap_or(false),
    }
}

/// What is alive of a namespace, as far as it is of no other one.
async fn alive(snapshot: &dyn Snapshot, namespace: &str, at: Micros) -> Result<Alive, AppError> {
    let as_of = AsOf { valid_at: at, size: snapshot.head().size };
    let mut alive = Alive { found: Vec::new(), skipped: 0, more: false };
    let mut page = ArtifactPage { namespace: Some(namespace.into()), limit: PAGE, ..ArtifactPage::default() };
    loop {
        let found = snapshot.artifact_page(&page, as_of).await?;
        let full = found.len() == PAGE;
        page.after = found.last().map(|last| (last.name.clone(), last.kind));
        for facts in found {
            if facts.aliases.iter().any(|name| *name.namespace != *namespace) {
                alive.skipped += 1;
            } else if alive.found.len() == RETIRED_MAX {
                alive.more = true;
                return Ok(alive);
            } else {
                alive.found.push(facts);
            }
        }
        if !full {
            return Ok(alive);
        }
    }
}
