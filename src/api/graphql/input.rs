//! What clients point with: references, instants, pages.
use async_graphql::{Enum, ID, InputObject, OneofObject};

use super::{
    error::{ApiError, Result},
    id::GlobalId,
    scalar::{DateTime, Long},
};
use crate::{
    app::view::AskedAsOf,
    domain::{
        catalog::ArtifactRef as Reference,
        kind,
        lineage::NodeKey,
        name::{NAME_BYTES_MAX, Name as DomainName},
    },
};

/// What a node is. `DATASET`, `FIELD`, `JOB` and `RUN` are OpenLineage's words; the others are the artifacts of no-code platforms.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "kind::ArtifactKind")]
pub enum ArtifactKind {
    /// A table, a file, a topic: anything that holds data.
    Dataset,
    /// One column of a dataset; nested ones are dotted paths.
    Field,
    /// A process that reads and writes datasets.
    Job,
    /// One execution of a job.
    Run,
    /// A data model.
    DataModel,
    /// A workflow.
    Workflow,
    /// A screen or form that people fill in.
    Screen,
    /// An automation.
    Automation,
    /// A connector to another system.
    Connector,
    /// The contract of an API.
    ApiContract,
    /// A report or dashboard.
    Report,
    /// A trained model.
    Model,
    /// A document.
    Document,
    /// A deployment.
    Deployment,
    /// A policy.
    Policy,
}

/// The instant that an answer is about, on two axes. What is left out means now and all entries; `ledgerSize` alone means the time its last entry was recorded.
#[derive(InputObject, Clone, Copy, Debug, Default)]
pub struct AsOf {
    /// When it was true in the world.
    pub valid_at: Option<DateTime>,
    /// How many entries of the ledger count. More than there are is the error `STALE`.
    pub ledger_size: Option<Long>,
}

impl From<AsOf> for AskedAsOf {
    fn from(asked: AsOf) -> Self {
        Self { valid_at: asked.valid_at.map(|t| t.0), ledger_size: asked.ledger_size.map(|n| n.0) }
    }
}

/// OpenLineage's natural key. Compared byte by byte.
#[derive(InputObject, Clone, Debug)]
pub struct NameRef {
    /// The namespace, such as `postgres://shop:5432`.
    pub namespace: String,
    /// The name inside the namespace, such as `shop.public.orders`.
    pub name: String,
}

/// A column of a dataset.
#[derive(InputObject, Clone, Debug)]
pub struct FieldRef {
    /// The dataset's namespace.
    pub namespace: String,
    /// The dataset's name.
    pub dataset: String,
    /// The column; of nested ones the dotted path.
    pub field: String,
}

/// The natural key of an artifact of any kind.
#[derive(InputObject, Clone, Debug)]
pub struct KindRef {
    /// What it is.
    pub kind: ArtifactKind,
    /// The namespace.
    pub namespace: String,
    /// The name inside the namespace.
    pub name: String,
}

/// Points at an artifact in exactly one way.
#[derive(OneofObject, Clone, Debug)]
pub enum ArtifactRef {
    /// An id of an earlier answer.
    Id(ID),
    /// A dataset by its name.
    Dataset(NameRef),
    /// A job by its name.
    Job(NameRef),
    /// A run by OpenLineage's runId.
    Run(ID),
    /// A column by its dataset and path.
    Field(FieldRef),
    /// An artifact of any kind by its name.
    Artifact(KindRef),
    /// As Marquez writes it: `dataset:NAMESPACE:NAME`, `job:NAMESPACE:NAME`, `datasetField:NAMESPACE:NAME:FIELD`. Namespaces hold colons; of the possible splits the known one is taken.
    NodeId(String),
}

impl ArtifactRef {
    /// In the domain's words.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` at `argument` for ids and node ids that are none, and for
    /// names that nothing can have.
    pub fn read(self, argument: &str) -> Result<Reference> {
        let named = |kind, n: NameRef| Ok(Reference::Named(kind, name(argument, n.namespace, n.name)?));
        match self {
            Self::Id(id) => match GlobalId::parse(&id) {
                Ok(GlobalId::Node(key)) => Ok(Reference::Key(key)),
                Ok(GlobalId::Run(run)) => Ok(Reference::Run(run)),
                Ok(GlobalId::Event(_)) => Err(ApiError::input(argument, "the id is that of an event, not of an artifact")),
                Err(e) => Err(ApiError::input(argument, e.to_string())),
            },
            Self::Dataset(n) => named(kind::ArtifactKind::Dataset, n),
            Self::Job(n) => named(kind::ArtifactKind::Job, n),
            Self::Run(id) => run_id(argument, &id).map(Reference::Run),
            Self::Field(f) => {
                Ok(Reference::Field { dataset: name(argument, f.namespace, f.dataset)?, field: text(argument, f.field)?.into() })
            }
            Self::Artifact(k) => match kind::ArtifactKind::from(k.kind) {
                kind::ArtifactKind::Run => Err(ApiError::input(argument, "runs have no namespace; use `run` with OpenLineage's runId")),
                kind::ArtifactKind::Field => Err(ApiError::input(argument, "use `field` for columns")),
                kind => Ok(Reference::Named(kind, name(argument, k.namespace, k.name)?)),
            },
            Self::NodeId(id) => node_id(argument, &id),
        }
    }
}

