//! `verify`: everything that can be checked is made again and compared, in an
//! order in which each step stands on the ones before, and the first thing that
//! is wrong is named.
//!
//! 1. the database file itself;
//! 2. the log: leaves from rows, tiles from leaves, the signed checkpoint, the anchor;
//! 3. the parts: keys, seals, commitments, what `core` says of the others, the
//!    received bytes, the duplicate index; interned facets and shapes;
//! 4. in order of entries: references of people, tokens, and a replay; everybody in
//!    the vault can be named;
//! 5. the projection, row by row, against the replay.
//!
//! What was destroyed on purpose is counted and is no error.
mod entries;
mod ordered;
mod redactions;
mod references;
pub mod remote;
mod tokens;

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{Duration, Instant},
};

pub(super) use self::ordered::{LineageMeaning, play};
use super::ingest::IngestIdentity;
use crate::{
    domain::id::EntryIndex,
    ledger::{Checkpoint, LogKey},
    store::examine::{Check, Comparison, Examined, Finding, KnownHead},
    vault::{Vault, check::PeopleFault},
};

/// A data folder that was opened to be checked.
pub struct Examination {
    pub(super) store: Box<dyn Examined>,
    pub(super) vault: Arc<Vault>,
    pub(super) log_key: Arc<LogKey>,
    pub(super) identity: IngestIdentity,
    /// The anchor's checkpoint, its signature checked.
    pub(super) anchored: Result<Option<Checkpoint>, Finding>,
    /// A checkpoint that was kept elsewhere.
    pub(super) kept: Result<Option<Checkpoint>, Finding>,
}

/// How much is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// The log part alone.
    Log,
    Everything,
}

/// A step, for progress.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    File,
    Log,
    Parts,
    Interned,
    Replay,
    Projection,
}

impl Stage {
    /// What is being done.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "database file",
            Self::Log => "log",
            Self::Parts => "parts",
            Self::Interned => "facets and shapes",
            Self::Replay => "replay",
            Self::Projection => "projection",
        }
    }
}

/// Told how far a step is: (step, done, of).
pub type Progress<'f> = &'f mut dyn FnMut(Stage, u64, u64);

/// What was checked.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    pub entries: u64,
    pub tiles: u64,
    /// Size of the signed checkpoint.
    pub checkpoint: Option<u64>,
    /// Size of the anchor's checkpoint.
    pub anchor: Option<u64>,
    /// Parts that were opened.
    pub parts: u64,
    /// Parts, facets and shapes that are gone on purpose.
    pub destroyed: u64,
    /// Interned facets and shapes.
    pub interned: u64,
    /// Events that were put together again from their parts.
    pub received: u64,
    pub duplicates: u64,
    pub references: u64,
    /// References of people who were erased: counted, but not attributable.
    pub references_of_erased: u64,
    /// People who have references.
    pub people: u64,
    /// People in the vault, whose secrets and identifiers were opened.
    pub named: u64,
    pub tokens: u64,
    /// Rows of the projection by table; `None` when it could not be compared
    /// because `core` parts are destroyed.
    pub projection: Option<Vec<(&'static str, u64)>>,
}

/// The outcome.
#[derive(Clone, Debug)]
pub struct Report {
    /// The log's name.
    pub origin: String,
    /// Entries of the current log.
    pub entries: u64,
    pub first_fault: Option<Finding>,
    pub took: Duration,
    /// Bytes of the folder's databases.
    pub bytes: u64,
    pub checked: Checked,
}

impl Examination {
    /// The log must be a continuation of this signed note, too.
    #[must_use]
    pub fn against(mut self, note: &[u8]) -> Self {
        let opened = Checkpoint::open(note, &self.log_key.verifier());
        self.kept =
            opened.map(Some).map_err(|e| Finding::new(Check::Anchor, "the checkpoint that was kept", format!("does not verify: {e}")));
        self
    }

    /// Checks the folder.
    #[must_use]
    pub fn verify(&self, extent: Extent, progress: Progress<'_>) -> Report {
        let started = Instant::now();
        let mut report = Report {
            origin: self.log_key.name().to_owned(),
            entries: 0,
            first_fault: None,
            took: Duration::ZERO,
            bytes: 0,
            checked: Checked::default(),
        };
        report.first_fault = self.check(extent, &mut report, progress).err();
        report.took = started.elapsed();
        report
    }

