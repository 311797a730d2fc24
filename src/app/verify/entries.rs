//! Each entry by itself: its parts, what `core` says of the others, the received
//! bytes, its row in the duplicate index. Spread over threads.
use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use serde_json::Value;

use super::{Examination, threads};
use crate::{
    domain::{
        assertion::{Assertion, Digest},
        canonical_json,
        declared::DeclaredAct,
        entry::{PartClass, commitment},
        id::{EntryIndex, Handle},
        time::Micros,
    },
    interop::openlineage::{Gap, canonical_digest, read_core, reassemble},
    store::{
        Readable,
        examine::{Blobs, Check, Finding, StoredEntry, StoredPartState},
        write::DuplicateKey,
    },
};

/// Entries that one thread takes at a time.
const CHUNK: u64 = 512;

/// Everything is opened: whoever holds the folder and its keys may.
const WHOLE: Readable = Readable { core: true, rest: true, person: true, context: true };

/// What was found in order.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    pub parts: u64,
    pub destroyed: u64,
    pub cores_destroyed: u64,
    pub received: u64,
    /// Entries found in the duplicate index.
    pub duplicates: u64,
    /// Lineage entries whose received bytes are gone, so that their row in the
    /// duplicate index cannot be looked for.
    pub unreadable: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.parts += other.parts;
        self.destroyed += other.destroyed;
        self.cores_destroyed += other.cores_destroyed;
        self.received += other.received;
        self.duplicates += other.duplicates;
        self.unreadable += other.unreadable;
    }
}

