//! The command line as its users meet it: exit codes, outputs, files it leaves.
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use ledgerline::{
    access::Role,
    cli::{
        args::{Target, TokenCreateArgs},
        client::{Client, ClientError},
        demo_estate, remote_token,
    },
    domain::time::Micros,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::scripted_server::{Request, Response, ScriptedServer};

const TOKEN: &str = "ll_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn ledgerline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ledgerline"));
    command.env_clear();
    command
}

fn out(output: &Output) -> (i32, String, String) {
    (output.status.code().unwrap(), String::from_utf8(output.stdout.clone()).unwrap(), String::from_utf8(output.stderr.clone()).unwrap())
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    out(&ledgerline().args(arguments).output().unwrap())
}

/// Takes every event that has a `job`, refuses the others as the contract says.
fn batch(request: &Request) -> Response {
    let events: Vec<Result<Value, _>> = request.body.lines().map(serde_json::from_str::<Value>).collect();
    let failed: Vec<Value> = events
        .iter()
        .enumerate()
        .filter_map(|(index, event)| match event {
            Ok(event) if event.get("job").is_some() => None,
            Ok(_) => Some(json!({ "index": index, "reason": "`job` is missing", "pointer": "/job" })),
            Err(_) => Some(json!({ "index": index, "reason": "not JSON", "pointer": null })),
        })
        .collect();
    let summary = json!({ "received": events.len(), "successful": events.len() - failed.len(), "failed": failed.len(), "duplicates": 0 });
    (200, String::new(), json!({ "status": "partial_success", "summary": summary, "failed_events": failed }).to_string())
}

struct Import {
    folder: TempDir,
    server: ScriptedServer,
}

