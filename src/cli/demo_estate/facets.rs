//! OpenLineage facets as the demo's producers write them.
use serde_json::{Map, Value, json};

use super::estate::{How, Job, Made, Table};

/// Who produced a facet, and what it says.
pub fn facet(producer: &str, schema: &str, body: Value) -> Value {
    let mut facet = json!({ "_producer": producer, "_schemaURL": format!("https://openlineage.io/spec/facets/{schema}") });
    if let (Value::Object(facet), Value::Object(body)) = (&mut facet, body) {
        facet.extend(body);
    }
    facet
}

/// `file`, version and definition of a published facet, as its schema URL ends.
fn published(version: &str, name: &str) -> String {
    format!("{version}/{name}.json#/$defs/{name}")
}

/// A table as it is at some time: its name and its columns may have changed.
pub struct Shape<'a> {
    pub table: &'a Table,
    pub name: &'a str,
    /// A column that has another name at that time: the estate's, then the other.
    pub renamed: Option<(&'a str, &'a str)>,
}

impl Shape<'_> {
    /// What a column is called at that time.
    pub fn column<'c>(&'c self, name: &'c str) -> &'c str {
        self.renamed.filter(|(from, _)| *from == name).map_or(name, |(_, to)| to)
    }

    pub fn schema(&self, producer: &str) -> Value {
        let fields: Vec<Value> =
            self.table.columns().map(|(name, kind, doc)| json!({ "name": self.column(name), "type": kind, "description": doc })).collect();
        facet(producer, &published("1-2-0", "SchemaDatasetFacet"), json!({ "fields": fields }))
    }

    /// What stands still about a dataset: meaning, owners, tags, place, other names.
    pub fn describe(&self, producer: &str, owners: &[String]) -> Map<String, Value> {
        let table = self.table;
        let tags: Vec<Value> = table
            .tags()
            .map(|(key, value, column)| {
                let mut tag = json!({ "key": key, "value": value, "source": "CONFIG" });
                if let Some(column) = column {
                    tag["field"] = self.column(column).into();
                }
                tag
            })
            .collect();
        let symlinks: Vec<Value> =
            table.symlinks().map(|(kind, namespace, name)| json!({ "namespace": namespace, "name": name, "type": kind })).collect();
        let mut facets = Map::new();
        facets.insert("schema".into(), self.schema(producer));
        facets.insert(
            "documentation".into(),
            facet(producer, &published("1-1-0", "DocumentationDatasetFacet"), json!({ "description": table.doc })),
        );
        facets.insert("ownership".into(), facet(producer, &published("1-0-1", "OwnershipDatasetFacet"), owned_by(owners)));
        facets.insert("tags".into(), facet(producer, &published("1-0-0", "TagsDatasetFacet"), json!({ "tags": tags })));
        facets.insert(
            "dataSource".into(),
            facet(producer, &published("1-0-1", "DatasourceDatasetFacet"), json!({ "name": table.namespace, "uri": table.namespace })),
        );
        if !symlinks.is_empty() {
            facets.insert(
                "symlinks".into(),
                facet(producer, &published("1-0-1", "SymlinksDatasetFacet"), json!({ "identifiers": symlinks })),
            );
        }
        facets
    }
}

fn owned_by(owners: &[String]) -> Value {
    let owners: Vec<Value> = owners
        .iter()
        .map(|line| match line.rsplit_once(':') {
            Some((name, kind)) => json!({ "name": name, "type": kind }),
            None => json!({ "name": line }),
        })
        .collect();
    json!({ "owners": owners })
}

/// What stands still about a job.
pub fn of_job(job: &Job, producer: &str) -> Map<String, Value> {
    let mut facets = Map::new();
    let kind = json!({ "processingType": "BATCH", "integration": job.integration, "jobType": job.kind });
    facets.insert("jobType".into(), facet(producer, &published("2-0-4", "JobTypeJobFacet"), kind));
    facets.insert("ownership".into(), facet(producer, &published("1-0-1", "OwnershipJobFacet"), owned_by(&job.owners)));
    if let Some(doc) = &job.doc {
        facets.insert("documentation".into(), facet(producer, &published("1-1-0", "DocumentationJobFacet"), json!({ "description": doc })));
    }
    if let Some(sql) = &job.sql {
        facets.insert("sql".into(), facet(producer, &published("1-1-0", "SQLJobFacet"), json!({ "query": sql, "dialect": "snowflake" })));
    }
    facets
}

