//! Each bad input with the place it names, and each deviation that is taken.
use super::{NOW, fixture, refused, warnings_of};
use ledgerline::interop::openlineage::{RefusalKind, code, read};

/// A small run event in which `from` was replaced.
fn with(from: &str, to: &str) -> String {
    let event = concat!(
        r#"{"eventType":"START","eventTime":"2026-01-02T03:04:05Z","producer":"p:x","schemaURL":"s:x","#,
        r#""run":{"runId":"0195500a-7c00-7000-8000-00000000a001","facets":{}},"job":{"namespace":"n","name":"j","facets":{}},"#,
        r#""inputs":[{"namespace":"n","name":"a","facets":{}}],"outputs":[]}"#
    );
    assert!(event.contains(from), "{from}");
    event.replacen(from, to, 1)
}

const INPUT_FACETS: &str = r#""a","facets":{}"#;

#[test]
fn what_is_not_understood_is_invalid_and_says_where() {
    let long = "x".repeat(4097);
    let facet = |name: &str, value: &str| with(INPUT_FACETS, &format!(r#""a","facets":{{"{name}":{value}}}"#));
    for (event, pointer, message) in [
        ("[]".to_owned(), "", "an event is an object, not an array"),
        ("{}".to_owned(), "", "an event has a `run` and a `job`, a `job`, or a `dataset`; this one has none of them"),
        (with(r#""job":{"namespace":"n","name":"j","facets":{}},"#, ""), "/job", "a run event must name its job"),
        (with(r#""job":{"#, r#""jub":{"#), "/job", "a run event must name its job"),
        (with(r#""namespace":"n","name":"j""#, r#""name":"j""#), "/job/namespace", "a job must have a namespace"),
        (with(r#""name":"j""#, r#""name":null"#), "/job/name", "a job must have a name"),
        (with(r#""name":"j""#, r#""name":7"#), "/job/name", "a name must be a string, not a number"),
        (with(r#""name":"j""#, r#""name":"""#), "/job/name", "a name must not be empty"),
        (with(r#""name":"j""#, &format!(r#""name":"{long}""#)), "/job/name", "a name must not be longer than 4096 bytes"),
        (with(r#""name":"a""#, r#""nome":"a""#), "/inputs/0/name", "a dataset must have a name"),
        (with(r#"[{"namespace":"n","name":"a","facets":{}}]"#, r#"{}"#), "/inputs", "`inputs` must be an array, not an object"),
        (with(r#""outputs":[]"#, r#""outputs":[1]"#), "/outputs/0", "a dataset must be an object, not a number"),
        (with(r#""outputs":[]"#, r#""outputs":"x""#), "/outputs", "`outputs` must be an array, not a string"),
        (
            with(r#""run":{"runId":"0195500a-7c00-7000-8000-00000000a001","facets":{}}"#, r#""run":[]"#),
            "/run",
            "`run` must be an object, not an array",
        ),
        (with(r#""runId":"0195500a-7c00-7000-8000-00000000a001""#, r#""x":1"#), "/run/runId", "a run must have a `runId`"),
        (
            with(r#""runId":"0195500a-7c00-7000-8000-00000000a001""#, r#""runId":17"#),
            "/run/runId",
            "`runId` must be a string, not a number",
        ),
        (with(r#""runId":"0195500a-7c00-7000-8000-00000000a001""#, r#""runId":"""#), "/run/runId", "`runId` must not be empty"),
        (with("START", "NONE"), "/eventType", "`eventType` must be one of START, RUNNING, COMPLETE, ABORT, FAIL, OTHER"),
        (with(r#""START""#, "1"), "/eventType", "`eventType` must be a string, not a number"),
        (with(r#""eventTime":"2026-01-02T03:04:05Z","#, ""), "/eventTime", "an event must have an `eventTime`"),
        (with("2026-01-02T03:04:05Z", "2026-02-30T00:00:00Z"), "/eventTime", "`eventTime` is not an RFC 3339 instant"),
        (with("2026-01-02T03:04:05Z", "yesterday"), "/eventTime", "`eventTime` is not an RFC 3339 instant"),
        (with(r#""2026-01-02T03:04:05Z""#, "1767323045"), "/eventTime", "`eventTime` must be a string, not a number"),
        (
            with("2026-01-02T03:04:05Z", "2026-11-25T00:00:00.000001Z"),
            "/eventTime",
            "`eventTime` is more than 24 hours ahead of this server's clock",
        ),
        (with(r#""p:x""#, "{}"), "/producer", "`producer` must be a string, not an object"),
        (with(r#""s:x""#, "[]"), "/schemaURL", "`schemaURL` must be a string, not an array"),
        (with(INPUT_FACETS, r#""a","facets":[]"#), "/inputs/0/facets", "a set of facets must be an object, not an array"),
        (with(INPUT_FACETS, r#""a","inputFacets":3"#), "/inputs/0/inputFacets", "a set of facets must be an object, not a number"),
        (facet("a/b~", "1"), "/inputs/0/facets/a~1b~0", "a facet must be an object, not a number"),
        (facet("x", r#"{"_deleted":"yes"}"#), "/inputs/0/facets/x/_deleted", "`_deleted` must be a boolean, not a string"),
        (facet("schema", r#"{"fields":{}}"#), "/inputs/0/facets/schema/fields", "this member of the facet must be an array, not an object"),
        (
            facet("schema", r#"{"fields":[{"name":"a","fields":[{"name":3}]}]}"#),
            "/inputs/0/facets/schema/fields/0/fields/0/name",
            "this member of the facet must be a string, not a number",
        ),
        (
            facet("columnLineage", r#"{"fields":{"c":{"inputFields":["x"]}}}"#),
            "/inputs/0/facets/columnLineage/fields/c/inputFields/0",
            "this member of the facet must be an object, not a string",
        ),
        (
            facet("ownership", r#"{"owners":"Jane"}"#),
            "/inputs/0/facets/ownership/owners",
            "this member of the facet must be an array, not a string",
        ),
        (
            with(r#""facets":{}"#, r#""facets":{"parent":{"run":"x"}}"#),
            "/run/facets/parent/run",
            "this member of the facet must be an object, not a string",
        ),
        (
            r#"{"eventTime":"2026-01-02T03:04:05Z","job":{},"dataset":{}}"#.to_owned(),
            "/dataset",
            "an event without `run` is about a job or about a dataset, not about both",
        ),
        (
            facet("ownership", &format!(r#"{{"owners":[{{"name":"{long}"}}]}}"#)),
            "/inputs/0/facets/ownership/owners/0/name",
            "what names a person must not be longer than 4096 bytes",
        ),
    ] {
        let r = refused(&event);
        assert_eq!((r.kind, r.pointer.as_str(), r.message.as_str()), (RefusalKind::Invalid, pointer, message), "{event:.200}");
    }
}

#[test]
fn what_is_no_json_of_one_meaning_is_malformed_and_says_where() {
    let deep = format!(r#""facets":{{"x":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    for (event, pointer, message) in [
        (String::new(), "", "the text ends where a JSON value was expected at line 1, column 1"),
        (with(r#""outputs":[]}"#, r#""outputs":[]"#), "/outputs", "the text ends inside an object at line 1"),
        (with(r#""outputs":[]"#, r#""outputs":[}"#), "/outputs", "a JSON value was expected at line 1"),
        (with(r#""name":"j""#, r#""name":"j","name":"k""#), "/job/name", "a member's name is there twice in one object"),
        (with(r#""facets":{}"#, r#""facets":{"x":{"a":[{"b":1,"\u0062":2}]}}"#), "/run/facets/x/a/0/b", "a member's name is there twice"),
        (
            with(r#""facets":{}"#, r#""facets":{"x":{"$serde_json::private::RawValue":"{}"}}"#),
            "/run/facets/x/$serde_json::private::RawValue",
            "a member's name starts with a prefix that is reserved",
        ),
        (with(r#""facets":{}"#, &deep), "/run/facets/x", "values are nested deeper than 128 levels"),
        (with(r#""name":"j""#, r#""name":"\ud83d""#), "/job/name", "a name holds half of a surrogate pair"),
        (with(r#""facets":{}"#, r#""facets":{"\udc00":{}}"#), "/run/facets/\u{fffd}", "a facet's name holds half of a surrogate pair"),
    ] {
        let r = refused(&event);
        assert_eq!(r.kind, RefusalKind::Malformed, "{event:.200}");
        assert!(r.pointer.starts_with(pointer), "{} {event:.200}", r.pointer);
        assert!(r.message.starts_with(message), "{} {event:.200}", r.message);
    }
    let mut bytes = with("p:x", "p:é").into_bytes();
    let at = bytes.iter().position(|&b| b == 0xC3).expect("é");
    bytes[at] = 0xFF;
    assert_eq!(read(&bytes, NOW).expect_err("refused").kind, RefusalKind::Malformed);
}

#[test]
fn a_refusal_never_repeats_a_value() {
    let body = String::from_utf8(fixture("run_complete")).expect("UTF-8");
    for from in [r#""COMPLETE""#, r#""2026-03-01T06:00:12.345678+01:00""#] {
        let r = refused(&body.replacen(from, r#""planted""#, 1));
        assert!(!r.message.contains("planted") && !r.pointer.contains("planted"), "{r:?}");
    }
    assert!(!refused(&body[..body.len() - 40]).message.contains("size"));
}

#[test]
fn what_deviates_and_is_understood_is_taken_with_a_warning() {
    let facet = |value: &str| with(INPUT_FACETS, &format!(r#""a","facets":{value}"#));
    for (event, expected, pointer) in [
        (with(r#","schemaURL":"s:x""#, ""), code::SCHEMA_URL_MISSING, "/schemaURL"),
        (with(r#""producer":"p:x","#, ""), code::PRODUCER_MISSING, "/producer"),
        (with("03:04:05Z", "03:04:05"), code::TIME_ZONE_MISSING, "/eventTime"),
        (with("0195500a-7c00-7000-8000-00000000a001", "scheduled__1"), code::RUN_ID_NOT_UUID, "/run/runId"),
        (with(r#""eventType":"START","#, ""), code::EVENT_TYPE_MISSING, "/eventType"),
        (with("START", "Start"), code::EVENT_TYPE_CASE, "/eventType"),
        (with(r#""outputs":[]"#, r#""outputs":null"#), code::MEMBER_NULL, "/outputs"),
        (with(INPUT_FACETS, r#""a","facets":null"#), code::MEMBER_NULL, "/inputs/0/facets"),
        (with(r#""outputs":[]"#, r#""outputs":[],"x/y":1"#), code::MEMBER_UNKNOWN, "/x~1y"),
        (with(r#""outputs":[]"#, r#""outputs":[],"dataset":{}"#), code::MEMBER_UNKNOWN, "/dataset"),
        (facet(r#"{"x":{"_producer":"p:x"}}"#), code::FACET_SCHEMA_URL_MISSING, "/inputs/0/facets/x/_schemaURL"),
        (facet(r#"{"x":{"_schemaURL":"s:x"}}"#), code::FACET_PRODUCER_MISSING, "/inputs/0/facets/x/_producer"),
        (facet(r#"{"version":{"_producer":"p:x","_schemaURL":"s:x"}}"#), code::FACET_INCOMPLETE, "/inputs/0/facets/version"),
        (
            facet(r#"{"lifecycleStateChange":{"_producer":"p:x","_schemaURL":"s:x","lifecycleStateChange":"MELT"}}"#),
            code::FACET_NOT_UNDERSTOOD,
            "/inputs/0/facets/lifecycleStateChange/lifecycleStateChange",
        ),
        (
            with(r#""facets":{}"#, r#""facets":{"nominalTime":{"_producer":"p:x","_schemaURL":"s:x","nominalStartTime":"soon"}}"#),
            code::TIME_NOT_UNDERSTOOD,
            "/run/facets/nominalTime/nominalStartTime",
        ),
    ] {
        let warnings = warnings_of(&event);
        assert_eq!(warnings.iter().map(|w| (w.code, w.pointer.as_str())).collect::<Vec<_>>(), [(expected, pointer)], "{event}");
    }
    assert!(warnings_of(&with("START", "START")).is_empty());
    assert!(warnings_of(&with("2026-01-02T03:04:05Z", "2026-11-25T00:00:00Z")).is_empty(), "a day ahead to the microsecond");
}

#[test]
fn odd_values_that_decide_nothing_are_taken_as_they_are() {
    let facet =
        r#""a","facets":{"x":{"_producer":"p","_schemaURL":"s","n":[1e400,123456789012345678901234567890,-0.0,"\ud800\/\u0000"],"":{}}}"#;
    assert!(warnings_of(&with(INPUT_FACETS, facet)).is_empty());
    let longest = "ü".repeat(2048);
    for name in [" ", "a/b c", "名前", "\\u0000", &longest] {
        assert!(warnings_of(&with(r#""name":"j""#, &format!(r#""name":"{name}""#))).is_empty());
    }
}

#[test]
fn the_list_of_warnings_ends() {
    let many: Vec<String> = (0..100).map(|i| format!(r#""f{i}":{{}}"#)).collect();
    let warnings = warnings_of(&with(INPUT_FACETS, &format!(r#""a","facets":{{{}}}"#, many.join(","))));
    assert_eq!(warnings.len(), 65);
    assert_eq!(warnings[64].code, code::MORE_WARNINGS);
}
