//! What the facets that act on the graph say, read from their received bytes.
//!
//! Every reader takes the raw bytes of one facet and is lenient: what is missing
//! or of another type is left out. [`super::read`] has refused facets whose types
//! would change a flow, a column or a name.
pub(super) mod shape;

use std::borrow::Cow;

use rustc_hash::FxHashSet;

use super::tape::{Doc, Id, Kind};
use crate::domain::{
    assertion::{ColumnLineage, FieldLineage, InputField, Schema, SchemaField, Symlink, Tag, Transformation},
    name::{NAME_BYTES_MAX, Name},
};

/// Columns, nested ones as dotted paths; a path that is listed twice counts once.
/// `None`: not JSON.
#[must_use]
pub fn schema(raw: &[u8]) -> Option<Schema> {
    let doc = Doc::scan(raw).ok()?;
    let mut columns = Columns { doc: &doc, seen: FxHashSet::default(), fields: Vec::new() };
    if let Some(fields) = doc.get(0, "fields") {
        columns.level(fields, "");
    }
    Some(Schema { fields: columns.fields })
}

struct Columns<'d, 'a> {
    doc: &'d Doc<'a>,
    seen: FxHashSet<Box<str>>,
    fields: Vec<SchemaField>,
}

impl Columns<'_, '_> {
    // INVARIANT: recursion is as deep as the text is nested.
    fn level(&mut self, fields: Id, above: &str) {
        for field in self.doc.elements(fields) {
            let Some(name) = self.doc.get_string(field, "name").filter(|n| !n.is_empty()) else { continue };
            let path: Box<str> = if above.is_empty() { name.into() } else { format!("{above}.{name}").into() };
            if !self.seen.insert(path.clone()) {
                continue;
            }
            let text = |member| self.doc.get_string(field, member).map(Box::from);
            self.fields.push(SchemaField { path: path.clone(), data_type: text("type"), description: text("description") });
            if let Some(nested) = self.doc.get(field, "fields") {
                self.level(nested, &path);
            }
        }
    }
}

/// Field-level lineage. The facet's older form (`transformationType` and
/// `transformationDescription` a field) is read as a transformation of each of
/// its inputs. `None`: not JSON.
#[must_use]
pub fn column_lineage(raw: &[u8]) -> Option<ColumnLineage> {
    let doc = Doc::scan(raw).ok()?;
    let mut out = ColumnLineage::default();
    if let Some(fields) = doc.get(0, "fields") {
        for (key, value) in doc.members(fields) {
            let older = older_transformation(&doc, value);
            let inputs = doc.get(value, "inputFields").map_or_else(Vec::new, |list| input_fields(&doc, list, older.as_ref()));
            out.fields.push(FieldLineage { field: doc.lossy(key).into(), inputs });
        }
    }
    if let Some(list) = doc.get(0, "dataset") {
        out.dataset = input_fields(&doc, list, None);
    }
    Some(out)
}

fn older_transformation(doc: &Doc<'_>, field: Id) -> Option<Transformation> {
    let kind = doc.get_string(field, "transformationType");
    let description = doc.get_string(field, "transformationDescription");
    (kind.is_some() || description.is_some()).then(|| Transformation {
        kind: "DIRECT".into(),
        masking: kind.as_deref() == Some("MASKED"),
        subtype: kind.map(Box::from),
        description: description.filter(|d| !d.is_empty()).map(Box::from),
    })
}

fn input_fields(doc: &Doc<'_>, list: Id, older: Option<&Transformation>) -> Vec<InputField> {
    doc.elements(list)
        .filter_map(|input| {
            let mut transformations: Vec<Transformation> = match doc.get(input, "transformations") {
                Some(list) => doc.elements(list).filter_map(|t| transformation(doc, t)).collect(),
                None => Vec::new(),
            };
            if transformations.is_empty() {
                transformations.extend(older.cloned());
            }
            Some(InputField { dataset: name(doc, input)?, field: doc.get_string(input, "field")?.into(), transformations })
        })
        .collect()
}

fn transformation(doc: &Doc<'_>, id: Id) -> Option<Transformation> {
    let text = |member| doc.get_string(id, member).filter(|v| !v.is_empty()).map(Box::from);
    Some(Transformation {
        kind: text("type")?,
        subtype: text("subtype"),
        description: text("description"),
        masking: doc.get(id, "masking").is_some_and(|v| doc.kind(v) == Kind::True),
    })
}

/// `namespace` and `name` of an object, both there, not empty and within the bound of names.
pub(super) fn name(doc: &Doc<'_>, id: Id) -> Option<Name> {
    let text = |member| doc.get_string(id, member).filter(|v| !v.is_empty() && v.len() <= NAME_BYTES_MAX);
    Some(Name::new(text("namespace")?, text("name")?))
}

/// Other names of a dataset.
#[must_use]
pub fn symlinks(raw: &[u8]) -> Vec<Symlink> {
    list(raw, "identifiers", |doc, id| {
        let location = doc.get_string(id, "type").is_some_and(|t| t.eq_ignore_ascii_case("LOCATION"));
        Some(Symlink { name: name(doc, id)?, location })
    })
}

