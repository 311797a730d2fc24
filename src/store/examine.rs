//! What is asked of a store at rest by those who check it. The store tells what
//! only it can know (rows, tiles, whether its projection is what a replay gives);
//! what entries *mean* is told to it by the application ([`Meaning`]).
//!
//! Nothing here believes the projection: entries are read from the ledger's own
//! rows, so that a damaged graph cannot hide behind itself.
use std::{fmt, num::NonZeroUsize, ops::Range, sync::Arc};

use smallvec::SmallVec;

use super::{
    PublishedCheckpoint, Readable,
    write::{DuplicateKey, EntityDetail, EntityIds, TokenRow},
};
use crate::{
    domain::{
        assertion::{Assertion, Digest},
        entry::PartClass,
        id::{EntryId, EntryIndex, Handle},
        time::Micros,
    },
    ledger::Hash,
};

/// What was checked when something was found wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Check {
    /// The database file itself.
    File,
    /// Entries and tiles.
    Log,
    /// The signed tree head.
    Checkpoint,
    /// The tree head kept on another volume, or given with `--against`.
    Anchor,
    /// Keys in the vault.
    Key,
    /// Sealed parts and their commitments.
    Part,
    /// Interned facets and shapes.
    Blob,
    /// The duplicate index.
    Duplicate,
    /// References of people in leaves.
    Reference,
    /// The table of tokens.
    Token,
    /// The graph.
    Projection,
    /// What a server shows of its entries.
    Opening,
}

impl Check {
    /// Its name, for programs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Log => "log",
            Self::Checkpoint => "checkpoint",
            Self::Anchor => "anchor",
            Self::Key => "key",
            Self::Part => "part",
            Self::Blob => "blob",
            Self::Duplicate => "duplicate",
            Self::Reference => "reference",
            Self::Token => "token",
            Self::Projection => "projection",
            Self::Opening => "opening",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::File => "keep a copy of the folder as it is, check the disk, and restore the last backup that verifies",
            Self::Log => "the log is not what was signed: keep a copy of the folder as evidence and restore the last backup that verifies",
            Self::Checkpoint => {
                "compare with checkpoints that others keep; if the folder's own keys are in `keys.dir`, restore the last backup that verifies"
            }
            Self::Anchor => {
                "bring back the data that belongs to the newer checkpoint; going on with this folder would show a second history"
            }
            Self::Key => "bring `vault.db` back from a backup of the vault; what a lost key sealed cannot be read without it",
            Self::Part | Self::Blob => {
                "sealed bytes were altered or moved: restore the last backup that verifies, the log proves which is right"
            }
            Self::Duplicate => "restore the last backup that verifies; until then an event that is sent again may be recorded twice",
            Self::Reference => "restore `main.db` and `vault.db` from backups of one time; reports about people would not be complete",
            Self::Token => "revoke tokens that nobody made and restore the last backup that verifies",
            Self::Projection => "run `ledgerline rebuild` on the folder: the graph is made anew from the entries, which are in order",
            Self::Opening => "the server shows what its log does not hold: keep the answer and the checkpoint, and ask who runs it",
        }
    }
}

/// Something that is wrong, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Finding {
    pub check: Check,
    /// An entry, a part of one, a tile, a row of a table.
    pub place: String,
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

impl Finding {
    pub fn new(check: Check, place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { check, place: place.into(), problem: problem.into() }
    }

    /// About a whole entry.
    pub fn entry(check: Check, index: EntryIndex, problem: impl Into<String>) -> Self {
        Self::new(check, format!("entry {index}"), problem)
    }

    /// About one part of an entry.
    pub fn part(check: Check, index: EntryIndex, number: usize, class: PartClass, problem: impl Into<String>) -> Self {
        Self::new(check, format!("entry {index}, part {number} ({})", class.word()), problem)
    }
}

