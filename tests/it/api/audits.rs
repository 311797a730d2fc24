//! What strangers measure a GraphQL server by, asked over real HTTP: the 61 audits
//! of `graphql-http` 1.23.1, by their ids, and the checks of `graphql-cop`.
//! The cases are ours; the ids let a failing audit of theirs be found here.
use std::{collections::BTreeSet, ops::RangeInclusive};

use ledgerline::access::Role;
use serde_json::{Value, json};

use super::stand::{Answer, Ask, Stand};

const JSON: &str = "application/json";
const RESPONSE: &str = "application/graphql-response+json";
const TYPENAME: &str = "{ __typename }";

/// What an audit demands beside the status.
#[derive(Clone, Copy)]
enum Demand {
    Nothing,
    /// The answer is of this media type.
    Type(&'static str),
    /// No member `errors`.
    NoErrors,
    /// No member `data`.
    NoData,
}
use Demand::{NoData, NoErrors, Nothing, Type};

struct Audits {
    stand: Stand,
    token: String,
    seen: BTreeSet<String>,
}

impl Audits {
    fn check(&mut self, id: &str, answer: &Answer, status: RangeInclusive<u16>, demand: Demand) {
        assert!(status.contains(&answer.status), "{id}: {} {}", answer.status, answer.text());
        match demand {
            Nothing => {}
            Type(media) => assert_eq!(answer.header("content-type"), Some(&*format!("{media}; charset=utf-8")), "{id}"),
            NoErrors => assert!(answer.json().get("errors").is_none(), "{id}: {}", answer.text()),
            NoData => assert!(answer.json().get("data").is_none(), "{id}: {}", answer.text()),
        }
        assert!(self.seen.insert(id.to_owned()), "{id} is there twice");
    }

    /// A POST of `application/json` with that `Accept`.
    fn raw(&mut self, id: &str, accept: Option<&str>, body: &str, status: RangeInclusive<u16>, demand: Demand) {
        let mut ask = Ask::post("/graphql", JSON, body).by(&self.token);
        if let Some(accept) = accept {
            ask = ask.with("accept", accept);
        }
        let answer = self.stand.ask(ask);
        self.check(id, &answer, status, demand);
    }

    fn post(&mut self, id: &str, accept: Option<&str>, body: &Value, status: u16, demand: Demand) {
        self.raw(id, accept, &body.to_string(), status..=status, demand);
    }

