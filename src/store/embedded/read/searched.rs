//! What artifacts can be found by.
use std::collections::BTreeSet;

use super::{
    Reader,
    classes::Classes,
    facts::{facet, facet_word, in_force_of},
};
use crate::{
    domain::{
        lineage::{AsOf, NodeKey},
        name::Name,
        search::{Searchable, TagText},
        time::{FOREVER, Micros},
    },
    interop::openlineage::facets as understand,
    store::{StoreError, embedded::topology::NodeNo},
};

/// The facets whose content artifacts are found by.
pub const SEARCHED: &[&str] = &["documentation", "ownership", "schema", "tags"];

const LOST: StoreError = StoreError::Inconsistent { place: "memory of nodes" };

/// # Errors
/// The database's and the vault's.
pub fn searchables(reader: &Reader<'_>, keys: &[NodeKey]) -> Result<Vec<Option<Searchable>>, StoreError> {
    // The last instant there is: an answer depends on the ledger alone, so nothing
    // has to be looked at again because time passed.
    let as_of = AsOf { valid_at: Micros(FOREVER.0 - 1), size: reader.head };
    let mut classes = Classes::new(&reader.shared.topology, reader.db, as_of);
    let topology = &reader.shared.topology;
    keys.iter()
        .map(|key| match topology.find(key.artifact(), as_of.size) {
            Some(no) => one(reader, &mut classes, no, as_of).map(Some),
            None => Ok(None),
        })
        .collect()
}

fn one(reader: &Reader<'_>, classes: &mut Classes<'_>, no: NodeNo, as_of: AsOf) -> Result<Searchable, StoreError> {
    let topology = &reader.shared.topology;
    let class = classes.of(no)?;
    let class = classes.get(class).ok_or(LOST)?;
    let fixed = topology.node(class.representative).ok_or(LOST)?;
    let joined = class.names.iter().filter_map(|n| topology.node(*n)).filter(|n| n.id != fixed.id);
    let name = |namespace: &str, name: &str| Name::new(namespace, name);
    let mut found = Searchable {
        key: NodeKey::Artifact(fixed.id),
        kind: fixed.kind,
        name: name(&fixed.namespace, &fixed.name),
        aliases: joined.map(|n| (NodeKey::Artifact(n.id), name(&n.namespace, &n.name))).collect(),
        alive: class.alive,
        owners: Vec::new(),
        tags: Vec::new(),
        columns: Vec::new(),
        descriptions: Vec::new(),
    };
    found.aliases.sort_by(|a, b| a.1.cmp(&b.1));
    if !found.alive {
        return Ok(found);
    }
    let mut owners = Vec::new();
    let mut tags = BTreeSet::new();
    let mut columns = BTreeSet::new();
    for (node, f) in in_force_of(reader, &class.names, as_of)? {
        let word = facet_word(reader, f.name)?;
        if !SEARCHED.contains(&&*word) {
            continue;
        }
        let facet = facet(reader, node, f, &mut owners)?;
        let Some(bytes) = facet.bytes.as_deref() else { continue };
        match &*word {
            "documentation" => found.descriptions.extend(understand::documentation(bytes).map(|d| d.description)),
            "schema" => {
                for field in understand::schema(bytes).into_iter().flat_map(|s| s.fields) {
                    found.descriptions.extend(field.description.filter(|d| !d.is_empty()));
                    columns.insert(field.path);
                }
            }
            "tags" => tags.extend(understand::tags(bytes).into_iter().map(|t| TagText { key: t.key, value: t.value })),
            _ => {}
        }
    }
    found.owners = owners.into_iter().map(|o| o.handle).collect();
    found.tags = tags.into_iter().collect();
    found.columns = columns.into_iter().collect();
    Ok(found)
}
