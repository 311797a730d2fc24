//! How often the store is asked.
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use ledgerline::{
    domain::id::Handle,
    store::embedded::vault_db::VaultDb,
    vault::{
        KeyId, NonceLimits, Position, Vault, VaultError, VaultStore,
        store::{Erased, KeyWant, MakeKey, MakePerson, SealedIdentifier, StoredKey, VaultIdentity, Wrapped},
    },
};

use super::{CORE, House, email};

#[test]
fn what_is_hot_is_answered_from_memory() {
    let house = House::new(19);
    let calls = Arc::new(AtomicUsize::new(0));
    let store = Counting { inner: VaultDb::create(&house.path()).unwrap(), calls: Arc::clone(&calls) };
    let vault = Vault::open(Box::new(store), &house.keys(), Arc::clone(&house.entropy), NonceLimits::default()).unwrap();
    let ids = [email("jane@example.org"), email("joe@example.org")];
    let work = || {
        let handle = vault.handles_for(&ids).unwrap()[0];
        vault.find_handles(&ids).unwrap();
        let key = vault.data_key(CORE).unwrap();
        vault.key(key.id()).unwrap();
        vault.chains(handle).unwrap();
        vault.reference(Position { handle, epoch: 0, n: 1 }).unwrap();
    };
    work();
    let cold = calls.load(Ordering::SeqCst);
    (0..100).for_each(|_| work());
    assert_eq!((cold, calls.load(Ordering::SeqCst)), (4, 4), "handles, key, chains, secret");
}

/// A store that counts what it is asked.
struct Counting {
    inner: VaultDb,
    calls: Arc<AtomicUsize>,
}

impl Counting {
    fn asked(&self) -> &VaultDb {
        self.calls.fetch_add(1, Ordering::SeqCst);
        &self.inner
    }
}

impl VaultStore for Counting {
    fn identity(&self) -> Result<Option<VaultIdentity>, VaultError> {
        self.inner.identity()
    }
    fn bind(&self, identity: &VaultIdentity) -> Result<(), VaultError> {
        self.inner.bind(identity)
    }
    fn take_keys(&self, wants: &[KeyWant], make: MakeKey<'_>) -> Result<Vec<StoredKey>, VaultError> {
        self.asked().take_keys(wants, make)
    }
    fn keys(&self, ids: &[KeyId]) -> Result<Vec<Option<StoredKey>>, VaultError> {
        self.asked().keys(ids)
    }
    fn destroy_keys(&self, ids: &[KeyId]) -> Result<usize, VaultError> {
        self.asked().destroy_keys(ids)
    }
    fn destroyed(&self, ids: &[KeyId]) -> Result<Vec<bool>, VaultError> {
        self.asked().destroyed(ids)
    }
    fn find_handles(&self, lookups: &[ledgerline::vault::Lookup]) -> Result<Vec<Option<Handle>>, VaultError> {
        self.asked().find_handles(lookups)
    }
    fn take_handles(&self, lookups: &[ledgerline::vault::Lookup], make: MakePerson<'_>) -> Result<Vec<Handle>, VaultError> {
        self.asked().take_handles(lookups, make)
    }
    fn people_after(&self, after: Option<Handle>, limit: usize) -> Result<Vec<Handle>, VaultError> {
        self.asked().people_after(after, limit)
    }
    fn identifiers_of(&self, handles: &[Handle]) -> Result<Vec<SealedIdentifier>, VaultError> {
        self.asked().identifiers_of(handles)
    }
    fn chains(&self, handles: &[Handle]) -> Result<Vec<Option<Vec<Handle>>>, VaultError> {
        self.asked().chains(handles)
    }
    fn secrets(&self, of: &[(Handle, u32)]) -> Result<Vec<Option<Wrapped>>, VaultError> {
        self.asked().secrets(of)
    }
    fn take_secret(&self, handle: Handle, epoch: u32, secret: &Wrapped) -> Result<Wrapped, VaultError> {
        self.asked().take_secret(handle, epoch, secret)
    }
    fn merge(&self, survivor: Handle, other: Handle) -> Result<(), VaultError> {
        self.asked().merge(survivor, other)
    }
    fn erase_people(&self, handles: &[Handle]) -> Result<Erased, VaultError> {
        self.asked().erase_people(handles)
    }
    fn purge(&self) -> Result<(), VaultError> {
        self.asked().purge()
    }
}
