//! What a redaction would destroy, and whom else it would touch. Rare, so it may
//! look through tables that have no index for it.
use rustc_hash::FxHashSet;

use super::Reader;
use crate::{
    domain::{
        assertion::{Assertion, Digest, FacetRef},
        entry::PartClass,
        id::EntryIndex,
        redaction::{FacetsWanted, OF_THE_GRAPH, Redactable, RedactableFacet, RedactionQuestion, RestState},
    },
    interop::openlineage::read_core,
    store::{
        StoreError,
        embedded::{
            entries::{EntryRow, PARTS_MAX, entry_row},
            redaction::{REST, of_part},
            schema::backend,
            topology::NodeNo,
        },
    },
};

/// # Errors
/// The database's; a `core` that cannot be read.
pub fn redactable(reader: &Reader<'_>, q: &RedactionQuestion) -> Result<Option<Redactable>, StoreError> {
    let db = reader.db;
    let Some(row) = entry_row(db, q.index)?.filter(|_| q.index < reader.head) else { return Ok(None) };
    let event_type: String = db.query_row("SELECT word FROM event_type WHERE id = ?1", [row.event_type], |r| r.get(0)).map_err(backend)?;
    let mut found = Redactable {
        event_type: event_type.into(),
        rest: rest_of(reader, &row)?,
        shape: None,
        namespaces: Vec::new(),
        facets: Vec::new(),
        inside: Vec::new(),
        absent: Vec::new(),
        alike: Vec::new(),
        alike_count: 0,
        artifacts: Vec::new(),
    };
    let Some(shape) = row.shape else { return Ok(Some(found)) };
    let digest = db.query_row("SELECT digest FROM shape WHERE id = ?1", [shape], |r| r.get(0)).map_err(backend)?;
    found.shape = Some((digest, shape));
    let core = reader.entries().core(q.index)?;
    if let Some(core) = core {
        let a = read_core(&core).map_err(|e| StoreError::Backend(Box::new(e)))?;
        names(&a, &mut found);
        facets(&a, &q.facets, &mut found);
    }
    if q.bytes {
        alike(reader, q, shape, &mut found)?;
    }
    numbers(reader, &mut found)?;
    reach(reader, q, &mut found)?;
    found.namespaces.sort_unstable();
    found.namespaces.dedup();
    Ok(Some(found))
}

fn rest_of(reader: &Reader<'_>, row: &EntryRow) -> Result<RestState, StoreError> {
    Ok(match row.parts.get(REST) {
        Some((PartClass::Rest, _, Some(_))) => RestState::There,
        Some((PartClass::Rest, _, None)) => RestState::Gone { by: of_part(reader.db, row.index, REST)? },
        _ => RestState::Absent,
    })
}

fn names(a: &Assertion, found: &mut Redactable) {
    let entities = a.job.iter().chain(a.inputs.iter().flatten()).chain(a.outputs.iter().flatten()).chain(a.dataset.iter());
    found.namespaces.extend(entities.map(|e| e.name.namespace.clone()));
}

fn facets(a: &Assertion, wanted: &FacetsWanted, found: &mut Redactable) {
    let entities = a.job.iter().chain(a.inputs.iter().flatten()).chain(a.outputs.iter().flatten()).chain(a.dataset.iter());
    let all: Vec<&FacetRef> = entities.flat_map(|e| &e.facets).filter(|f| !f.deleted).collect();
    if let FacetsWanted::Named(names) = wanted {
        found.absent = names.iter().filter(|n| !all.iter().any(|f| f.name == **n)).cloned().collect();
    }
    for f in all {
        let of_the_graph = OF_THE_GRAPH.contains(&&*f.name);
        let is_wanted = match wanted {
            FacetsWanted::All => !of_the_graph && f.interned,
            FacetsWanted::Named(names) => names.contains(&f.name),
        };
        if !is_wanted {
            continue;
        }
        if !f.interned {
            if !found.inside.contains(&f.name) {
                found.inside.push(f.name.clone());
            }
        } else if !found.facets.iter().any(|known| known.name == f.name && known.digest == f.digest) {
            found.facets.push(RedactableFacet {
                name: f.name.clone(),
                digest: f.digest,
                numbers: Vec::new(),
                redacted: false,
                of_the_graph,
            });
        }
    }
}

/// Other entries that have everything in common with this one but what varies.
fn alike(reader: &Reader<'_>, q: &RedactionQuestion, shape: u32, found: &mut Redactable) -> Result<(), StoreError> {
    let sql = "SELECT ix FROM entry WHERE shape = ?1 AND ix <> ?2 AND ix < ?3 AND rest IS NOT NULL \
               AND NOT EXISTS (SELECT 1 FROM redacted_part WHERE k = ix * ?4 + 1) ORDER BY ix";
    (|| {
        let mut s = reader.db.prepare(sql)?;
        let mut rows = s.query((shape, q.index, reader.head, PARTS_MAX))?;
        while let Some(r) = rows.next()? {
            found.alike_count += 1;
            if found.alike.len() < q.alike_max {
                found.alike.push(r.get(0)?);
            }
        }
        Ok(())
    })()
    .map_err(backend)
}

/// Under which numbers the facets are stored.
fn numbers(reader: &Reader<'_>, found: &mut Redactable) -> Result<(), StoreError> {
    if found.facets.is_empty() {
        return Ok(());
    }
    for f in &mut found.facets {
        f.redacted = reader.shared.intern.is_redacted(&f.digest);
    }
    (|| {
        let mut s = reader.db.prepare("SELECT id, digest FROM blob ORDER BY id")?;
        let mut rows = s.query([])?;
        while let Some(r) = rows.next()? {
            let (id, digest): (u32, Digest) = (r.get(0)?, r.get(1)?);
            found.facets.iter_mut().filter(|f| f.digest == digest).for_each(|f| f.numbers.push(id));
        }
        Ok(())
    })()
    .map_err(backend)
}

/// Which artifacts have one of the facets, or one that lies in the bytes.
fn reach(reader: &Reader<'_>, q: &RedactionQuestion, found: &mut Redactable) -> Result<(), StoreError> {
    let digests: FxHashSet<Digest> = found.facets.iter().map(|f| f.digest).collect();
    let mut entries: FxHashSet<EntryIndex> = FxHashSet::default();
    if q.bytes {
        entries.insert(q.index);
        entries.extend(&found.alike);
    }
    let graph: Vec<u32> = OF_THE_GRAPH.iter().map(|w| reader.facet_no(w)).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    let mut nodes: FxHashSet<NodeNo> = FxHashSet::default();
    (|| {
        let mut s = reader.db.prepare("SELECT node, name, digest, blob, by FROM facet")?;
        let mut rows = s.query([])?;
        while let Some(r) = rows.next()? {
            let digest: Digest = r.get(2)?;
            let shared = digests.contains(&digest);
            // What is not interned is read from its entry.
            if shared || (r.get::<_, Option<u32>>(3)?.is_none() && entries.contains(&r.get(4)?)) {
                nodes.insert(r.get(0)?);
            }
            if shared && graph.contains(&r.get(1)?) {
                found.facets.iter_mut().filter(|f| f.digest == digest).for_each(|f| f.of_the_graph = true);
            }
        }
        Ok(())
    })()
    .map_err(backend)?;
    for node in nodes.into_iter().filter_map(|no| reader.shared.topology.node(no)) {
        found.namespaces.push((&*node.namespace).into());
        found.artifacts.push(node.id);
    }
    found.artifacts.sort_unstable();
    Ok(())
}
