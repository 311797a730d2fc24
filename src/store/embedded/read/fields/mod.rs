//! Field lineage: what fields there are, and which were made from which.
//!
//! A `columnLineage` facet is one packed fact per (job, source, output): read from
//! its blob on demand and understood once. A field is live when its dataset is
//! and some source's schema in force lists it; where no source has a schema in
//! force, column lineage is taken at its word.
mod maps;
mod seen;
mod walk;

use std::sync::Arc;

pub use maps::{FieldMap, FieldSet};
use rusqlite::OptionalExtension;
use rustc_hash::FxHashSet;
pub use walk::walk;

use super::{Reader, facts::in_force_of, starts::Said};
use crate::{
    domain::{id::EntryIndex, lineage::AsOf, time::Micros},
    store::{
        StoreError,
        embedded::{
            plan::owner_of_pair,
            schema::backend,
            topology::{NodeNo, PairNo},
        },
    },
};

/// What a job, through one source, told of an output's columns in a stretch of time.
#[derive(Clone, Copy, Debug)]
struct Told {
    output: NodeNo,
    pair: PairNo,
    from: Micros,
    until: Micros,
    said: Said,
    blob: Option<u32>,
}

impl Reader<'_> {
    /// A facet name's number, if any event has it.
    pub(super) fn facet_no(&self, word: &str) -> Result<Option<u32>, StoreError> {
        self.db
            .prepare_cached("SELECT id FROM facet_name WHERE word = ?1")
            .and_then(|mut s| s.query_row([word], |r| r.get(0)).optional())
            .map_err(backend)
    }

    /// A schema blob, understood. `None` when destroyed or not a schema.
    fn schema_of(&self, blob: u32) -> Result<Option<Arc<FieldSet>>, StoreError> {
        if self.shared.intern.is_redacted_blob(blob) {
            return Ok(None);
        }
        if let Some(known) = self.understood.schemas.read().peek(&blob) {
            return Ok(Some(known.clone()));
        }
        let Some(bytes) = self.entries().blob(blob)? else { return Ok(None) };
        let Some(set) = FieldSet::read(&bytes).map(Arc::new) else { return Ok(None) };
        self.understood.schemas.write().insert(blob, set.clone());
        Ok(Some(set))
    }

    /// A column lineage blob, its datasets resolved.
    fn columns_of(&self, blob: u32) -> Result<Option<Arc<FieldMap>>, StoreError> {
        if let Some(known) = self.understood.columns.read().peek(&blob) {
            return Ok(Some(known.clone()));
        }
        let Some(bytes) = self.entries().blob(blob)? else { return Ok(None) };
        let Some(map) = FieldMap::read(&bytes, &self.shared.topology, self.secret).map(Arc::new) else { return Ok(None) };
        self.understood.columns.write().insert(blob, map.clone());
        Ok(Some(map))
    }

    /// The schemas in force of a class, one a source.
    fn schemas(&self, names: &[NodeNo], as_of: AsOf) -> Result<Vec<Arc<FieldSet>>, StoreError> {
        let Some(name) = self.facet_no("schema")? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for (_, f) in in_force_of(self, names, as_of)?.iter().filter(|(_, f)| f.name == name) {
            found.extend(f.blob.map(|b| self.schema_of(b)).transpose()?.flatten());
        }
        Ok(found)
    }

    /// All column lineage of an output that the size knows, whenever it was in force.
    fn told_columns(&self, output: NodeNo, size: EntryIndex) -> Result<Vec<Told>, StoreError> {
        let Some(name) = self.facet_no("columnLineage")? else { return Ok(Vec::new()) };
        self.db
            .prepare_cached(
                "SELECT owner, vf, vu, digest, blob FROM facet WHERE node = ?1 AND name = ?2 AND owner % 2 = 1 \
                 AND rf < ?3 AND (ru IS NULL OR ru >= ?3) AND deleted = 0 ORDER BY owner, vf",
            )
            .and_then(|mut s| {
                s.query_map((output, name, size), |r| {
                    let owner: u32 = r.get(0)?;
                    let (from, until) = (Micros(r.get(1)?), Micros(r.get(2)?));
                    let said = Said::Facet { node: output, name, owner, digest: r.get(3)?, from, until };
                    Ok(Told { output, pair: owner / 2, from, until, said, blob: r.get(4)? })
                })?
                .collect()
            })
            .map_err(backend)
    }

    /// Jobs (with their source) whose events may name the dataset as a column source.
    fn pairs_reading(&self, dataset: NodeNo, size: EntryIndex) -> Result<FxHashSet<PairNo>, StoreError> {
        let mut pairs: FxHashSet<PairNo> =
            self.shared.topology.flows_of(dataset, 0).filter(|f| EntryIndex::from(f.recorded_from) < size).map(|f| f.pair).collect();
        self.db
            .prepare_cached("SELECT by / 2 FROM naming WHERE node = ?1 AND by % 2 = 0")
            .and_then(|mut s| {
                for pair in s.query_map([dataset], |r| r.get(0))? {
                    pairs.insert(pair?);
                }
                Ok(())
            })
            .map_err(backend)?;
        Ok(pairs)
    }

    /// Whether any entry below the size names the field: a schema lists it, or
    /// column lineage makes it or reads it.
    pub(super) fn field_is_named(&self, dataset: NodeNo, field: &str, size: EntryIndex) -> Result<bool, StoreError> {
        let (schema, columns) = (self.facet_no("schema")?, self.facet_no("columnLineage")?);
        let blobs = |node: NodeNo, name: Option<u32>, owner: Option<u32>| -> Result<Vec<u32>, StoreError> {
            self.db
                .prepare_cached(
                    "SELECT DISTINCT blob FROM facet WHERE node = ?1 AND name = ?2 AND (?3 IS NULL OR owner = ?3) AND rf < ?4 AND blob IS NOT NULL",
                )
                .and_then(|mut s| s.query_map((node, name, owner, size), |r| r.get(0))?.collect())
                .map_err(backend)
        };
        for blob in blobs(dataset, schema, None)? {
            if self.schema_of(blob)?.is_some_and(|s| s.has(field)) {
                return Ok(true);
            }
        }
        for blob in blobs(dataset, columns, None)? {
            if self.columns_of(blob)?.is_some_and(|m| m.makes(field)) {
                return Ok(true);
            }
        }
        for pair in self.pairs_reading(dataset, size)? {
            for output in self.outputs_of(pair, size).into_iter().chain(self.outputs_never_open(pair)?) {
                for blob in blobs(output, columns, Some(owner_of_pair(pair)))? {
                    if self.columns_of(blob)?.is_some_and(|m| m.reads(dataset, field)) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// The outputs of a job that no flow tells.
    fn outputs_never_open(&self, pair: PairNo) -> Result<Vec<NodeNo>, StoreError> {
        let Some((job, _)) = self.shared.topology.pair(pair) else { return Ok(Vec::new()) };
        self.db
            .prepare_cached("SELECT by / 2 FROM naming WHERE node = ?1 AND by % 2 = 1")
            .and_then(|mut s| s.query_map([job], |r| r.get(0))?.collect())
            .map_err(backend)
    }

    /// The datasets that a (job, source) ever wrote.
    fn outputs_of(&self, pair: PairNo, size: EntryIndex) -> FxHashSet<NodeNo> {
        let Some((job, _)) = self.shared.topology.pair(pair) else { return FxHashSet::default() };
        self.shared
            .topology
            .flows_of(job, 1)
            .filter(|f| f.pair == pair && EntryIndex::from(f.recorded_from) < size)
            .map(|f| f.dataset)
            .collect()
    }
}
