//! Markers in every string of every kind of input, and where none of them may be.
//!
//! Found nowhere, whatever was marked: tiles, bundles, checkpoint, proofs; metrics
//! and the other pages for operators; log lines and spans at level TRACE; the texts
//! of errors and the headers of answers. (An error's `pointer` and `path` name
//! members of the sender's own request, for the sender alone.)
//!
//! In the data folder's files, byte for byte, also in what SQLite has not yet moved
//! out of its write-ahead log (`docs/privacy-of-stored-data.md`):
//! - `main.db`: names of the graph may be in the clear, for the graph is
//!   pseudonymous and not secret: namespaces and names of artifacts, run ids, names
//!   of their facets, producers and integrations, a service token's actor and
//!   namespaces. Nothing else: no person, no facet's content, no column, SQL,
//!   error text, documentation or reason, nothing of a refused or read request.
//! - `vault.db`: nothing at all.
mod plant;
mod scan;

use std::sync::{Arc, Mutex};

use ledgerline::{access::Role, app::tokens::NewToken, telemetry::Metrics};
use serde_json::{Value, json};
use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

use self::scan::{CONTENT, Find, NAME, PERSON, WIRE};
use crate::api::stand::{Answer, Ask, Stand, new_token};

/// What was logged, kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Every line at the level that `log.level = "trace"` means, and spans as they
/// come and go with their fields. Of the whole process, so that the server's
/// threads are heard; other tests' lines do no harm.
fn listen() -> Kept {
    let kept = Kept::default();
    let writer = kept.clone();
    let lines = tracing_subscriber::fmt()
        .json()
        .with_env_filter(EnvFilter::new("warn,ledgerline=trace"))
        .with_span_events(FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(lines).unwrap();
    kept
}

/// Asks, and looks at what must hold of every answer.
struct Checked<'s> {
    stand: &'s Stand,
    errors: usize,
}

impl Checked<'_> {
    fn ask(&mut self, ask: Ask<'_>) -> Answer {
        let what = format!("{} {}", ask.method, ask.path);
        let answer = self.stand.ask(ask);
        for (name, value) in answer.headers() {
            Find::ALL.in_bytes(&format!("header `{name}` of {what}"), value.as_bytes());
        }
        self.errors +=
            scan::texts_of_errors(&answer).iter().map(|text| Find::ALL.in_bytes(&format!("an error of {what}"), text.as_bytes())).count();
        answer
    }

    fn graphql(&mut self, token: &str, query: &str, variables: &Value) -> Answer {
        self.ask(Ask::json("/graphql", &json!({ "query": query, "variables": variables })).by(token))
    }
}

