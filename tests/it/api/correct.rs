//! Corrections: what is redacted is gone from every answer and every file, and
//! the log, its proofs and the graph are as before.
use ledgerline::{access::Role, app::tokens::NewToken};
use serde_json::{Value, json};

use super::stand::{Ask, Stand, block_on, new_token};
use crate::{
    socket::client::Client,
    support::run_event,
    verify::{folder::Folder, passes, rebuild},
};

const SECRET: &str = "hunter2-correct-horse";

fn facet(mut content: Value) -> Value {
    content["_producer"] = json!("https://example.org/p");
    content["_schemaURL"] = json!("https://example.org/s");
    content
}

/// A run whose job says a secret in its SQL, in a description with an address, and in an error.
fn telling(run: u8, minute: u32) -> Value {
    let mut event = run_event("COMPLETE", run, minute, &["a"], &["b"]);
    event["job"]["facets"] = json!({
        "sql": facet(json!({"query": format!("select * from a where password = '{SECRET}'")})),
        "documentation": facet(json!({"description": format!("zebra {SECRET}; ask jane@example.org")})),
    });
    event["run"]["facets"] =
        json!({"errorMessage": facet(json!({"message": format!("denied {SECRET} {run}"), "programmingLanguage": "SQL"}))});
    event["outputs"][0]["facets"] = json!({
        "schema": facet(json!({"fields": [{"name": "id", "type": "INT", "description": format!("quagga {SECRET}")}]})),
        "columnLineage": facet(json!({"fields": {"id": {"inputFields": [{"namespace": "db", "name": "a", "field": "id"}]}}})),
    });
    event
}

struct Told {
    stand: Stand,
    engineer: String,
    /// Everything at once: whoever may see most.
    all: String,
    first: u64,
    second: u64,
}

impl Told {
    fn new() -> Self {
        let stand = Stand::new();
        let engineer = stand.token(&[Role::Engineer]);
        let all = stand.token(&[Role::Engineer, Role::Auditor, Role::PrivacyOfficer]);
        let index = |run: u8| {
            let answer = stand.send(&engineer, &telling(run, 100 + u32::from(run)));
            assert_eq!(answer.status, 201, "{}", answer.text());
            answer.json()["index"].as_u64().unwrap()
        };
        let (first, second) = (index(1), index(2));
        Self { engineer, all, first, second, stand }
    }

    fn redact(&self, token: &str, input: &str) -> Value {
        self.stand.world.clock.advance(1_000_000);
        let query = format!(
            "mutation {{ redactPart(input: {{{input}, reason: \"it should not have been said\"}}) \
             {{ entries facets remaining next receipt {{ index }} refusal {{ code message field }} }} }}"
        );
        let payload = self.stand.data(token, &query, json!({}))["redactPart"].clone();
        assert_ne!(payload["receipt"].is_null(), payload["refusal"].is_null(), "{payload}");
        payload
    }

    fn done(&self, input: &str) -> Value {
        let payload = self.redact(&self.engineer, input);
        assert!(payload["refusal"].is_null(), "{payload}");
        payload
    }

    fn refused(&self, token: &str, input: &str) -> String {
        self.redact(token, input)["refusal"]["code"].as_str().unwrap_or_else(|| panic!("was done: {input}")).to_owned()
    }

    /// Every answer that could tell, of now and of the past.
    fn answers(&self) -> String {
        let size = self.second + 1;
        let artifact = "facets { name state json digest } documentation { text } description sql(raw: true) \
                        schema { fields { path description } } schemaHistory { fields { path description } } \
                        changes { nodes { event { index parts { state text } } } } \
                        runs { facets { name json } events { parts { class state text } } }";
        let mut text = String::new();
        for as_of in [String::new(), format!(", asOf: {{ledgerSize: {size}}}")] {
            for of in [r#"job: {namespace: "jobs", name: "etl"}"#, r#"dataset: {namespace: "db", name: "b"}"#] {
                let query = format!("{{ artifact(ref: {{{of}}}{as_of}) {{ {artifact} }} }}");
                text.push_str(&self.stand.data(&self.all, &query, json!({})).to_string());
            }
        }
        for index in [self.first, self.second] {
            let query = format!("{{ event(index: {index}) {{ parts {{ class state text json salt }} }} }}");
            text.push_str(&self.stand.data(&self.all, &query, json!({})).to_string());
            let opening = self.stand.ask(Ask::get(&format!("/ledger/opening/{index}")).by(&self.all));
            assert_eq!(opening.status, 200);
            // Parts of an opening are base64url.
            for part in opening.json()["parts"].as_array().unwrap() {
                use base64::Engine as _;
                let bytes = part["bytes"].as_str().unwrap_or_default();
                let open = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(bytes).unwrap();
                text.push_str(&String::from_utf8_lossy(&open));
            }
        }
        text
    }

