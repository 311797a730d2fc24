//! Two projections row by row: the stored one, and the one made anew.
use std::{cmp::Ordering, collections::BTreeSet};

use hashbrown::{HashMap, HashSet};
use rusqlite::{Connection, Row, types::ValueRef};

use super::{
    tables::{TABLES, Table, say},
    unreadable,
};
use crate::{
    domain::assertion::Digest,
    store::{
        embedded::plan::{Plan, PlanFacet},
        examine::{Check, Comparison, Difference, Finding},
    },
};

/// Compares every table, then what each shape means.
///
/// # Errors
/// What keeps the new projection from being read; a stored table that cannot be
/// read is a difference.
pub fn compare(db: &Connection, planned: &HashSet<u32>) -> Result<Comparison, Finding> {
    let mut comparison = Comparison::default();
    for table in TABLES {
        let rows: u64 = db.query_row(&format!("SELECT count(*) FROM main.{}", table.name), [], |r| r.get(0)).map_err(unreadable)?;
        comparison.rows.push((table.name, rows));
        match rows_of(db, table) {
            Ok(None) => {}
            Ok(Some(difference)) => comparison.differences.push(difference),
            Err(e) => comparison.differences.push(Difference {
                table: table.name,
                rows,
                first: Finding::new(Check::Projection, format!("table `{}`", table.name), format!("cannot be read: {e}")),
            }),
        }
    }
    comparison.rows.push(("shape", planned.len() as u64));
    comparison.differences.extend(plans(db, planned)?);
    Ok(comparison)
}

/// Walks two sorted tables side by side.
fn rows_of(db: &Connection, table: &Table) -> rusqlite::Result<Option<Difference>> {
    let mut stored = db.prepare(&table.select("stored"))?;
    let mut replayed = db.prepare(&table.select("main"))?;
    let (mut stored, mut replayed) = (stored.query([])?, replayed.query([])?);
    let (mut s, mut r) = (stored.next()?, replayed.next()?);
    let (mut count, mut first) = (0, None);
    let mut note = |problem: &dyn Fn() -> rusqlite::Result<(String, String)>| -> rusqlite::Result<()> {
        count += 1;
        if first.is_none() {
            let (place, problem) = problem()?;
            first = Some(Finding::new(Check::Projection, place, problem));
        }
        Ok(())
    };
    loop {
        let order = match (s, r) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => order(a, b, 0..table.key)?,
        };
        match order {
            Ordering::Less => {
                if let Some(a) = s {
                    note(&|| Ok((place(db, table, a)?, "is there, but no entry gives it".to_owned())))?;
                }
                s = stored.next()?;
            }
            Ordering::Greater => {
                if let Some(b) = r {
                    note(&|| Ok((place(db, table, b)?, "is missing".to_owned())))?;
                }
                r = replayed.next()?;
            }
            Ordering::Equal => {
                if let (Some(a), Some(b)) = (s, r) {
                    for i in table.key..table.columns.len() {
                        if order_of(a.get_ref(i)?, b.get_ref(i)?) != Ordering::Equal {
                            note(&|| Ok((place(db, table, b)?, differs(db, table, i, a, b)?)))?;
                            break;
                        }
                    }
                }
                s = stored.next()?;
                r = replayed.next()?;
            }
        }
    }
    Ok(first.map(|first| Difference { table: table.name, rows: count, first }))
}

fn differs(db: &Connection, table: &Table, i: usize, stored: &Row<'_>, replayed: &Row<'_>) -> rusqlite::Result<String> {
    let Some((column, kind)) = table.columns.get(i) else { return Ok("differs".to_owned()) };
    let (found, given) = (say(db, *kind, stored.get_ref(i)?), say(db, *kind, replayed.get_ref(i)?));
    Ok(format!("`{column}` is {found}, but the entries give {given}"))
}

/// A row by its key.
fn place(db: &Connection, table: &Table, row: &Row<'_>) -> rusqlite::Result<String> {
    let mut text = format!("table `{}`", table.name);
    for (i, (column, kind)) in table.columns.iter().take(table.key).enumerate() {
        text.push_str(&format!(", {column} {}", say(db, *kind, row.get_ref(i)?)));
    }
    // Numbers of nodes say nothing to a reader: the name does.
    if table.name == "node" {
        for (i, (column, kind)) in table.columns.iter().enumerate().skip(2).take(3) {
            text.push_str(&format!(", {column} {}", say(db, *kind, row.get_ref(i)?)));
        }
    }
    Ok(text)
}

