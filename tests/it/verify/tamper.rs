//! Whoever can write to the files behind the server's back: each act is found, and
//! named precisely.
use std::{fs, path::Path};

use bytes::Bytes;
use ledgerline::{
    access::Role,
    app::{App, verify::Extent},
    clock::Ambient,
    config::Config,
    ledger::{Checkpoint, LogKey},
    store::examine::Check,
};

use super::{examine, folder::Folder, verify};
use crate::support::{NOON, config, principal, run_event};

/// The first thing wrong is of this check, at this place, and says this.
fn found(folder: &Folder, check: Check, place: &str, problem: &str) {
    let fault = verify(folder.path()).first_fault.unwrap_or_else(|| panic!("nothing was found, though {place} {problem}"));
    assert_eq!((fault.check, &*fault.place), (check, place), "{fault}");
    assert!(fault.problem.contains(problem), "`{}` does not say `{problem}`", fault.problem);
    assert!(!fault.check.remedy().is_empty());
}

/// A copy of the rich folder after `sql`, in which the first thing wrong is that.
fn after(sql: &str, check: Check, place: &str, problem: &str) {
    let folder = Folder::rich();
    folder.change(sql);
    found(&folder, check, place, problem);
}

#[test]
fn an_altered_leaf_is_named_by_the_tile_that_knows_better() {
    const SAYS: &str = "its leaf does not hash to what `tile/0/000` says";
    after("UPDATE entry SET us = us + 1 WHERE ix = 70", Check::Log, "entry 70", SAYS);
    after("UPDATE entry SET us = us - 10000000 WHERE ix = 71", Check::Log, "entry 71", SAYS);
    after("UPDATE entry SET commitments = (SELECT commitments FROM entry WHERE ix = 9) WHERE ix = 200", Check::Log, "entry 200", SAYS);
    after("UPDATE entry SET id = (SELECT id FROM entry WHERE ix = 8) WHERE ix = 7", Check::Log, "entry 7", SAYS);
    after("UPDATE entry SET commitments = substr(commitments, 1, 40) WHERE ix = 12", Check::Log, "entry 12", "not whole hashes");
}

#[test]
fn times_that_go_back_are_found_even_in_a_log_signed_anew() {
    let back = |ix: u64| resigned(&format!("UPDATE entry SET us = us - 10000000 WHERE ix = {ix}"));
    found(&back(256), Check::Log, "entry 256", "recorded before the entry in front of it");
    found(&back(300), Check::Log, "entry 300", "recorded before the entry in front of it");
    after("UPDATE entry SET us = us - 10000000 WHERE ix = 300", Check::Log, "entry 300", "recorded before the entry in front of it");
}

#[test]
fn an_entry_that_is_gone_is_missed() {
    after("DELETE FROM entry WHERE ix = 100", Check::Log, "entry 100", "is missing");
    after("DELETE FROM entry WHERE ix = 0", Check::Log, "entry 0", "is missing");
    let size: i64 = Folder::rich().ask("SELECT count(*) FROM entry");
    let cut = format!("DELETE FROM entry WHERE ix >= {}", size - 3);
    after(&cut, Check::Checkpoint, "the stored checkpoint", &format!("has {size} entries, but the log has {}", size - 3));
    after("UPDATE entry SET ix = -1 WHERE ix = 5", Check::Log, "entry -1", "no log has such a position");
}

#[test]
fn an_altered_tile_is_named() {
    let flip = "hashes = CAST(substr(hashes, 1, 96) || zeroblob(1) || substr(hashes, 98) AS BLOB)";
    after(&format!("UPDATE tile SET {flip} WHERE k = 0"), Check::Log, "entry 3", "its leaf does not hash to what `tile/0/000` says");
    after("DELETE FROM tile WHERE k = 0", Check::Log, "tile/0/000", "is missing");
    after("INSERT INTO tile SELECT 7, hashes FROM tile WHERE k = 0", Check::Log, "tile 7 of level 0", "no full tile of this log");
}

