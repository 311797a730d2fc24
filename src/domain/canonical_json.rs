//! RFC 8785 for the small JSON that we write ourselves and for definitions:
//! everything but integers beyond ±(2^53−1).
use serde_json::Value;

/// Canonical bytes.
///
/// INVARIANT: `value` holds no integers beyond ±(2^53−1): `core` parts have none by
/// their schemas, definitions are refused with them.
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
        // Integers that serde_json keeps are spelled the same; callers bound them.
        Value::Number(n) if !(n.is_i64() || n.is_u64()) => out.extend_from_slice(fraction(n.as_f64().unwrap_or(0.0)).as_bytes()),
        scalar => out.extend_from_slice(scalar.to_string().as_bytes()),
    }
}

/// A double as ECMAScript writes it (RFC 8785 §3.2.2.3).
fn fraction(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    // Rust gives the shortest digits that read back, as ECMAScript asks for.
    let scientific = format!("{:e}", x.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |n: i32| "0".repeat(usize::try_from(n).unwrap_or(0));
    let split = |at: i32| digits.split_at(usize::try_from(at).unwrap_or(0).min(digits.len()));
    let text = if (count..=21).contains(&point) {
        format!("{digits}{}", zeros(point - count))
    } else if (1..=21).contains(&point) {
        let (whole, rest) = split(point);
        format!("{whole}.{rest}")
    } else if (-5..=0).contains(&point) {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = split(1);
        let dot = if rest.is_empty() { "" } else { "." };
        format!("{first}{dot}{rest}e{}{}", if point > 0 { "+" } else { "-" }, (point - 1).abs())
    };
    if x < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_spelled_as_the_canonicalizer_spells_them() {
        for x in
            [0.1, -0.0, 1.0, 1.5, 123456.789, 1e20, 1e21, 1.25e22, 1e-6, 1e-7, 1.5e-9, -2.5, f64::MAX, f64::MIN_POSITIVE, 5e-324, 100.0]
        {
            let value = serde_json::json!({ "x": x });
            assert_eq!(write(&value), serde_json_canonicalizer::to_vec(&value).unwrap(), "{x}");
        }
    }

    #[test]
    fn it_writes_what_the_canonicalizer_writes() {
        let value = serde_json::json!({"z": [1, -7, true, null, "a\"\\\u{8}\u{1f}é\u{2028}"], "\u{1F600}": {}, "\u{fb33}": [], "b": {"y": "x", "a": 9007199254740991i64}});
        assert_eq!(write(&value), serde_json_canonicalizer::to_vec(&value).unwrap());
    }
}
