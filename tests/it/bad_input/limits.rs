//! Every limit on a GraphQL request: what it refuses, by which name, and that a
//! server that is told another number keeps to that one.
use ledgerline::access::Role;
use serde_json::{Value, json};

use super::Guarded;
use crate::api::stand::{Ask, Stand};

/// The code of the first error, and whether the sentence names the limit.
fn refusal(guarded: &Guarded, query: &str, variables: Value, names: &str) -> String {
    let answer = guarded.stand.graphql(&guarded.token, query, variables);
    let message = answer.json()["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains(names) && answer.json().get("data").is_none(), "{names}: {}", &answer.text()[..answer.text().len().min(500)]);
    answer.code()
}

fn aliases(n: usize) -> String {
    format!("{{viewer{{{}}}}}", (0..n).map(|i| format!("a{i}:person ")).collect::<String>())
}

fn chain(n: usize) -> String {
    let links: String = (0..n).map(|i| format!(" fragment F{i} on Query{{...F{}}}", i + 1)).collect();
    format!("{{...F0}}{links} fragment F{n} on Query{{viewer{{person}}}}")
}

#[test]
fn each_limit_is_named_by_what_it_refuses() {
    let guarded = Guarded::new();
    let exceeded = "COMPLEXITY_EXCEEDED";
    assert_eq!(refusal(&guarded, &aliases(1_000), json!({}), "`graphql.tokens_max`, 2000"), exceeded);
    assert_eq!(refusal(&guarded, &aliases(31), json!({}), "`graphql.aliases_max`, 30"), exceeded);
    assert_eq!(refusal(&guarded, &chain(100), json!({}), "`graphql.nesting_max`, 60"), exceeded);
    assert_eq!(refusal(&guarded, &"{viewer".repeat(100), json!({}), "`graphql.nesting_max`, 60"), exceeded);
    let deep = format!("{{artifacts{{nodes{}{{id}}{}}}}}", "{runs{job".repeat(6), "}}".repeat(6));
    assert_eq!(refusal(&guarded, &deep, json!({}), "`graphql.depth_max`, 12"), exceeded);
    assert_eq!(refusal(&guarded, &format!("{{{}}}", "__typename ".repeat(21)), json!({}), "`graphql.root_fields_max`, 20"), exceeded);
    assert_eq!(refusal(&guarded, &format!("{{viewer{}{{person}}}}", "@a".repeat(6)), json!({}), "`graphql.directives_max`, 5"), exceeded);
    let bomb: String = (0..15).map(|i| format!(" fragment F{i} on Viewer{{...F{} ...F{}}}", i + 1, i + 1)).collect();
    let bomb = format!("{{viewer{{...F0}}}}{bomb} fragment F15 on Viewer{{person}}");
    assert_eq!(refusal(&guarded, &bomb, json!({}), "`graphql.fields_max`, 10000"), exceeded);
    let circle = "{viewer{...A}} fragment A on Viewer{...B} fragment B on Viewer{person ...A}";
    assert_eq!(refusal(&guarded, circle, json!({}), "a fragment spreads itself"), "BAD_USER_INPUT");

    let huge = json!({ "query": "query($s:String){viewer{person}}", "variables": { "s": "x".repeat(300 << 10) } });
    let answer = guarded.ask(Ask::json("/graphql", &huge).by(&guarded.token));
    assert_eq!((answer.status, answer.code().as_str()), (413, "TOO_LARGE"));
    assert!(answer.text().contains("`graphql.variables_bytes_max`, 262144"), "{}", answer.text());
    let batch = Value::Array(vec![json!({"query": "{viewer{person}}"}); 6]);
    let answer = guarded.ask(Ask::json("/graphql", &batch).by(&guarded.token));
    assert!(answer.status == 400 && answer.text().contains("`graphql.batch_max`, 5"), "{}", answer.text());
    guarded.still_works();
}

#[test]
fn the_price_follows_the_arguments_wherever_they_come_from() {
    let guarded = Guarded::new();
    let query = "query($n: Int!, $m: Int!){artifacts(first: $n){nodes{runs(first: $m){events(first: $n){id}}}}}";
    assert_eq!(refusal(&guarded, query, json!({"n": 200, "m": 100}), "`graphql.complexity_max`, 2000000"), "COMPLEXITY_EXCEEDED");
    guarded.stand.data(&guarded.token, query, json!({"n": 10, "m": 10}));
    // A default in the operation counts as much as a variable that is sent.
    let by_default = query.replace("$n: Int!", "$n: Int! = 200").replace("$m: Int!", "$m: Int! = 100");
    assert_eq!(refusal(&guarded, &by_default, json!({}), "`graphql.complexity_max`"), "COMPLEXITY_EXCEEDED");
    guarded.still_works();
}

#[test]
fn values_beyond_what_is_answered_are_refused_where_they_stand() {
    let guarded = Guarded::new();
    let start = r#"from: [{dataset: {namespace: "db", name: "a"}}]"#;
    let options = "query($o: LineageOptions){lineage(from: [{run: \"x\"}], options: $o){nodes{id}}}";
    for (query, variables, says) in [
        (format!("{{lineage({start}, options: {{depth: 1000000000}}){{nodes{{id}}}}}}"), json!({}), "`depth` is 1000000000"),
        (options.to_owned(), json!({"o": {"depth": 1_000_000_000}}), "`depth` is 1000000000"),
        (options.to_owned(), json!({"o": {"direction": "SIDEWAYS"}}), ""),
        (options.to_owned(), json!({"o": {"direction": 1}}), ""),
        (options.to_owned(), json!({"o": {"level": "downstream"}}), ""),
        (format!("{{lineage({start}, options: {{direction: SIDEWAYS}}){{nodes{{id}}}}}}"), json!({}), ""),
        ("{artifacts(first: 201){nodes{id}}}".to_owned(), json!({}), "`first` is 201, at most 200"),
        ("query($n: Int){artifacts(first: $n){nodes{id}}}".to_owned(), json!({"n": 2_147_483_647}), "at most 200"),
    ] {
        let (code, message) = guarded.stand.error(&guarded.token, &query, variables.clone());
        assert!(code == "BAD_USER_INPUT" && message.contains(says), "{query} {variables}: {code} {message}");
    }
    guarded.still_works();
}

#[test]
fn a_server_keeps_to_the_numbers_it_is_told() {
    let stand = Stand::with(
        |_| {},
        |s| {
            let g = &mut s.graphql;
            (g.aliases_max, g.tokens_max, g.root_fields_max, g.batch_max) = (1_000, 20_000, 2, 1);
            (g.variables_bytes_max, g.directives_max, g.nesting_max, g.depth_max) = (64, 0, 16, 2);
            (g.fields_max, g.complexity_max) = (2_000, 900);
        },
    );
    let guarded = Guarded::of(stand);
    guarded.stand.data(&guarded.token, &aliases(800), json!({}));
    for (query, name) in [
        (aliases(1_001), "`graphql.aliases_max`, 1000"),
        (aliases(950), "`graphql.complexity_max`, 900"),
        (format!("{{{}}}", "__typename ".repeat(3)), "`graphql.root_fields_max`, 2"),
        ("{viewer @skip(if: false){person}}".to_owned(), "`graphql.directives_max`, 0"),
        (chain(17), "`graphql.nesting_max`, 16"),
        ("{artifacts{nodes{id}}}".to_owned(), "`graphql.depth_max`, 2"),
        (format!("{{viewer{{{}}}}}", "person ".repeat(2_000)), "`graphql.fields_max`, 2000"),
        (aliases(8_000), "`graphql.tokens_max`, 20000"),
    ] {
        assert_eq!(refusal(&guarded, &query, json!({}), name), "COMPLEXITY_EXCEEDED");
    }
    let large = json!({"query": "{viewer{person}}", "variables": {"s": "x".repeat(64)}});
    assert_eq!(guarded.ask(Ask::json("/graphql", &large).by(&guarded.token)).status, 413);
    let pair = json!([{"query": "{viewer{person}}"}, {"query": "{viewer{person}}"}]);
    assert_eq!(guarded.ask(Ask::json("/graphql", &pair).by(&guarded.token)).status, 400);
    let alone = guarded.ask(Ask::json("/graphql", &json!([pair[0]])).by(&guarded.token));
    assert_eq!(alone.json(), json!([{"data": {"viewer": {"person": false}}}]));
}

#[test]
fn statuses_of_the_newer_draft_are_given_where_they_are_asked_for() {
    let stand = Stand::with(
        |_| {},
        |s| {
            s.unprocessable_content = true;
            s.partial_success = true;
        },
    );
    let token = stand.token(&[Role::Reader]);
    let ask =
        |accept: &str, body: &str| stand.ask(Ask::post("/graphql", "application/json", body).with("accept", accept).by(&token)).status;
    for (body, newer, older) in [
        (r#"{"query":"{viewer{person}}"}"#, 200, 200),
        (r#"{"query":"{a:artifact(ref:{nodeId:\"x\"}){id} viewer{person}}"}"#, 294, 200),
        (r#"{"query":"{nope}"}"#, 422, 200),
        (r#"{"query":"query($n:Int!){artifacts(first:$n){nodes{id}}}","variables":{"n":"x"}}"#, 422, 200),
        (r#"{"query":"query A{viewer{person}} query B{viewer{person}}"}"#, 422, 200),
        (r#"{"query":7}"#, 422, 400),
        (r#"{"query":"{viewer{person}}","variables":7}"#, 422, 400),
        (r#"{"query":"{"}"#, 400, 200),
        ("{", 400, 400),
    ] {
        assert_eq!(ask("application/graphql-response+json", body), newer, "{body}");
        assert_eq!(ask("application/json", body), older, "{body}");
    }
}
