//! The demo's tables and jobs, read from `seeds/demo/estate.toml`.
use std::collections::BTreeMap;

use serde::Deserialize;

const TEXT: &str = include_str!("../../../seeds/demo/estate.toml");

/// Everything there is.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Estate {
    #[serde(rename = "table")]
    pub tables: Vec<Table>,
    #[serde(rename = "job")]
    pub jobs: Vec<Job>,
}

/// A dataset.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub key: String,
    pub namespace: String,
    pub name: String,
    pub doc: String,
    pub owners: Vec<String>,
    pub columns: Vec<String>,
    pub tags: Vec<String>,
    #[serde(default)]
    pub symlinks: Vec<String>,
}

/// A job that runs every so many days.
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Job {
    pub namespace: String,
    pub name: String,
    pub integration: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// The job whose run starts this one's, in the same namespace.
    pub parent: Option<String>,
    pub doc: Option<String>,
    pub owners: Vec<String>,
    /// Days between two runs.
    #[serde(default = "one")]
    pub every: u32,
    /// Minute of the day (UTC).
    pub start: u32,
    /// Minutes.
    pub lasts: u32,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub sql: Option<String>,
    /// The table whose quality it tests.
    pub tests: Option<String>,
    /// By output, what its columns are made from.
    #[serde(default)]
    pub columns: BTreeMap<String, Vec<String>>,
}

fn one() -> u32 {
    1
}

/// What one column, or with `*` every column, is made from.
#[derive(Debug, PartialEq, Eq)]
pub struct Made<'a> {
    pub column: &'a str,
    pub how: How,
    /// Table keys and their columns.
    pub from: Vec<(&'a str, &'a str)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Identity,
    Calc,
    Sum,
    Mask,
    Filter,
    Join,
}

impl Estate {
    /// Reads the estate.
    #[must_use]
    pub fn load() -> Self {
        // INVARIANT: the text is part of the program, and a test reads it.
        #[expect(clippy::expect_used, reason = "the text is part of the program")]
        toml::from_str(TEXT).expect("the demo's estate is well-formed")
    }

    /// The table of a key.
    #[must_use]
    pub fn table(&self, key: &str) -> Option<&Table> {
        self.tables.iter().find(|t| t.key == key)
    }

    /// The job of a name.
    #[must_use]
    pub fn job(&self, namespace: &str, name: &str) -> Option<&Job> {
        self.jobs.iter().find(|j| j.namespace == namespace && j.name == name)
    }
}

impl Table {
    /// Name, type and meaning of each column.
    pub fn columns(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.columns.iter().filter_map(|line| {
            let (name, rest) = line.split_once(": ")?;
            let (kind, doc) = rest.split_once(": ")?;
            Some((name, kind, doc))
        })
    }

    /// Key, value and column of each tag.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str, Option<&str>)> {
        self.tags.iter().filter_map(|line| {
            let (tag, column) = line.split_once(" @").map_or((line.as_str(), None), |(tag, column)| (tag, Some(column)));
            let (key, value) = tag.split_once('=')?;
            Some((key, value, column))
        })
    }

    /// Type, namespace and name of each other name.
    pub fn symlinks(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.symlinks.iter().filter_map(|line| {
            let (kind, rest) = line.split_once(' ')?;
            let (namespace, name) = rest.split_once(' ')?;
            Some((kind, namespace, name))
        })
    }
}

impl Job {
    /// How the columns of an output are made.
    pub fn made(&self, output: &str) -> impl Iterator<Item = Made<'_>> {
        self.columns.get(output).into_iter().flatten().filter_map(|line| made(line))
    }
}

fn made(line: &str) -> Option<Made<'_>> {
    let (column, rest) = line.split_once(" = ")?;
    let (how, rest) = match rest.split_once(' ') {
        Some(("calc", rest)) => (How::Calc, rest),
        Some(("sum", rest)) => (How::Sum, rest),
        Some(("mask", rest)) => (How::Mask, rest),
        Some(("filter", rest)) => (How::Filter, rest),
        Some(("join", rest)) => (How::Join, rest),
        _ => (How::Identity, rest),
    };
    let from = rest.split(" + ").map(|source| source.split_once('.')).collect::<Option<_>>()?;
    Some(Made { column, how, from })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_reads_and_names_only_what_there_is() {
        let estate = Estate::load();
        for table in &estate.tables {
            assert_eq!(table.columns().count(), table.columns.len(), "{}", table.key);
            assert_eq!(table.tags().count(), table.tags.len(), "{}", table.key);
            assert_eq!(table.symlinks().count(), table.symlinks.len(), "{}", table.key);
            for (_, _, column) in table.tags() {
                assert!(column.is_none_or(|c| table.columns().any(|(name, _, _)| name == c)), "{} {column:?}", table.key);
            }
        }
        let has = |key: &str, column: &str| estate.table(key).is_some_and(|t| t.columns().any(|(name, _, _)| name == column));
        for job in &estate.jobs {
            assert!(job.parent.as_ref().is_none_or(|p| estate.job(&job.namespace, p).is_some()), "{}", job.name);
            assert!(job.inputs.iter().chain(&job.outputs).chain(&job.tests).all(|k| estate.table(k).is_some()), "{}", job.name);
            for (output, lines) in &job.columns {
                assert!(job.outputs.contains(output), "{} {output}", job.name);
                assert_eq!(job.made(output).count(), lines.len(), "{} {output}", job.name);
                for made in job.made(output) {
                    assert!(made.column == "*" || has(output, made.column), "{} {made:?}", job.name);
                    assert!(made.from.iter().all(|(t, c)| job.inputs.iter().any(|i| i == t) && has(t, c)), "{} {made:?}", job.name);
                }
            }
        }
    }

    #[test]
    fn one_run_touches_more_than_twenty_columns() {
        let estate = Estate::load();
        assert!(estate.jobs.iter().any(|j| j.outputs.iter().any(|o| j.made(o).count() > 20)));
    }
}
