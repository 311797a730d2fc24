//! What is gone on purpose is counted and is no error.
use std::sync::Arc;

use ledgerline::{
    clock::Ambient,
    domain::id::Handle,
    store::{embedded::vault_db::VaultDb, examine::Check},
    vault::{InstallationKeys, KeyId, NonceLimits, Vault, keys_dir::GivenKeys},
};

use super::{folder::Folder, passes, rebuild, verify};
use crate::support::NOON;

/// The folder's vault, as the server would open it.
pub fn vault(folder: &Folder) -> Vault {
    let (ambient, _) = Ambient::fixed(NOON, 3);
    let keys = InstallationKeys::open(&folder.path().join("keys"), &GivenKeys::default(), false, &*ambient.entropy).unwrap();
    let store = VaultDb::open(&folder.path().join("vault.db")).unwrap();
    Vault::open(Box::new(store), &keys, Arc::clone(&ambient.entropy), NonceLimits::default()).unwrap()
}

#[test]
fn erased_people_leave_a_folder_that_verifies() {
    let folder = Folder::rich();
    let whole = passes(folder.path()).checked;
    let handle = Handle(folder.ask("SELECT handle FROM person ORDER BY next_n DESC LIMIT 1"));
    let used: u64 = folder.ask("SELECT max(next_n) FROM person");
    vault(&folder).erase_people(&[handle]).unwrap();
    let checked = passes(folder.path()).checked;
    assert_eq!((checked.references, checked.references_of_erased), (whole.references, used));
    assert!(checked.projection.is_some(), "the graph holds handles only");
    assert!(rebuild(folder.path()).unwrap().differences.is_empty());
}

#[test]
fn a_reference_of_nobody_is_not_hidden_by_an_erasure() {
    let folder = Folder::rich();
    let handle = Handle(folder.ask("SELECT handle FROM person ORDER BY next_n DESC LIMIT 1"));
    vault(&folder).erase_people(&[handle]).unwrap();
    folder.change("UPDATE person SET next_n = next_n - 1 WHERE next_n = (SELECT max(next_n) FROM person)");
    let fault = verify(folder.path()).first_fault.unwrap();
    assert_eq!(fault.check, Check::Reference, "{fault}");
}

#[test]
fn people_whose_values_are_destroyed_keep_the_rest_of_their_events_verified() {
    let folder = Folder::rich();
    let whole = passes(folder.path()).checked;
    let key: u32 = folder.ask("SELECT min(key) FROM part WHERE class = 3");
    let parts: u64 = folder.ask(&format!("SELECT count(*) FROM part WHERE key = {key}"));
    vault(&folder).destroy_key(KeyId(key)).unwrap();
    let checked = passes(folder.path()).checked;
    assert_eq!((checked.destroyed, checked.parts), (parts, whole.parts - parts));
    assert!(checked.received < whole.received);
    // The row of the duplicate index may die with the parts, too.
    folder.change(&format!("DELETE FROM dup WHERE ix IN (SELECT k / 8192 FROM part WHERE key = {key})"));
    passes(folder.path());
}

#[test]
fn a_graph_whose_cores_are_destroyed_is_rebuilt_without_what_they_said() {
    let folder = Folder::rich();
    let key: u32 = folder.ask("SELECT core_key FROM entry WHERE ix = 100");
    // All entries of one month have one key; a later month's goes on.
    vault(&folder).destroy_key(KeyId(key)).unwrap();
    let checked = passes(folder.path()).checked;
    assert_eq!(checked.projection, None, "there is nothing to compare with");
    let rebuilt = rebuild(folder.path()).unwrap();
    assert!(rebuilt.destroyed > 0 && !rebuilt.differences.is_empty());
    assert_eq!(folder.ask::<i64>("SELECT count(*) FROM flow"), 0);
    passes(folder.path());
}

#[test]
fn a_destroyed_row_of_a_part_is_counted() {
    let folder = Folder::rich();
    folder.change("UPDATE entry SET rest = NULL WHERE ix = 77");
    assert_eq!(passes(folder.path()).checked.destroyed, 1);
}