/// How far the current log goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extent {
    pub origin: String,
    /// The position of the log's entry 0.
    pub first: EntryIndex,
    /// Entries of the log.
    pub size: u64,
    /// Bytes of the store's own files.
    pub bytes: u64,
}

/// An entry as it is stored.
#[derive(Debug)]
pub struct StoredEntry {
    pub index: EntryIndex,
    pub id: EntryId,
    pub event_type: Arc<str>,
    /// The event's own time.
    pub time: Micros,
    pub actor: Option<Handle>,
    pub refs: Vec<[u8; 16]>,
    /// Where the replay must find the same numbers.
    pub source: Option<u32>,
    pub shape: Option<u32>,
    pub parts: Vec<StoredPart>,
}

/// A part as it is stored.
#[derive(Debug)]
pub struct StoredPart {
    pub class: PartClass,
    pub commitment: Digest,
    pub state: StoredPartState,
}

/// What could be had of a part.
#[derive(Debug)]
pub enum StoredPartState {
    Open {
        salt: [u8; 32],
        bytes: Vec<u8>,
    },
    /// The part, its key or what it is packed with is gone on purpose.
    Destroyed,
    /// Not asked for.
    Unread,
}

impl StoredEntry {
    /// The bytes of a part that is open.
    #[must_use]
    pub fn open(&self, number: usize) -> Option<&[u8]> {
        match &self.parts.get(number)?.state {
            StoredPartState::Open { bytes, .. } => Some(bytes),
            StoredPartState::Destroyed | StoredPartState::Unread => None,
        }
    }
}

/// Interned facets by digest.
pub trait Blobs {
    /// The bytes; `None` when they are gone on purpose.
    ///
    /// # Errors
    /// A facet that is not stored, or does not open.
    fn blob(&mut self, digest: &Digest) -> Result<Option<Vec<u8>>, Finding>;
}

/// Visits one entry.
pub type Visit<'f> = &'f mut dyn FnMut(StoredEntry, &mut dyn Blobs) -> Result<(), Finding>;

/// How many of something were done.
pub type Progress<'f> = &'f mut dyn FnMut(u64);

/// How many references a person has used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PersonRow {
    pub handle: Handle,
    pub epoch: u32,
    pub next_n: u64,
}

/// Tree heads that the log must have gone through.
pub type Heads = [KnownHead];

/// A signed tree head, its signature checked.
#[derive(Clone, Debug)]
pub struct KnownHead {
    pub size: u64,
    pub root: Hash,
    pub check: Check,
    /// Who says so.
    pub who: &'static str,
}

/// What is wrong with a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogFault {
    pub finding: Finding,
    /// The entries among which it must be, where the log cannot tell more: it
    /// stores no hashes of its last, incomplete tile.
    pub among: Option<Range<EntryIndex>>,
}

impl From<Finding> for LogFault {
    fn from(finding: Finding) -> Self {
        Self { finding, among: None }
    }
}

/// What entries mean, for a store that replays them.
pub trait Meaning: Sync {
    /// Node ids of everything the assertion names by itself.
    fn ids(&self, a: &Assertion) -> EntityIds;
    /// What its facets name beside, per entity; `blob` gives interned facets.
    fn details(&self, a: &Assertion, blob: &mut dyn FnMut(&Digest) -> Option<Vec<u8>>) -> Vec<EntityDetail>;
}

/// A store at rest, under examination. Called from several threads.
pub trait Examined: Sync {
    /// # Errors
    /// What is wrong with the list of logs.
    fn extent(&self) -> Result<Extent, Finding>;

    /// The files are sound in themselves.
    ///
    /// # Errors
    /// What the database says of itself.
    fn check_file(&self) -> Result<(), Finding>;

    /// The stored checkpoint; not verified.
    ///
    /// # Errors
    /// A row that cannot be read.
    fn checkpoint(&self) -> Result<Option<PublishedCheckpoint>, Finding>;