/// OpenLineage's runId as it is kept.
pub fn run_id(argument: &str, id: &str) -> Result<Box<str>> {
    Ok(text(argument, id.to_ascii_lowercase())?.into())
}

pub(super) fn name(argument: &str, namespace: String, name: String) -> Result<DomainName> {
    // A namespace or name may be empty: some producers send that.
    if namespace.len() > NAME_BYTES_MAX || name.len() > NAME_BYTES_MAX {
        return Err(ApiError::input(argument, format!("a namespace or name is longer than {NAME_BYTES_MAX} bytes")));
    }
    Ok(DomainName::new(namespace, name))
}

fn text(argument: &str, text: String) -> Result<String> {
    match text.len() {
        0 => Err(ApiError::input(argument, "an empty text points at nothing")),
        1..=NAME_BYTES_MAX => Ok(text),
        _ => Err(ApiError::input(argument, format!("the text is longer than {NAME_BYTES_MAX} bytes"))),
    }
}

/// Splits of a node id that are tried at most: names with more colons are few.
const SPLITS_MAX: usize = 64;

/// Marquez' spelling, read in every way that it can be read: shortest namespace
/// last, since namespaces are where the colons usually are (`postgres://host:5432`).
fn node_id(argument: &str, id: &str) -> Result<Reference> {
    let malformed = || {
        ApiError::input(
            argument,
            "a node id is `dataset:NAMESPACE:NAME`, `job:NAMESPACE:NAME`, `datasetField:NAMESPACE:NAME:FIELD` or `run:ID`",
        )
    };
    let (word, rest) = id.split_once(':').ok_or_else(malformed)?;
    let split = |text: &str| text.rmatch_indices(':').map(|(i, _)| i).take(SPLITS_MAX).collect::<Vec<_>>();
    let mut ways = Vec::new();
    match word {
        "dataset" | "job" => {
            let kind = if word == "job" { kind::ArtifactKind::Job } else { kind::ArtifactKind::Dataset };
            for i in split(rest) {
                // A split that makes a name longer than names are is no way to read it.
                ways.extend(name(argument, rest[..i].to_owned(), rest[i + 1..].to_owned()).map(|n| Reference::Named(kind, n)));
            }
        }
        "datasetField" => {
            'ways: for j in split(rest) {
                for i in split(&rest[..j]) {
                    let dataset = name(argument, rest[..i].to_owned(), rest[i + 1..j].to_owned());
                    if let Ok(dataset) = dataset
                        && j + 1 < rest.len()
                    {
                        ways.push(Reference::Field { dataset, field: rest[j + 1..].into() });
                    }
                    if ways.len() == SPLITS_MAX {
                        break 'ways;
                    }
                }
            }
        }
        "run" if !rest.is_empty() => ways.push(Reference::Run(run_id(argument, rest)?)),
        _ => {}
    }
    match ways.len() {
        0 => Err(malformed()),
        1 => Ok(ways.remove(0)),
        _ => Ok(Reference::OneOf(ways)),
    }
}

/// The node behind an id of any artifact.
pub fn node_key(argument: &str, id: &str) -> Result<NodeKey> {
    match GlobalId::parse(id) {
        Ok(GlobalId::Node(key)) => Ok(key),
        Ok(_) => Err(ApiError::input(argument, "the id is not that of an artifact")),
        Err(e) => Err(ApiError::input(argument, e.to_string())),
    }
}

/// The size of a page when none is asked for.
pub const PAGE_DEFAULT: i32 = 20;
/// The largest page.
pub const PAGE_MAX: i32 = 200;

