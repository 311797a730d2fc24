//! The schema does not break its clients unawares: what
//! `tests/fixtures/schema/released.graphql` promises still holds, or CHANGELOG.md says
//! under "Unreleased" which coordinate (`Type.field(argument:)`) no longer does.
//!
//! That file is a copy of `schema.graphql` as clients have it, made anew by hand when a
//! version is released; `RENEW=1` does not touch it.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use async_graphql::parser::{
    parse_schema,
    types::{BaseType, InputValueDefinition, ServiceDocument, Type, TypeKind, TypeSystemDefinition},
};
use ledgerline::api::graphql::sdl;

/// An argument or a member of an input: its type and whether it may be left out.
struct Input {
    ty: Type,
    optional: bool,
}

/// What clients can hold on to, by coordinate.
#[derive(Default)]
struct Surface {
    /// Types and their kind.
    types: BTreeMap<String, &'static str>,
    outputs: BTreeMap<String, Type>,
    inputs: BTreeMap<String, Input>,
    /// Values of enums, members of unions, interfaces of types.
    members: BTreeSet<String>,
}

impl Surface {
    fn of(sdl: &str) -> Self {
        let document: ServiceDocument = parse_schema(sdl).unwrap();
        let mut surface = Self::default();
        for definition in &document.definitions {
            let TypeSystemDefinition::Type(t) = definition else { continue };
            let name = t.node.name.node.to_string();
            let kind = match &t.node.kind {
                TypeKind::Scalar => "scalar",
                TypeKind::Object(o) => {
                    surface.members.extend(o.implements.iter().map(|i| format!("{name} implements {}", i.node)));
                    surface.fields(&name, &o.fields);
                    "type"
                }
                TypeKind::Interface(i) => {
                    surface.fields(&name, &i.fields);
                    "interface"
                }
                TypeKind::Union(u) => {
                    surface.members.extend(u.members.iter().map(|m| format!("{name} | {}", m.node)));
                    "union"
                }
                TypeKind::Enum(e) => {
                    surface.members.extend(e.values.iter().map(|v| format!("{name}.{}", v.node.value.node)));
                    "enum"
                }
                TypeKind::InputObject(o) => {
                    for member in &o.fields {
                        surface.input(format!("{name}.{}", member.node.name.node), &member.node);
                    }
                    "input"
                }
            };
            surface.types.insert(name, kind);
        }
        surface
    }

    fn fields(&mut self, name: &str, fields: &[async_graphql::Positioned<async_graphql::parser::types::FieldDefinition>]) {
        for field in fields {
            let coordinate = format!("{name}.{}", field.node.name.node);
            for argument in &field.node.arguments {
                self.input(format!("{coordinate}({}:)", argument.node.name.node), &argument.node);
            }
            self.outputs.insert(coordinate, field.node.ty.node.clone());
        }
    }

    fn input(&mut self, coordinate: String, definition: &InputValueDefinition) {
        let optional = definition.ty.node.nullable || definition.default_value.is_some();
        self.inputs.insert(coordinate, Input { ty: definition.ty.node.clone(), optional });
    }
}

/// Whether whoever reads `old` can read `new`: what was never null stays so.
fn reads(old: &Type, new: &Type) -> bool {
    (old.nullable || !new.nullable)
        && match (&old.base, &new.base) {
            (BaseType::Named(a), BaseType::Named(b)) => a == b,
            (BaseType::List(a), BaseType::List(b)) => reads(a, b),
            _ => false,
        }
}

/// What `new` breaks of `old`, by coordinate.
fn breaks(old: &Surface, new: &Surface) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, kind) in &old.types {
        if new.types.get(name) != Some(kind) {
            broken.push(name.clone());
        }
    }
    let gone = |coordinate: &str| {
        let owner = coordinate.split(['.', ' ']).next().unwrap_or_default();
        // Told once, by the type's name.
        new.types.contains_key(owner)
    };
    for (coordinate, ty) in &old.outputs {
        if gone(coordinate) && !new.outputs.get(coordinate).is_some_and(|now| reads(ty, now)) {
            broken.push(coordinate.clone());
        }
    }
    for (coordinate, input) in &old.inputs {
        // Here the client writes: what it could send must still be taken.
        let taken =
            |now: &Input| reads(&now.ty, &input.ty) || (now.optional && reads(&now.ty, &Type { nullable: true, ..input.ty.clone() }));
        if gone(coordinate) && !new.inputs.get(coordinate).is_some_and(|now| taken(now) && (now.optional || !input.optional)) {
            broken.push(coordinate.clone());
        }
    }
    broken.extend(old.members.iter().filter(|m| gone(m) && !new.members.contains(*m)).cloned());
    // A new input that must be given breaks every request without it.
    for (coordinate, input) in &new.inputs {
        let owner = coordinate.split_once('(').map_or_else(|| coordinate.split('.').next().unwrap_or_default(), |(field, _)| field);
        let known = old.outputs.contains_key(owner) || old.types.get(owner) == Some(&"input");
        if known && !input.optional && !old.inputs.contains_key(coordinate) {
            broken.push(coordinate.clone());
        }
    }
    broken.sort();
    broken.dedup();
    broken
}