#[test]
fn an_altered_tail_that_no_tile_covers_is_found_through_the_checkpoint_and_named_by_its_parts() {
    let folder = Folder::rich();
    let size: u64 = folder.ask("SELECT count(*) FROM entry");
    let last = size - 1;
    folder.change(&format!("UPDATE entry SET us = us + 5 WHERE ix = {last}"));
    let place = format!("the stored checkpoint, over entries {} to {last}", size - size % 256);
    found(&folder, Check::Checkpoint, &place, "another root");

    let folder = Folder::rich();
    folder.change(&format!("UPDATE entry SET id = (SELECT id FROM entry WHERE ix = 8) WHERE ix = {last}"));
    found(&folder, Check::Part, &format!("entry {last}, part 0 (core)"), "does not open");
}

#[test]
fn a_forged_checkpoint_is_found() {
    const STORED: &str = "the stored checkpoint";
    after("UPDATE checkpoint SET note = replace(note, char(10) || '3', char(10) || '4')", Check::Checkpoint, STORED, "does not verify");
    after("UPDATE checkpoint SET size = size - 1", Check::Checkpoint, STORED, "not what its own signed text says");
    after("DELETE FROM checkpoint", Check::Checkpoint, STORED, "is missing");
    after("UPDATE log SET origin = 'another/log'", Check::Checkpoint, "table `log`", "the log is called `another/log`");

    // Of another key with the same name.
    let folder = Folder::rich();
    let stored: String = folder.ask("SELECT note FROM checkpoint");
    let body = stored.split("\n\n").next().unwrap().to_owned() + "\n";
    let forged = LogKey::new(body.lines().next().unwrap(), &[7; 32]).unwrap();
    let note = Checkpoint::parse(&body).unwrap().sign(&forged).unwrap();
    folder.main().execute("UPDATE checkpoint SET note = ?1", [note]).unwrap();
    found(&folder, Check::Checkpoint, STORED, "does not verify");
}

#[test]
fn even_who_has_the_log_key_cannot_rewrite_what_a_kept_checkpoint_covers() {
    let folder = Folder::rich();
    let kept: String = folder.ask("SELECT note FROM checkpoint");
    folder.change("DELETE FROM entry WHERE ix = (SELECT max(ix) FROM entry)");
    folder.change("UPDATE entry SET us = us + 5 WHERE ix = (SELECT max(ix) FROM entry)");
    let seed = hex::decode(fs::read_to_string(folder.path().join("keys/log-seed")).unwrap().trim()).unwrap();
    let key = LogKey::with_default_origin(&seed.try_into().unwrap());
    let (size, root) = rewritten(&folder);
    let note = Checkpoint { origin: key.name().to_owned(), size, root }.sign(&key).unwrap();
    folder.main().execute("UPDATE checkpoint SET size = ?1, root = ?2, note = ?3", (size, &root[..], &note)).unwrap();
    let log = |against: Option<&str>| {
        let mut examination = examine(folder.path(), &config());
        if let Some(note) = against {
            examination = examination.against(note.as_bytes());
        }
        examination.verify(Extent::Log, &mut |_, _, _| {}).first_fault
    };
    assert_eq!(log(None), None, "the forger's own log is consistent");
    let fault = log(Some(&kept)).unwrap();
    assert_eq!((fault.check, &*fault.place), (Check::Anchor, "the checkpoint that was kept"), "{fault}");
}

