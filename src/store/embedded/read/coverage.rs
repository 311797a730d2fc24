//! How well sources cover what they speak of, at an instant on both axes. Exact:
//! full blocks below the ledger size are read as sums, the hour of the instant and
//! hours that were added to later by block, the rest of the log by its rows.
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::OptionalExtension;
use rustc_hash::{FxHashMap, FxHashSet};

use super::Reader;
use crate::{
    domain::{
        coverage::{LastEvent, SourceCoverage, hour_of, window},
        lineage::{AsOf, FlowVersion},
        source::Source,
        time::Micros,
    },
    store::{
        StoreError,
        embedded::{
            blocks::block_of,
            entries::source_of,
            postings::BLOCK,
            schema::backend,
            topology::{PairNo, SourceNo},
        },
    },
};

/// Coverage of the sources that assert flows, and of those that speak of
/// namespaces, in order of source. A source without an event by the instant is left out.
///
/// # Errors
/// The database's.
pub fn coverage(r: &Reader<'_>, flows: &[FlowVersion], namespaces: &[Box<str>], as_of: AsOf) -> Result<Vec<SourceCoverage>, StoreError> {
    let topology = &r.shared.topology;
    let mut pairs: FxHashSet<PairNo> = FxHashSet::default();
    let slots = flows.iter().filter_map(|f| u32::try_from(f.0).ok());
    pairs.extend(slots.filter_map(|slot| topology.flow(slot)).map(|f| f.pair));
    let mut sources: BTreeSet<SourceNo> = pairs.into_iter().filter_map(|p| topology.pair(p)).map(|p| p.1).collect();
    for entry in flows.iter().filter_map(|f| f.entry()) {
        let source: Option<Option<SourceNo>> =
            r.db.prepare_cached("SELECT source FROM entry WHERE ix = ?1")
                .and_then(|mut s| s.query_row([entry], |row| row.get(0)).optional())
                .map_err(backend)?;
        sources.extend(source.flatten());
    }
    for namespace in namespaces {
        let spoken: Vec<SourceNo> =
            r.db.prepare_cached("SELECT source FROM speaker WHERE namespace = ?1 AND ix < ?2")
                .and_then(|mut s| s.query_map((&**namespace, as_of.size), |r| r.get(0))?.collect())
                .map_err(backend)?;
        sources.extend(spoken);
    }
    let recent = Recent::read(r, as_of)?;
    let mut found = Vec::with_capacity(sources.len());
    for source in sources {
        found.extend(of_source(r, &recent, source, as_of)?);
    }
    found.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(found)
}

/// A page of all sources that had an event by the instant, in order of source; of
/// those that speak of a namespace which the asker sees.
///
/// # Errors
/// The database's.
pub fn page(r: &Reader<'_>, after: Option<&Source>, limit: usize, as_of: AsOf) -> Result<Vec<SourceCoverage>, StoreError> {
    let recent = Recent::read(r, as_of)?;
    let (integration, producer) = after.map_or(("", ""), |s| (&s.integration, &s.producer));
    let mut s =
        r.db.prepare_cached("SELECT id FROM source WHERE ?1 OR (integration, producer) > (?2, ?3) ORDER BY integration, producer")
            .map_err(backend)?;
    let mut rows = s.query((after.is_none(), integration, producer)).map_err(backend)?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next().map_err(backend)?
    {
        let source = row.get(0).map_err(backend)?;
        if let Some(seen) = r.seen
            && !speaks_within(r, source, &|ns| seen.sight.admits(ns), as_of)?
        {
            continue;
        }
        found.extend(of_source(r, &recent, source, as_of)?);
    }
    Ok(found)
}