    fn found(&self, word: &str) -> u64 {
        let query = format!("{{ search(text: \"{word}\") {{ totalCount }} }}");
        self.stand.data(&self.engineer, &query, json!({}))["search"]["totalCount"].as_u64().unwrap()
    }

    fn edges(&self, size: u64) -> Value {
        let lineage = |level: &str| {
            let query = format!(
                "{{ lineage(from: [{{dataset: {{namespace: \"db\", name: \"b\"}}}}], options: {{level: {level}}}, \
                 asOf: {{validAt: \"2026-11-24T12:00:00Z\", ledgerSize: {size}}}) {{ nodes {{ name }} edges {{ from to kind }} }} }}"
            );
            self.stand.data(&self.engineer, &query, json!({}))["lineage"].clone()
        };
        json!([lineage("ARTIFACT"), lineage("FIELD")])
    }
}

/// The sealed bytes of rows, before they are destroyed.
fn sealed(told: &Told, sql: &str) -> Vec<Vec<u8>> {
    let db = rusqlite::Connection::open(told.stand.world.path().join("main.db")).unwrap();
    let mut s = db.prepare(sql).unwrap();
    s.query_map([], |r| r.get(0)).unwrap().map(|r| r.unwrap()).collect()
}

/// Whether a stretch of what was sealed lies in any file of the folder.
fn lies_in(folder: &std::path::Path, sealed: &[Vec<u8>]) -> bool {
    std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).filter(|p| p.is_file()).any(|path| {
        let file = std::fs::read(path).unwrap();
        let eights: std::collections::HashSet<&[u8]> = sealed.iter().flat_map(|s| s.chunks_exact(8)).collect();
        file.windows(8).any(|w| eights.contains(w))
    })
}

#[test]
fn a_facet_with_a_secret_is_gone_for_everybody_who_has_it_and_is_never_taken_again() {
    let told = Told::new();
    let (before, size) = (told.answers(), told.second + 1);
    assert!(before.contains(&format!("password = '{SECRET}")));
    let edges = told.edges(size);
    let sql = "SELECT b.sealed FROM blob b JOIN facet f ON f.blob = b.id JOIN facet_name n ON n.id = f.name WHERE n.word = 'sql'";
    let bytes = sealed(&told, sql);
    assert_eq!(bytes.len(), 1, "kept once");
    assert!(lies_in(told.stand.world.path(), &bytes));

    let done = told.done(&format!("index: {}, class: REST, bytes: false, facets: [\"sql\"]", told.first));
    assert_eq!((&done["entries"], &done["facets"]), (&json!([]), &json!(["sql"])));
    assert!(!told.answers().contains(&format!("password = '{SECRET}")));
    assert!(told.answers().contains("ELSEWHERE"));
    assert!(!lies_in(told.stand.world.path(), &bytes), "neither in the database nor in its log");
    assert_eq!(told.edges(size), edges);
    // The other facets of the same events are there.
    assert!(told.answers().contains("quagga") && told.answers().contains("zebra"));

    // The job runs on with the same text.
    assert_eq!(told.stand.send(&told.engineer, &telling(3, 110)).status, 201);
    let mut other = telling(4, 111);
    other["job"]["name"] = json!("other");
    assert_eq!(told.stand.send(&told.engineer, &other).status, 201);
    let shown = told.stand.data(
        &told.all,
        r#"{artifact(ref: {job: {namespace: "jobs", name: "other"}}) {sql(raw: true) facets {name json}}}"#,
        json!({}),
    );
    assert!(!shown.to_string().contains("password ="), "{shown}");

    assert_eq!(told.refused(&told.engineer, &format!("index: {}, class: REST, bytes: false, facets: [\"sql\"]", told.second)), "CONFLICT");
    let Told { stand, all, .. } = told;
    let stand = stand.restarted();
    assert_eq!(stand.send(&stand.token(&[Role::Producer]), &telling(5, 112)).status, 201);
    let query = r#"{artifact(ref: {job: {namespace: "jobs", name: "etl"}}) {sql(raw: true) facets {name json}}}"#;
    assert!(!stand.data(&all, query, json!({})).to_string().contains("password ="));
    stand.world.app.drain();
    let folder = Folder::copy_of(stand.world.path());
    assert!(passes(folder.path()).checked.destroyed > 0);
    assert!(rebuild(folder.path()).unwrap().differences.is_empty());
    passes(folder.path());
}

