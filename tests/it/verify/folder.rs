//! A folder with a rich history, made once and copied for each test that breaks it.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use ledgerline::{
    access::{Principal, Role},
    app::tokens::{NewToken, TokenId},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::passes;
use crate::{
    openlineage::{FIXTURES, fixture},
    oracle::generator::seeded,
    support::{World, principal, run_event},
};

/// More than a full tile.
const ENTRIES_MIN: u64 = 320;

/// A folder at rest.
pub struct Folder {
    dir: TempDir,
}

impl Folder {
    /// Stops the world and keeps its folder.
    pub fn of(world: World) -> Self {
        let World { app, folder, .. } = world;
        app.drain();
        drop(app);
        Self { dir: folder }
    }

    /// A copy of the rich folder.
    pub fn rich() -> Self {
        static MADE: OnceLock<Folder> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
            let folder = Self::of(runtime.block_on(rich_world()));
            passes(folder.path());
            folder
        });
        made.copy()
    }

    pub fn into_dir(self) -> TempDir {
        self.dir
    }

    pub fn copy(&self) -> Self {
        Self::copy_of(self.path())
    }

    pub fn copy_of(path: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(path, dir.path());
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A connection of a stranger to the main database.
    pub fn main(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path().join("main.db")).unwrap()
    }

    pub fn vault(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path().join("vault.db")).unwrap()
    }

    /// Changes rows behind everybody's back; at least one must change.
    pub fn change(&self, sql: &str) {
        let db = self.main();
        let before = db.total_changes();
        db.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        assert!(db.total_changes() > before, "nothing changed by {sql}");
    }

    pub fn ask<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        self.main().query_row(sql, [], |r| r.get(0)).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            fs::create_dir(&target).unwrap();
            fs::set_permissions(&target, fs::metadata(&path).unwrap().permissions()).unwrap();
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// A person with a token.
async fn person(world: &World, name: &str) -> (Arc<Principal>, TokenId) {
    let new = NewToken {
        actor: name.to_owned(),
        person: true,
        roles: vec![Role::Admin, Role::Engineer],
        integration: "by hand".to_owned(),
        namespaces: Vec::new(),
        expires_at: None,
        reason: format!("{name} works here"),
    };
    let (text, facts, _) = world.app.create_token_locally(new).await.unwrap();
    (world.app.authenticate(&text).unwrap(), facts.id)
}

fn lifecycle(change: &str, previous: Option<&str>) -> Value {
    let mut facet = json!({"_producer": "https://example.org/p", "_schemaURL": "https://example.org/s", "lifecycleStateChange": change});
    if let Some(name) = previous {
        facet["previousIdentifier"] = json!({"namespace": "db", "name": name});
    }
    facet
}

fn schema(columns: &[&str]) -> Value {
    let fields: Vec<Value> =
        columns.iter().map(|c| json!({"name": c, "type": "VARCHAR", "description": "a column of this table"})).collect();
    json!({"_producer": "https://example.org/p", "_schemaURL": "https://example.org/s", "fields": fields})
}

