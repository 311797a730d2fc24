//! Where configuration comes from, which of it wins, and what it says when wrong.
use std::{ffi::OsString, fs, path::PathBuf};

use ledgerline::config::{Config, ConfigError, KEYS, Loaded, Origin, PublicLedger, Sources, reference_markdown};
use tempfile::TempDir;

use crate::contracts::assert_committed;

struct Given {
    folder: TempDir,
    sources: Sources,
}

impl Given {
    fn nothing() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), sources: Sources::default() }
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn file(mut self, text: &str) -> Self {
        self.sources.file = Some(self.put("ledgerline.toml", text));
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.push((OsString::from(name), OsString::from(value)));
        self
    }

    fn flag(mut self, key: &'static str, value: &str) -> Self {
        self.sources = self.sources.flag(key, Some(value.to_owned()));
        self
    }

    fn load(&self) -> Loaded {
        Config::load(&self.sources).unwrap()
    }

    fn errors(&self) -> Vec<ConfigError> {
        Config::load(&self.sources).unwrap_err().0
    }

    fn error(&self) -> String {
        let errors = self.errors();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors[0].to_string().replace(&*self.folder.path().to_string_lossy(), "DIR")
    }
}

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

#[test]
fn the_reference_page_is_the_committed_one() {
    assert_committed("docs/configuration.md", &reference_markdown());
}

#[test]
fn defaults_hold_where_nobody_said_anything() {
    let loaded = Given::nothing().load();
    assert_eq!(loaded.config.listen.0, "127.0.0.1:8080");
    assert_eq!(loaded.config.ingest.body_bytes_max.0, 16 << 20);
    assert_eq!(loaded.config.ledger.public, PublicLedger::None);
    assert!(loaded.config.keys.kek.is_none() && loaded.config.ledger.origin.is_none());
    assert!(loaded.effective.iter().all(|e| e.origin == Origin::Default));
    assert_eq!(loaded.effective.len(), KEYS.len());
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let given = Given::nothing().file("listen = \"127.0.0.1:1\"\n[store]\nreaders = 7\n[ingest]\nqueue_max = 9\n");
    let given = given.env("LEDGERLINE_LISTEN", "127.0.0.1:2").env("LEDGERLINE_STORE__READERS", "8");
    let loaded = given.flag("listen", "127.0.0.1:3").load();
    assert_eq!((loaded.config.listen.0.as_str(), loaded.config.store.readers, loaded.config.ingest.queue_max), ("127.0.0.1:3", 8, 9));
    let origin = |key: &str| loaded.effective.iter().find(|e| e.key == key).unwrap().origin.clone();
    assert_eq!(origin("listen"), Origin::Flag);
    assert_eq!(origin("store.readers"), Origin::Environment("LEDGERLINE_STORE__READERS".to_owned()));
}

#[test]
fn every_key_can_be_written_in_the_file_and_in_the_environment() {
    for key in KEYS.iter().filter(|k| !k.default.is_empty()) {
        let quoted = format!("{} = \"{}\"\n", key.name, key.default);
        let loaded = Given::nothing().file(&quoted).load();
        assert!(matches!(loaded.effective.iter().find(|e| e.key == key.name).unwrap().origin, Origin::File(_)), "{}", key.name);
        Given::nothing().env(&key.variable(), key.default).load();
    }
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    assert_eq!(
        Given::nothing().file("[store]\nkidn = \"embedded\"\n").error(),
        "unknown key `store.kidn` in DIR/ledgerline.toml, the nearest known one is `store.kind`"
    );
    assert_eq!(
        Given::nothing().env("LEDGERLINE_INGEST__QUEUE_MAXX", "1").error(),
        "unknown key `LEDGERLINE_INGEST__QUEUE_MAXX` in the environment (`LEDGERLINE_INGEST__QUEUE_MAXX`), the nearest known one is `LEDGERLINE_INGEST__QUEUE_MAX`"
    );
    assert_eq!(
        Given::nothing().file("qqqqqqqqqqqqqqqqqqqqqqqqqqq = 1\n").error(),
        "unknown key `qqqqqqqqqqqqqqqqqqqqqqqqqqq` in DIR/ledgerline.toml, see `ledgerline config reference`"
    );
}

