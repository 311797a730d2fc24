//! Altered rows, foreign keys and files, failed writes: refused, by name.
use std::{fs, sync::Arc};

use ledgerline::{
    domain::id::Handle,
    store::embedded::vault_db::VaultDb,
    vault::{InstallationKeys, KeyId, NonceLimits, Vault, VaultError, VaultStore, keys_dir::GivenKeys, store::Wrapped},
};

use super::{CORE, House, email, raw};

#[test]
fn rows_that_were_exchanged_or_altered_do_not_open() {
    let house = House::new(14);
    let vault = house.open();
    let handles = vault.handles_for(&[email("a@example.org"), email("b@example.org")]).unwrap();
    drop(vault);
    raw(&house.path())
        .execute_batch(
            "CREATE TABLE swapped AS SELECT a.id, b.wrapped AS w, s.wrapped AS v, i.sealed AS z
                FROM data_key a JOIN data_key b ON b.id = 3 - a.id JOIN secret s ON s.person = b.id JOIN identifier i ON i.person = b.id;
             UPDATE secret SET wrapped = (SELECT v FROM swapped WHERE id = secret.person);
             UPDATE identifier SET sealed = (SELECT z FROM swapped WHERE id = identifier.person);",
        )
        .unwrap();
    let vault = house.open();
    assert!(matches!(vault.epoch_secret(handles[0], 0), Err(VaultError::DoesNotOpen)));
    assert!(matches!(vault.identifiers_of(handles[0]), Err(VaultError::DoesNotOpen)));
    assert!(vault.key(KeyId(1)).unwrap().is_some());
    drop(vault);
    raw(&house.path()).execute_batch("UPDATE data_key SET wrapped = (SELECT w FROM swapped WHERE id = data_key.id)").unwrap();
    assert!(matches!(house.open().key(KeyId(1)), Err(VaultError::DoesNotOpen)));
}

#[test]
fn keys_of_another_installation_are_refused_by_name() {
    let house = House::new(15);
    house.open();
    let given = |f: fn(&mut GivenKeys)| {
        let mut given = GivenKeys::default();
        f(&mut given);
        let keys = InstallationKeys::open(&house.keys_dir(), &given, false, &*house.entropy).unwrap();
        let db = VaultDb::open(&house.path()).unwrap();
        Vault::open(Box::new(db), &keys, Arc::clone(&house.entropy), NonceLimits::default()).map(drop)
    };
    let wrong = given(|g| g.kek = Some("ab".repeat(32).into())).unwrap_err();
    assert!(matches!(wrong, VaultError::WrongKek { .. }));
    assert!(wrong.to_string().starts_with("the vault was sealed with the key-encryption key "), "{wrong}");
    assert!(!wrong.to_string().contains("abab"));
    let wrong = given(|g| g.pepper = Some("ab".repeat(32).into())).unwrap_err();
    assert!(matches!(wrong, VaultError::WrongSecret { name: "pepper" }));
    let wrong = given(|g| g.installation_secret = Some("ab".repeat(32).into())).unwrap_err();
    assert!(matches!(wrong, VaultError::WrongSecret { name: "installation secret" }));
    given(|_| ()).unwrap();
}

#[test]
fn a_missing_foreign_or_newer_file_is_refused_and_left_alone() {
    let house = House::new(16);
    assert!(matches!(VaultDb::open(&house.path()), Err(VaultError::Missing { .. })));
    assert!(!house.path().exists(), "asking makes no file");

    fs::write(house.path(), "not a database, but long enough to look like one at first sight".repeat(20)).unwrap();
    assert!(matches!(VaultDb::create(&house.path()), Err(VaultError::NotAVault { .. })));
    fs::remove_file(house.path()).unwrap();
    raw(&house.path()).execute_batch("CREATE TABLE other(x)").unwrap();
    assert!(matches!(VaultDb::create(&house.path()), Err(VaultError::NotAVault { .. })));
    assert!(matches!(VaultDb::open(&house.path()), Err(VaultError::NotAVault { .. })));
    fs::remove_file(house.path()).unwrap();

    house.open();
    raw(&house.path()).pragma_update(None, "user_version", 2).unwrap();
    assert!(matches!(VaultDb::open(&house.path()), Err(VaultError::Newer { found: 2, known: 1 })));
}

#[test]
fn making_a_vault_can_be_repeated_after_a_crash() {
    let house = House::new(17);
    fs::write(house.path(), "").unwrap(); // the file was made, its tables were not
    assert!(matches!(VaultDb::open(&house.path()), Err(VaultError::NotAVault { .. })));
    let id = house.open().data_key(CORE).unwrap().id();
    assert_eq!(house.open().data_key(CORE).unwrap().id(), id);
}

#[test]
fn after_a_failed_write_the_vault_refuses_everything() {
    let house = House::new(18);
    house.open();
    let db = VaultDb::open(&house.path()).unwrap();
    let lookups: Vec<_> = (0..8).map(|i| ledgerline::vault::Lookup([i; 32])).collect();
    assert!(db.find_handles(&lookups).is_ok());
    // A row that breaks a constraint stands for any failure of the store.
    let person = ledgerline::vault::store::NewPerson {
        handle: Handle([1; 16]),
        identity_key: Wrapped { kek: ledgerline::vault::KekId([0; 16]), bytes: vec![] },
        reserved: 1,
        secret: Wrapped { kek: ledgerline::vault::KekId([0; 16]), bytes: vec![] },
        sealed: vec![],
    };
    let failed = db.take_handles(&lookups, &|_, _| Ok(person.clone()));
    assert!(failed.as_ref().is_err_and(VaultError::is_fatal), "{failed:?}");
    assert!(db.find_handles(&lookups[..1]).is_err_and(|e| e.is_fatal()));
    assert!(db.destroy_keys(&[KeyId(1)]).is_err_and(|e| e.is_fatal()));
    let again = VaultDb::open(&house.path()).unwrap();
    assert_eq!(again.find_handles(&lookups).unwrap(), [None; 8], "nothing was half done");
}
