//! What a machine did to its disk, in order; and the disks that a power cut may
//! leave of it.
//!
//! The model is the hard one: a sync of a file makes its earlier writes durable;
//! of the later ones any subset may be there after a crash, each whole or by
//! sectors of 512 bytes. Making and deleting a file is durable after a sync of
//! its folder. After a sync that failed, what it should have made durable is
//! never made so by a later one (Linux forgets that those pages were dirty).
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::c_int,
    fs,
    path::{Path, PathBuf},
    thread::{self, ThreadId},
};

use parking_lot::Mutex;
use rusqlite::ffi;

use super::{chance::Chance, vfs::answer};

const SECTOR: usize = 512;

/// A call that can fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// A write, a truncation or a deletion.
    Write,
    Sync,
}

/// What becomes of the effect of a call that is answered with an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Lost,
    /// Persisted, but reported lost.
    Persisted,
}

/// The error that is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    Io,
    NoSpace,
}

/// Which call fails, and how.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub call: Call,
    /// The how-manieth of its kind, from 0.
    pub nth: u64,
    pub form: Form,
    pub error: Error,
}

/// A fault that happened.
#[derive(Clone, Debug)]
pub struct Fired {
    pub file: String,
    pub call: Call,
    by: ThreadId,
    /// The file was written again since, so that a sync means something.
    written: bool,
    /// Syncs of the file that the same thread asked for afterwards, with nothing new in it.
    pub tried_again: u64,
    /// And other threads: what was under way may end.
    pub beside: u64,
}

/// Whether a call is done, and what is answered.
#[derive(Clone, Copy)]
pub enum Verdict {
    Do,
    Fail(c_int),
    DoAndFail(c_int),
}

enum Op {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate { size: u64 },
}

struct Change {
    at: u64,
    op: Op,
    /// A failed sync lost it: no later one makes it durable.
    forgotten: bool,
}

/// One file from its making to its deletion.
struct FileLog {
    path: PathBuf,
    /// What was in it when it was first seen; durable.
    base: Vec<u8>,
    /// `None`: it was there before.
    made: Option<u64>,
    deleted: Option<u64>,
    changes: Vec<Change>,
    /// (since when, what is durable: changes up to this position).
    synced: Vec<(u64, u64)>,
    /// Its next sync also syncs its folder.
    folder_due: bool,
}

#[derive(Default)]
struct Log {
    /// What was there when the watch began; durable.
    there: BTreeSet<PathBuf>,
    /// Counts everything that changes the disk.
    position: u64,
    files: Vec<FileLog>,
    /// Positions at which the folder was synced.
    folder_synced: Vec<u64>,
    fault: Option<Fault>,
    fired: Option<Fired>,
    writes: u64,
    syncs: u64,
}

/// The recording of one folder.
pub struct Recorder(Mutex<Log>);

/// What of the unsynced a crash takes.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    Nothing,
    Everything,
    /// Everything but the last change of each file.
    AllButLast,
    /// The last change of each file alone.
    OnlyLast,
    /// Every other change, the last one kept or not.
    EveryOther {
        last: bool,
    },
    /// Any subset.
    Some {
        seed: u64,
    },
    /// Any subset of sectors.
    Torn {
        seed: u64,
    },
}

impl Loss {
    /// The extremes, and `random` subsets of each kind.
    pub fn kinds(random: u64, seed: u64) -> Vec<Self> {
        let mut all = vec![
            Self::Nothing,
            Self::Everything,
            Self::AllButLast,
            Self::OnlyLast,
            Self::EveryOther { last: true },
            Self::EveryOther { last: false },
        ];
        for n in 0..random {
            all.extend([Self::Some { seed: seed + n }, Self::Torn { seed: seed + n }]);
        }
        all
    }
}

impl Recorder {
    pub(super) fn of(folder: &Path) -> Self {
        let there = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        Self(Mutex::new(Log { there, ..Log::default() }))
    }

    /// How much has happened: an image at this position or later knows it.
    pub fn position(&self) -> u64 {
        self.0.lock().position
    }

    /// How many calls of a kind there were.
    pub fn calls(&self, call: Call) -> u64 {
        let log = self.0.lock();
        match call {
            Call::Write => log.writes,
            Call::Sync => log.syncs,
        }
    }

    /// How often a file was synced, by its name.
    pub fn syncs_of(&self, name: &str) -> usize {
        self.0.lock().files.iter().filter(|f| f.path.ends_with(name)).map(|f| f.synced.len()).sum()
    }