impl Import {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), server: ScriptedServer::start(batch) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, text: &str) {
        fs::write(self.path("events.ndjson"), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn run(&self, more: &[&str]) -> (i32, String, String) {
        let mut command = ledgerline();
        command.current_dir(self.folder.path()).args([
            "import",
            "events.ndjson",
            "--url",
            &self.server.url,
            "--token",
            TOKEN,
            "--patience",
            "0",
        ]);
        out(&command.args(more).output().unwrap())
    }

    /// The bodies that the server got.
    fn sent(&self) -> Vec<String> {
        self.server.take_requests().into_iter().map(|r| r.body).collect()
    }
}

fn event(n: usize) -> String {
    format!("{{\"job\":{n}}}")
}

#[test]
fn accepted_events_are_counted_and_nothing_is_reported() {
    let import = Import::new();
    import.write(&format!("{}\n{}\n", event(1), event(2)));
    let (code, stdout, _) = import.run(&[]);
    assert_eq!((code, stdout.as_str()), (0, "events.ndjson: 2 events read, 2 accepted (0 known before), 0 refused\n"));
    let requests = import.server.take_requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, "POST /api/v1/lineage/batch");
    assert_eq!(requests[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(requests[0].headers["content-type"], "application/x-ndjson");
    assert_eq!(requests[0].body, format!("{}\n{}\n", event(1), event(2)));
    assert!(!import.path("events.ndjson.refused.ndjson").exists());
}

#[test]
fn refused_events_go_to_a_report_with_line_reason_pointer_and_themselves() {
    let import = Import::new();
    import.write(&format!("{}\n\n{{\"no\": \"}}\"}}\n{{broken\n", event(1)));
    let (code, stdout, _) = import.run(&[]);
    assert_eq!(code, 1);
    assert_eq!(stdout, "events.ndjson: 3 events read, 1 accepted (0 known before), 2 refused\n  reasons: events.ndjson.refused.ndjson\n");
    assert_eq!(
        import.read("events.ndjson.refused.ndjson"),
        "{\"line\":3,\"reason\":\"`job` is missing\",\"pointer\":\"/job\",\"event\":{\"no\": \"}\"}}\n{\"line\":4,\"reason\":\"not JSON\",\"pointer\":null,\"text\":\"{broken\"}\n"
    );
}

#[test]
fn an_array_is_sent_one_event_a_line() {
    let import = Import::new();
    import.write("[\n  {\"job\":\n 1},\n  {\"job\": 2}\n]\n");
    let (code, stdout, _) = import.run(&["--json"]);
    assert_eq!(code, 0);
    assert_eq!(
        serde_json::from_str::<Value>(&stdout).unwrap(),
        json!({ "files": [{ "file": "events.ndjson", "read": 2, "accepted": 2, "duplicates": 0, "refused": 0, "report": null }] })
    );
    assert_eq!(import.sent(), ["{\"job\":  1}\n{\"job\": 2}\n"]);
    assert_eq!(import.run(&[]).1, "events.ndjson: 2 events read, 2 accepted (0 known before), 0 refused\n");
    assert_eq!(import.sent(), [""; 0], "the second time nothing is left to send");
}

#[test]
fn a_stopped_import_goes_on_where_it_was_and_repeats_no_line_of_its_report() {
    let import = Import::new();
    let lines = ["{\"no\":1}".to_owned(), event(2), "{\"no\":3}".to_owned(), event(4), event(5)];
    import.write(&lines.join("\n"));
    let mut calls = 0;
    import.server.answer(move |request| {
        calls += 1;
        if calls == 2 { (500, String::new(), "{\"message\":\"broken\"}".to_owned()) } else { batch(request) }
    });
    let (code, _, stderr) = import.run(&["--batch", "2"]);
    assert_eq!((code, stderr.as_str()), (1, "error: import of events.ndjson: the server answered 500: broken\n"));
    import.sent();

    import.server.answer(batch);
    let (code, stdout, stderr) = import.run(&["--batch", "2"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("going on at byte"), "{stderr}");
    assert!(stdout.starts_with("events.ndjson: 5 events read, 3 accepted (0 known before), 2 refused\n"), "{stdout}");
    assert_eq!(import.sent(), [format!("{}\n{}\n", lines[2], lines[3]), format!("{}\n", lines[4])]);
    let reported: Vec<u64> = import
        .read("events.ndjson.refused.ndjson")
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["line"].as_u64().unwrap())
        .collect();
    assert_eq!(reported, [1, 3]);
}

#[test]
fn a_file_that_grew_sends_what_is_new_and_a_changed_one_starts_again() {
    let import = Import::new();
    import.write(&format!("{}\n", event(1)));
    import.run(&[]);
    import.write(&format!("{}\n{}\n", event(1), event(2)));
    import.sent();
    import.run(&[]);
    assert_eq!(import.sent(), [format!("{}\n", event(2))]);
    import.write(&format!("{}\n{}\n", event(7), event(2)));
    import.run(&[]);
    assert_eq!(import.sent(), [format!("{}\n{}\n", event(7), event(2))]);
    import.run(&["--again"]);
    assert_eq!(import.sent(), [format!("{}\n{}\n", event(7), event(2))]);
}

#[test]
fn a_batch_that_is_too_large_is_halved_in_order_until_one_is_left() {
    let import = Import::new();
    import.write(&[event(1), event(2), event(3)].join("\n"));
    import.server.answer(|request| match request.body.lines().count() {
        1 if !request.body.contains('3') => batch(request),
        _ => (413, String::new(), String::new()),
    });
    let (code, stdout, _) = import.run(&[]);
    assert_eq!(code, 1);
    assert!(stdout.starts_with("events.ndjson: 3 events read, 2 accepted (0 known before), 1 refused\n"), "{stdout}");
    let lines: Vec<usize> = import.sent().iter().map(|b| b.lines().count()).collect();
    assert_eq!(lines, [3, 1, 2, 1, 1]);
    assert!(import.read("events.ndjson.refused.ndjson").contains("larger than the server takes"));
}

#[test]
fn standard_input_is_read_and_its_report_lies_where_one_is() {
    let import = Import::new();
    let mut child = ledgerline()
        .current_dir(import.folder.path())
        .env("LEDGERLINE_TOKEN", TOKEN)
        .env("LEDGERLINE_URL", &import.server.url)
        .args(["import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{\"job\":1}\n{}\n").unwrap();
    let (code, stdout, _) = out(&child.wait_with_output().unwrap());
    assert_eq!((code, stdout.as_str()), (1, "-: 2 events read, 1 accepted (0 known before), 1 refused\n  reasons: stdin.refused.ndjson\n"));
    assert!(!import.path("stdin.import-state.json").exists());
}

#[test]
fn a_refused_token_ends_the_import_without_showing_it() {
    let import = Import::new();
    import.write(&event(1));
    import.server.answer(|_| (401, String::new(), "{\"errors\":[{\"message\":\"the token has expired\"}]}".to_owned()));
    let (code, stdout, stderr) = import.run(&[]);
    assert_eq!((code, stderr.as_str()), (1, "error: import of events.ndjson: the server answered 401: the token has expired\n"));
    assert!(!format!("{stdout}{stderr}").contains(TOKEN));
}

/// A client that notes how long it would have waited.
fn patient(url: &str, patience: u64) -> (Client, Arc<Mutex<Vec<u64>>>) {
    let waits = Arc::new(Mutex::new(Vec::new()));
    let noted = waits.clone();
    let client = Client::new(url, Some(TOKEN), Duration::from_secs(patience)).unwrap();
    (client.waiting_by(move |d| noted.lock().unwrap().push(u64::try_from(d.as_millis()).unwrap())), waits)
}

#[test]
fn a_busy_server_is_waited_for_as_long_as_it_asks() {
    let mut calls = 0;
    let server = ScriptedServer::start(move |_| {
        calls += 1;
        match calls {
            1 => (503, "retry-after: 2\r\n".to_owned(), String::new()),
            2 => (429, String::new(), String::new()),
            _ => (200, String::new(), "{}".to_owned()),
        }
    });
    let (mut client, waits) = patient(&server.url, 60);
    assert_eq!(client.post_patiently("/x", "application/json", b"{}").unwrap().status, 200);
    assert_eq!(*waits.lock().unwrap(), [2000, 500]);
}

#[test]
fn patience_ends_and_the_last_failure_is_told() {
    let server = ScriptedServer::start(|_| (503, "retry-after: 3600\r\n".to_owned(), "{\"message\":\"the queue is full\"}".to_owned()));
    let (mut client, waits) = patient(&server.url, 70);
    let error = client.post_patiently("/x", "application/json", b"{}").unwrap_err();
    assert!(matches!(&error, ClientError::Refused { status: 503, message } if message == "the queue is full"), "{error}");
    assert_eq!(*waits.lock().unwrap(), [30_000, 30_000], "a wait has a limit of its own");
}

#[test]
fn a_server_that_is_away_is_waited_for_and_then_named() {
    // Bound and closed again: nobody listens there.
    let url = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let (mut client, waits) = patient(&url, 1);
    let error = client.post_patiently("/x", "application/json", b"{}").unwrap_err().to_string();
    assert!(error.starts_with(&format!("the server at {url} cannot be reached: ")), "{error}");
    assert_eq!(*waits.lock().unwrap(), [250, 500]);
}

#[test]
fn redirects_are_not_followed() {
    let server = ScriptedServer::start(|_| (307, "location: http://127.0.0.1:1/\r\n".to_owned(), String::new()));
    let (client, _) = patient(&server.url, 0);
    assert_eq!(client.post("/x", "application/json", b"{}").unwrap().status, 307);
    assert_eq!(server.take_requests().len(), 1);
}

fn token_arguments() -> TokenCreateArgs {
    TokenCreateArgs {
        roles: vec![Role::Producer, Role::PrivacyOfficer],
        actor: "local".to_owned(),
        person: false,
        integration: "dbt".to_owned(),
        namespaces: vec!["shop*".to_owned()],
        expires: Some(Micros(0)),
        reason: "for a test".to_owned(),
        target: Target { data: None, url: None, token: None, config: Default::default() },
    }
}

#[test]
fn a_token_is_asked_for_with_all_its_attributes() {
    let server = ScriptedServer::start(|_| {
        (
            200,
            String::new(),
            json!({ "data": { "createToken": { "token": TOKEN, "receipt": { "index": 1 }, "refusal": null } } }).to_string(),
        )
    });
    let (client, _) = patient(&server.url, 0);
    assert_eq!(remote_token::create(&client, &token_arguments()).unwrap(), TOKEN);
    let sent: Value = serde_json::from_str(&server.take_requests()[0].body).unwrap();
    let input = json!({ "actor": "local", "person": false, "roles": ["PRODUCER", "PRIVACY_OFFICER"], "integration": "dbt", "namespaces": ["shop*"], "expiresAt": "1970-01-01T00:00:00.000000Z", "reason": "for a test" });
    assert_eq!(sent["variables"]["input"], input);
}

#[test]
fn a_refusal_is_told_in_the_servers_words() {
    let refusal = json!({ "data": { "createToken": { "token": null, "receipt": null, "refusal": { "code": "FORBIDDEN", "message": "no role of the token permits `ManageTokens`", "field": null } } } });
    let server = ScriptedServer::start(move |_| (200, String::new(), refusal.to_string()));
    let (client, _) = patient(&server.url, 0);
    let error = remote_token::create(&client, &token_arguments()).unwrap_err();
    assert_eq!(error.to_string(), "refused (FORBIDDEN): no role of the token permits `ManageTokens`");
}

#[test]
fn tokens_are_listed_page_by_page() {
    let server = ScriptedServer::start(|request| {
        let last = request.body.contains("\"after\":\"c1\"");
        let page = json!({ "nodes": [{ "id": if last { "b" } else { "a" } }], "pageInfo": { "hasNextPage": !last, "endCursor": "c1" } });
        (200, String::new(), json!({ "data": { "tokens": page } }).to_string())
    });
    let (client, _) = patient(&server.url, 0);
    assert_eq!(remote_token::list(&client).unwrap(), [json!({ "id": "a" }), json!({ "id": "b" })]);
}

#[test]
fn wrong_usage_is_2_and_help_is_0() {
    for wrong in [
        &["import"][..],
        &["nothing"],
        &[],
        &["import", "x", "--url", "http://x", "--token", "t", "--batch", "0"],
        &["config", "check", "--nonsense"],
    ] {
        assert_eq!(run(wrong).0, 2, "{wrong:?}");
    }
    for help in [
        &["--help"][..],
        &["import", "--help"],
        &["config", "--help"],
        &["config", "check", "--help"],
        &["config", "reference", "--help"],
        &["health", "--help"],
        &["--version"],
    ] {
        let (code, stdout, _) = run(help);
        assert_eq!(code, 0, "{help:?}");
        assert!(!stdout.is_empty());
    }
}

#[test]
fn help_never_shows_the_token_of_the_environment() {
    let output = ledgerline().env("LEDGERLINE_TOKEN", TOKEN).args(["import", "--help"]).output().unwrap();
    assert!(!out(&output).1.contains(TOKEN));
}

#[test]
fn what_is_no_address_or_no_token_is_said_before_anything_is_sent() {
    let (code, _, stderr) = run(&["import", "x", "--url", "localhost:8080", "--token", TOKEN]);
    assert_eq!((code, stderr.as_str()), (1, "error: `localhost:8080` is not an http or https address\n"));
    let (code, _, stderr) = run(&["import", "x", "--url", "http://localhost", "--token", "a b"]);
    assert_eq!((code, stderr.as_str()), (1, "error: the token holds characters that no token has\n"));
}

#[test]
fn config_check_shows_what_holds_or_all_that_is_wrong() {
    let output = ledgerline().env("LEDGERLINE_LISTEN", "127.0.0.1:9").args(["config", "check"]).output().unwrap();
    let (code, stdout, _) = out(&output);
    assert_eq!(code, 0);
    assert!(stdout.contains("127.0.0.1:9  (from the environment (`LEDGERLINE_LISTEN`))"), "{stdout}");
    let output = ledgerline()
        .env("LEDGERLINE_LISTENN", "1")
        .env("LEDGERLINE_HTTP__WORKERS", "x")
        .args(["config", "check", "--json"])
        .output()
        .unwrap();
    let (code, stdout, _) = out(&output);
    assert_eq!(code, 1);
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()["errors"].as_array().unwrap().len(), 2);
}

#[test]
fn config_reference_is_the_page_and_a_list_for_programs() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap();
    assert_eq!(run(&["config", "reference"]).1, page);
    let list: Value = serde_json::from_str(&run(&["config", "reference", "--json"]).1).unwrap();
    assert_eq!(list[0]["environment"], "LEDGERLINE_LISTEN");
}

#[test]
fn health_follows_readiness() {
    let server = ScriptedServer::start(|request| (if request.line == "GET /livez" { 200 } else { 503 }, String::new(), String::new()));
    assert_eq!(run(&["health", "--url", &server.url]), (1, "/readyz answered 503\n".to_owned(), String::new()));
    assert_eq!(run(&["health", "--url", &server.url, "--live"]).0, 0);
    let away = ledgerline().env("LEDGERLINE_LISTEN", "127.0.0.1:1").args(["health", "--json"]).output().unwrap();
    let (code, stdout, _) = out(&away);
    assert_eq!((code, &serde_json::from_str::<Value>(&stdout).unwrap()["url"]), (1, &json!("http://127.0.0.1:1")));
}

#[test]
fn the_demos_queries_have_a_title_and_balanced_braces() {
    for query in demo_estate::queries(Micros(0)) {
        assert!(query.title().ends_with(['?', '.']), "{}", query.name);
        assert_eq!(query.text.matches('{').count(), query.text.matches('}').count(), "{}", query.name);
        for name in query.variables.as_object().unwrap().keys() {
            assert!(query.text.contains(&format!("${name}:")), "{} {name}", query.name);
        }
    }
}

/// Needs the published schemas, which are not ours to copy.
mod shared_data {
    use std::{collections::BTreeMap, fs, path::PathBuf};

