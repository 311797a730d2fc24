//! People leave the event: `core` and `rest` hold handles and holes.
use super::{NOW, cut, fixture, whole};
use ledgerline::{
    domain::id::Handle,
    interop::openlineage::{PersonKind, PersonPart, person_members, read},
};

const MARKER: &str = "Zyx Planted";

/// A value with the marker at a member path: `*` as an array, `**` two levels down.
fn planted(path: &str) -> String {
    match path.split_once('.') {
        None if path == "*" => format!(r#"["{MARKER}"]"#),
        None => format!(r#"{{"{path}":"{MARKER}"}}"#),
        Some(("*", rest)) => format!("[{}]", planted(rest)),
        Some(("**", rest)) => format!(r#"{{"x":[{}]}}"#, planted(rest)),
        Some((name, rest)) => format!(r#"{{"{name}":{}}}"#, planted(rest)),
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|w| w == text.as_bytes())
}

#[test]
fn a_marker_in_every_member_that_names_a_person_stays_in_person_parts() {
    for (facet, path) in person_members() {
        let value = planted(&path);
        let event = format!(
            r#"{{"eventTime":"2026-01-02T03:04:05Z","run":{{"runId":"r","facets":{{"{facet}":{value}}}}},
            "job":{{"namespace":"n","name":"j","facets":{{"{facet}":{value}}}}},
            "inputs":[{{"namespace":"n","name":"d","facets":{{"{facet}":{value}}},"inputFacets":{{"{facet}":{value}}}}}],
            "outputs":[{{"namespace":"n","name":"d","facets":{{"{facet}":{value}}},"outputFacets":{{"{facet}":{value}}}}}]}}"#
        );
        let reading = read(event.as_bytes(), NOW).unwrap_or_else(|r| panic!("{facet} {path}: {r:?}"));
        assert_eq!(reading.people().len(), 6, "{facet} {path}");
        let cut = cut(&reading);
        for (what, bytes) in [("core", &cut.core), ("rest", &cut.rest), ("prefix", &cut.prefix)] {
            assert!(!contains(bytes, "Planted"), "{what}: {facet} {path}");
        }
        assert!(cut.blobs.iter().all(|b| !contains(b.bytes, "Planted")), "{facet} {path}");
        let part = [PersonPart { handle: cut.people[0].handle, bytes: format!(r#"["{MARKER}"]"#).into_bytes() }];
        assert_eq!(cut.people, part, "one person, named alike");
        assert_eq!(whole(&cut), event.as_bytes());
    }
}

#[test]
fn values_are_told_with_their_kind_and_where_they_stand() {
    let body = fixture("run_complete");
    let text = std::str::from_utf8(&body).expect("UTF-8");
    let reading = read(&body, NOW).expect("taken");
    let found: Vec<(PersonKind, &str, &str)> = reading.people().iter().map(|p| (p.kind, p.value.as_ref(), &text[p.span.clone()])).collect();
    use PersonKind::{Email, Name};
    assert_eq!(
        found,
        [
            (Name, "Jane Roe", "Jane Roe"),
            (Email, "ops@example.org", "ops@example.org"),
            (Email, "jane.roe@example.org", "jane.roe@example.org"),
            (Email, "ops@example.org", "ops@example.org"),
            (Name, "Jane Roe", "Jane Roe"),
            (Email, "ops@example.org", "ops@example.org"),
            (Email, "jane.roe@example.org", "jane.roe\\u0040example.org"),
        ],
        "SQL stays whole, and so does the user of a URL"
    );
    let cut = cut(&reading);
    let parts: Vec<&str> = cut.people.iter().map(|p| std::str::from_utf8(&p.bytes).expect("UTF-8")).collect();
    assert_eq!(parts, [r#"["Jane Roe"]"#, r#"["ops@example.org"]"#, r#"["jane.roe@example.org","jane.roe\u0040example.org"]"#]);
}

#[test]
fn addresses_are_found_in_keys_and_behind_escapes_and_never_in_names_of_artifacts() {
    let event = concat!(
        r#"{"eventTime":"2026-01-02T03:04:05Z","job":{"namespace":"n","name":"team@example.org"},"#,
        r#""outputs":[{"namespace":"n","name":"d","facets":{"symlinks":{"identifiers":[{"namespace":"n","name":"t@example.org"}]},"#,
        r#""x":{"\nk@example.org":"\tv\u0040example.org\ud800","url":"ssh://git@example.org/x","scp":"git@example.org:x/y"}}}]}"#
    );
    let reading = read(event.as_bytes(), NOW).expect("taken");
    assert_eq!(reading.people().iter().map(|p| p.value.as_ref()).collect::<Vec<_>>(), ["k@example.org", "v@example.org"]);
    let cut = cut(&reading);
    assert!(!contains(&cut.rest, "k@example") && !contains(&cut.rest, "u0040"));
    assert_eq!(whole(&cut), event.as_bytes());
}

#[test]
fn a_facet_that_is_called_by_an_address_is_called_by_a_handle_in_core() {
    let event = r#"{"eventTime":"2026-01-02T03:04:05Z","dataset":{"namespace":"n","name":"d","facets":{"by jane@example.org":{},"by Jane@example.org":{}}}}"#;
    let reading = read(event.as_bytes(), NOW).expect("taken");
    let handle = Handle([1; 16]);
    let cut = reading.cut(&super::source(), &[handle, handle]);
    assert!(!contains(&cut.core, "@example.org"), "{}", String::from_utf8_lossy(&cut.core));
    assert_eq!(cut.assertion.dataset.as_ref().expect("a dataset").facets[0].name.as_ref(), format!("by {handle}"));
    assert_eq!(ledgerline::interop::openlineage::read_core(&cut.core).as_ref(), Ok(&cut.assertion));
    assert_eq!(whole(&cut), event.as_bytes());
}

#[test]
fn a_masked_or_blank_owner_is_nobody() {
    let event = r#"{"eventTime":"2026-01-02T03:04:05Z","dataset":{"namespace":"n","name":"d","facets":{"ownership":{"owners":[{"name":"***"},{"name":" "}]}}}}"#;
    let reading = read(event.as_bytes(), NOW).expect("taken");
    assert!(reading.people().is_empty());
    assert_eq!(cut(&reading).assertion.dataset.expect("a dataset").owners, Some(Vec::new()));
}

/// Whoever may read `core` could otherwise try names until a digest fits.
#[test]
fn digests_in_core_do_not_tell_who_is_named() {
    let event = |name: &str| {
        format!(
            r#"{{"eventTime":"2026-01-02T03:04:05Z","dataset":{{"namespace":"n","name":"d","facets":{{"ownership":{{"owners":[{{"name":"{name}"}}]}}}}}}}}"#
        )
    };
    let core = |name: &str, handle: u8| {
        let body = event(name);
        let reading = read(body.as_bytes(), NOW).expect("taken");
        (reading.cut(&super::source(), &[Handle([handle; 16])]).core, *reading.canonical_digest())
    };
    let (jane, bob) = (core("Jane", 1), core("Bob", 1));
    assert_eq!(jane.0, bob.0, "the handle decides, not the name");
    assert_ne!(jane.0, core("Jane", 2).0);
    assert_ne!(jane.1, bob.1);
}

#[test]
#[should_panic(expected = "one handle for each value")]
fn a_missing_handle_is_no_way_into_rest() {
    let body = fixture("run_complete");
    let _ = read(&body, NOW).expect("taken").cut(&super::source(), &[]);
}
