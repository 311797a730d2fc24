//! The projection's tables for those who compare them: columns in an order that
//! begins with the key, and what each number in them stands for.
use rusqlite::{Connection, OptionalExtension, types::ValueRef};

use crate::domain::{
    kind::ArtifactKind,
    time::{FOREVER, Micros},
};

/// What a column's value stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Number,
    Text,
    Bytes,
    Time,
    Node,
    Pair,
    Source,
    FacetName,
    /// `source * 2`, or `pair * 2 + 1`.
    Owner,
    /// `pair * 2`, or `node * 2 + 1`.
    Namer,
    /// The entry at this position.
    Entry,
    Shape,
    /// What sort of artifact a node is.
    Sort,
    /// OpenLineage's runId, as bytes.
    RunId,
}

/// A table of the projection.
pub struct Table {
    pub name: &'static str,
    /// The columns, those of the key first.
    pub columns: &'static [(&'static str, Kind)],
    /// How many of them are the key.
    pub key: usize,
}

use Kind::{Bytes, Entry, FacetName, Namer, Node, Number, Owner, Pair, RunId, Shape, Sort, Source as SourceNo, Text, Time};

/// All of them, in the order in which they refer to each other.
pub const TABLES: &[Table] = &[
    Table { name: "source", columns: &[("id", Number), ("integration", Text), ("producer", Text)], key: 1 },
    Table { name: "speaker", columns: &[("namespace", Text), ("source", SourceNo), ("ix", Entry)], key: 2 },
    Table { name: "facet_name", columns: &[("id", Number), ("word", Text)], key: 1 },
    Table {
        name: "node",
        columns: &[("no", Number), ("id", Bytes), ("kind", Sort), ("namespace", Text), ("name", Text), ("ix", Entry)],
        key: 1,
    },
    Table { name: "pair", columns: &[("no", Number), ("job", Node), ("source", SourceNo), ("span_max", Number)], key: 1 },
    Table { name: "life", columns: &[("node", Node), ("vf", Time), ("rf", Entry), ("vu", Time), ("ru", Entry)], key: 4 },
    Table { name: "life_end", columns: &[("node", Node), ("at", Time), ("ix", Entry), ("dropped", Number)], key: 3 },
    Table { name: "life_drop", columns: &[("node", Node), ("at", Time), ("until", Time), ("rf", Entry), ("ru", Entry)], key: 4 },
    Table { name: "naming", columns: &[("node", Node), ("by", Namer)], key: 2 },
    Table {
        name: "run",
        columns: &[
            ("pair", Pair),
            ("start", Time),
            ("rid", RunId),
            ("rn", Number),
            ("complete", Time),
            ("first_ix", Entry),
            ("shapes", Bytes),
        ],
        key: 3,
    },
    Table { name: "run_id", columns: &[("rid", RunId), ("pair", Pair), ("start", Time)], key: 2 },
    Table { name: "run_event", columns: &[("rn", Number), ("ix", Entry)], key: 2 },
    Table { name: "design", columns: &[("pair", Pair), ("us", Time), ("digest", Bytes), ("ix", Entry), ("shape", Shape)], key: 3 },
    Table {
        name: "dataset_event",
        columns: &[("node", Node), ("us", Time), ("digest", Bytes), ("source", SourceNo), ("ix", Entry), ("shape", Shape)],
        key: 4,
    },
    Table {
        name: "flow",
        columns: &[
            ("pair", Pair),
            ("side", Number),
            ("dataset", Node),
            ("vf", Time),
            ("rf", Entry),
            ("vu", Time),
            ("ru", Entry),
            ("by", Entry),
        ],
        key: 5,
    },
    Table {
        name: "alias",
        columns: &[("a", Node), ("b", Node), ("kind", Number), ("owner", Number), ("vf", Time), ("rf", Entry), ("vu", Time), ("ru", Entry)],
        key: 6,
    },
    Table {
        name: "facet",
        columns: &[
            ("node", Node),
            ("name", FacetName),
            ("owner", Owner),
            ("vf", Time),
            ("tie", Bytes),
            ("rf", Entry),
            ("vu", Time),
            ("ru", Entry),
            ("digest", Bytes),
            ("deleted", Number),
            ("blob", Number),
            ("by", Entry),
        ],
        key: 6,
    },
    Table { name: "sensitivity", columns: &[("node", Node), ("owner", Owner), ("level", Number)], key: 2 },
    Table { name: "named_by", columns: &[("node", Node), ("shape", Shape)], key: 2 },
    Table {
        name: "entry_block",
        columns: &[
            ("block", Number),
            ("time_min", Time),
            ("time_max", Time),
            ("types", Bytes),
            ("sources", Bytes),
            ("actors", Bytes),
            ("shapes", Bytes),
        ],
        key: 1,
    },
    Table {
        name: "source_hour",
        columns: &[("source", SourceNo), ("hour", Number), ("first_ix", Entry), ("last_ix", Entry), ("count", Number)],
        key: 2,
    },
    Table {
        name: "source_block",
        columns: &[
            ("source", SourceNo),
            ("hour", Number),
            ("block", Number),
            ("count", Number),
            ("us_min", Time),
            ("us_max", Time),
            ("ix", Entry),
        ],
        key: 3,
    },
];

