//! What was received comes back, and `core` says what it said.
use super::{FIXTURES, NOW, check_everything, core_schemas, cut, fixture, whole};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ledgerline::{
    domain::{
        assertion::{LifecycleChange, RunState, Subject},
        name::Name,
        time::Micros,
    },
    interop::openlineage::{Gap, Place, facets_of, fuzz_event, read, reassemble, reassemble_readable},
};
use sha2::{Digest as _, Sha256};

#[test]
fn every_fixture_is_read_cut_and_reassembled() {
    let schemas = core_schemas();
    for name in FIXTURES {
        let warnings = check_everything(&fixture(name), &schemas);
        assert_eq!(warnings.is_empty(), name != "lax", "{name}: {warnings:?}");
    }
}

#[test]
fn seeds_of_the_fuzzer_hold() {
    let folder = format!("{}/fuzz/corpus/openlineage", env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(folder).expect("the corpus") {
        fuzz_event(&std::fs::read(entry.expect("an entry").path()).expect("a seed")).expect("the properties hold");
    }
}

#[test]
fn a_run_event_says_what_it_says() {
    let body = fixture("run_complete");
    let reading = read(&body, NOW).expect("taken");
    assert_eq!(reading.producer(), "https://example.org/scheduler/2.4.1/lineage");
    assert_eq!(reading.namespaces().collect::<Vec<_>>(), ["shop", "postgres://db.example.org:5432", "s3://lake.example.org"]);
    let a = cut(&reading).assertion;
    assert_eq!(a.subject, Subject::Run { run_id: "0195500a-7c00-7000-8000-00000000a001".into(), state: RunState::Complete });
    assert_eq!(a.time, Micros::read("2026-03-01T05:00:12.345678Z").expect("an instant").at);
    assert_eq!(a.source.producer.as_ref(), "https://example.org/scheduler/lineage");
    let job = a.job.expect("a job");
    assert_eq!(job.name, Name::new("shop", "load orders/daily – größe"));
    let owners = job.owners.expect("owners");
    assert_eq!(owners.iter().map(|o| o.role.as_deref()).collect::<Vec<_>>(), [Some("MAINTAINER"), None], "nobody is named by nothing");
    assert_eq!(a.parent.expect("a parent").job, Name::new("shop", "nightly"));
    assert_eq!(a.root.expect("a root").run_id.as_ref(), "0195500a-7c00-7000-8000-000000009fff");
    assert_eq!(a.nominal_end, Some(Micros::read("2026-03-01T06:00:00Z").expect("an instant").at));
    assert_eq!(a.inputs.expect("inputs")[0].version.as_deref(), Some("17"));
    let output = &a.outputs.expect("outputs")[0];
    let lifecycle = output.lifecycle.as_ref().expect("a lifecycle");
    assert_eq!(lifecycle.change, LifecycleChange::Rename);
    assert_eq!(lifecycle.previous, Some(Name::new("s3://lake.example.org", "orders_old")));
    let names: Vec<&str> = output.facets.iter().map(|f| f.name.as_ref()).collect();
    let sorted = ["catalog", "columnLineage", "lifecycleStateChange", "schema", "storage", "symlinks", "x_😀", "x_！"];
    assert_eq!(names, sorted, "by UTF-16, as RFC 8785 sorts");
    let deleted: Vec<&str> = output.facets.iter().filter(|f| f.deleted).map(|f| f.name.as_ref()).collect();
    assert_eq!(deleted, ["catalog", "storage"]);
}

#[test]
fn facets_that_stay_the_same_are_interned_once_and_others_are_not() {
    let body = fixture("run_complete");
    let reading = read(&body, NOW).expect("taken");
    let cut = cut(&reading);
    let interned = |facets: &[ledgerline::domain::assertion::FacetRef]| -> Vec<String> {
        facets.iter().filter(|f| f.interned).map(|f| f.name.to_string()).collect()
    };
    let a = &cut.assertion;
    assert_eq!(interned(&a.job.as_ref().expect("a job").facets), ["jobType", "sql"], "documentation and ownership name people");
    assert_eq!(interned(&a.inputs.as_ref().expect("inputs")[0].facets), ["dataSource", "schema"], "the version varies");
    let schema = facets_of(&body).expect("JSON").into_iter().find(|f| f.place == Place::Output(0) && f.name == "schema").expect("a schema");
    let digest: [u8; 32] = Sha256::digest(schema.raw).into();
    assert_eq!(cut.blobs.iter().filter(|b| b.digest == digest).count(), 1, "input and output have the same columns");
    for blob in &cut.blobs {
        assert_eq!(blob.digest, <[u8; 32]>::from(Sha256::digest(blob.bytes)));
    }
}

#[test]
fn a_missing_part_is_told_and_the_rest_stays_readable() {
    let body = fixture("run_complete");
    let reading = read(&body, NOW).expect("taken");
    let cut = cut(&reading);
    let blob = |d: &_| cut.blobs.iter().find(|b| b.digest == *d).map(|b| b.bytes.to_vec());
    let person = |p: u16| cut.people.get(usize::from(p)).map(|p| p.bytes.clone());
    let gap = reassemble(&cut.rest, &mut |_| None, &mut { person }).expect_err("a gap");
    assert!(matches!(gap, Gap::Blob(digest) if cut.blobs.iter().any(|b| b.digest == digest)));
    assert_eq!(reassemble(&cut.rest, &mut { blob }, &mut |_| None), Err(Gap::Person(0)));
    let left = reassemble_readable(&cut.rest, &mut { blob }, &mut |p| (p != 0).then(|| person(p)).flatten()).expect("readable");
    assert_eq!(left.gaps, [Gap::Person(0)]);
    let text = String::from_utf8(left.bytes).expect("UTF-8");
    assert!(text.contains(r#""owner": "ERASED""#) && text.contains("ops@example.org"), "{text}");
    assert!(read(text.as_bytes(), NOW).is_ok(), "still an event");
}

/// The vectors of `docs/entry-format.md`.
#[test]
fn the_published_vectors_hold() {
    let event = concat!(
        r#"{"eventTime":"2026-01-02T03:04:05Z","producer":"https://example.org/p","schemaURL":"https://example.org/s","#,
        r#""dataset":{"namespace":"n","name":"d","facets":{"#,
        r#""ownership":{"_producer":"https://example.org/p","_schemaURL":"https://example.org/s","owners":[{"name":"Jane Roe","type":"OWNER"}]},"#,
        r#""schema":{"_producer":"https://example.org/p","_schemaURL":"https://example.org/s","fields":[{"name":"a"}]}}}}"#
    );
    let document = std::fs::read_to_string(format!("{}/docs/entry-format.md", env!("CARGO_MANIFEST_DIR"))).expect("the document");
    let reading = read(event.as_bytes(), NOW).expect("taken");
    let handle = ledgerline::domain::id::Handle::parse("00112233-4455-4677-8899-aabbccddeeff").expect("a handle");
    let cut = reading.cut(&super::source(), &[handle]);
    assert_eq!(whole(&cut), event.as_bytes());
    let mut missing = String::new();
    let b64u = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    for (what, vector) in [
        ("event", event.to_owned()),
        ("core", String::from_utf8(cut.core.clone()).expect("UTF-8")),
        ("rest", b64u(&cut.rest)),
        ("person", String::from_utf8(cut.people[0].bytes.clone()).expect("UTF-8")),
        ("blob", b64u(&cut.blobs[0].digest)),
        ("canonical digest", b64u(reading.canonical_digest())),
        ("shape", b64u(&cut.shape)),
    ] {
        if !document.contains(&format!("`{vector}`")) {
            missing.push_str(&format!("{what}: {vector}\n"));
        }
    }
    assert!(missing.is_empty(), "not in the document:\n{missing}");
}
