//! Scalars of the wire, and how an instant becomes text without allocation.
use std::fmt::Write as _;

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime as Instant, Datelike, Timelike, Utc};
use serde_json::value::RawValue;

use crate::domain::time::{FOREVER, Micros};

/// Any JSON, exactly as it was received.
pub type Json = async_graphql::Json<Box<RawValue>>;

/// JSON of some received bytes, spelling kept. `None` for what is not JSON.
#[must_use]
pub fn json(bytes: &[u8]) -> Option<Json> {
    serde_json::from_slice(bytes).ok().map(async_graphql::Json)
}

/// A JSON object as input.
#[derive(Clone, Debug)]
pub struct JsonObject(pub serde_json::Map<String, serde_json::Value>);

/// A JSON object, given as an object or as variables.
#[Scalar(name = "JSONObject", specified_by_url = "https://datatracker.ietf.org/doc/html/rfc8259#section-4")]
impl ScalarType for JsonObject {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value.into_json() {
            Ok(serde_json::Value::Object(members)) => Ok(Self(members)),
            Ok(_) => Err(InputValueError::custom("not a JSON object")),
            Err(e) => Err(InputValueError::custom(e)),
        }
    }

    fn to_value(&self) -> Value {
        Value::from_json(serde_json::Value::Object(self.0.clone())).unwrap_or_default()
    }
}

/// An instant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DateTime(pub Micros);

impl DateTime {
    /// The end of an interval: none when it is open.
    #[must_use]
    pub fn end(t: Micros) -> Option<Self> {
        (t != FOREVER).then_some(Self(t))
    }
}

/// An instant as RFC 3339 with a time zone; answers are in UTC with six digits of a second.
#[Scalar(name = "DateTime", specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339#section-5.6")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else { return Err(InputValueError::expected_type(value)) };
        match Micros::read(text) {
            Ok(read) if !read.zone_assumed => Ok(Self(read.at)),
            Ok(_) => Err(InputValueError::custom("an instant needs a time zone, such as `Z`")),
            Err(e) => Err(InputValueError::custom(e)),
        }
    }

    fn to_value(&self) -> Value {
        let mut text = String::with_capacity(27);
        push_instant(&mut text, self.0);
        Value::String(text)
    }
}

/// Appends an instant as [`Micros::rfc3339`] spells it.
pub fn push_instant(text: &mut String, at: Micros) {
    let t: Instant<Utc> = at.date_time();
    let year = t.year();
    if !(0..=9999).contains(&year) {
        text.push_str(&at.rfc3339());
        return;
    }
    let mut bytes = *b"0000-00-00T00:00:00.000000Z";
    let mut put = |end: usize, digits: usize, mut n: u32| {
        for slot in bytes[end - digits..end].iter_mut().rev() {
            *slot = b'0' + (n % 10) as u8;
            n /= 10;
        }
    };
    put(4, 4, year.unsigned_abs());
    put(7, 2, t.month());
    put(10, 2, t.day());
    put(13, 2, t.hour());
    put(16, 2, t.minute());
    put(19, 2, t.second());
    put(26, 6, t.nanosecond() / 1000);
    // All ASCII by construction; the fallback says the same.
    match std::str::from_utf8(&bytes) {
        Ok(s) => text.push_str(s),
        Err(_) => text.push_str(&at.rfc3339()),
    }
}

/// A count or position, from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Long(pub u64);

/// A whole number from 0 to 2^63 − 1, as a JSON number: indexes and sizes of the ledger.
#[Scalar(name = "Long")]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(n) => match n.as_u64().filter(|n| i64::try_from(*n).is_ok()) {
                Some(n) => Ok(Self(n)),
                None => Err(InputValueError::custom("not a whole number from 0 to 9223372036854775807")),
            },
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

/// Appends a JSON string, escaped as serde_json escapes it.
pub fn push_json_string(text: &mut String, s: &str) {
    text.push('"');
    let mut rest = s;
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        text.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x08 => text.push_str("\\b"),
            0x0c => text.push_str("\\f"),
            control => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{control:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    text.push_str(rest);
    text.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::DAWN;

    proptest! {
        #[test]
        fn instants_are_spelled_as_the_domain_spells_them(at in prop_oneof![any::<i64>(), -70_000_000_000_000_000i64..260_000_000_000_000_000]) {
            let mut text = String::new();
            push_instant(&mut text, Micros(at));
            prop_assert_eq!(text, Micros(at).rfc3339());
        }

        #[test]
        fn strings_are_escaped_as_serde_json_escapes_them(s in "(.|[\\x00-\\x20\"\\\\\u{7f}\u{2028}😀]){0,40}") {
            let mut text = String::new();
            push_json_string(&mut text, &s);
            prop_assert_eq!(text, serde_json::to_string(&s).unwrap());
        }
    }

    #[test]
    fn instants_need_a_zone_and_ends_may_be_none() {
        let read = |s: &str| DateTime::parse(Value::String(s.to_owned())).ok().map(|d| d.0.rfc3339());
        assert_eq!(read("2026-01-31T01:00:00+01:00").as_deref(), Some("2026-01-31T00:00:00.000000Z"));
        assert_eq!(read("2026-01-31T00:00:00"), None);
        assert_eq!(read("yesterday"), None);
        assert!(DateTime::parse(Value::Number(5.into())).is_err());
        assert_eq!(DateTime::end(FOREVER), None);
        assert_eq!(DateTime::end(Micros(0)), Some(DateTime(Micros(0))));
        let mut text = String::new();
        push_instant(&mut text, DAWN);
        assert_eq!(text, DAWN.rfc3339());
    }

    #[test]
    fn longs_are_whole_numbers_from_nought() {
        let read = |n: serde_json::Number| Long::parse(Value::Number(n)).ok().map(|l| l.0);
        assert_eq!(read(0.into()), Some(0));
        assert_eq!(read(i64::MAX.into()), Some(i64::MAX as u64));
        assert_eq!(read(u64::MAX.into()), None);
        assert_eq!(read((-1).into()), None);
        assert_eq!(read(serde_json::Number::from_f64(1.5).unwrap()), None);
        assert!(Long::parse(Value::String("7".to_owned())).is_err());
    }

    #[test]
    fn json_keeps_its_spelling() {
        let text = r#"{"b": 1.10, "a": 9007199254740993, "b": -0}"#;
        assert_eq!(json(text.as_bytes()).unwrap().0.get(), text);
        assert!(json(b"{").is_none());
    }
}
