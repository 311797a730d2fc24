//! Pages that name tests beside what they claim: each of those exists, so that no claim
//! outlives what holds it.
use std::{collections::BTreeSet, fs, path::Path};

/// The names of all functions in a folder's sources.
fn functions(folder: &Path, into: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            functions(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let named = text.lines().filter_map(|line| line.trim_start().trim_start_matches("async ").strip_prefix("fn "));
            into.extend(named.filter_map(|rest| Some(rest.split_once('(')?.0.to_owned())));
        }
    }
}

/// All functions of the tests and the sources.
fn all(root: &Path) -> BTreeSet<String> {
    let mut there = BTreeSet::new();
    functions(&root.join("tests"), &mut there);
    functions(&root.join("src"), &mut there);
    there
}

#[test]
fn every_test_that_the_page_for_clients_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let there = all(root);
    let page = fs::read_to_string(root.join("docs/graphql.md")).unwrap();
    let is_name =
        |word: &&str| word.matches('_').count() > 2 && word.bytes().all(|b| b == b'_' || b.is_ascii_lowercase() || b.is_ascii_digit());
    let mut named = 0;
    for name in page.split('`').skip(1).step_by(2).filter(is_name) {
        named += 1;
        assert!(there.contains(name), "`{name}` is named in docs/graphql.md and is no test");
    }
    assert!(named > 30, "{named} tests");
}

#[test]
fn every_test_that_an_answer_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let there = all(root);
    let page = fs::read_to_string(root.join("docs/complaints.md")).unwrap();
    let (mut rows, mut named) = (0, 0);
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains("](https://")) {
        rows += 1;
        let columns: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [complaint, links, answer, tests] = columns[..] else { panic!("{row}") };
        assert!(!complaint.is_empty() && !links.is_empty() && !answer.is_empty(), "{row}");
        for name in tests.split('`').skip(1).step_by(2) {
            named += 1;
            assert!(there.contains(name), "`{name}` is named in docs/complaints.md and is no test");
        }
        // What has no test says why it needs none: it is measured, not there, or not ours.
        let excused = ["performance.md", "not in scope", "not yet", "not of their versions"].iter().any(|why| answer.contains(why));
        assert!(tests.contains('`') || excused, "{row}");
    }
    assert!(rows > 60 && named > 80, "{rows} rows, {named} tests");
}
