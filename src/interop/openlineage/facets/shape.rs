//! Which JSON types the facets that act on the graph must have, as tables.
use crate::interop::openlineage::tape::{Doc, Id, Kind};

/// The type of a value. `null` passes everywhere: it stands for "not there".
pub(in crate::interop::openlineage) enum Shape {
    Text,
    Flag,
    List(&'static Self),
    /// An object with members of any name.
    Map(&'static Self),
    /// An object; members that are not listed may be anything.
    Record(&'static [(&'static str, Self)]),
}

use Shape::{Flag, List, Map, Record, Text};

static SCHEMA_FIELD: Shape = Record(&[("name", Text), ("type", Text), ("description", Text), ("fields", List(&SCHEMA_FIELD))]);
static SCHEMA: Shape = Record(&[("fields", List(&SCHEMA_FIELD))]);

static TRANSFORMATION: Shape = Record(&[("type", Text), ("subtype", Text), ("description", Text), ("masking", Flag)]);
static INPUT_FIELD: Shape = Record(&[("namespace", Text), ("name", Text), ("field", Text), ("transformations", List(&TRANSFORMATION))]);
static FIELD_LINEAGE: Shape =
    Record(&[("inputFields", List(&INPUT_FIELD)), ("transformationDescription", Text), ("transformationType", Text)]);
static COLUMN_LINEAGE: Shape = Record(&[("fields", Map(&FIELD_LINEAGE)), ("dataset", List(&INPUT_FIELD))]);

static NAME: Shape = Record(&[("namespace", Text), ("name", Text), ("type", Text)]);
static SYMLINKS: Shape = Record(&[("identifiers", List(&NAME))]);
static LIFECYCLE: Shape = Record(&[("lifecycleStateChange", Text), ("previousIdentifier", Record(&[("namespace", Text), ("name", Text)]))]);
static OWNERSHIP: Shape = Record(&[("owners", List(&OWNER))]);
static OWNER: Shape = Record(&[("name", Text), ("type", Text)]);

const RUN: Shape = Record(&[("runId", Text)]);
const JOB: Shape = Record(&[("namespace", Text), ("name", Text)]);
static PARENT: Shape = Record(&[("run", RUN), ("job", JOB), ("root", Record(&[("run", RUN), ("job", JOB)]))]);

/// The shape of a job's or dataset's facet, if it acts on the graph.
pub(in crate::interop::openlineage) fn of_entity_facet(name: &str) -> Option<&'static Shape> {
    Some(match name {
        "schema" => &SCHEMA,
        "columnLineage" => &COLUMN_LINEAGE,
        "symlinks" => &SYMLINKS,
        "lifecycleStateChange" => &LIFECYCLE,
        "ownership" => &OWNERSHIP,
        _ => return None,
    })
}

/// The shape of a run's facet, if it acts on the graph.
pub(in crate::interop::openlineage) fn of_run_facet(name: &str) -> Option<&'static Shape> {
    matches!(name, "parent" | "parentRun").then_some(&PARENT)
}

/// The first value of another type, and what should be there.
///
/// INVARIANT: recursion is as deep as the text is nested.
pub(in crate::interop::openlineage) fn misfit(doc: &Doc<'_>, id: Id, shape: &Shape) -> Option<(Id, &'static str)> {
    let kind = doc.kind(id);
    match shape {
        _ if kind == Kind::Null => None,
        Text => (kind != Kind::String).then_some((id, "a string")),
        Flag => (!matches!(kind, Kind::True | Kind::False)).then_some((id, "a boolean")),
        List(of) if kind == Kind::Array => doc.elements(id).find_map(|v| misfit(doc, v, of)),
        List(_) => Some((id, "an array")),
        Map(of) if kind == Kind::Object => doc.members(id).find_map(|(_, v)| misfit(doc, v, of)),
        Record(members) if kind == Kind::Object => doc.members(id).find_map(|(key, value)| {
            let (_, of) = members.iter().find(|(name, _)| doc.key_is(key, name))?;
            misfit(doc, value, of)
        }),
        Map(_) | Record(_) => Some((id, "an object")),
    }
}
