//! Which entries changed what is known of an artifact, newest first.
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::{Reader, facts::facet_word};
use crate::{
    domain::{
        assertion::Digest,
        history::{ArtifactChange, ChangeKind},
        id::EntryIndex,
        lineage::{AsOf, NodeKey},
    },
    store::{
        StoreError,
        embedded::{
            schema::backend,
            topology::{NEVER, NodeNo},
        },
    },
};

/// The entries below `before` (and the size) that changed something of each
/// artifact under the names that mean it at the instant, newest first, at most
/// `limit` of each. Costs what the artifact went through, whatever the page.
///
/// # Errors
/// The database's.
pub fn changes(
    reader: &Reader<'_>,
    keys: &[NodeKey],
    before: Option<EntryIndex>,
    limit: usize,
    as_of: AsOf,
) -> Result<Vec<Vec<ArtifactChange>>, StoreError> {
    let below = before.unwrap_or(EntryIndex::MAX).min(as_of.size);
    let mut classes = reader.classes(as_of);
    let mut words = FxHashMap::default();
    keys.iter()
        .map(|key| {
            let Some(no) = reader.find(key.artifact(), as_of.size) else { return Ok(Vec::new()) };
            let class = classes.of(no)?;
            let mut told = Told { below, entries: BTreeMap::new() };
            for node in classes.get(class).filter(|c| !c.hidden).map(|c| c.shown()).unwrap_or_default() {
                told.topology(reader, *node);
                told.ends(reader, *node)?;
                told.facets(reader, *node)?;
            }
            let newest = told.entries.into_iter().rev().take(limit);
            newest
                .map(|(entry, (mut kinds, mut names))| {
                    kinds.sort_unstable();
                    kinds.dedup();
                    names.sort_unstable();
                    names.dedup();
                    let mut facets = Vec::with_capacity(names.len());
                    for name in names {
                        if let std::collections::hash_map::Entry::Vacant(slot) = words.entry(name) {
                            slot.insert(facet_word(reader, name)?);
                        }
                        facets.extend(words.get(&name).cloned());
                    }
                    facets.sort_unstable();
                    Ok(ArtifactChange { entry, kinds, facets })
                })
                .collect()
        })
        .collect()
}

struct Told {
    below: EntryIndex,
    /// By entry: what it changed, and which facets.
    entries: BTreeMap<EntryIndex, (Vec<ChangeKind>, Vec<u32>)>,
}

impl Told {
    fn add(&mut self, entry: EntryIndex, kind: ChangeKind, facet: Option<u32>) {
        if entry < self.below {
            let (kinds, facets) = self.entries.entry(entry).or_default();
            kinds.push(kind);
            facets.extend(facet);
        }
    }

    /// What memory knows: the first naming, flows and aliases.
    fn topology(&mut self, reader: &Reader<'_>, node: NodeNo) {
        let topology = &reader.shared.topology;
        if let Some(n) = topology.node(node) {
            self.add(n.recorded_from.into(), ChangeKind::Named, None);
        }
        let mut both = |from: u32, until: u32, kind| {
            self.add(from.into(), kind, None);
            if until != NEVER {
                self.add(until.into(), kind, None);
            }
        };
        for list in 0..2 {
            topology.flows_of(node, list).for_each(|f| both(f.recorded_from, f.recorded_until, ChangeKind::Flow));
        }
        topology.aliases_of(node).for_each(|a| both(a.recorded_from, a.recorded_until, ChangeKind::Alias));
    }

    fn ends(&mut self, reader: &Reader<'_>, node: NodeNo) -> Result<(), StoreError> {
        (|| {
            let mut s = reader.db.prepare_cached("SELECT ix FROM life_end WHERE node = ?1 AND ix < ?2")?;
            for ix in s.query_map((node, self.below), |r| r.get(0))? {
                self.add(ix?, ChangeKind::Ended, None);
            }
            Ok(())
        })()
        .map_err(backend)
    }

    /// An entry changed a facet where it began a row. What varies by event has a
    /// row for each assertion: one that repeats the row before changed nothing.
    fn facets(&mut self, reader: &Reader<'_>, node: NodeNo) -> Result<(), StoreError> {
        (|| {
            let mut s = reader.db.prepare_cached(
                "SELECT name, owner, rf, digest, deleted, blob FROM facet WHERE node = ?1 AND rf < ?2 AND (ru IS NULL OR ru > rf) \
                 ORDER BY name, owner, vf, tie, rf",
            )?;
            let mut rows = s.query((node, self.below))?;
            let mut last: Option<(u32, u32, Digest, bool)> = None;
            while let Some(r) = rows.next()? {
                let (name, rf, varies) = (r.get(0)?, r.get(2)?, r.get::<_, Option<u32>>(5)?.is_none());
                let said = Some((name, r.get(1)?, r.get(3)?, r.get(4)?));
                let repeated = std::mem::replace(&mut last, said) == said;
                if !(varies && repeated) {
                    self.add(rf, ChangeKind::Facet, Some(name));
                }
            }
            Ok(())
        })()
        .map_err(backend)
    }
}
