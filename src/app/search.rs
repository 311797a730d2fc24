//! Search: an index in memory beside the graph, filled by a thread of its own from
//! what the store says changed, never the other way round. Ingest knows nothing of
//! it; a search first waits until the index has caught up with the ledger.
use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

use super::{App, AppError, Code, View, error_chain};
use crate::{
    access::{Action, Attributes, decide},
    domain::{
        id::EntryIndex,
        lineage::{AsOf, NodeKey},
        search::{Found, QUERY_WORDS_MAX, SearchIndex, SearchQuery, Searchable, TEXT_BYTES_MAX, query_words},
    },
    store::{Store, StoreError},
    telemetry::name,
};

/// How often the thread looks for changes when nobody searches.
const IDLE: Duration = Duration::from_millis(500);
/// Until the next try after the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// Artifacts read in one question.
const BATCH: usize = 512;

/// The index and the ledger size it stands on; 0 entries before it was built.
#[derive(Default)]
struct Indexed {
    index: SearchIndex,
    size: Option<EntryIndex>,
}

struct Shared {
    store: Arc<dyn Store>,
    indexed: RwLock<Indexed>,
    /// Somebody waits for the index.
    wanted: Notify,
    /// The size that the index stands on, once it is built.
    caught_up: watch::Sender<Option<EntryIndex>>,
    stop: watch::Sender<bool>,
}

/// The index with its thread, which begins with the first search or
/// [`App::start_search`] and ends with this value.
pub struct Search {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a search found, and what it stands on.
#[derive(Debug)]
pub struct SearchAnswer {
    pub found: Found,
    /// Now, at the size that the index stands on.
    pub as_of: AsOf,
}

impl Search {
    pub(super) fn over(store: Arc<dyn Store>) -> Self {
        let shared = Shared {
            store,
            indexed: RwLock::default(),
            wanted: Notify::new(),
            caught_up: watch::Sender::new(None),
            stop: watch::Sender::new(false),
        };
        Self { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    /// Begins to build the index, if that was not done.
    fn start(&self) -> std::io::Result<()> {
        let mut thread = self.thread.lock();
        if thread.is_none() && !*self.shared.stop.borrow() {
            let shared = self.shared.clone();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            let body = move || runtime.block_on(shared.follow());
            *thread = Some(std::thread::Builder::new().name("search".into()).spawn(body)?);
        }
        Ok(())
    }

    /// Waits until the index stands on `size` entries, or the time is over.
    async fn catch_up(&self, size: EntryIndex, deadline: Instant) {
        let mut caught_up = self.shared.caught_up.subscribe();
        self.shared.wanted.notify_one();
        // Whichever it is, what the index stands on is looked at afterwards.
        drop(tokio::time::timeout_at(deadline.into(), caught_up.wait_for(|s| s.is_some_and(|s| s >= size))).await);
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        self.shared.stop.send_replace(true);
        if let Some(thread) = self.thread.get_mut().take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that fills the search index panicked");
        }
    }
}

impl Shared {
    /// Keeps the index beside the ledger until told to stop.
    async fn follow(&self) {
        let mut stop = self.stop.subscribe();
        let mut from = 0;
        loop {
            let pause = match self.round(&mut from).await {
                Ok(()) => IDLE,
                Err(e) => {
                    // What changed was told and is lost: begin anew.
                    metrics::counter!(name::SEARCH_FAILURES).increment(1);
                    metrics::gauge!(name::SEARCH_READY).set(0);
                    tracing::error!(error = %error_chain(&e), "the search index could not be filled; it is built anew");
                    from = 0;
                    *self.indexed.write() = Indexed::default();
                    self.caught_up.send_replace(None);
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|s| *s) => return,
                () = tokio::time::sleep(pause) => {}
                () = self.wanted.notified(), if pause == IDLE => {}
            }
        }
    }

