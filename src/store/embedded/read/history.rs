//! A facet's versions in valid time, newest first, as one ledger size knew them.
use std::cmp::Reverse;

use rusqlite::Row;
use smallvec::SmallVec;

use super::{
    Reader,
    facts::{InForce, facet},
};
use crate::{
    domain::{
        history::{Before, FacetVersion},
        lineage::{AsOf, NodeKey},
        time::Micros,
    },
    store::{
        StoreError,
        embedded::{schema::backend, topology::NodeNo},
    },
};

/// The versions of one facet of each artifact that began by the instant: newest
/// first, at most `limit` of each artifact.
///
/// A source that describes several names of one artifact has one history: at any
/// time what it said last, of equal times of the first name, as for what is in force.
///
/// # Errors
/// The database's.
pub fn facet_versions(
    reader: &Reader<'_>,
    keys: &[NodeKey],
    name: &str,
    limit: usize,
    as_of: AsOf,
) -> Result<Vec<Vec<FacetVersion>>, StoreError> {
    let Some(facet_no) = reader.facet_no(name)? else { return Ok(vec![Vec::new(); keys.len()]) };
    let topology = &reader.shared.topology;
    let mut classes = reader.classes(as_of);
    let mut answers = Vec::with_capacity(keys.len());
    for key in keys {
        let Some(no) = reader.find(key.artifact(), as_of.size) else {
            answers.push(Vec::new());
            continue;
        };
        let class = classes.of(no)?;
        let shown = classes.get(class).filter(|c| !c.hidden).map(|c| c.shown()).unwrap_or_default();
        let mut names: SmallVec<[NodeNo; 2]> = shown.iter().copied().collect();
        names.sort_by_cached_key(|n| topology.node(*n).map(|n| (n.namespace.clone(), n.name.clone())));
        answers.push(of_names(reader, &names, facet_no, limit, as_of)?);
    }
    Ok(answers)
}

/// What was said, and of which name.
type Said = (NodeNo, InForce);

fn of_names(reader: &Reader<'_>, names: &[NodeNo], facet_no: u32, limit: usize, as_of: AsOf) -> Result<Vec<FacetVersion>, StoreError> {
    let mut by_owner: Vec<(u32, Vec<Said>)> = Vec::new();
    for node in names {
        for owner in owners(reader, *node, facet_no)? {
            let rows = newest(reader, *node, facet_no, owner, limit + 1, as_of)?;
            let rows = rows.into_iter().map(|r| (*node, r));
            match by_owner.iter_mut().find(|(o, _)| *o == owner) {
                Some((_, all)) => all.extend(rows),
                None => by_owner.push((owner, rows.collect())),
            }
        }
    }
    let mut versions: Vec<(Said, Option<Said>)> = Vec::new();
    for (_, mut rows) in by_owner {
        // Stable: of equal times the first name stays in front, and counts.
        rows.sort_by_key(|(_, r)| Reverse(r.valid_from));
        rows.dedup_by_key(|(_, r)| r.valid_from);
        let mut sequence: Vec<Said> = Vec::with_capacity(rows.len());
        for (node, mut row) in rows {
            if let Some((of, newer)) = sequence.last_mut() {
                if newer.says_as(&row) {
                    (newer.valid_from, newer.by, newer.blob) = (row.valid_from, row.by, row.blob);
                    *of = node;
                    continue;
                }
                row.valid_until = row.valid_until.min(newer.valid_from);
            }
            sequence.push((node, row));
        }
        let mut older = sequence.into_iter().peekable();
        while let Some(said) = older.next() {
            versions.push((said, older.peek().cloned()));
        }
    }
    versions.sort_by_key(|((_, r), _)| (Reverse(r.valid_from), r.owner));
    versions.truncate(limit);
    let mut nobody = Vec::new();
    versions
        .into_iter()
        .map(|((node, row), before)| {
            let before = match before {
                None => Before::Nothing,
                Some((_, b)) if b.deleted => Before::Deleted,
                Some((of, b)) => Before::Said(facet(reader, of, b, &mut nobody)?.bytes),
            };
            let (entry, deleted) = (row.by, row.deleted);
            Ok(FacetVersion { facts: facet(reader, node, row, &mut nobody)?, entry, deleted, before })
        })
        .collect()
}

/// Who asserted the facet of a name, by steps through the key.
fn owners(reader: &Reader<'_>, node: NodeNo, name: u32) -> Result<Vec<u32>, StoreError> {
    let mut s = reader.db.prepare_cached("SELECT min(owner) FROM facet WHERE node = ?1 AND name = ?2 AND owner > ?3").map_err(backend)?;
    let (mut found, mut after) = (Vec::new(), -1_i64);
    while let Some(owner) = s.query_row((node, name, after), |r| r.get::<_, Option<u32>>(0)).map_err(backend)? {
        found.push(owner);
        after = owner.into();
    }
    Ok(found)
}

/// The newest rows that differ from each other, at most `limit`.
fn newest(reader: &Reader<'_>, node: NodeNo, name: u32, owner: u32, limit: usize, as_of: AsOf) -> Result<Vec<InForce>, StoreError> {
    let read = |r: &Row<'_>| -> rusqlite::Result<InForce> {
        Ok(InForce {
            name,
            owner,
            valid_from: Micros(r.get(0)?),
            valid_until: Micros(r.get(1)?),
            digest: r.get(2)?,
            blob: r.get(3)?,
            by: r.get(4)?,
            deleted: r.get(5)?,
        })
    };
    (|| {
        let mut s = reader.db.prepare_cached(
            "SELECT vf, vu, digest, blob, by, deleted FROM facet WHERE node = ?1 AND name = ?2 AND owner = ?3 AND vf <= ?4 \
             AND rf < ?5 AND (ru IS NULL OR ru >= ?5) AND vf < vu ORDER BY vf DESC, tie DESC",
        )?;
        let mut rows = s.query((node, name, owner, as_of.valid_at.0, as_of.size))?;
        let mut found: Vec<InForce> = Vec::new();
        while let Some(r) = rows.next()? {
            let older = read(r)?;
            if let Some(same) = found.last_mut().filter(|newer| newer.says_as(&older)) {
                (same.valid_from, same.by, same.blob) = (older.valid_from, older.by, older.blob);
            } else if found.len() == limit {
                break;
            } else {
                found.push(older);
            }
        }
        Ok(found)
    })()
    .map_err(backend)
}