/// Checks the entries of a range.
///
/// # Errors
/// What is wrong with the first entry that is not in order.
pub fn check(of: &Examination, range: Range<EntryIndex>, progress: &mut dyn FnMut(u64)) -> Result<Tally, Finding> {
    let next = AtomicU64::new(range.start);
    let done = AtomicU64::new(0);
    let first_fault: Mutex<Option<(EntryIndex, Finding)>> = Mutex::new(None);
    let total = Mutex::new(Tally::default());
    let work = || {
        let mut tally = Tally::default();
        loop {
            let from = next.fetch_add(CHUNK, Ordering::Relaxed);
            // Chunks go out in order, so those before the fault are with somebody already.
            if from >= range.end || first_fault.lock().as_ref().is_some_and(|(at, _)| *at < from) {
                break;
            }
            let to = (from + CHUNK).min(range.end);
            let mut at = from;
            let outcome = of.store.entries(from..to, WHOLE, &mut |entry, blobs| {
                at = entry.index;
                Checking { of, entry: &entry, tally: &mut tally }.entry(blobs)?;
                at += 1;
                Ok(())
            });
            if let Err(finding) = outcome {
                let mut fault = first_fault.lock();
                if fault.as_ref().is_none_or(|(earlier, _)| at < *earlier) {
                    *fault = Some((at, finding));
                }
                break;
            }
            done.fetch_add(to - from, Ordering::Relaxed);
        }
        total.lock().add(tally);
    };
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (0..threads().get()).map(|_| scope.spawn(work)).collect();
        while helpers.iter().any(|h| !h.is_finished()) {
            progress(done.load(Ordering::Relaxed));
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
        for helper in helpers {
            helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    progress(done.load(Ordering::Relaxed));
    match first_fault.into_inner() {
        Some((_, finding)) => Err(finding),
        None => Ok(total.into_inner()),
    }
}

/// One entry under examination.
struct Checking<'a> {
    of: &'a Examination,
    entry: &'a StoredEntry,
    tally: &'a mut Tally,
}

impl Checking<'_> {
    fn part(&self, check: Check, number: usize, problem: impl Into<String>) -> Finding {
        let class = self.entry.parts.get(number).map_or(PartClass::Core, |p| p.class);
        Finding::part(check, self.entry.index, number, class, problem)
    }

    fn entry(&mut self, blobs: &mut dyn Blobs) -> Result<(), Finding> {
        let entry = self.entry;
        for (number, part) in entry.parts.iter().enumerate() {
            match &part.state {
                StoredPartState::Open { salt, bytes } => {
                    self.tally.parts += 1;
                    if commitment(part.class, salt, bytes) != part.commitment {
                        return Err(self.part(Check::Part, number, "is not what its commitment says"));
                    }
                }
                StoredPartState::Destroyed => {
                    self.tally.destroyed += 1;
                    self.tally.cores_destroyed += u64::from(number == 0);
                }
                StoredPartState::Unread => {}
            }
        }
        let Some(core) = entry.open(0) else {
            self.tally.unreadable += u64::from(entry.shape.is_some());
            return Ok(());
        };
        self.core(core)?;
        if is_lineage(entry) { self.lineage(core, blobs) } else { self.administrative(core) }
    }

    /// What every `core` has, against the entry's row.
    fn core(&self, core: &[u8]) -> Result<(), Finding> {
        let wrong = |problem: &str| self.part(Check::Part, 0, problem);
        let json: Value = serde_json::from_slice(core).map_err(|_| wrong("is not JSON"))?;
        if canonical_json::write(&json) != core {
            return Err(wrong("is not canonical JSON (RFC 8785)"));
        }
        if json.get("type").and_then(Value::as_str) != Some(&*self.entry.event_type) {
            return Err(wrong("is of another event type than its row"));
        }
        let time = json.get("time").and_then(Value::as_str).and_then(|t| Micros::read(t).ok());
        if time.map(|t| t.at) != Some(self.entry.time) {
            return Err(wrong("has another time than its row"));
        }
        let actor = json.get("actor").map(|a| a.as_str().and_then(Handle::parse));
        if actor.is_some_and(|actor| actor != self.entry.actor) {
            return Err(wrong("names another actor than its row"));
        }
        Ok(())
    }

    fn lineage(&mut self, core: &[u8], blobs: &mut dyn Blobs) -> Result<(), Finding> {
        let a = read_core(core).map_err(|e| self.part(Check::Part, 0, e.to_string()))?;
        let Some(received) = self.received(blobs)? else {
            self.tally.unreadable += 1;
            return Ok(());
        };
        self.tally.received += 1;
        let digest =
            canonical_digest(&received).map_err(|r| self.part(Check::Part, 1, format!("what was received is no event: {}", r.message)))?;
        // With people, the digest in `core` is over handles in the place of their names.
        let people = self.entry.parts.iter().any(|p| p.class == PartClass::Person);
        if !people && digest != a.digest {
            return Err(self.part(Check::Part, 1, "what was received is not the event that `core` has the digest of"));
        }
        self.duplicate(&a, &digest)
    }

    /// The received bytes; `None` when some of them are gone on purpose.
    fn received(&self, blobs: &mut dyn Blobs) -> Result<Option<Vec<u8>>, Finding> {
        let Some(rest) = self.entry.open(1) else { return Ok(None) };
        let mut failed = None;
        let whole = reassemble(
            rest,
            &mut |digest| {
                blobs.blob(digest).unwrap_or_else(|e| {
                    failed = Some(e);
                    None
                })
            },
            // `rest` counts people; their parts come after `core` and `rest`.
            &mut |person| self.entry.open(2 + usize::from(person)).map(<[u8]>::to_vec),
        );
        match (failed, whole) {
            (Some(finding), _) => Err(finding),
            (None, Ok(whole)) => Ok(Some(whole)),
            (None, Err(Gap::Blob(_) | Gap::Person(_))) => Ok(None),
            (None, Err(e @ Gap::Damaged)) => Err(self.part(Check::Part, 1, e.to_string())),
        }
    }

    fn duplicate(&mut self, a: &Assertion, digest: &Digest) -> Result<(), Finding> {
        let key = match &a.declared {
            None => self.of.identity.duplicate_key(&a.source, a.time, digest),
            Some(declared) => match declared.retry {
                Some(retry) => DuplicateKey::of_retry(&retry.key),
                None => return Ok(()),
            },
        };
        self.found(key)
    }

    /// The duplicate index leads to this entry.
    fn found(&mut self, key: DuplicateKey) -> Result<(), Finding> {
        let found = self.of.store.duplicates(&[key])?.pop().flatten();
        if found == Some(self.entry.index) {
            self.tally.duplicates += 1;
            return Ok(());
        }
        let problem = match found {
            Some(other) => format!("the duplicate index leads to entry {other} instead"),
            None => "the duplicate index does not lead to it".to_owned(),
        };
        Err(Finding::entry(Check::Duplicate, self.entry.index, problem))
    }

    /// Administrative acts have their reason in `rest`, and are found by the key they were sent with.
    fn administrative(&mut self, core: &[u8]) -> Result<(), Finding> {
        let key = serde_json::from_slice::<Value>(core).ok().and_then(|c| c.pointer("/idempotency/key").cloned());
        if let Some(key) = key {
            let key = key.as_str().and_then(|k| URL_SAFE_NO_PAD.decode(k).ok()?.try_into().ok());
            let key: Digest = key.ok_or_else(|| self.part(Check::Part, 0, "has an idempotency key that is no digest"))?;
            self.found(DuplicateKey::of_retry(&key))?;
        }
        let Some(rest) = self.entry.open(1) else { return Ok(()) };
        let json: Option<Value> = serde_json::from_slice(rest).ok();
        let canonical = json.is_some_and(|j| canonical_json::write(&j) == rest);
        if canonical { Ok(()) } else { Err(self.part(Check::Part, 1, "is not canonical JSON (RFC 8785)")) }
    }
}

/// Whether an entry is about lineage.
pub(super) fn is_lineage(entry: &StoredEntry) -> bool {
    entry.event_type.starts_with("openlineage.") || DeclaredAct::of(&entry.event_type).is_some()
}
