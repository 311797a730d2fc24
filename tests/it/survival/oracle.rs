//! What must hold after any crash, whatever the crash was.
use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
};

use ledgerline::{
    access::Role,
    app::App,
    domain::{entry::Leaf, merkle::leaf_hash},
    ledger::{Expected, LogSource, check_log, split_bundle, verify_consistency},
};

use super::stream::{Acknowledged, RUNTIME, Told, checkpoint, event, number_of, open, producer, run_id};
use crate::support::principal;

/// Everything that somebody was promised.
#[derive(Clone, Default, Debug)]
pub struct Promises {
    pub acknowledged: Vec<Acknowledged>,
    pub checkpoints: BTreeSet<(u64, ledgerline::ledger::Hash)>,
}

impl Promises {
    pub fn add(&mut self, told: &Told) {
        match told {
            Told::Acknowledged(a) => self.acknowledged.push(*a),
            Told::Checkpoint { size, root } => {
                self.checkpoints.insert((*size, *root));
            }
            Told::Refused { .. } => {}
        }
    }

    pub fn of<'a>(told: impl IntoIterator<Item = &'a Told>) -> Self {
        let mut promises = Self::default();
        told.into_iter().for_each(|t| promises.add(t));
        promises
    }
}

/// What a folder held.
#[derive(Clone, Copy, Default, Debug)]
pub struct Found {
    pub entries: u64,
}

/// Fails the check with a sentence.
macro_rules! demand {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(format!($($text)+));
        }
    };
}

/// Opens the folder as a restart would, and checks every promise. `resent`: how
/// many acknowledged events are sent again. Then `verify` reads all of it. Leaves
/// the folder closed, with one event more.
///
/// # Errors
/// A sentence about the first promise that does not hold.
pub fn check(folder: &Path, promises: &Promises, resent: usize) -> Result<Found, String> {
    let app = open(folder)?;
    let found = examine(&app, promises, resent)?;
    app.drain();
    drop(app);
    let report = crate::verify::verify(folder);
    if let Some(fault) = report.first_fault {
        return Err(format!("`verify` finds: {fault}"));
    }
    demand!(report.checked.destroyed == 0, "`verify` counts {} parts as destroyed", report.checked.destroyed);
    Ok(found)
}

struct Published<'a>(&'a App);

impl LogSource for Published<'_> {
    type Error = ledgerline::app::AppError;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, Self::Error> {
        RUNTIME.block_on(self.0.tile(level, index, width))
    }

    fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, Self::Error> {
        RUNTIME.block_on(self.0.bundle(index, width))
    }
}

/// The checks on an open application.
pub fn examine(app: &Arc<App>, promises: &Promises, resent: usize) -> Result<Found, String> {
    let wrong = |e: ledgerline::app::AppError| super::stream::chain(&e);
    let entries = app.ledger_size();
    let Told::Checkpoint { size, root } = checkpoint(app) else { unreachable!() };
    demand!(size == entries, "the checkpoint after a restart covers {size} of {entries} entries");

    // The tree, built again from the leaves, is what was signed; and so it was at
    // every checkpoint that anybody saw, which a proof shows to those who cannot rebuild it.
    let earlier = promises.checkpoints.iter().copied().collect();
    check_log(&Published(app), &Expected { size, root, earlier }, NonZeroUsize::MIN, &mut |_| {}).map_err(|e| e.to_string())?;
    for (from, from_root) in &promises.checkpoints {
        demand!(*from <= size, "a checkpoint of size {from} was published, now the log has {size}");
        let proof = RUNTIME.block_on(app.consistency_json(*from, size)).map_err(wrong)?;
        verify_consistency(*from, from_root, size, &root, &proof).map_err(|e| format!("no consistency from {from} to {size}: {e}"))?;
    }

    let leaves = leaves(app, entries)?;
    for a in &promises.acknowledged {
        let leaf = usize::try_from(a.index).ok().and_then(|i| leaves.get(i));
        let Some(leaf) = leaf else { return Err(format!("event {} was acknowledged at {}; there are {entries}", a.event, a.index)) };
        demand!(leaf_hash(leaf) == a.leaf_hash, "entry {} has another leaf than event {}'s receipt", a.index, a.event);
        let id = Leaf::parse(leaf).map_err(|e| e.to_string())?.id;
        demand!(id == a.id, "entry {} has another id than event {}'s receipt", a.index, a.event);
    }

    // Every entry opens (no key is missing) and no event is there twice.
    let all: Vec<u64> = (0..entries).collect();
    let everything = principal(&[Role::Engineer, Role::Auditor, Role::PrivacyOfficer, Role::Admin], "default");
    let view = RUNTIME.block_on(app.view(everything, None)).map_err(wrong)?;
    let received = RUNTIME.block_on(view.received(&all)).map_err(wrong)?;
    let mut where_is: HashMap<u32, u64> = HashMap::new();
    for (index, bytes) in received.iter().enumerate() {
        let Some(n) = bytes.as_deref().and_then(number_of) else { return Err(format!("entry {index} does not open")) };
        demand!(bytes.as_deref() == Some(&*event(n)), "entry {index} opens to other bytes than were sent");
        if let Some(first) = where_is.insert(n, index as u64) {
            return Err(format!("event {n} is there twice, at {first} and {index}"));
        }
    }
    for a in &promises.acknowledged {
        demand!(where_is.get(&a.event) == Some(&a.index), "event {} is not at {}, where it was acknowledged", a.event, a.index);
    }
    // The projection moved with the log.
    let runs: Vec<Box<str>> = where_is.keys().map(|n| run_id(*n).into()).collect();
    let as_of = RUNTIME.block_on(view.resolve_as_of(None)).map_err(wrong)?;
    let known = RUNTIME.block_on(view.runs(&runs, as_of)).map_err(wrong)?;
    demand!(known.iter().all(Option::is_some), "an entry's run is missing in the graph");

    // The same again gets the first receipt, and the next new one the next index.
    let step = promises.acknowledged.len().div_ceil(resent.max(1)).max(1);
    for a in promises.acknowledged.iter().rev().step_by(step) {
        let again = RUNTIME.block_on(app.ingest(&producer(), event(a.event))).map_err(wrong)?;
        let receipt =
            Acknowledged { event: a.event, index: again.receipt.index, id: again.receipt.event_id, leaf_hash: again.receipt.leaf_hash };
        demand!(again.duplicate && receipt == *a, "event {} sent again: {again:?}, acknowledged before: {a:?}", a.event);
    }
    let fresh = where_is.keys().max().map_or(0, |n| n + 1_000);
    let next = RUNTIME.block_on(app.ingest(&producer(), event(fresh))).map_err(wrong)?;
    demand!(!next.duplicate && next.receipt.index == entries, "the next event after {entries} entries: {next:?}");
    Ok(Found { entries })
}

/// Every leaf, from the bundles that anybody can read.
fn leaves(app: &App, entries: u64) -> Result<Vec<Vec<u8>>, String> {
    let mut leaves = Vec::new();
    while (leaves.len() as u64) < entries {
        let (index, width) = (leaves.len() as u64 / 256, (entries - leaves.len() as u64).min(256));
        let bundle = RUNTIME.block_on(app.bundle(index, width as u16)).map_err(|e| e.to_string())?;
        let bundle = bundle.ok_or_else(|| format!("bundle {index} is missing"))?;
        leaves.extend(split_bundle(&bundle).map_err(|e| e.to_string())?.into_iter().map(<[u8]>::to_vec));
    }
    Ok(leaves)
}