/// The size of a page or list.
///
/// # Errors
/// `BAD_USER_INPUT` naming the argument, below 0 and over `max`; never a silent clip.
pub fn size(argument: &str, asked: i32, max: i32) -> Result<usize> {
    match usize::try_from(asked) {
        Ok(n) if asked <= max => Ok(n),
        Ok(_) => Err(ApiError::input(argument, format!("`{argument}` is {asked}, at most {max} is answered"))),
        Err(_) => Err(ApiError::input(argument, format!("`{argument}` is {asked}, it must not be negative"))),
    }
}

/// The price of a list: its size times what one item costs, bounded so that sums
/// of prices cannot overflow. A size over `max` is priced as `max`: [`size`] will
/// say what is wrong with it.
#[must_use]
pub fn price(asked: Option<i32>, default: i32, max: i32, item: usize) -> usize {
    let n = usize::try_from(asked.unwrap_or(default).min(max)).unwrap_or(0);
    n.saturating_mul(item.max(1)).saturating_add(1).min(1 << 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(kind: kind::ArtifactKind, ns: &str, n: &str) -> Reference {
        Reference::Named(kind, DomainName::new(ns, n))
    }

    #[test]
    fn node_ids_are_read_in_every_way_longest_namespace_first() {
        use kind::ArtifactKind::{Dataset, Job};
        let read = |id: &str| ArtifactRef::NodeId(id.to_owned()).read("ref").map_err(|e| e.code());
        assert_eq!(read("dataset:ns:n").unwrap(), named(Dataset, "ns", "n"));
        assert_eq!(
            read("job:postgres://h:5432:a:b").unwrap(),
            Reference::OneOf(vec![
                named(Job, "postgres://h:5432:a", "b"),
                named(Job, "postgres://h:5432", "a:b"),
                named(Job, "postgres://h", "5432:a:b"),
                named(Job, "postgres", "//h:5432:a:b"),
            ])
        );
        assert_eq!(read("datasetField:ns:n:f").unwrap(), Reference::Field { dataset: DomainName::new("ns", "n"), field: "f".into() });
        let Reference::OneOf(ways) = read("datasetField:s3://b:n:f").unwrap() else { panic!("several ways") };
        assert_eq!(ways.len(), 3);
        assert_eq!(ways[0], Reference::Field { dataset: DomainName::new("s3://b", "n"), field: "f".into() });
        assert_eq!(
            read("run:0193A1B2-c3d4-7e5f-8a6b-7c8d9e0f1a2b").unwrap(),
            Reference::Run("0193a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b".into())
        );
        for bad in ["", "dataset", "dataset:", "dataset:x", "table:a:b", "run:", "datasetField:a:b", "datasetField:a:b:", "job"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_node_id_of_colons_is_tried_in_so_many_ways_only() {
        let Reference::OneOf(ways) = ArtifactRef::NodeId(format!("datasetField:{}", ":x".repeat(1000))).read("ref").unwrap() else {
            panic!("several ways")
        };
        assert_eq!(ways.len(), SPLITS_MAX);
    }

    #[test]
    fn ids_of_the_wrong_type_are_refused() {
        let read = |id: String| ArtifactRef::Id(id.into()).read("ref").map_err(|e| e.inner().message.clone());
        assert!(read(GlobalId::of_event(7)).unwrap_err().contains("of an event"));
        assert!(read("nonsense".to_owned()).is_err());
        assert_eq!(read(GlobalId::of_run("r")).unwrap(), Reference::Run("r".into()));
        assert!(node_key("id", &GlobalId::of_run("r")).is_err());
        let run = KindRef { kind: ArtifactKind::Run, namespace: "a".into(), name: "b".into() };
        assert!(ArtifactRef::Artifact(run).read("ref").is_err());
        let long = NameRef { namespace: "n".repeat(NAME_BYTES_MAX + 1), name: "b".into() };
        assert!(ArtifactRef::Dataset(long).read("ref").is_err());
    }

    #[test]
    fn sizes_are_never_clipped() {
        assert_eq!(size("first", 0, PAGE_MAX).unwrap(), 0);
        assert_eq!(size("first", 200, PAGE_MAX).unwrap(), 200);
        for bad in [-1, 201, i32::MIN, i32::MAX] {
            let error = size("first", bad, PAGE_MAX).unwrap_err();
            assert!(error.inner().message.contains("`first`"), "{bad}");
        }
        assert_eq!(price(Some(i32::MAX), 20, i32::MAX, usize::MAX), 1 << 40);
        assert_eq!(price(Some(i32::MAX), 20, 200, 3), 601);
        assert_eq!(price(None, 20, 200, 3), 61);
        assert_eq!(price(Some(-5), 20, 200, 3), 1);
    }
}
