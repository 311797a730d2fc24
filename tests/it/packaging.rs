//! The container files, as far as they can be checked without an engine: they name
//! only what exists, run without rights, and agree with the program's own defaults.
use std::{fs, path::Path};

use ledgerline::config::KEYS;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The Dockerfile's instructions, continued lines joined: keyword and the rest.
fn instructions() -> Vec<(String, String)> {
    let text = read("Dockerfile").replace("\\\n", " ");
    text.lines()
        .filter(|l| !l.trim_start().starts_with('#') && !l.trim().is_empty())
        .map(|l| {
            let (keyword, rest) = l.trim().split_once(' ').unwrap();
            (keyword.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

fn all(keyword: &str) -> Vec<String> {
    instructions().into_iter().filter(|(k, _)| k == keyword).map(|(_, rest)| rest).collect()
}

/// Variables of ours that a text sets or names.
fn variables(text: &str) -> Vec<String> {
    let name = |i: usize| text[i..].chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
    text.match_indices("LEDGERLINE_").map(|(i, _)| name(i)).collect()
}

fn port() -> String {
    KEYS.iter().find(|k| k.name == "listen").unwrap().default.rsplit_once(':').unwrap().1.to_owned()
}

#[test]
fn the_image_is_built_in_stages_and_the_last_has_no_compiler() {
    let stages = all("FROM");
    assert_eq!(stages.iter().map(|s| s.rsplit_once(" AS ").unwrap().1).collect::<Vec<_>>(), ["build", "server"]);
    assert!(stages[1].starts_with("debian:") && stages[1].contains("-slim"));
    for from in all("COPY").iter().filter_map(|c| c.strip_prefix("--from=")) {
        assert_eq!(from.split(' ').next(), Some("build"));
    }
}

#[test]
fn the_builder_has_the_rust_that_the_manifest_asks_for() {
    let wanted: toml::Table = read("Cargo.toml").parse().unwrap();
    let minor = |version: &str| version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    let wanted = minor(wanted["package"]["rust-version"].as_str().unwrap());
    let image = &all("FROM")[0];
    let version = image.strip_prefix("rust:").unwrap().split('-').next().unwrap();
    assert!(minor(version) >= wanted, "{version} is older than 1.{wanted}");
}

#[test]
fn the_server_runs_as_a_user_without_rights() {
    let steps = instructions();
    let last_stage = steps.iter().rposition(|(k, _)| k == "FROM").unwrap();
    let user = steps.iter().rposition(|(k, _)| k == "USER").unwrap();
    let start = steps.iter().rposition(|(k, _)| k == "ENTRYPOINT").unwrap();
    assert!(last_stage < user && user < start);
    let id: u32 = steps[user].1.split(':').next().unwrap().parse().unwrap();
    assert!(id >= 1000);
}

#[test]
fn everything_that_is_copied_exists_and_is_let_through() {
    let ignore = read(".dockerignore");
    for copy in all("COPY").iter().filter(|c| !c.starts_with("--from")) {
        let mut words: Vec<&str> = copy.split(' ').collect();
        words.pop();
        for source in words {
            assert!(root().join(source).exists(), "{source}");
            assert!(ignore.lines().any(|l| l == format!("!{source}")), "{source} is ignored");
        }
    }
}

#[test]
fn everything_that_the_program_includes_is_copied() {
    // `include_str!` and its like reach out of `src` only into copied folders.
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for (i, _) in text.match_indices("include_str!(\"").chain(text.match_indices("include_bytes!(\"")) {
                let name = text[i..].split('"').nth(1).unwrap();
                let target = path.parent().unwrap().join(name).canonicalize().unwrap();
                let inside = target.strip_prefix(root().canonicalize().unwrap()).unwrap();
                let top = inside.iter().next().unwrap().to_str().unwrap();
                assert!(all("COPY").iter().any(|c| c.split(' ').any(|w| w == top)), "{} is not copied", inside.display());
            }
        }
    }
}

#[test]
fn ports_agree_with_the_default() {
    let port = port();
    assert_eq!(all("EXPOSE"), [port.as_str()]);
    assert!(all("ENV")[0].contains(&format!("LEDGERLINE_LISTEN=0.0.0.0:{port}")));
    assert!(read("docker-compose.yml").contains(&format!("\"127.0.0.1:{port}:{port}\"")));
}

#[test]
fn only_known_variables_are_set() {
    let known: Vec<String> = KEYS.iter().map(ledgerline::config::Key::variable).collect();
    for file in ["Dockerfile", "docker-compose.yml"] {
        let set = variables(&read(file));
        assert!(!set.is_empty());
        for variable in set {
            assert!(known.contains(&variable), "{file}: {variable}");
        }
    }
}

#[test]
fn compose_is_yaml_that_names_only_volumes_and_stages_there_are() {
    let text = read("docker-compose.yml");
    assert!(!text.contains('\t'));
    let volumes: Vec<&str> =
        text.split("\nvolumes:\n").nth(1).unwrap().lines().map(|l| l.trim().trim_end_matches(':')).filter(|l| !l.is_empty()).collect();
    let mounted: Vec<(&str, &str)> = text
        .split("    volumes:\n")
        .nth(1)
        .unwrap()
        .lines()
        .map_while(|l| l.strip_prefix("      - "))
        .map(|l| l.split_once(':').unwrap())
        .collect();
    assert_eq!(mounted.iter().map(|(name, _)| *name).collect::<Vec<_>>(), volumes);
    let declared = &all("VOLUME")[0];
    for (_, path) in &mounted {
        assert!(declared.contains(&format!("\"{path}\"")), "{path}");
    }
    assert!(text.contains("target: server"));
}

#[test]
fn containers_are_watched_by_the_program_itself() {
    assert!(all("HEALTHCHECK")[0].ends_with("CMD [\"ledgerline\", \"health\"]"));
    assert!(read("docker-compose.yml").contains("test: [\"CMD\", \"ledgerline\", \"health\"]"));
}

#[test]
fn scripts_can_be_started_and_are_valid_bash() {
    use std::{os::unix::fs::PermissionsExt, process::Command};
    for script in ["scripts/test", "scripts/conformance", ".ci/run"] {
        let path = root().join(script);
        assert!(fs::metadata(&path).unwrap().permissions().mode() & 0o111 != 0, "{script}");
        assert!(Command::new("bash").arg("-n").arg(&path).status().unwrap().success(), "{script}");
    }
}

#[test]
fn the_query_page_is_small_and_loads_nothing_from_elsewhere() {
    let [html, css, js] = ["html", "css", "js"].map(|e| read(&format!("src/api/http/page.{e}")));
    assert!(html.len() + css.len() + js.len() < 30_000);
    // An address of another server, except the name of the SVG namespace.
    let elsewhere = js.replace("\"http://www.w3.org/2000/svg\"", "");
    // Namespaces of the demo in the example queries are names, not addresses.
    let elsewhere =
        ["bi://", "studio://", "snowflake://", "airflow://", "dbt://"].iter().fold(elsewhere, |js, scheme| js.replace(scheme, ""));
    for text in [&html, &css, &elsewhere] {
        assert!(!text.contains("//") || text.lines().filter(|l| l.contains("//")).all(|l| l.trim_start().starts_with("// ")), "an address");
    }
    // A strict content security policy allows neither of these.
    for inline in ["<script>", "<style", " style=", "onclick", "onload", "javascript:"] {
        assert!(!html.contains(inline), "{inline}");
    }
    for made in ["innerHTML", "eval(", "document.write", "localStorage"] {
        assert!(!js.contains(made), "{made}");
    }
}