#[test]
fn a_marker_in_any_string_of_any_input_is_found_where_it_may_be_and_nowhere_else() {
    let log = listen();
    let metrics = Metrics::install().unwrap();
    let stand = Stand::with(|_| {}, |s| s.metrics = Some(metrics.clone()));
    let mut asked = Checked { stand: &stand, errors: 0 };

    // Actors: a service, whose names are the graph's, and a person, whose name is the vault's.
    let service = NewToken {
        actor: format!("service {NAME}"),
        roles: vec![Role::Producer, Role::Engineer],
        integration: format!("integration {NAME}"),
        namespaces: vec![format!("{NAME}*"), "*".to_owned()],
        reason: format!("because {CONTENT}"),
        ..new_token()
    };
    let producer = stand.token_of(service);
    let admin = stand.token_of(NewToken {
        actor: format!("Jane {PERSON}"),
        person: true,
        roles: vec![Role::Admin],
        reason: format!("because of {PERSON} and {CONTENT}"),
        ..new_token()
    });
    let everything = stand.token(&[Role::Engineer, Role::Auditor, Role::PrivacyOfficer]);

    let accepted = plant::accepted();
    for event in &accepted {
        let answer = asked.ask(plant::headers(Ask::json("/api/v1/lineage", event)).by(&producer));
        assert_eq!(answer.status, 201, "{}", answer.text());
        Find::ALL.in_bytes("a receipt's warnings", scan::messages(&answer.json()["warnings"]).as_bytes());
    }
    let batch = asked.ask(Ask::json("/api/v1/lineage/batch", &json!(accepted)).by(&producer));
    assert_eq!(batch.json()["summary"]["duplicates"], accepted.len());
    let packed = asked.ask(
        Ask::post("/api/v1/lineage", "application/json", plant::gzip(accepted[0].to_string().as_bytes()))
            .with("content-encoding", "gzip")
            .by(&producer),
    );
    assert_eq!(packed.status, 200);

    // Everything that is refused, and everything that is asked.
    for ask in plant::refused(&producer) {
        let answer = asked.ask(ask);
        assert!(answer.status >= 400 || answer.json()["summary"]["failed"].as_u64().is_some_and(|n| n > 0), "{}", answer.text());
    }
    for (query, variables) in plant::questions() {
        let answer = asked.graphql(&everything, &query, &variables);
        assert_eq!(answer.json().get("errors"), None, "{query}: {}", answer.text());
    }
    for (query, variables) in plant::bad_questions() {
        let answer = asked.graphql(&admin, &query, &variables);
        assert!(answer.json().get("errors").is_some(), "{query}: {}", answer.text());
    }
    for (query, variables, done) in plant::acts() {
        let answer = asked.graphql(&admin, &query, &variables);
        let payload = answer.json()["data"].as_object().unwrap().values().next().unwrap().clone();
        assert_eq!(payload["receipt"].is_object(), done, "{}", answer.text());
        assert_ne!(payload["refusal"].is_object(), done);
    }
    assert!(asked.errors > 60, "{} errors were read", asked.errors);
    stand.world.clock.advance(60_000_000);
    stand.world.app.tend();

    // Pages for operators.
    for path in ["/metrics", "/livez", "/readyz", "/version", "/"] {
        let answer = asked.ask(plant::headers(Ask::get(path)));
        assert_eq!(answer.status, 200);
        Find::ALL.in_bytes(path, &answer.body);
    }
    // The log, whole.
    let auditor = stand.token(&[Role::Auditor]);
    let size = asked.ask(Ask::get("/ledger/checkpoint").by(&auditor)).header("ledger-size").unwrap().parse::<u64>().unwrap();
    assert!(size < 256, "one tile holds all of it");
    let mut paths: Vec<String> = ["/ledger/checkpoint", "/ledger/vkey", "/ledger/consistency?from=1"].map(str::to_owned).to_vec();
    paths.extend((1..=size).flat_map(|width| [format!("/ledger/tile/0/000.p/{width}"), format!("/ledger/tile/entries/000.p/{width}")]));
    paths.extend((0..size).map(|index| format!("/ledger/proof/{index}")));
    for path in &paths {
        let answer = asked.ask(Ask::get(path).by(&auditor));
        assert_eq!(answer.status, 200, "{path}");
        Find::ALL.in_bytes(path, &answer.body);
    }

    // It was all taken in, so there was something to find: a reader with every right is shown it.
    let shown: String = (0..size).map(|i| stand.ask(Ask::get(&format!("/ledger/opening/{i}")).by(&everything)).text().to_owned()).collect();
    for class in [NAME, PERSON, CONTENT] {
        assert!(scan::holds(shown.as_bytes(), class), "{class} is in no opening");
    }
    assert!(!scan::holds(shown.as_bytes(), WIRE), "nothing of how it was asked is kept");

    files(stand.world.path(), "while it runs");
    stand.world.app.drain();
    files(stand.world.path(), "after it was drained");

    let lines = log.0.lock().unwrap().clone();
    let text = String::from_utf8(lines.clone()).unwrap();
    assert!(
        text.contains("\"level\":\"DEBUG\"") && text.contains("\"message\":\"close\"") && text.lines().count() > 500,
        "the log was heard"
    );
    Find::ALL.in_bytes("the log", &lines);
}

/// What lies in the clear in the data folder.
fn files(folder: &std::path::Path, when: &str) {
    let mut seen = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let bytes = std::fs::read(&path).unwrap();
            let place = format!("{name} {when}");
            Find::ALL.in_bytes(&format!("the name {name}"), name.as_bytes());
            if name.starts_with("main.db") {
                Find::BUT_NAMES.in_bytes(&place, &bytes);
            } else {
                Find::ALL.in_bytes(&place, &bytes);
            }
            seen.push((name, bytes));
        }
    }
    let main: Vec<u8> = seen.iter().filter(|(name, _)| name.starts_with("main.db")).flat_map(|(_, bytes)| bytes.clone()).collect();
    assert!(scan::holds(&main, NAME), "names are in the clear, so the search does find");
    assert!(seen.iter().any(|(name, _)| name.starts_with("vault.db")));
}
