//! What the vault asks of the place where its rows live.
//!
//! Every method is one transaction. **When a method that changes something
//! returns `Ok`, the change is durable** (synced); when it returns an error,
//! nothing of it may be relied upon, and after [`VaultError::Storage`] every later call
//! fails too. Rows hold wrapped keys, sealed values and keyed look-ups alone: a
//! backend never sees a key or an identifier in the clear.
use super::{
    error::VaultError,
    identifier::Lookup,
    kek::KekId,
    scope::{KeyId, KeyScope},
};
use crate::domain::id::Handle;

/// A key under the key-encryption key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wrapped {
    /// Which key-encryption key wrapped it.
    pub kek: KekId,
    pub bytes: Vec<u8>,
}

/// Which secrets a vault belongs to, as fingerprints.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultIdentity {
    pub kek: KekId,
    pub pepper: [u8; 32],
    pub installation: [u8; 32],
}

/// A wish for a key that may seal.
#[derive(Clone, Debug)]
pub struct KeyWant {
    pub scope: KeyScope,
    /// How many nonces to reserve.
    pub nonces: u64,
    /// The most that may ever be reserved for one key.
    pub limit: u64,
}

/// A stored data key.
#[derive(Clone, Debug)]
pub struct StoredKey {
    pub id: KeyId,
    pub scope: KeyScope,
    pub wrapped: Wrapped,
}

/// A person as first written.
#[derive(Clone, Debug)]
pub struct NewPerson {
    pub handle: Handle,
    /// The key of scope (`handle`, [`RetentionClass::IDENTITY`](super::RetentionClass::IDENTITY)).
    pub identity_key: Wrapped,
    /// Nonces reserved for it from the start.
    pub reserved: u64,
    /// The secret of epoch 0.
    pub secret: Wrapped,
    /// The identifier, under the identity key.
    pub sealed: Vec<u8>,
}

/// A stored identifier.
#[derive(Clone, Debug)]
pub struct SealedIdentifier {
    pub handle: Handle,
    pub lookup: Lookup,
    pub key: KeyId,
    pub sealed: Vec<u8>,
}

/// What an erasure removed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Erased {
    /// The person and those merged into it.
    pub handles: Vec<Handle>,
    pub keys: Vec<KeyId>,
    pub identifiers: usize,
}

/// Makes the wrapped form of a new key, told the id that the store chose.
pub type MakeKey<'a> = &'a dyn Fn(KeyId, &KeyScope) -> Result<Wrapped, VaultError>;
/// Makes the person of the n-th look-up, told the id of its identity key.
pub type MakePerson<'a> = &'a dyn Fn(usize, KeyId) -> Result<NewPerson, VaultError>;

/// Rows of the vault. Answers come in the order of what was asked.
pub trait VaultStore: Send + Sync {
    /// The secrets that the vault was bound to; `None` for an empty one.
    ///
    /// # Errors
    /// [`VaultError::Storage`], as every method here.
    fn identity(&self) -> Result<Option<VaultIdentity>, VaultError>;

    /// Binds an empty vault to its secrets.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    fn bind(&self, identity: &VaultIdentity) -> Result<(), VaultError>;

    /// For each want the scope's newest key with `nonces` more of them reserved;
    /// a new key (`make`, an id never used before, not even by a destroyed key)
    /// if there is none or the reservation would pass `limit`.
    ///
    /// # Errors
    /// [`VaultError::UnknownHandle`] for a person who does not exist: an erased
    /// one never gets a key again. [`VaultError::NoKeyIdsLeft`]; what `make` returned.
    fn take_keys(&self, wants: &[KeyWant], make: MakeKey<'_>) -> Result<Vec<StoredKey>, VaultError>;

    /// Keys by id; `None` for what was destroyed or never was.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    fn keys(&self, ids: &[KeyId]) -> Result<Vec<Option<StoredKey>>, VaultError>;

    /// Destroys keys; those that are gone already are no error. Returns how many
    /// were there. Call [`purge`](Self::purge) afterwards.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    fn destroy_keys(&self, ids: &[KeyId]) -> Result<usize, VaultError>;

    /// Which of these keys were destroyed, by `destroy_keys` or `erase_people`. A
    /// key that is neither there nor destroyed was lost.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    fn destroyed(&self, ids: &[KeyId]) -> Result<Vec<bool>, VaultError>;

    /// The handles found under look-ups; a merged person answers with its survivor.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    fn find_handles(&self, lookups: &[Lookup]) -> Result<Vec<Option<Handle>>, VaultError>;

    /// The same, creating who is missing with `make`. Of callers that race for
    /// one look-up all get the same handle.
    ///
    /// # Errors
    /// [`VaultError::NoKeyIdsLeft`]; what `make` returned.
    fn take_handles(&self, lookups: &[Lookup], make: MakePerson<'_>) -> Result<Vec<Handle>, VaultError>;

    /// Up to `limit` handles above `after`, in their order.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    fn people_after(&self, after: Option<Handle>, limit: usize) -> Result<Vec<Handle>, VaultError>;

    /// All identifiers of these handles (merges are not followed).
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    fn identifiers_of(&self, handles: &[Handle]) -> Result<Vec<SealedIdentifier>, VaultError>;

    /// For each handle whose secrets concern the person: the survivor first, then
    /// those merged into it, oldest first. `None` for unknown handles.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    fn chains(&self, handles: &[Handle]) -> Result<Vec<Option<Vec<Handle>>>, VaultError>;

    /// The secrets of (handle, epoch).
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    fn secrets(&self, of: &[(Handle, u32)]) -> Result<Vec<Option<Wrapped>>, VaultError>;

    /// Keeps `secret` for (handle, epoch) unless there is one, and returns the one kept.
    ///
    /// # Errors
    /// [`VaultError::UnknownHandle`].
    fn take_secret(&self, handle: Handle, epoch: u32, secret: &Wrapped) -> Result<Wrapped, VaultError>;

    /// Makes `other` (and all merged into it) one person with `survivor`.
    ///
    /// # Errors
    /// [`VaultError::UnknownHandle`].
    fn merge(&self, survivor: Handle, other: Handle) -> Result<(), VaultError>;

    /// Removes people with all merged into them: identifiers, secrets, keys,
    /// handles. Unknown handles are no error. Call [`purge`](Self::purge) afterwards.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    fn erase_people(&self, handles: &[Handle]) -> Result<Erased, VaultError>;

    /// Returns when no byte of a removed row is left in the store's files, also of
    /// rows that a process before this one removed. Costs a reading of the files.
    ///
    /// # Errors
    /// [`VaultError::PurgeBlocked`] if a reader kept it from happening; try again.
    fn purge(&self) -> Result<(), VaultError>;
}
