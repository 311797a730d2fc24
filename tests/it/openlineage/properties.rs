//! Any event comes back, and its digest does not depend on how it is spelled.
use super::{NOW, check_everything, core_schemas, respelled};
use ledgerline::interop::openlineage::{RefusalKind, canonical_digest, read};
use proptest::prelude::*;

/// JSON texts as people, programs and adversaries write them.
fn json(depth: u32) -> BoxedStrategy<String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,4})?",
        text(),
    ];
    scalar
        .prop_recursive(depth, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(", "))),
                prop::collection::btree_map("[a-z@.]{0,12}", inner, 0..5)
                    .prop_map(|m| object(m.into_iter().map(|(k, v)| (format!("\"{k}\""), v)).collect())),
            ]
        })
        .boxed()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        r#""[a-z @.:/\-ü客]{0,20}""#,
        r#""([a-z@.]|\\n|\\u0040|\\ud83d|\\ude00|\\/|\\"){0,16}""#,
        Just("\"jane@example.org\"".to_owned()),
        Just("\"Jane <jane\\u0040example.org>\\njane@example.org\"".to_owned()),
    ]
}

fn object(members: Vec<(String, String)>) -> String {
    format!("{{{}}}", members.into_iter().map(|(k, v)| format!("{k}:{v}")).collect::<Vec<_>>().join(" ,"))
}

/// Facets by known and unknown names; those that must have a type have it.
fn facets() -> impl Strategy<Value = String> {
    let owners = r#"\{"owners":\[\{"name":"[a-z @.]{0,9}"\},\{"name":"jane@example\.org","type":"X"\}\]\}"#;
    let lifecycle = prop_oneof![Just("RENAME"), Just("DROP"), Just("odd")]
        .prop_map(|w| format!(r#"{{"lifecycleStateChange":"{w}","previousIdentifier":{{"namespace":"n","name":"o"}}}}"#));
    let columns = json(1).prop_map(|v| format!(r#"{{"fields":[{{"name":"a","x":{v}}},{{"name":"b","fields":[]}}]}}"#));
    let any = json(3).prop_map(|v| format!(r#"{{"_producer":"p","v":{v}}}"#));
    let facet = prop_oneof![any, Just("null".to_owned()), Just(r#"{"_deleted":true}"#.to_owned())];
    (
        prop::option::of(owners),
        prop::option::of(lifecycle),
        prop::option::of(columns),
        prop::option::of(json(2).prop_map(|v| format!(r#"{{"datasetVersion":{v}}}"#))),
        prop::collection::btree_map("x[a-z!.ü]{0,6}", facet, 0..4),
    )
        .prop_map(|(owners, lifecycle, columns, version, others)| {
            let known = [("ownership", owners), ("lifecycleStateChange", lifecycle), ("schema", columns), ("version", version)];
            let known = known.into_iter().filter_map(|(k, v)| Some((format!("\"{k}\""), v?)));
            object(known.chain(others.into_iter().map(|(k, v)| (format!("\"{k}\""), v))).collect())
        })
}

fn entity(side: &'static str) -> impl Strategy<Value = String> {
    (r#""[a-zü/: ]{1,9}""#, r#""([a-z客@.]|\\n|\\u00e9){1,9}""#, facets(), facets(), any::<bool>()).prop_map(
        move |(ns, name, facets, more, first)| {
            let mut members =
                vec![("\"namespace\"".into(), ns), ("\"name\"".into(), name), ("\"facets\"".into(), facets), (side.into(), more)];
            if first {
                members.reverse();
            }
            object(members)
        },
    )
}

fn event() -> impl Strategy<Value = String> {
    let list = |side| prop::option::of(prop::collection::vec(entity(side), 0..3).prop_map(|v| format!("[{}]", v.join(","))));
    let when =
        prop_oneof![Just("\"2026-01-02T03:04:05Z\""), Just("\"2020-02-29T23:59:59.123456789+14:00\""), Just("\"2026-01-02 03:04:05\"")];
    (0..3_u8, when, entity("\"other\""), list("\"inputFacets\""), list("\"outputFacets\""), facets(), json(2), any::<u64>()).prop_map(
        |(kind, when, entity, inputs, outputs, facets, extra, order)| {
            let mut members: Vec<(String, String)> = vec![("\"eventTime\"".into(), when.into()), ("\"x\"".into(), extra)];
            members.push((if kind == 2 { "\"dataset\"" } else { "\"job\"" }.into(), entity));
            if kind == 0 {
                members.push(("\"run\"".into(), object(vec![("\"runId\"".into(), "\"R\"".into()), ("\"facets\"".into(), facets)])));
                members.push(("\"event\\u0054ype\"".into(), "\"FAIL\"".into()));
            }
            members.extend(inputs.map(|v| ("\"inputs\"".into(), v)));
            members.extend(outputs.map(|v| ("\"outputs\"".into(), v)));
            let by = usize::try_from(order % members.len() as u64).expect("small");
            members.rotate_left(by);
            object(members)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_event_comes_back_byte_for_byte(event in event()) {
        check_everything(event.as_bytes(), &core_schemas());
    }

    #[test]
    fn the_canonical_digest_depends_on_the_value_alone(json in json(4)) {
        let digest = canonical_digest(json.as_bytes()).expect("JSON");
        prop_assert_eq!(canonical_digest(&respelled(json.as_bytes())).expect("JSON"), digest);
        let other = canonical_digest(format!("[{json}]").as_bytes()).expect("JSON");
        prop_assert_ne!(other, digest);
    }

    /// Cut short, an event is malformed and never taken in part.
    #[test]
    fn a_part_of_an_event_is_refused(event in event(), at in 0.0..1.0_f64) {
        let mut cut = (event.len() as f64 * at) as usize;
        while !event.is_char_boundary(cut) {
            cut -= 1;
        }
        let refusal = read(&event.as_bytes()[..cut], NOW).expect_err("refused");
        prop_assert_eq!(refusal.kind, RefusalKind::Malformed);
        prop_assert!(!refusal.message.is_empty());
    }
}
