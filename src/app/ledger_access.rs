//! The ledger for those who check it: checkpoint, tiles, bundles, proofs, openings.
use std::sync::Arc;

use super::{App, AppError, Code, View};
use crate::{
    access::{Action, Principal},
    domain::{
        catalog::{EntryFacts, PartState},
        entry::{Opening, OpeningPart, PartState as OpeningState},
        id::EntryIndex,
    },
    ledger::{Checkpoint, Hash, TlogProof},
    store::{PublishedCheckpoint, Readable, Snapshot},
};

/// Which ledger resources need no token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LedgerPublic {
    None,
    Checkpoint,
    Hashes,
    Entries,
}

/// An inclusion proof with everything that checking it needs.
#[derive(Clone, Debug)]
pub struct InclusionProofFacts {
    /// The position over all logs.
    pub index: EntryIndex,
    /// The size of the tree it is proved in, in the entry's own log.
    pub size: u64,
    pub leaf_hash: Hash,
    pub hashes: Vec<Hash>,
    /// `.tlog-proof` (C2SP): with a checkpoint of that size.
    pub tlog_proof: String,
}

fn no_entry(index: EntryIndex, size: EntryIndex) -> AppError {
    AppError::new(Code::NotFound, format!("there is no entry {index}; the ledger has {size}"))
}

impl App {
    #[must_use]
    pub fn ledger_public(&self) -> LedgerPublic {
        self.ledger_public
    }

    /// The note verifier key (C2SP signed-note).
    #[must_use]
    pub fn vkey(&self) -> String {
        self.log_key.vkey()
    }

    #[must_use]
    pub fn origin(&self) -> String {
        self.log_key.name().to_owned()
    }

    /// The last signed checkpoint.
    #[must_use]
    pub fn checkpoint_note(&self) -> String {
        self.store.checkpoint().note.clone()
    }

    /// A tile of hashes of the current log, up to what is committed.
    pub async fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, AppError> {
        Ok(self.store.snapshot().await?.tile(level, index, width).await?)
    }

    /// An entry bundle of the current log.
    pub async fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, AppError> {
        Ok(self.store.snapshot().await?.bundle(index, width).await?)
    }

    /// A checkpoint that covers the entry: the last one, or a new one at once.
    async fn covering(&self, index: u64) -> Result<Arc<PublishedCheckpoint>, AppError> {
        let last = self.store.checkpoint();
        if index < last.size { Ok(last) } else { self.sequencer.publish().await }
    }

    /// The `.tlog-proof` of an entry; its `index` is the log's own.
    ///
    /// # Errors
    /// `NOT_FOUND` beyond the head.
    pub async fn tlog_proof(&self, index: EntryIndex) -> Result<String, AppError> {
        let proof = self.prove(&[index], None).await?.pop().unwrap_or_else(|| Err(no_entry(index, self.ledger_size())))?;
        Ok(proof.tlog_proof)
    }

    /// Proves entries in one tree, each by itself; together they are one question
    /// to the store of each kind.
    async fn prove(&self, indexes: &[EntryIndex], size: Option<u64>) -> Result<Vec<Result<InclusionProofFacts, AppError>>, AppError> {
        let (head, logs) = (self.store.head(), self.store.logs());
        let place = |index: &EntryIndex| {
            let (span, own) = logs.locate(*index).filter(|_| *index < head.size).ok_or_else(|| no_entry(*index, head.size))?;
            let committed = head.size - span.first;
            match size {
                Some(size) if size <= own || size > committed => {
                    Err(AppError::bad_input(format!("`size` must be over {own} and at most {committed}")).at("size"))
                }
                _ => Ok((*index, own)),
            }
        };
        let places: Vec<_> = indexes.iter().map(place).collect();
        let there: Vec<(EntryIndex, u64)> = places.iter().flatten().copied().collect();
        let mut proofs = self.prove_there(&there, size).await?.into_iter();
        let next = |place: Result<_, AppError>| place.and_then(|(index, _)| proofs.next().ok_or_else(|| no_entry(index, head.size)));
        Ok(places.into_iter().map(next).collect())
    }