/// How an output's columns are made. `shape` gives a table's state by its key.
pub fn column_lineage<'a>(job: &'a Job, output: &str, producer: &str, shape: impl Fn(&str) -> Option<Shape<'a>>) -> Option<Value> {
    let own = shape(output)?;
    let mut fields = Map::new();
    let mut dataset = Vec::new();
    for Made { column, how, from } in job.made(output) {
        let inputs = from.iter().filter_map(|(key, name)| {
            let input = shape(key)?;
            Some(json!({
                "namespace": input.table.namespace,
                "name": input.name,
                "field": input.column(name),
                "transformations": [transformation(how)],
            }))
        });
        if column == "*" {
            dataset.extend(inputs);
        } else {
            fields.insert(own.column(column).to_owned(), json!({ "inputFields": inputs.collect::<Vec<_>>() }));
        }
    }
    if fields.is_empty() {
        return None;
    }
    Some(facet(producer, &published("1-2-0", "ColumnLineageDatasetFacet"), json!({ "fields": fields, "dataset": dataset })))
}

fn transformation(how: How) -> Value {
    let (kind, subtype, description, masking) = match how {
        How::Identity => ("DIRECT", "IDENTITY", "", false),
        How::Calc => ("DIRECT", "TRANSFORMATION", "computed", false),
        How::Sum => ("DIRECT", "AGGREGATION", "aggregated", false),
        How::Mask => ("DIRECT", "TRANSFORMATION", "hashed", true),
        How::Filter => ("INDIRECT", "FILTER", "decides which rows are there", false),
        How::Join => ("INDIRECT", "JOIN", "decides which rows meet", false),
    };
    json!({ "type": kind, "subtype": subtype, "description": description, "masking": masking })
}

pub fn nominal_time(producer: &str, start: &str, end: &str) -> Value {
    facet(producer, &published("1-0-1", "NominalTimeRunFacet"), json!({ "nominalStartTime": start, "nominalEndTime": end }))
}

pub fn parent(producer: &str, run_id: &str, namespace: &str, name: &str) -> Value {
    let above = json!({ "run": { "runId": run_id }, "job": { "namespace": namespace, "name": name } });
    let mut body = above.clone();
    body["root"] = above;
    facet(producer, &published("1-2-0", "ParentRunFacet"), body)
}

pub fn error_message(producer: &str, message: &str) -> Value {
    let body = json!({ "message": message, "programmingLanguage": "PYTHON", "stackTrace": "Traceback (most recent call last):\n  File \"load_payments.py\", line 88, in load" });
    facet(producer, &published("1-0-1", "ErrorMessageRunFacet"), body)
}

pub fn output_statistics(producer: &str, rows: u64) -> Value {
    facet(
        producer,
        &published("1-0-2", "OutputStatisticsOutputDatasetFacet"),
        json!({ "rowCount": rows, "size": rows * 118, "fileCount": 1 + rows / 50_000 }),
    )
}

pub fn dataset_version(producer: &str, version: &str) -> Value {
    facet(producer, &published("1-0-1", "DatasetVersionDatasetFacet"), json!({ "datasetVersion": version }))
}

/// The quality of `fct_orders`: four assertions, of which the last may fail, and
/// the numbers behind them.
pub fn quality(producer: &str, rows: u64, missing: u64) -> Map<String, Value> {
    let assertions = json!([
        { "assertion": "not_null", "column": "ORDER_ID", "success": true, "severity": "error" },
        { "assertion": "unique", "name": "one row an order line", "success": true, "severity": "error" },
        { "assertion": "accepted_values", "column": "STATUS", "success": true, "severity": "warn" },
        { "assertion": "not_null", "column": "CURRENCY", "success": missing == 0, "severity": "error", "expected": "0", "actual": missing.to_string() },
    ]);
    let metrics = json!({ "rowCount": rows, "columnMetrics": { "CURRENCY": { "nullCount": missing, "distinctCount": 3 }, "GROSS": { "nullCount": 0, "min": 1.9, "max": 1840.0 } } });
    let mut facets = Map::new();
    facets.insert(
        "dataQualityAssertions".into(),
        facet(producer, &published("1-1-0", "DataQualityAssertionsDatasetFacet"), json!({ "assertions": assertions })),
    );
    facets.insert("dataQualityMetrics".into(), facet(producer, &published("1-0-3", "DataQualityMetricsInputDatasetFacet"), metrics));
    facets
}

pub fn lifecycle(producer: &str, change: &str, previous: Option<(&str, &str)>) -> Value {
    let mut body = json!({ "lifecycleStateChange": change });
    if let Some((namespace, name)) = previous {
        body["previousIdentifier"] = json!({ "namespace": namespace, "name": name });
    }
    facet(producer, &published("1-0-1", "LifecycleStateChangeDatasetFacet"), body)
}
