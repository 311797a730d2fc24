//! The anchor: the last signed checkpoint, kept on another volume, so that a
//! whole folder rolled back is noticed.
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::ledger::{Checkpoint, CheckpointError, Verifier};

/// A file that holds one signed note.
#[derive(Clone, Debug)]
pub struct Anchor(PathBuf);

impl Anchor {
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The checkpoint it holds, verified; `None` when there is no file yet.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold a checkpoint of this log.
    pub fn read(&self, verifier: &Verifier) -> Result<Option<Checkpoint>, AnchorError> {
        match fs::read(&self.0) {
            Ok(note) => Ok(Some(Checkpoint::open(note, verifier)?)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Replaces it whole: durable, or as it was.
    ///
    /// # Errors
    /// The file system's.
    pub fn write(&self, note: &str) -> io::Result<()> {
        let folder = self.0.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut name = self.0.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let fresh = folder.join(name);
        let mut file = File::create(&fresh)?;
        file.write_all(note.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &self.0)?;
        File::open(folder)?.sync_all()
    }
}

/// Why an anchor could not be used.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    #[error("the anchor file could not be read")]
    Io(#[from] io::Error),
    #[error("the anchor file holds no checkpoint signed by this log's key")]
    NotOurs(#[from] CheckpointError),
}