fn order(a: &Row<'_>, b: &Row<'_>, columns: std::ops::Range<usize>) -> rusqlite::Result<Ordering> {
    for i in columns {
        let one = order_of(a.get_ref(i)?, b.get_ref(i)?);
        if one != Ordering::Equal {
            return Ok(one);
        }
    }
    Ok(Ordering::Equal)
}

/// SQLite's own order: nothing, numbers, text, bytes.
fn order_of(a: ValueRef<'_>, b: ValueRef<'_>) -> Ordering {
    const fn rank(v: &ValueRef<'_>) -> u8 {
        match v {
            ValueRef::Null => 0,
            ValueRef::Integer(_) | ValueRef::Real(_) => 1,
            ValueRef::Text(_) => 2,
            ValueRef::Blob(_) => 3,
        }
    }
    match (a, b) {
        (ValueRef::Integer(a), ValueRef::Integer(b)) => a.cmp(&b),
        (ValueRef::Real(a), ValueRef::Real(b)) => a.total_cmp(&b),
        (ValueRef::Integer(a), ValueRef::Real(b)) => (a as f64).total_cmp(&b).then(Ordering::Less),
        (ValueRef::Real(a), ValueRef::Integer(b)) => a.total_cmp(&(b as f64)).then(Ordering::Greater),
        (ValueRef::Text(a), ValueRef::Text(b)) | (ValueRef::Blob(a), ValueRef::Blob(b)) => a.cmp(b),
        (a, b) => rank(&a).cmp(&rank(&b)),
    }
}

/// Compares what each shape means.
fn plans(db: &Connection, planned: &HashSet<u32>) -> Result<Option<Difference>, Finding> {
    let blobs: HashMap<u32, Digest> = db
        .prepare("SELECT id, digest FROM stored.blob")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
        .map_err(unreadable)?;
    let mut statement = db
        .prepare("SELECT s.id, s.plan, p.plan FROM stored.shape s LEFT JOIN main.plan p ON p.id = s.id ORDER BY s.id")
        .map_err(unreadable)?;
    let mut rows = statement.query([]).map_err(unreadable)?;
    let mut difference: Option<Difference> = None;
    while let Some(r) = rows.next().map_err(unreadable)? {
        let id: u32 = r.get(0).map_err(unreadable)?;
        if !planned.contains(&id) {
            continue;
        }
        let stored = r.get_ref(1).ok().and_then(|v| v.as_blob().ok()).and_then(|b| Plan::decode(b).ok());
        let replayed = r.get_ref(2).map_err(unreadable)?.as_blob().map_err(|e| unreadable(rusqlite::Error::from(e)))?;
        let replayed = Plan::decode(replayed).map_err(unreadable)?;
        let problem = match stored {
            None => Some("its plan cannot be read"),
            Some(stored) if comparable(&stored, &blobs) != comparable(&replayed, &blobs) => {
                Some("its plan is not what its first entry gives")
            }
            Some(stored) if !points_rightly(&stored, &blobs) => Some("its plan names a facet by the number of another"),
            Some(_) => None,
        };
        if let Some(problem) = problem {
            let first = || Finding::new(Check::Projection, format!("table `shape`, id {id}"), problem);
            difference.get_or_insert_with(|| Difference { table: "shape", rows: 0, first: first() }).rows += 1;
        }
    }
    Ok(difference)
}

/// A plan with facets by digest in the place of their numbers, since one may be
/// stored twice: the rest of it, what each facet's number stands for, all of them.
fn comparable(plan: &Plan, blobs: &HashMap<u32, Digest>) -> (Plan, Vec<Option<Digest>>, BTreeSet<Digest>) {
    let numbers = plan.facets.iter().map(|f| blobs.get(&f.blob?).copied()).collect();
    let facets = plan.facets.iter().map(|f| PlanFacet { blob: f.blob.map(|_| 0), ..f.clone() }).collect();
    (Plan { facets, blobs: Box::default(), ..plan.clone() }, numbers, plan.blobs.iter().map(|(digest, _)| *digest).collect())
}

/// Whether each facet that the plan needs is found under the number it says.
fn points_rightly(plan: &Plan, blobs: &HashMap<u32, Digest>) -> bool {
    plan.blobs.iter().all(|(digest, id)| blobs.get(id) == Some(digest))
}
