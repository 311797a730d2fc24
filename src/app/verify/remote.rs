//! Checking a log from outside, over what it publishes: nothing of the server is
//! believed but the key, and that only if somebody else vouches for it.
use std::{collections::BTreeSet, error::Error, num::NonZeroUsize};

use parking_lot::Mutex;

use crate::{
    clock::Entropy,
    domain::{
        entry::{Leaf, Opening, PartState},
        time::{DAWN, Micros},
    },
    ledger::{Checkpoint, Expected, Fault, LogSource, TILE_WIDTH, TlogProof, Verifier, check_log, leaf_hash, split_bundle},
    store::examine::{Check, Finding},
};

/// A log as a server publishes it, with what it shows of single entries.
pub trait RemoteLedger: LogSource {
    /// The opening of an entry, as sent.
    ///
    /// # Errors
    /// When it could not be had.
    fn opening(&self, index: u64) -> Result<Vec<u8>, Self::Error>;

    /// The `.tlog-proof` of an entry, as sent.
    ///
    /// # Errors
    /// When it could not be had.
    fn proof(&self, index: u64) -> Result<Vec<u8>, Self::Error>;
}

/// Whose openings and proofs are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Openings {
    /// So many, chosen by chance: a server cannot know which.
    Sample(u64),
    All,
}

/// What is checked against what.
pub struct RemoteQuestion<'a> {
    /// The signed note that the server shows now.
    pub checkpoint: &'a [u8],
    pub verifier: &'a Verifier,
    /// A signed note that was kept earlier.
    pub against: Option<&'a [u8]>,
    pub openings: Openings,
    pub threads: NonZeroUsize,
}

/// What was checked.
#[derive(Clone, Debug, Default)]
pub struct RemoteChecked {
    pub entries: u64,
    /// Size of the older checkpoint.
    pub against: Option<u64>,
    pub openings: u64,
    pub proofs: u64,
    /// Parts in those openings by state: open, forbidden, destroyed.
    pub parts: [u64; 3],
}

/// Why a log is not verified.
#[derive(Debug, thiserror::Error)]
pub enum RemoteFailure<E: Error + 'static> {
    #[error(transparent)]
    Found(Finding),
    /// What is needed could not be had, so nothing can be said.
    #[error("{what} could not be had")]
    Source {
        what: String,
        #[source]
        source: E,
    },
}

impl<E: Error + 'static> From<Finding> for RemoteFailure<E> {
    fn from(finding: Finding) -> Self {
        Self::Found(finding)
    }
}

/// Checks the whole log and the chosen entries.
///
/// # Errors
/// The first thing that is wrong, or could not be had.
pub fn verify<R: RemoteLedger>(
    ledger: &R,
    question: &RemoteQuestion<'_>,
    entropy: &dyn Entropy,
    progress: &mut dyn FnMut(super::Stage, u64, u64),
) -> Result<RemoteChecked, RemoteFailure<R::Error>> {
    let head = signed(question.checkpoint, question.verifier, Check::Checkpoint, "the server's checkpoint")?;
    let older = question.against.map(|note| signed(note, question.verifier, Check::Anchor, "the older checkpoint")).transpose()?;
    if let Some(older) = older.as_ref().filter(|o| o.size > head.size) {
        let problem = format!("has {} entries, but the server shows {}: it went back", older.size, head.size);
        return Err(Finding::new(Check::Anchor, "the older checkpoint", problem).into());
    }
    let watched = Watched { inner: ledger, times: Mutex::default(), disorder: Mutex::new(None) };
    let earlier = older.iter().map(|o| (o.size, o.root)).collect();
    let expected = Expected { size: head.size, root: head.root, earlier };
    check_log(&watched, &expected, question.threads, &mut |done| progress(super::Stage::Log, done, head.size)).map_err(told)?;
    watched.check_times()?;

    let mut checked = RemoteChecked { entries: head.size, against: older.map(|o| o.size), ..RemoteChecked::default() };
    let chosen = choose(question.openings, head.size, entropy);
    let mut tile: Option<(u64, Vec<u8>)> = None;
    for (i, index) in chosen.iter().enumerate() {
        progress(super::Stage::Parts, i as u64, chosen.len() as u64);
        let leaf = leaf_of(ledger, &mut tile, *index, head.size)?;
        check_opening(ledger, *index, &leaf, &mut checked)?;
        check_proof(ledger, *index, &leaf, question.verifier)?;
        checked.proofs += 1;
    }
    Ok(checked)
}

fn signed(note: &[u8], verifier: &Verifier, check: Check, who: &str) -> Result<Checkpoint, Finding> {
    Checkpoint::open(note, verifier).map_err(|e| Finding::new(check, who, format!("does not verify: {e}")))
}

fn told<E: Error + 'static>(fault: Fault<Seen<E>>) -> RemoteFailure<E>
where
    Seen<E>: Error + 'static,
{
    let check = match fault {
        Fault::Source { source: Seen::Found(finding), .. } => return RemoteFailure::Found(finding),
        Fault::Source { path, source: Seen::Source(source) } => return RemoteFailure::Source { what: format!("`{path}`"), source },
        Fault::Inconsistent { .. } | Fault::Behind { .. } => Check::Anchor,
        Fault::Root { .. } => Check::Checkpoint,
        _ => Check::Log,
    };
    let place = if check == Check::Anchor { "the older checkpoint" } else { "the server's log" };
    Finding::new(check, place, fault.to_string()).into()
}

