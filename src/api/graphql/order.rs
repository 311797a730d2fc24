//! Members of an answer in the order in which the operation asks for them.
//!
//! The specification wants it so (October 2021, section 7.2.2: maps are serialised in
//! the order of the collected fields). async-graphql resolves the fields of an object at
//! the same time and writes them as they come, so the order would differ by the minute.
use async_graphql::{
    Name, Value,
    indexmap::IndexMap,
    parser::types::{ExecutableDocument, OperationDefinition, Selection, SelectionSet},
};

/// Brings the members of `data` and of all objects in it into order.
pub fn order(data: &mut Value, operation: &OperationDefinition, document: &ExecutableDocument) {
    walk(&mut [data], &[&operation.selection_set.node], document);
}

/// All `values` are answers to the same selections: one object, or the objects of a list.
fn walk(values: &mut [&mut Value], sets: &[&SelectionSet], document: &ExecutableDocument) {
    if !values.iter().any(|v| matches!(v, Value::Object(_) | Value::List(_))) {
        return;
    }
    let mut asked = IndexMap::new();
    let mut spread = Vec::new();
    for set in sets {
        collect(set, document, &mut asked, &mut spread);
    }
    let mut below: Vec<Vec<&mut Value>> = asked.iter().map(|_| Vec::new()).collect();
    for value in values {
        members(value, &asked, &mut below);
    }
    for (sets, mut values) in asked.values().zip(below) {
        if !sets.is_empty() {
            walk(&mut values, sets, document);
        }
    }
}

/// Sorts the object, or the objects of the list, and hands on what is below each member.
fn members<'v>(value: &'v mut Value, asked: &IndexMap<&Name, Vec<&SelectionSet>>, below: &mut [Vec<&'v mut Value>]) {
    match value {
        Value::Object(object) => {
            let place = |name: &Name| asked.get_index_of(name).unwrap_or(usize::MAX);
            if !object.keys().map(place).is_sorted() {
                object.sort_by_cached_key(|name, _| place(name));
            }
            for (name, value) in object {
                if let Some(values) = asked.get_index_of(name).and_then(|i| below.get_mut(i)) {
                    values.push(value);
                }
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| members(item, asked, below)),
        _ => {}
    }
}

/// The response keys of a selection set in order, each with what is asked of it.
/// A fragment counts once in a set: its second spread adds nothing.
fn collect<'d>(
    set: &'d SelectionSet,
    document: &'d ExecutableDocument,
    asked: &mut IndexMap<&'d Name, Vec<&'d SelectionSet>>,
    spread: &mut Vec<&'d Name>,
) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let below = asked.entry(&field.node.response_key().node).or_default();
                if !field.node.selection_set.node.items.is_empty() {
                    below.push(&field.node.selection_set.node);
                }
            }
            Selection::InlineFragment(fragment) => collect(&fragment.node.selection_set.node, document, asked, spread),
            Selection::FragmentSpread(used) => {
                let name = &used.node.fragment_name.node;
                if !spread.contains(&name)
                    && let Some(fragment) = document.fragments.get(name)
                {
                    spread.push(name);
                    collect(&fragment.node.selection_set.node, document, asked, spread);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn ordered(query: &str, answer: serde_json::Value) -> String {
        let document = parse_query(query).unwrap();
        let mut data = Value::from_json(answer).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        order(&mut data, &operation.node, &document);
        serde_json::to_string(&data).unwrap()
    }

    #[test]
    fn members_come_as_asked_through_lists_aliases_and_fragments() {
        let query = "{ z: a { y x ... on T { w } ...F } b } fragment F on T { v { d c } y }";
        let answer = serde_json::json!({ "b": 1, "z": [
            { "v": { "c": 1, "d": 2 }, "w": 3, "x": 4, "y": 5 }, null, [{ "x": 1, "y": 2 }],
        ] });
        assert_eq!(ordered(query, answer), r#"{"z":[{"y":5,"x":4,"w":3,"v":{"d":2,"c":1}},null,[{"y":2,"x":1}]],"b":1}"#);
    }

    #[test]
    fn a_key_asked_twice_stands_where_it_is_asked_first() {
        let answer = serde_json::json!({ "b": { "y": 1, "x": 2 }, "a": 3 });
        assert_eq!(ordered("{ a b { x } b { y } a }", answer), r#"{"a":3,"b":{"x":2,"y":1}}"#);
    }

    #[test]
    fn json_that_was_not_selected_keeps_its_own_order() {
        let answer = serde_json::json!({ "b": { "$raw": 1 }, "a": { "z": { "n": 1, "m": 2 } } });
        let wanted = r#"{"a":{"z":{"m":2,"n":1}},"b":{"$raw":1}}"#;
        assert_eq!(ordered("{ a { z } b { q } }", answer), wanted);
    }
}
