//! Identifiers, handles, references and merges.
use std::sync::Barrier;

use ledgerline::{
    domain::id::Handle,
    vault::{Identifier, IdentifierKind, KeyId, Position, Reference, VaultError, reference::next_of},
};

use super::{CORE, House, email, raw};

#[test]
fn equal_identifiers_get_one_handle_and_others_two_now_and_later() {
    let house = House::new(10);
    let vault = house.open();
    let asked = [email(" Jane@Example.org"), email("jane@example.ORG"), email("joe@example.org")];
    assert_eq!(vault.find_handles(&asked).unwrap(), [None, None, None]);
    let handles = vault.handles_for(&asked).unwrap();
    assert_eq!(handles[0], handles[1]);
    assert_ne!(handles[0], handles[2]);
    let named = Identifier::new(IdentifierKind::Name, "crm", "jane@example.org").unwrap();
    assert_ne!(vault.handles_for(&[named]).unwrap()[0], handles[0]);
    assert_eq!(vault.find_handles(&asked).unwrap(), handles.iter().copied().map(Some).collect::<Vec<_>>());

    let again = house.open();
    assert_eq!(again.handles_for(&asked).unwrap(), handles);
    let revealed = again.identifiers_of(handles[0]).unwrap();
    assert_eq!(revealed.iter().map(Identifier::value).collect::<Vec<_>>(), [" Jane@Example.org"], "as first received");
}

#[test]
fn eight_threads_that_ask_for_one_person_get_one_handle() {
    let house = House::new(11);
    let vault = house.open();
    let barrier = Barrier::new(8);
    let answers: Vec<(Vec<Handle>, KeyId)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|i| {
                let (vault, barrier) = (&vault, &barrier);
                scope.spawn(move || {
                    let mut ids: Vec<Identifier> = (0..50).map(|n| email(&format!("p{n}@example.org"))).collect();
                    ids.rotate_left(i * 6);
                    barrier.wait();
                    let mut handles = vault.handles_for(&ids).unwrap();
                    handles.rotate_right(i * 6);
                    (handles, vault.data_key(CORE).unwrap().id())
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|a| *a == answers[0]));
    let people: i64 = raw(&house.path()).query_row("SELECT count(*) FROM person", [], |r| r.get(0)).unwrap();
    assert_eq!(people, 50);
}

#[test]
fn references_come_from_the_epochs_secret_and_the_next_one_is_fixed_before_it_is_used() {
    let house = House::new(12);
    let vault = house.open();
    let jane = vault.handles_for(&[email("jane@example.org")]).unwrap()[0];
    let secret = vault.epoch_secret(jane, 0).unwrap();
    let positions: Vec<Position> = (0..5).map(|n| Position { handle: jane, epoch: 0, n }).collect();
    let expected: Vec<Reference> = (0..5).map(|n| Reference::of(&secret, n)).collect();
    assert_eq!(vault.references(&positions).unwrap(), expected);
    assert!(matches!(vault.reference(Position { handle: jane, epoch: 1, n: 0 }), Err(VaultError::UnknownEpoch { epoch: 1, .. })));

    let next = vault.close_epoch(jane, 0).unwrap();
    assert_eq!(vault.close_epoch(jane, 0).unwrap(), next, "preparing twice is preparing once");
    let again = house.open();
    assert_eq!(again.close_epoch(jane, 0).unwrap(), next, "and survives a restart");
    assert_eq!(next_of(&again.epoch_secret(jane, next.epoch).unwrap()), next.next);
    assert_eq!(again.reference(positions[3]).unwrap(), expected[3], "closed epochs stay");
    assert!(matches!(again.close_epoch(jane, 7), Err(VaultError::UnknownEpoch { epoch: 7, .. })));
}

#[test]
fn a_merged_person_answers_with_the_survivor_and_carries_both_secrets() {
    let house = House::new(13);
    let vault = house.open();
    let ids = [email("jane@example.org"), email("j.doe@example.org"), email("jd@example.org")];
    let handles = vault.handles_for(&ids).unwrap();
    assert_eq!(*vault.chains(handles[1]).unwrap(), [handles[1]]);
    vault.merge(handles[1], handles[2]).unwrap();
    vault.merge(handles[0], handles[1]).unwrap();
    vault.merge(handles[0], handles[2]).unwrap();
    assert_eq!(vault.find_handles(&ids).unwrap(), [Some(handles[0]); 3]);
    for handle in &handles {
        assert_eq!(*vault.chains(*handle).unwrap(), handles[..]);
        assert!(vault.epoch_secret(*handle, 0).is_ok());
    }
    assert_eq!(house.open().identifiers_of(handles[2]).unwrap().len(), 3);
    let erased = vault.erase_people(&handles[2..]).unwrap();
    assert_eq!((erased.handles, erased.keys.len(), erased.identifiers), (handles, 3, 3));
    assert_eq!(vault.find_handles(&ids).unwrap(), [None; 3]);
}