    /// How often a file was written from its beginning.
    pub fn restarts_of(&self, name: &str) -> usize {
        let log = self.0.lock();
        let begins = |c: &&Change| matches!(c.op, Op::Write { offset: 0, .. });
        log.files.iter().filter(|f| f.path.ends_with(name)).map(|f| f.changes.iter().filter(begins).count()).sum()
    }

    /// Makes one call fail, counted from now.
    pub fn arm(&self, fault: Fault) {
        let mut log = self.0.lock();
        (log.writes, log.syncs) = (0, 0);
        log.fault = Some(fault);
        log.fired = None;
    }

    pub fn fired(&self) -> Option<Fired> {
        self.0.lock().fired.clone()
    }

    pub(super) fn opened(&self, path: &Path, before: Option<Vec<u8>>, syncs_folder: bool) -> usize {
        let mut log = self.0.lock();
        if let Some(known) = log.files.iter().position(|f| f.path == path && f.deleted.is_none()) {
            // A deletion that was lost, or another descriptor of the same file.
            return known;
        }
        // What was not there when the watch began was made now, or a moment ago by our own code.
        let made = (!log.there.contains(path)).then(|| {
            log.position += 1;
            log.position
        });
        log.files.push(FileLog {
            path: path.to_owned(),
            base: before.unwrap_or_default(),
            made,
            deleted: None,
            changes: Vec::new(),
            synced: Vec::new(),
            folder_due: syncs_folder,
        });
        log.files.len() - 1
    }

    pub(super) fn write(&self, file: usize, offset: u64, bytes: &[u8], really: impl FnOnce() -> c_int) -> c_int {
        self.change(file, Op::Write { offset, bytes: bytes.to_vec() }, really)
    }

    pub(super) fn truncate(&self, file: usize, size: u64, really: impl FnOnce() -> c_int) -> c_int {
        self.change(file, Op::Truncate { size }, really)
    }

    fn change(&self, file: usize, op: Op, really: impl FnOnce() -> c_int) -> c_int {
        let mut log = self.0.lock();
        let verdict = log.judge(Call::Write, file);
        let rc = answer(verdict, really);
        if !matches!(verdict, Verdict::Fail(_)) {
            log.position += 1;
            let at = log.position;
            log.files[file].changes.push(Change { at, op, forgotten: false });
        }
        rc
    }

    pub(super) fn delete(&self, path: &Path, sync_folder: bool, really: impl FnOnce() -> c_int) -> c_int {
        let mut log = self.0.lock();
        let Some(file) = log.files.iter().position(|f| f.path == path && f.deleted.is_none()) else { return really() };
        let verdict = log.judge(Call::Write, file);
        let rc = answer(verdict, really);
        if !matches!(verdict, Verdict::Fail(_)) {
            log.position += 1;
            log.files[file].deleted = Some(log.position);
            if sync_folder {
                log.position += 1;
                let at = log.position;
                log.folder_synced.push(at);
            }
        }
        rc
    }

    pub(super) fn sync(&self, file: usize) -> c_int {
        let mut log = self.0.lock();
        let verdict = log.judge(Call::Sync, file);
        let covered = log.position;
        log.position += 1;
        let at = log.position;
        if matches!(verdict, Verdict::Fail(_)) {
            let durable = log.files[file].synced.last().map_or(0, |s| s.1);
            log.files[file].changes.iter_mut().filter(|c| c.at > durable).for_each(|c| c.forgotten = true);
        } else {
            log.files[file].synced.push((at, covered));
            if std::mem::take(&mut log.files[file].folder_due) {
                log.folder_synced.push(at);
            }
        }
        answer(verdict, || ffi::SQLITE_OK)
    }

    /// Writes the databases as a power cut at `at` may leave them.
    pub fn image(&self, at: u64, loss: Loss, folder: &Path) {
        let log = self.0.lock();
        let mut disk: BTreeMap<&Path, Option<Vec<u8>>> = BTreeMap::new();
        let mut fates = Fates::new(loss);
        for file in &log.files {
            if file.made.is_some_and(|made| made > at) {
                continue;
            }
            let durable = |happened: u64| log.folder_synced.iter().any(|s| (happened..=at).contains(s));
            if file.made.is_some_and(|made| !durable(made) && !fates.name_stays()) {
                continue;
            }
            if let Some(deleted) = file.deleted.filter(|d| *d <= at)
                && (durable(deleted) || fates.name_stays())
            {
                disk.insert(&file.path, None);
                continue;
            }
            disk.insert(&file.path, Some(file.content(at, &mut fates)));
        }
        // What was there and was never opened is as it was.
        for path in log.there.iter().filter(|path| path.is_file() && log.files.iter().all(|f| f.path != **path)) {
            fs::copy(path, folder.join(path.file_name().unwrap())).unwrap();
        }
        for (path, content) in disk {
            if let Some(content) = content {
                fs::write(folder.join(path.file_name().unwrap()), content).unwrap();
            }
        }
    }
}

