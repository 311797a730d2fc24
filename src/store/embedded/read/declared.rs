//! What was declared of an artifact or a job, and by which entry of a retried act.
use rusqlite::OptionalExtension;

use super::{Reader, facts::from_entry};
use crate::{
    domain::{
        catalog::{DeclaredFlows, VersionFacts},
        declared::{self, DEFINITION},
        id::{EntryIndex, NodeId},
        lineage::AsOf,
        name::Name,
        time::Micros,
    },
    store::{
        StoreError,
        embedded::{
            schema::backend,
            topology::{NodeNo, Side},
        },
        write::DuplicateKey,
    },
};

/// The number of the source of declarations, once there is one.
fn source_no(reader: &Reader<'_>) -> Result<Option<u32>, StoreError> {
    let source = declared::source();
    reader
        .db
        .prepare_cached("SELECT id FROM source WHERE integration = ?1 AND producer = ?2")
        .and_then(|mut s| s.query_row((&*source.integration, &*source.producer), |r| r.get(0)).optional())
        .map_err(backend)
}

/// The latest versions of a definition that began by the instant, newest first.
pub fn versions(reader: &Reader<'_>, artifact: NodeId, limit: usize, as_of: AsOf) -> Result<Vec<VersionFacts>, StoreError> {
    let (Some(no), Some(source), Some(name)) = (reader.find(artifact, as_of.size), source_no(reader)?, reader.facet_no(DEFINITION)?) else {
        return Ok(Vec::new());
    };
    let rows: Vec<(VersionFacts, Option<u32>)> = reader
        .db
        .prepare_cached(
            "SELECT digest, vf, vu, by, blob FROM facet WHERE node = ?1 AND name = ?2 AND owner = ?3 AND vf <= ?4 AND rf < ?5 \
             AND (ru IS NULL OR ru >= ?5) AND NOT deleted ORDER BY vf DESC, tie DESC LIMIT ?6",
        )
        .and_then(|mut s| {
            s.query_map((no, name, source * 2, as_of.valid_at.0, as_of.size, limit as i64), |r| {
                let facts = VersionFacts {
                    hash: r.get(0)?,
                    valid_from: Micros(r.get(1)?),
                    valid_until: Micros(r.get(2)?),
                    entry: r.get(3)?,
                    definition: None,
                };
                Ok((facts, r.get(4)?))
            })?
            .collect()
        })
        .map_err(backend)?;
    let entries = reader.entries();
    rows.into_iter()
        .map(|(facts, blob)| {
            let definition = match blob {
                Some(blob) => entries.blob(blob)?.map(Into::into),
                // It names people: they are shown by their handles.
                None => from_entry(reader, no, DEFINITION, facts.entry)?,
            };
            let definition = definition.filter(|bytes| !reader.text_names_hidden(bytes));
            Ok(VersionFacts { definition, ..facts })
        })
        .collect()
}

/// The declared flows of a job that are open with no end.
pub fn flows(reader: &Reader<'_>, job: NodeId) -> Result<DeclaredFlows, StoreError> {
    let (Some(job), Some(source)) = (reader.shared.topology.find(job, reader.head), source_no(reader)?) else {
        return Ok(DeclaredFlows::default());
    };
    let pair: Option<u32> = reader
        .db
        .prepare_cached("SELECT no FROM pair WHERE job = ?1 AND source = ?2")
        .and_then(|mut s| s.query_row((job, source), |r| r.get(0)).optional())
        .map_err(backend)?;
    let Some(pair) = pair else { return Ok(DeclaredFlows::default()) };
    let side = |side: Side| -> Result<Vec<Name>, StoreError> {
        let open: Vec<NodeNo> = reader
            .db
            .prepare_cached(
                "SELECT dataset FROM flow WHERE pair = ?1 AND side = ?2 AND vu = ?3 AND rf < ?4 AND (ru IS NULL OR ru >= ?4) ORDER BY dataset",
            )
            .and_then(|mut s| {
                s.query_map((pair, side as u8, crate::domain::time::FOREVER.0, reader.head), |r| r.get(0))?.collect()
            })
            .map_err(backend)?;
        Ok(open.into_iter().filter_map(|n| reader.shared.topology.node(n)).map(|n| Name::new(&*n.namespace, &*n.name)).collect())
    };
    Ok(DeclaredFlows { inputs: side(Side::DesignInputs)?, outputs: side(Side::DesignOutputs)? })
}

/// The entry that holds a row of the duplicate index.
pub fn duplicate(reader: &Reader<'_>, key: DuplicateKey) -> Result<Option<EntryIndex>, StoreError> {
    let found: Option<EntryIndex> = reader
        .db
        .prepare_cached("SELECT ix FROM dup WHERE ms = ?1 AND h = ?2")
        .and_then(|mut s| s.query_row((key.millis, &key.hmac[..]), |r| r.get(0)).optional())
        .map_err(backend)?;
    Ok(found.filter(|ix| *ix < reader.head))
}
