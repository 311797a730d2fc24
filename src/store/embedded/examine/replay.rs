//! Playing entries into an empty projection, by the same code that commits them.
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use rusqlite::Connection;
use smallvec::SmallVec;

use super::{Access, Examiner, chain, compare, interned::Interned, overlay, tables, unreadable};
use crate::{
    domain::{
        assertion::{Assertion, Digest},
        id::{EntryIndex, Handle},
    },
    interop::openlineage::reassemble_readable,
    ledger::EMPTY_ROOT,
    store::{
        Head, PublishedCheckpoint,
        embedded::{
            blocks,
            closure::Copies,
            entries::{CoreDigests, entry_row},
            intern::Intern,
            plan::Plan,
            project::{Projector, ShapeOf, State, plan_of},
            schema::PROJECTION_TABLES,
            shared::Shared,
            topology::Topology,
        },
        examine::{Blobs as _, Check, Comparison, Finding, Meaning, Replay, StoredEntry, StoredPartState},
        write::EntityIds,
    },
};

/// A projection in the making.
pub struct Replayed<'a> {
    examiner: &'a Examiner,
    meaning: &'a dyn Meaning,
    db: Connection,
    shared: Shared,
    state: State,
    /// Interned facets: their numbers by digest, and every pair there is.
    by_digest: Arc<HashMap<Digest, u32>>,
    blobs: HashSet<(u32, Digest)>,
    planned: HashSet<u32>,
    /// Entries were passed over, so sources may have other numbers.
    skipped: bool,
}

impl<'a> Replayed<'a> {
    /// # Errors
    /// The database's.
    pub fn begin(examiner: &'a Examiner, meaning: &'a dyn Meaning) -> Result<Self, Finding> {
        let (logs, by_digest, blobs) = examiner.with(|db| {
            let blobs = db
                .prepare("SELECT id, digest FROM blob")
                .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
                .map_err(unreadable)?;
            Ok((examiner.spans(db)?, examiner.blobs(db)?, blobs))
        })?;
        let db = overlay::open(&examiner.folder.path().join("main.db"), examiner.access).map_err(unreadable)?;
        db.execute_batch("BEGIN").map_err(unreadable)?;
        let head = Head { size: 0, root: EMPTY_ROOT };
        let unsigned = PublishedCheckpoint { size: 0, root: EMPTY_ROOT, note: String::new() };
        let shared = Shared::new(Topology::new(), Copies::new(usize::MAX), Intern::new(), logs, head, Arc::new(unsigned));
        Ok(Self { examiner, meaning, db, shared, state: State::empty(), by_digest, blobs, planned: HashSet::new(), skipped: false })
    }

    /// The interned facets of a shape, told by its first entry: those that `core`
    /// names, and those that fill holes of `rest`.
    fn blobs_of(&self, entry: &StoredEntry, shape: u32, a: &Assertion) -> Result<Vec<(Digest, u32)>, Finding> {
        let entities = a.job.iter().chain(a.inputs.iter().flatten()).chain(a.outputs.iter().flatten()).chain(a.dataset.iter());
        let mut digests: Vec<Digest> = entities.flat_map(|e| &e.facets).filter(|f| f.interned).map(|f| f.digest).collect();
        let row = entry_row(&self.db, entry.index).map_err(unreadable)?;
        let rest = match &row {
            Some(row) => Interned::new(&self.db, &self.examiner.vault, self.by_digest.clone()).open(row, 1)?,
            None => StoredPartState::Destroyed,
        };
        if let StoredPartState::Open { bytes, .. } = &rest {
            let mut hole = |digest: &Digest| {
                digests.push(*digest);
                None
            };
            reassemble_readable(bytes, &mut hole, &mut |_| None)
                .map_err(|e| Finding::part(Check::Part, entry.index, 1, crate::domain::entry::PartClass::Rest, e.to_string()))?;
        }
        let before = self.stored_plan(shape);
        let mut found: Vec<(Digest, u32)> = Vec::with_capacity(digests.len());
        for digest in digests {
            if found.iter().any(|(d, _)| *d == digest) {
                continue;
            }
            // A facet may be stored twice; the shape's own is the right one, if its plan can be believed.
            let own = before.as_ref().and_then(|p| p.blob(&digest)).filter(|id| self.blobs.contains(&(*id, digest)));
            let id = own.or_else(|| self.by_digest.get(&digest).copied());
            let missing = || Finding::entry(Check::Blob, entry.index, format!("its facet {} is not stored", hex::encode(digest)));
            found.push((digest, id.ok_or_else(missing)?));
        }
        Ok(found)
    }

    fn moved(&self, ix: EntryIndex, source: Option<u32>) -> Result<(), Finding> {
        self.db
            .prepare_cached("INSERT INTO main.moved(ix, source) VALUES(?1, ?2)")
            .and_then(|mut s| s.execute((ix, source)))
            .map(drop)
            .map_err(unreadable)
    }

    /// Shapes whose entries cannot be replayed any more keep nothing of their plan
    /// but what received bytes are put together with.
    fn keep_blobs_of_unplanned(&self) -> Result<(), Finding> {
        let shapes: Vec<u32> = self
            .db
            .prepare("SELECT id FROM stored.shape WHERE id NOT IN (SELECT id FROM main.plan)")
            .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
            .map_err(unreadable)?;
        for shape in shapes {
            let blobs = self.stored_plan(shape).map(|p| p.blobs.clone()).unwrap_or_default();
            let plan = Plan { blobs, ..Plan::default() }.encode();
            self.db.execute("INSERT INTO main.plan(id, plan) VALUES(?1, ?2)", (shape, plan)).map_err(unreadable)?;
        }
        Ok(())
    }

