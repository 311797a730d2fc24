//! A lineage answer as it came, with names ready to be shown.
use std::collections::HashMap;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;

/// A lineage answer.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    pub completeness: Completeness,
    pub as_of: AsOf,
    /// The place in `nodes` of each id.
    #[serde(skip)]
    places: HashMap<String, usize>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    pub id: String,
    pub restricted: bool,
    pub kind: Option<String>,
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub depth: u32,
    pub self_loop: bool,
    pub deleted_at: Option<String>,
    pub remaining: u32,
    artifact: Option<Artifact>,
}

#[derive(Deserialize, Debug)]
struct Artifact {
    name: String,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Edge {
    pub from: String,
    pub to: String,
    pub kind: String,
    pub job: Option<String>,
    pub valid_from: String,
    pub valid_until: Option<String>,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Completeness {
    status: String,
    reasons: Vec<String>,
    nodes_visited: u64,
    edges_visited: u64,
    pub frontier: Vec<String>,
    pruned_by_time: u64,
}

#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct AsOf {
    valid_at: String,
    ledger_size: u64,
    root_hash: String,
}

impl Answer {
    /// Reads the member `lineage` of a GraphQL answer.
    ///
    /// # Errors
    /// When members are missing or of other types.
    pub fn read(told: &Value) -> anyhow::Result<Self> {
        let mut answer = Self::deserialize(told).context("the server's answer is no lineage")?;
        answer.places = answer.nodes.iter().enumerate().map(|(place, node)| (node.id.clone(), place)).collect();
        Ok(answer)
    }

    /// Where a node stands in `nodes`.
    #[must_use]
    pub fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).copied()
    }

    /// The name of a node of the answer; its id where it is not part of it.
    #[must_use]
    pub fn name_of<'a>(&'a self, id: &'a str) -> &'a str {
        self.place(id).and_then(|place| self.nodes.get(place)).map_or(id, Node::name)
    }

    /// Whether the answer has edges of a job that is not one of its nodes.
    #[must_use]
    pub fn has_jobs(&self) -> bool {
        self.edges.iter().any(|e| e.job.is_some())
    }

    /// The instant, in one line.
    #[must_use]
    pub fn date(&self) -> String {
        format!("as of {}, ledger size {}, root {}", self.as_of.valid_at, self.as_of.ledger_size, self.as_of.root_hash)
    }

    /// The completeness, in one line.
    #[must_use]
    pub fn completeness(&self) -> String {
        let c = &self.completeness;
        let reasons = if c.reasons.is_empty() { String::new() } else { format!(" ({})", c.reasons.join(", ")) };
        format!(
            "{}{reasons}: {} nodes and {} edges visited, {} edges left out by time",
            c.status, c.nodes_visited, c.edges_visited, c.pruned_by_time
        )
    }
}

impl Node {
    /// What is shown as its name: of a column with its dataset.
    #[must_use]
    pub fn name(&self) -> &str {
        self.artifact.as_ref().map(|a| a.name.as_str()).or(self.name.as_deref()).unwrap_or("(restricted)")
    }

    /// What is to be noted beside the name.
    #[must_use]
    pub fn remarks(&self) -> String {
        let mut remarks = Vec::new();
        if self.restricted {
            remarks.push("restricted".to_owned());
        }
        if let Some(at) = &self.deleted_at {
            remarks.push(format!("deleted {at}"));
        }
        if self.self_loop {
            remarks.push("self-loop".to_owned());
        }
        if self.remaining > 0 {
            remarks.push(format!("{} more", self.remaining));
        }
        remarks.join(", ")
    }
}
