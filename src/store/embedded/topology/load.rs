//! Loading the index from `main.db` at start.
use rusqlite::Connection;

use super::{AliasFact, AliasKind, FlowFact, LifeFact, NEVER, Side, Topology, position};
use crate::{
    domain::{id::NodeId, kind::ArtifactKind, sight::Sensitivity, time::Micros},
    store::{StoreError, embedded::schema::backend},
};

const INCONSISTENT: StoreError = StoreError::Inconsistent { place: "the projection" };

impl Topology {
    /// Reads nodes, pairs, lives, aliases, what is sensitive, and flows, in that order.
    ///
    /// # Errors
    /// The database's, and rows that do not fit together.
    pub fn load(db: &Connection) -> Result<Self, StoreError> {
        let topology = Self::new();
        let until = |ru: Option<u64>| ru.map_or(NEVER, position);
        each(db, "SELECT no, id, kind, namespace, name, ix FROM node ORDER BY no", |r| {
            let (no, id, kind, ix): (u32, [u8; 16], u8, u64) = (r.get(0)?, r.get(1)?, r.get(2)?, r.get(5)?);
            let (namespace, name) = (r.get_ref(3)?.as_str()?, r.get_ref(4)?.as_str()?);
            let kind = ArtifactKind::from_u8(kind);
            Ok(kind.and_then(|k| topology.add_node(NodeId(id), k, namespace, name, position(ix))) == Some(no))
        })?;
        each(db, "SELECT no, job, source FROM pair ORDER BY no", |r| Ok(topology.add_pair(r.get(1)?, r.get(2)?) == Some(r.get(0)?)))?;
        each(db, "SELECT node, vf, vu, rf, ru FROM life ORDER BY rf", |r| {
            let fact = LifeFact {
                slot: 0,
                valid_from: Micros(r.get(1)?),
                valid_until: Micros(r.get(2)?),
                recorded_from: position(r.get(3)?),
                recorded_until: until(r.get(4)?),
            };
            Ok(topology.add_life(r.get(0)?, &fact).is_some())
        })?;
        each(db, "SELECT node FROM life_end UNION SELECT node FROM life_drop", |r| {
            topology.mark_ends(r.get(0)?);
            Ok(true)
        })?;
        each(db, "SELECT a, b, kind, owner, vf, vu, rf, ru FROM alias ORDER BY rf", |r| {
            let kind = match r.get::<_, u8>(2)? {
                1 => AliasKind::Symlink,
                2 => AliasKind::Location,
                3 => AliasKind::Rename,
                _ => return Ok(false),
            };
            let fact = AliasFact {
                slot: 0,
                a: r.get(0)?,
                b: r.get(1)?,
                kind,
                owner: r.get(3)?,
                valid_from: Micros(r.get(4)?),
                valid_until: Micros(r.get(5)?),
                recorded_from: position(r.get(6)?),
                recorded_until: until(r.get(7)?),
            };
            Ok(topology.add_alias(&fact).is_some())
        })?;
        each(db, "SELECT node, owner, level FROM sensitivity", |r| {
            let (node, owner) = (r.get(0)?, r.get(1)?);
            Ok(Sensitivity::from_u8(r.get(2)?).map(|level| topology.classify(node, owner, level)).is_some())
        })?;
        each(db, "SELECT pair, side, dataset, vf, vu, rf, ru, by FROM flow", |r| {
            let pair = r.get(0)?;
            let (Some((job, _)), Some(side)) = (topology.pair(pair), Side::from_u8(r.get(1)?)) else { return Ok(false) };
            let fact = FlowFact {
                slot: 0,
                dataset: r.get(2)?,
                job,
                pair,
                side,
                valid_from: Micros(r.get(3)?),
                valid_until: Micros(r.get(4)?),
                recorded_from: position(r.get(5)?),
                recorded_until: until(r.get(6)?),
                by: position(r.get(7)?),
            };
            Ok(topology.add_flow(&fact).is_some())
        })?;
        Ok(topology)
    }
}

fn each(db: &Connection, sql: &str, mut one: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<bool>) -> Result<(), StoreError> {
    let mut statement = db.prepare(sql).map_err(backend)?;
    let mut rows = statement.query([]).map_err(backend)?;
    while let Some(r) = rows.next().map_err(backend)? {
        if !one(r).map_err(backend)? {
            return Err(INCONSISTENT);
        }
    }
    Ok(())
}
