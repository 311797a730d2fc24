//! Pages of entries, and how many there are. The index and the time of recording
//! are looked up. What else narrows is read of every block of 1,024 entries as
//! sets of positions, so that entries are only read to be shown; in the last block,
//! not full yet, the rows are looked through.
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension};

use super::Reader;
use crate::{
    domain::{
        catalog::{EntryFacts, EntryPage},
        id::EntryIndex,
        source::Source,
        time::Micros,
    },
    store::{
        Readable, StoreError,
        embedded::{
            blocks::{Facts, block_of, key},
            postings::{BLOCK, Bits, any_of},
            schema::backend,
        },
    },
};

/// Blocks between two looks at the clock.
const BLOCKS_A_LOOK: u64 = 256;
const LOST: StoreError = StoreError::Inconsistent { place: "entry_block" };

/// The first entry recorded at `at` or later, of those below `head`; `head` if none
/// is. Times of recording never go back.
fn first_recorded(db: &Connection, at: Micros, head: EntryIndex) -> Result<EntryIndex, StoreError> {
    let (mut low, mut high) = (0, head);
    while low < high {
        let middle = low + (high - low) / 2;
        let recorded: i64 = db
            .prepare_cached("SELECT us FROM entry WHERE ix = ?1")
            .and_then(|mut s| s.query_row([middle], |r| r.get(0)))
            .map_err(backend)?;
        if recorded < at.0 { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

/// A page, in order of index: the first entries of the range, or the last ones.
///
/// # Errors
/// The database's; [`StoreError::Deadline`].
pub fn page(r: &Reader<'_>, page: &EntryPage, readable: Readable) -> Result<Vec<EntryFacts>, StoreError> {
    let mut found = Vec::new();
    Search::of(r, page)?.each_block(|first, bits| {
        let (mut forwards, mut backwards) = (bits.iter(), bits.iter().rev());
        while found.len() < page.limit {
            let Some(at) = (if page.backwards { backwards.next() } else { forwards.next() }) else { return Ok(true) };
            let index = first + at;
            found.extend(r.entries().entry(index, r.readable(index, readable)?)?);
        }
        Ok(false)
    })?;
    if page.backwards {
        found.reverse();
    }
    Ok(found)
}

/// How many entries the filter of a page lets through, on all pages.
///
/// # Errors
/// The database's; [`StoreError::Deadline`].
pub fn count(r: &Reader<'_>, page: &EntryPage) -> Result<u64, StoreError> {
    let whole = EntryPage { after: None, before: None, ..page.clone() };
    let mut count = 0;
    Search::of(r, &whole)?.each_block(|_, bits| {
        count += bits.count();
        Ok(true)
    })?;
    Ok(count)
}

/// What is looked for; of each list `None`: everything.
struct Search<'a> {
    r: &'a Reader<'a>,
    backwards: bool,
    from: EntryIndex,
    until: EntryIndex,
    types: Option<Vec<i64>>,
    sources: Option<Vec<u32>>,
    actors: Option<Vec<[u8; 16]>>,
    shapes: Option<Vec<u32>>,
    /// From, and up to but not with.
    time: Option<(i64, i64)>,
    deadline: Option<Instant>,
}

impl<'a> Search<'a> {
    fn of(r: &'a Reader<'a>, page: &EntryPage) -> Result<Self, StoreError> {
        let mut from = page.after.map_or(0, |after| after.saturating_add(1));
        let mut until = page.before.unwrap_or(r.head).min(r.head);
        if let Some(at) = page.recorded_from {
            from = from.max(first_recorded(r.db, at, r.head)?);
        }
        if let Some(at) = page.recorded_until {
            until = until.min(first_recorded(r.db, at, r.head)?);
        }
        let time = (page.time_from.map_or(i64::MIN, |t| t.0), page.time_until.map_or(i64::MAX, |t| t.0));
        Ok(Self {
            r,
            backwards: page.backwards,
            from,
            until,
            types: types(r, &page.event_types)?,
            sources: sources(r, page)?,
            actors: (!page.actors.is_empty()).then(|| page.actors.iter().map(|h| h.0).collect()),
            shapes: shapes(r, page)?,
            time: (page.time_from.is_some() || page.time_until.is_some()).then_some(time),
            deadline: page.deadline,
        })
    }

    /// Something is asked for that no entry has.
    fn is_vain(&self) -> bool {
        self.types.as_ref().is_some_and(Vec::is_empty)
            || self.sources.as_ref().is_some_and(Vec::is_empty)
            || self.shapes.as_ref().is_some_and(Vec::is_empty)
            || self.from >= self.until
    }

    fn narrows(&self) -> bool {
        self.types.is_some() || self.sources.is_some() || self.actors.is_some() || self.shapes.is_some() || self.time.is_some()
    }

    /// Tells of each block what is found in it: its first entry, and the positions.
    /// Ends when there are no more blocks, or when told `false`.
    fn each_block(&self, mut found: impl FnMut(EntryIndex, Bits) -> Result<bool, StoreError>) -> Result<(), StoreError> {
        if self.is_vain() {
            return Ok(());
        }
        let (first, last) = (block_of(self.from), block_of(self.until - 1));
        for i in 0..=last - first {
            if i.is_multiple_of(BLOCKS_A_LOOK) && self.deadline.is_some_and(|d| Instant::now() >= d) {
                return Err(StoreError::Deadline);
            }
            let block = if self.backwards { last - i } else { first + i };
            let begin = block * BLOCK;
            let all = Bits::range(self.from.saturating_sub(begin), (self.until - begin.min(self.until)).min(BLOCK));
            let bits = match (self.narrows(), begin + BLOCK <= self.r.head) {
                (false, _) => all,
                (true, true) => self.in_full(block, all)?,
                (true, false) => self.in_rows(begin, all)?,
            };
            if !bits.is_empty() && !found(begin, bits)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// In a full block, by its sets of positions.
    fn in_full(&self, block: u64, mut bits: Bits) -> Result<Bits, StoreError> {
        let mut s = self
            .r
            .db
            .prepare_cached("SELECT time_min, time_max, types, sources, actors, shapes FROM entry_block WHERE block = ?1")
            .map_err(backend)?;
        let mut rows = s.query([block]).map_err(backend)?;
        let row = rows.next().map_err(backend)?.ok_or(LOST)?;
        let among = |column: usize, wanted: &dyn Fn(&[u8]) -> bool| {
            let bytes = row.get_ref(column).and_then(|v| Ok(v.as_blob()?)).map_err(backend)?;
            any_of(bytes, wanted).ok_or(LOST)
        };
        if let Some(types) = &self.types {
            bits = bits.and(among(2, &|k| types.iter().any(|t| t.to_be_bytes() == k))?);
        }
        if let Some(sources) = &self.sources {
            bits = bits.and(among(3, &|k| sources.iter().any(|s| key(*s) == k))?);
        }
        if let Some(actors) = &self.actors {
            bits = bits.and(among(4, &|k| actors.iter().any(|a| a == k))?);
        }
        if let Some(shapes) = self.shapes.as_ref().filter(|_| !bits.is_empty()) {
            let known = |k: &[u8]| k.try_into().is_ok_and(|k| shapes.binary_search(&u32::from_be_bytes(k)).is_ok());
            bits = bits.and(among(5, &known)?);
        }
        let Some((from, until)) = self.time else { return Ok(bits) };
        let (min, max): (i64, i64) = (row.get(0).map_err(backend)?, row.get(1).map_err(backend)?);
        if max < from || until <= min {
            return Ok(Bits::NONE);
        }
        if from <= min && max < until || bits.is_empty() {
            return Ok(bits);
        }
        self.in_rows(block * BLOCK, bits)
    }

    /// Of the positions those whose rows are looked for.
    fn in_rows(&self, begin: EntryIndex, bits: Bits) -> Result<Bits, StoreError> {
        let mut found = Bits::NONE;
        let mut s = self
            .r
            .db
            .prepare_cached("SELECT type, time, actor, source, shape, ix FROM entry WHERE ix >= ?1 AND ix < ?2")
            .map_err(backend)?;
        let (from, until) = (self.from.max(begin), self.until.min(begin + BLOCK));
        let mut rows = s.query((from, until)).map_err(backend)?;
        while let Some(row) = rows.next().map_err(backend)? {
            let facts = Facts::of_row(row).map_err(backend)?;
            if self.holds(&facts) {
                found.set(row.get::<_, u64>(5).map_err(backend)? - begin);
            }
        }
        Ok(found.and(bits))
    }

    fn holds(&self, f: &Facts) -> bool {
        fn among<T: PartialEq>(wanted: Option<&Vec<T>>, has: Option<T>) -> bool {
            wanted.is_none_or(|wanted| has.is_some_and(|has| wanted.contains(&has)))
        }
        among(self.types.as_ref(), Some(f.event_type))
            && among(self.sources.as_ref(), f.source)
            && among(self.actors.as_ref(), f.actor)
            && among(self.shapes.as_ref(), f.shape)
            && self.time.is_none_or(|(from, until)| from <= f.time.0 && f.time.0 < until)
    }
}

fn types(r: &Reader<'_>, words: &[Box<str>]) -> Result<Option<Vec<i64>>, StoreError> {
    if words.is_empty() {
        return Ok(None);
    }
    let mut s = r.db.prepare_cached("SELECT id FROM event_type WHERE word = ?1").map_err(backend)?;
    let ids = words.iter().map(|word| s.query_row([&**word], |r| r.get(0)).optional());
    ids.filter_map(Result::transpose).collect::<Result<_, _>>().map(Some).map_err(backend)
}

/// Sources by integration and by label.
fn sources(r: &Reader<'_>, page: &EntryPage) -> Result<Option<Vec<u32>>, StoreError> {
    if page.integrations.is_empty() && page.sources.is_empty() {
        return Ok(None);
    }
    let mut found = Vec::new();
    let mut s = r.db.prepare_cached("SELECT id, integration, producer FROM source").map_err(backend)?;
    let mut rows = s.query([]).map_err(backend)?;
    while let Some(row) = rows.next().map_err(backend)? {
        let text = |i: usize| row.get::<_, String>(i).map(String::into_boxed_str).map_err(backend);
        let source = Source { integration: text(1)?, producer: text(2)? };
        if (page.integrations.is_empty() || page.integrations.contains(&source.integration))
            && (page.sources.is_empty() || page.sources.iter().any(|label| **label == *source.label()))
        {
            found.push(row.get(0).map_err(backend)?);
        }
    }
    Ok(Some(found))
}

/// The shapes that name one of the artifacts, sorted.
fn shapes(r: &Reader<'_>, page: &EntryPage) -> Result<Option<Vec<u32>>, StoreError> {
    if page.artifacts.is_empty() {
        return Ok(None);
    }
    let mut found: Vec<u32> = Vec::new();
    for key in r.resolve(&page.artifacts, r.head)?.into_iter().flatten() {
        let Some(node) = r.find(key.artifact(), r.head) else { continue };
        let mut s = r.db.prepare_cached("SELECT shape FROM named_by WHERE node = ?1").map_err(backend)?;
        for shape in s.query_map([node], |r| r.get(0)).map_err(backend)? {
            found.push(shape.map_err(backend)?);
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(Some(found))
}
