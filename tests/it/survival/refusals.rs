//! A folder that cannot be served is refused with what is wrong and the way out;
//! a disk that is full is survived.
use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ledgerline::config::Config;

use super::{
    kills::{copy, keep},
    oracle::{Promises, check},
    process::{Said, Writer, command},
    stream::{open, open_with, run_clients, small},
};

/// A closed folder with a few entries.
fn folder(entries: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    go_on(folder.path(), 0..entries, &small());
    folder
}

fn go_on(folder: &Path, events: std::ops::Range<u32>, config: &Config) {
    let app = open_with(folder, config).unwrap();
    run_clients(&app, 1, events, std::sync::Arc::new(|_| {}));
    app.drain();
}

/// Why a folder is refused, whole.
fn refusal(folder: &Path, config: &Config) -> String {
    open_with(folder, config).err().expect("the folder is refused")
}

fn says(text: &str, sentences: &[&str]) {
    for sentence in sentences {
        assert!(text.contains(sentence), "`{sentence}` is not in: {text}");
    }
}

#[test]
fn a_folder_in_use_by_a_living_process_is_refused_until_it_is_dead() {
    let folder = folder(1);
    let mut other = Writer::spawn(folder.path(), 1, 1..2);
    assert!(other.opened());
    says(&refusal(folder.path(), &small()), &["in use by another ledgerline", "`--url`"]);
    other.kill();
    open(folder.path()).unwrap();
}

#[test]
fn a_folder_of_a_newer_version_is_refused() {
    for (file, expected) in [
        ("main.db", ["schema version 99", "up to 4", "use a newer ledgerline"]),
        ("vault.db", ["schema version 99", "up to 1", "run the newer program"]),
    ] {
        let folder = folder(1);
        rusqlite::Connection::open(folder.path().join(file)).unwrap().pragma_update(None, "user_version", 99).unwrap();
        says(&refusal(folder.path(), &small()), &expected);
    }
}

