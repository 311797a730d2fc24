//! What is known of every full block of 1,024 entries without reading them: which
//! entries have a type, a source, an actor, a shape, and how often each source was
//! heard in which hour. Made of the entries' own rows when a block is full, so an
//! event costs the writer a push onto a list, and what is asked at a ledger size in
//! the middle of a block reads that block's rows.
use std::collections::BTreeMap;

use rusqlite::{Connection, Row as SqlRow, params};

use super::{
    postings::{BLOCK, Bits, encode},
    schema::backend,
};
use crate::{
    domain::{coverage::hour_of, id::EntryIndex, time::Micros},
    store::StoreError,
};

/// What an entry's row says of its event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    pub event_type: i64,
    pub time: Micros,
    pub actor: Option<[u8; 16]>,
    pub source: Option<u32>,
    pub shape: Option<u32>,
}

impl Facts {
    /// From columns `type, time, actor, source, shape`.
    ///
    /// # Errors
    /// Columns that no entry has.
    pub fn of_row(r: &SqlRow<'_>) -> rusqlite::Result<Self> {
        Ok(Self { event_type: r.get(0)?, time: Micros(r.get(1)?), actor: r.get(2)?, source: r.get(3)?, shape: r.get(4)? })
    }
}

/// The block that an entry lies in.
pub const fn block_of(index: EntryIndex) -> u64 {
    index / BLOCK
}

/// A number as a key of postings.
pub fn key(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// A source's events in one hour and one block.
struct Heard {
    count: u64,
    first_ix: EntryIndex,
    last_ix: EntryIndex,
    us_min: i64,
    /// The greatest (time, entry).
    last: (i64, EntryIndex),
}

/// The block at the end, while it is being filled.
#[derive(Default)]
pub struct OpenBlock(Vec<Facts>);

impl OpenBlock {
    /// Reads back what is in the open block of a log of `size` entries.
    ///
    /// # Errors
    /// The database's.
    pub fn load(db: &Connection, size: EntryIndex) -> Result<Self, StoreError> {
        let facts = db
            .prepare("SELECT type, time, actor, source, shape FROM entry WHERE ix >= ?1 ORDER BY ix")
            .and_then(|mut s| s.query_map([block_of(size) * BLOCK], Facts::of_row)?.collect())
            .map_err(backend)?;
        Ok(Self(facts))
    }

    /// Takes in the next entry; writes the block when it is full.
    ///
    /// # Errors
    /// The database's; the transaction must then be given up.
    pub fn push(&mut self, db: &Connection, index: EntryIndex, facts: Facts) -> Result<(), StoreError> {
        self.0.push(facts);
        if (index + 1).is_multiple_of(BLOCK) {
            write(db, block_of(index), &self.0).map_err(backend)?;
            self.0.clear();
        }
        Ok(())
    }
}

fn write(db: &Connection, block: u64, facts: &[Facts]) -> rusqlite::Result<()> {
    let mut types: BTreeMap<i64, Bits> = BTreeMap::new();
    let mut sources: BTreeMap<u32, Bits> = BTreeMap::new();
    let mut actors: BTreeMap<[u8; 16], Bits> = BTreeMap::new();
    let mut shapes: BTreeMap<u32, Bits> = BTreeMap::new();
    let mut heard: BTreeMap<(u32, i64), Heard> = BTreeMap::new();
    let (mut time_min, mut time_max) = (i64::MAX, i64::MIN);
    for (f, at) in facts.iter().zip(0..) {
        types.entry(f.event_type).or_insert(Bits::NONE).set(at);
        (time_min, time_max) = (time_min.min(f.time.0), time_max.max(f.time.0));
        if let Some(actor) = f.actor {
            actors.entry(actor).or_insert(Bits::NONE).set(at);
        }
        if let Some(shape) = f.shape {
            shapes.entry(shape).or_insert(Bits::NONE).set(at);
        }
        if let Some(source) = f.source {
            sources.entry(source).or_insert(Bits::NONE).set(at);
            let (us, ix) = (f.time.0, block * BLOCK + at);
            let new = || Heard { count: 0, first_ix: ix, last_ix: ix, us_min: us, last: (us, ix) };
            let h = heard.entry((source, hour_of(f.time))).or_insert_with(new);
            h.count += 1;
            h.last_ix = ix;
            h.us_min = h.us_min.min(us);
            h.last = h.last.max((us, ix));
        }
    }
    let numbered = |n: BTreeMap<u32, Bits>| encode(n.into_iter().map(|(n, bits)| (key(n), bits)));
    let types = encode(types.into_iter().map(|(t, bits)| (t.to_be_bytes(), bits)));
    db.prepare_cached(
        "INSERT INTO entry_block(block, time_min, time_max, types, sources, actors, shapes) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![block, time_min, time_max, types, numbered(sources), encode(actors.into_iter()), numbered(shapes)])?;
    let mut hours = db.prepare_cached(
        "INSERT INTO source_hour(source, hour, first_ix, last_ix, count) VALUES(?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT DO UPDATE SET last_ix = excluded.last_ix, count = count + excluded.count",
    )?;
    let mut blocks =
        db.prepare_cached("INSERT INTO source_block(source, hour, block, count, us_min, us_max, ix) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for ((source, hour), h) in heard {
        hours.execute(params![source, hour, h.first_ix, h.last_ix, h.count])?;
        blocks.execute(params![source, hour, block, h.count, h.us_min, h.last.0, h.last.1])?;
    }
    Ok(())
}

/// Makes the blocks of all entries anew, from `rows` of `ix, type, time, actor,
/// source, shape` in order of index.
///
/// # Errors
/// The database's.
pub fn fill(db: &Connection, rows: &str) -> Result<(), StoreError> {
    (|| {
        db.execute_batch("DELETE FROM main.entry_block; DELETE FROM main.source_hour; DELETE FROM main.source_block")?;
        let mut s = db.prepare(rows)?;
        let mut rows = s.query([])?;
        let mut facts = Vec::new();
        while let Some(r) = rows.next()? {
            let index: EntryIndex = r.get(0)?;
            facts.push(Facts { event_type: r.get(1)?, time: Micros(r.get(2)?), actor: r.get(3)?, source: r.get(4)?, shape: r.get(5)? });
            if (index + 1).is_multiple_of(BLOCK) {
                write(db, block_of(index), &facts)?;
                facts.clear();
            }
        }
        Ok(())
    })()
    .map_err(backend)
}
