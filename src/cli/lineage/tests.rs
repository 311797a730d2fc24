//! One answer with names that attack each format, as each format shows it.
use serde_json::{Value, json};

use super::{LineageFormat, render};

/// A column of a walk that was cut, an end that is deleted, names that attack.
fn told() -> Value {
    let node = |id: &str, kind: &str, name: &str, depth: u32| {
        json!({
            "id": id, "restricted": false, "kind": kind, "namespace": "pg://h:1/\"db\"", "name": name, "depth": depth,
            "selfLoop": false, "deletedAt": null, "remaining": 0
        })
    };
    let mut gone = node("C", "DATASET", "a\\b<br>&amp;\u{1b}[2J", 2);
    gone["deletedAt"] = "2026-11-01T00:00:00.000000Z".into();
    gone["remaining"] = 3.into();
    let hidden = json!({
        "id": "D", "restricted": true, "kind": null, "namespace": null, "name": null, "depth": 2, "selfLoop": false,
        "deletedAt": null, "remaining": 0
    });
    let edge = |from: &str, to: &str, kind: &str, until: Value| json!({ "from": from, "to": to, "kind": kind, "job": null, "validFrom": "2026-10-01T00:00:00.000000Z", "validUntil": until });
    json!({
        "nodes": [node("A", "DATASET", "orders\"];x", 0), node("B", "JOB", "load #1", 1), gone, hidden],
        "edges": [edge("A", "B", "USED", Value::Null), edge("B", "C", "WAS_GENERATED_BY", "2026-11-01T00:00:00.000000Z".into()), edge("B", "D", "WAS_GENERATED_BY", Value::Null)],
        "completeness": {
            "status": "TRUNCATED", "reasons": ["PER_NODE_MAX"], "nodesVisited": 4, "edgesVisited": 9, "frontier": ["C"], "prunedByTime": 1
        },
        "asOf": { "validAt": "2026-11-24T12:00:00.000000Z", "ledgerSize": 42, "rootHash": "AAAA" }
    })
}

fn shown(format: LineageFormat) -> String {
    render(&told(), format).unwrap()
}

#[test]
fn a_table_shows_date_completeness_nodes_edges_and_where_it_was_cut() {
    let expected = r#"
as of 2026-11-24T12:00:00.000000Z, ledger size 42, root AAAA
TRUNCATED (PER_NODE_MAX): 4 nodes and 9 edges visited, 1 edges left out by time

DEPTH  KIND     NAMESPACE      NAME                    REMARKS
0      DATASET  pg://h:1/"db"  orders"];x
1      JOB      pg://h:1/"db"  load #1
2      DATASET  pg://h:1/"db"  a\\b<br>&amp;\u{1b}[2J  deleted 2026-11-01T00:00:00.000000Z, 3 more
2      -        -              (restricted)            restricted

FROM        TO                      KIND              VALID FROM                   VALID UNTIL
orders"];x  load #1                 USED              2026-10-01T00:00:00.000000Z  -
load #1     a\\b<br>&amp;\u{1b}[2J  WAS_GENERATED_BY  2026-10-01T00:00:00.000000Z  2026-11-01T00:00:00.000000Z
load #1     (restricted)            WAS_GENERATED_BY  2026-10-01T00:00:00.000000Z  -

cut off at: a\\b<br>&amp;\u{1b}[2J
"#;
    assert_eq!(format!("\n{}", shown(LineageFormat::Table)), expected);
}

#[test]
fn json_is_the_servers_answer() {
    assert_eq!(serde_json::from_str::<Value>(&shown(LineageFormat::Json)).unwrap(), told());
}

#[test]
fn dot_keeps_names_inside_their_labels() {
    let expected = r#"
digraph lineage {
  rankdir=LR;
  labelloc=t;
  label="as of 2026-11-24T12:00:00.000000Z, ledger size 42, root AAAA\nTRUNCATED (PER_NODE_MAX): 4 nodes and 9 edges visited, 1 edges left out by time";
  n0 [label="orders\"];x\npg://h:1/\"db\"\ndataset", shape=box, penwidth=2];
  n1 [label="load #1\npg://h:1/\"db\"\njob", shape=ellipse];
  n2 [label="a\\\\b<br>&amp;amp;\\u{1b}[2J\npg://h:1/\"db\"\ndataset, deleted 2026-11-01T00:00:00.000000Z, 3 more", shape=box, style=dashed];
  n3 [label="(restricted)\nunknown, restricted", shape=box, style=dashed];
  n0 -> n1 [label="USED"];
  n1 -> n2 [label="WAS_GENERATED_BY until 2026-11-01T00:00:00.000000Z"];
  n1 -> n3 [label="WAS_GENERATED_BY"];
}
"#;
    assert_eq!(format!("\n{}", shown(LineageFormat::Dot)), expected);
}

#[test]
fn mermaid_keeps_names_inside_their_labels() {
    let expected = r##"
flowchart LR
  about["as of 2026-11-24T12:00:00.000000Z, ledger size 42, root AAAA<br/>TRUNCATED (PER#95;NODE#95;MAX): 4 nodes and 9 edges visited, 1 edges left out by time"]:::about
  n0["orders#34;#93;#59;x<br/>pg://h:1/#34;db#34;<br/>dataset"]:::start
  n1(["load #35;1<br/>pg://h:1/#34;db#34;<br/>job"])
  n2["a#92;#92;b#60;br#62;#38;amp#59;#92;u#123;1b#125;#91;2J<br/>pg://h:1/#34;db#34;<br/>dataset, deleted 2026-11-01T00:00:00.000000Z, 3 more"]:::gone
  n3["(restricted)<br/>unknown, restricted"]:::gone
  n0 -->|"USED"| n1
  n1 -->|"WAS#95;GENERATED#95;BY until 2026-11-01T00:00:00.000000Z"| n2
  n1 -->|"WAS#95;GENERATED#95;BY"| n3
  classDef about fill:none,stroke:none
  classDef start stroke-width:3px
  classDef gone stroke-dasharray:4 4
"##;
    assert_eq!(format!("\n{}", shown(LineageFormat::Mermaid)), expected);
}

#[test]
fn an_answer_that_is_no_lineage_is_an_error() {
    assert!(render(&json!({ "nodes": [] }), LineageFormat::Table).is_err());
}
