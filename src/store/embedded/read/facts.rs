//! Artifacts as an instant saw them.
use std::sync::Arc;

use smallvec::SmallVec;

use super::{Reader, classes::Classes, walk::aliases};
use crate::{
    domain::{
        assertion::{Digest, Entity},
        catalog::{ArtifactFacts, FacetFacts, OwnerFacts},
        id::{EntryIndex, NodeId},
        kind::ArtifactKind,
        lineage::{AsOf, NodeKey},
        name::Name,
        time::Micros,
    },
    interop::openlineage::{Place, facets_of, read_core},
    store::{
        StoreError,
        embedded::{entries::source_of, schema::backend, topology::NodeNo},
    },
};

pub fn artifacts(reader: &Reader<'_>, keys: &[NodeKey], as_of: AsOf) -> Result<Vec<Option<ArtifactFacts>>, StoreError> {
    let mut classes = reader.classes(as_of);
    keys.iter()
        .map(|key| {
            let Some(no) = reader.find(key.artifact(), as_of.size) else { return Ok(None) };
            match key {
                NodeKey::Artifact(_) => artifact(reader, &mut classes, no, as_of),
                NodeKey::Run(..) => Ok(None),
                NodeKey::Field(id, field) => {
                    if !reader.field_is_named(no, field, as_of.size)? {
                        return Ok(None);
                    }
                    let Some(mut dataset) = artifact(reader, &mut classes, no, as_of)? else { return Ok(None) };
                    dataset.key = NodeKey::Field(*id, field.clone());
                    dataset.kind = ArtifactKind::Field;
                    dataset.name.name = format!("{}.{field}", dataset.name.name).into();
                    for alias in &mut dataset.aliases {
                        alias.name = format!("{}.{field}", alias.name).into();
                    }
                    Ok(Some(dataset))
                }
            }
        })
        .collect()
}

/// The artifact that a name stands for: its class, under the representative; `None` where it is hidden.
fn artifact(reader: &Reader<'_>, classes: &mut Classes<'_>, no: NodeNo, as_of: AsOf) -> Result<Option<ArtifactFacts>, StoreError> {
    const LOST: StoreError = StoreError::Inconsistent { place: "memory of nodes" };
    let topology = &reader.shared.topology;
    let no_class = classes.of(no)?;
    let valid_from = classes.first_named(no_class)?;
    let class = classes.get(no_class).ok_or(LOST)?;
    if class.hidden {
        return Ok(None);
    }
    let fixed = topology.node(class.representative).ok_or(LOST)?;
    let mut facets = Vec::new();
    let mut owners = Vec::new();
    for (node, f) in in_force_of(reader, class.shown(), as_of)? {
        facets.push(facet(reader, node, f, &mut owners)?);
    }
    facets.sort_by(|a: &FacetFacts, b| (&a.name, &a.source, a.job).cmp(&(&b.name, &b.source, b.job)));
    let recorded_from = class.shown().iter().filter_map(|n| topology.node(*n)).map(|n| n.recorded_from.into()).min();
    Ok(Some(ArtifactFacts {
        key: NodeKey::Artifact(fixed.id),
        kind: fixed.kind,
        name: Name { namespace: (&*fixed.namespace).into(), name: (&*fixed.name).into() },
        aliases: aliases(topology, class),
        valid_from,
        deleted_at: class.deleted_at,
        recorded_from: recorded_from.unwrap_or(EntryIndex::MAX),
        facets,
        owners,
    }))
}

/// A facet row in force.
#[derive(Clone)]
pub struct InForce {
    pub name: u32,
    pub owner: u32,
    pub valid_from: Micros,
    pub valid_until: Micros,
    pub digest: Digest,
    pub blob: Option<u32>,
    pub by: EntryIndex,
    pub deleted: bool,
}

impl InForce {
    /// The same content, or the same end of it.
    pub fn says_as(&self, other: &Self) -> bool {
        self.digest == other.digest && self.deleted == other.deleted
    }
}

