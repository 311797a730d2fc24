//! What can go wrong in the vault.
use std::error::Error;

use super::{kek::KekId, scope::KeyId};
use crate::domain::id::Handle;

/// A refusal or failure of the vault. No text of it holds an identifier, a key
/// or anything that came from a person.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The store could not read, write or sync. The state on disk is unknown, so
    /// the process has to stop; nothing is retried.
    #[error("the vault's store failed")]
    Storage(#[source] Box<dyn Error + Send + Sync>),
    /// A stored row does not have the shape that we write.
    #[error("the vault's table `{table}` holds a row that cannot be read")]
    Corrupt { table: &'static str },
    /// There is no vault where an existing data folder should have one.
    #[error("the vault `{path}` is missing, but the data folder is not new: bring `vault.db` back from a backup of the vault")]
    Missing { path: String },
    /// The file is an SQLite database of something else.
    #[error("`{path}` is not a Ledgerline vault")]
    NotAVault { path: String },
    /// A later program wrote the vault.
    #[error("the vault has schema version {found}, this program knows versions up to {known}: run the newer program")]
    Newer { found: i64, known: i64 },
    /// The vault was sealed with another key-encryption key.
    #[error("the vault was sealed with the key-encryption key {expected}, but {given} was given: bring the right key")]
    WrongKek { expected: KekId, given: KekId },
    /// The pepper or the installation secret belongs to another installation.
    #[error("the {name} is not the one that this vault was made with: bring the right one back from a backup of `keys.dir`")]
    WrongSecret { name: &'static str },
    /// The key service (local or remote) refused to wrap or unwrap.
    #[error("the key-encryption key could not be used")]
    Kek(#[source] Box<dyn Error + Send + Sync>),
    /// A wrapped key or a sealed value does not open: its bytes were altered, or
    /// it was sealed for another place.
    #[error("sealed bytes do not open: they were altered or belong elsewhere")]
    DoesNotOpen,
    /// A key may seal no more until it is asked for again
    /// ([`Vault::data_key`](super::Vault::data_key)).
    #[error("data key {0} has no nonces left")]
    KeySpent(KeyId),
    /// The key was destroyed while it was held.
    #[error("data key {0} is destroyed")]
    KeyDestroyed(KeyId),
    /// All key ids are used up.
    #[error("the vault has no key ids left")]
    NoKeyIdsLeft,
    /// Nobody has this handle (any more). Nothing is created in its place.
    #[error("the vault does not know the handle {0}")]
    UnknownHandle(Handle),
    /// The person has no such epoch.
    #[error("the person {handle} has no epoch {epoch}")]
    UnknownEpoch { handle: Handle, epoch: u32 },
    /// A class name, or a number of them, that the format cannot carry.
    #[error("a part's class is one to 255 bytes")]
    BadClass,
    /// Rows are destroyed and that is durable, but traces may be left until
    /// [`Vault::purge`](super::Vault::purge) succeeds: somebody holds the file open for reading.
    #[error("destroyed rows cannot be scrubbed from the vault's files while they are being read")]
    PurgeBlocked,
}

impl VaultError {
    /// Whether the process has to stop.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Storage(_) | Self::Corrupt { .. })
    }
}