    /// The same for entries (index over all logs, index in its own) known to be in the tree.
    async fn prove_there(&self, entries: &[(EntryIndex, u64)], size: Option<u64>) -> Result<Vec<InclusionProofFacts>, AppError> {
        let Some(last) = entries.iter().map(|(_, own)| *own).max() else { return Ok(Vec::new()) };
        let published = self.covering(last).await?;
        let snapshot = self.store.snapshot().await?;
        let (size, note) = match size {
            Some(size) if size != published.size => {
                let checkpoint = Checkpoint { origin: self.origin(), size, root: snapshot.root_at(size).await? };
                let note = checkpoint.sign(&self.log_key).map_err(|e| AppError {
                    source: Some(Box::new(e)),
                    ..AppError::new(Code::Internal, "the proof could not be signed")
                })?;
                (size, note)
            }
            _ => (published.size, published.note.clone()),
        };
        let (indexes, own): (Vec<_>, Vec<_>) = entries.iter().copied().unzip();
        let paths = snapshot.inclusions(&own, size).await?;
        let found = snapshot.entries(&indexes, Readable::default()).await?;
        let proof = |((index, own), (hashes, entry)): ((EntryIndex, u64), (Vec<Hash>, Option<EntryFacts>))| {
            let leaf_hash = entry.ok_or_else(|| no_entry(index, size))?.leaf_hash;
            let tlog_proof = TlogProof::new(own, hashes.clone(), note.clone()).to_string();
            Ok(InclusionProofFacts { index, size, leaf_hash, hashes, tlog_proof })
        };
        entries.iter().copied().zip(paths.into_iter().zip(found)).map(proof).collect()
    }

    /// A consistency proof between two sizes of the current log.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` unless `from ≤ to ≤` the head.
    pub async fn consistency_json(&self, from: u64, to: u64) -> Result<Vec<Hash>, AppError> {
        let first = self.store.logs().current().first;
        let committed = self.store.head().size - first;
        if from > to || to > committed {
            return Err(AppError::bad_input(format!("`from` must not be over `to`, and `to` not over {committed}")).at("from"));
        }
        Ok(self.store.snapshot().await?.consistency(from, to).await?)
    }

    /// The opening of an entry: what the reader may not see is `FORBIDDEN`.
    ///
    /// # Errors
    /// `NOT_FOUND` beyond the head; `FORBIDDEN` without the right to openings.
    pub async fn opening(&self, by: &Principal, index: EntryIndex) -> Result<String, AppError> {
        self.require(by, Action::ReadLedger)?;
        let readable = super::view::readable(by, self.ambient.clock.now());
        let snapshot = self.store.snapshot_for(self.sight(by)).await?;
        open_entry(&*snapshot, index, readable).await
    }
}

async fn open_entry(snapshot: &dyn Snapshot, index: EntryIndex, readable: Readable) -> Result<String, AppError> {
    let size = snapshot.head().size;
    let facts = snapshot.entries(&[index], readable).await?.pop().flatten().ok_or_else(|| no_entry(index, size))?;
    let parts = facts
        .parts
        .into_iter()
        .map(|p| OpeningPart {
            class: p.class,
            state: match p.state {
                PartState::Open { salt, bytes } => OpeningState::Open { salt, bytes: bytes.to_vec() },
                PartState::Forbidden => OpeningState::Forbidden { commitment: p.commitment },
                PartState::Destroyed { by } => OpeningState::Destroyed { commitment: p.commitment, by: by.unwrap_or(index) },
            },
        })
        .collect();
    Ok(Opening { index, leaf: facts.leaf, parts }.to_json())
}

impl View {
    /// Inclusion proofs in the current log, in the order asked.
    ///
    /// # Errors
    /// Of each: `NOT_FOUND` beyond the head, `BAD_USER_INPUT` for a size that does
    /// not hold the entry. Of all: `FORBIDDEN` for who may read neither entries nor
    /// the ledger.
    pub async fn proofs(&self, indexes: &[EntryIndex], size: Option<u64>) -> Result<Vec<Result<InclusionProofFacts, AppError>>, AppError> {
        // Whoever may read entries may have proved what they read; others need the ledger's own right.
        if !self.may(Action::ReadCore) {
            self.require(Action::ReadLedger)?;
        }
        self.app().prove(indexes, size).await
    }
}
