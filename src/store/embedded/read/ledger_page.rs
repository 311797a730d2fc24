//! Pages of entries. The index and the time of recording are looked up; by type,
//! integration and actor the rows in that range are looked through, in order and
//! unopened, until the page is full.
use rusqlite::Connection;

use super::Reader;
use crate::{
    domain::{
        catalog::{EntryFacts, EntryPage},
        id::EntryIndex,
        time::Micros,
    },
    store::{Readable, StoreError, embedded::schema::backend},
};

const FORWARDS: &str = "SELECT e.ix, t.word, s.integration, e.actor FROM entry e JOIN event_type t ON t.id = e.type \
    LEFT JOIN source s ON s.id = e.source WHERE e.ix >= ?1 AND e.ix < ?2 ORDER BY e.ix";
const BACKWARDS: &str = "SELECT e.ix, t.word, s.integration, e.actor FROM entry e JOIN event_type t ON t.id = e.type \
    LEFT JOIN source s ON s.id = e.source WHERE e.ix >= ?1 AND e.ix < ?2 ORDER BY e.ix DESC";

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
/// The database's.
pub fn page(r: &Reader<'_>, page: &EntryPage, readable: Readable) -> Result<Vec<EntryFacts>, StoreError> {
    let mut from = page.after.map_or(0, |after| after + 1);
    let mut until = page.before.unwrap_or(r.head).min(r.head);
    if let Some(at) = page.recorded_from {
        from = from.max(first_recorded(r.db, at, r.head)?);
    }
    if let Some(at) = page.recorded_until {
        until = until.min(first_recorded(r.db, at, r.head)?);
    }
    let mut found = Vec::new();
    let mut s = r.db.prepare_cached(if page.backwards { BACKWARDS } else { FORWARDS }).map_err(backend)?;
    let mut rows = s.query((from, until)).map_err(backend)?;
    let among = |wanted: &[Box<str>], word: Option<&str>| wanted.is_empty() || word.is_some_and(|w| wanted.iter().any(|x| **x == *w));
    while found.len() < page.limit
        && let Some(row) = rows.next().map_err(backend)?
    {
        let text = |at: usize| row.get_ref(at).and_then(|v| Ok(v.as_str_or_null()?)).map_err(backend);
        if !among(&page.event_types, text(1)?) || !among(&page.integrations, text(2)?) {
            continue;
        }
        if !page.actors.is_empty() {
            let actor = row.get_ref(3).and_then(|v| Ok(v.as_blob_or_null()?)).map_err(backend)?;
            if !page.actors.iter().any(|wanted| actor == Some(wanted.0.as_slice())) {
                continue;
            }
        }
        let index = row.get(0).map_err(backend)?;
        found.extend(r.entries().entry(index, r.readable(index, readable)?)?);
    }
    if page.backwards {
        found.reverse();
    }
    Ok(found)
}