#[test]
fn a_redacted_part_is_gone_whole_and_the_graph_stays() {
    let told = Told::new();
    let size = told.second + 1;
    let edges = told.edges(size);
    assert_eq!((told.found("zebra"), told.found("quagga")), (1, 1));
    let bytes = sealed(&told, &format!("SELECT rest FROM entry WHERE ix IN ({}, {})", told.first, told.second));
    let shared = sealed(&told, &format!("SELECT s.rest FROM shape s JOIN entry e ON e.shape = s.id WHERE e.ix = {}", told.first));

    // One entry of two: what they have in common stays for the other.
    let one = told.done(&format!("index: {}, class: REST, facets: []", told.first));
    assert_eq!((&one["entries"], &one["remaining"], &one["next"]), (&json!([told.first]), &json!(1), &json!(told.second)));
    assert!(!lies_in(told.stand.world.path(), &bytes[..1]) && lies_in(told.stand.world.path(), &shared));
    let opened = told.answers();
    assert!(!opened.contains("SECRET 1\"") && opened.contains(&format!("denied {SECRET} 2")));
    // The rest of it, by itself and with all facets.
    let both = told.done(&format!("index: {}, class: REST, alike: true", told.second));
    assert_eq!((&both["entries"], &both["remaining"], &both["next"]), (&json!([told.second]), &json!(0), &Value::Null));
    assert_eq!(both["facets"], json!(["schema", "sql"]));
    let answers = told.answers();
    assert!(!answers.contains(SECRET), "{answers}");
    assert!(!lies_in(told.stand.world.path(), &bytes) && !lies_in(told.stand.world.path(), &shared));
    assert_eq!((told.found("zebra"), told.found("quagga"), told.found("etl")), (0, 0, 1));
    assert_eq!(told.edges(size)[0], edges[0]);

    // Who did it, and why, is an entry; the destroyed part names it.
    let by = both["receipt"]["index"].as_u64().unwrap();
    let query = format!(
        "{{ destroyed: event(index: {}) {{ parts {{ class state destroyedBy }} }} act: event(index: {by}) {{ type parts {{ json }} }} }}",
        told.second
    );
    let data = told.stand.data(&told.all, &query, json!({}));
    assert_eq!(data["destroyed"]["parts"][1], json!({"class": "REST", "state": "DESTROYED", "destroyedBy": by}));
    assert_eq!(data["act"]["type"], "catalog.part.redacted.v1");
    assert_eq!(data["act"]["parts"][1]["json"]["reason"], "it should not have been said");

    // The same shape comes again, and is read as ever.
    let again = told.stand.send(&told.engineer, &telling(7, 120)).json()["index"].as_u64().unwrap();
    let parts = told.stand.data(&told.all, &format!("{{ event(index: {again}) {{ parts {{ class state }} }} }}"), json!({}));
    assert!(parts["event"]["parts"].as_array().unwrap().iter().all(|p| p["state"] == "OPEN"), "{parts}");

    told.stand.world.app.drain();
    let folder = Folder::copy_of(told.stand.world.path());
    let report = passes(folder.path());
    assert_eq!(report.checked.destroyed, 2 + 2 + 1, "two parts, two facets, a shape");
    assert!(rebuild(folder.path()).unwrap().differences.is_empty());
    passes(folder.path());
    // Overwritten without an entry that says so is damage.
    let damaged = folder.copy();
    damaged.change(&format!("UPDATE entry SET rest = zeroblob(length(rest)) WHERE ix = {again}"));
    assert!(crate::verify::verify(damaged.path()).first_fault.is_some());
    let damaged = folder.copy();
    damaged.change(&format!("UPDATE shape SET rest = zeroblob(length(rest)) WHERE id = (SELECT shape FROM entry WHERE ix = {again})"));
    assert!(crate::verify::verify(damaged.path()).first_fault.is_some());
    // A row that is put back, or that nobody destroyed, is noticed.
    folder.change(&format!("DELETE FROM redacted_part WHERE k = {} * 8192 + 1", told.first));
    assert!(crate::verify::verify(folder.path()).first_fault.is_some());
}

