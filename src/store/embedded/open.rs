//! Opening a data folder: lock it, check it, load it. Recovery is opening: there
//! is no other code for it.
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension};

use super::{
    anchor::{Anchor, AnchorError},
    closure::Copies,
    intern::Intern,
    project::State,
    read::Seen,
    schema::{OpenError, Synchronous, backend, open_reader, open_writer},
    shared::Shared,
    snapshot::{EmbeddedSnapshot, Readers},
    topology::Topology,
    tree::StoredTree,
    wal::WalMover,
    writer::{Writer, WriterParts},
};
use crate::{
    domain::{
        assertion::Digest,
        id::{EntryIndex, InstallationSecret},
        position::{LogNumber, LogSpan, Logs},
        sight::Sight,
        time::{DAWN, Micros},
    },
    ledger::{LogKey, RightEdge, TreeReader},
    store::{
        Changed, Head, PublishedCheckpoint, Snapshot, Store, StoreError,
        write::{Committer, TokenRow},
    },
    vault::Vault,
};

/// A locked data folder.
pub struct Folder {
    path: PathBuf,
    /// The database was not there before.
    pub new: bool,
    lock: File,
}

impl Folder {
    /// Locks a folder, making it if it is not there.
    ///
    /// # Errors
    /// [`OpenFolderError::Locked`] while another process has it.
    pub fn lock(path: &Path) -> Result<Self, OpenFolderError> {
        create_durably(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            if !path.join("main.db").exists() {
                fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
            }
        }
        let lock = File::options().create(true).truncate(false).write(true).open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(OpenFolderError::Locked),
            Err(fs::TryLockError::Error(e)) => return Err(e.into()),
        }
        Ok(Self { path: path.to_owned(), new: !path.join("main.db").exists(), lock })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    /// Closing the file would not do: a process that this one is just starting holds
    /// it, and with it the lock, until it executes.
    fn drop(&mut self) {
        self.lock.unlock().ok();
    }
}

/// Makes a folder and those above it, their names durable: an entry in a folder
/// that a power cut takes away would be lost.
fn create_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_durably(parent)?;
    match fs::create_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    if cfg!(unix) { File::open(parent)?.sync_all() } else { Ok(()) }
}

/// What opening needs beside the folder.
pub struct OpenOptions {
    pub vault: Arc<Vault>,
    pub log_key: Arc<LogKey>,
    pub secret: InstallationSecret,
    pub anchor: Option<Anchor>,
    pub readers: usize,
    /// From how many nodes of a count on the graph's shape is copied for it.
    pub copies_from: usize,
    pub synchronous: Synchronous,
}

/// Why a folder is refused, with the way out.
#[derive(Debug, thiserror::Error)]
pub enum OpenFolderError {
    #[error("the data folder is in use by another ledgerline; stop it, or ask the running server with `--url`")]
    Locked,
    #[error(transparent)]
    Database(#[from] OpenError),
    #[error("the data folder could not be used")]
    Io(#[from] io::Error),
    #[error(
        "the log's origin is `{stored}` but the configuration says `{configured}`; set `ledger.origin` to the former, or start a new data folder"
    )]
    OtherOrigin { stored: String, configured: String },
    #[error(
        "the log key does not belong to this data folder: its last checkpoint does not verify; put the folder's own keys in `keys.dir`"
    )]
    OtherKey,
    #[error(
        "the data folder is behind its anchor: it holds {found} entries, the anchor's checkpoint has {anchored}; \
         bring the newer data back, or move the anchor away and accept that entries {found} to {anchored} are lost and this log is a fork"
    )]
    BehindAnchor { found: u64, anchored: u64 },
    #[error("the log differs from the one its {witness} signed at size {size}; restore the data that belongs to it")]
    Fork { witness: &'static str, size: u64 },
    #[error(
        "the log holds {size} entries but its signed checkpoint is gone, which no crash brings about; keep a copy of the folder as evidence \
         and restore the last backup that verifies"
    )]
    NoCheckpoint { size: u64 },
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    #[error("the data folder could not be read")]
    Store(#[from] StoreError),
}

