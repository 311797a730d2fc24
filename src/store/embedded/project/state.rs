//! What the projector remembers between events, so that an event that changes
//! nothing reads nothing. All of it can be read back from the tables.
use hashbrown::HashMap;
use rusqlite::Connection;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;

use crate::{
    domain::{assertion::Digest, source::Source, time::Micros},
    store::{
        StoreError,
        embedded::{
            intern::Generations,
            schema::backend,
            topology::{NodeNo, PairNo, Side, SourceNo},
        },
    },
};

/// The open flows of one side of a (job, source).
#[derive(Clone, Debug, Default)]
pub struct StreamState {
    /// Dataset and since when, sorted by dataset.
    pub open: SmallVec<[(NodeNo, Micros); 4]>,
    /// The latest end of its closed intervals.
    pub end_max: Option<Micros>,
}

/// The last facet in force of a slot.
#[derive(Clone, Copy, Debug)]
pub struct SlotState {
    pub digest: Digest,
    pub deleted: bool,
    pub start: super::Stamp,
}

/// A facet slot: (node, name, owner).
pub type SlotKey = (NodeNo, u32, u32);

/// Bounded at about 20 MB each.
const CACHED_MAX: usize = 1 << 16;

pub struct State {
    pub(super) sources: HashMap<Source, SourceNo>,
    pub(super) facet_names: HashMap<Box<str>, u32>,
    /// By namespace the sources that name something in it.
    pub(super) speakers: HashMap<Box<str>, SmallVec<[SourceNo; 4]>>,
    pub(super) pairs: HashMap<(NodeNo, SourceNo), PairNo, FxBuildHasher>,
    /// The longest time from a run's start to one of its events, by pair.
    pub(super) spans: Vec<i64>,
    pub(super) streams: Generations<(PairNo, u8), StreamState>,
    pub(super) slots: Generations<SlotKey, SlotState>,
    /// The latest event time that named a node, or more.
    last: Vec<i64>,
    /// For nodes from before the start: no event is later than this.
    last_floor: i64,
    pub(super) run_next: u64,
    /// The (job, source) that the event at hand is the first of: nothing is stored of it yet.
    pub(super) fresh_pair: Option<PairNo>,
    pub(super) touched: super::drops::Touched,
    /// No drop is dated later.
    pub(super) last_drop: Micros,
}

impl State {
    /// Of a projection without a row.
    pub fn empty() -> Self {
        Self {
            sources: HashMap::default(),
            facet_names: HashMap::default(),
            speakers: HashMap::default(),
            pairs: HashMap::default(),
            spans: Vec::new(),
            streams: Generations::new(CACHED_MAX),
            slots: Generations::new(CACHED_MAX * 2),
            last: Vec::new(),
            last_floor: i64::MIN,
            run_next: 0,
            fresh_pair: None,
            touched: super::drops::Touched::default(),
            last_drop: crate::domain::time::DAWN,
        }
    }

    /// Reads what must be whole (sources, names, pairs); the rest comes as needed.
    ///
    /// # Errors
    /// The database's.
    pub fn load(db: &Connection) -> Result<Self, StoreError> {
        let mut state = Self::empty();
        (|| {
            let mut s = db.prepare("SELECT id, integration, producer FROM source")?;
            let mut rows = s.query([])?;
            while let Some(r) = rows.next()? {
                let source = Source { integration: r.get::<_, String>(1)?.into(), producer: r.get::<_, String>(2)?.into() };
                state.sources.insert(source, r.get(0)?);
            }
            let mut s = db.prepare("SELECT id, word FROM facet_name")?;
            let mut rows = s.query([])?;
            while let Some(r) = rows.next()? {
                state.facet_names.insert(r.get::<_, String>(1)?.into(), r.get(0)?);
            }
            let mut s = db.prepare("SELECT namespace, source FROM speaker")?;
            let mut rows = s.query([])?;
            while let Some(r) = rows.next()? {
                state.speakers.entry(r.get::<_, String>(0)?.into()).or_default().push(r.get(1)?);
            }
            let mut s = db.prepare("SELECT no, job, source, span_max FROM pair ORDER BY no")?;
            let mut rows = s.query([])?;
            while let Some(r) = rows.next()? {
                state.pairs.insert((r.get(1)?, r.get(2)?), r.get(0)?);
                state.spans.push(r.get(3)?);
            }
            state.last_floor = db.query_row("SELECT coalesce(max(time), -9223372036854775808) FROM entry", [], |r| r.get(0))?;
            let last_drop: Option<i64> = db.query_row("SELECT max(at) FROM life_end WHERE dropped", [], |r| r.get(0))?;
            state.last_drop = last_drop.map_or(crate::domain::time::DAWN, Micros);
            state.run_next = db.query_row("SELECT coalesce(max(rn) + 1, 0) FROM run", [], |r| r.get::<_, i64>(0))?.unsigned_abs();
            Ok(())
        })()
        .map_err(backend)?;
        Ok(state)
    }

    /// A pair's first event: all its streams are empty, and need not be read.
    pub(super) fn begin_pair(&mut self, pair: PairNo) {
        self.fresh_pair = Some(pair);
        for side in 0..4 {
            self.streams.insert((pair, side), StreamState::default());
        }
    }

    /// An event at `us` named the node.
    pub(super) fn seen(&mut self, node: NodeNo, us: Micros) {
        let i = node as usize;
        if self.last.len() <= i {
            self.last.resize(i + 1, self.last_floor);
        }
        if let Some(l) = self.last.get_mut(i) {
            *l = (*l).max(us.0);
        }
    }

    /// Whether every earlier event that named the node was before `us`.
    pub(super) fn is_last(&self, node: NodeNo, us: Micros) -> bool {
        self.last.get(node as usize).copied().unwrap_or(self.last_floor) < us.0
    }

    /// The open flows of a side.
    pub(super) fn stream(&mut self, db: &Connection, pair: PairNo, side: Side) -> Result<&mut StreamState, StoreError> {
        let key = (pair, side as u8);
        if self.streams.peek(&key).is_none() {
            let loaded = (|| {
                let mut s = db
                    .prepare_cached("SELECT dataset, vf, vu FROM flow WHERE pair = ?1 AND side = ?2 AND ru IS NULL ORDER BY dataset, vf")?;
                let mut rows = s.query((pair, side as u8))?;
                let mut state = StreamState::default();
                while let Some(r) = rows.next()? {
                    state.note(r.get(0)?, Micros(r.get(1)?), Micros(r.get(2)?));
                }
                Ok(state)
            })()
            .map_err(backend)?;
            self.streams.insert(key, loaded);
        }
        self.streams.get_mut(&key).ok_or(StoreError::Inconsistent { place: "memory of streams" })
    }
}

impl StreamState {
    /// No interval of any flow is stored.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.end_max.is_none()
    }

    /// An interval is there from now on.
    pub fn note(&mut self, dataset: NodeNo, from: Micros, until: Micros) {
        if until < crate::domain::time::FOREVER {
            self.end_max = self.end_max.max(Some(until));
        } else {
            match self.open.binary_search_by_key(&dataset, |o| o.0) {
                Ok(i) => {
                    if let Some(o) = self.open.get_mut(i) {
                        o.1 = from;
                    }
                }
                Err(i) => self.open.insert(i, (dataset, from)),
            }
        }
    }

    /// An open interval is there no longer.
    pub fn forget(&mut self, dataset: NodeNo, until: Micros) {
        if until == crate::domain::time::FOREVER
            && let Ok(i) = self.open.binary_search_by_key(&dataset, |o| o.0)
        {
            self.open.remove(i);
        }
    }
}
