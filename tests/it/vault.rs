//! The vault on its embedded store: what is durable when, what is refused, and
//! what is left on disk after destruction.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
    },
};

use ledgerline::{
    clock::{Ambient, Entropy},
    domain::entry::PartClass,
    domain::{
        id::{EntryId, Handle},
        time::Micros,
    },
    store::embedded::vault_db::VaultDb,
    vault::{
        Identifier, IdentifierKind, InstallationKeys, KeyId, KeyScope, NonceLimits, Position, Reference, RetentionClass, Vault, VaultError,
        VaultStore,
        envelope::{PartAddress, open, seal},
        keys_dir::{GivenKeys, KeysDirError},
        reference::next_of,
        store::{Erased, KeyWant, MakeKey, MakePerson, SealedIdentifier, StoredKey, VaultIdentity, Wrapped},
    },
};
use tempfile::TempDir;

const CORE: KeyScope = KeyScope::Class { class: PartClass::Core, month: 24_323 };

struct House {
    dir: TempDir,
    entropy: Arc<dyn Entropy>,
}

impl House {
    fn new(seed: u64) -> Self {
        Self { dir: TempDir::new().unwrap(), entropy: Ambient::fixed(Micros(0), seed).0.entropy }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("vault.db")
    }

    fn keys_dir(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    fn keys(&self) -> InstallationKeys {
        let new_folder = !self.keys_dir().exists();
        InstallationKeys::open(&self.keys_dir(), &GivenKeys::default(), new_folder, &*self.entropy).unwrap()
    }

    fn open(&self) -> Vault {
        self.open_with(NonceLimits::default())
    }

    fn open_with(&self, limits: NonceLimits) -> Vault {
        let db = VaultDb::create(&self.path()).unwrap();
        Vault::open(Box::new(db), &self.keys(), Arc::clone(&self.entropy), limits).unwrap()
    }

    /// Every byte of the vault's files.
    fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                all.extend(fs::read(path).unwrap());
            }
        }
        all
    }
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

fn email(value: &str) -> Identifier {
    Identifier::new(IdentifierKind::Email, "crm", value).unwrap()
}

fn at(entry: u8) -> PartAddress<'static> {
    PartAddress { entry: EntryId([entry; 16]), number: 0, class: "core" }
}

fn raw(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).unwrap()
}

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