impl Log {
    fn judge(&mut self, call: Call, file: usize) -> Verdict {
        let seen = match call {
            Call::Write => &mut self.writes,
            Call::Sync => &mut self.syncs,
        };
        let nth = *seen;
        *seen += 1;
        let name = self.files[file].path.file_name().unwrap().to_string_lossy().into_owned();
        if let Some(fired) = &mut self.fired {
            let same = fired.file == name;
            match call {
                Call::Write => fired.written |= same,
                Call::Sync if !same || fired.written => {}
                Call::Sync if fired.by == thread::current().id() => fired.tried_again += 1,
                Call::Sync => fired.beside += 1,
            }
            return Verdict::Do;
        }
        let Some(fault) = self.fault.filter(|f| f.call == call && f.nth == nth) else { return Verdict::Do };
        self.fired = Some(Fired { file: name, call, by: thread::current().id(), written: false, tried_again: 0, beside: 0 });
        let code = match (fault.error, call) {
            (Error::NoSpace, _) => ffi::SQLITE_FULL,
            (Error::Io, Call::Write) => ffi::SQLITE_IOERR_WRITE,
            (Error::Io, Call::Sync) => ffi::SQLITE_IOERR_FSYNC,
        };
        match fault.form {
            Form::Lost => Verdict::Fail(code),
            Form::Persisted => Verdict::DoAndFail(code),
        }
    }
}

impl FileLog {
    fn content(&self, at: u64, fates: &mut Fates) -> Vec<u8> {
        let durable = self.synced.iter().filter(|(since, _)| *since <= at).map(|(_, covered)| *covered).max().unwrap_or(0);
        let mut bytes = self.base.clone();
        let known = self.changes.iter().take_while(|c| c.at <= at);
        let open = known.clone().filter(|c| c.forgotten || c.at > durable).count();
        let mut nth = 0;
        for change in known {
            let fate = if !change.forgotten && change.at <= durable {
                Fate::Whole
            } else {
                nth += 1;
                fates.of(nth, open)
            };
            match (&change.op, fate) {
                (_, Fate::Gone) => {}
                (Op::Truncate { size }, _) => bytes.resize(*size as usize, 0),
                (Op::Write { offset, bytes: new }, Fate::Whole) => put(&mut bytes, *offset as usize, new),
                (Op::Write { offset, bytes: new }, Fate::Sectors) => {
                    let (mut from, end) = (*offset as usize, *offset as usize + new.len());
                    while from < end {
                        let to = end.min((from / SECTOR + 1) * SECTOR);
                        if fates.coin() {
                            put(&mut bytes, from, &new[from - *offset as usize..to - *offset as usize]);
                        }
                        from = to;
                    }
                }
            }
        }
        bytes
    }
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if file.len() < offset + bytes.len() {
        file.resize(offset + bytes.len(), 0);
    }
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

#[derive(Clone, Copy)]
enum Fate {
    Whole,
    Gone,
    Sectors,
}

struct Fates {
    loss: Loss,
    chance: Chance,
}

impl Fates {
    fn new(loss: Loss) -> Self {
        let seed = match loss {
            Loss::Some { seed } | Loss::Torn { seed } => seed,
            _ => 0,
        };
        Self { loss, chance: Chance::new(seed) }
    }

    fn coin(&mut self) -> bool {
        self.chance.below(2) == 0
    }

    /// The fate of the `nth` (from 1) of `of` unsynced changes of a file.
    fn of(&mut self, nth: usize, of: usize) -> Fate {
        let kept = match self.loss {
            Loss::Nothing => true,
            Loss::Everything => false,
            Loss::AllButLast => nth < of,
            Loss::OnlyLast => nth == of,
            Loss::EveryOther { last } => (of - nth).is_multiple_of(2) == last,
            Loss::Some { .. } => self.coin(),
            Loss::Torn { .. } => {
                return match self.chance.below(3) {
                    0 => Fate::Whole,
                    1 => Fate::Gone,
                    _ => Fate::Sectors,
                };
            }
        };
        if kept { Fate::Whole } else { Fate::Gone }
    }

    /// Whether an unsynced making or deletion of a file is there.
    fn name_stays(&mut self) -> bool {
        match self.loss {
            Loss::Nothing | Loss::AllButLast | Loss::EveryOther { last: true } => true,
            Loss::Everything | Loss::OnlyLast | Loss::EveryOther { last: false } => false,
            Loss::Some { .. } | Loss::Torn { .. } => self.coin(),
        }
    }
}