    use jsonschema::{Draft, Registry};
    use ledgerline::{cli::demo_estate, domain::time::Micros};
    use serde_json::Value;

    fn spec() -> PathBuf {
        let shared = std::env::var_os("LEDGERLINE_SHARED")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
        shared.join("data/openlineage/spec")
    }

    fn read(path: PathBuf) -> Value {
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn the_demos_events_and_facets_are_valid_openlineage() {
        let core = read(spec().join("OpenLineage.json"));
        let mut schemas = BTreeMap::from([(core["$id"].as_str().unwrap().to_owned(), core.clone())]);
        for file in fs::read_dir(spec().join("facets")).unwrap() {
            let schema = read(file.unwrap().path());
            schemas.insert(schema["$id"].as_str().unwrap().to_owned(), schema);
        }
        let registry = Registry::new()
            .extend(schemas.iter().map(|(id, schema)| (id.clone(), Draft::Draft202012.create_resource(schema.clone()))))
            .unwrap()
            .prepare()
            .unwrap();
        let validator = |reference: &str| {
            jsonschema::options()
                .with_registry(&registry)
                .should_validate_formats(true)
                .build(&serde_json::json!({ "$ref": reference }))
                .unwrap()
        };
        let event_validator = validator(core["$id"].as_str().unwrap());
        let mut facet_validators = BTreeMap::new();
        let mut facets = 0;
        for event in demo_estate::events(Micros(1_795_521_600_000_000)).step_by(7) {
            let errors: Vec<String> = event_validator.iter_errors(&event).map(|e| format!("{} at {}", e, e.instance_path())).collect();
            assert!(errors.is_empty(), "{errors:?}\n{event:#}");
            let datasets = ["inputs", "outputs"].iter().filter_map(|side| event.get(side)?.as_array()).flatten();
            let holders =
                [event.pointer("/run/facets"), event.pointer("/job/facets"), event.pointer("/dataset/facets")].into_iter().flatten();
            let holders = holders.chain(datasets.flat_map(|d| ["facets", "inputFacets", "outputFacets"].iter().filter_map(|f| d.get(f))));
            for (name, facet) in holders.filter_map(Value::as_object).flatten() {
                let url = facet["_schemaURL"].as_str().unwrap();
                if !url.starts_with("https://openlineage.io/") {
                    continue;
                }
                let known = facet_validators.entry(url.to_owned()).or_insert_with(|| validator(url));
                let errors: Vec<String> = known.iter_errors(facet).map(|e| format!("{} at {}", e, e.instance_path())).collect();
                assert!(errors.is_empty(), "{name}: {errors:?}\n{facet:#}");
                facets += 1;
            }
        }
        assert!(facets > 1000);
    }
}
