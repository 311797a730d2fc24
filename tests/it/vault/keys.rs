//! Data keys: durable before they are used, bounded in nonces, gone when destroyed.
use std::sync::Arc;

use ledgerline::{
    clock::Entropy,
    domain::entry::PartClass,
    store::embedded::vault_db::VaultDb,
    vault::{
        KeyId, KeyScope, NonceLimits, RetentionClass, Vault, VaultError,
        envelope::{open, seal},
    },
};

use super::{CORE, House, at, email, holds, raw};

#[test]
fn a_key_is_durable_before_it_is_returned() {
    let house = House::new(1);
    let vault = house.open();
    let key = vault.data_key(CORE).unwrap();
    let sealed = seal(&key, &at(1), &[9; 32], b"{}", &*house.entropy).unwrap();

    // The first vault still holds the file open, as after a crash.
    let again = house.open();
    let key = again.key(key.id()).unwrap().unwrap();
    assert_eq!(open(&key, &at(1), &sealed).unwrap().bytes(), b"{}");
}

#[test]
fn scopes_have_keys_of_their_own_and_keep_them() {
    let house = House::new(2);
    let vault = house.open();
    let jane = vault.handles_for(&[email("jane@example.org")]).unwrap()[0];
    let scopes = [
        CORE,
        KeyScope::Class { class: PartClass::Core, month: 24_324 },
        KeyScope::Class { class: PartClass::Rest, month: 24_323 },
        KeyScope::Blob { class: PartClass::Rest },
        KeyScope::Person { handle: jane, retention: RetentionClass(1) },
        KeyScope::Person { handle: jane, retention: RetentionClass(2) },
        CORE,
    ];
    let ids: Vec<KeyId> = vault.data_keys(&scopes).unwrap().iter().map(|k| k.id()).collect();
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 6);
    assert_eq!(ids[0], ids[6]);
    let later: Vec<KeyId> = house.open().data_keys(&scopes).unwrap().iter().map(|k| k.id()).collect();
    assert_eq!(later, ids);
}

#[test]
fn a_key_that_has_used_up_its_nonces_is_succeeded_by_a_fresh_one() {
    let house = House::new(3);
    let vault = house.open_with(NonceLimits { limit: 8, chunk: 4, person_chunk: 4 });
    let mut sealed_with: Vec<(KeyId, Vec<u8>)> = Vec::new();
    for i in 0..20 {
        let key = vault.data_key(CORE).unwrap();
        sealed_with.push((key.id(), seal(&key, &at(i), &[0; 32], b"x", &*house.entropy).unwrap()));
    }
    for id in 1..=3 {
        let used = sealed_with.iter().filter(|(k, _)| *k == KeyId(id)).count();
        assert!(used <= 8 && used > 0, "key {id} sealed {used}");
    }
    for (i, (id, sealed)) in sealed_with.iter().enumerate() {
        let key = vault.key(*id).unwrap().unwrap();
        assert!(open(&key, &at(i as u8), sealed).is_ok(), "old keys still open");
    }
}

#[test]
fn a_holder_that_does_not_ask_again_runs_dry_instead_of_over_using_the_key() {
    let house = House::new(4);
    let vault = house.open_with(NonceLimits { limit: 8, chunk: 4, person_chunk: 4 });
    let key = vault.data_key(CORE).unwrap();
    let outcomes: Vec<bool> = (0..6).map(|i| seal(&key, &at(i), &[0; 32], b"x", &*house.entropy).is_ok()).collect();
    assert_eq!(outcomes, [true, true, true, true, false, false]);
}

#[test]
fn a_crash_between_reserving_and_using_only_over_counts() {
    let house = House::new(5);
    let limits = NonceLimits { limit: 12, chunk: 4, person_chunk: 4 };
    let mut ids = Vec::new();
    for _ in 0..4 {
        // Reserves four, uses one, and is gone without a word.
        let vault = house.open_with(limits);
        let key = vault.data_key(CORE).unwrap();
        seal(&key, &at(0), &[0; 32], b"x", &*house.entropy).unwrap();
        ids.push(key.id().0);
    }
    assert_eq!(ids, [1, 1, 1, 2]);
    let reserved: i64 = raw(&house.path()).query_row("SELECT reserved FROM data_key WHERE id = 1", [], |r| r.get(0)).unwrap();
    assert_eq!(reserved, 12);
}

#[test]
fn a_destroyed_key_is_gone_from_memory_and_from_every_byte_on_disk() {
    let house = House::new(6);
    let vault = house.open();
    let key = vault.data_key(CORE).unwrap();
    let sealed = seal(&key, &at(1), &[9; 32], b"secret", &*house.entropy).unwrap();
    let wrapped: Vec<u8> = raw(&house.path()).query_row("SELECT wrapped FROM data_key WHERE id = ?1", [key.id().0], |r| r.get(0)).unwrap();
    assert!(holds(&house.bytes(), &wrapped));

    assert!(vault.destroy_key(key.id()).unwrap());
    assert!(!holds(&house.bytes(), &wrapped));
    assert!(vault.key(key.id()).unwrap().is_none());
    assert!(matches!(open(&key, &at(1), &sealed), Err(VaultError::KeyDestroyed(_))), "a held key opens nothing more");
    assert!(matches!(seal(&key, &at(1), &[9; 32], b"x", &*house.entropy), Err(VaultError::KeyDestroyed(_))));
    assert!(!vault.destroy_key(key.id()).unwrap(), "again is no error");

    let next = vault.data_key(CORE).unwrap();
    assert_ne!(next.id(), key.id(), "ids are never used again");
    assert!(open(&next, &at(1), &sealed).is_err());
    drop(vault);
    assert!(house.open().data_key(CORE).unwrap().id() > key.id());
}

#[test]
fn no_key_identifier_or_secret_is_ever_in_the_files_in_the_clear() {
    let house = House::new(7);
    let recorded = Arc::new(Recording { inner: Arc::clone(&house.entropy), seen: parking_lot::Mutex::default() });
    let keys = house.keys();
    let db = VaultDb::create(&house.path()).unwrap();
    let vault = Vault::open(Box::new(db), &keys, Arc::clone(&recorded) as Arc<dyn Entropy>, NonceLimits::default()).unwrap();
    let jane = vault.handles_for(&[email("Jane.Marker@example.org")]).unwrap()[0];
    vault.data_keys(&[CORE, KeyScope::Person { handle: jane, retention: RetentionClass(3) }]).unwrap();
    vault.close_epoch(jane, 0).unwrap();
    let bytes = house.bytes();
    let secrets: Vec<[u8; 32]> = recorded.seen.lock().clone();
    assert_eq!(secrets.len(), 5, "identity key, epoch 0, two data keys, epoch 1");
    for secret in secrets {
        assert!(!holds(&bytes, &secret));
        assert!(!holds(&bytes, hex::encode(secret).as_bytes()));
    }
    assert!(!holds(&bytes.to_ascii_lowercase(), b"marker"));
}

/// Remembers every 32 bytes that were drawn.
struct Recording {
    inner: Arc<dyn Entropy>,
    seen: parking_lot::Mutex<Vec<[u8; 32]>>,
}

impl Entropy for Recording {
    fn fill(&self, bytes: &mut [u8]) {
        self.inner.fill(bytes);
        if let Ok(secret) = <[u8; 32]>::try_from(&*bytes) {
            self.seen.lock().push(secret);
        }
    }
}