/// The leaf of an entry, out of its bundle.
fn leaf_of<R: RemoteLedger>(
    ledger: &R,
    tile: &mut Option<(u64, Vec<u8>)>,
    index: u64,
    size: u64,
) -> Result<Vec<u8>, RemoteFailure<R::Error>> {
    let (at, within) = (index / TILE_WIDTH, (index % TILE_WIDTH) as usize);
    if tile.as_ref().is_none_or(|(i, _)| *i != at) {
        let width = (size - at * TILE_WIDTH).min(TILE_WIDTH) as u16;
        let read = |width| ledger.bundle(at, width).map_err(|source| RemoteFailure::Source { what: format!("bundle {at}"), source });
        let bundle = match read(width)? {
            Some(bundle) => bundle,
            None => read(TILE_WIDTH as u16)?.unwrap_or_default(),
        };
        *tile = Some((at, bundle));
    }
    let leaf = tile.as_ref().and_then(|(_, b)| split_bundle(b).ok()?.get(within).map(|leaf| leaf.to_vec()));
    leaf.ok_or_else(|| Finding::entry(Check::Log, index, "the bundle that held it before does not hold it now").into())
}

fn check_opening<R: RemoteLedger>(ledger: &R, index: u64, leaf: &[u8], checked: &mut RemoteChecked) -> Result<(), RemoteFailure<R::Error>> {
    let wrong = |problem: String| Finding::new(Check::Opening, format!("opening of entry {index}"), problem);
    let sent = ledger.opening(index).map_err(|source| RemoteFailure::Source { what: format!("the opening of entry {index}"), source })?;
    let opening = Opening::parse(&sent).map_err(|e| wrong(e.to_string()))?;
    if opening.index != index {
        return Err(wrong(format!("is of entry {}", opening.index)).into());
    }
    if opening.leaf != leaf {
        return Err(wrong("has another leaf than the log".to_owned()).into());
    }
    opening.verify().map_err(|e| wrong(e.to_string()))?;
    let [open, forbidden, destroyed] = &mut checked.parts;
    for part in &opening.parts {
        *match part.state {
            PartState::Open { .. } => &mut *open,
            PartState::Forbidden { .. } => &mut *forbidden,
            PartState::Destroyed { .. } => &mut *destroyed,
        } += 1;
    }
    checked.openings += 1;
    Ok(())
}

fn check_proof<R: RemoteLedger>(ledger: &R, index: u64, leaf: &[u8], verifier: &Verifier) -> Result<(), RemoteFailure<R::Error>> {
    let wrong = |problem: String| Finding::new(Check::Opening, format!("proof of entry {index}"), problem);
    let sent = ledger.proof(index).map_err(|source| RemoteFailure::Source { what: format!("the proof of entry {index}"), source })?;
    let proof = TlogProof::parse(&sent).map_err(|e| wrong(e.to_string()))?;
    if proof.index != index {
        return Err(wrong(format!("is of entry {}", proof.index)).into());
    }
    proof.verify(&leaf_hash(leaf), verifier).map_err(|e| wrong(e.to_string()))?;
    Ok(())
}

/// Which entries are looked at, ascending.
fn choose(openings: Openings, size: u64, entropy: &dyn Entropy) -> Vec<u64> {
    match openings {
        Openings::Sample(count) if count < size => {
            let mut chosen = BTreeSet::new();
            while (chosen.len() as u64) < count {
                let mut random = [0; 8];
                entropy.fill(&mut random);
                chosen.insert(u64::from_le_bytes(random) % size);
            }
            chosen.into_iter().collect()
        }
        Openings::Sample(_) | Openings::All => (0..size).collect(),
    }
}

/// A log whose leaves are looked at on the way.
struct Watched<'a, R> {
    inner: &'a R,
    /// Of each bundle: the first and the last time in it.
    times: Mutex<Vec<(u64, Micros, Micros)>>,
    /// The first entry that is older than the one in front of it.
    disorder: Mutex<Option<u64>>,
}

/// What came of reading.
#[derive(Debug, thiserror::Error)]
enum Seen<E: Error + 'static> {
    #[error(transparent)]
    Source(E),
    #[error(transparent)]
    Found(Finding),
}

impl<R: RemoteLedger> LogSource for Watched<'_, R> {
    type Error = Seen<R::Error>;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, Self::Error> {
        self.inner.tile(level, index, width).map_err(Seen::Source)
    }

    fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, Self::Error> {
        let Some(bundle) = self.inner.bundle(index, width).map_err(Seen::Source)? else { return Ok(None) };
        let (mut first, mut last) = (None, DAWN);
        // A bundle that cannot be split is told by who checks the log.
        for (i, bytes) in split_bundle(&bundle).unwrap_or_default().iter().take(usize::from(width)).enumerate() {
            let entry = index * TILE_WIDTH + i as u64;
            let leaf = Leaf::parse(bytes).map_err(|e| Seen::Found(Finding::entry(Check::Log, entry, e.to_string())))?;
            // Said only of a log that is what was signed: of any other there is more to say.
            if leaf.at < last {
                let mut disorder = self.disorder.lock();
                *disorder = Some(disorder.map_or(entry, |e| e.min(entry)));
            }
            last = leaf.at;
            first.get_or_insert(leaf.at);
        }
        if let Some(first) = first {
            self.times.lock().push((index, first, last));
        }
        Ok(Some(bundle))
    }
}

impl<R> Watched<'_, R> {
    /// Times do not go back, within bundles and between them.
    fn check_times(&self) -> Result<(), Finding> {
        let mut disorder = *self.disorder.lock();
        let mut times = self.times.lock();
        times.sort_unstable();
        for pair in times.windows(2) {
            if let [(a, _, last), (b, first, _)] = pair
                && a != b
                && first < last
            {
                let entry = b * TILE_WIDTH;
                disorder = Some(disorder.map_or(entry, |e| e.min(entry)));
            }
        }
        match disorder {
            Some(entry) => Err(Finding::entry(Check::Log, entry, "was recorded before the entry in front of it")),
            None => Ok(()),
        }
    }
}
