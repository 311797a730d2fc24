//! What is left in the files after an erasure: nothing, whatever stood in the way.
use std::fs;

use ledgerline::{
    domain::id::Handle,
    store::embedded::vault_db::VaultDb,
    vault::{Identifier, KeyScope, RetentionClass, VaultError, VaultStore, store::Erased},
};

use super::{CORE, House, email, holds, raw};

#[test]
fn erasing_people_leaves_none_of_their_bytes_in_a_vault_that_has_split_its_pages() {
    let house = House::new(8);
    let vault = house.open();
    let all: Vec<Identifier> = (0..4000).map(|i| email(&format!("person{i}@example.org"))).collect();
    let mut handles = Vec::new();
    for some in all.chunks(10) {
        handles.extend(vault.handles_for(some).unwrap());
    }
    let victims: Vec<Handle> = handles.iter().copied().step_by(2).collect();
    let scopes: Vec<KeyScope> = victims.iter().map(|handle| KeyScope::Person { handle: *handle, retention: RetentionClass(1) }).collect();
    vault.data_keys(&scopes).unwrap();
    let mut traces: Vec<Vec<u8>> = Vec::new();
    {
        let db = raw(&house.path());
        for handle in &victims {
            traces.push(handle.0.to_vec());
            for sql in [
                "SELECT i.lookup FROM identifier i JOIN person p ON p.id = i.person WHERE p.handle = ?1",
                "SELECT i.sealed FROM identifier i JOIN person p ON p.id = i.person WHERE p.handle = ?1",
                "SELECT s.wrapped FROM secret s JOIN person p ON p.id = s.person WHERE p.handle = ?1",
                "SELECT wrapped FROM data_key WHERE substr(scope, 2, 16) = ?1",
            ] {
                let mut select = db.prepare(sql).unwrap();
                let rows = select.query_map([handle.0], |r| r.get::<_, Vec<u8>>(0)).unwrap();
                traces.extend(rows.map(Result::unwrap));
            }
        }
    }
    assert_eq!(traces.len(), victims.len() * 6);
    let before = left(&house.bytes(), &traces);
    assert_eq!(before, traces.len());

    for some in victims.chunks(100) {
        let erased = vault.erase_people(some).unwrap();
        assert_eq!((&erased.handles[..], erased.keys.len(), erased.identifiers), (some, 2 * some.len(), some.len()));
    }
    assert_eq!(left(&house.bytes(), &traces), 0);
    assert_eq!(fs::metadata(house.path().with_extension("db-wal")).unwrap().len(), 0);

    // The others are as they were, the erased are strangers.
    for (identifier, handle) in all.iter().zip(&handles).step_by(101) {
        let found = vault.find_handles(std::slice::from_ref(identifier)).unwrap()[0];
        assert_eq!(found, (!victims.contains(handle)).then_some(*handle));
    }
    let scope = KeyScope::Person { handle: victims[0], retention: RetentionClass(1) };
    assert!(matches!(vault.data_key(scope), Err(VaultError::UnknownHandle(_))), "an erased person never gets a key again");
    assert!(matches!(vault.epoch_secret(victims[0], 0), Err(VaultError::UnknownEpoch { .. })));
    assert!(matches!(vault.identifiers_of(victims[0]), Err(VaultError::UnknownHandle(_))));
    assert_ne!(vault.handles_for(&all[..1]).unwrap()[0], handles[0], "the same address is somebody new");
    assert_eq!(vault.erase_people(&victims[..1]).unwrap(), Erased::default(), "again is no error");
}

/// How many of `traces` occur in `bytes`.
fn left(bytes: &[u8], traces: &[Vec<u8>]) -> usize {
    let mut by_head: std::collections::HashMap<[u8; 8], Vec<usize>> = std::collections::HashMap::new();
    for (i, trace) in traces.iter().enumerate() {
        by_head.entry(trace[..8].try_into().unwrap()).or_default().push(i);
    }
    let mut found: std::collections::BTreeSet<usize> = std::collections::BTreeSet::new();
    for at in 0..bytes.len().saturating_sub(7) {
        if let Some(candidates) = by_head.get(&bytes[at..at + 8]) {
            found.extend(candidates.iter().filter(|i| bytes[at..].starts_with(&traces[**i])));
        }
    }
    found.len()
}

#[test]
fn a_reader_from_outside_delays_scrubbing_and_that_is_said() {
    let house = House::new(9);
    let vault = house.open();
    let key = vault.data_key(CORE).unwrap().id();
    let outside = raw(&house.path());
    outside.execute_batch("BEGIN; SELECT count(*) FROM data_key").unwrap();
    assert!(matches!(vault.destroy_key(key), Err(VaultError::PurgeBlocked)));
    assert!(vault.key(key).unwrap().is_none(), "destroyed all the same");
    outside.execute_batch("COMMIT").unwrap();
    vault.purge().unwrap();
    assert_eq!(fs::metadata(house.path().with_extension("db-wal")).unwrap().len(), 0);
}

#[test]
fn scrubbing_that_a_crash_prevented_is_done_at_the_next_start() {
    let house = House::new(23);
    let vault = house.open();
    let people: Vec<Identifier> = (0..40).map(|i| email(&format!("p{i}@example.org"))).collect();
    let handles = vault.handles_for(&people).unwrap();
    let due = || raw(&house.path()).query_row("SELECT count(*) FROM purge_due", [], |r| r.get::<_, i64>(0)).unwrap();
    assert_eq!(due(), 0);

    let crashed = VaultDb::open(&house.path()).unwrap();
    crashed.erase_people(&handles[5..15]).unwrap();
    assert_eq!(due(), 1, "noted with the erasure itself");
    assert!(handles[5..15].iter().any(|h| holds(&house.bytes(), &h.0)), "the log still has them");
    std::mem::forget(crashed);

    house.open();
    assert_eq!(due(), 0);
    assert!(!handles[5..15].iter().any(|h| holds(&house.bytes(), &h.0)));
    assert!(handles[15..].iter().all(|h| holds(&house.bytes(), &h.0)));
}