/// Tags of a job, a dataset or its fields. A value that is a number or a boolean
/// is taken as it is spelled; none reads as `true`.
#[must_use]
pub fn tags(raw: &[u8]) -> Vec<Tag> {
    list(raw, "tags", |doc, id| {
        let text = |member| doc.get_string(id, member).map(Box::from);
        Some(Tag {
            key: doc.get_string(id, "key").filter(|k| !k.is_empty())?.into(),
            value: doc.get(id, "value").map_or_else(|| "true".into(), |v| doc.string(v).unwrap_or(Cow::Borrowed(doc.raw(v))).into()),
            source: text("source"),
            field: text("field"),
        })
    })
}

/// Owners as (name, role), as written: only for readers of `person` parts.
#[must_use]
pub fn ownership(raw: &[u8]) -> Vec<(Box<str>, Option<Box<str>>)> {
    list(raw, "owners", |doc, id| Some((doc.get_string(id, "name")?.into(), doc.get_string(id, "type").map(Box::from))))
}

fn list<T>(raw: &[u8], member: &str, mut read: impl FnMut(&Doc<'_>, Id) -> Option<T>) -> Vec<T> {
    let Ok(doc) = Doc::scan(raw) else { return Vec::new() };
    let Some(list) = doc.get(0, member) else { return Vec::new() };
    doc.elements(list).filter_map(|id| read(&doc, id)).collect()
}

/// A text about a job or dataset.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Documentation {
    pub description: Box<str>,
    /// A media type, e.g. `text/markdown`.
    pub content_type: Option<Box<str>>,
}

/// The `documentation` facet.
#[must_use]
pub fn documentation(raw: &[u8]) -> Option<Documentation> {
    members(raw, |get| Some(Documentation { description: get("description")?, content_type: get("contentType") }))
}

/// A job's SQL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sql {
    /// As received, literals included: for operational rights. Others see
    /// [`super::readable_sql`] of it.
    pub query: Box<str>,
    pub dialect: Option<Box<str>>,
}

/// The `sql` facet.
#[must_use]
pub fn sql(raw: &[u8]) -> Option<Sql> {
    members(raw, |get| Some(Sql { query: get("query")?, dialect: get("dialect") }))
}

/// What kind of job it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct JobType {
    /// `BATCH` or `STREAMING`.
    pub processing_type: Option<Box<str>>,
    /// `SPARK`, `DBT`, `AIRFLOW`, …
    pub integration: Option<Box<str>>,
    /// `QUERY`, `DAG`, `TASK`, `MODEL`, …
    pub job_type: Option<Box<str>>,
}

/// The `jobType` facet.
#[must_use]
pub fn job_type(raw: &[u8]) -> Option<JobType> {
    members(raw, |get| Some(JobType { processing_type: get("processingType"), integration: get("integration"), job_type: get("jobType") }))
}

/// Why a run failed. Error texts quote data: for operational rights.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ErrorMessage {
    pub message: Box<str>,
    pub programming_language: Option<Box<str>>,
    pub stack_trace: Option<Box<str>>,
}

/// The `errorMessage` facet.
#[must_use]
pub fn error_message(raw: &[u8]) -> Option<ErrorMessage> {
    members(raw, |get| {
        Some(ErrorMessage { message: get("message")?, programming_language: get("programmingLanguage"), stack_trace: get("stackTrace") })
    })
}

/// Where a dataset lives. The URI may hold credentials: for operational rights.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DataSource {
    pub name: Option<Box<str>>,
    pub uri: Option<Box<str>>,
}

/// The `dataSource` facet.
#[must_use]
pub fn data_source(raw: &[u8]) -> Option<DataSource> {
    members(raw, |get| Some(DataSource { name: get("name"), uri: get("uri") }))
}

/// The catalog that a dataset is listed in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Catalog {
    pub framework: Option<Box<str>>,
    /// `hive`, `glue`, `rest`, …
    pub catalog_type: Option<Box<str>>,
    pub name: Option<Box<str>>,
}

/// The `catalog` facet.
#[must_use]
pub fn catalog(raw: &[u8]) -> Option<Catalog> {
    members(raw, |get| Some(Catalog { framework: get("framework"), catalog_type: get("type"), name: get("name") }))
}

fn members<T>(raw: &[u8], read: impl FnOnce(&dyn Fn(&str) -> Option<Box<str>>) -> Option<T>) -> Option<T> {
    let doc = Doc::scan(raw).ok()?;
    read(&|member| doc.get_string(0, member).map(Box::from))
}

/// One check of a dataset and how it went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QualityAssertion {
    /// What was checked, e.g. `not_null`.
    pub assertion: Box<str>,
    pub success: bool,
    pub column: Option<Box<str>>,
    pub severity: Option<Box<str>>,
}

/// The `dataQualityAssertions` facet.
#[must_use]
pub fn data_quality_assertions(raw: &[u8]) -> Vec<QualityAssertion> {
    list(raw, "assertions", |doc, id| {
        let text = |member| doc.get_string(id, member).map(Box::from);
        let success = doc.get(id, "success").map(|v| doc.kind(v) == Kind::True)?;
        Some(QualityAssertion { assertion: text("assertion")?, success, column: text("column"), severity: text("severity") })
    })
}

