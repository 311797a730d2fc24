//! Which names are one node at an instant: classes of names joined by symlinks
//! and renames, in the incarnation that the instant sees.
use rusqlite::Connection;
use rustc_hash::FxHashMap;
use smallvec::{SmallVec, smallvec};

use crate::{
    domain::{
        lineage::AsOf,
        time::{DAWN, FOREVER, Micros},
    },
    store::{
        StoreError,
        embedded::{
            schema::backend,
            topology::{AliasKind, NodeNo, Topology},
        },
    },
};

/// One name of a class, in one of its lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    pub node: NodeNo,
    /// The ends around that life: flows of runs that started in `(after, until]`
    /// belong to it. `None`: the name has only one life.
    pub life: Option<(Micros, Micros)>,
}

/// A node at an instant.
#[derive(Clone, Debug)]
pub struct Class {
    /// The name that stands for it: the earliest event time, then bytes.
    pub representative: NodeNo,
    pub members: SmallVec<[Member; 1]>,
    pub alive: bool,
    /// When it ended, if it is not alive and had been.
    pub deleted_at: Option<Micros>,
}

/// Resolves names to classes for one question.
pub struct Classes<'a> {
    pub topology: &'a Topology,
    pub db: &'a Connection,
    pub as_of: AsOf,
    classes: Vec<Class>,
    by_node: FxHashMap<NodeNo, u32>,
}

impl<'a> Classes<'a> {
    pub fn new(topology: &'a Topology, db: &'a Connection, as_of: AsOf) -> Self {
        Self { topology, db, as_of, classes: Vec::new(), by_node: FxHashMap::default() }
    }

    pub fn get(&self, class: u32) -> Option<&Class> {
        self.classes.get(class as usize)
    }

    /// The class of a name as it is at the instant.
    ///
    /// # Errors
    /// The database's.
    pub fn of(&mut self, node: NodeNo) -> Result<u32, StoreError> {
        if let Some(class) = self.by_node.get(&node) {
            return Ok(*class);
        }
        let members = if self.topology.has_aliases(node) { self.join(node)? } else { smallvec![self.current(node)?] };
        let class = self.describe(members)?;
        let no = u32::try_from(self.classes.len()).map_err(|_| StoreError::Inconsistent { place: "classes" })?;
        for m in &class.members {
            // A life that was renamed away belongs here, but its name may stand for another node now.
            if self.is_current(m)? {
                self.by_node.insert(m.node, no);
            }
        }
        self.by_node.insert(node, no);
        self.classes.push(class);
        Ok(no)
    }

    /// The name's life at the instant: the current one, or the last that ended.
    fn current(&self, node: NodeNo) -> Result<Member, StoreError> {
        if !self.topology.has_ends(node) {
            return Ok(Member { node, life: None });
        }
        let ends = self.ends(node)?;
        let last = ends.last().copied();
        let alive = self.alive(node);
        Ok(Member {
            node,
            life: Some(match last {
                None => (DAWN, FOREVER),
                Some(end) if alive => (end, FOREVER),
                Some(end) => (ends.iter().rev().nth(1).copied().unwrap_or(DAWN), end),
            }),
        })
    }

    fn is_current(&self, m: &Member) -> Result<bool, StoreError> {
        Ok(m.life.is_none() || self.current(m.node)? == *m)
    }

    /// Ends up to the instant, as known at the size, ascending.
    fn ends(&self, node: NodeNo) -> Result<Vec<Micros>, StoreError> {
        self.db
            .prepare_cached("SELECT DISTINCT at FROM life_end WHERE node = ?1 AND at <= ?2 AND ix < ?3 ORDER BY at")
            .and_then(|mut s| s.query_map((node, self.as_of.valid_at.0, self.as_of.size), |r| r.get(0).map(Micros))?.collect())
            .map_err(backend)
    }

    fn alive(&self, node: NodeNo) -> bool {
        let at = self.as_of.valid_at;
        self.topology.life_at(node, self.as_of.size).iter().any(|(from, until)| *from <= at && at < *until)
    }

    /// All names joined to one: tables transitively, then places of that one
    /// class, then lives that were renamed into it.
    fn join(&mut self, node: NodeNo) -> Result<SmallVec<[Member; 1]>, StoreError> {
        let mut members: SmallVec<[Member; 1]> = self.tables(self.current(node)?)?;
        // A place stands for the one class that claims it, if there is exactly one.
        if let Some(claimed_by) = self.sole_claimant(node, &members)? {
            for m in self.tables(claimed_by)? {
                if !members.contains(&m) {
                    members.push(m);
                }
            }
        }
        let mut i = 0;
        while let Some(m) = members.get(i).copied() {
            i += 1;
            let places: SmallVec<[NodeNo; 2]> =
                self.facts(m.node).filter(|a| a.kind == AliasKind::Location && a.a == m.node).map(|a| a.b).collect();
            for place in places {
                let place_member = self.current(place)?;
                if !members.contains(&place_member) && self.claimants_are_all_in(place, &members)? {
                    for joined in self.tables(place_member)? {
                        if !members.contains(&joined) {
                            members.push(joined);
                        }
                    }
                }
            }
        }
        Ok(members)
    }