    /// Rows make leaves, contiguous and in order of time; tiles are what the
    /// leaves give, and there are no others; the log has gone through `heads`.
    /// Gives the number of tiles.
    ///
    /// # Errors
    /// The first thing wrong.
    fn check_log(&self, heads: &Heads, threads: NonZeroUsize, progress: Progress<'_>) -> Result<u64, LogFault>;

    /// Shows entries in order, those classes opened that are `wanted`.
    ///
    /// # Errors
    /// A part that should open and does not; whatever `visit` found.
    fn entries(&self, range: Range<EntryIndex>, wanted: Readable, visit: Visit<'_>) -> Result<(), Finding>;

    /// Interned facets and shapes open and are what their digests say. Gives how
    /// many there are, and how many are gone on purpose.
    ///
    /// # Errors
    /// The first that is not.
    fn check_interned(&self) -> Result<(u64, u64), Finding>;

    /// The entries that duplicate keys lead to.
    ///
    /// # Errors
    /// Rows that cannot be read.
    fn duplicates(&self, keys: &[DuplicateKey]) -> Result<Vec<Option<EntryIndex>>, Finding>;

    /// Rows of the duplicate index.
    ///
    /// # Errors
    /// Rows that cannot be read.
    fn count_duplicates(&self) -> Result<u64, Finding>;

    /// An entry that has more rows in the duplicate index than it can have.
    ///
    /// # Errors
    /// Rows that cannot be read.
    fn stray_duplicate(&self) -> Result<Option<i64>, Finding>;

    /// A stored part that no leaf commits to.
    ///
    /// # Errors
    /// Rows that cannot be read.
    fn stray_part(&self) -> Result<Option<Finding>, Finding>;

    /// # Errors
    /// Rows that cannot be read.
    fn people(&self) -> Result<Vec<PersonRow>, Finding>;

    /// Tokens with the entries that made them.
    ///
    /// # Errors
    /// Rows that cannot be read.
    fn tokens(&self) -> Result<Vec<(TokenRow, EntryIndex)>, Finding>;

    /// What rows say was redacted, and by which entries.
    ///
    /// # Errors
    /// Rows that cannot be read.
    fn redactions(&self) -> Result<RedactedRows, Finding>;

    /// An empty projection beside the stored one, to play the entries into.
    ///
    /// # Errors
    /// The database's.
    fn replay<'a>(&'a self, meaning: &'a dyn Meaning) -> Result<Box<dyn Replay + 'a>, Finding>;
}

/// What was redacted, and by which entry.
#[derive(Clone, Debug, Default)]
pub struct RedactedRows {
    /// Entries without their `rest`.
    pub entries: Vec<(EntryIndex, EntryIndex)>,
    /// Interned facets.
    pub facets: Vec<(Digest, EntryIndex)>,
}

/// A projection made anew.
pub trait Replay {
    /// Applies the next lineage entry. Gives the people whose ownership it changed.
    ///
    /// # Errors
    /// An entry that says otherwise than its row.
    fn apply(&mut self, entry: &StoredEntry, a: &Assertion) -> Result<SmallVec<[Handle; 1]>, Finding>;

    /// Passes over a lineage entry whose `core` is destroyed.
    ///
    /// # Errors
    /// The database's.
    fn skip(&mut self, entry: &StoredEntry) -> Result<(), Finding>;

    /// Compares the stored projection with this one, row by row.
    ///
    /// # Errors
    /// The database's.
    fn compare(&mut self) -> Result<Comparison, Finding>;

    /// Puts this projection in the place of the stored one, in one transaction,
    /// durable when it returns.
    ///
    /// # Errors
    /// The database's; the stored projection is then as it was.
    fn install(&mut self) -> Result<(), Finding>;
}

/// Two projections side by side.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Rows of each table of the new one.
    pub rows: Vec<(&'static str, u64)>,
    /// Tables that differ.
    pub differences: Vec<Difference>,
}

/// A table that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    pub table: &'static str,
    /// Rows that are missing, too many or other.
    pub rows: u64,
    pub first: Finding,
}