#[test]
fn what_cannot_be_redacted_is_refused_with_its_code() {
    let told = Told::new();
    let first = told.first;
    for (input, code) in [
        (format!("index: {first}, class: CORE"), "BAD_USER_INPUT"),
        (format!("index: {first}, class: PERSON"), "BAD_USER_INPUT"),
        (format!("index: {first}, class: CONTEXT"), "BAD_USER_INPUT"),
        (format!("index: {first}, class: REST, bytes: false, facets: []"), "BAD_USER_INPUT"),
        (format!("index: {first}, class: REST, bytes: false, alike: true"), "BAD_USER_INPUT"),
        ("index: 999999, class: REST".to_owned(), "NOT_FOUND"),
        (format!("index: {first}, class: REST, facets: [\"nothing\"]"), "NOT_FOUND"),
        (format!("index: {first}, class: REST, facets: [\"columnLineage\"]"), "CONFLICT"),
        // It holds an address, so it is not kept once.
        (format!("index: {first}, class: REST, bytes: false, facets: [\"documentation\"]"), "CONFLICT"),
    ] {
        assert_eq!(told.refused(&told.engineer, &input), code, "{input}");
    }
    let input = format!("index: {first}, class: REST");
    for role in Role::ALL.into_iter().filter(|r| *r != Role::Engineer) {
        assert_eq!(told.refused(&told.stand.token(&[role]), &input), "FORBIDDEN", "{role:?}");
    }
    // What others have too is theirs as well.
    let mut theirs = telling(9, 130);
    theirs["job"]["namespace"] = json!("theirs");
    assert_eq!(told.stand.send(&told.engineer, &theirs).status, 201);
    let scope = |namespaces: &[&str]| {
        let namespaces = namespaces.iter().map(|n| (*n).to_owned()).collect();
        told.stand.token_of(NewToken { roles: vec![Role::Engineer], namespaces, ..new_token() })
    };
    let sql = format!("index: {first}, class: REST, bytes: false, facets: [\"sql\"]");
    assert_eq!(told.refused(&scope(&["jobs", "db"]), &sql), "FORBIDDEN");
    assert!(told.redact(&scope(&["jobs", "db", "theirs"]), &sql)["receipt"].is_object());
    // The reason of an administrative act is its administrators'.
    assert_eq!(told.refused(&told.engineer, "index: 0, class: REST"), "FORBIDDEN");
    let admin = told.stand.token(&[Role::Admin]);
    assert!(told.redact(&admin, "index: 0, class: REST")["receipt"].is_object());
    assert_eq!(told.refused(&admin, "index: 0, class: REST"), "CONFLICT");
    told.stand.world.app.drain();
    passes(Folder::copy_of(told.stand.world.path()).path());
}

#[test]
fn events_that_arrive_while_others_are_redacted_are_all_readable() {
    let told = Told::new();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            (20..60u8)
                .map(|run| told.stand.send(&told.engineer, &telling(run, 200 + u32::from(run))).json()["index"].as_u64().unwrap())
                .collect::<Vec<_>>()
        });
        for _ in 0..10 {
            told.redact(&told.engineer, &format!("index: {}, class: REST, facets: [], alike: true", told.first));
        }
        for index in sender.join().unwrap() {
            let data =
                told.stand.data(&told.all, &format!("{{ event(index: {index}) {{ parts {{ class state destroyedBy }} }} }}"), json!({}));
            let rest = &data["event"]["parts"][1];
            assert_eq!(rest["state"] == "DESTROYED", rest["destroyedBy"].is_u64(), "destroyed by an act or not at all: {data}");
        }
    });
    told.stand.world.app.drain();
    passes(Folder::copy_of(told.stand.world.path()).path());
}