/// Every kind of event, people, late events, drops, renames, symlinks, tokens,
/// two openings of the folder.
pub async fn rich_world() -> World {
    let mut world = World::new();
    let (jane, _) = person(&world, "Jane Roe").await;
    let (john, johns) = person(&world, "John Doe").await;
    let producer = principal(&[Role::Producer], "shop");
    for name in FIXTURES {
        world.app.ingest(&producer, Bytes::from(fixture(name))).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    // A run of tables with schemas, a rename, a drop, a re-creation, and a late event before all.
    let mut created = run_event("COMPLETE", 1, 100, &["a", "b"], &["c"]);
    created["outputs"][0]["facets"] = json!({"schema": schema(&["id", "name"])});
    world.send_as(&jane, &created).await;
    let mut renamed = run_event("COMPLETE", 2, 110, &["a"], &["d"]);
    renamed["outputs"][0]["facets"] =
        json!({"lifecycleStateChange": lifecycle("RENAME", Some("c")), "schema": schema(&["id", "name", "more"])});
    world.send_as(&john, &renamed).await;
    let mut classified = run_event("COMPLETE", 7, 100, &["a"], &["e"]);
    classified["outputs"][0]["facets"] = json!({"tags": {"_producer": "https://example.org/p", "_schemaURL": "https://example.org/s",
        "tags": [{"key": "sensitivity", "value": "confidential"}]}});
    world.send(&classified).await;
    let mut dropped = run_event("COMPLETE", 3, 120, &["a"], &["d"]);
    dropped["outputs"][0]["facets"] = json!({"lifecycleStateChange": lifecycle("DROP", None)});
    world.send(&dropped).await;
    world.send(&run_event("START", 4, 130, &["a"], &["d"])).await;
    world.send(&run_event("COMPLETE", 4, 131, &[], &[])).await;
    world.send_as(&jane, &run_event("COMPLETE", 5, 90, &["b"], &["c"])).await;
    let mut fewer = run_event("COMPLETE", 6, 140, &["a"], &["d"]);
    fewer["inputs"][0]["facets"] = json!({"symlinks": {"_producer": "https://example.org/p", "_schemaURL": "https://example.org/s",
        "identifiers": [{"namespace": "hive://metastore:9083", "name": "default.a", "type": "TABLE"}]}});
    world.send(&fewer).await;
    world.app.revoke_token(&jane, johns, "John left", None).await.unwrap();
    // The folder is opened again: interned shapes and facets are not remembered.
    for seed in 0..3 {
        for (integration, event) in seeded(seed, 40) {
            let by = if integration == "beta" { principal(&[Role::Producer], "beta") } else { jane.clone() };
            world.send_as(&by, &event).await;
        }
        world = world.reopen();
        world.clock.advance(1_000_000);
    }
    let mut minute = 200;
    while world.app.ledger_size() < ENTRIES_MIN {
        let lines: Vec<String> =
            (0..100u8).map(|run| run_event("COMPLETE", run, minute + u32::from(run), &["a"], &["d"]).to_string()).collect();
        minute += 100;
        let body = Bytes::from(lines.join("\n"));
        let outcome = world.app.ingest_batch(&producer, body, ledgerline::app::ingest::BatchFormat::Ndjson).await.unwrap();
        assert!(outcome.failed.is_empty(), "{:?}", outcome.failed);
    }
    world
}

/// Written when 1,024 entries are full (`store/embedded/blocks.rs`): tests of
/// coverage rebuild folders that have them.
const SUMS: [&str; 3] = ["entry_block", "source_hour", "source_block"];

#[test]
fn a_folder_with_a_rich_history_passes_and_says_what_was_checked() {
    let report = passes(Folder::rich().path());
    let checked = &report.checked;
    assert!(report.entries >= ENTRIES_MIN);
    assert_eq!(checked.entries, report.entries);
    assert_eq!(checked.checkpoint, Some(report.entries));
    assert_eq!(checked.tiles, report.entries / 256);
    assert_eq!(checked.tokens, 2);
    assert_eq!(checked.duplicates + 3, report.entries, "all but the three entries about tokens");
    assert_eq!(checked.received, checked.duplicates);
    assert_eq!((checked.destroyed, checked.references_of_erased), (0, 0));
    assert!(checked.references > 50 && checked.people > 2, "{checked:?}");
    let rows = checked.projection.as_ref().unwrap();
    let empty: Vec<&str> = rows.iter().filter(|(_, count)| *count == 0).map(|(table, _)| *table).collect();
    assert_eq!(empty, SUMS, "of everything else the history has something");
}

#[test]
fn the_log_part_alone_is_verified_too() {
    let report = super::verify_log(Folder::rich().path());
    assert_eq!(report.first_fault, None);
    assert!(report.checked.entries >= ENTRIES_MIN && report.checked.parts == 0 && report.checked.projection.is_none());
}

#[test]
fn verifying_changes_no_byte_of_the_databases() {
    let folder = Folder::rich();
    let files = || ["main.db", "vault.db"].map(|f| fs::read(folder.path().join(f)).unwrap());
    let before = files();
    passes(folder.path());
    assert!(files() == before);
}

#[test]
fn progress_tells_every_step_in_order() {
    let folder = Folder::rich();
    let mut steps = Vec::new();
    let report = super::examine(folder.path(), &crate::support::config()).verify(
        ledgerline::app::verify::Extent::Everything,
        &mut |stage, done, of| {
            assert!(done <= of);
            if steps.last() != Some(&stage) {
                steps.push(stage);
            }
        },
    );
    use ledgerline::app::verify::Stage::*;
    assert_eq!((report.first_fault, steps), (None, vec![File, Log, Parts, Interned, Replay, Projection]));
}

/// `core` has handles in the place of names, the duplicate index has not.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_differ_in_how_a_person_is_spelled_are_two() {
    let world = World::new();
    let named = |owner: &str| {
        let mut event = run_event("COMPLETE", 1, 10, &["a"], &["b"]);
        event["job"]["facets"] = json!({"ownership": {"_producer": "https://example.org/p", "_schemaURL": "https://example.org/s",
            "owners": [{"name": owner, "type": "MAINTAINER"}]}});
        event
    };
    assert!(!world.send(&named("jane@example.org")).await.duplicate);
    assert!(!world.send(&named("JANE@example.org")).await.duplicate, "other bytes, though the same person");
    assert!(world.send(&named("jane@example.org")).await.duplicate);
    passes(Folder::of(world).path());
}
