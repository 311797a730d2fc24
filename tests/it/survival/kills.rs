//! SIGKILL at random moments under load, again and again on the same folder.
use std::{fs, path::Path, time::Duration};

use super::{
    chance::Chance,
    long,
    oracle::{Promises, check},
    process::{Said, Writer},
    stream::Told,
};

/// Copies a folder that nobody has open, so that looking at it does not repair it.
pub fn copy(from: &Path) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let to = tempfile::tempdir().unwrap();
    copy_into(from, to.path());
    fs::set_permissions(to.path(), fs::Permissions::from_mode(0o700)).unwrap();
    to
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (entry, path) = entry.map(|e| (e.file_type().unwrap(), e.path())).unwrap();
        let target = to.join(path.file_name().unwrap());
        if entry.is_dir() {
            fs::create_dir(&target).unwrap();
            fs::set_permissions(&target, fs::metadata(&path).unwrap().permissions()).unwrap();
            copy_into(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// Adds what a writer said to what was promised before.
pub fn keep(promises: &mut Promises, said: &[Said]) {
    for s in said {
        if let Said::Told(told) = s {
            promises.add(told);
        }
    }
}

/// Rounds on one folder before the next one: its check reads everything.
const ROUNDS_A_FOLDER: u32 = 20;

#[test]
fn what_was_acknowledged_before_a_sigkill_is_there_once_after_it() {
    let rounds = if long() { 200 } else { 6 };
    let mut chance = Chance::new(0x51_6B_11);
    let (mut acknowledged, mut entries) = (0, 0);
    let mut folder = tempfile::tempdir().unwrap();
    let (mut promises, mut next) = (Promises::default(), 0u32);
    for round in 0..rounds {
        if round > 0 && round % ROUNDS_A_FOLDER == 0 {
            acknowledged += promises.acknowledged.len();
            folder = tempfile::tempdir().unwrap();
            (promises, next) = (Promises::default(), 0);
        }
        // The last few are sent again: recorded or not, each is there once in the end.
        let mut writer = Writer::spawn(folder.path(), 1 + chance.below(8) as usize, next.saturating_sub(6)..u32::MAX);
        if chance.below(4) == 0 {
            writer.listen(Duration::from_micros(chance.below(60_000)));
        } else {
            assert!(writer.opened(), "round {round}: {:?}", writer.finish());
            writer.begin();
            for _ in 0..chance.below(60) {
                writer.until(|said| matches!(said, Said::Told(Told::Acknowledged(_))));
            }
            writer.listen(Duration::from_micros(chance.below(4_000)));
        }
        let said = writer.kill();
        assert!(!said.iter().any(|s| matches!(s, Said::Unopened(_) | Said::Drained)), "round {round}: {said:?}");
        keep(&mut promises, &said);
        next = promises.acknowledged.iter().map(|a| a.event + 1).max().unwrap_or(0);
        let seen = copy(folder.path());
        let found = check(seen.path(), &promises, 8).unwrap_or_else(|e| panic!("round {round}: {e}"));
        entries = entries.max(found.entries);
    }
    acknowledged += promises.acknowledged.len();
    println!("survival: {rounds} processes killed, {acknowledged} events acknowledged, up to {entries} entries a folder, 0 wrong");
}
