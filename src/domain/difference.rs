//! How two JSON documents differ, member by member.
use serde_json::Value;

/// One difference.
#[derive(Clone, PartialEq, Debug)]
pub struct Difference {
    /// JSON pointer (RFC 6901) of the member or element.
    pub pointer: String,
    /// `None`: it was not there.
    pub before: Option<Value>,
    /// `None`: it is gone.
    pub after: Option<Value>,
}

/// The least members and elements that differ, objects by name and arrays by
/// position, in the order of the documents.
#[must_use]
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&mut String::new(), Some(before), Some(after), &mut found);
    found
}

fn compare(at: &mut String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    let length = at.len();
    match (before, after) {
        (Some(Value::Object(b)), Some(Value::Object(a))) => {
            let added = a.keys().filter(|k| !b.contains_key(*k));
            for key in b.keys().chain(added) {
                at.push('/');
                at.push_str(&key.replace('~', "~0").replace('/', "~1"));
                compare(at, b.get(key), a.get(key), found);
                at.truncate(length);
            }
        }
        (Some(Value::Array(b)), Some(Value::Array(a))) => {
            for i in 0..b.len().max(a.len()) {
                at.push_str(&format!("/{i}"));
                compare(at, b.get(i), a.get(i), found);
                at.truncate(length);
            }
        }
        _ => found.push(Difference { pointer: at.clone(), before: before.cloned(), after: after.cloned() }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn members_and_elements_are_told_apart() {
        let before = json!({"a": 1, "b": {"x/y": [1, 2]}, "gone": null});
        let after = json!({"a": 1, "b": {"x/y": [1, 3, 4]}, "new": {}});
        let told: Vec<_> = differences(&before, &after).into_iter().map(|d| (d.pointer, d.before, d.after)).collect();
        assert_eq!(
            told,
            [
                ("/b/x~1y/1".to_owned(), Some(json!(2)), Some(json!(3))),
                ("/b/x~1y/2".to_owned(), None, Some(json!(4))),
                ("/gone".to_owned(), Some(Value::Null), None),
                ("/new".to_owned(), None, Some(json!({}))),
            ]
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), (0..3i64).prop_map(Value::from)];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c/~]{1,2}", inner, 0..3).prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_pointer_leads_to_what_differs(before in any_json(), after in any_json()) {
            let found = differences(&before, &after);
            prop_assert_eq!(found.is_empty(), before == after);
            for d in found {
                prop_assert_eq!(before.pointer(&d.pointer), d.before.as_ref());
                prop_assert_eq!(after.pointer(&d.pointer), d.after.as_ref());
                prop_assert_ne!(d.before, d.after);
            }
        }
    }
}