/// An open folder: the store for readers, the writer for the sequencer.
pub struct Opened {
    pub store: Arc<EmbeddedStore>,
    pub writer: Box<dyn Committer>,
    pub tokens: Vec<TokenRow>,
}

/// The embedded store.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    _wal: WalMover,
    _folder: Folder,
}

impl EmbeddedStore {
    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Opens a locked folder.
    ///
    /// # Errors
    /// [`OpenFolderError`].
    pub fn open(folder: Folder, options: OpenOptions) -> Result<Opened, OpenFolderError> {
        let path = folder.path.join("main.db");
        let mut db = open_writer(&path, options.synchronous)?;
        let span = current_log(&db, options.log_key.name())?;
        let (size, last_at) = extent(&db, span.first)?;
        let edge = RightEdge::restore(size, &StoredTree { db: &db, first: span.first }).map_err(|e| StoreError::Backend(Box::new(e)))?;
        let published = stored_checkpoint(&db, &edge, span.first, &options.log_key)?;
        if let Some(anchor) = &options.anchor {
            check_anchor(&db, anchor, &edge, span.first, &options.log_key)?;
        }
        // One transaction for all of the loading: nobody else writes, and it is cheaper.
        let load = db.transaction().map_err(backend)?;
        let topology = Topology::load(&load)?;
        let state = State::load(&load)?;
        let tokens = super::tokens::all(&load)?;
        let redacted = super::redaction::blobs(&load)?;
        load.finish().map_err(backend)?;
        let logs = Logs::new(vec![span.clone()]).ok_or(StoreError::Inconsistent { place: "log" })?;
        let head = Head { size: span.first + size, root: edge.root() };
        let intern = Intern::with_redacted(redacted);
        let shared = Arc::new(Shared::new(topology, Copies::new(options.copies_from), intern, logs, head, published));
        let anchor = options.anchor.clone();
        let mut writer = Writer::new(WriterParts {
            db,
            shared: shared.clone(),
            vault: options.vault.clone(),
            key: options.log_key,
            edge,
            first: span.first,
            last_at,
            state,
            on_publish: anchor.map(|a| Box::new(move |c: &PublishedCheckpoint| a.write(&c.note)) as Box<_>),
        })?;
        // SQLite syncs the folder of a new write-ahead log, but overlooks when that fails.
        #[cfg(unix)]
        File::open(&folder.path)?.sync_all()?;
        // What was committed before a crash gets its checkpoint now.
        writer.publish().map_err(|e| StoreError::Backend(Box::new(e)))?;
        let connections = (0..options.readers.max(1)).map(|_| open_reader(&path)).collect::<Result<_, _>>().map_err(backend)?;
        let readers = Arc::new(Readers::new(connections, shared.clone(), options.vault, options.secret));
        let wal = WalMover::start(&path, shared.clone()).map_err(StoreError::Backend)?;
        Ok(Opened { store: Arc::new(Self { shared, readers, _wal: wal, _folder: folder }), writer: Box::new(writer), tokens })
    }
}

