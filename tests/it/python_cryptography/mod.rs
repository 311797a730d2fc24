//! The programs of `docs/examples` against a real server: they verify what is true and
//! refuse what was changed. Needs python3 with `cryptography`, so `scripts/test`
//! leaves this module out by its name where they are missing.
mod edge;
mod event;

use std::{path::Path, process::Command};

/// Runs an example over files of a folder; whether it verified, and what it said.
fn run(example: &str, folder: &Path, files: &[&str]) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples").join(example);
    let ran = Command::new("python3").arg(script).args(files).current_dir(folder).output().unwrap();
    (ran.status.success(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
}
