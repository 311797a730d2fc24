//! Use cases: authorize → decide → commit with its event. The one place where
//! the parts meet; knows neither HTTP nor GraphQL nor which store it has.
pub mod compose;
pub mod declare;
mod error;
pub mod ingest;
pub mod ledger_access;
pub mod rebuild;
pub mod redact;
pub mod refusals;
pub mod retire;
pub mod retry;
pub mod search;
pub mod sequencer;
pub mod tokens;
pub mod verify;
pub mod view;

use std::sync::Arc;

pub use error::{AppError, Code};
pub use view::View;

use crate::{
    access::{Clearances, Principal},
    clock::Ambient,
    domain::{
        assertion::Digest,
        id::{EntryId, EntryIndex},
        sight::{Namespaces, Sight},
        time::{FOREVER, Micros},
    },
    store::Store,
    vault::Vault,
};

/// What bounds a request; from the configuration.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one event, after inflation.
    pub event_bytes_max: usize,
    /// Bytes of one batch body, after inflation.
    pub batch_bytes_max: usize,
    pub lineage_depth_max: usize,
    pub lineage_nodes_max: usize,
    pub lineage_per_node_max: usize,
    pub lineage_starts_max: usize,
    pub lineage_deadline_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            event_bytes_max: 16 << 20,
            batch_bytes_max: 64 << 20,
            lineage_depth_max: 100,
            lineage_nodes_max: 20_000,
            lineage_per_node_max: 10_000,
            lineage_starts_max: 100,
            lineage_deadline_ms: 10_000,
        }
    }
}

/// What an act leaves behind: where its entry lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    pub index: EntryIndex,
    pub event_id: EntryId,
    pub recorded_at: Micros,
    pub leaf_hash: Digest,
}

/// The application: one value, built in the composition root.
pub struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sequencer: sequencer::Sequencer,
    pub(crate) vault: Arc<Vault>,
    pub(crate) ambient: Ambient,
    pub(crate) limits: Limits,
    pub(crate) tokens: tokens::TokenBook,
    pub(crate) log_key: Arc<crate::ledger::LogKey>,
    pub(crate) identity: ingest::IngestIdentity,
    pub(crate) ledger_public: ledger_access::LedgerPublic,
    pub(crate) refusals: refusals::Refusals,
    pub(crate) search: search::Search,
    pub(crate) clearances: Clearances,
    /// What ids of hidden nodes are made with.
    pub(crate) hidden_key: [u8; 32],
    /// Declarations decide one after the other, each on what the one before left.
    pub(crate) declaring: tokio::sync::Mutex<()>,
    /// Held by whoever prepares a lineage event until it is committed; alone by a
    /// redaction, so that nothing is committed that refers to what it destroys.
    pub(crate) preparing: tokio::sync::RwLock<()>,
}

/// An error and everything behind it, for the log.
fn error_chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    for e in std::iter::successors(e.source(), |e| e.source()) {
        text.push_str(": ");
        text.push_str(&e.to_string());
    }
    text
}

/// Whether requests can be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    Ready,
    /// The store is being opened.
    Loading,
    /// A write failed; the process is about to end.
    Stopped,
}

impl App {
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// A view for one request. `min_size`: the answer must stand on at least
    /// that many entries (read-your-writes over several servers).
    ///
    /// # Errors
    /// `STALE` when the ledger is smaller, `UNAVAILABLE` when the store stopped.
    pub async fn view(self: &Arc<Self>, principal: Arc<Principal>, min_size: Option<EntryIndex>) -> Result<View, AppError> {
        let sight = self.sight(&principal);
        let snapshot = self.store.snapshot_for(sight.clone()).await?;
        let size = snapshot.head().size;
        if let Some(min) = min_size.filter(|m| *m > size) {
            return Err(AppError::new(Code::Stale, format!("the ledger has {size} entries, at least {min} were asked for")));
        }
        Ok(View::new(self.clone(), principal, (snapshot, sight), min_size))
    }

    /// What a caller may see: the namespaces of its scope, up to the clearance of its roles.
    #[must_use]
    pub fn sight(&self, of: &Principal) -> Sight {
        let scope = (!of.scope.holds_everything()).then(|| of.scope.clone());
        let namespaces = scope.map(|scope| Arc::new(move |namespace: &str| scope.holds(namespace)) as Namespaces);
        Sight::of(namespaces, self.clearances.of(of.roles), &self.hidden_key, of.actor)
    }

    #[must_use]
    pub fn readiness(&self) -> Readiness {
        if self.store.stopped() || self.sequencer.stopped() { Readiness::Stopped } else { Readiness::Ready }
    }

    /// Resolves once a write or sync has failed, of the log or of the vault, in a
    /// commit or beside it; the process should end then.
    pub async fn until_stopped(&self) {
        let (mut sequencer, mut store) = (self.sequencer.watch_stopped(), self.store.watch_stopped());
        // Neither sender goes away while this application lives.
        tokio::select! {
            Ok(_) = sequencer.wait_for(|s| *s) => {}
            Ok(_) = store.wait_for(|s| *s) => {}
            else => std::future::pending::<()>().await,
        }
    }

    /// An error of the vault; after one that leaves its files in doubt nothing more is written.
    fn vault_error(&self, e: crate::vault::VaultError) -> AppError {
        if e.is_fatal() {
            tracing::error!(error = %error_chain(&e), "the vault failed; the server stops writing and a restart recovers");
            self.sequencer.stop();
        }
        ingest::sealing(e)
    }

    /// A key for one use of this installation, the same on each of its servers and
    /// after each restart.
    #[must_use]
    pub fn key(&self, label: &str) -> [u8; 32] {
        self.identity.secret.key(label)
    }

    /// Takes no more writes, commits those that wait, signs a last checkpoint.
    pub fn drain(&self) {
        self.record_refusals(FOREVER);
        self.sequencer.drain();
    }

    /// How many entries are committed, and when there are more.
    #[must_use]
    pub fn watch_head(&self) -> tokio::sync::watch::Receiver<EntryIndex> {
        self.store.watch_head()
    }

    /// Entries committed so far.
    #[must_use]
    pub fn ledger_size(&self) -> EntryIndex {
        self.store.head().size
    }
}