/// The breaks that the changelog does not tell, each in backticks.
fn untold<'b>(broken: &'b [String], changelog: &str) -> Vec<&'b String> {
    let unreleased = changelog.split("\n## ").find(|s| s.starts_with("[Unreleased]")).unwrap_or_default();
    broken.iter().filter(|b| !unreleased.contains(&format!("`{b}`"))).collect()
}

#[test]
fn nothing_that_clients_hold_on_to_is_broken_untold() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let broken = breaks(&Surface::of(&read("tests/fixtures/schema/released.graphql")), &Surface::of(&sdl()));
    let untold = untold(&broken, &read("CHANGELOG.md"));
    assert!(untold.is_empty(), "the schema breaks {untold:?}: undo it, or tell each under \"Unreleased\" in CHANGELOG.md, in backticks");
}

#[test]
fn breaks_are_told_apart_from_additions() {
    let old = "type Query implements Node { id: ID! a(x: Int, y: Int! = 1, z: Int!): T! l: [T!] } interface Node { id: ID! }
        type T { b: Int c: Int! } enum E { ONE TWO } input I { m: Int! n: Int } union U = T | Query scalar S";
    let change = |from: &str, to: &str| {
        assert!(old.contains(from), "{from}");
        breaks(&Surface::of(old), &Surface::of(&old.replace(from, to)))
    };
    for (from, to) in [
        ("b: Int", "b: Int!"),
        ("b: Int", "b: Int d: Int"),
        ("a(x: Int,", "a(w: Int, v: Int! = 3, x: Int,"),
        ("z: Int!", "z: Int"),
        ("l: [T!]", "l: [T!]!"),
        ("ONE", "ZERO ONE"),
        ("m: Int!", "m: Int k: Int"),
        ("y: Int! = 1", "y: Int"),
        ("scalar S", "scalar S type New { a(x: Int!): Int }"),
    ] {
        assert_eq!(change(from, to), Vec::<String>::new(), "{from} → {to}");
    }
    for (from, to, coordinate) in [
        ("b: Int", "", "T.b"),
        ("b: Int", "b: String", "T.b"),
        ("c: Int!", "c: Int", "T.c"),
        ("l: [T!]", "l: T", "Query.l"),
        ("l: [T!]", "l: [T]", "Query.l"),
        ("x: Int,", "", "Query.a(x:)"),
        ("x: Int,", "x: Int!,", "Query.a(x:)"),
        ("x: Int,", "x: [Int],", "Query.a(x:)"),
        ("y: Int! = 1", "y: Int!", "Query.a(y:)"),
        ("z: Int!)", "z: Int!, w: Int!)", "Query.a(w:)"),
        (" TWO", "", "E.TWO"),
        ("n: Int }", "n: Int o: Int! }", "I.o"),
        ("n: Int }", "}", "I.n"),
        ("n: Int }", "n: Int! }", "I.n"),
        ("= T | Query", "= T", "U | Query"),
        (" implements Node", "", "Query implements Node"),
        ("scalar S", "", "S"),
        ("scalar S", "enum S { A }", "S"),
    ] {
        let broken = change(from, to);
        assert_eq!(broken, [coordinate], "{from} → {to}");
        assert!(untold(&broken, &format!("# C\n\n## [Unreleased]\n- gone: `{coordinate}`\n\n## [0.1.0]\n")).is_empty());
        assert!(!untold(&broken, &format!("# C\n\n## [Unreleased]\n\n## [0.1.0]\n- gone: `{coordinate}`\n")).is_empty());
    }
}