#[test]
fn what_kubernetes_tells_of_a_service_named_as_we_are_is_no_slip() {
    let links = ["LEDGERLINE_SERVICE_HOST", "LEDGERLINE_SERVICE_PORT_HTTP", "LEDGERLINE_PORT", "LEDGERLINE_PORT_8080_TCP_ADDR"];
    links.into_iter().fold(Given::nothing(), |given, name| given.env(name, "tcp://10.0.0.7:8080")).load();
    let beginnings = ["LEDGERLINE_SERVICE_", "LEDGERLINE_PORT"];
    assert!(KEYS.iter().all(|k| !beginnings.iter().any(|b| k.variable().starts_with(b))));
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let given = Given::nothing()
        .file("listen = \"nowhere\"\n[store]\nreaders = 0\nkind = \"neo4j\"\n[metrics]\npublic = \"perhaps\"\n[http]\nworkers = 1.5\n");
    let told: Vec<String> = given.errors().iter().map(|e| e.to_string().replace(&*given.folder.path().to_string_lossy(), "DIR")).collect();
    assert_eq!(
        told,
        [
            "`http.workers` from DIR/ledgerline.toml must be a text, a whole number, `true` or `false`",
            "`listen` from DIR/ledgerline.toml must be an address and a port such as `127.0.0.1:8080`, not `nowhere`",
            "`store.kind` from DIR/ledgerline.toml must be `embedded`: another store is not in this build yet, not `neo4j`",
            "`store.readers` from DIR/ledgerline.toml must lie between 1 and 256, `0` does not",
            "`metrics.public` from DIR/ledgerline.toml must be `true` or `false`, not `perhaps`",
        ]
    );
}

#[test]
fn secrets_come_from_a_value_or_from_a_file() {
    let given = Given::nothing().env("LEDGERLINE_KEYS__KEK", KEY);
    assert_eq!(given.load().config.keys.kek.unwrap().key32().unwrap()[31], 0x1f);
    let given = Given::nothing();
    let path = given.put("kek", &format!("{KEY}\n"));
    let given = given.env("LEDGERLINE_KEYS__KEK_FILE", path.to_str().unwrap());
    assert_eq!(given.load().config.keys.kek.unwrap().expose(), KEY);
    let given = Given::nothing();
    let text = format!("[keys]\nkek_file = {:?}\n", given.put("kek", KEY));
    assert!(given.file(&text).load().config.keys.kek.is_some());
}

#[test]
fn a_secret_set_twice_in_one_layer_is_refused_and_over_layers_the_higher_wins() {
    let given = Given::nothing();
    let path = given.put("kek", KEY);
    let given = given.env("LEDGERLINE_KEYS__KEK", KEY).env("LEDGERLINE_KEYS__KEK_FILE", path.to_str().unwrap());
    assert!(given.error().starts_with("`keys.kek` and its file are both set in the environment"));
    let other = "ff".repeat(32);
    let given = Given::nothing().file(&format!("[keys]\nkek = \"{other}\"\n")).env("LEDGERLINE_KEYS__KEK", KEY);
    assert_eq!(given.load().config.keys.kek.unwrap().expose(), KEY);
}

#[test]
fn no_error_and_no_listing_shows_a_secret() {
    const MARKER: &str = "marker-of-a-secret";
    let wrong = Given::nothing().env("LEDGERLINE_KEYS__KEK", MARKER);
    assert_eq!(wrong.error(), "`keys.kek` from the environment (`LEDGERLINE_KEYS__KEK`) must be 32 bytes, as 64 hex digits or as base64");
    for broken in
        [format!("[keys]\nkek = \"{MARKER}\n"), format!("[keys]\nkek = {MARKER}\n"), format!("[keys]\nkek = \"a\"\nkek = \"{MARKER}\"\n")]
    {
        let error = Given::nothing().file(&broken).error();
        assert!(error.contains("is not TOML at line") && !error.contains(MARKER), "{error}");
    }
    let right = Given::nothing().env("LEDGERLINE_KEYS__KEK", KEY).load();
    assert!(!format!("{right:?}").contains(KEY));
    assert_eq!(right.effective.iter().find(|e| e.key == "keys.kek").unwrap().shown, "(secret)");
}

#[test]
fn what_is_not_there_is_said_with_its_path() {
    let mut given = Given::nothing();
    given.sources.file = Some(given.folder.path().join("none.toml"));
    assert_eq!(given.error(), "DIR/none.toml cannot be read: entity not found");
    let given = Given::nothing().env("LEDGERLINE_KEYS__KEK_FILE", "/nowhere/kek");
    assert_eq!(given.error(), "/nowhere/kek cannot be read: entity not found");
}

#[test]
fn the_client_commands_variables_are_no_keys() {
    Given::nothing().env("LEDGERLINE_TOKEN", "x").env("LEDGERLINE_URL", "x").env("LEDGERLINE_CONFIG", "x").env("OTHER", "x").load();
}
