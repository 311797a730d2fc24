//! People: identifier ↔ handle, the secrets of their epochs, merging, erasing.
//!
//! A handle is random, never derived from an identifier, so erasing the row that
//! joins them unlinks the past for good; the same identifier gets a new handle
//! afterwards, and the old one never a key again.
//!
//! **Which epoch is open, and the next n in it, is not known here.** Both move in
//! the transaction of the entry that uses them, beside the graph, so callers
//! give a [`Position`]; a counter in another file could repeat or skip a
//! reference after a crash.
use std::{num::NonZeroUsize, sync::Arc};

use lru::LruCache;

use super::{
    Vault,
    envelope::{open_with, seal_with},
    error::VaultError,
    identifier::{Identifier, Lookup},
    keyring::DataKey,
    reference::{Reference, next_of},
    scope::{KeyId, KeyScope, RetentionClass},
    secret::Secret32,
    store::{Erased, NewPerson, SealedIdentifier},
};
use crate::domain::id::Handle;

/// The place of one reference: the n-th of a handle in an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Position {
    pub handle: Handle,
    pub epoch: u32,
    pub n: u64,
}

/// What the entry that closes an epoch says about the one that follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NextEpoch {
    pub epoch: u32,
    /// `SHA-256("ledgerline/epoch/v1\n" ‖ its secret)`.
    pub next: [u8; 32],
}

/// How many look-ups, and how many epochs' secrets, stay in memory.
const CACHED_PEOPLE: NonZeroUsize = NonZeroUsize::MIN.saturating_add((1 << 16) - 1);

/// People in memory, without a single identifier in the clear. `generation`
/// counts erasures and merges: what was read before one must not enter after it.
pub(super) struct People {
    handles: LruCache<Lookup, Handle>,
    secrets: LruCache<(Handle, u32), Arc<Secret32>>,
    chains: LruCache<Handle, Arc<[Handle]>>,
    generation: u64,
}

impl People {
    pub(super) fn new() -> Self {
        Self {
            handles: LruCache::new(CACHED_PEOPLE),
            secrets: LruCache::new(CACHED_PEOPLE),
            chains: LruCache::new(CACHED_PEOPLE),
            generation: 0,
        }
    }

    fn forget(&mut self) {
        self.generation += 1;
        self.handles.clear();
        self.secrets.clear();
        self.chains.clear();
    }
}

impl Vault {
    /// The handles of identifiers, created where there are none, in one
    /// transaction that is durable before this returns. Equal identifiers, at
    /// whatever time from whatever thread, get one handle.
    ///
    /// # Errors
    /// [`VaultError::Storage`], [`VaultError::Kek`].
    pub fn handles_for(&self, ids: &[Identifier]) -> Result<Vec<Handle>, VaultError> {
        let (mut found, lookups, generation) = self.cached_handles(ids);
        let missing: Vec<(&Identifier, Lookup)> =
            found.iter().zip(ids.iter().zip(&lookups)).filter(|(h, _)| h.is_none()).map(|(_, (id, l))| (id, *l)).collect();
        if !missing.is_empty() {
            let asked: Vec<Lookup> = missing.iter().map(|(_, lookup)| *lookup).collect();
            let taken = self.store.take_handles(&asked, &|i, key| {
                let (identifier, lookup) = missing.get(i).ok_or(VaultError::Corrupt { table: "identifier" })?;
                self.new_person(identifier, *lookup, key)
            })?;
            self.keep_handles(&asked, taken.iter().copied().map(Some), generation);
            found.iter_mut().filter(|h| h.is_none()).zip(taken).for_each(|(slot, handle)| *slot = Some(handle));
        }
        found.into_iter().map(|h| h.ok_or(VaultError::Corrupt { table: "identifier" })).collect()
    }

