//! Single events.
use serde_json::{Value, json};

use super::{Guarded, with, without};
use crate::{api::stand::Ask, support::run_event};

#[test]
fn what_is_no_json_is_malformed_and_says_where() {
    let guarded = Guarded::new();
    let good = run_event("COMPLETE", 1, 10, &["a"], &["b"]).to_string();
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    for (body, sentence) in [
        (String::new(), "the text ends where a JSON value was expected at line 1, column 1"),
        ("  \n ".to_owned(), "the text ends where a JSON value was expected at line 2, column 2"),
        ("{".to_owned(), "the text ends inside an object at line 1, column 2"),
        ("nope".to_owned(), "a JSON value was expected"),
        ("{'a': 1}".to_owned(), "a member's name in double quotes was expected at line 1, column 2"),
        (r#"{"a" 1}"#.to_owned(), "a colon was expected at line 1, column 6"),
        (r#"{"a": 1 "b": 2}"#.to_owned(), "a comma or the end of the object was expected"),
        (r#"{"a": 01}"#.to_owned(), ""),
        (r#"{"a": NaN}"#.to_owned(), ""),
        (r#"{"a": "x"#.to_owned(), ""),
        ("{\"a\": \"\n\"}".to_owned(), ""),
        (r#"{"a": "\x"}"#.to_owned(), ""),
        (format!("{good} {good}"), "something follows the JSON value"),
        (format!("\u{feff}{good}"), "a JSON value was expected at line 1, column 1"),
        (good[..good.len() - 1].to_owned(), "the text ends inside an object"),
        (deep("[", "]"), "values are nested deeper than 128 levels"),
        (deep(r#"{"a":"#, "}"), "values are nested deeper than 128 levels"),
        (good.replacen('{', &format!(r#"{{"x":{},"#, deep("[", "]")), 1), "values are nested deeper than 128 levels"),
        (r#"{"$serde_json::private::RawValue": "{}"}"#.to_owned(), "a member's name starts with a prefix that is reserved"),
    ] {
        let (status, code, _, message) = guarded.refused(body.as_str());
        assert_eq!((status, code.as_str()), (400, "BAD_USER_INPUT"), "{message}");
        assert!(message.starts_with(sentence), "{message}");
    }
    guarded.still_works();
}

#[test]
fn a_member_that_comes_twice_is_malformed_wherever_it_is() {
    let guarded = Guarded::new();
    let good = run_event("COMPLETE", 1, 10, &["a"], &["b"]).to_string();
    for (from, to, pointer) in [
        (r#""eventType":"#, r#""eventType":"START","eventType":"#, "/eventType"),
        (r#""eventType":"#, r#""event\u0054ype":"START","eventType":"#, "/eventType"),
        (r#""runId":"#, r#""runId":"x","runId":"#, "/run/runId"),
        (r#""name":"a""#, r#""name":"a","facets":{"x":{"y":{"z":1,"z":1}}}"#, "/inputs/0/facets/x/y/z"),
    ] {
        assert!(good.contains(from));
        let (status, code, at, message) = guarded.refused(good.replacen(from, to, 1));
        assert_eq!((status, code.as_str(), at.as_str()), (400, "BAD_USER_INPUT", pointer), "{message}");
    }
    guarded.still_works();
}

#[test]
fn bytes_that_are_no_utf8_are_malformed() {
    let guarded = Guarded::new();
    let good = run_event("COMPLETE", 1, 10, &["a"], &["b"]).to_string();
    let at = good.find("etl").unwrap();
    for bad in [&b"\xff"[..], b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\x80"] {
        let body = [&good.as_bytes()[..at], bad, &good.as_bytes()[at..]].concat();
        let (status, code, _, message) = guarded.refused(body);
        assert_eq!(
            (status, code.as_str(), message),
            (400, "BAD_USER_INPUT", format!("the text is not valid UTF-8 at line 1, column {}", at + 1))
        );
    }
    let (status, _, pointer, _) = guarded.refused(good.replacen("etl", r"\ud800", 1));
    assert_eq!((status, pointer.as_str()), (400, "/job/name"));
    guarded.still_works();
}

#[test]
fn a_wrong_type_is_told_with_its_place() {
    let guarded = Guarded::new();
    for (pointer, value, sentence) in [
        ("/eventType", json!(7), "`eventType` must be a string, not a number"),
        ("/eventType", json!("DONE"), "`eventType` must be one of START, RUNNING, COMPLETE, ABORT, FAIL, OTHER"),
        ("/eventTime", json!(1_764_000_000), "`eventTime` must be a string, not a number"),
        ("/eventTime", json!(["2026-11-24T10:00:00Z"]), "`eventTime` must be a string, not an array"),
        ("/producer", json!({}), "`producer` must be a string, not an object"),
        ("/producer", json!(""), "`producer` must not be empty"),
        ("/schemaURL", json!(true), "`schemaURL` must be a string, not a boolean"),
        ("/run", json!("x"), "`run` must be an object, not a string"),
        ("/run", json!([]), "`run` must be an object, not an array"),
        ("/run/runId", json!(5), "`runId` must be a string, not a number"),
        ("/run/runId", json!(""), "`runId` must not be empty"),
        ("/run/facets", json!([]), "a set of facets must be an object, not an array"),
        ("/job", json!("etl"), "a job must be an object, not a string"),
        ("/job/namespace", json!({}), "a namespace must be a string, not an object"),
        ("/job/name", json!(1.5), "a name must be a string, not a number"),
        ("/job/facets", json!({"sql": "select 1"}), "a facet must be an object, not a string"),
        ("/inputs", json!({}), "`inputs` must be an array, not an object"),
        ("/inputs/0", json!(7), "a dataset must be an object, not a number"),
        ("/outputs", json!("b"), "`outputs` must be an array, not a string"),
        ("/outputs/0/facets", json!({"x": {"_deleted": 1}}), "`_deleted` must be a boolean, not a number"),
    ] {
        let (status, code, at, message) = guarded.refused(with(pointer, value));
        assert_eq!((status, code.as_str(), message.as_str()), (422, "BAD_USER_INPUT", sentence), "{pointer}");
        assert!(at.starts_with(pointer), "{at} for {pointer}");
    }
    for (body, sentence) in [
        ("[]", "an event is an object, not an array"),
        ("7", "an event is an object, not a number"),
        ("null", "an event is an object, not null"),
        (r#""event""#, "an event is an object, not a string"),
        ("{}", "an event has a `run` and a `job`, a `job`, or a `dataset`; this one has none of them"),
    ] {
        let (status, _, pointer, message) = guarded.refused(body);
        assert_eq!((status, pointer.as_str(), message.as_str()), (422, "", sentence));
    }
    guarded.still_works();
}

#[test]
fn what_is_missing_is_told_with_its_place() {
    let guarded = Guarded::new();
    for (pointer, sentence) in [
        ("/eventTime", "an event must have an `eventTime`"),
        ("/job", "a run event must name its job"),
        ("/job/namespace", "a job must have a namespace"),
        ("/job/name", "a job must have a name"),
        ("/run/runId", "a run must have a `runId`"),
        ("/inputs/0/name", "a dataset must have a name"),
        ("/outputs/0/namespace", "a dataset must have a namespace"),
    ] {
        for body in [without(pointer), with(pointer, Value::Null)] {
            let (status, code, at, message) = guarded.refused(body);
            assert_eq!((status, code.as_str(), at.as_str(), message.as_str()), (422, "BAD_USER_INPUT", pointer, sentence));
        }
    }
    guarded.still_works();
}

#[test]
fn impossible_times_are_refused_and_only_those() {
    let guarded = Guarded::new();
    for bad in [
        "",
        "yesterday",
        "2026-13-01T00:00:00Z",
        "2026-11-24T25:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-24",
        "12:00:00Z",
        "1764000000",
        "99999-01-01T00:00:00Z",
    ] {
        let (status, code, pointer, _) = guarded.refused(with("/eventTime", json!(bad)));
        assert_eq!((status, code.as_str(), pointer.as_str()), (422, "BAD_USER_INPUT", "/eventTime"), "{bad}");
    }
    for ahead in ["2026-11-25T12:00:01Z", "2026-11-25T12:00:00.000001Z", "2026-11-25T14:00:01+02:00", "9999-12-31T23:59:59Z"] {
        let (status, code, pointer, message) = guarded.refused(with("/eventTime", json!(ahead)));
        assert_eq!((status, code.as_str(), pointer.as_str()), (422, "BAD_USER_INPUT", "/eventTime"), "{ahead}");
        assert_eq!(message, "`eventTime` is more than 24 hours ahead of this server's clock");
    }
    guarded.still_works();
    let stand = &guarded.stand;
    for fine in ["2026-11-25T12:00:00Z", "2026-11-25T14:00:00+02:00", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-11-24T10:00:00"]
    {
        let answer = stand.ask(Ask::post("/api/v1/lineage", "application/json", with("/eventTime", json!(fine))).by(&guarded.token));
        assert_eq!(answer.status, 201, "{fine}: {}", answer.text());
    }
}

#[test]
fn no_event_is_refused_for_the_order_or_state_of_its_run() {
    let stand = crate::api::stand::Stand::new();
    let token = stand.token(&[ledgerline::access::Role::Engineer]);
    // The end first, then beginnings, ends of other kinds, and both again, at equal and earlier times.
    for (i, (kind, minute)) in
        [("COMPLETE", 30), ("FAIL", 30), ("START", 30), ("START", 10), ("ABORT", 5), ("RUNNING", 40), ("COMPLETE", 29), ("OTHER", 1)]
            .into_iter()
            .enumerate()
    {
        let answer = stand.send(&token, &run_event(kind, 1, minute, &["a"], &["b"]));
        assert_eq!((answer.status, answer.json()["index"].as_u64()), (201, Some(1 + i as u64)), "{kind}");
    }
    let run = stand.data(&token, r#"{run(runId: "00000000-0000-4000-8000-000000000001"){state startedAt events{index}}}"#, json!({}));
    assert_eq!((&run["run"]["state"], run["run"]["events"].as_array().unwrap().len()), (&json!("RUNNING"), 8));
    assert_eq!(run["run"]["startedAt"], "2026-11-24T00:01:00.000000Z");
}

#[test]
fn names_are_anything_up_to_4_kib() {
    let guarded = Guarded::new();
    for pointer in ["/job/name", "/job/namespace", "/inputs/0/name", "/outputs/0/namespace", "/run/runId", "/producer"] {
        let (status, _, at, message) = guarded.refused(with(pointer, json!("x".repeat(4097))));
        assert_eq!((status, at.as_str()), (422, pointer), "{message}");
        assert!(message.ends_with("must not be longer than 4096 bytes"), "{message}");
        // Bytes count, not characters.
        assert_eq!(guarded.refused(with(pointer, json!("é".repeat(2049)))).0, 422);
    }
    guarded.still_works();
    let stand = &guarded.stand;
    let odd = [
        "x".repeat(4096),
        "a/b//c/../d".to_owned(),
        " spaces  around ".to_owned(),
        "Grüße 你好 🦀 \u{202e}x\u{0}y".to_owned(),
        r#"'single' "double" `back` \ % ? # &"#.to_owned(),
        "dataset:with:colons::".to_owned(),
        "'; DROP TABLE node; --".to_owned(),
        "e\u{301}".to_owned(),
        "é".to_owned(),
    ];
    for (i, name) in odd.iter().enumerate() {
        let mut event = run_event("COMPLETE", i as u8, 10, &[name], &["out"]);
        event["inputs"][0]["namespace"] = json!("file:///tmp/ a:b");
        let answer = stand.send(&guarded.token, &event);
        assert_eq!(answer.status, 201, "{}", answer.text());
        let by_name = "query($n: String!){artifact(ref: {dataset: {namespace: \"file:///tmp/ a:b\", name: $n}}){id name nodeId}}";
        let found = stand.data(&guarded.token, by_name, json!({ "n": name }))["artifact"].clone();
        assert_eq!(found["name"], json!(name));
        let by_node = "query($n: String!){artifact(ref: {nodeId: $n}){id}}";
        assert_eq!(stand.data(&guarded.token, by_node, json!({ "n": found["nodeId"] }))["artifact"]["id"], found["id"], "{name}");
    }
    let all = stand.data(&guarded.token, "{artifacts(first: 50, filter: {namespace: \"file:///tmp/ a:b\"}){nodes{name}}}", json!({}));
    let mut sorted: Vec<&str> = odd.iter().map(String::as_str).collect();
    sorted.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    let names: Vec<&str> = all["artifacts"]["nodes"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap()).collect();
    assert_eq!(names, sorted);
}

#[test]
fn other_media_types_and_encodings_are_415() {
    let guarded = Guarded::new();
    let good = run_event("COMPLETE", 1, 10, &["a"], &["b"]).to_string();
    for path in ["/api/v1/lineage", "/api/v1/lineage/batch"] {
        for kind in [
            "text/plain",
            "application/xml",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "nonsense",
        ] {
            let answer = guarded.ask(Ask::post(path, kind, good.as_str()).by(&guarded.token));
            assert_eq!((answer.status, answer.code().as_str()), (415, "BAD_USER_INPUT"), "{path} {kind}");
        }
        for encoding in ["br", "zstd", "deflate", "gzip, gzip", "compress", "x"] {
            let answer =
                guarded.ask(Ask::post(path, "application/json", good.as_str()).with("content-encoding", encoding).by(&guarded.token));
            assert_eq!((answer.status, answer.code().as_str()), (415, "BAD_USER_INPUT"), "{path} {encoding}");
        }
        for method in ["GET", "PUT", "DELETE", "PATCH"] {
            let answer = guarded.ask(Ask { method, ..Ask::get(path) }.by(&guarded.token));
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{path} {method}");
        }
    }
    guarded.still_works();
}
