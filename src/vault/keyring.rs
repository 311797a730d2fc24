//! Data keys: which there are, how often each may seal, and their cache.
//!
//! AES-GCM with random 96-bit nonces allows 2^32 messages a key (SP 800-38D §8.3).
//! Nonces are therefore reserved durably, a chunk at a time, before they are used:
//! a crash loses the rest of a chunk, so the stored count is never too low, and a
//! key whose next chunk would pass the limit is succeeded by a fresh one.
use std::{
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use aes_gcm::{Aes256Gcm, KeyInit};
use lru::LruCache;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Vault,
    error::VaultError,
    scope::{KeyId, KeyScope},
    secret::Secret32,
    store::{KeyWant, StoredKey, Wrapped},
};
/// A data key with its AES schedule expanded. It was durable before anyone got
/// it. Hold it for one piece of work and ask again: only asking renews its nonces.
pub struct DataKey {
    id: KeyId,
    scope: KeyScope,
    pub(super) cipher: Aes256Gcm,
    /// Reserved nonces not used yet.
    left: AtomicU64,
    destroyed: AtomicBool,
}

impl DataKey {
    pub(super) fn new(id: KeyId, scope: KeyScope, key: &Secret32) -> Self {
        let cipher = Aes256Gcm::new((&**key).into());
        Self { id, scope, cipher, left: AtomicU64::new(0), destroyed: AtomicBool::new(false) }
    }

    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    #[must_use]
    pub const fn scope(&self) -> KeyScope {
        self.scope
    }

    /// Allows `nonces` more messages; the store has counted them already.
    pub(super) fn grant(&self, nonces: u64) {
        self.left.fetch_add(nonces, Ordering::Relaxed);
    }

    /// Uses up one nonce.
    pub(super) fn spend(&self) -> Result<(), VaultError> {
        self.alive()?;
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
            .map(drop)
            .map_err(|_| VaultError::KeySpent(self.id))
    }

    pub(super) fn alive(&self) -> Result<(), VaultError> {
        if self.destroyed.load(Ordering::Acquire) { Err(VaultError::KeyDestroyed(self.id)) } else { Ok(()) }
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({}, ..)", self.id)
    }
}

/// How many data keys stay expanded in memory (about 1 KB each).
const CACHED_KEYS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(8191);

/// The data keys in memory. `generation` counts destructions: what was read from
/// the store before one must not enter after it.
pub(super) struct Ring {
    by_id: LruCache<KeyId, Arc<DataKey>>,
    by_scope: LruCache<KeyScope, Arc<DataKey>>,
    generation: u64,
}

impl Ring {
    pub(super) fn new() -> Self {
        Self { by_id: LruCache::new(CACHED_KEYS), by_scope: LruCache::new(CACHED_KEYS), generation: 0 }
    }

    /// The scope's key if it has nonces to go on with. It is renewed when a
    /// sixteenth of a chunk is left, so that holders rarely run dry.
    fn ready(&mut self, scope: &KeyScope, chunk: u64) -> Option<Arc<DataKey>> {
        self.by_scope.get(scope).filter(|key| key.left.load(Ordering::Relaxed) > chunk / 16).cloned()
    }

    /// Keeps `key`, or rather the one that somebody else kept meanwhile.
    fn keep(&mut self, key: Arc<DataKey>, generation: u64) -> Arc<DataKey> {
        if generation != self.generation {
            return key;
        }
        Arc::clone(self.by_id.get_or_insert(key.id, || key))
    }

    /// Forgets destroyed keys; whoever still holds one can use it no more.
    pub(super) fn forget(&mut self, ids: &[KeyId]) {
        self.generation += 1;
        for id in ids {
            if let Some(key) = self.by_id.pop(id) {
                key.destroyed.store(true, Ordering::Release);
            }
        }
        let gone: FxHashSet<KeyId> = ids.iter().copied().collect();
        let scopes: Vec<KeyScope> = self.by_scope.iter().filter(|(_, key)| gone.contains(&key.id)).map(|(scope, _)| *scope).collect();
        for scope in scopes {
            if let Some(key) = self.by_scope.pop(&scope) {
                key.destroyed.store(true, Ordering::Release);
            }
        }
    }
}

impl Vault {
    /// The key that seals for `scope`, with nonces left: created, and durable,
    /// before it is returned.
    ///
    /// # Errors
    /// As [`data_keys`](Self::data_keys).
    pub fn data_key(&self, scope: KeyScope) -> Result<Arc<DataKey>, VaultError> {
        let ready = self.ring.lock().ready(&scope, self.limits.chunk_of(&scope));
        if let Some(key) = ready {
            return Ok(key);
        }
        self.data_keys(&[scope])?.pop().ok_or(VaultError::Corrupt { table: "data_key" })
    }