    /// The handles of identifiers; `None` for those that nobody has.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    pub fn find_handles(&self, ids: &[Identifier]) -> Result<Vec<Option<Handle>>, VaultError> {
        let (mut found, lookups, generation) = self.cached_handles(ids);
        let asked: Vec<Lookup> = found.iter().zip(&lookups).filter(|(h, _)| h.is_none()).map(|(_, l)| *l).collect();
        if !asked.is_empty() {
            let stored = self.store.find_handles(&asked)?;
            self.keep_handles(&asked, stored.iter().copied(), generation);
            found.iter_mut().filter(|h| h.is_none()).zip(stored).for_each(|(slot, handle)| *slot = handle);
        }
        Ok(found)
    }

    /// All identifiers of a person, of those merged into it too, as they were
    /// received. For reveals: the caller sees to rights and to the entry about it.
    ///
    /// # Errors
    /// [`VaultError::UnknownHandle`], [`VaultError::DoesNotOpen`], [`VaultError::Storage`].
    pub fn identifiers_of(&self, handle: Handle) -> Result<Vec<Identifier>, VaultError> {
        let rows = self.store.identifiers_of(&self.chains(handle)?)?;
        let ids: Vec<KeyId> = rows.iter().map(|row| row.key).collect();
        let mut out = Vec::with_capacity(rows.len());
        for (row, key) in rows.iter().zip(self.keys(&ids)?) {
            // A destroyed key means an erased value, which is no failure.
            let Some(key) = key else { continue };
            out.push(open_identifier(&key, row)?);
        }
        Ok(out)
    }

    /// The handles under whose secrets an entry about this person is referenced:
    /// the person itself and, after merges, those that it absorbed. One or more.
    ///
    /// # Errors
    /// [`VaultError::UnknownHandle`], [`VaultError::Storage`].
    pub fn chains(&self, handle: Handle) -> Result<Arc<[Handle]>, VaultError> {
        let generation = {
            let mut people = self.people.lock();
            if let Some(chains) = people.chains.get(&handle) {
                return Ok(Arc::clone(chains));
            }
            people.generation
        };
        let chains = self.store.chains(&[handle])?.pop().flatten().ok_or(VaultError::UnknownHandle(handle))?;
        let chains: Arc<[Handle]> = chains.into();
        let mut people = self.people.lock();
        if people.generation == generation {
            people.chains.put(handle, Arc::clone(&chains));
        }
        Ok(chains)
    }

    /// Makes `other` one person with `survivor`, whose handle look-ups give from
    /// now on. Both keep their secrets and counters.
    ///
    /// # Errors
    /// [`VaultError::UnknownHandle`], [`VaultError::Storage`].
    pub fn merge(&self, survivor: Handle, other: Handle) -> Result<(), VaultError> {
        self.store.merge(survivor, other)?;
        self.people.lock().forget();
        Ok(())
    }

    /// The reference at a position.
    ///
    /// # Errors
    /// As [`references`](Self::references).
    pub fn reference(&self, at: Position) -> Result<Reference, VaultError> {
        Ok(Reference::of(&*self.epoch_secret(at.handle, at.epoch)?, at.n))
    }

    /// The references at many positions, in at most one transaction.
    ///
    /// # Errors
    /// [`VaultError::UnknownEpoch`], [`VaultError::Storage`].
    pub fn references(&self, at: &[Position]) -> Result<Vec<Reference>, VaultError> {
        let of: Vec<(Handle, u32)> = at.iter().map(|p| (p.handle, p.epoch)).collect();
        Ok(self.epoch_secrets(&of)?.iter().zip(at).map(|(secret, p)| Reference::of(secret, p.n)).collect())
    }

    /// An epoch's secret. Only those of **closed** epochs may leave the server:
    /// whoever has the secret of the open one can watch the person's future.
    ///
    /// # Errors
    /// [`VaultError::UnknownEpoch`], [`VaultError::Storage`].
    pub fn epoch_secret(&self, handle: Handle, epoch: u32) -> Result<Arc<Secret32>, VaultError> {
        self.epoch_secrets(&[(handle, epoch)])?.pop().ok_or(VaultError::UnknownEpoch { handle, epoch })
    }

    /// Prepares the closing of an epoch: the next one's secret is durable when
    /// this returns. Doing it again gives the same; the epoch is closed by its
    /// entry alone, so an unused next secret is harmless.
    ///
    /// # Errors
    /// [`VaultError::UnknownEpoch`] for an epoch that the person has not reached,
    /// [`VaultError::Storage`].
    pub fn close_epoch(&self, handle: Handle, epoch: u32) -> Result<NextEpoch, VaultError> {
        self.epoch_secret(handle, epoch)?;
        let next = epoch.checked_add(1).ok_or(VaultError::UnknownEpoch { handle, epoch })?;
        let fresh = self.wrap(&secret_aad(handle, next), &Secret32::random(&*self.entropy))?;
        let kept = self.store.take_secret(handle, next, &fresh)?;
        Ok(NextEpoch { epoch: next, next: next_of(&self.unwrap(&secret_aad(handle, next), &kept)?) })
    }

    /// Erases people with all merged into them: identifiers, look-ups, secrets,
    /// keys. When this returns, no byte of them is left in the vault's files, and
    /// neither the past nor anything sealed for them can be linked or opened.
    /// Unknown handles are no error, so it can be repeated. It reads the whole
    /// vault once to see that nothing is left: give many people together.
    ///
    /// # Errors
    /// [`VaultError::PurgeBlocked`] when all is gone but traces may not be (then
    /// [`purge`](Self::purge)); [`VaultError::Storage`].
    pub fn erase_people(&self, handles: &[Handle]) -> Result<Erased, VaultError> {
        let erased = self.store.erase_people(handles)?;
        self.people.lock().forget();
        self.ring.lock().forget(&erased.keys);
        self.store.purge()?;
        Ok(erased)
    }

    fn new_person(&self, identifier: &Identifier, lookup: Lookup, key_id: KeyId) -> Result<NewPerson, VaultError> {
        let handle = Handle::from_random(self.entropy.bytes16());
        let scope = KeyScope::Person { handle, retention: RetentionClass::IDENTITY };
        let (key, identity_key) = self.new_data_key(key_id, &scope)?;
        key.grant(1);
        let plain = zeroize::Zeroizing::new(identifier.to_bytes());
        let sealed = seal_with(&key, &identifier_aad(handle, lookup, key_id), &[&plain], &*self.entropy)?;
        let secret = self.wrap(&secret_aad(handle, 0), &Secret32::random(&*self.entropy))?;
        Ok(NewPerson { handle, identity_key, reserved: 1, secret, sealed })
    }

    fn cached_handles(&self, ids: &[Identifier]) -> (Vec<Option<Handle>>, Vec<Lookup>, u64) {
        let lookups: Vec<Lookup> = ids.iter().map(|id| self.pepper.lookup(id)).collect();
        let mut people = self.people.lock();
        let found = lookups.iter().map(|lookup| people.handles.get(lookup).copied()).collect();
        (found, lookups, people.generation)
    }

    fn keep_handles(&self, lookups: &[Lookup], handles: impl Iterator<Item = Option<Handle>>, generation: u64) {
        let mut people = self.people.lock();
        if people.generation == generation {
            for (lookup, handle) in lookups.iter().zip(handles) {
                if let Some(handle) = handle {
                    people.handles.put(*lookup, handle);
                }
            }
        }
    }

    fn epoch_secrets(&self, of: &[(Handle, u32)]) -> Result<Vec<Arc<Secret32>>, VaultError> {
        let (mut found, generation): (Vec<Option<Arc<Secret32>>>, u64) = {
            let mut people = self.people.lock();
            (of.iter().map(|at| people.secrets.get(at).cloned()).collect(), people.generation)
        };
        let missing: Vec<(Handle, u32)> = of.iter().zip(&found).filter(|(_, s)| s.is_none()).map(|(at, _)| *at).collect();
        if !missing.is_empty() {
            let stored = self.store.secrets(&missing)?;
            for ((slot, (handle, epoch)), wrapped) in found.iter_mut().filter(|s| s.is_none()).zip(missing).zip(stored) {
                let wrapped = wrapped.ok_or(VaultError::UnknownEpoch { handle, epoch })?;
                let secret = Arc::new(self.unwrap(&secret_aad(handle, epoch), &wrapped)?);
                let mut people = self.people.lock();
                if people.generation == generation {
                    people.secrets.put((handle, epoch), Arc::clone(&secret));
                }
                *slot = Some(secret);
            }
        }
        found.into_iter().map(|s| s.ok_or(VaultError::Corrupt { table: "secret" })).collect()
    }
}

/// # Errors
/// [`VaultError::DoesNotOpen`], [`VaultError::Corrupt`].
pub(super) fn open_identifier(key: &DataKey, row: &SealedIdentifier) -> Result<Identifier, VaultError> {
    let (_, bytes) = open_with::<0>(key, &identifier_aad(row.handle, row.lookup, row.key), &row.sealed)?;
    Identifier::from_bytes(&bytes).ok_or(VaultError::Corrupt { table: "identifier" })
}

/// A sealed identifier is bound to its person, look-up and key.
fn identifier_aad(handle: Handle, lookup: Lookup, key: KeyId) -> Vec<u8> {
    [b"ledgerline/identifier/v1\n".as_slice(), &handle.0, &lookup.0, &key.to_bytes()].concat()
}

/// A wrapped secret is bound to its person and epoch.
pub(super) fn secret_aad(handle: Handle, epoch: u32) -> Vec<u8> {
    [b"ledgerline/epoch-secret/v1\n".as_slice(), &handle.0, &epoch.to_be_bytes()].concat()
}
