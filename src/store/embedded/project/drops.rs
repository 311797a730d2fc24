//! What a drop ends: the name, and every name joined with it at that time. A node
//! is the class of names, whichever of them the drop is told of.
//!
//! Which incarnations a drop reaches is a fact of its own, stated anew when a
//! link, an end or a life changes at or before a drop among names that are joined
//! somehow. Nothing is read while no drop is that late, so ordinary events pay
//! nothing, also those that bring new links.
use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashSet;
use rustc_hash::FxBuildHasher;

use super::Projector;
use crate::{
    domain::{
        id::EntryIndex,
        lineage::AsOf,
        time::{DAWN, Micros},
    },
    store::{
        StoreError,
        embedded::{
            read::classes::Classes,
            schema::backend,
            topology::{NEVER, NodeNo, position},
        },
    },
};

/// Names whose links, ends or lives the event at hand changes.
#[derive(Debug, Default)]
pub struct Touched {
    names: Vec<NodeNo>,
    /// The earliest time of a change.
    from: Option<Micros>,
}

impl Touched {
    pub fn touch(&mut self, node: NodeNo, from: Micros) {
        self.names.push(node);
        self.from = Some(self.from.map_or(from, |f| f.min(from)));
    }
}

impl Projector<'_> {
    /// States anew what the drops reach that the event may have changed.
    pub(super) fn restate_drops(&mut self, ix: EntryIndex) -> Result<(), StoreError> {
        let Touched { names, from } = std::mem::take(&mut self.state.touched);
        let Some(from) = from.filter(|from| *from <= self.state.last_drop) else { return Ok(()) };
        let joined = self.joined_somehow(ix, names);
        for (at, dropped) in self.drops_of(&joined, from)? {
            let reached = self.reached_by(ix, at, &dropped)?;
            for node in &joined {
                self.reach(ix, *node, at, &reached)?;
            }
        }
        Ok(())
    }

    /// All names that links join to these, at whatever time.
    fn joined_somehow(&self, ix: EntryIndex, names: Vec<NodeNo>) -> Vec<NodeNo> {
        let mut joined = names;
        let mut seen: HashSet<NodeNo, FxBuildHasher> = HashSet::default();
        joined.retain(|n| seen.insert(*n));
        let mut i = 0;
        while let Some(node) = joined.get(i).copied() {
            i += 1;
            // Also by links that this very event took back.
            let now = |until: u32| until == NEVER || until == position(ix);
            for a in self.topology.aliases_of(node).filter(|a| now(a.recorded_until)) {
                let other = if a.a == node { a.b } else { a.a };
                if seen.insert(other) {
                    joined.push(other);
                }
            }
        }
        joined
    }

    /// The drops of names from an instant on, in order of time.
    fn drops_of(&self, names: &[NodeNo], from: Micros) -> Result<BTreeMap<Micros, Vec<NodeNo>>, StoreError> {
        let mut drops: BTreeMap<Micros, Vec<NodeNo>> = BTreeMap::new();
        for node in names.iter().filter(|n| self.topology.has_ends(**n)) {
            self.db
                .prepare_cached("SELECT DISTINCT at FROM life_end WHERE node = ?1 AND at >= ?2 AND dropped")
                .and_then(|mut s| {
                    for at in s.query_map((node, from.0), |r| r.get(0).map(Micros))? {
                        drops.entry(at?).or_default().push(*node);
                    }
                    Ok(())
                })
                .map_err(backend)?;
        }
        Ok(drops)
    }

    /// The incarnations, by name and end, that the drops of an instant reach. A drop
    /// of a name that has ended already, and means nothing else yet, reaches no other.
    fn reached_by(&self, ix: EntryIndex, at: Micros, dropped: &[NodeNo]) -> Result<BTreeSet<(NodeNo, Micros)>, StoreError> {
        let mut classes = Classes::new(self.topology, self.db, AsOf { valid_at: at, size: ix + 1 });
        let mut reached = BTreeSet::new();
        for node in dropped {
            reached.insert((*node, at));
            let meant = classes.meaning(*node)?;
            if classes.end_of(meant)? != at {
                continue;
            }
            let class = classes.of_incarnation(meant)?;
            for m in classes.get(class).map(|c| c.members.clone()).unwrap_or_default() {
                reached.insert((m.node, classes.end_of(m)?));
            }
        }
        Ok(reached)
    }

    /// Writes what of a name the drops of an instant reach.
    fn reach(&mut self, ix: EntryIndex, node: NodeNo, at: Micros, reached: &BTreeSet<(NodeNo, Micros)>) -> Result<(), StoreError> {
        let wanted: BTreeSet<Micros> = reached.range((node, DAWN)..).take_while(|r| r.0 == node).map(|r| r.1).collect();
        let stored: BTreeSet<Micros> = self
            .db
            .prepare_cached("SELECT until FROM life_drop WHERE node = ?1 AND at = ?2 AND ru IS NULL")
            .and_then(|mut s| s.query_map((node, at.0), |r| r.get(0).map(Micros))?.collect())
            .map_err(backend)?;
        for until in stored.difference(&wanted) {
            self.db
                .prepare_cached("UPDATE life_drop SET ru = ?4 WHERE node = ?1 AND at = ?2 AND until = ?3 AND ru IS NULL")
                .and_then(|mut s| s.execute((node, at.0, until.0, ix)))
                .map_err(backend)?;
        }
        for until in wanted.difference(&stored) {
            self.db
                .prepare_cached(
                    "INSERT INTO life_drop(node, at, until, rf, ru) VALUES(?1, ?2, ?3, ?4, NULL) ON CONFLICT DO UPDATE SET ru = NULL",
                )
                .and_then(|mut s| s.execute((node, at.0, until.0, ix)))
                .map_err(backend)?;
            self.topology.mark_ends(node);
        }
        // A drop that comes after the incarnation's own end cuts no life.
        let cuts = |untils: &BTreeSet<Micros>| untils.iter().any(|until| *until >= at);
        if cuts(&wanted) != cuts(&stored) {
            self.restate_around(ix, node, at)?;
        }
        Ok(())
    }
}