    fn get(&mut self, id: &str, query: &str, accept: Option<&str>, status: RangeInclusive<u16>, demand: Demand) {
        let path = format!("/graphql?{query}");
        let mut ask = Ask::get(&path).by(&self.token);
        if let Some(accept) = accept {
            ask = ask.with("accept", accept);
        }
        let answer = self.stand.ask(ask);
        self.check(id, &answer, status, demand);
    }
}

#[test]
fn the_61_audits_of_graphql_over_http_are_passed() {
    let stand = Stand::with(|_| {}, |s| s.graphql.get_queries = true);
    let token = stand.token(&[Role::Reader]);
    let mut audits = Audits { stand, token, seen: BTreeSet::new() };
    let a = &mut audits;
    let plain = json!({ "query": TYPENAME });

    // Media types.
    a.post("22EB", Some(RESPONSE), &plain, 200, Type(RESPONSE));
    a.post("4655", Some(JSON), &plain, 200, Type(JSON));
    a.post("47DE", Some("*/*"), &plain, 200, Type(JSON));
    a.post("80D8", None, &plain, 200, Type(JSON));
    a.post("82A3", None, &plain, 200, NoErrors);
    let utf8 =
        Ask::post("/graphql", "application/json; charset=utf-8", json!({"query": "{ __type(name: \"Läufer🏃\") { name } }"}).to_string());
    let answer = a.stand.ask(utf8.by(&a.token));
    a.check("BF61", &answer, 200..=200, NoErrors);
    a.post("78D5", None, &plain, 200, NoErrors);

    // Methods and bodies.
    a.post("2C94", None, &plain, 200, NoErrors);
    a.get("5A70", "query=%7B__typename%7D", None, 200..=200, NoErrors);
    a.get("9C48", "query=mutation%7B__typename%7D", Some(RESPONSE), 405..=405, Nothing);
    let untyped = Ask { method: "POST", path: "/graphql", headers: Vec::new(), body: plain.to_string().into_bytes() };
    let answer = a.stand.ask(untyped.by(&a.token));
    a.check("9ABE", &answer, 415..=415, Nothing);
    a.post("03D4", None, &plain, 200, NoErrors);
    a.raw("A5BF", None, "", 400..=400, Nothing);

    // Parameters of the wrong type, in the order of their numbers.
    a.post("423L", Some(RESPONSE), &json!({ "notquery": TYPENAME }), 400, NoData);
    for (i, wrong) in [json!({"obj": "ect"}), json!(0), json!(false), json!(["array"])].into_iter().enumerate() {
        a.post(&format!("LKJ{i}"), None, &json!({ "query": wrong }), 400, NoData);
        a.post(&format!("6C0{i}"), None, &json!({ "query": TYPENAME, "operationName": wrong }), 400, NoData);
    }
    for (i, wrong) in [json!("string"), json!(0), json!(false), json!(["array"])].into_iter().enumerate() {
        a.post(&format!("476{i}"), None, &json!({ "query": TYPENAME, "variables": wrong }), 400, NoData);
        a.post(&format!("58B{i}"), None, &json!({ "query": TYPENAME, "extensions": wrong }), 400, NoData);
    }

    // Parameters of the right one.
    let named = json!({ "query": "query Query { __typename }", "operationName": "Query" });
    let typed = json!({ "query": "query Type($name: String!) { __type(name: $name) { name } }", "variables": { "name": "Artifact" } });
    let extended = json!({ "query": TYPENAME, "extensions": { "some": "value" } });
    for (response, json, body) in
        [("34A2", "13EE", &plain), ("8161", "B8B3", &named), ("2EA1", "28B9", &typed), ("428F", "1B7A", &extended)]
    {
        a.post(response, Some(RESPONSE), body, 200, NoErrors);
        a.post(json, Some(JSON), body, 200, NoErrors);
    }
    for (i, parameter) in ["variables", "operationName", "extensions"].into_iter().enumerate() {
        let null = json!({ "query": TYPENAME, parameter: null });
        a.post(&format!("94B{i}"), Some(RESPONSE), &null, 200, NoErrors);
        a.post(&format!("022{i}"), Some(JSON), &null, 200, NoErrors);
    }
    let by_get = "query=query(%24name:String!)%7B__type(name:%24name)%7Bname%7D%7D&variables=%7B%22name%22:%22Artifact%22%7D";
    a.get("D6D5", by_get, Some(RESPONSE), 200..=200, NoErrors);
    a.get("6A70", by_get, Some(JSON), 200..=200, NoErrors);

    // What cannot be read or done.
    let cut = "{ \"not a JSON";
    a.raw("B6DC", Some(JSON), cut, 200..=599, Nothing);
    a.raw("BCF8", Some(JSON), cut, 400..=400, Nothing);
    a.raw("B7N8", Some(RESPONSE), cut, 400..=400, Nothing);
    a.raw("8764", None, &json!({ "qeury": TYPENAME }).to_string(), 400..=599, Nothing);
    a.post("3E3A", None, &json!({ "qeury": TYPENAME }), 400, Nothing);
    let unparsed = json!({ "query": "{" });
    let invalid = json!({ "query": "{ noSuchField }" });
    let uncoerced = json!({ "query": "query Q($id: ID!) { __typename }", "variables": { "id": null } });
    a.post("572B", Some(JSON), &unparsed, 200, NoData);
    a.post("FDE2", Some(JSON), &invalid, 200, NoData);
    a.post("7B9B", Some(JSON), &uncoerced, 200, NoData);
    a.post("865D", Some(RESPONSE), &unparsed, 400, Type(RESPONSE));
    a.post("556A", Some(RESPONSE), &unparsed, 400, Nothing);
    a.post("D586", Some(RESPONSE), &unparsed, 400, NoData);
    a.post("51FE", Some(RESPONSE), &invalid, 400, Type(RESPONSE));
    a.post("74FF", Some(RESPONSE), &invalid, 400, Nothing);
    a.post("5E5B", Some(RESPONSE), &invalid, 400, NoData);
    a.post("86EE", Some(RESPONSE), &uncoerced, 400, NoData);

    assert_eq!(audits.seen.len(), 61);
}

/// The checks of graphql-cop, each for what it would call a finding.
#[test]
fn a_scanner_for_weak_graphql_servers_finds_nothing() {
    let stand = Stand::with(|_| {}, |s| s.graphql.introspection = false);
    let token = stand.token(&[Role::Reader]);
    let post = |body: &Value| stand.ask(Ask::json("/graphql", body).by(&token));
    let ask = |query: &str| post(&json!({ "query": query }));
    let refused = |what: &str, answer: &Answer, code: &str| {
        assert_eq!(answer.code(), code, "{what}: {}", answer.text());
        assert!(answer.json().get("data").is_none(), "{what}: {}", answer.text());
    };

    // Introspection, where it is switched off: nothing of the schema comes out.
    let schema = ask("{ __schema { types { name fields { name } } } }");
    assert!(!schema.text().contains("Artifact"), "{}", schema.text());
    // A mistyped field leads to no name of the schema.
    for mistyped in ["{ artifactz { id } }", "{ __typenam }", "{ artifact(reff: 1) { id } }", "{ viewer { perso } }"] {
        let answer = ask(mistyped);
        assert!(answer.code() == "BAD_USER_INPUT" && !answer.text().contains("Did you mean"), "{}", answer.text());
    }
    // No development environment of somebody else under the usual paths.
    for path in ["/", "/graphiql", "/playground", "/console", "/graphql", "/altair", "/v1/graphql", "/graphql/console"] {
        let page = stand.ask(Ask::get(path).with("accept", "text/html").by(&token));
        let text = page.text().to_lowercase();
        assert!(!["graphiql", "playground", "apollo", "altair"].iter().any(|w| text.contains(w)), "{path}");
    }
    // Queries by GET, mutations by GET.
    for query in ["%7B__typename%7D", "mutation%7B__typename%7D"] {
        let path = format!("/graphql?query={query}");
        assert_eq!(stand.ask(Ask::get(&path).by(&token)).status, 405, "{query}");
    }
    // Forms, which a browser sends across origins without asking.
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"] {
        assert_eq!(stand.ask(Ask::post("/graphql", kind, "query=%7B__typename%7D").by(&token)).status, 415, "{kind}");
        assert_eq!(stand.ask(Ask::post("/graphql", kind, json!({ "query": TYPENAME }).to_string()).by(&token)).status, 415, "{kind}");
    }
    // No traces of execution, asked for or not.
    let traced = Ask::json("/graphql", &json!({ "query": TYPENAME })).with("x-apollo-tracing", "1").by(&token);
    assert_eq!(stand.ask(traced).json(), json!({"data": {"__typename": "Query"}}));
    // Overloading: aliases, the same field again and again, directives, batches, circles of introspection.
    let many = |n: usize, one: &dyn Fn(usize) -> String| (0..n).map(one).collect::<Vec<_>>().join(" ");
    refused("aliases", &ask(&format!("{{ {} }}", many(101, &|i| format!("a{i}: __typename")))), "COMPLEXITY_EXCEEDED");
    refused("fields", &ask(&format!("{{ {} }}", many(500, &|_| "__typename".to_owned()))), "COMPLEXITY_EXCEEDED");
    refused("directives", &ask(&format!("{{ __typename {} }}", many(10, &|_| "@aa".to_owned()))), "COMPLEXITY_EXCEEDED");
    let batch = post(&Value::Array(vec![json!({ "query": TYPENAME }); 10]));
    assert_eq!(batch.status, 400);
    refused("batch", &batch, "BAD_USER_INPUT");
    let circle = format!("{{ __schema {{ types {{ {} name {} }} }} }}", "fields { type { ".repeat(5), "} }".repeat(5));
    refused("circle", &ask(&circle), "COMPLEXITY_EXCEEDED");
    // An error tells a sentence and a code, no exception and no trace of calls.
    let error = ask("qwerty cop { abc }");
    let members: BTreeSet<String> = error.json()["errors"][0]["extensions"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["code", "correlationId"].map(str::to_owned).into());
}