impl Table {
    /// Reads all columns in order of the key. A facet's blob is read as the digest
    /// that it has: one facet may be stored twice.
    pub fn select(&self, database: &str) -> String {
        let mut sql = String::from("SELECT ");
        for (i, (column, _)) in self.columns.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            match *column {
                "blob" => sql.push_str(", (SELECT b.digest FROM stored.blob b WHERE b.id = t.blob)"),
                column => sql.push_str(&format!("{comma}t.\"{column}\"")),
            }
        }
        let keys: Vec<&str> = self.columns.iter().take(self.key).map(|c| c.0).collect();
        sql + &format!(" FROM {database}.{} t ORDER BY t.\"{}\"", self.name, keys.join("\", t.\""))
    }
}

/// The tables' definitions for the attached file.
pub fn in_stored(definitions: &str) -> String {
    definitions.replace("CREATE TABLE ", "CREATE TABLE stored.").replace("CREATE INDEX ", "CREATE INDEX stored.")
}

/// Says what a value stands for, by the names in the new projection.
pub fn say(db: &Connection, kind: Kind, value: ValueRef<'_>) -> String {
    match (kind, value) {
        (_, ValueRef::Null) => "none".to_owned(),
        (Kind::Time, ValueRef::Integer(us)) if us == FOREVER.0 => "open end".to_owned(),
        (Kind::Time, ValueRef::Integer(us)) => Micros(us).rfc3339(),
        (Kind::Node, ValueRef::Integer(no)) => node(db, no),
        (Kind::Pair, ValueRef::Integer(no)) => pair(db, no),
        (Kind::Source, ValueRef::Integer(no)) => source(db, no),
        (Kind::Owner, ValueRef::Integer(n)) if n & 1 == 1 => pair(db, n >> 1),
        (Kind::Owner, ValueRef::Integer(n)) => source(db, n >> 1),
        (Kind::Namer, ValueRef::Integer(n)) if n & 1 == 1 => node(db, n >> 1),
        (Kind::Namer, ValueRef::Integer(n)) => pair(db, n >> 1),
        (Kind::FacetName, ValueRef::Integer(no)) => {
            one(db, "SELECT word FROM main.facet_name WHERE id = ?1", no).unwrap_or_else(|| format!("facet name {no}"))
        }
        (Kind::Entry, ValueRef::Integer(ix)) => format!("entry {ix}"),
        (Kind::Shape, ValueRef::Integer(id)) => format!("shape {id}"),
        (Kind::Sort, ValueRef::Integer(k)) => {
            u8::try_from(k).ok().and_then(ArtifactKind::from_u8).map_or_else(|| format!("kind {k}"), |k| k.word().to_owned())
        }
        (Kind::RunId, ValueRef::Blob(b)) => String::from_utf8_lossy(b).into_owned(),
        (_, ValueRef::Integer(n)) => n.to_string(),
        (_, ValueRef::Real(x)) => x.to_string(),
        (_, ValueRef::Text(t)) => format!("`{}`", String::from_utf8_lossy(t)),
        (_, ValueRef::Blob(b)) => hex::encode(b.get(..32).unwrap_or(b)),
    }
}

fn one(db: &Connection, sql: &str, no: i64) -> Option<String> {
    db.query_row(sql, [no], |r| r.get(0)).optional().ok().flatten()
}

fn node(db: &Connection, no: i64) -> String {
    one(db, "SELECT namespace || '/' || name FROM main.node WHERE no = ?1", no).map_or_else(|| format!("node {no}"), |n| format!("`{n}`"))
}

fn source(db: &Connection, no: i64) -> String {
    one(db, "SELECT integration || ' ' || producer FROM main.source WHERE id = ?1", no)
        .map_or_else(|| format!("source {no}"), |s| format!("source `{s}`"))
}

fn pair(db: &Connection, no: i64) -> String {
    let found: Option<(i64, i64)> =
        db.query_row("SELECT job, source FROM main.pair WHERE no = ?1", [no], |r| Ok((r.get(0)?, r.get(1)?))).optional().ok().flatten();
    found.map_or_else(|| format!("pair {no}"), |(job, by)| format!("job {} of {}", node(db, job), source(db, by)))
}