fn speaks_within(r: &Reader<'_>, source: SourceNo, within: &dyn Fn(&str) -> bool, as_of: AsOf) -> Result<bool, StoreError> {
    let mut s = r.db.prepare_cached("SELECT namespace FROM speaker WHERE source = ?1 AND ix < ?2").map_err(backend)?;
    let mut rows = s.query((source, as_of.size)).map_err(backend)?;
    while let Some(row) = rows.next().map_err(backend)? {
        if row.get_ref(0).and_then(|v| Ok(within(v.as_str()?))).map_err(backend)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Events in the block that the ledger size cuts, by source: (time, entry).
struct Recent {
    by_source: FxHashMap<SourceNo, Vec<(i64, u64)>>,
    /// Blocks below this one are full.
    blocks: u64,
}

impl Recent {
    fn read(r: &Reader<'_>, as_of: AsOf) -> Result<Self, StoreError> {
        let blocks = block_of(as_of.size);
        let mut by_source: FxHashMap<SourceNo, Vec<(i64, u64)>> = FxHashMap::default();
        each_event(r, blocks * BLOCK, as_of.size, |source, time, ix| {
            if time <= as_of.valid_at.0 {
                by_source.entry(source).or_default().push((time, ix));
            }
        })?;
        Ok(Self { by_source, blocks })
    }

    fn first_ix(&self) -> u64 {
        self.blocks * BLOCK
    }
}

fn each_event(r: &Reader<'_>, from: u64, until: u64, mut one: impl FnMut(SourceNo, i64, u64)) -> Result<(), StoreError> {
    let mut s =
        r.db.prepare_cached("SELECT source, time, ix FROM entry WHERE ix >= ?1 AND ix < ?2 AND source IS NOT NULL").map_err(backend)?;
    let mut rows = s.query((from, until)).map_err(backend)?;
    while let Some(row) = rows.next().map_err(backend)? {
        one(row.get(0).map_err(backend)?, row.get(1).map_err(backend)?, row.get(2).map_err(backend)?);
    }
    Ok(())
}

/// What a source told in one hour: how often, and the greatest (time, entry).
#[derive(Clone, Copy, Default)]
struct Told {
    count: u64,
    last: Option<(i64, u64)>,
}

impl Told {
    fn add(&mut self, count: u64, last: (i64, u64)) {
        self.count += count;
        self.last = self.last.max(Some(last));
    }
}

fn of_source(r: &Reader<'_>, recent: &Recent, source: SourceNo, as_of: AsOf) -> Result<Option<SourceCoverage>, StoreError> {
    let (first, last) = window(as_of.valid_at);
    // By hour; `None`: counted, its last event not yet looked for.
    let mut hours: BTreeMap<i64, Told> = BTreeMap::new();
    let rows: Vec<(i64, u64, u64)> = r
        .db
        .prepare_cached("SELECT hour, last_ix, count FROM source_hour WHERE source = ?1 AND hour >= ?2 AND hour <= ?3 AND first_ix < ?4")
        .and_then(|mut s| s.query_map((source, first, last, recent.first_ix()), |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect())
        .map_err(backend)?;
    for (hour, last_ix, count) in rows {
        let told = if hour < last && last_ix < recent.first_ix() {
            Told { count, last: None }
        } else {
            told_in(r, recent, source, hour, as_of.valid_at)?
        };
        if told.count > 0 {
            hours.insert(hour, told);
        }
    }
    let own = recent.by_source.get(&source).map_or(&[][..], |own| own);
    for (time, ix) in own {
        let hour = hour_of(Micros(*time));
        if hour >= first {
            hours.entry(hour).or_default().add(1, (*time, *ix));
        }
    }
    let mut latest = match hours.last_key_value() {
        Some((hour, _)) => told_in(r, recent, source, *hour, as_of.valid_at)?.last,
        None => before(r, recent, source, first, as_of)?,
    };
    latest = latest.max(own.iter().copied().max());
    let Some((time, index)) = latest else { return Ok(None) };
    let recorded_at: Option<i64> =
        r.db.prepare_cached("SELECT us FROM entry WHERE ix = ?1")
            .and_then(|mut s| s.query_row([index], |r| r.get(0)).optional())
            .map_err(backend)?;
    let recorded_at = Micros(recorded_at.ok_or(StoreError::Inconsistent { place: "source_block" })?);
    let event = LastEvent { time: Micros(time), index, recorded_at };
    let events = hours.values().map(|t| t.count).sum();
    let heard: Vec<i64> = hours.into_keys().collect();
    Ok(Some(SourceCoverage::of(source_of(r.db, source)?, event, events, &heard, as_of.valid_at)))
}

/// The last event before the window, of full blocks.
fn before(r: &Reader<'_>, recent: &Recent, source: SourceNo, first: i64, as_of: AsOf) -> Result<Option<(i64, u64)>, StoreError> {
    let hour: Option<i64> =
        r.db.prepare_cached("SELECT hour FROM source_hour WHERE source = ?1 AND hour < ?2 AND first_ix < ?3 ORDER BY hour DESC LIMIT 1")
            .and_then(|mut s| s.query_row((source, first, recent.first_ix()), |r| r.get(0)).optional())
            .map_err(backend)?;
    hour.map_or(Ok(None), |hour| Ok(told_in(r, recent, source, hour, as_of.valid_at)?.last))
}

/// What full blocks hold of a source's hour, up to an instant. Blocks with events
/// on both sides of the instant are read.
fn told_in(r: &Reader<'_>, recent: &Recent, source: SourceNo, hour: i64, at: Micros) -> Result<Told, StoreError> {
    let mut told = Told::default();
    let mut cut = Vec::new();
    let mut s =
        r.db.prepare_cached("SELECT block, count, us_min, us_max, ix FROM source_block WHERE source = ?1 AND hour = ?2 AND block < ?3")
            .map_err(backend)?;
    let mut rows = s.query((source, hour, recent.blocks)).map_err(backend)?;
    while let Some(row) = rows.next().map_err(backend)? {
        let (us_min, us_max): (i64, i64) = (row.get(2).map_err(backend)?, row.get(3).map_err(backend)?);
        if us_max <= at.0 {
            told.add(row.get(1).map_err(backend)?, (us_max, row.get(4).map_err(backend)?));
        } else if us_min <= at.0 {
            cut.push(row.get::<_, u64>(0).map_err(backend)?);
        }
    }
    for block in cut {
        each_event(r, block * BLOCK, (block + 1) * BLOCK, |by, time, ix| {
            if by == source && time <= at.0 && hour_of(Micros(time)) == hour {
                told.add(1, (time, ix));
            }
        })?;
    }
    Ok(told)
}
