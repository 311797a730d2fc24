//! The schema is a contract: committed, described, and in the habits of Relay.
use async_graphql::parser::{
    parse_schema,
    types::{FieldDefinition, ServiceDocument, TypeDefinition, TypeKind, TypeSystemDefinition},
};
use ledgerline::api::graphql::sdl;

use crate::contracts::assert_committed;

fn types(document: &ServiceDocument) -> impl Iterator<Item = &TypeDefinition> {
    document.definitions.iter().filter_map(|d| match d {
        TypeSystemDefinition::Type(t) => Some(&t.node),
        _ => None,
    })
}

fn fields(t: &TypeDefinition) -> Vec<&FieldDefinition> {
    match &t.kind {
        TypeKind::Object(o) => o.fields.iter().map(|f| &f.node).collect(),
        TypeKind::Interface(i) => i.fields.iter().map(|f| &f.node).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_committed_schema_is_what_the_code_makes() {
    assert_committed("schema.graphql", &sdl());
}

#[test]
fn every_type_field_argument_and_value_is_described() {
    let document = parse_schema(sdl()).unwrap();
    let mut missing = Vec::new();
    for t in types(&document) {
        let name = &t.name.node;
        let mut check = |what: String, described: bool| {
            if !described {
                missing.push(what);
            }
        };
        check(name.to_string(), t.description.is_some());
        for f in fields(t) {
            check(format!("{name}.{}", f.name.node), f.description.is_some());
            for a in &f.arguments {
                check(format!("{name}.{}({}:)", f.name.node, a.node.name.node), a.node.description.is_some());
            }
        }
        match &t.kind {
            TypeKind::InputObject(o) => {
                for f in &o.fields {
                    check(format!("{name}.{}", f.node.name.node), f.node.description.is_some());
                }
            }
            TypeKind::Enum(e) => {
                for v in &e.values {
                    check(format!("{name}.{}", v.node.value.node), v.node.description.is_some());
                }
            }
            _ => {}
        }
    }
    assert!(missing.is_empty(), "without a description: {}", missing.join(", "));
}

#[test]
fn connections_and_mutations_have_relays_shape() {
    let document = parse_schema(sdl()).unwrap();
    for t in types(&document) {
        let name = t.name.node.as_str();
        let has = |field: &str, ty: &str| {
            assert!(fields(t).iter().any(|f| f.name.node == field && f.ty.node.to_string() == ty), "{name}.{field}: {ty}");
        };
        if let Some(node) = name.strip_suffix("Connection") {
            has("pageInfo", "PageInfo!");
            has("edges", &format!("[{node}Edge!]!"));
        }
        if let Some(node) = name.strip_suffix("Edge").filter(|n| *n != "Lineage") {
            has("cursor", "String!");
            has("node", &format!("{node}!"));
        }
        if name.ends_with("Payload") {
            has("receipt", "Receipt");
            has("refusal", "Refusal");
        }
        if name == "Mutation" {
            for f in fields(t) {
                let verb: String = f.name.node.chars().enumerate().map(|(i, c)| if i == 0 { c.to_ascii_uppercase() } else { c }).collect();
                assert_eq!(f.ty.node.to_string(), format!("{verb}Payload!"));
                assert_eq!(f.arguments.len(), 1);
                assert_eq!(f.arguments[0].node.ty.node.to_string(), format!("{verb}Input!"));
            }
        }
        if let TypeKind::InputObject(o) = &t.kind
            && types(&document).any(|m| {
                m.name.node == "Mutation" && fields(m).iter().any(|f| f.arguments[0].node.ty.node.to_string() == format!("{name}!"))
            })
        {
            assert!(
                o.fields.iter().any(|f| f.node.name.node == "reason" && f.node.ty.node.to_string() == "String!"),
                "{name} has a reason"
            );
        }
    }
}
