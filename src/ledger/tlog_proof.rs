//! The `.tlog-proof` file (C2SP tlog-proof): an entry's index, its inclusion
//! proof and the checkpoint it leads to; all that is needed to check offline that
//! an entry is in the log.
use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    checkpoint::{Checkpoint, CheckpointError},
    hash::{Hash, decode_hash, encode_hash},
    note::{NOTE_BYTES_MAX, Note, NoteError, Verifier},
    proof::{ProofError, verify_inclusion},
    tile::decimal,
};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// A tree of 2^63 leaves has paths of 63 hashes.
const HASHES_MAX: usize = 63;
/// The biggest proof file that is read, in bytes.
pub const TLOG_PROOF_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;

/// What is wrong with a proof file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    #[error("the proof is longer than {TLOG_PROOF_BYTES_MAX} bytes")]
    TooLong,
    #[error("the proof does not begin with the line `{FIRST_LINE}`")]
    FirstLine,
    #[error("the proof's extra data is not base64")]
    Extra,
    #[error("the proof's index line is not `index` and a number without leading zeros")]
    Index,
    #[error("a hash of the proof is not the base64 of 32 bytes")]
    Hash,
    #[error("the proof has more than {HASHES_MAX} hashes")]
    TooManyHashes,
    #[error("the proof has no checkpoint after an empty line")]
    NoCheckpoint,
    #[error("the proof's checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// A proof that an entry is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Data of the application's, protected by nothing. We write none.
    pub extra: Option<Vec<u8>>,
    /// The entry's index in this log.
    pub index: u64,
    /// From the leaf's sibling to the root's child.
    pub hashes: Vec<Hash>,
    /// The signed note, verbatim, cosignatures and all.
    pub checkpoint: String,
}

impl TlogProof {
    #[must_use]
    pub fn new(index: u64, hashes: Vec<Hash>, checkpoint: String) -> Self {
        Self { extra: None, index, hashes, checkpoint }
    }

    /// Reads a proof file. The checkpoint must be a note, but nothing is checked
    /// yet.
    ///
    /// # Errors
    /// [`TlogProofError`] names the line that is wrong.
    pub fn parse(file: &[u8]) -> Result<Self, TlogProofError> {
        if file.len() > TLOG_PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLong);
        }
        let file = std::str::from_utf8(file).map_err(|_| TlogProofError::Checkpoint(NoteError::NotText.into()))?;
        let mut rest = file.strip_prefix(FIRST_LINE).and_then(|r| r.strip_prefix('\n')).ok_or(TlogProofError::FirstLine)?;
        let extra = match rest.strip_prefix("extra ") {
            None => None,
            Some(after) => {
                let (encoded, after) = after.split_once('\n').ok_or(TlogProofError::Extra)?;
                rest = after;
                Some(STANDARD.decode(encoded).map_err(|_| TlogProofError::Extra)?)
            }
        };
        let (index, mut rest) = rest.strip_prefix("index ").and_then(|r| r.split_once('\n')).ok_or(TlogProofError::Index)?;
        let index = decimal(index).ok_or(TlogProofError::Index)?;
        let mut hashes = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(TlogProofError::NoCheckpoint)?;
            rest = after;
            if line.is_empty() {
                break;
            }
            if hashes.len() == HASHES_MAX {
                return Err(TlogProofError::TooManyHashes);
            }
            hashes.push(decode_hash(line).ok_or(TlogProofError::Hash)?);
        }
        if rest.is_empty() {
            return Err(TlogProofError::NoCheckpoint);
        }
        Note::parse(rest.as_bytes()).map_err(CheckpointError::from)?;
        Ok(Self { extra, index, hashes, checkpoint: rest.to_owned() })
    }

    /// Checks that the entry with this leaf hash is in the log whose key is
    /// `verifier`, and gives the checkpoint that says so.
    ///
    /// # Errors
    /// [`TlogProofError::Checkpoint`], [`TlogProofError::Proof`].
    pub fn verify(&self, leaf: &Hash, verifier: &Verifier) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, verifier)?;
        verify_inclusion(leaf, self.index, checkpoint.size, &self.hashes, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

/// The file.
impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|h| writeln!(f, "{}", encode_hash(h)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
