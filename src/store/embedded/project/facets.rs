//! Facets in force: per node, name and owner the latest by (time, rank, digest).
//!
//! A stretch of equal assertions is one row; that an event repeats what is in
//! force writes nothing. Only when a late event *differs* from what is in force
//! at its time must the next repetition after it be found again, in the runs.
use rusqlite::OptionalExtension;
use smallvec::SmallVec;

use super::{Projector, Stamp, state::SlotState};
use crate::{
    domain::{
        assertion::{Assertion, Digest, Entity},
        id::{EntryIndex, Handle, NodeId},
        sight::Sensitivity,
        time::{FOREVER, Micros},
    },
    store::{
        StoreError,
        embedded::{
            plan::{Plan, PlanFacet, RunShapes, owner_of_source},
            read::SEARCHED,
            schema::backend,
            topology::{AliasFact, AliasKind, NEVER, NodeNo, PairNo, position},
        },
        write::EntityIds,
    },
};

/// People responsible: what counts is who they are, not the facet's bytes.
pub(super) const OWNERSHIP: &str = "ownership";
/// Which may say how sensitive what they are on is.
const TAGS: &str = "tags";

/// A stored stretch.
#[derive(Clone, Debug)]
struct Row {
    start: Stamp,
    rf: u64,
    until: Micros,
    digest: Digest,
    deleted: bool,
    blob: Option<u32>,
    by: EntryIndex,
}

impl Row {
    fn says_as(&self, f: &PlanFacet) -> bool {
        self.digest == f.digest && self.deleted == f.deleted
    }
}

const COLUMNS: &str = "vf, tie, rf, vu, digest, deleted, blob, by";

fn row(r: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        start: Stamp { us: Micros(r.get(0)?), tie: r.get(1)? },
        rf: r.get(2)?,
        until: Micros(r.get(3)?),
        digest: r.get(4)?,
        deleted: r.get(5)?,
        blob: r.get(6)?,
        by: r.get(7)?,
    })
}

