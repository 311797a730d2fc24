//! From when on the runs that started after an instant say something: tells which
//! incarnation of a name a flow belongs to. The run that decides a flow is the
//! greatest that asserts it by then, so the flow belongs to the runs that started
//! in `(after, until]` from the first such assertion on, until the first one of a
//! run that started later. Asked only for names whose life has ended at least once.
use rusqlite::Connection;
use rustc_hash::FxHashMap;

use super::classes::Bounds;
use crate::{
    domain::{
        assertion::Digest,
        id::EntryIndex,
        time::{DAWN, FOREVER, Micros},
    },
    store::{
        StoreError,
        embedded::{
            intern::Intern,
            plan::{Plan, RunShapes},
            project::plan_of,
            schema::backend,
            topology::{NodeNo, PairNo, Side},
        },
    },
};

/// What runs and job events of a (job, source) may say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Said {
    /// A dataset stands on that side.
    Flow(Side, NodeNo),
    /// A facet of an output has that content, in events of `[from, until)`.
    Facet { node: NodeNo, name: u32, owner: u32, digest: Digest, from: Micros, until: Micros },
}

impl Said {
    fn by(&self, plan: &Plan) -> bool {
        match self {
            Self::Flow(side, dataset) => plan.members(side.is_output()).binary_search(dataset).is_ok(),
            Self::Facet { node, name, owner, digest, .. } => {
                plan.facet(*node, *name, *owner).is_some_and(|f| f.digest == *digest && !f.deleted)
            }
        }
    }

    const fn stretch(&self) -> (Micros, Micros) {
        match self {
            Self::Flow(..) => (DAWN, FOREVER),
            Self::Facet { from, until, .. } => (*from, *until),
        }
    }

    const fn in_runs(&self) -> bool {
        !matches!(self, Self::Flow(side, _) if side.is_design())
    }

    const fn in_job_events(&self) -> bool {
        match self {
            Self::Flow(side, _) => side.is_design(),
            Self::Facet { .. } => true,
        }
    }
}

/// Looks assertions up, each once.
pub struct Starts<'a> {
    db: &'a Connection,
    intern: &'a Intern,
    size: EntryIndex,
    known: FxHashMap<(PairNo, Said, Micros), Micros>,
}

impl<'a> Starts<'a> {
    pub fn new(db: &'a Connection, intern: &'a Intern, size: EntryIndex) -> Self {
        Self { db, intern, size, known: FxHashMap::default() }
    }

    /// When what is said belongs to the runs that started within the bounds.
    ///
    /// # Errors
    /// The database's.
    pub fn window(&mut self, pair: PairNo, said: Said, bounds: Option<Bounds>) -> Result<(Micros, Micros), StoreError> {
        let Some(Bounds { after, until, within }) = bounds else { return Ok((DAWN, FOREVER)) };
        let begin = if after == DAWN { DAWN } else { self.first_after(pair, said, after)? };
        let end = if until == FOREVER { FOREVER } else { self.first_after(pair, said, until)? };
        Ok((begin.max(within.0), end.min(within.1)))
    }

    fn first_after(&mut self, pair: PairNo, said: Said, after: Micros) -> Result<Micros, StoreError> {
        if let Some(known) = self.known.get(&(pair, said, after)) {
            return Ok(*known);
        }
        let mut best = said.stretch().1;
        if said.in_job_events() {
            self.in_job_events(pair, &said, after, &mut best)?;
        }
        if said.in_runs() {
            self.in_runs(pair, &said, after, &mut best)?;
        }
        if best == said.stretch().1 {
            best = FOREVER;
        }
        self.known.insert((pair, said, after), best);
        Ok(best)
    }

    fn in_job_events(&self, pair: PairNo, said: &Said, after: Micros, best: &mut Micros) -> Result<(), StoreError> {
        let after = after.max(Micros(said.stretch().0.0.saturating_sub(1)));
        let mut s = self
            .db
            .prepare_cached("SELECT us, shape FROM design WHERE pair = ?1 AND us > ?2 AND us < ?3 AND ix < ?4 ORDER BY us")
            .map_err(backend)?;
        let mut rows = s.query((pair, after.0, best.0, self.size)).map_err(backend)?;
        while let Some(r) = rows.next().map_err(backend)? {
            if said.by(&*plan_of(self.db, self.intern, r.get(1).map_err(backend)?)?) {
                *best = Micros(r.get(0).map_err(backend)?);
                break;
            }
        }
        Ok(())
    }

    fn in_runs(&self, pair: PairNo, said: &Said, after: Micros, best: &mut Micros) -> Result<(), StoreError> {
        let span: i64 = self
            .db
            .prepare_cached("SELECT span_max FROM pair WHERE no = ?1")
            .and_then(|mut s| s.query_row([pair], |r| r.get(0)))
            .map_err(backend)?;
        // Seen from an earlier size a run started later than its row says, but by no
        // more than its span; and a run that speaks in the stretch began no more than
        // its span before it.
        let (stretch, _) = said.stretch();
        let from = after.max(stretch).0.saturating_sub(span);
        let mut s = self
            .db
            .prepare_cached("SELECT start, rn, first_ix, shapes FROM run WHERE pair = ?1 AND start > ?2 AND start < ?3 ORDER BY start")
            .map_err(backend)?;
        let mut rows = s.query((pair, from.saturating_sub(1), best.0)).map_err(backend)?;
        while let Some(r) = rows.next().map_err(backend)? {
            let start: i64 = r.get(0).map_err(backend)?;
            if start >= best.0 {
                break;
            }
            let shapes = RunShapes::decode(&r.get::<_, Vec<u8>>(3).map_err(backend)?, start)?;
            let mut any = false;
            for (shape, ..) in &shapes.0 {
                any |= said.by(&*plan_of(self.db, self.intern, *shape)?);
            }
            if any {
                let run = (r.get(1).map_err(backend)?, r.get(2).map_err(backend)?);
                self.in_run(run, &shapes, said, after, best)?;
            }
        }
        Ok(())
    }

    fn in_run(&self, run: (u64, u64), shapes: &RunShapes, said: &Said, after: Micros, best: &mut Micros) -> Result<(), StoreError> {
        let (stretch, _) = said.stretch();
        // Most rows hold what the size knows: the first event of each of its shapes.
        let whole = shapes.0.iter().all(|(_, us, by)| *by < self.size && *us >= stretch.0);
        let events: Vec<(i64, u32)> = if whole {
            shapes.0.iter().map(|(shape, us, _)| (*us, *shape)).collect()
        } else {
            self.db
                .prepare_cached(
                    "SELECT time, shape FROM entry WHERE ix = ?1 AND ix < ?3 UNION ALL \
                     SELECT e.time, e.shape FROM run_event r JOIN entry e ON e.ix = r.ix WHERE r.rn = ?2 AND r.ix < ?3",
                )
                .and_then(|mut s| s.query_map((run.1, run.0, self.size), |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
                .map_err(backend)?
        };
        if events.iter().map(|e| e.0).min().is_none_or(|start| start <= after.0) {
            return Ok(());
        }
        for (us, shape) in &events {
            if *us >= stretch.0 && *us < best.0 && said.by(&*plan_of(self.db, self.intern, *shape)?) {
                *best = Micros(*us);
            }
        }
        Ok(())
    }
}
