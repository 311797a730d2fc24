use super::*;

fn refused(text: &str) -> (String, String) {
    let r = Doc::scan(text.as_bytes()).expect_err("refused");
    assert_eq!(r.kind, RefusalKind::Malformed);
    (r.pointer, r.message)
}

#[test]
fn it_accepts_and_refuses_what_a_strict_parser_does() {
    for text in [
        "{}",
        " [ ] ",
        "null",
        "-0",
        "1.5e+3",
        "\"\"",
        "[1,2,[3]]",
        r#"{"a":{"b":[true,false,null]},"c":"\u00e9\n"}"#,
        "",
        " ",
        "{",
        "[",
        "[1,]",
        "{,}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        "01",
        "1.",
        ".5",
        "1e",
        "+1",
        "tru",
        "nul",
        "\"a",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\u{1}\"",
        "1 2",
        "[1}",
        "{\"a\":1]",
        "'a'",
        "\u{feff}{}",
        "[1 2]",
        "NaN",
        "-",
        "\"\\\"",
        "{1:2}",
        "[\"a\",{\"b\":2}]",
    ] {
        let oracle = serde_json::from_str::<&serde_json::value::RawValue>(text);
        assert_eq!(Doc::scan(text.as_bytes()).is_ok(), oracle.is_ok(), "{text}");
    }
}

#[test]
fn a_malformed_text_is_told_with_line_column_and_the_innermost_place() {
    let (pointer, message) = refused("{\"job\":\n {\"name\": tru}}");
    assert_eq!(pointer, "/job/name");
    assert_eq!(message, "a JSON value was expected at line 2, column 11");
    assert_eq!(refused(r#"{"inputs":[1,{"a/b~c":[}"#).0, "/inputs/1/a~1b~0c");
    assert_eq!(refused("[1,2").0, "/1");
    assert!(refused("{\"é\": \"\u{1}\"}").1.ends_with("line 1, column 8"));
}

#[test]
fn nesting_is_read_to_128_levels_and_no_deeper() {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(Doc::scan(nested(128).as_bytes()).is_ok());
    assert!(refused(&nested(129)).1.starts_with("values are nested deeper than 128 levels"));
    assert!(Doc::scan("[".repeat(5_000_000).as_bytes()).is_err());
}

#[test]
fn keys_that_serde_json_keeps_for_itself_are_refused_however_they_are_spelled() {
    for key in ["$serde_json::private::RawValue", "\\u0024serde_json::private::Number", "$serde_json::private::"] {
        let (pointer, message) = refused(&format!("{{\"a\":{{\"{key}\":1}}}}"));
        assert!(pointer.starts_with("/a"), "{pointer}");
        assert!(message.starts_with("a member's name starts with a prefix that is reserved"));
    }
    assert!(Doc::scan(br#"{"$serde":1}"#).is_ok());
}

#[test]
fn invalid_utf8_is_malformed() {
    let r = Doc::scan(b"{\"a\":\n\"\xff\"}").expect_err("refused");
    assert_eq!((r.kind, r.message.as_str()), (RefusalKind::Malformed, "the text is not valid UTF-8 at line 2, column 2"));
}

#[test]
fn a_pointer_leads_to_every_node() {
    let doc = Doc::scan(br#"{"a":[10,{"b":20}],"":[]}"#).expect("JSON");
    let pointers: Vec<String> = (0..doc.nodes.len() as Id).map(|id| doc.pointer(id)).collect();
    assert_eq!(pointers, ["", "/a", "/a", "/a/0", "/a/1", "/a/1/b", "/a/1/b", "/", "/"]);
}

proptest::proptest! {
    #[test]
    fn whatever_the_bytes_it_agrees_with_serde_json(text in r#"[\[\]{},:"\\ au0-9.eE+\-ntrfls]{0,24}"#) {
        let oracle = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
        proptest::prop_assert_eq!(Doc::scan(text.as_bytes()).is_ok(), oracle);
    }
}