    fn check(&self, wanted: Extent, report: &mut Report, progress: Progress<'_>) -> Result<(), Finding> {
        let extent = self.store.extent()?;
        (report.entries, report.bytes) = (extent.size, extent.bytes);
        if extent.origin != self.log_key.name() {
            let problem = format!("the log is called `{}`, but the keys and configuration are of `{}`", extent.origin, self.log_key.name());
            return Err(Finding::new(Check::Checkpoint, "table `log`", problem));
        }
        let range = extent.first..extent.first + extent.size;
        if wanted == Extent::Everything {
            progress(Stage::File, 0, 0);
            self.store.check_file()?;
        }
        let heads = self.heads(report)?;
        let mut told = |done| progress(Stage::Log, done, extent.size);
        report.checked.tiles = self.store.check_log(&heads, threads(), &mut told).map_err(|fault| {
            // The log cannot tell which entry of its last tile is wrong; its parts may.
            let closer = fault.among.and_then(|among| entries::check(self, among, &mut |_| {}).err());
            closer.filter(|f| matches!(f.check, Check::Part | Check::Key | Check::Log)).unwrap_or(fault.finding)
        })?;
        report.checked.entries = extent.size;
        if wanted == Extent::Log {
            return Ok(());
        }
        let tally = entries::check(self, range.clone(), &mut |done| progress(Stage::Parts, done, extent.size))?;
        report.checked.parts = tally.parts;
        report.checked.destroyed = tally.destroyed;
        report.checked.received = tally.received;
        report.checked.duplicates = tally.duplicates;
        progress(Stage::Interned, 0, 0);
        let (interned, destroyed) = self.store.check_interned()?;
        report.checked.interned = interned;
        report.checked.destroyed += destroyed;
        self.stray_rows(tally)?;
        self.replayed(range, tally.cores_destroyed, report, progress)
    }

    /// The tree heads that the log must have gone through.
    fn heads(&self, report: &mut Report) -> Result<Vec<KnownHead>, Finding> {
        const CHECKPOINT: &str = "the stored checkpoint";
        let wrong = |problem: String| Finding::new(Check::Checkpoint, CHECKPOINT, problem);
        let stored = self.store.checkpoint()?.ok_or_else(|| wrong("is missing; every folder that was opened once has one".to_owned()))?;
        let signed = Checkpoint::open(&stored.note, &self.log_key.verifier()).map_err(|e| wrong(format!("does not verify: {e}")))?;
        if (signed.size, signed.root) != (stored.size, stored.root) {
            return Err(wrong("is not what its own signed text says".to_owned()));
        }
        report.checked.checkpoint = Some(signed.size);
        let mut heads = vec![KnownHead { size: signed.size, root: signed.root, check: Check::Checkpoint, who: CHECKPOINT }];
        if let Some(anchor) = self.anchored.clone()? {
            report.checked.anchor = Some(anchor.size);
            heads.push(KnownHead { size: anchor.size, root: anchor.root, check: Check::Anchor, who: "the anchor's checkpoint" });
        }
        if let Some(kept) = self.kept.clone()? {
            heads.push(KnownHead { size: kept.size, root: kept.root, check: Check::Anchor, who: "the checkpoint that was kept" });
        }
        Ok(heads)
    }

    /// Rows that belong to nothing.
    fn stray_rows(&self, tally: entries::Tally) -> Result<(), Finding> {
        if let Some(stray) = self.store.stray_part()? {
            return Err(stray);
        }
        let rows = self.store.count_duplicates()?;
        // An entry whose parts are gone may or may not have its row any more.
        if (tally.duplicates..=tally.duplicates + tally.unreadable).contains(&rows) {
            return Ok(());
        }
        let place = self.store.stray_duplicate()?.map_or_else(|| "table `dup`".to_owned(), |ix| format!("table `dup`, entry {ix}"));
        Err(Finding::new(Check::Duplicate, place, "there is a row too many: an event that never came would be taken for a repetition"))
    }

    /// Everybody in the vault can still be named; how many they are.
    fn named(&self) -> Result<u64, Finding> {
        self.vault.check_people().map_err(|fault| match fault {
            PeopleFault::Person { handle, problem } => Finding::new(Check::Key, format!("person {handle}"), problem),
            PeopleFault::Vault(e) => Finding::new(Check::Key, "the vault", e.to_string()),
        })
    }

    fn replayed(
        &self,
        range: std::ops::Range<EntryIndex>,
        cores_destroyed: u64,
        report: &mut Report,
        progress: Progress<'_>,
    ) -> Result<(), Finding> {
        let size = range.end - range.start;
        let meaning = LineageMeaning { secret: &self.identity.secret };
        let mut replay = self.store.replay(&meaning)?;
        let mut people = references::People::load(&*self.store, &self.vault)?;
        let mut tokens = tokens::Tokens::default();
        let mut redactions = redactions::Redactions::default();
        let mut done = 0;
        ordered::play(&*self.store, range, &mut *replay, &mut |entry, core, concerns| {
            people.entry(&entry, concerns, &self.vault)?;
            tokens.entry(&entry, core)?;
            redactions.entry(&entry, core)?;
            done += 1;
            progress(Stage::Replay, done, size);
            Ok(())
        })?;
        (report.checked.references, report.checked.references_of_erased) = people.finish()?;
        report.checked.people = people.count();
        report.checked.tokens = tokens.finish(self.store.tokens()?, cores_destroyed > 0, &self.vault)?;
        redactions.finish(&*self.store, cores_destroyed > 0)?;
        report.checked.named = self.named()?;
        if cores_destroyed > 0 {
            return Ok(());
        }
        progress(Stage::Projection, 0, 0);
        let Comparison { rows, differences } = replay.compare()?;
        report.checked.projection = Some(rows);
        differences.into_iter().next().map_or(Ok(()), |d| Err(d.first))
    }
}

/// Both cores, or as many as there are.
fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