    fn facts(&self, node: NodeNo) -> impl Iterator<Item = crate::store::embedded::topology::AliasFact> + 'a {
        let as_of = self.as_of;
        self.topology.aliases_of(node).filter(move |a| a.known(as_of.size) && a.holds(as_of.valid_at))
    }

    /// Names joined by table symlinks and renames, transitively.
    fn tables(&self, start: Member) -> Result<SmallVec<[Member; 1]>, StoreError> {
        let mut members: SmallVec<[Member; 1]> = smallvec![start];
        let mut i = 0;
        while let Some(m) = members.get(i).copied() {
            i += 1;
            let facts: SmallVec<[_; 4]> = self.facts(m.node).collect();
            for a in facts {
                let other = match a.kind {
                    AliasKind::Location => None,
                    AliasKind::Symlink if self.is_current(&m)? => Some(self.current(if a.a == m.node { a.b } else { a.a })?),
                    AliasKind::Symlink => None,
                    AliasKind::Rename => self.across_rename(&m, a.a, a.b, a.valid_from)?,
                };
                if let Some(other) = other
                    && !members.contains(&other)
                {
                    members.push(other);
                }
            }
        }
        Ok(members)
    }

    /// The life on the other side of a rename: the old name's that ended then,
    /// the new name's that it went on in.
    fn across_rename(&self, m: &Member, old: NodeNo, new: NodeNo, at: Micros) -> Result<Option<Member>, StoreError> {
        if m.node == old && m.life.is_some_and(|(_, until)| until == at) {
            return self.life_from(new, at);
        }
        if m.node == new && self.life_from(new, at)? == Some(*m) {
            let ends = self.ends(old)?;
            let before = ends.iter().rev().find(|e| **e < at).copied().unwrap_or(DAWN);
            return Ok(ends.contains(&at).then_some(Member { node: old, life: Some((before, at)) }));
        }
        Ok(None)
    }

    /// The life of a name that is going on just after an instant.
    fn life_from(&self, node: NodeNo, at: Micros) -> Result<Option<Member>, StoreError> {
        if !self.topology.has_ends(node) {
            return Ok(Some(Member { node, life: None }));
        }
        let ends = self.ends(node)?;
        let until = ends.iter().find(|e| **e > at).copied().unwrap_or(FOREVER);
        let after = ends.iter().rev().find(|e| **e <= at).copied().unwrap_or(DAWN);
        Ok(Some(Member { node, life: Some((after, until)) }))
    }

    fn claimants(&self, place: NodeNo) -> SmallVec<[NodeNo; 2]> {
        self.facts(place).filter(|a| a.kind == AliasKind::Location && a.b == place).map(|a| a.a).collect()
    }

    fn sole_claimant(&self, place: NodeNo, own: &[Member]) -> Result<Option<Member>, StoreError> {
        let mut found: Option<SmallVec<[Member; 1]>> = None;
        for c in self.claimants(place) {
            let member = self.current(c)?;
            if own.contains(&member) {
                continue;
            }
            match &found {
                Some(class) if class.contains(&member) => {}
                Some(_) => return Ok(None),
                None => found = Some(self.tables(member)?),
            }
        }
        Ok(found.and_then(|f| f.first().copied()))
    }

    fn claimants_are_all_in(&self, place: NodeNo, class: &[Member]) -> Result<bool, StoreError> {
        for c in self.claimants(place) {
            if !class.contains(&self.current(c)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn describe(&self, members: SmallVec<[Member; 1]>) -> Result<Class, StoreError> {
        let at = self.as_of.valid_at;
        let mut best: Option<(Micros, &str, &str, NodeNo)> = None;
        let mut alive = false;
        let mut deleted_at = None;
        for m in &members {
            let Some(fixed) = self.topology.node(m.node) else { return Err(StoreError::Inconsistent { place: "memory of nodes" }) };
            if u64::from(fixed.recorded_from) >= self.as_of.size {
                continue;
            }
            let life = self.topology.life_at(m.node, self.as_of.size);
            let born = life.first().map_or(FOREVER, |l| l.0);
            let key = (born, &*fixed.namespace, &*fixed.name, m.node);
            if best.is_none_or(|b| (key.0, key.1, key.2) < (b.0, b.1, b.2)) {
                best = Some(key);
            }
            if self.is_current(m)? {
                alive |= life.iter().any(|(from, until)| *from <= at && at < *until);
                deleted_at = deleted_at.max(life.iter().map(|l| l.1).filter(|until| *until <= at).max());
                if life.is_empty() && self.topology.has_ends(m.node) {
                    deleted_at = deleted_at.max(self.ends(m.node)?.last().copied());
                }
            }
        }
        let representative = best.map_or_else(|| members.first().map_or(0, |m| m.node), |b| b.3);
        Ok(Class { representative, members, alive, deleted_at: deleted_at.filter(|_| !alive) })
    }
}