/// The root that the entries give.
fn rewritten(folder: &Folder) -> (u64, [u8; 32]) {
    use ledgerline::{
        domain::{
            entry::{Leaf, root_of_parts},
            id::EntryId,
            time::Micros,
        },
        ledger::{RightEdge, leaf_hash},
    };
    let mut edge = RightEdge::empty();
    let db = folder.main();
    let mut s = db.prepare("SELECT us, id, commitments, refs FROM entry ORDER BY ix").unwrap();
    let mut rows = s.query([]).unwrap();
    while let Some(r) = rows.next().unwrap() {
        let commitments: Vec<u8> = r.get(2).unwrap();
        let refs: Vec<u8> = r.get::<_, Option<Vec<u8>>>(3).unwrap().unwrap_or_default();
        let leaf = Leaf {
            at: Micros(r.get(0).unwrap()),
            id: EntryId(r.get(1).unwrap()),
            refs: refs.as_chunks::<16>().0.to_vec(),
            root: root_of_parts(commitments.as_chunks::<32>().0),
        };
        edge.append(leaf_hash(&leaf.to_bytes().unwrap()));
    }
    (edge.size(), edge.root())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_put_back_whole_is_noticed_through_its_anchor_and_by_nothing_else() {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut config = config();
    config.ledger.anchor = Some(elsewhere.path().join("anchor"));
    let dir = tempfile::tempdir().unwrap();
    let (ambient, _) = Ambient::fixed(NOON, 7);
    let by = principal(&[Role::Producer], "default");
    let mut old = None;
    for run in 1..3 {
        let app = App::open(dir.path(), &config, ambient.clone()).unwrap();
        app.ingest(&by, Bytes::from(run_event("COMPLETE", run, 10, &["a"], &["b"]).to_string())).await.unwrap();
        app.drain();
        drop(app);
        old.get_or_insert_with(|| Folder::copy_of(dir.path()));
    }
    let old = old.unwrap();
    let check = |data: &Path, config: &Config| examine(data, config).verify(Extent::Everything, &mut |_, _, _| {});
    let sound = check(dir.path(), &config);
    assert_eq!((sound.first_fault, sound.checked.anchor), (None, Some(2)));
    assert_eq!(check(old.path(), &crate::support::config()).first_fault, None, "in itself the old folder is in order");
    let fault = check(old.path(), &config).first_fault.unwrap();
    assert_eq!((fault.check, &*fault.place), (Check::Anchor, "the anchor's checkpoint"), "{fault}");
    assert!(fault.problem.contains("has 2 entries, but the log has 1: those from 1 on are missing"), "{fault}");
    fs::write(elsewhere.path().join("anchor"), "not a checkpoint").unwrap();
    let fault = check(dir.path(), &config).first_fault.unwrap();
    assert_eq!((fault.check, &*fault.place), (Check::Anchor, "the anchor"), "{fault}");
}

#[test]
fn altered_moved_and_missing_parts_are_named() {
    let flip = |column: &str| format!("{column} = CAST(substr({column}, 1, 20) || x'00ff' || substr({column}, 23) AS BLOB)");
    after(&format!("UPDATE entry SET {} WHERE ix = 33", flip("core")), Check::Part, "entry 33, part 0 (core)", "does not open with key");
    after(&format!("UPDATE entry SET {} WHERE ix = 34", flip("rest")), Check::Part, "entry 34, part 1 (rest)", "does not open with key");
    let folder = Folder::rich();
    let person: u64 = folder.ask("SELECT min(k / 8192) FROM part WHERE class = 3");
    folder.change(&format!("UPDATE part SET {} WHERE k = {person} * 8192 + 2", flip("sealed")));
    found(&folder, Check::Part, &format!("entry {person}, part 2 (person)"), "does not open with key");

    after(
        "UPDATE entry SET core = (SELECT e.core FROM entry e WHERE e.ix = 551 - entry.ix) WHERE ix IN (275, 276)",
        Check::Part,
        "entry 275, part 0 (core)",
        "does not open with key",
    );
    after("UPDATE entry SET core_key = rest_key WHERE ix = 40", Check::Part, "entry 40, part 0 (core)", "belongs to another place");
    after("UPDATE entry SET rest_key = NULL, rest = NULL WHERE ix = 41", Check::Part, "entry 41", "does not have the parts");
    after("DELETE FROM part WHERE k = (SELECT min(k) FROM part)", Check::Part, &format!("entry {person}"), "does not have the parts");
    after(
        "INSERT INTO part SELECT 8192 * 50 + 2, class, key, sealed FROM part LIMIT 1",
        Check::Part,
        "entry 50, part 2",
        "no leaf commits to it",
    );
}

#[test]
fn columns_that_say_otherwise_than_the_core_are_found() {
    after("UPDATE entry SET time = time + 1 WHERE ix = 80", Check::Part, "entry 80, part 0 (core)", "another time than its row");
    after(
        "UPDATE entry SET type = (SELECT id FROM event_type WHERE word = 'openlineage.job.v1') WHERE ix = 90",
        Check::Part,
        "entry 90, part 0 (core)",
        "another event type",
    );
    after(
        "UPDATE event_type SET word = 'token.created.v2' WHERE word = 'token.created.v1'",
        Check::Part,
        "entry 0, part 0 (core)",
        "event type",
    );
    after("UPDATE entry SET source = source + 1 WHERE ix = 310", Check::Part, "entry 310", "another source than its core");
    after("UPDATE entry SET actor = zeroblob(16) WHERE type = 1 AND ix = 1", Check::Part, "entry 1, part 0 (core)", "another actor");
    // Of the thousandth repetition the shape's prefix is most of the part.
    after("UPDATE entry SET shape = 1 WHERE ix = 310", Check::Part, "entry 310, part 0 (core)", "is not what its commitment says");
}

#[test]
fn a_key_that_was_not_destroyed_must_be_there() {
    let folder = Folder::rich();
    let key: u32 = folder.ask("SELECT core_key FROM entry WHERE ix = 0");
    folder.vault().execute("DELETE FROM data_key WHERE id = ?1", [key]).unwrap();
    found(&folder, Check::Key, &format!("key {key}"), "seals part 0 (core) of entry 0, but it is not in the vault and was never destroyed");

    let folder = Folder::rich();
    let key: u32 = folder.ask("SELECT key FROM blob WHERE id = 1");
    folder.vault().execute("DELETE FROM data_key WHERE id = ?1", [key]).unwrap();
    found(&folder, Check::Key, &format!("key {key}"), "is not in the vault and was never destroyed");

    let folder = Folder::rich();
    let key: u32 = folder.ask("SELECT core_key FROM entry WHERE ix = 0");
    folder
        .vault()
        .execute("UPDATE data_key SET wrapped = (SELECT wrapped FROM data_key WHERE id <> ?1 LIMIT 1) WHERE id = ?1", [key])
        .unwrap();
    found(&folder, Check::Key, &format!("key {key}"), "do not open");
}

#[test]
fn interned_facets_and_shapes_are_checked() {
    let flip = "sealed = CAST(substr(sealed, 1, 20) || x'00ff' || substr(sealed, 23) AS BLOB)";
    let folder = Folder::rich();
    // A second copy is nobody's until it is looked for.
    let twice: u32 = folder.ask("SELECT min(id) FROM blob WHERE digest IN (SELECT digest FROM blob GROUP BY digest HAVING count(*) > 1)");
    folder.change(&format!("UPDATE blob SET {flip} WHERE id = {twice}"));
    found(&folder, Check::Blob, &format!("blob {twice}"), "does not open with key");
    after(
        &format!("UPDATE blob SET {flip} WHERE id = (SELECT max(id) FROM blob)"),
        Check::Blob,
        &format!("blob {}", newest("blob")),
        "does not open",
    );
    after(
        &format!("UPDATE shape SET {flip} WHERE id = (SELECT max(id) FROM shape)"),
        Check::Blob,
        &format!("shape {}", newest("shape")),
        "does not open",
    );
    let folder = Folder::rich();
    let digest: Vec<u8> = folder.ask("SELECT digest FROM blob WHERE id = 1");
    folder.change("DELETE FROM blob WHERE id = 1");
    found(&folder, Check::Blob, &format!("facet {}", hex::encode(digest)), "it is not stored");
}

fn newest(table: &str) -> u32 {
    Folder::rich().ask(&format!("SELECT max(id) FROM {table}"))
}

#[test]
fn the_duplicate_index_leads_to_every_event_and_to_nothing_else() {
    after("DELETE FROM dup WHERE ix = 123", Check::Duplicate, "entry 123", "does not lead to it");
    after("UPDATE dup SET ix = 125 WHERE ix = 124", Check::Duplicate, "entry 124", "leads to entry 125 instead");
    after("INSERT INTO dup VALUES(1, zeroblob(16), 126)", Check::Duplicate, "table `dup`, entry 126", "a row too many");
    after("INSERT INTO dup VALUES(1, zeroblob(16), 0)", Check::Duplicate, "table `dup`, entry 0", "a row too many");
}

#[test]
fn references_are_held_against_the_vaults_secrets() {
    let folder = Folder::rich();
    let handle: Vec<u8> = folder.ask("SELECT handle FROM person ORDER BY next_n DESC LIMIT 1");
    let text = uuid::Uuid::from_slice(&handle).unwrap().to_string();
    let where_ = format!("handle = x'{}'", hex::encode(&handle));
    let table = format!("table `person`, {text}");
    after(&format!("UPDATE person SET next_n = next_n + 1 WHERE {where_}"), Check::Reference, &table, "`next_n` is");
    after(&format!("UPDATE person SET next_n = next_n - 1 WHERE {where_}"), Check::Reference, &table, "`next_n` is");
    after(&format!("DELETE FROM person WHERE {where_}"), Check::Reference, &format!("entry {}", first_of(&folder, &handle)), "");
    let folder = Folder::rich();
    folder.vault().execute("DELETE FROM secret WHERE person = (SELECT id FROM person WHERE handle = ?1)", [&handle]).unwrap();
    found(&folder, Check::Reference, &format!("person {text}, epoch 0"), "the vault does not give its secret");
}

#[test]
fn a_person_who_can_be_named_no_more_is_found() {
    let rich = Folder::rich();
    let vault = rich.vault();
    let ask = |sql: &str| vault.query_row(sql, [], |r| r.get::<_, Vec<u8>>(0)).unwrap();
    let person = |handle: &[u8]| format!("person {}", uuid::Uuid::from_slice(handle).unwrap());
    let first = person(&ask("SELECT handle FROM person ORDER BY handle LIMIT 1"));
    let of_first = "person = (SELECT id FROM person ORDER BY handle LIMIT 1)";
    let changed = |sql: String| {
        let folder = Folder::rich();
        folder.vault().execute_batch(&sql).unwrap();
        folder
    };
    let lost = changed(format!("DELETE FROM data_key WHERE id = (SELECT key FROM identifier WHERE {of_first})"));
    found(&lost, Check::Key, &first, "not in the vault and was never destroyed");
    let altered = changed(format!("UPDATE identifier SET sealed = randomblob(length(sealed)) WHERE {of_first}"));
    found(&altered, Check::Key, &first, "an identifier that does not open");
    let moved = changed(format!("UPDATE identifier SET lookup = randomblob(length(lookup)) WHERE {of_first}"));
    found(&moved, Check::Key, &first, "an identifier that does not open");
    let secretless = changed("INSERT INTO person(handle) VALUES (x'00000000000000000000000000000001')".to_owned());
    found(&secretless, Check::Key, "person 00000000-0000-0000-0000-000000000001", "has no secret");
}

/// The first entry that carries a reference of a person who acted.
fn first_of(folder: &Folder, handle: &[u8]) -> u64 {
    folder.main().query_row("SELECT min(ix) FROM entry WHERE actor = ?1 AND refs IS NOT NULL", [handle], |r| r.get(0)).unwrap()
}

/// Changes leaves and signs anew, as only who has all keys can: then the log part
/// is in order, and what is left are the references themselves.
fn resigned(sql: &str) -> Folder {
    let folder = Folder::rich();
    folder.change(sql);
    let seed = hex::decode(fs::read_to_string(folder.path().join("keys/log-seed")).unwrap().trim()).unwrap();
    let key = LogKey::with_default_origin(&seed.try_into().unwrap());
    let (size, root) = rewritten(&folder);
    let note = Checkpoint { origin: key.name().to_owned(), size, root }.sign(&key).unwrap();
    folder.main().execute("UPDATE checkpoint SET size = ?1, root = ?2, note = ?3", (size, &root[..], &note)).unwrap();
    folder
}

#[test]
fn changed_missing_and_unexplained_references_are_found_even_in_a_log_signed_anew() {
    let rich = Folder::rich();
    // In the tail, so that no tile has to be forged.
    let tail = 256;
    let plain: u64 = rich.ask(&format!("SELECT min(ix) FROM entry WHERE ix > {tail} AND refs IS NULL"));
    let folder = resigned(&format!("UPDATE entry SET refs = x'000102030405060708090a0b0c0d0e0f' WHERE ix = {plain}"));
    found(&folder, Check::Reference, &format!("entry {plain}"), "is not the next one of anybody");
    let repeated = format!("UPDATE entry SET refs = (SELECT e.refs FROM entry e WHERE e.refs IS NOT NULL LIMIT 1) WHERE ix = {plain}");
    found(&resigned(&repeated), Check::Reference, &format!("entry {plain}"), "is not the next one of anybody");
}

#[test]
fn the_table_of_tokens_is_what_its_entries_say() {
    let folder = Folder::rich();
    let id: Vec<u8> = folder.ask("SELECT id FROM token WHERE revoked_at IS NOT NULL");
    let place = format!("table `token`, id {}", uuid::Uuid::from_slice(&id).unwrap());
    let token = |set: &str| format!("UPDATE token SET {set} WHERE revoked_at IS NOT NULL");
    after(&token("revoked_at = NULL"), Check::Token, &place, "its revocation is not what entry 1 says");
    after(&token("hash = zeroblob(32)"), Check::Token, &place, "its digest is not what entry 1 says");
    after(&token("row = replace(row, '\"roles\":[\"admin\"', '\"roles\":[\"auditor\"')"), Check::Token, &place, "its list of roles");
    after(&token("row = replace(row, '\"namespaces\":[]', '\"namespaces\":[\"*\"]')"), Check::Token, &place, "its list of namespaces");
    after(&token("row = 'no json'"), Check::Token, "table `token`", "cannot be read");
    after("DELETE FROM token WHERE revoked_at IS NOT NULL", Check::Token, &place, "is missing, though entry 1 made it");
    let made = "INSERT INTO token SELECT zeroblob(16), zeroblob(32), row, NULL, ix FROM token LIMIT 1";
    after(made, Check::Token, "table `token`, id 00000000-0000-0000-0000-000000000000", "no entry made this token");
}

#[test]
fn a_damaged_file_is_told_as_such() {
    let folder = Folder::rich();
    let path = folder.path().join("main.db");
    let page: u64 = folder.ask("SELECT rootpage FROM sqlite_schema WHERE name = 'node_by_name'");
    let mut bytes = fs::read(&path).unwrap();
    let at = usize::try_from((page - 1) * 4096).unwrap();
    bytes[at + 8..at + 40].fill(0xEE);
    fs::write(&path, bytes).unwrap();
    let fault = verify(folder.path()).first_fault.unwrap();
    assert_eq!((fault.check, &*fault.place), (Check::File, "main.db"), "{fault}");
}
