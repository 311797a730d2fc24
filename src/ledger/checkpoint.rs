//! Checkpoints (C2SP tlog-checkpoint): the signed statement "the log of this name
//! has so many entries and this root".
use std::fmt;

use super::{
    hash::{Hash, decode_hash, encode_hash},
    note::{LogKey, Note, NoteError, Verifier, check_text},
    tile::decimal,
};

/// The biggest tree: other implementations count in signed 64 bits.
pub const TREE_SIZE_MAX: u64 = i64::MAX as u64;

/// What is wrong with a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error("a checkpoint has at least three lines, none of them empty")]
    Lines,
    #[error("the checkpoint's tree size is not a number up to 2^63-1 without leading zeros")]
    Size,
    #[error("the checkpoint's root is not the base64 of 32 bytes")]
    Root,
    #[error("the checkpoint is of the log `{found}`, not of `{expected}`")]
    Origin { expected: String, found: String },
}

/// A tree head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name; in our logs also the name of its key.
    pub origin: String,
    /// Entries, at most [`TREE_SIZE_MAX`].
    pub size: u64,
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed: exactly three lines. We never write extension
    /// lines, because witnesses refuse them and monitors cannot check them.
    #[must_use]
    pub fn body(&self) -> String {
        self.to_string()
    }

    /// The signed note.
    ///
    /// # Errors
    /// [`CheckpointError`] if this is not a checkpoint that others would read
    /// back as the same one, or `key` is not the key of this log.
    pub fn sign(&self, key: &LogKey) -> Result<String, CheckpointError> {
        self.of_log(key.name())?;
        let body = self.body();
        check_text(&body)?;
        if Self::parse(&body)? != *self {
            return Err(CheckpointError::Lines);
        }
        Ok(key.sign_note(&body)?)
    }

    /// Reads the text of a note. Extension lines of others' checkpoints may
    /// follow the third line; they are checked for their form and dropped, so
    /// [`Self::body`] gives back three lines.
    ///
    /// # Errors
    /// [`CheckpointError`] names the line that is wrong.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n');
        let mut line = || lines.next().filter(|l| !l.is_empty()).ok_or(CheckpointError::Lines);
        let (origin, size, root) = (line()?, line()?, line()?);
        let size = decimal(size).filter(|s| *s <= TREE_SIZE_MAX).ok_or(CheckpointError::Size)?;
        let root = decode_hash(root).ok_or(CheckpointError::Root)?;
        if lines.any(str::is_empty) {
            return Err(CheckpointError::Lines);
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }

    /// Reads a signed checkpoint of the log whose key is `verifier` (the key's
    /// name is the log's origin) and checks its signature.
    ///
    /// # Errors
    /// [`CheckpointError`]: not a note, not signed by that key, of another log,
    /// or not a checkpoint.
    pub fn open(note: impl AsRef<[u8]>, verifier: &Verifier) -> Result<Self, CheckpointError> {
        let note = Note::parse(note.as_ref())?;
        let checkpoint = Self::parse(note.open(std::slice::from_ref(verifier))?)?;
        checkpoint.of_log(verifier.name())?;
        Ok(checkpoint)
    }

    fn of_log(&self, expected: &str) -> Result<(), CheckpointError> {
        if self.origin == expected {
            return Ok(());
        }
        Err(CheckpointError::Origin { expected: expected.to_owned(), found: self.origin.clone() })
    }
}

/// The same as [`Checkpoint::body`].
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, encode_hash(&self.root))
    }
}