impl Projector<'_> {
    /// Asserts every facet of the event; tells whose ownership changed.
    pub(super) fn apply_facets(
        &mut self,
        ix: EntryIndex,
        stamp: Stamp,
        a: &Assertion,
        ids: &EntityIds,
        plan: &Plan,
    ) -> Result<SmallVec<[Handle; 1]>, StoreError> {
        let mut owned: SmallVec<[NodeNo; 2]> = SmallVec::new();
        let ownership = self.state.facet_names.get(OWNERSHIP).copied();
        for f in &plan.facets {
            if self.assert_facet(ix, stamp, f, true)? {
                self.classify(stamp, a, f)?;
                if Some(f.name) == ownership {
                    owned.push(f.node);
                }
            }
        }
        let mut concerns: SmallVec<[Handle; 1]> = SmallVec::new();
        let mut varying: SmallVec<[PlanFacet; 2]> = SmallVec::new();
        let entities = a
            .job
            .iter()
            .zip(ids.job.iter())
            .chain(a.inputs.iter().flatten().zip(&ids.inputs))
            .chain(a.outputs.iter().flatten().zip(&ids.outputs))
            .chain(a.dataset.iter().zip(ids.dataset.iter()));
        for (entity, id) in entities {
            // What varies by event stands in no plan.
            if owned.is_empty() && entity.facets.iter().all(|f| f.interned || &*f.name == OWNERSHIP) {
                continue;
            }
            let node = self.known(*id)?;
            if owned.contains(&node) {
                for owner in entity.owners.iter().flatten() {
                    if !concerns.contains(&owner.handle) {
                        concerns.push(owner.handle);
                    }
                }
            }
            for f in entity.facets.iter().filter(|f| !f.interned && &*f.name != OWNERSHIP) {
                let facet = PlanFacet {
                    node,
                    name: self.facet_name(&f.name)?,
                    owner: owner_of_source(plan.source),
                    digest: f.digest,
                    deleted: f.deleted,
                    blob: None,
                    symlinks: SmallVec::new(),
                };
                // A dataset on both sides asserts each facet once, as its output side has it.
                match varying.iter_mut().find(|v| (v.node, v.name) == (facet.node, facet.name)) {
                    Some(v) => *v = facet,
                    None => varying.push(facet),
                }
            }
        }
        for f in &varying {
            self.assert_facet(ix, stamp, f, false)?;
            self.classify(stamp, a, f)?;
        }
        Ok(concerns)
    }

    /// Remembers how sensitive the latest tags of an owner call a name.
    fn classify(&self, stamp: Stamp, a: &Assertion, f: &PlanFacet) -> Result<(), StoreError> {
        if self.state.facet_names.get(TAGS) != Some(&f.name) {
            return Ok(());
        }
        let last = self.state.slots.peek(&(f.node, f.name, f.owner));
        if last.is_none_or(|last| last.start != stamp || last.digest != f.digest) {
            return Ok(());
        }
        // Equal tags say the same, whichever entity of the event has them.
        let says = |e: &&Entity| e.facets.iter().any(|tags| &*tags.name == TAGS && tags.digest == f.digest);
        let level = a.entities().filter(|_| !f.deleted).find(says).and_then(|e| e.sensitivity).unwrap_or_default();
        if self.topology.classify(f.node, f.owner, level) == level {
            return Ok(());
        }
        let sql = match level {
            Sensitivity::Public => "DELETE FROM sensitivity WHERE node = ?1 AND owner = ?2 AND ?3 = 0",
            _ => "INSERT INTO sensitivity(node, owner, level) VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET level = ?3",
        };
        self.db.prepare_cached(sql).and_then(|mut s| s.execute((f.node, f.owner, level as u8))).map(drop).map_err(backend)
    }

    /// Whether what a facet says is what artifacts are found by.
    fn is_searched(&self, name: u32) -> bool {
        SEARCHED.iter().any(|word| self.state.facet_names.get(*word) == Some(&name))
    }

    /// Nothing was known of the node before this very event.
    pub(super) fn is_first_named_by(&self, node: NodeNo, ix: EntryIndex) -> bool {
        self.topology.node(node).is_some_and(|n| n.recorded_from == position(ix))
    }

    fn known(&self, id: NodeId) -> Result<NodeNo, StoreError> {
        self.topology.find_any(id).ok_or(StoreError::Inconsistent { place: "memory of nodes" })
    }

    /// Asserts one facet. `planned`: repetitions of it can be found in the runs,
    /// so equal ones need no row; the others have a row for each assertion. True when what is in force changed.
    fn assert_facet(&mut self, ix: EntryIndex, stamp: Stamp, f: &PlanFacet, planned: bool) -> Result<bool, StoreError> {
        let key = (f.node, f.name, f.owner);
        if planned
            && let Some(last) = self.state.slots.get(&key)
            && last.digest == f.digest
            && last.deleted == f.deleted
            && last.start <= stamp
        {
            return Ok(false);
        }
        // Of a node that this very event names first, nothing is stored.
        let fresh = self.is_first_named_by(f.node, ix);
        if !fresh && self.is_searched(f.name) {
            self.topology.mark(f.node, ix);
        }
        let floor = if fresh { None } else { self.neighbour(f, stamp, "<=", "DESC")? };
        if planned && floor.as_ref().is_some_and(|r| r.says_as(f)) {
            return Ok(false);
        }
        let next = if fresh { None } else { self.neighbour(f, stamp, ">", "ASC")? };
        let end = next.as_ref().map_or(FOREVER, |n| n.start.us);
        let mut new = Row { start: stamp, rf: ix, until: end, digest: f.digest, deleted: f.deleted, blob: f.blob, by: ix };
        let mut again = None;
        if let Some(before) = &floor {
            if planned
                && !self.state.is_last(f.node, stamp.us)
                && let Some((at, by)) = self.next_assertion(f, before, stamp, end, ix)?
            {
                if at.us == stamp.us {
                    // Something greater at the same instant says what was in force.
                    self.pass_over(ix, f, &new)?;
                    return Ok(false);
                }
                again = Some(Row { start: at, rf: ix, until: before.until, by, ..before.clone() });
                new.until = at.us;
            }
            let symlinks = self.symlinks_of(f, before);
            self.end_row(ix, f, before)?;
            if before.start.us < stamp.us {
                self.begin_row(ix, f, &Row { rf: ix, until: stamp.us, ..before.clone() }, &symlinks)?;
            }
            if let Some(again) = &again {
                self.begin_row(ix, f, again, &symlinks)?;
            }
        }
        // An equal stretch right behind is one with this one.
        if planned
            && again.is_none()
            && let Some(behind) = next.as_ref().filter(|n| n.says_as(f))
        {
            new.until = behind.until;
            self.end_row(ix, f, behind)?;
        }
        if new.start.us < new.until {
            self.begin_row(ix, f, &new, &f.symlinks)?;
        } else {
            self.pass_over(ix, f, &new)?;
        }
        if next.is_none() && again.is_none() && new.start.us < new.until {
            self.state.slots.insert(key, SlotState { digest: f.digest, deleted: f.deleted, start: stamp });
        } else {
            self.remember_last(f)?;
        }
        Ok(true)
    }

    fn neighbour(&self, f: &PlanFacet, stamp: Stamp, than: &str, order: &str) -> Result<Option<Row>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM facet WHERE node = ?1 AND name = ?2 AND owner = ?3 AND (vf, tie) {than} (?4, ?5) AND ru IS NULL \
             ORDER BY vf {order}, tie {order} LIMIT 1"
        );
        self.db
            .prepare_cached(&sql)
            .and_then(|mut s| s.query_row((f.node, f.name, f.owner, stamp.us.0, &stamp.tie[..]), row).optional())
            .map_err(backend)
    }

    fn remember_last(&mut self, f: &PlanFacet) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM facet WHERE node = ?1 AND name = ?2 AND owner = ?3 AND ru IS NULL ORDER BY vf DESC, tie DESC LIMIT 1"
        );
        let last =
            self.db.prepare_cached(&sql).and_then(|mut s| s.query_row((f.node, f.name, f.owner), row).optional()).map_err(backend)?;
        let key = (f.node, f.name, f.owner);
        match last {
            Some(r) => self.state.slots.insert(key, SlotState { digest: r.digest, deleted: r.deleted, start: r.start }),
            None => self.state.slots.remove(&key),
        }
        Ok(())
    }

    fn end_row(&mut self, ix: EntryIndex, f: &PlanFacet, r: &Row) -> Result<(), StoreError> {
        self.db
            .prepare_cached("UPDATE facet SET ru = ?7 WHERE node = ?1 AND name = ?2 AND owner = ?3 AND vf = ?4 AND tie = ?5 AND rf = ?6")
            .and_then(|mut s| s.execute((f.node, f.name, f.owner, r.start.us.0, &r.start.tie[..], r.rf, ix)))
            .map_err(backend)?;
        let ended: Vec<AliasFact> = self.aliases_of_row(f, r).collect();
        for alias in ended {
            self.db
                .prepare_cached("UPDATE alias SET ru = ?7 WHERE a = ?1 AND b = ?2 AND kind = ?3 AND owner = ?4 AND vf = ?5 AND rf = ?6")
                .and_then(|mut s| s.execute((alias.a, alias.b, alias.kind as u8, alias.owner, alias.valid_from.0, alias.recorded_from, ix)))
                .map_err(backend)?;
            self.topology.end_alias(alias.slot, ix);
            self.topology.mark(alias.a, ix);
            self.topology.mark(alias.b, ix);
            self.state.touched.touch(alias.a, alias.valid_from);
            self.state.touched.touch(alias.b, alias.valid_from);
        }
        Ok(())
    }

    fn begin_row(&mut self, ix: EntryIndex, f: &PlanFacet, r: &Row, symlinks: &[(NodeNo, bool)]) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO facet(node, name, owner, vf, tie, rf, vu, ru, digest, deleted, blob, by) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, NULL, ?8, ?9, ?10, ?11) \
                 ON CONFLICT DO UPDATE SET vu = ?7, ru = NULL, digest = ?8, deleted = ?9, blob = ?10, by = ?11",
            )
            .and_then(|mut s| {
                s.execute(rusqlite::params![
                    f.node,
                    f.name,
                    f.owner,
                    r.start.us.0,
                    &r.start.tie[..],
                    ix,
                    r.until.0,
                    &r.digest[..],
                    r.deleted,
                    r.blob,
                    r.by
                ])
            })
            .map_err(backend)?;
        for (other, location) in symlinks {
            self.add_alias(&AliasFact {
                slot: 0,
                a: f.node,
                b: *other,
                kind: if *location { AliasKind::Location } else { AliasKind::Symlink },
                owner: f.owner + 1,
                valid_from: r.start.us,
                valid_until: r.until,
                recorded_from: position(ix),
                recorded_until: NEVER,
            })?;
        }
        Ok(())
    }

    /// What is in force at no instant (something greater has the same time) leaves
    /// a row that no size sees: the fields that it names are named all the same.
    fn pass_over(&self, ix: EntryIndex, f: &PlanFacet, r: &Row) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO facet(node, name, owner, vf, tie, rf, vu, ru, digest, deleted, blob, by) \
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?4, ?6, ?7, ?8, ?9, ?6) ON CONFLICT DO NOTHING",
            )
            .and_then(|mut s| s.execute((f.node, f.name, f.owner, r.start.us.0, &r.start.tie[..], ix, &r.digest[..], r.deleted, r.blob)))
            .map(|_| ())
            .map_err(backend)
    }

    /// The alias facts that a row of `symlinks` made.
    fn aliases_of_row<'b>(&'b self, f: &'b PlanFacet, r: &'b Row) -> impl Iterator<Item = AliasFact> + 'b {
        let symlinks = self.state.facet_names.get("symlinks") == Some(&f.name);
        let rf = position(r.rf);
        self.topology.aliases_of(f.node).filter(move |a| {
            symlinks
                && a.a == f.node
                && a.kind != AliasKind::Rename
                && a.owner == f.owner + 1
                && a.valid_from == r.start.us
                && a.recorded_from == rf
                && a.recorded_until == NEVER
        })
    }

    fn symlinks_of(&self, f: &PlanFacet, r: &Row) -> SmallVec<[(NodeNo, bool); 1]> {
        self.aliases_of_row(f, r).map(|a| (a.b, a.kind == AliasKind::Location)).collect()
    }

    /// The first repetition of `before` after `stamp` and before `end`: who
    /// asserted the same again, so that it is in force again from then on.
    fn next_assertion(
        &self,
        f: &PlanFacet,
        before: &Row,
        stamp: Stamp,
        end: Micros,
        ix: EntryIndex,
    ) -> Result<Option<(Stamp, EntryIndex)>, StoreError> {
        let wanted = PlanFacet { digest: before.digest, deleted: before.deleted, ..f.clone() };
        let mut best: Option<(Stamp, EntryIndex)> = None;
        let pairs: Vec<PairNo> = if f.owner % 2 == 1 {
            vec![f.owner / 2]
        } else {
            let source = f.owner / 2;
            self.pairs_naming(f.node)?.into_iter().filter(|p| self.topology.pair(*p).is_some_and(|(_, s)| s == source)).collect()
        };
        let asserts = |plan: &Plan| {
            plan.facet(wanted.node, wanted.name, wanted.owner).is_some_and(|p| p.digest == wanted.digest && p.deleted == wanted.deleted)
        };
        for pair in pairs {
            let span = self.state.spans.get(pair as usize).copied().unwrap_or(0);
            let from = stamp.us.0.saturating_sub(span);
            let mut s = self
                .db
                .prepare_cached(
                    "SELECT start, rn, first_ix, shapes FROM run WHERE pair = ?1 AND start >= ?2 AND start <= ?3 ORDER BY start",
                )
                .map_err(backend)?;
            let mut rows = s.query((pair, from, end.0)).map_err(backend)?;
            while let Some(r) = rows.next().map_err(backend)? {
                let (start, rn, first_ix): (i64, u64, u64) =
                    (r.get(0).map_err(backend)?, r.get(1).map_err(backend)?, r.get(2).map_err(backend)?);
                if best.is_some_and(|(b, _)| start > b.us.0) {
                    break;
                }
                let shapes = RunShapes::decode(&r.get::<_, Vec<u8>>(3).map_err(backend)?, start)?;
                let mut any = false;
                for (shape, ..) in &shapes.0 {
                    any |= asserts(&*self.plan(*shape)?);
                }
                if any {
                    self.next_in_run(rn, first_ix, &asserts, stamp, end, ix, &mut best)?;
                }
            }
            drop(rows);
            drop(s);
            self.next_in_events(
                "SELECT us, digest, ix, shape FROM design WHERE pair = ?1 AND us >= ?2 AND us <= ?3 ORDER BY us, digest",
                pair,
                &asserts,
                stamp,
                end,
                ix,
                &mut best,
            )?;
        }
        self.next_in_events(
            "SELECT us, digest, ix, shape FROM dataset_event WHERE node = ?1 AND us >= ?2 AND us <= ?3 ORDER BY us, digest",
            f.node,
            &asserts,
            stamp,
            end,
            ix,
            &mut best,
        )?;
        Ok(best.filter(|(at, _)| at.us < end))
    }

    #[expect(clippy::too_many_arguments, reason = "a search with its bounds")]
    fn next_in_run(
        &self,
        rn: u64,
        first_ix: u64,
        asserts: &dyn Fn(&Plan) -> bool,
        stamp: Stamp,
        end: Micros,
        ix: EntryIndex,
        best: &mut Option<(Stamp, EntryIndex)>,
    ) -> Result<(), StoreError> {
        let events: Vec<(u64, i64, u32)> = self
            .db
            .prepare_cached(
                "SELECT ix, time, shape FROM entry WHERE ix = ?1 UNION ALL \
                 SELECT e.ix, e.time, e.shape FROM run_event r JOIN entry e ON e.ix = r.ix WHERE r.rn = ?2",
            )
            .and_then(|mut s| s.query_map((first_ix, rn), |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?.collect())
            .map_err(backend)?;
        for (event, us, shape) in events {
            if event == ix || us < stamp.us.0 || us > end.0 || best.is_some_and(|(b, _)| us > b.us.0) {
                continue;
            }
            let plan = self.plan(shape)?;
            if asserts(&plan) {
                let at = Stamp::new(Micros(us), plan.rank, &self.digests.digest_of(self.db, event)?);
                if at > stamp && best.is_none_or(|(b, _)| at < b) {
                    *best = Some((at, event));
                }
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "a search with its bounds")]
    fn next_in_events(
        &self,
        sql: &str,
        key: u32,
        asserts: &dyn Fn(&Plan) -> bool,
        stamp: Stamp,
        end: Micros,
        ix: EntryIndex,
        best: &mut Option<(Stamp, EntryIndex)>,
    ) -> Result<(), StoreError> {
        let rows: Vec<(i64, Digest, u64, u32)> = self
            .db
            .prepare_cached(sql)
            .and_then(|mut s| s.query_map((key, stamp.us.0, end.0), |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?.collect())
            .map_err(backend)?;
        for (us, digest, event, shape) in rows {
            let plan = self.plan(shape)?;
            let at = Stamp::new(Micros(us), plan.rank, &digest);
            if event != ix && at > stamp && asserts(&plan) {
                if best.is_none_or(|(b, _)| at < b) {
                    *best = Some((at, event));
                }
                break;
            }
        }
        Ok(())
    }
}