#[test]
fn a_folder_of_a_build_before_the_first_release_is_refused() {
    let folder = folder(1);
    rusqlite::Connection::open(folder.path().join("main.db")).unwrap().pragma_update(None, "user_version", 1).unwrap();
    says(&refusal(folder.path(), &small()), &["schema version 1", "this program needs 4", "send the events again"]);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_is() {
    for file in ["main.db", "vault.db"] {
        for foreign in [text, database] {
            let folder = folder(1);
            let path = folder.path().join(file);
            fs::remove_file(&path).unwrap();
            foreign(&path);
            let before = fs::read(&path).unwrap();
            says(&refusal(folder.path(), &small()), &[path.to_str().unwrap(), "is not a"]);
            assert!(fs::read(&path).unwrap() == before, "{file} was changed");
        }
    }
}

fn text(path: &Path) {
    fs::write(path, "Dear diary, this is no database at all.\n".repeat(200)).unwrap();
}

/// Most databases have neither an application id nor a version.
fn database(path: &Path) {
    rusqlite::Connection::open(path).unwrap().execute_batch("CREATE TABLE diary(day TEXT); INSERT INTO diary VALUES('Monday')").unwrap();
}

/// Defaults with an anchor in another folder.
fn anchored(anchor: &Path) -> Config {
    let mut config = small();
    config.ledger.anchor = Some(anchor.join("ledger.anchor"));
    config
}

#[test]
fn a_folder_behind_its_anchor_is_refused_with_both_sizes_and_the_way_out() {
    let (folder, elsewhere) = (folder(0), tempfile::tempdir().unwrap());
    let config = anchored(elsewhere.path());
    go_on(folder.path(), 0..5, &config);
    let old = copy(folder.path());
    go_on(folder.path(), 5..12, &config);
    says(
        &refusal(old.path(), &config),
        &["behind its anchor", "holds 5 entries", "has 12", "bring the newer data back", "move the anchor away"],
    );
    // The newer data still opens, and so does the older once the anchor is away.
    open_with(folder.path(), &config).unwrap();
    fs::remove_file(elsewhere.path().join("ledger.anchor")).unwrap();
    open_with(old.path(), &config).unwrap();
}

#[test]
fn a_folder_that_went_another_way_than_its_anchor_is_refused() {
    let (folder, elsewhere) = (folder(3), tempfile::tempdir().unwrap());
    let other = copy(folder.path());
    let config = anchored(elsewhere.path());
    go_on(folder.path(), 3..8, &config);
    go_on(other.path(), 20..29, &small());
    says(&refusal(other.path(), &config), &["differs from the one its anchor signed at size 8", "restore the data that belongs to it"]);
}

#[test]
fn an_anchor_of_another_log_or_of_nothing_is_refused() {
    let (folder, elsewhere) = (folder(2), tempfile::tempdir().unwrap());
    let config = anchored(elsewhere.path());
    fs::write(elsewhere.path().join("ledger.anchor"), "no note\n").unwrap();
    says(&refusal(folder.path(), &config), &["the anchor file holds no checkpoint signed by this log's key"]);
}

#[test]
fn a_folder_with_the_keys_of_another_installation_is_refused() {
    let (ours, theirs) = (folder(2), folder(2));
    let mut config = small();
    config.keys.dir = Some(theirs.path().join("keys"));
    says(&refusal(ours.path(), &config), &["sealed with the key-encryption key", "bring the right key"]);
    // One key of theirs among ours.
    for (key, expected) in [
        ("kek", &["bring the right key"][..]),
        ("pepper", &["the pepper is not the one", "`keys.dir`"]),
        ("installation-secret", &["the installation secret is not the one", "`keys.dir`"]),
        ("log-seed", &["the log's origin is", "`ledger.origin`"]),
    ] {
        let mixed = copy(ours.path());
        fs::copy(theirs.path().join("keys").join(key), mixed.path().join("keys").join(key)).unwrap();
        says(&refusal(mixed.path(), &small()), expected);
    }
}

#[test]
fn a_log_with_a_name_of_its_own_and_another_key_is_refused() {
    let (folder, theirs) = (tempfile::tempdir().unwrap(), folder(1));
    let mut config = small();
    config.ledger.origin = Some("example.org/log".to_owned());
    go_on(folder.path(), 0..2, &config);
    fs::copy(theirs.path().join("keys/log-seed"), folder.path().join("keys/log-seed")).unwrap();
    says(&refusal(folder.path(), &config), &["the log key does not belong to this data folder", "`keys.dir`"]);
}

#[test]
fn a_folder_that_lost_its_keys_its_vault_or_its_log_is_refused_and_gets_no_new_ones() {
    for (gone, expected) in [
        ("keys", &["the key-encryption key", "is missing", "bring the keys folder back"][..]),
        ("keys/kek", &["the key-encryption key", "is missing", "bring the keys folder back"]),
        ("keys/log-seed", &["the log key", "is missing", "bring the keys folder back"]),
        ("vault.db", &["the vault", "is missing", "bring `vault.db` back"]),
        ("main.db", &["`main.db` is missing", "bring it back"]),
    ] {
        let folder = folder(2);
        let path = folder.path().join(gone);
        if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.unwrap();
        says(&refusal(folder.path(), &small()), expected);
        assert!(!path.exists(), "{gone} was made anew");
    }
}

/// The user without rights, where tests run as root.
const NOBODY: u32 = 65_534;

#[test]
fn a_folder_without_write_permission_is_refused() {
    let folder = folder(2);
    let (mut program, arguments, variables) = command(folder.path(), 1, 2..3);
    let place = tempfile::tempdir().unwrap();
    let mut runs_as = None;
    // Root may write everywhere: there the writer is run by somebody who may not.
    if fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777 == 0o700 && is_root(folder.path()) {
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let visible = place.path().join("it");
        fs::copy(&program, &visible).unwrap();
        program = visible.into_os_string();
        runs_as = Some(NOBODY);
    }
    for path in all_below(folder.path()) {
        let mode = if path.is_dir() { 0o500 } else { 0o400 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        chown(&path, runs_as, runs_as).unwrap();
    }
    let mut command = Command::new(program);
    command.args(arguments).envs(variables).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some(id) = runs_as {
        command.uid(id).gid(id);
    }
    let said = Writer::start(command).finish();
    for path in all_below(folder.path()) {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let [Said::Unopened(why)] = &said[..] else { panic!("{said:?}") };
    says(why, &["the data folder could not be used", "Permission denied"]);
}

/// Whether files that we make are root's.
fn is_root(ours: &Path) -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata(ours).unwrap()) == 0
}

fn all_below(path: &Path) -> Vec<PathBuf> {
    let mut all = vec![path.to_owned()];
    if path.is_dir() {
        all.extend(fs::read_dir(path).unwrap().flat_map(|e| all_below(&e.unwrap().path())));
    }
    all
}

/// A writer whose files may not grow beyond so many KiB: every write past it fails
/// from then on, as on a full disk.
fn limited(folder: &Path, kib: u32, events: std::ops::Range<u32>) -> Writer {
    let (program, arguments, variables) = command(folder, 4, events);
    let mut shell = Command::new("bash");
    // The signal that comes with the limit is ignored, so that the call fails.
    shell.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"")).arg(program).args(arguments).envs(variables);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    Writer::start(shell)
}

#[test]
fn a_disk_that_becomes_full_refuses_events_and_loses_none() {
    let folder = folder(3);
    let mut writer = limited(folder.path(), 400, 3..100_000);
    assert!(writer.opened());
    writer.begin();
    let said = writer.finish();
    assert!(said.contains(&Said::Drained), "it refuses in order and ends: {said:?}");
    let mut promises = Promises::default();
    keep(&mut promises, &said);
    assert!(!promises.acknowledged.is_empty(), "some events found room");
    check(folder.path(), &promises, usize::MAX).unwrap();
}

#[test]
fn a_start_on_a_full_disk_says_so_and_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    for kib in [0, 1, 8, 40] {
        let said = limited(folder.path(), kib, 0..1).finish();
        let [Said::Unopened(why)] = &said[..] else { panic!("{kib} KiB: {said:?}") };
        assert!(["disk I/O error", "File too large"].iter().any(|w| why.contains(w)), "{kib} KiB: {why}");
    }
    check(folder.path(), &Promises::default(), 0).unwrap();
}
