//! A lineage as a drawing: Graphviz' DOT and Mermaid. Nodes are numbered, so that
//! names stand in labels only.
use std::fmt::Write as _;

use super::{
    answer::{Answer, Node},
    text,
};

/// The lines of a node's label.
fn lines(node: &Node) -> Vec<String> {
    let mut lines = vec![node.name().to_owned()];
    lines.extend(node.namespace.clone());
    let kind = node.kind.as_deref().unwrap_or("unknown").to_lowercase();
    let remarks = node.remarks();
    lines.push(if remarks.is_empty() { kind } else { format!("{kind}, {remarks}") });
    lines
}

fn is_job(node: &Node) -> bool {
    matches!(node.kind.as_deref(), Some("JOB" | "RUN"))
}

/// What stands at an edge: its kind, and where it ended when.
fn edge_label(kind: &str, until: Option<&str>) -> String {
    until.map_or_else(|| kind.to_owned(), |until| format!("{kind} until {until}"))
}

/// A digraph in DOT.
#[must_use]
pub fn dot(answer: &Answer) -> String {
    let mut out = String::from("digraph lineage {\n  rankdir=LR;\n  labelloc=t;\n");
    // Writing to a String does not fail.
    let _ = writeln!(out, "  label=\"{}\\n{}\";", text::dot(&answer.date()), text::dot(&answer.completeness()));
    for (place, node) in answer.nodes.iter().enumerate() {
        let shape = if is_job(node) { "ellipse" } else { "box" };
        let pen = if node.depth == 0 { ", penwidth=2" } else { "" };
        let style = if node.deleted_at.is_some() || node.restricted { ", style=dashed" } else { "" };
        let label = lines(node).iter().map(|line| text::dot(line)).collect::<Vec<_>>().join("\\n");
        let _ = writeln!(out, "  n{place} [label=\"{label}\", shape={shape}{pen}{style}];");
    }
    for edge in &answer.edges {
        if let (Some(from), Some(to)) = (answer.place(&edge.from), answer.place(&edge.to)) {
            let _ = writeln!(out, "  n{from} -> n{to} [label=\"{}\"];", text::dot(&edge_label(&edge.kind, edge.valid_until.as_deref())));
        }
    }
    out.push_str("}\n");
    out
}

/// A flowchart in Mermaid.
#[must_use]
pub fn mermaid(answer: &Answer) -> String {
    let mut out = String::from("flowchart LR\n");
    let _ = writeln!(out, "  about[\"{}<br/>{}\"]:::about", text::mermaid(&answer.date()), text::mermaid(&answer.completeness()));
    for (place, node) in answer.nodes.iter().enumerate() {
        let label = lines(node).iter().map(|line| text::mermaid(line)).collect::<Vec<_>>().join("<br/>");
        let (open, close) = if is_job(node) { ("([", "])") } else { ("[", "]") };
        let class = match node {
            _ if node.deleted_at.is_some() || node.restricted => ":::gone",
            _ if node.depth == 0 => ":::start",
            _ => "",
        };
        let _ = writeln!(out, "  n{place}{open}\"{label}\"{close}{class}");
    }
    for edge in &answer.edges {
        if let (Some(from), Some(to)) = (answer.place(&edge.from), answer.place(&edge.to)) {
            let _ = writeln!(out, "  n{from} -->|\"{}\"| n{to}", text::mermaid(&edge_label(&edge.kind, edge.valid_until.as_deref())));
        }
    }
    out.push_str("  classDef about fill:none,stroke:none\n  classDef start stroke-width:3px\n  classDef gone stroke-dasharray:4 4\n");
    out
}
