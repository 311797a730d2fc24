//! RFC 8785 for the small JSON that we write ourselves: strings, booleans, null,
//! integers within ±(2^53−1), arrays and objects.
use serde_json::Value;

/// Canonical bytes.
///
/// INVARIANT: `value` holds no fractions and no greater integers: `core` parts
/// have none by their schemas. (They would come out as serde_json writes them.)
#[must_use]
pub fn write(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    one(value, &mut out);
    out
}

fn one(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                one(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<(Vec<u16>, &String, &Value)> = members.iter().map(|(k, v)| (k.encode_utf16().collect(), k, v)).collect();
            sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            out.push(b'{');
            for (i, (_, key, member)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(Value::String(key.clone()).to_string().as_bytes());
                out.push(b':');
                one(member, out);
            }
            out.push(b'}');
        }
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_writes_what_the_canonicalizer_writes() {
        let value = serde_json::json!({"z": [1, -7, true, null, "a\"\\\u{8}\u{1f}é\u{2028}"], "\u{1F600}": {}, "\u{fb33}": [], "b": {"y": "x", "a": 9007199254740991i64}});
        assert_eq!(write(&value), serde_json_canonicalizer::to_vec(&value).unwrap());
    }
}