    /// The same for many scopes, in at most one transaction.
    ///
    /// # Errors
    /// [`VaultError::UnknownHandle`] for a person who is not (or no longer) in
    /// the vault; [`VaultError::Storage`].
    pub fn data_keys(&self, scopes: &[KeyScope]) -> Result<Vec<Arc<DataKey>>, VaultError> {
        let mut wants: Vec<KeyWant> = Vec::new();
        let mut found: Vec<Option<Arc<DataKey>>> = Vec::with_capacity(scopes.len());
        let generation = {
            let mut ring = self.ring.lock();
            for scope in scopes {
                let chunk = self.limits.chunk_of(scope);
                let key = ring.ready(scope, chunk);
                if key.is_none() && !wants.iter().any(|w| w.scope == *scope) {
                    wants.push(KeyWant { scope: *scope, nonces: chunk, limit: self.limits.limit });
                }
                found.push(key);
            }
            ring.generation
        };
        if wants.is_empty() {
            return Ok(found.into_iter().flatten().collect());
        }
        let stored = self.store.take_keys(&wants, &|id, scope| self.new_data_key(id, scope).map(|(_, wrapped)| wrapped))?;
        let mut taken: FxHashMap<KeyScope, Arc<DataKey>> = FxHashMap::default();
        for (stored, want) in stored.iter().zip(&wants) {
            let key = self.hold(stored, generation)?;
            key.grant(want.nonces);
            let mut ring = self.ring.lock();
            if ring.generation == generation {
                ring.by_scope.put(stored.scope, Arc::clone(&key));
            }
            taken.insert(stored.scope, key);
        }
        found
            .into_iter()
            .zip(scopes)
            .map(|(key, scope)| key.or_else(|| taken.get(scope).cloned()).ok_or(VaultError::Corrupt { table: "data_key" }))
            .collect()
    }

    /// A key by its id, to open with; `None` if it was destroyed or never was.
    ///
    /// # Errors
    /// As [`keys`](Self::keys).
    pub fn key(&self, id: KeyId) -> Result<Option<Arc<DataKey>>, VaultError> {
        Ok(self.keys(&[id])?.pop().flatten())
    }

    /// The same for many ids, in at most one transaction.
    ///
    /// # Errors
    /// [`VaultError::WrongKek`], [`VaultError::DoesNotOpen`], [`VaultError::Storage`].
    pub fn keys(&self, ids: &[KeyId]) -> Result<Vec<Option<Arc<DataKey>>>, VaultError> {
        let (mut found, generation): (Vec<Option<Arc<DataKey>>>, u64) = {
            let mut ring = self.ring.lock();
            (ids.iter().map(|id| ring.by_id.get(id).cloned()).collect(), ring.generation)
        };
        let missing: Vec<KeyId> = ids.iter().zip(&found).filter(|(_, key)| key.is_none()).map(|(id, _)| *id).collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let mut stored = self.store.keys(&missing)?.into_iter();
        for slot in found.iter_mut().filter(|slot| slot.is_none()) {
            if let Some(Some(row)) = stored.next() {
                *slot = Some(self.hold(&row, generation)?);
            }
        }
        Ok(found)
    }

    /// Whether a key was destroyed on purpose. One that is neither there nor
    /// destroyed was lost, or somebody took it away.
    ///
    /// # Errors
    /// [`VaultError::Storage`].
    pub fn was_destroyed(&self, id: KeyId) -> Result<bool, VaultError> {
        Ok(self.store.destroyed(&[id])?.contains(&true))
    }

    /// Destroys a key: what it sealed can be opened by nobody any more. When this
    /// returns, no byte of it is left in the vault's files, in any wrapping.
    ///
    /// # Errors
    /// As [`destroy_keys`](Self::destroy_keys).
    pub fn destroy_key(&self, id: KeyId) -> Result<bool, VaultError> {
        Ok(self.destroy_keys(&[id])? > 0)
    }

    /// The same for many keys; returns how many there were. Doing it again is no error.
    ///
    /// # Errors
    /// [`VaultError::PurgeBlocked`] when the keys are gone but their traces may
    /// not be (then [`purge`](Self::purge)); [`VaultError::Storage`].
    pub fn destroy_keys(&self, ids: &[KeyId]) -> Result<usize, VaultError> {
        let destroyed = self.store.destroy_keys(ids)?;
        self.ring.lock().forget(ids);
        self.store.purge()?;
        Ok(destroyed)
    }

    /// A fresh key for `scope`, and its wrapped form.
    pub(super) fn new_data_key(&self, id: KeyId, scope: &KeyScope) -> Result<(DataKey, Wrapped), VaultError> {
        let key = Secret32::random(&*self.entropy);
        let wrapped = self.wrap(&wrap_aad(id, scope), &key)?;
        Ok((DataKey::new(id, *scope, &key), wrapped))
    }

    fn hold(&self, stored: &StoredKey, generation: u64) -> Result<Arc<DataKey>, VaultError> {
        if let Some(key) = self.ring.lock().by_id.get(&stored.id) {
            return Ok(Arc::clone(key));
        }
        let key = self.unwrap(&wrap_aad(stored.id, &stored.scope), &stored.wrapped)?;
        let key = Arc::new(DataKey::new(stored.id, stored.scope, &key));
        Ok(self.ring.lock().keep(key, generation))
    }
}

/// A wrapped data key is bound to its id and scope: rows cannot be exchanged.
fn wrap_aad(id: KeyId, scope: &KeyScope) -> Vec<u8> {
    [b"ledgerline/data-key/v1\n".as_slice(), &id.to_bytes(), &scope.to_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entry::PartClass;

    #[test]
    fn a_key_seals_as_often_as_was_granted_and_never_after_its_destruction() {
        let key = DataKey::new(KeyId(1), KeyScope::Blob { class: PartClass::Rest }, &Secret32::new([1; 32]));
        assert!(matches!(key.spend(), Err(VaultError::KeySpent(KeyId(1)))));
        key.grant(2);
        assert!(key.spend().is_ok() && key.spend().is_ok() && key.spend().is_err());
        key.grant(1);
        key.destroyed.store(true, Ordering::Release);
        assert!(matches!(key.spend(), Err(VaultError::KeyDestroyed(KeyId(1)))));
    }

    #[test]
    fn debug_tells_no_key() {
        let key = DataKey::new(KeyId(1), KeyScope::Blob { class: PartClass::Rest }, &Secret32::new([0xA7; 32]));
        assert_eq!(format!("{key:?}"), "DataKey(1, ..)");
    }
}
