//! The source tree keeps its own rules: which way dependencies point, who may name
//! a backend, who may touch ambient time and chance, and how long a file may be.
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const LINES_MAX: usize = 600;

/// What each folder of `src` may name of ours. Direction: `api → app → {store,
/// access, vault, ledger, interop} → domain`. `clock`, `config` and `telemetry` are
/// ground that everything above the domain stands on.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("ledger", &["clock", "domain"]),
    ("interop", &["domain"]),
    ("clock", &["domain"]),
    ("config", &[]),
    ("telemetry", &["clock", "config", "domain"]),
    ("access", &["clock", "domain"]),
    ("vault", &["clock", "domain"]),
    // A backend also answers the vault's own trait, opens what the vault sealed, and
    // reads events back out of `core` and `rest` where a projection is not enough.
    ("store", &["clock", "domain", "interop", "ledger", "telemetry", "vault"]),
    ("app", &["access", "clock", "config", "domain", "interop", "ledger", "store", "telemetry", "vault"]),
    ("api", &["access", "app", "clock", "config", "domain", "interop", "ledger", "store", "telemetry", "vault"]),
    ("cli", &["access", "api", "app", "clock", "config", "domain", "interop", "ledger", "store", "telemetry", "vault"]),
];

/// Where the parts are put together: only there a backend has a name.
fn is_composition_root(file: &Path) -> bool {
    let path = file.to_string_lossy();
    path.starts_with("cli/") || path.starts_with("cli.rs") || path.starts_with("app/compose")
}

/// Source without comments and without `#[cfg(test)] mod tests { … }`, by path
/// inside `src`.
fn sources() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.insert(path.strip_prefix(&root).unwrap().to_owned(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(found.len() > 10, "the source tree was found");
    found
}

fn code(text: &str) -> String {
    let before_tests = text.split("\n#[cfg(test)]\nmod tests").next().unwrap_or_default();
    before_tests.lines().filter(|l| !l.trim_start().starts_with("//")).map(|l| format!("{l}\n")).collect()
}

/// The folder (or file) of `src` that a path belongs to.
fn part(file: &Path) -> String {
    file.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// Which of our parts a piece of code names: `crate::x` and each branch of
/// `crate::{x, y::z}`.
fn named(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (i, _) in code.match_indices("crate::") {
        // `other_crate::` is not ours.
        if code[..i].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[i + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut start = true;
            for (j, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => start = true,
                    c if start && depth == 1 && !c.is_whitespace() => {
                        names.push(identifier(&group[j..]));
                        start = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            names.push(identifier(rest));
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn names_are_found_in_paths_and_in_groups() {
    assert_eq!(named("use crate::domain::id; crate::{clock::{A, B}, store}; my_crate::api;"), ["domain", "clock", "store"]);
}

#[test]
fn dependencies_point_downwards_only() {
    let rules: BTreeMap<&str, &[&str]> = MAY_NAME.iter().copied().collect();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let part = part(&file);
        if part == "lib" || part == "main" {
            continue;
        }
        let may = rules.get(part.as_str()).unwrap_or_else(|| panic!("`{part}` has no line in MAY_NAME"));
        for name in named(&code(&text)) {
            if name != part && !may.contains(&name.as_str()) {
                wrong.push(format!("src/{} names `{name}`, which `{part}` must not", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn backends_are_named_in_the_composition_root_only() {
    for (file, text) in sources() {
        let inside = |backend: &str| file.starts_with(format!("store/{backend}")) || file.ends_with(format!("store/{backend}.rs"));
        for backend in ["embedded", "neo4j"] {
            let names = code(&text).contains(&format!("store::{backend}"));
            assert!(!names || inside(backend) || is_composition_root(&file), "src/{} names the backend `{backend}`", file.display());
        }
    }
}

#[test]
fn only_the_api_knows_graphql_and_http_servers() {
    for (file, text) in sources() {
        for library in ["async_graphql", "actix_web"] {
            let may = part(&file) == "api";
            assert!(may || !code(&text).contains(library), "src/{} names `{library}`", file.display());
        }
    }
}

#[test]
fn only_the_embedded_store_knows_sqlite() {
    for (file, text) in sources() {
        let may = file.starts_with("store/embedded");
        assert!(may || !code(&text).contains("rusqlite"), "src/{} names `rusqlite`", file.display());
    }
}

#[test]
fn time_and_chance_are_arguments() {
    const AMBIENT: &[&str] = &[
        "SystemTime::now",
        "Utc::now",
        "Local::now",
        "now_v7(",
        "new_v4(",
        "new_v7(",
        "rand::rng(",
        "thread_rng",
        "rand::random",
        "OsRng",
        "SysRng",
        "getrandom",
    ];
    for (file, text) in sources() {
        if file == Path::new("clock.rs") {
            continue;
        }
        for ambient in AMBIENT {
            assert!(!code(&text).contains(ambient), "src/{} uses `{ambient}`: take a `Clock` or an `Entropy`", file.display());
        }
    }
}

#[test]
fn no_file_is_longer_than_one_idea() {
    for (file, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "src/{} has {lines} lines, more than {LINES_MAX}: cut it", file.display());
    }
}

#[test]
fn nothing_is_left_for_later() {
    for (file, text) in sources() {
        for mark in ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!(", "dbg!("] {
            assert!(!text.contains(mark), "src/{} holds `{mark}`", file.display());
        }
    }
}
