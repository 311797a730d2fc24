//! The corpora of the fuzz targets, replayed: `fuzz/` itself runs where a nightly
//! compiler is.
//!
//! A file named `ok-…` must be accepted, `bad-…` refused; what a fuzzer found has
//! other names and only the target's properties must hold.
use std::{fs, path::Path};

use ledgerline::{domain::entry::fuzzing as entry, ledger::fuzzing as ledger};

/// Whether the input was accepted, or which property it broke.
type Target = fn(&[u8]) -> Result<bool, String>;

/// One row for every target in `fuzz/fuzz_targets/`.
const TARGETS: &[(&str, Target)] = &[
    ("bundle", ledger::bundle),
    ("checkpoint", ledger::checkpoint),
    ("leaf", entry::leaf),
    ("note", ledger::note),
    ("opening", entry::opening),
    ("openlineage", ledgerline::interop::openlineage::fuzz_event),
    ("proof", ledger::proof),
    ("tile_path", ledger::tile_path),
    ("vkey", ledger::vkey),
];

fn names(folder: &Path, suffix: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{} is in the repository: {e}", folder.display()));
    let name = |e: std::io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).filter_map(|n| n.strip_suffix(suffix).map(str::to_owned)).collect();
    names.sort();
    names
}

#[test]
fn every_input_of_every_corpus_keeps_its_targets_properties() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (target, run) in TARGETS {
        let folder = corpora.join(target);
        let inputs = names(&folder, "");
        for kind in ["ok-", "bad-"] {
            assert!(inputs.iter().any(|n| n.starts_with(kind)), "the corpus of {target} has inputs named {kind}…");
        }
        for input in inputs {
            let accepted = run(&fs::read(folder.join(&input)).unwrap()).unwrap_or_else(|broken| panic!("{target}/{input}: {broken}"));
            if input.starts_with("ok-") || input.starts_with("bad-") {
                assert_eq!(accepted, input.starts_with("ok-"), "{target}/{input}");
            }
        }
    }
}

#[test]
fn every_target_and_every_corpus_is_replayed() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let replayed: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names(&fuzz.join("fuzz_targets"), ".rs"), replayed);
    assert_eq!(names(&fuzz.join("corpus"), ""), replayed);
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for name in replayed {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is built");
    }
}