    /// Takes in what changed up to the head.
    async fn round(&self, from: &mut u32) -> Result<(), StoreError> {
        let size = self.store.head().size;
        let built = self.indexed.read().size;
        if built == Some(size) {
            return Ok(());
        }
        let snapshot = self.store.snapshot().await?;
        let size = snapshot.head().size;
        let begun = Instant::now();
        let mut read: Vec<(NodeKey, Option<Searchable>)> = Vec::new();
        // A first filling is out of sight; later ones come into it all at once.
        let mut first = built.is_none().then(SearchIndex::default);
        loop {
            let changed = self.store.changed(*from, BATCH, size);
            // Fewer new ones than asked for: what changed came with them.
            let last = ((changed.next - *from) as usize) < BATCH;
            *from = changed.next;
            for keys in changed.keys.chunks(BATCH) {
                if *self.stop.borrow() {
                    return Ok(());
                }
                let found = snapshot.searchables(keys).await?;
                read.extend(keys.iter().cloned().zip(found));
                if let Some(index) = &mut first {
                    read.drain(..).for_each(|(key, found)| index.put(&key, found.as_ref()));
                }
            }
            if last {
                break;
            }
        }
        {
            let mut indexed = self.indexed.write();
            if let Some(index) = first {
                tracing::info!(
                    artifacts = index.len(),
                    words = index.words(),
                    seconds = begun.elapsed().as_secs_f64(),
                    "the search index is built"
                );
                indexed.index = index;
            }
            read.iter().for_each(|(key, found)| indexed.index.put(key, found.as_ref()));
            indexed.size = Some(size);
        }
        metrics::gauge!(name::SEARCH_READY).set(1);
        self.caught_up.send_replace(Some(size));
        Ok(())
    }
}

impl App {
    /// Begins to build the search index beside everything else.
    pub fn start_search(&self) {
        if let Err(e) = self.search.start() {
            tracing::error!(error = %e, "the thread that fills the search index could not be started");
        }
    }
}

impl View {
    /// Artifacts by words, of the namespaces that the caller's scope holds.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a text without words or over a maximum; `UNAVAILABLE`
    /// while the index is being built; `STALE` when it has not caught up with what
    /// the request asks for.
    pub async fn search(&self, query: SearchQuery) -> Result<SearchAnswer, AppError> {
        self.require(Action::ReadCatalog)?;
        if query.text.len() > TEXT_BYTES_MAX {
            return Err(AppError::bad_input(format!("the text is longer than {TEXT_BYTES_MAX} bytes")).at("text"));
        }
        match query_words(&query.text).len() {
            0 => return Err(AppError::bad_input("the text holds no letter and no digit").at("text")),
            n if n > QUERY_WORDS_MAX => {
                return Err(AppError::bad_input(format!("the text has {n} words, at most {QUERY_WORDS_MAX} are looked for")).at("text"));
            }
            _ => {}
        }
        self.app.start_search();
        self.app.search.catch_up(self.head().size, self.deadline).await;
        let (shared, principal, at) = (self.app.search.shared.clone(), self.principal.clone(), self.now);
        let hidden = self.snapshot.above_clearance();
        let (found, size) = tokio::task::spawn_blocking(move || {
            let indexed = shared.indexed.read();
            let may = |namespace: &str| decide(&principal, Action::ReadCatalog, Attributes { at, namespaces: &[namespace] }).permits();
            (indexed.index.find(&query, may, &hidden), indexed.size)
        })
        .await
        .map_err(|_| AppError::new(Code::Internal, "a search panicked"))?;
        let Some(size) = size else {
            return Err(AppError { retry_after: Some(5), ..AppError::new(Code::Unavailable, "the search index is being built") });
        };
        match self.min_size.filter(|min| *min > size) {
            Some(min) => {
                Err(AppError::new(Code::Stale, format!("the search index stands on {size} entries, at least {min} were asked for")))
            }
            None => Ok(SearchAnswer { found, as_of: AsOf { valid_at: self.now, size } }),
        }
    }
}
