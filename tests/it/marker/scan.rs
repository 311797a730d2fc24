//! Looking for markers in all their spellings.
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::Value;

use crate::api::stand::Answer;

/// In names: of artifacts, namespaces, runs, facets, sources, services.
pub const NAME: &str = "mrkNames8Qz4Wv7Tk2";
/// In what a person is known by.
pub const PERSON: &str = "mrkPerson3Xj9Lh5Rd6";
/// In what facets hold, in SQL, texts, reasons.
pub const CONTENT: &str = "mrkContent1Bs7Fy0Gn4";
/// In how something was asked, and in what was refused.
pub const WIRE: &str = "mrkWire6Pm2Ce9Ua5Zt";

/// The spellings that are compared with case.
fn exact(marker: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for text in [marker.to_owned(), marker.to_lowercase(), marker.to_uppercase()] {
        // Base64 of a text that holds the marker at each of the three alignments:
        // only those characters that the neighbours have no part in.
        for shift in 0..3_usize {
            let padded = [&vec![b'.'; shift][..], text.as_bytes()].concat();
            let (from, until) = ((shift * 8).div_ceil(6), padded.len() * 8 / 6);
            for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
                forms.push(encoded[from..until].to_owned());
            }
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

/// The spellings that are compared without case.
fn folded(marker: &str) -> Vec<String> {
    let each = |form: &dyn Fn(u8) -> String| marker.bytes().map(form).collect::<String>();
    let mut forms = vec![
        marker.to_owned(),
        hex::encode(marker),
        each(&|b| format!("{b:02x} ")),
        each(&|b| format!("%{b:02x}")),
        each(&|b| format!("\\u{b:04x}")),
        each(&|b| format!("\\x{b:02x}")),
        each(&|b| format!("{}\0", b as char)),
        each(&|b| format!("{b}, ")),
        marker.chars().rev().collect(),
    ];
    forms.extend([marker.to_lowercase(), marker.to_uppercase()].map(hex::encode));
    forms.iter().map(|f| f.trim_end_matches([' ', ',', '\0']).to_ascii_lowercase()).collect()
}

/// Whether a marker is there, in any spelling.
pub fn holds(bytes: &[u8], marker: &str) -> bool {
    find(bytes, marker).is_some()
}

fn find(bytes: &[u8], marker: &str) -> Option<String> {
    // Bytes as characters, so that nothing is lost and texts can be searched in.
    let text: String = bytes.iter().map(|b| *b as char).collect();
    let lower = text.to_ascii_lowercase();
    let exactly = exact(marker).into_iter().find(|f| text.contains(f.as_str()));
    exactly.or_else(|| folded(marker).into_iter().find(|f| lower.contains(f.as_str())))
}

/// Which markers a place must not hold.
pub struct Find(&'static [&'static str]);

impl Find {
    pub const ALL: Self = Self(&[NAME, PERSON, CONTENT, WIRE]);
    pub const BUT_NAMES: Self = Self(&[PERSON, CONTENT, WIRE]);

    /// Fails if one is there.
    pub fn in_bytes(&self, place: &str, bytes: &[u8]) {
        for marker in self.0 {
            if let Some(form) = find(bytes, marker) {
                let text = String::from_utf8_lossy(bytes);
                let at = text.to_lowercase().find(&form.to_lowercase()).unwrap_or_default();
                let around: String = text.to_lowercase().chars().skip(at.saturating_sub(120)).take(300).collect();
                panic!("{marker} is in {place} as `{form}`: …{around}…");
            }
        }
    }
}

/// The sentences in an answer that says what is wrong: all its strings but those
/// that name members of the request, for its sender.
pub fn texts_of_errors(answer: &Answer) -> Vec<String> {
    let Ok(json) = serde_json::from_slice::<Value>(&answer.body) else {
        return if answer.status >= 400 { vec![answer.text().to_owned()] } else { Vec::new() };
    };
    let mut texts = Vec::new();
    let mut payloads: Vec<&Value> = json.get("data").and_then(Value::as_object).into_iter().flat_map(|d| d.values()).collect();
    payloads.retain(|p| p.get("refusal").is_some());
    let places = [json.get("error"), json.get("errors"), json.get("failed_events")];
    for place in places.into_iter().flatten().chain(payloads.into_iter().filter_map(|p| p.get("refusal"))) {
        strings(place, &mut texts);
    }
    texts
}

/// All strings but pointers and paths.
pub fn messages(value: &Value) -> String {
    let mut texts = Vec::new();
    strings(value, &mut texts);
    texts.join("\n")
}

fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|i| strings(i, out)),
        Value::Object(members) => {
            for (name, value) in members {
                if !["pointer", "path"].contains(&name.as_str()) {
                    out.push(name.clone());
                    strings(value, out);
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_spelling_is_found_and_nothing_else() {
    let escaped: String = PERSON.chars().map(|c| format!("\\u{:04X}", c as u32)).collect();
    let percent: String = PERSON.bytes().map(|b| format!("%{b:02X}")).collect();
    let wide: Vec<u8> = PERSON.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let json = Value::String(PERSON.to_owned()).to_string();
    let mut haystacks: Vec<Vec<u8>> = [
        PERSON.to_owned(),
        PERSON.to_lowercase(),
        PERSON.to_uppercase(),
        hex::encode(PERSON),
        hex::encode_upper(PERSON),
        escaped,
        percent,
        json,
    ]
    .map(String::into_bytes)
    .to_vec();
    haystacks.push(wide);
    for before in ["", "a", "ab", "abc", "\u{fffd}"] {
        for after in ["", "z", "zz"] {
            let text = format!("{before}{PERSON}{after}");
            haystacks.push(STANDARD_NO_PAD.encode(&text).into_bytes());
            haystacks.push(URL_SAFE_NO_PAD.encode(text.to_lowercase()).into_bytes());
        }
    }
    for haystack in haystacks {
        let around = [&[0xff, 0x00][..], &haystack, &[0xfe]].concat();
        assert!(holds(&around, PERSON), "{}", String::from_utf8_lossy(&around));
        assert!(!holds(&around, NAME));
    }
    assert!(!holds(&PERSON.as_bytes()[1..], PERSON));
}