/// The facets of a class in force, each with the name that has it. A source that
/// describes several names of the class has one facet of a kind: the one that
/// changed last, of equal times that of the first name. Symlinks and column lineage are facts of the name itself.
pub fn in_force_of(reader: &Reader<'_>, names: &[NodeNo], as_of: AsOf) -> Result<Vec<(NodeNo, InForce)>, StoreError> {
    let own = reader.facet_no("symlinks")?;
    let mut names: SmallVec<[NodeNo; 2]> = names.into();
    names.sort_by_cached_key(|n| reader.shared.topology.node(*n).map(|n| (n.namespace.clone(), n.name.clone())));
    let mut found: Vec<(NodeNo, InForce)> = Vec::new();
    for node in names {
        for f in latest(reader, node, as_of)? {
            let shared = f.owner % 2 == 0 && Some(f.name) != own;
            let place = found.iter_mut().find(|(_, o)| shared && (o.name, o.owner) == (f.name, f.owner));
            match place {
                Some(other) if other.1.valid_from < f.valid_from => *other = (node, f),
                Some(_) => {}
                None => found.push((node, f)),
            }
        }
    }
    found.retain(|(_, f)| !f.deleted);
    Ok(found)
}

/// What was said last of each facet of a name.
fn latest(reader: &Reader<'_>, node: NodeNo, as_of: AsOf) -> Result<Vec<InForce>, StoreError> {
    reader
        .db
        .prepare_cached(
            "SELECT name, owner, vf, vu, digest, blob, by, deleted FROM facet \
             WHERE node = ?1 AND vf <= ?2 AND vu > ?2 AND rf < ?3 AND (ru IS NULL OR ru >= ?3)",
        )
        .and_then(|mut s| {
            s.query_map((node, as_of.valid_at.0, as_of.size), |r| {
                Ok(InForce {
                    name: r.get(0)?,
                    owner: r.get(1)?,
                    valid_from: Micros(r.get(2)?),
                    valid_until: Micros(r.get(3)?),
                    digest: r.get(4)?,
                    blob: r.get(5)?,
                    by: r.get(6)?,
                    deleted: r.get(7)?,
                })
            })?
            .collect()
        })
        .map_err(backend)
}

/// The word of a facet's number.
pub fn facet_word(reader: &Reader<'_>, name: u32) -> Result<Arc<str>, StoreError> {
    reader
        .db
        .prepare_cached("SELECT word FROM facet_name WHERE id = ?1")
        .and_then(|mut s| s.query_row([name], |r| r.get::<_, String>(0)))
        .map(Into::into)
        .map_err(backend)
}

/// A facet with its content; adds the people whom an `ownership` facet names.
pub fn facet(reader: &Reader<'_>, node: NodeNo, f: InForce, owners: &mut Vec<OwnerFacts>) -> Result<FacetFacts, StoreError> {
    let topology = &reader.shared.topology;
    let entries = reader.entries();
    let (source, job): (_, Option<NodeId>) = if f.owner.is_multiple_of(2) {
        (f.owner / 2, None)
    } else {
        let (job, source) = topology.pair(f.owner / 2).ok_or(StoreError::Inconsistent { place: "pair" })?;
        (source, topology.node(job).map(|j| j.id))
    };
    let source = source_of(reader.db, source)?;
    let name = facet_word(reader, f.name)?;
    if &*name == "ownership" {
        // People stand in the entry's `core` as handles.
        if let Some(core) = entries.core(f.by)? {
            let a = read_core(&core).map_err(|e| StoreError::Backend(Box::new(e)))?;
            let fixed = topology.node(node);
            let own = a.job.iter().chain(a.inputs.iter().flatten()).chain(a.outputs.iter().flatten()).chain(a.dataset.iter());
            let own = own.filter(|e| fixed.is_some_and(|n| *n.namespace == *e.name.namespace && *n.name == *e.name.name));
            for o in own.filter_map(|e| e.owners.as_ref()).flatten() {
                let owner =
                    OwnerFacts { handle: o.handle, role: o.role.clone(), source: source.clone(), since: f.valid_from, recorded_from: f.by };
                if !owners.iter().any(|x| x.handle == owner.handle && x.role == owner.role && x.source == owner.source) {
                    owners.push(owner);
                }
            }
        }
    }
    let bytes = match f.blob {
        Some(blob) => entries.blob(blob)?.map(Into::into),
        None => from_entry(reader, node, &name, f.by)?,
    };
    let withheld = names_hidden(reader, &name, &f, bytes.as_deref())?;
    Ok(FacetFacts {
        name,
        source,
        job: job.filter(|_| !withheld),
        valid_from: f.valid_from,
        valid_until: f.valid_until,
        // A later entry may have recorded the stretch anew, shorter.
        recorded_from: f.by,
        digest: f.digest,
        withheld,
        bytes: bytes.filter(|_| !withheld),
    })
}

