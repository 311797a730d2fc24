//! The two commands as they are typed: what they print and how they end.
use std::{
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use super::folder::Folder;

fn run(args: &[&str], data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ledgerline")).env_clear().args(args).arg("--data").arg(data).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn verify_says_what_it_checked_to_people_and_to_programs() {
    let folder = Folder::rich();
    let output = run(&["verify"], folder.path());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("verified: ") && said.contains("projection: ") && said.contains("rollback"), "{said}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("checking: replay"));

    let output = run(&["verify", "--json"], folder.path());
    let told = json(&output);
    assert!(output.status.success() && output.stderr.is_empty());
    assert_eq!((&told["ok"], told.get("firstFault")), (&Value::Bool(true), None));
    assert!(told["entries"].as_u64().unwrap() > 300 && told["seconds"].is_number() && told["megabytes"].as_f64().unwrap() > 0.5);
    assert!(told["checked"]["projection"]["flow"].as_u64().unwrap() > 0);

    let told = json(&run(&["verify", "--log-only", "--json"], folder.path()));
    assert_eq!((&told["ok"], &told["checked"]["parts"]), (&Value::Bool(true), &0.into()));
}

#[test]
fn verify_fails_with_the_first_fault_and_what_to_do() {
    let folder = Folder::rich();
    folder.change("DELETE FROM naming");
    let output = run(&["verify"], folder.path());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.starts_with("NOT VERIFIED (projection): table `naming`") && said.contains("ledgerline rebuild"), "{said}");
    let told = json(&run(&["verify", "--json"], folder.path()));
    assert_eq!((&told["ok"], &told["firstFault"]["check"]), (&Value::Bool(false), &"projection".into()));
}

#[test]
fn rebuild_says_whether_anything_differed() {
    let folder = Folder::rich();
    folder.change("UPDATE run SET complete = NULL");
    let output = run(&["rebuild"], folder.path());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("the rebuilt one is kept") && said.contains("rows of `run`"), "{said}");
    let said = String::from_utf8(run(&["rebuild"], folder.path()).stdout).unwrap();
    assert!(said.contains("the graph that was there was the same"), "{said}");
    let told = json(&run(&["rebuild", "--json"], folder.path()));
    assert_eq!((&told["ok"], &told["same"]), (&Value::Bool(true), &Value::Bool(true)));

    folder.change("UPDATE entry SET core = zeroblob(99) WHERE ix = 3");
    let output = run(&["rebuild"], folder.path());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(1) && said.starts_with("NOT REBUILT (part): entry 3, part 0 (core)"), "{said}");
}

#[test]
fn a_folder_that_is_not_there_and_a_question_without_a_place_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["verify"], &dir.path().join("nothing"));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("no ledgerline data"));
    let output = Command::new(env!("CARGO_BIN_EXE_ledgerline")).env_clear().arg("verify").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