/// The open log; makes the first one in a new folder.
fn current_log(db: &Connection, origin: &str) -> Result<LogSpan, OpenFolderError> {
    let row: Option<(u32, String, u64)> = db
        .query_row("SELECT number, origin, first FROM log WHERE closed_size IS NULL", [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
        .optional()
        .map_err(backend)?;
    let Some((number, stored, first)) = row else {
        db.execute("INSERT INTO log(number, origin, first, closed_size) VALUES(0, ?1, 0, NULL)", [origin]).map_err(backend)?;
        return Ok(LogSpan { log: LogNumber(0), origin: origin.into(), first: 0, closed_size: None });
    };
    if stored != origin {
        return Err(OpenFolderError::OtherOrigin { stored, configured: origin.to_owned() });
    }
    Ok(LogSpan { log: LogNumber(number), origin: stored.into(), first, closed_size: None })
}

/// Entries of the current log, and when the last one was recorded.
fn extent(db: &Connection, first: u64) -> Result<(u64, Micros), StoreError> {
    let last: Option<(u64, i64)> = db
        .query_row("SELECT ix, us FROM entry ORDER BY ix DESC LIMIT 1", [], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()
        .map_err(backend)?;
    Ok(last.map_or((0, DAWN), |(ix, us)| (ix + 1 - first, Micros(us))))
}

fn stored_checkpoint(db: &Connection, edge: &RightEdge, first: u64, key: &LogKey) -> Result<Arc<PublishedCheckpoint>, OpenFolderError> {
    let row: Option<(u64, [u8; 32], String)> = db
        .query_row("SELECT size, root, note FROM checkpoint", [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
        .optional()
        .map_err(backend)?;
    let Some((size, root, note)) = row else {
        // The first is signed for the empty log, before anything is appended.
        if edge.size() > 0 {
            return Err(OpenFolderError::NoCheckpoint { size: edge.size() });
        }
        return Ok(Arc::new(PublishedCheckpoint { size: 0, root: crate::ledger::EMPTY_ROOT, note: String::new() }));
    };
    let signed = crate::ledger::Checkpoint::open(&note, &key.verifier()).map_err(|_| OpenFolderError::OtherKey)?;
    let same = signed.size == size && signed.root == root && size <= edge.size() && root_at(db, edge, first, size)? == root;
    if !same {
        return Err(OpenFolderError::Fork { witness: "own checkpoint", size });
    }
    Ok(Arc::new(PublishedCheckpoint { size, root, note }))
}

fn check_anchor(db: &Connection, anchor: &Anchor, edge: &RightEdge, first: u64, key: &LogKey) -> Result<(), OpenFolderError> {
    let Some(anchored) = anchor.read(&key.verifier())? else { return Ok(()) };
    if anchored.size > edge.size() {
        return Err(OpenFolderError::BehindAnchor { found: edge.size(), anchored: anchored.size });
    }
    if root_at(db, edge, first, anchored.size)? != anchored.root {
        return Err(OpenFolderError::Fork { witness: "anchor", size: anchored.size });
    }
    Ok(())
}

fn root_at(db: &Connection, edge: &RightEdge, first: u64, size: u64) -> Result<[u8; 32], StoreError> {
    TreeReader::new(&StoredTree { db, first }, edge.size()).root_at(size).map_err(|e| StoreError::Backend(Box::new(e)))
}

#[async_trait]
impl Store for EmbeddedStore {
    fn head(&self) -> Head {
        self.shared.head()
    }

    fn checkpoint(&self) -> Arc<PublishedCheckpoint> {
        self.shared.checkpoint()
    }

    fn logs(&self) -> Logs {
        self.shared.logs.clone()
    }

    fn shape(&self, digest: &Digest) -> Option<u32> {
        self.shared.intern.shape(digest)
    }

    fn blob(&self, digest: &Digest) -> Option<u32> {
        self.shared.intern.blob(digest)
    }

    fn is_redacted(&self, digest: &Digest) -> bool {
        self.shared.intern.is_redacted(digest)
    }

    fn stopped(&self) -> bool {
        self.shared.stopped()
    }

    fn watch_head(&self) -> tokio::sync::watch::Receiver<crate::domain::id::EntryIndex> {
        self.shared.watch_head()
    }

    fn watch_stopped(&self) -> tokio::sync::watch::Receiver<bool> {
        self.shared.watch_stopped()
    }

    fn changed(&self, from: u32, limit: usize, size: EntryIndex) -> Changed {
        let (keys, next) = self.shared.topology.changed(from, limit, size);
        Changed { keys, next }
    }

    async fn snapshot(&self) -> Result<Arc<dyn Snapshot>, StoreError> {
        Ok(Arc::new(EmbeddedSnapshot { readers: self.readers.clone(), head: self.shared.head(), seen: None }))
    }

    async fn snapshot_for(&self, sight: Sight) -> Result<Arc<dyn Snapshot>, StoreError> {
        let head = self.shared.head();
        let seen = Seen::of(sight, &self.shared.topology).map(Arc::new);
        Ok(Arc::new(EmbeddedSnapshot { readers: self.readers.clone(), head, seen }))
    }
}