/// Facets that name nothing but what they are on, or name it as a namespace and a name.
const PLAIN: &[&str] = &[
    "catalog",
    "columnLineage",
    "dataSource",
    "datasetType",
    "documentation",
    "hierarchy",
    "jobType",
    "lifecycleStateChange",
    "ownership",
    "schema",
    "sourceCodeLocation",
    "storage",
    "symlinks",
    "tags",
    "version",
];

/// Whether a facet names something that is hidden from the asker: it was told by a
/// job that is, its text does, or the text is free (code, messages, what nobody
/// knows) and lies in an entry that does.
fn names_hidden(reader: &Reader<'_>, name: &str, f: &InForce, bytes: Option<&[u8]>) -> Result<bool, StoreError> {
    if reader.seen.is_none() {
        return Ok(false);
    }
    let by_hidden = f.owner % 2 == 1 && !reader.sees_pair(f.owner / 2);
    if by_hidden || bytes.is_some_and(|b| reader.text_names_hidden(b)) {
        return Ok(true);
    }
    Ok(!PLAIN.contains(&name) && reader.names_hidden(f.by)?)
}

/// A facet that lies in its entry's `rest` (it varies by run or names people),
/// with handles in place of people's values.
pub(super) fn from_entry(reader: &Reader<'_>, node: NodeNo, name: &str, by: EntryIndex) -> Result<Option<Arc<[u8]>>, StoreError> {
    let entries = reader.entries();
    let (Some(core), Some(fixed)) = (entries.core(by)?, reader.shared.topology.node(node)) else { return Ok(None) };
    let a = read_core(&core).map_err(|e| StoreError::Backend(Box::new(e)))?;
    let is_it = |e: &Entity| *e.name.namespace == *fixed.namespace && *e.name.name == *fixed.name;
    // Of a dataset on both sides the output side counts, as it does for what is in force.
    let mut places = Vec::new();
    places.extend(a.outputs.iter().flatten().enumerate().filter(|(_, e)| is_it(e)).map(|(i, _)| Place::Output(i)));
    places.extend(a.inputs.iter().flatten().enumerate().filter(|(_, e)| is_it(e)).map(|(i, _)| Place::Input(i)));
    // A declaration speaks of a job as of any other artifact.
    if fixed.kind == ArtifactKind::Job && a.job.is_some() {
        places = vec![Place::Job];
    } else if a.dataset.as_ref().is_some_and(is_it) {
        places.push(Place::Dataset);
    }
    let Some(body) = entries.shown(by)? else { return Ok(None) };
    let Ok(facets) = facets_of(&body) else { return Ok(None) };
    let found = places.iter().find_map(|p| facets.iter().find(|f| f.place == *p && f.name == name));
    Ok(found.map(|f| f.raw.as_bytes().into()))
}
