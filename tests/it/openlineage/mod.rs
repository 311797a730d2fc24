//! OpenLineage: what is read, refused, cut and given back.
mod bad_input;
mod people;
mod properties;
mod round_trip;
mod shape;

use ledgerline::{
    domain::{id::Handle, source::Source, time::Micros},
    interop::openlineage::{Cut, Reading, Refusal, Warning, canonical_digest, facets_of, read, read_core, reassemble},
};
use serde_json::Value;

/// 2026-11-24T00:00:00Z.
pub const NOW: Micros = Micros(1_795_478_400_000_000);

pub fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/openlineage/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

pub const FIXTURES: [&str; 4] = ["run_complete", "job_event", "dataset_event", "lax"];

pub fn source() -> Source {
    Source::new("shop", "https://example.org/scheduler/2.4.1/lineage")
}

/// One handle per value, the same for the same value.
pub fn handles(reading: &Reading<'_>) -> Vec<Handle> {
    let mut seen: Vec<&str> = Vec::new();
    let mut number = |value| {
        seen.iter().position(|v| *v == value).unwrap_or_else(|| {
            seen.push(value);
            seen.len() - 1
        })
    };
    reading.people().iter().map(|p| Handle::from_random((number(p.value.as_ref()) as u128 + 1).to_be_bytes())).collect()
}

pub fn cut<'a>(reading: &Reading<'a>) -> Cut<'a> {
    reading.cut(&source(), &handles(reading))
}

pub fn whole(cut: &Cut<'_>) -> Vec<u8> {
    let mut blob = |digest: &_| cut.blobs.iter().find(|b| b.digest == *digest).map(|b| b.bytes.to_vec());
    let mut person = |part: u16| cut.people.get(usize::from(part)).map(|p| p.bytes.clone());
    reassemble(&cut.rest, &mut blob, &mut person).expect("every part is there")
}

pub fn refused(event: &str) -> Refusal {
    read(event.as_bytes(), NOW).map(|r| panic!("taken with {:?}: {event}", r.warnings())).unwrap_err()
}

pub fn warnings_of(event: &str) -> Vec<Warning> {
    read(event.as_bytes(), NOW).unwrap_or_else(|r| panic!("{r:?}: {event}")).warnings().to_vec()
}

/// The published schemas of `core` by the `type` they are for.
pub fn core_schemas() -> Vec<(String, jsonschema::Validator)> {
    ["run", "job", "dataset"]
        .iter()
        .map(|kind| {
            let path = format!("{}/seeds/schemas/openlineage.{kind}.v1.json", env!("CARGO_MANIFEST_DIR"));
            let schema: Value = serde_json::from_slice(&std::fs::read(path).expect("a schema")).expect("JSON");
            (format!("openlineage.{kind}.v1"), jsonschema::validator_for(&schema).expect("a valid schema"))
        })
        .collect()
}

/// Everything that holds for every event that is taken. Gives back its warnings.
pub fn check_everything(event: &[u8], schemas: &[(String, jsonschema::Validator)]) -> Vec<Warning> {
    let text = String::from_utf8_lossy(event);
    let reading = read(event, NOW).unwrap_or_else(|r| panic!("{r:?}: {text}"));
    let cut = cut(&reading);
    assert_eq!(whole(&cut), event, "byte-equal");
    assert_eq!(read_core(&cut.core).expect("a core part"), cut.assertion, "{text}");

    let core: Value = serde_json::from_slice(&cut.core).expect("JSON");
    assert_eq!(String::from_utf8_lossy(&cut.core), String::from_utf8_lossy(&serde_json_canonicalizer::to_vec(&core).expect("canonical")));
    let schema = schemas.iter().find(|(kind, _)| *kind == core["type"]).expect("a schema for the type");
    let errors: Vec<String> = schema.1.iter_errors(&core).map(|e| format!("{} {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?} {core}");

    // The digest: equal for every other spelling of the same JSON, and of nothing else.
    assert_eq!(canonical_digest(&respelled(event)).expect("JSON"), *reading.canonical_digest(), "{text}");
    if reading.people().is_empty() {
        assert_eq!(cut.assertion.digest, *reading.canonical_digest());
    } else {
        assert_ne!(cut.assertion.digest, *reading.canonical_digest());
    }
    for person in reading.people() {
        assert!(!person.value.is_empty());
        assert_eq!(facets_of(event).expect("JSON").len(), facets_of(&whole(&cut)).expect("JSON").len());
    }
    reading.warnings().to_vec()
}

/// The same JSON with the members of every object in reverse, white space, and
/// letters spelled as escapes. Lexemes of numbers stay.
pub fn respelled(json: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(json).expect("UTF-8");
    let mut out = String::new();
    respell(text.trim(), &mut out);
    out.into_bytes()
}

/// A naive splitter: JSON is known to be well-formed here.
fn respell(text: &str, out: &mut String) {
    let text = text.trim();
    if let Some(inside) = text.strip_prefix('{') {
        let members = split(&inside[..inside.len() - 1]);
        out.push_str("{ ");
        for (i, member) in members.iter().rev().enumerate() {
            if i > 0 {
                out.push_str(" ,\n");
            }
            let key_end = 1 + string_end(member.trim_start());
            let member = member.trim_start();
            respell(&member[..key_end], out);
            out.push_str("\t: ");
            let value = member[key_end..].trim_start();
            respell(&value[1..], out);
        }
        out.push_str(" }");
    } else if let Some(inside) = text.strip_prefix('[') {
        out.push_str("[\r\n");
        for (i, element) in split(&inside[..inside.len() - 1]).iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            respell(element, out);
        }
        out.push_str(" ]");
    } else if text.starts_with('"') && !text.contains('\\') {
        for (i, c) in text.chars().enumerate() {
            match c {
                '"' => out.push('"'),
                '/' => out.push_str("\\/"),
                c if i % 7 == 3 => c.encode_utf16(&mut [0; 2]).iter().for_each(|u| out.push_str(&format!("\\u{u:04X}"))),
                c => out.push(c),
            }
        }
    } else {
        out.push_str(text);
    }
}

/// Where a string that starts here has its closing quote.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (i, b) in text.bytes().enumerate().skip(1) {
        match b {
            b'"' if !escaped => return i,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn split(inside: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut i) = (Vec::new(), 0, 0, 0);
    let bytes = inside.as_bytes();
    while i < bytes.len() {
        match bytes[i] {
            b'"' => i += string_end(&inside[i..]),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&inside[start..i]);
                start = i + 1;
            }
            _ => {}
        }
        i += 1;
    }
    if !inside[start..].trim().is_empty() {
        parts.push(&inside[start..]);
    }
    parts
}