fn retire(stand: &Stand, token: &str, input: &str) -> Value {
    stand.world.clock.advance(1_000_000);
    let query = format!(
        "mutation {{ retireNamespace(input: {{{input}, reason: \"it moved\"}}) \
         {{ entries skipped more receipt {{ index }} refusal {{ code field }} }} }}"
    );
    stand.data(token, &query, json!({}))["retireNamespace"].clone()
}

#[test]
fn a_retired_namespace_has_nothing_alive_and_others_are_as_they_were() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    let mut event = run_event("COMPLETE", 1, 100, &["a"], &["b"]);
    event["outputs"].as_array_mut().unwrap().push(json!({"namespace": "dbx", "name": "c"}));
    event["inputs"].as_array_mut().unwrap().push(json!({"namespace": "db", "name": "joined", "facets": {"symlinks":
        facet(json!({"identifiers": [{"namespace": "hive", "name": "joined", "type": "TABLE"}]}))}}));
    assert_eq!(stand.send(&token, &event).status, 201);
    let alive = |namespace: &str| {
        let query = format!("{{ artifacts(filter: {{namespace: \"{namespace}\"}}) {{ nodes {{ name }} }} }}");
        stand.data(&token, &query, json!({}))["artifacts"]["nodes"].as_array().unwrap().len()
    };
    let edges = || {
        let query = r#"{ lineage(from: [{job: {namespace: "jobs", name: "etl"}}]) { edges { to kind } nodes { namespace } } }"#;
        stand.data(&token, query, json!({}))["lineage"]["edges"].as_array().unwrap().len()
    };
    assert_eq!((alive("jobs"), alive("dbx"), edges()), (1, 1, 4));
    let scoped = stand.token_of(NewToken { roles: vec![Role::Engineer], namespaces: vec!["jobs".to_owned()], ..new_token() });
    assert_eq!(retire(&stand, &scoped, "namespace: \"db\"")["refusal"]["code"], "FORBIDDEN");
    assert_eq!(retire(&stand, &stand.token(&[Role::Auditor]), "namespace: \"db\"")["refusal"]["code"], "FORBIDDEN");
    assert_eq!(retire(&stand, &token, "namespace: \"nothing\"")["refusal"]["code"], "NOT_FOUND");
    assert_eq!(retire(&stand, &token, "namespace: \"db\", at: \"2030-01-01T00:00:00Z\"")["refusal"]["code"], "BAD_USER_INPUT");
    assert_eq!(
        retire(&stand, &token, "namespace: \"db\", at: \"2026-11-24T00:00:00Z\"")["refusal"]["code"],
        "NOT_FOUND",
        "none was alive yet"
    );

    let done = retire(&stand, &token, "namespace: \"db\"");
    assert_eq!((done["entries"].as_array().unwrap().len(), &done["skipped"], &done["more"]), (2, &json!(1), &json!(false)), "{done}");
    stand.world.clock.advance(1_000_000);
    assert_eq!((alive("db"), alive("dbx"), alive("jobs"), edges()), (1, 1, 1, 2), "`joined` has a name in `hive` too");
    assert_eq!(retire(&stand, &token, "namespace: \"db\"")["refusal"]["code"], "NOT_FOUND");
    let index = done["receipt"]["index"].as_u64().unwrap();
    let data = stand.data(&token, &format!("{{ event(index: {index}) {{ type parts {{ json }} }} }}"), json!({}));
    assert_eq!(data["event"]["parts"][0]["json"]["entries"], done["entries"]);
    let first = done["entries"][0].as_u64().unwrap();
    let data = stand.data(&token, &format!("{{ event(index: {first}) {{ type }} }}"), json!({}));
    assert_eq!(data["event"]["type"], "catalog.artifact.retired.v1");
    stand.world.app.drain();
    passes(Folder::copy_of(stand.world.path()).path());
}