/// Row, byte and file counts, from `inputStatistics` and `outputStatistics`
/// (`rowCount`, `size`, `fileCount`) and `dataQualityMetrics` (`bytes` for the size).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Statistics {
    pub rows: Option<i64>,
    pub bytes: Option<i64>,
    pub files: Option<i64>,
}

/// Counts that are whole numbers within 64 bits; others read as none.
#[must_use]
pub fn statistics(raw: &[u8]) -> Option<Statistics> {
    let doc = Doc::scan(raw).ok()?;
    let count = |member| doc.get(0, member).filter(|&v| doc.kind(v) == Kind::Number).and_then(|v| doc.raw(v).parse().ok());
    Some(Statistics { rows: count("rowCount"), bytes: count("size").or_else(|| count("bytes")), files: count("fileCount") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_columns_are_dotted_paths_and_each_counts_once() {
        let raw = br#"{"fields":[{"name":"a","type":"struct","fields":[{"name":"b","type":"int","description":"x"},{"name":"c"}]},
                       {"name":"a","type":"other"},{"type":"nameless"},{"name":"d","fields":null}]}"#;
        let paths: Vec<Box<str>> = schema(raw).expect("JSON").fields.into_iter().map(|f| f.path).collect();
        assert_eq!(paths, ["a".into(), "a.b".into(), "a.c".into(), Box::<str>::from("d")]);
        assert_eq!(schema(b"{}").expect("JSON"), Schema::default());
        assert_eq!(schema(b"{"), None);
    }

    #[test]
    fn column_lineage_of_both_forms_is_read() {
        let raw = br#"{"fields":{"total":{"inputFields":[
              {"namespace":"n","name":"orders","field":"amount","transformations":[{"type":"DIRECT","subtype":"AGGREGATION","description":"","masking":true}]},
              {"namespace":"n","name":"orders"}]},
            "old":{"inputFields":[{"namespace":"n","name":"o","field":"x"}],"transformationType":"MASKED","transformationDescription":"sha"}},
            "dataset":[{"namespace":"n","name":"orders","field":"day","transformations":[{"type":"INDIRECT","subtype":"FILTER"}]}]}"#;
        let lineage = column_lineage(raw).expect("JSON");
        let direct = Transformation { kind: "DIRECT".into(), subtype: Some("AGGREGATION".into()), description: None, masking: true };
        assert_eq!(lineage.fields[0].inputs.len(), 1, "an input without a field is left out");
        assert_eq!(lineage.fields[0].inputs[0].transformations, [direct]);
        let older =
            Transformation { kind: "DIRECT".into(), subtype: Some("MASKED".into()), description: Some("sha".into()), masking: true };
        assert_eq!(lineage.fields[1].inputs[0].transformations, [older]);
        assert_eq!(lineage.dataset[0].field.as_ref(), "day");
    }

    #[test]
    fn the_small_facets_are_read() {
        let links = symlinks(br#"{"identifiers":[{"namespace":"s3://b","name":"p","type":"LOCATION"},{"namespace":"h","name":"t","type":"TABLE"},{"name":"x"}]}"#);
        assert_eq!(links.iter().map(|l| (l.name.name.as_ref(), l.location)).collect::<Vec<_>>(), [("p", true), ("t", false)]);
        let read = tags(
            br#"{"tags":[{"key":"pii","value":true,"field":"mail"},{"key":"tier","value":"gold","source":"X"},{"key":""},{"key":"bare"}]}"#,
        );
        assert_eq!(
            read.iter().map(|t| (t.key.as_ref(), t.value.as_ref())).collect::<Vec<_>>(),
            [("pii", "true"), ("tier", "gold"), ("bare", "true")]
        );
        assert_eq!(sql(br#"{"query":"select 1"}"#).expect("SQL").query.as_ref(), "select 1");
        assert_eq!(documentation(br#"{"description":"d","contentType":"text/markdown"}"#).expect("text").description.as_ref(), "d");
        assert_eq!(job_type(br#"{"jobType":"TASK"}"#).expect("JSON").job_type.as_deref(), Some("TASK"));
        assert_eq!(error_message(br#"{"message":"m"}"#).expect("JSON").stack_trace, None);
        assert_eq!(data_source(br#"{"uri":"u"}"#).expect("JSON").uri.as_deref(), Some("u"));
        assert_eq!(catalog(br#"{"type":"glue"}"#).expect("JSON").catalog_type.as_deref(), Some("glue"));
        assert_eq!(ownership(br#"{"owners":[{"name":"team:a","type":"X"},{}]}"#), [("team:a".into(), Some("X".into()))]);
        assert!(!data_quality_assertions(br#"{"assertions":[{"assertion":"not_null","success":false,"column":"c"}]}"#)[0].success);
        let counted = statistics(br#"{"rowCount":9007199254740993,"size":1e3,"fileCount":2}"#).expect("JSON");
        assert_eq!(counted, Statistics { rows: Some(9_007_199_254_740_993), bytes: None, files: Some(2) });
    }
}
