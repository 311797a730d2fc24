//! The folder of the installation's secrets.
use std::{fs, path::Path};

use ledgerline::vault::{
    InstallationKeys,
    keys_dir::{GivenKeys, KeysDirError},
};

use super::{CORE, House};

#[test]
fn keys_are_made_once_for_a_new_folder_and_never_for_an_old_one() {
    let house = House::new(20);
    let dir = house.keys_dir();
    let open = |new| InstallationKeys::open(&dir, &GivenKeys::default(), new, &*house.entropy);
    let missing = open(false).unwrap_err();
    assert!(matches!(missing, KeysDirError::Missing { name: "key-encryption key", .. }));
    assert!(missing.to_string().contains("bring the keys folder back"), "{missing}");
    assert!(!dir.exists());

    let made = open(true).unwrap();
    let mut files: Vec<_> = fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["installation-secret", "kek", "log-seed", "pepper"]);
    for new in [false, true] {
        let read = open(new).unwrap();
        assert_eq!((read.kek.id(), *read.log_seed, *read.installation_secret), (made.kek.id(), *made.log_seed, *made.installation_secret));
    }
    fs::remove_file(dir.join("pepper")).unwrap();
    assert!(matches!(open(false), Err(KeysDirError::Missing { name: "pepper", .. })));
    open(true).unwrap();
    fs::write(dir.join("pepper"), "short").unwrap();
    assert!(matches!(open(true), Err(KeysDirError::BadFile { .. })), "never replaced");
}

#[test]
fn a_given_key_wins_over_its_file_and_a_bad_one_is_named_but_not_shown() {
    let house = House::new(21);
    let all = |text: &str| {
        let text = || Some(zeroize::Zeroizing::new(text.to_owned()));
        GivenKeys { kek: text(), installation_secret: text(), pepper: text(), log_seed: text() }
    };
    let keys = InstallationKeys::open(&house.keys_dir(), &all(&"cd".repeat(32)), false, &*house.entropy).unwrap();
    assert_eq!(*keys.log_seed, [0xCD; 32]);
    assert!(!house.keys_dir().exists(), "nothing to keep, so nothing is written");
    assert!(!format!("{keys:?} {:?}", all("cdcd")).contains("cdcd"));
    let bad = InstallationKeys::open(&house.keys_dir(), &all("hunter2"), false, &*house.entropy).unwrap_err();
    assert!(!bad.to_string().contains("hunter2"), "{bad}");
}

#[cfg(unix)]
#[test]
fn keys_and_vault_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new(22);
    let vault = house.open();
    vault.data_key(CORE).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&house.keys_dir()), 0o700);
    for file in fs::read_dir(house.keys_dir()).unwrap() {
        assert_eq!(mode(&file.unwrap().path()), 0o600);
    }
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&house.dir.path().join(format!("vault.db{suffix}"))), 0o600, "{suffix}");
    }
    let kek = house.keys_dir().join("kek");
    fs::set_permissions(&kek, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = InstallationKeys::open(&house.keys_dir(), &GivenKeys::default(), false, &*house.entropy).unwrap_err();
    assert!(refused.to_string().contains("chmod 0600"), "{refused}");
    fs::set_permissions(&kek, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(house.keys_dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = InstallationKeys::open(&house.keys_dir(), &GivenKeys::default(), false, &*house.entropy).unwrap_err();
    assert!(refused.to_string().contains("chmod 0700"), "{refused}");
}