    fn stored_plan(&self, shape: u32) -> Option<Arc<Plan>> {
        let bytes: Vec<u8> = self.db.query_row("SELECT plan FROM stored.shape WHERE id = ?1", [shape], |r| r.get(0)).ok()?;
        Plan::decode(&bytes).ok()
    }

    /// An entry's shape must be of its own kind: the projector believes it.
    fn check_shape(&self, entry: EntryIndex, shape: u32, a: &Assertion, ids: &EntityIds) -> Result<(), Finding> {
        let plan = plan_of(&self.db, &self.shared.intern, shape).map_err(unreadable)?;
        let no = |id| self.shared.topology.find_any(id);
        let side = |ids: &[_], there: bool| {
            there.then(|| {
                let mut side: Vec<u32> = ids.iter().filter_map(|id| no(*id)).collect();
                side.sort_unstable();
                side.dedup();
                side
            })
        };
        let same = plan.rank == a.rank()
            && plan.job == ids.job.and_then(no)
            && plan.dataset == ids.dataset.and_then(no)
            && plan.inputs.as_deref() == side(&ids.inputs, a.inputs.is_some()).as_deref()
            && plan.outputs.as_deref() == side(&ids.outputs, a.outputs.is_some()).as_deref();
        if same { Ok(()) } else { Err(Finding::entry(Check::Part, entry, format!("its row says shape {shape}, which is of other events"))) }
    }
}

impl Replay for Replayed<'_> {
    fn apply(&mut self, entry: &StoredEntry, a: &Assertion) -> Result<SmallVec<[Handle; 1]>, Finding> {
        let ix = entry.index;
        let Some(shape) = entry.shape else { return Err(Finding::entry(Check::Part, ix, "is about lineage, but its row has no shape")) };
        let ids = self.meaning.ids(a);
        let planned = self.planned.contains(&shape);
        if planned {
            self.check_shape(ix, shape, a, &ids)?;
        }
        let blobs = if planned { Vec::new() } else { self.blobs_of(entry, shape, a)? };
        let mut failed = None;
        let details = if planned {
            Vec::new()
        } else {
            let mut interned = Interned::new(&self.db, &self.examiner.vault, self.by_digest.clone());
            self.meaning.details(a, &mut |digest| {
                interned.blob(digest).unwrap_or_else(|e| {
                    failed = Some(e);
                    None
                })
            })
        };
        if let Some(finding) = failed {
            return Err(finding);
        }
        let shape_of = if planned { ShapeOf::Known(shape) } else { ShapeOf::Unplanned { shape, details: &details, blobs: &blobs } };
        let digests = CoreDigests { shared: &self.shared, vault: &self.examiner.vault };
        let applied = Projector {
            db: &self.db,
            topology: &self.shared.topology,
            intern: &self.shared.intern,
            state: &mut self.state,
            digests: &digests,
        }
        .apply(ix, a, &ids, shape_of)
        .map_err(|e| Finding::entry(Check::Projection, ix, format!("cannot be replayed: {}", chain(&e))))?;
        self.planned.insert(shape);
        if entry.source != Some(applied.source) {
            if !self.skipped {
                return Err(Finding::entry(Check::Part, ix, "its row says another source than its core"));
            }
            self.moved(ix, Some(applied.source))?;
        }
        Ok(applied.concerns)
    }

    fn skip(&mut self, entry: &StoredEntry) -> Result<(), Finding> {
        self.skipped = true;
        self.moved(entry.index, None)
    }

    fn compare(&mut self) -> Result<Comparison, Finding> {
        blocks::fill(
            &self.db,
            "SELECT e.ix, e.type, e.time, e.actor, CASE WHEN m.ix IS NULL THEN e.source ELSE m.source END, e.shape \
             FROM stored.entry e LEFT JOIN main.moved m ON m.ix = e.ix ORDER BY e.ix",
        )
        .map_err(unreadable)?;
        compare::compare(&self.db, &self.planned)
    }

    fn install(&mut self) -> Result<(), Finding> {
        if self.examiner.access != Access::Rebuild {
            return Err(Finding::new(Check::File, "main.db", "was opened for reading alone"));
        }
        self.db.execute_batch("COMMIT").map_err(unreadable)?;
        // Other readers would keep the file's log from being moved into it.
        self.examiner.idle.lock().clear();
        self.keep_blobs_of_unplanned()?;
        let mut sql = String::from("BEGIN IMMEDIATE;");
        for t in tables::TABLES {
            sql.push_str(&format!("DROP TABLE IF EXISTS stored.{};", t.name));
        }
        sql.push_str(&tables::in_stored(PROJECTION_TABLES));
        for t in tables::TABLES {
            sql.push_str(&format!("INSERT INTO stored.{0} SELECT * FROM main.{0};", t.name));
        }
        sql.push_str(
            "UPDATE stored.shape SET plan = (SELECT p.plan FROM main.plan p WHERE p.id = shape.id) WHERE id IN (SELECT id FROM main.plan);",
        );
        sql.push_str("UPDATE stored.entry SET source = (SELECT m.source FROM main.moved m WHERE m.ix = entry.ix) WHERE ix IN (SELECT ix FROM main.moved);");
        sql.push_str("COMMIT;");
        let done = self.db.execute_batch(&sql);
        if done.is_err() && !self.db.is_autocommit() {
            // What was stored is still there; the first failure is what counts.
            self.db.execute_batch("ROLLBACK").ok();
        }
        done.map_err(unreadable)?;
        self.db.query_row("PRAGMA stored.wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(unreadable)
    }
}