#[test]
fn a_large_namespace_is_retired_in_steps() {
    let stand = Stand::new();
    let token = stand.token(&[Role::Engineer]);
    let names: Vec<String> = (0..1_003).map(|n| format!("t{n:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(stand.send(&token, &run_event("COMPLETE", 1, 100, &names, &[])).status, 201);
    let first = retire(&stand, &token, "namespace: \"db\"");
    assert_eq!((first["entries"].as_array().unwrap().len(), &first["more"]), (1_000, &json!(true)));
    stand.world.clock.advance(1_000_000);
    let second = retire(&stand, &token, "namespace: \"db\"");
    assert_eq!((second["entries"].as_array().unwrap().len(), &second["more"]), (3, &json!(false)));
}

#[test]
fn every_act_is_done_once_under_its_key_also_over_a_socket() {
    let stand = Stand::new();
    let admin = stand.token(&[Role::Admin, Role::Engineer]);
    assert_eq!(stand.send(&admin, &telling(1, 100)).status, 201);
    let send = |key: &str, query: &str| {
        stand.world.clock.advance(1_000_000);
        stand.ask(Ask::json("/graphql", &json!({ "query": query })).by(&admin).with("idempotency-key", key)).json()["data"].clone()
    };
    let create = r#"mutation { createToken(input: {actor: "robot", roles: [READER], reason: "r"}) { token details { id } receipt { index } refusal { code } } }"#;
    let first = send("a", create)["createToken"].clone();
    let again = send("a", create)["createToken"].clone();
    assert!(first["token"].is_string() && again["token"].is_null(), "the text is shown once");
    assert_eq!((&first["receipt"], &first["details"]), (&again["receipt"], &again["details"]));
    assert_eq!(send("a", &create.replace("READER", "ENGINEER"))["createToken"]["refusal"]["code"], "CONFLICT");
    let revoke = format!(
        "mutation {{ revokeToken(input: {{id: {}, reason: \"r\"}}) {{ receipt {{ index }} refusal {{ code }} }} }}",
        first["details"]["id"]
    );
    let revoked = send("b", &revoke);
    assert!(revoked["revokeToken"]["receipt"].is_object(), "{revoked}");
    assert_eq!(send("b", &revoke), revoked);
    assert_eq!(send("c", &revoke)["revokeToken"]["refusal"]["code"], "CONFLICT");
    let redact = r#"mutation { redactPart(input: {index: 1, class: REST, reason: "r"}) { entries facets remaining next receipt { index } refusal { code } } }"#;
    let redacted = send("d", redact);
    assert_eq!(redacted["redactPart"]["entries"], json!([1]), "{redacted}");
    assert_eq!(send("d", redact), redacted);
    let retire = r#"mutation { retireNamespace(input: {namespace: "db", reason: "r"}) { entries skipped more receipt { index } refusal { code } } }"#;
    let retired = send("e", retire);
    assert_eq!(retired["retireNamespace"]["entries"].as_array().unwrap().len(), 2);
    assert_eq!(send("e", retire), retired);

    // Over a socket there is no header: the key comes with the operation.
    block_on(async {
        let mut client = Client::acknowledged(&stand.base, &admin).await;
        let mut ask = async |key: Value, query: &str| {
            client.say(json!({"id": "m", "type": "subscribe", "payload": {"query": query, "extensions": {"idempotencyKey": key}}})).await;
            let heard = client.hear().await;
            if heard["type"] == "next" {
                assert_eq!(client.hear().await["type"], "complete");
            }
            heard["payload"].clone()
        };
        let answer = ask(json!("a"), create).await;
        assert_eq!((&answer["data"]["createToken"]["receipt"], &answer["data"]["createToken"]["token"]), (&first["receipt"], &Value::Null));
        assert_eq!(ask(json!(7), create).await[0]["extensions"]["code"], "BAD_USER_INPUT");
    });
    let body = json!({"query": create, "extensions": {"idempotencyKey": "a"}});
    let both = stand.ask(Ask::json("/graphql", &body).by(&admin).with("idempotency-key", "a"));
    assert_eq!(both.code(), "BAD_USER_INPUT");
    let alone = stand.ask(Ask::json("/graphql", &body).by(&admin)).json();
    assert_eq!(alone["data"]["createToken"]["receipt"], first["receipt"]);

    stand.world.app.drain();
    passes(Folder::copy_of(stand.world.path()).path());
}
