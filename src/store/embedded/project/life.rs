//! The life of nodes: alive at t iff some event names the node by t, and no end
//! (drop, rename, retirement) lies between the start of that event's run and t.
use hashbrown::HashSet;
use rustc_hash::FxBuildHasher;

use super::{Projector, runs::RunChange};
use crate::{
    domain::{
        flow::{Interval, splice},
        id::EntryIndex,
        time::{DAWN, FOREVER, Micros},
    },
    store::{
        StoreError,
        embedded::{
            plan::RunShapes,
            schema::backend,
            topology::{AliasFact, AliasKind, LifeFact, NEVER, NodeNo, PairNo, position},
        },
    },
};

impl Projector<'_> {
    /// An event at `at`, of a run that started at `start`, names the node.
    pub(super) fn witness(&mut self, ix: EntryIndex, node: NodeNo, start: Micros, at: Micros) -> Result<(), StoreError> {
        if !self.topology.has_ends(node) {
            let now = self.topology.lives_of(node).find(|l| l.recorded_until == NEVER);
            return match now {
                Some(l) if l.valid_from <= at => Ok(()),
                _ => self.splice_life(ix, node, at, FOREVER, &[Interval { from: at, until: FOREVER, by: ix }]),
            };
        }
        let until = self.next_cut(node, start)?;
        if at < until {
            self.splice_life(ix, node, at, until, &[Interval { from: at, until, by: ix }])?;
        } else if at == until {
            self.restate_birth(ix, node, at)?;
        }
        Ok(())
    }

    /// The node's life ends at `at`, for every source: by a drop, or a rename away.
    pub(super) fn end(&mut self, ix: EntryIndex, node: NodeNo, at: Micros, dropped: bool) -> Result<(), StoreError> {
        let known: Option<bool> = self
            .db
            .prepare_cached("SELECT max(dropped) FROM life_end WHERE node = ?1 AND at = ?2")
            .and_then(|mut s| s.query_row((node, at.0), |r| r.get(0)))
            .map_err(backend)?;
        if known.is_some_and(|known| known >= dropped) {
            return Ok(());
        }
        self.db
            .prepare_cached("INSERT INTO life_end(node, at, ix, dropped) VALUES(?1, ?2, ?3, ?4)")
            .and_then(|mut s| s.execute((node, at.0, ix, dropped)))
            .map_err(backend)?;
        self.topology.mark_ends(node);
        if dropped {
            self.state.last_drop = self.state.last_drop.max(at);
        }
        // The incarnation in which it falls is two from now on.
        self.state.touched.touch(node, self.last_end_before(node, at)?);
        if known.is_none() {
            if let Some(birth) = self.birth_at(node, at) {
                self.end_stretch(ix, node, &birth)?;
            }
            self.restate_after(ix, node, at)?;
        }
        Ok(())
    }

    /// `old` is `new` from `at` on: the life that ends goes on under the new name.
    pub(super) fn rename(&mut self, ix: EntryIndex, old: NodeNo, new: NodeNo, at: Micros) -> Result<(), StoreError> {
        self.add_alias(&AliasFact {
            slot: 0,
            a: old,
            b: new,
            kind: AliasKind::Rename,
            owner: 0,
            valid_from: at,
            valid_until: FOREVER,
            recorded_from: position(ix),
            recorded_until: NEVER,
        })
    }

    pub(super) fn add_alias(&mut self, f: &AliasFact) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO alias(a, b, kind, owner, vf, rf, vu, ru) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL) ON CONFLICT DO UPDATE SET vu = ?7, ru = NULL",
            )
            .and_then(|mut s| s.execute((f.a, f.b, f.kind as u8, f.owner, f.valid_from.0, f.recorded_from, f.valid_until.0)))
            .map_err(backend)?;
        self.state.touched.touch(f.a, f.valid_from);
        self.state.touched.touch(f.b, f.valid_from);
        self.topology.mark(f.a, f.recorded_from.into());
        self.topology.mark(f.b, f.recorded_from.into());
        self.topology.add_alias(f).map(|_| ()).ok_or(StoreError::Inconsistent { place: "memory of aliases is full" })
    }

    /// A run turned out to have started earlier: what it names no longer
    /// survives ends that lie in between.
    pub(super) fn restate_lives_of_run(&mut self, ix: EntryIndex, run: &RunChange, was: Micros) -> Result<(), StoreError> {
        let mut named: HashSet<NodeNo, FxBuildHasher> = HashSet::default();
        for (shape, ..) in &run.new.shapes.0 {
            named.extend(self.plan(*shape)?.named.iter().copied());
        }
        for node in named {
            if !self.topology.has_ends(node) {
                continue;
            }
            for end in self.cuts_in(node, run.new.start, was)? {
                self.restate_after(ix, node, end)?;
            }
            if let Some(first) = self.first_of_shapes(&run.new.shapes, node)? {
                self.witness(ix, node, run.new.start, first)?;
            }
        }
        Ok(())
    }

    /// States anew the life between a cut and the next one: it begins with the
    /// first naming by a run that started after that cut.
    fn restate_after(&mut self, ix: EntryIndex, node: NodeNo, cut: Micros) -> Result<(), StoreError> {
        let until = self.next_cut(node, Micros(cut.0.saturating_add(1)))?;
        let first = self.first_naming(node, cut, until)?;
        let pieces: Vec<Interval> = first.map(|from| Interval { from, until, by: ix }).into_iter().collect();
        if until < FOREVER {
            self.restate_birth(ix, node, until)?;
        }
        self.splice_life(ix, node, cut, until, &pieces)
    }

    /// States anew the life around a drop that reaches the node from now on, or no longer.
    pub(super) fn restate_around(&mut self, ix: EntryIndex, node: NodeNo, at: Micros) -> Result<(), StoreError> {
        let cut = self.last_cut(node, at)?;
        if cut == at {
            self.restate_birth(ix, node, at)?;
        } else if let Some(birth) = self.birth_at(node, at) {
            self.end_stretch(ix, node, &birth)?;
        }
        self.restate_after(ix, node, cut)
    }

    /// An incarnation may be named first at the very instant of a drop that reaches
    /// it: it was begun, though it never lived. A stretch of no length says so.
    fn restate_birth(&mut self, ix: EntryIndex, node: NodeNo, at: Micros) -> Result<(), StoreError> {
        let before = self.last_end_before(node, at)?;
        let begun = !self.is_own_end(node, at)? && self.first_naming(node, before, Micros(at.0.saturating_add(1)))? == Some(at);
        match self.birth_at(node, at) {
            None if begun => self.begin_stretch(ix, node, at, at),
            Some(birth) if !begun => self.end_stretch(ix, node, &birth),
            _ => Ok(()),
        }
    }

    fn birth_at(&self, node: NodeNo, at: Micros) -> Option<LifeFact> {
        self.topology.lives_of(node).find(|l| l.recorded_until == NEVER && l.valid_from == at && l.valid_until == at)
    }

    fn is_own_end(&self, node: NodeNo, at: Micros) -> Result<bool, StoreError> {
        self.db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM life_end WHERE node = ?1 AND at = ?2)")
            .and_then(|mut s| s.query_row((node, at.0), |r| r.get(0)))
            .map_err(backend)
    }

    /// The last end, or drop that reaches the node's life, up to an instant.
    fn last_cut(&self, node: NodeNo, at: Micros) -> Result<Micros, StoreError> {
        let cut: Option<i64> = self
            .db
            .prepare_cached(
                "SELECT max(at) FROM (SELECT at FROM life_end WHERE node = ?1 AND at <= ?2 \
                 UNION ALL SELECT at FROM life_drop WHERE node = ?1 AND at <= ?2 AND until >= at AND ru IS NULL)",
            )
            .and_then(|mut s| s.query_row((node, at.0), |r| r.get(0)))
            .map_err(backend)?;
        Ok(cut.map_or(DAWN, Micros))
    }

    fn last_end_before(&self, node: NodeNo, at: Micros) -> Result<Micros, StoreError> {
        let last: Option<i64> = self
            .db
            .prepare_cached("SELECT max(at) FROM life_end WHERE node = ?1 AND at < ?2")
            .and_then(|mut s| s.query_row((node, at.0), |r| r.get(0)))
            .map_err(backend)?;
        Ok(last.map_or(DAWN, Micros))
    }

    /// The first end, or drop that reaches the node's life, at or after an instant.
    fn next_cut(&self, node: NodeNo, at: Micros) -> Result<Micros, StoreError> {
        let next: Option<i64> = self
            .db
            .prepare_cached(
                "SELECT min(at) FROM (SELECT at FROM life_end WHERE node = ?1 AND at >= ?2 \
                 UNION ALL SELECT at FROM life_drop WHERE node = ?1 AND at >= ?2 AND until >= at AND ru IS NULL)",
            )
            .and_then(|mut s| s.query_row((node, at.0), |r| r.get(0)))
            .map_err(backend)?;
        Ok(next.map_or(FOREVER, Micros))
    }

    fn cuts_in(&self, node: NodeNo, from: Micros, until: Micros) -> Result<Vec<Micros>, StoreError> {
        self.db
            .prepare_cached(
                "SELECT at FROM life_end WHERE node = ?1 AND at >= ?2 AND at < ?3 \
                 UNION SELECT at FROM life_drop WHERE node = ?1 AND at >= ?2 AND at < ?3 AND until >= at AND ru IS NULL",
            )
            .and_then(|mut s| s.query_map((node, from.0, until.0), |r| r.get(0).map(Micros))?.collect())
            .map_err(backend)
    }

    /// The earliest event that names the node, of those whose run started after
    /// `after` and that come before `before`.
    fn first_naming(&self, node: NodeNo, after: Micros, before: Micros) -> Result<Option<Micros>, StoreError> {
        let mut best = before;
        for pair in self.pairs_naming(node)? {
            self.first_in_runs(pair, node, after, &mut best)?;
            self.first_in(
                "SELECT us, shape FROM design WHERE pair = ?1 AND us > ?2 AND us < ?3 ORDER BY us",
                pair,
                node,
                after,
                &mut best,
            )?;
        }
        for dataset in self.namers(node, 1)?.into_iter().chain([node]) {
            self.first_in(
                "SELECT us, shape FROM dataset_event WHERE node = ?1 AND us > ?2 AND us < ?3 ORDER BY us",
                dataset,
                node,
                after,
                &mut best,
            )?;
        }
        Ok((best < before).then_some(best))
    }

    fn first_in_runs(&self, pair: PairNo, node: NodeNo, after: Micros, best: &mut Micros) -> Result<(), StoreError> {
        (|| -> Result<(), StoreError> {
            let mut s = self
                .db
                .prepare_cached("SELECT start, shapes FROM run WHERE pair = ?1 AND start > ?2 AND start < ?3 ORDER BY start")
                .map_err(backend)?;
            // Read row by row: what lies beyond the answer is not read.
            let mut rows = s.query((pair, after.0, best.0)).map_err(backend)?;
            while let Some(r) = rows.next().map_err(backend)? {
                let (start, shapes): (i64, Vec<u8>) = (r.get(0).map_err(backend)?, r.get(1).map_err(backend)?);
                if Micros(start) >= *best {
                    break;
                }
                if let Some(first) = self.first_of_shapes(&RunShapes::decode(&shapes, start)?, node)? {
                    *best = first.min(*best);
                }
            }
            Ok(())
        })()
    }

    fn first_in(&self, sql: &str, key: u32, node: NodeNo, after: Micros, best: &mut Micros) -> Result<(), StoreError> {
        let rows: Vec<(i64, u32)> = self
            .db
            .prepare_cached(sql)
            .and_then(|mut s| s.query_map((key, after.0, best.0), |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
            .map_err(backend)?;
        for (us, shape) in rows {
            if self.plan(shape)?.names(node) {
                *best = Micros(us).min(*best);
                break;
            }
        }
        Ok(())
    }

    /// The first event of a run that names the node.
    fn first_of_shapes(&self, shapes: &RunShapes, node: NodeNo) -> Result<Option<Micros>, StoreError> {
        let mut first: Option<Micros> = None;
        for (shape, us, _) in &shapes.0 {
            if self.plan(*shape)?.names(node) {
                first = Some(first.map_or(Micros(*us), |f| f.min(Micros(*us))));
            }
        }
        Ok(first)
    }

    /// The (job, source) pairs whose events may name a node.
    pub(super) fn pairs_naming(&self, node: NodeNo) -> Result<HashSet<PairNo, FxBuildHasher>, StoreError> {
        let mut pairs: HashSet<PairNo, FxBuildHasher> = HashSet::default();
        for list in 0..2 {
            pairs.extend(self.topology.flows_of(node, list).map(|f| f.pair));
        }
        pairs.extend(self.namers(node, 0)?);
        Ok(pairs)
    }

    /// What names the node beside: pairs (0) or datasets (1).
    fn namers(&self, node: NodeNo, kind: u32) -> Result<Vec<u32>, StoreError> {
        self.db
            .prepare_cached("SELECT by / 2 FROM naming WHERE node = ?1 AND by % 2 = ?2")
            .and_then(|mut s| s.query_map((node, kind), |r| r.get(0))?.collect())
            .map_err(backend)
    }

    fn splice_life(&mut self, ix: EntryIndex, node: NodeNo, from: Micros, until: Micros, pieces: &[Interval]) -> Result<(), StoreError> {
        let lived = |l: &LifeFact| l.recorded_until == NEVER && l.valid_from < l.valid_until;
        let mut facts: Vec<LifeFact> =
            self.topology.lives_of(node).filter(|l| lived(l) && l.valid_until >= from && l.valid_from <= until).collect();
        facts.sort_by_key(|l| l.valid_from);
        let current: Vec<Interval> =
            facts.iter().map(|l| Interval { from: l.valid_from, until: l.valid_until, by: l.recorded_from.into() }).collect();
        let change = splice(&current, from, until, pieces);
        // What a name means at a drop may depend on when its lives began.
        if let Some(first) = change.ended.iter().chain(&change.begun).map(|i| i.from).min()
            && self.topology.has_ends(node)
            && self.topology.has_aliases(node)
        {
            self.state.touched.touch(node, first);
        }
        for i in &change.ended {
            let fact = facts.iter().find(|f| f.valid_from == i.from).ok_or(StoreError::Inconsistent { place: "memory of lives" })?;
            self.end_stretch(ix, node, fact)?;
        }
        for i in &change.begun {
            self.begin_stretch(ix, node, i.from, i.until)?;
        }
        Ok(())
    }

    fn end_stretch(&self, ix: EntryIndex, node: NodeNo, fact: &LifeFact) -> Result<(), StoreError> {
        self.db
            .prepare_cached("UPDATE life SET ru = ?5 WHERE node = ?1 AND vf = ?2 AND rf = ?3 AND vu = ?4 AND ru IS NULL")
            .and_then(|mut s| s.execute((node, fact.valid_from.0, fact.recorded_from, fact.valid_until.0, ix)))
            .map_err(backend)?;
        self.topology.end_life(fact.slot, ix);
        self.topology.mark(node, ix);
        Ok(())
    }

    fn begin_stretch(&self, ix: EntryIndex, node: NodeNo, from: Micros, until: Micros) -> Result<(), StoreError> {
        self.db
            .prepare_cached("INSERT INTO life(node, vf, rf, vu, ru) VALUES(?1, ?2, ?3, ?4, NULL) ON CONFLICT DO UPDATE SET ru = NULL")
            .and_then(|mut s| s.execute((node, from.0, ix, until.0)))
            .map_err(backend)?;
        if !self.is_first_named_by(node, ix) {
            self.topology.mark(node, ix);
        }
        self.topology
            .add_life(node, &LifeFact { slot: 0, valid_from: from, valid_until: until, recorded_from: position(ix), recorded_until: NEVER })
            .map(|_| ())
            .ok_or(StoreError::Inconsistent { place: "memory of lives is full" })
    }
}
