//! Which names are one node at an instant: classes of names joined by symlinks
//! and renames, each name in the incarnation that the instant sees.
use rusqlite::Connection;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::{SmallVec, smallvec};

pub use super::lives::Incarnation;
use super::{lives::Lives, seen::Seen};
use crate::{
    domain::{
        lineage::AsOf,
        time::{DAWN, FOREVER, Micros},
    },
    store::{
        StoreError,
        embedded::topology::{AliasFact, AliasKind, NodeNo, Topology},
    },
};

/// A node at an instant.
#[derive(Clone, Debug)]
pub struct Class {
    /// The name that stands for it: the earliest event time that names it, then bytes.
    pub representative: NodeNo,
    /// The names that mean it, in no order. None, when all of them were renamed
    /// away or begun anew: then nobody can ask for it.
    pub names: SmallVec<[NodeNo; 1]>,
    pub members: SmallVec<[Incarnation; 1]>,
    /// At some time that is asked for.
    pub alive: bool,
    /// The asker may not see it.
    pub hidden: bool,
    /// Those of the names that the asker sees; `None`: all.
    seen: Option<Box<[NodeNo]>>,
    /// When it ended, if it is not alive at the instant and had been.
    pub deleted_at: Option<Micros>,
}

impl Class {
    /// The names that may be shown, in no order.
    pub fn shown(&self) -> &[NodeNo] {
        self.seen.as_deref().unwrap_or(&self.names)
    }
}

/// Starts of runs in `(after, until]`: their flows belong to one incarnation, as
/// far as they lie in `within`, where no drop came between.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Bounds {
    pub after: Micros,
    pub until: Micros,
    pub within: (Micros, Micros),
}

/// Where the flows of a name may be shown: a class, and which flows belong to it.
/// `None`: all of them. A class may stand there several times.
pub type Home = (u32, Option<Bounds>);

/// Resolves names to classes for one question.
pub struct Classes<'a> {
    topology: &'a Topology,
    db: &'a Connection,
    as_of: AsOf,
    asker: Option<&'a Seen>,
    /// From when on up to the instant what lived is alive.
    since: Micros,
    classes: Vec<Class>,
    by_incarnation: FxHashMap<Incarnation, u32>,
    lives: FxHashMap<NodeNo, Lives>,
    /// Names joined by tables and renames alone, locations left out.
    bases: Vec<SmallVec<[Incarnation; 1]>>,
    base_of: FxHashMap<Incarnation, usize>,
}

const LOST: StoreError = StoreError::Inconsistent { place: "memory of nodes" };

impl<'a> Classes<'a> {
    pub fn new(topology: &'a Topology, db: &'a Connection, as_of: AsOf) -> Self {
        Self::observed(topology, db, as_of, as_of.valid_at)
    }

    /// Nodes as the instant sees them, alive if they were at any time in `[since, as_of.valid_at]`.
    pub fn observed(topology: &'a Topology, db: &'a Connection, as_of: AsOf, since: Micros) -> Self {
        Self {
            topology,
            db,
            as_of,
            asker: None,
            since,
            classes: Vec::new(),
            by_incarnation: FxHashMap::default(),
            lives: FxHashMap::default(),
            bases: Vec::new(),
            base_of: FxHashMap::default(),
        }
    }

    /// Forgets all classes once there are too many: their numbers mean nothing any more.
    pub fn forget_beyond(&mut self, max: usize) {
        if self.classes.len() > max {
            self.classes.clear();
            self.by_incarnation.clear();
            self.lives.clear();
            self.bases.clear();
            self.base_of.clear();
        }
    }

    /// As one asker sees them: which classes are hidden, and under which name the others stand.
    pub fn seen_by(mut self, asker: Option<&'a Seen>) -> Self {
        self.asker = asker;
        self
    }

    pub fn get(&self, class: u32) -> Option<&Class> {
        self.classes.get(class as usize)
    }

    /// The class that a name means at the instant.
    ///
    /// # Errors
    /// The database's.
    pub fn of(&mut self, node: NodeNo) -> Result<u32, StoreError> {
        let meant = self.meaning(node)?;
        self.of_incarnation(meant)
    }

    /// Every class in which the name's flows may be shown: the one that it means,
    /// and those that its earlier incarnations were renamed into.
    ///
    /// # Errors
    /// The database's.
    pub fn homes(&mut self, node: NodeNo) -> Result<SmallVec<[Home; 1]>, StoreError> {
        if !self.topology.has_ends(node) {
            return Ok(smallvec![(self.of(node)?, None)]);
        }
        let mut homes = SmallVec::new();
        for k in 0..=self.lives(node)?.ends.len() {
            let incarnation = Incarnation { node, k };
            let class = self.of_incarnation(incarnation)?;
            if self.get(class).is_some_and(|c| !c.names.is_empty()) {
                homes.extend(self.bounds(class, incarnation)?.into_iter().map(|bounds| (class, bounds)));
            }
        }
        Ok(homes)
    }

    /// Which flows of an incarnation's name belong to its class. A class that is
    /// alive takes none from before a drop to after it: between two drops what
    /// belongs to it is told by itself, as far back as is asked for.
    ///
    /// # Errors
    /// The database's.
    pub fn bounds(&mut self, class: u32, of: Incarnation) -> Result<SmallVec<[Option<Bounds>; 1]>, StoreError> {
        if !self.topology.has_ends(of.node) {
            return Ok(smallvec![None]);
        }
        let alive = self.get(class).is_some_and(|c| c.alive);
        let (at, since) = (self.as_of.valid_at, self.since);
        let lives = self.lives(of.node)?;
        let (begin, until) = (lives.begin(of.k), lives.end(of.k));
        let drops: SmallVec<[Micros; 2]> = if alive { lives.drops(of.k, at).collect() } else { SmallVec::new() };
        let begins = std::iter::once(DAWN).chain(drops.iter().copied());
        let ends = drops.iter().copied().chain([FOREVER]);
        let seen = begins.zip(ends).filter(|(_, end)| *end > since);
        Ok(seen.map(|within| Some(Bounds { after: begin.max(within.0), until, within })).collect())
    }

    /// Whether the class was alive at an instant that is asked for.
    ///
    /// # Errors
    /// The database's.
    pub fn was_alive(&mut self, class: u32, at: Micros) -> Result<bool, StoreError> {
        for m in self.members(class) {
            if self.lives(m.node)?.alive(m.k, at, at) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// When lives of the class began in the time that is asked for, its beginning apart.
    ///
    /// # Errors
    /// The database's.
    pub fn births(&mut self, class: u32) -> Result<Vec<Micros>, StoreError> {
        let (since, at) = (self.since, self.as_of.valid_at);
        let mut births = Vec::new();
        for m in self.members(class) {
            births.extend(self.lives(m.node)?.births(m.k).filter(|b| since < *b && *b <= at));
        }
        Ok(births)
    }

    fn members(&self, class: u32) -> SmallVec<[Incarnation; 1]> {
        self.get(class).map(|c| c.members.clone()).unwrap_or_default()
    }

    pub(super) fn has_ends(&self, node: NodeNo) -> bool {
        self.topology.has_ends(node)
    }

    /// From when on what lived is alive.
    pub(super) const fn since(&self) -> Micros {
        self.since
    }

    pub(super) fn lives(&mut self, node: NodeNo) -> Result<&Lives, StoreError> {
        use std::collections::hash_map::Entry;
        Ok(match self.lives.entry(node) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(slot) => slot.insert(Lives::read(self.topology, self.db, node, self.as_of.size)?),
        })
    }

    /// An incarnation's own end.
    ///
    /// # Errors
    /// The database's.
    pub fn end_of(&mut self, of: Incarnation) -> Result<Micros, StoreError> {
        Ok(self.lives(of.node)?.end(of.k))
    }

    /// The incarnation that a name means at the instant.
    ///
    /// # Errors
    /// The database's.
    pub fn meaning(&mut self, node: NodeNo) -> Result<Incarnation, StoreError> {
        if !self.topology.has_ends(node) {
            return Ok(Incarnation { node, k: 0 });
        }
        let at = self.as_of.valid_at;
        Ok(Incarnation { node, k: self.lives(node)?.meaning(at) })
    }

    /// The class of an incarnation.
    ///
    /// # Errors
    /// The database's.
    pub fn of_incarnation(&mut self, incarnation: Incarnation) -> Result<u32, StoreError> {
        if let Some(class) = self.by_incarnation.get(&incarnation) {
            return Ok(*class);
        }
        let members = if self.topology.has_aliases(incarnation.node) { self.join(incarnation)? } else { smallvec![incarnation] };
        let class = self.describe(members)?;
        let no = u32::try_from(self.classes.len()).map_err(|_| StoreError::Inconsistent { place: "classes" })?;
        for m in &class.members {
            self.by_incarnation.insert(*m, no);
        }
        self.classes.push(class);
        Ok(no)
    }

    /// The links of a name that hold at the instant.
    fn links(&self, node: NodeNo) -> SmallVec<[AliasFact; 4]> {
        let as_of = self.as_of;
        self.topology.aliases_of(node).filter(|a| a.known(as_of.size) && a.holds(as_of.valid_at)).collect()
    }

    /// All incarnations joined to one: tables and renames transitively, and each
    /// location with the one such class that claims it, if there is exactly one.
    fn join(&mut self, start: Incarnation) -> Result<SmallVec<[Incarnation; 1]>, StoreError> {
        let mut bases: SmallVec<[usize; 2]> = smallvec![self.base(start)?];
        let mut members = SmallVec::new();
        let mut i = 0;
        while let Some(base) = bases.get(i).copied() {
            i += 1;
            let own = self.bases.get(base).cloned().unwrap_or_default();
            for m in &own {
                if self.topology.has_aliases(m.node) && self.meaning(m.node)? == *m {
                    for other in self.joined_by_location(m.node, base)? {
                        if !bases.contains(&other) {
                            bases.push(other);
                        }
                    }
                }
            }
            members.extend(own);
        }
        Ok(members)
    }

    /// The classes joined to a name's by locations: the one that alone claims it,
    /// and the locations that it alone claims.
    fn joined_by_location(&mut self, node: NodeNo, base: usize) -> Result<SmallVec<[usize; 2]>, StoreError> {
        let mut joined: SmallVec<[usize; 2]> = SmallVec::new();
        joined.extend(self.sole_claimant(node, base)?);
        for claim in self.links(node).iter().filter(|a| a.kind == AliasKind::Location && a.a == node) {
            let meant = self.meaning(claim.b)?;
            let location = self.base(meant)?;
            if location != base && self.sole_claimant(claim.b, location)? == Some(base) {
                joined.push(location);
            }
        }
        Ok(joined)
    }

    /// The one class that claims a location, its own apart.
    fn sole_claimant(&mut self, location: NodeNo, own: usize) -> Result<Option<usize>, StoreError> {
        let mut sole = None;
        for claim in self.links(location).iter().filter(|a| a.kind == AliasKind::Location && a.b == location) {
            let meant = self.meaning(claim.a)?;
            let by = self.base(meant)?;
            match sole {
                _ if by == own => {}
                None => sole = Some(by),
                Some(known) if known == by => {}
                Some(_) => return Ok(None),
            }
        }
        Ok(sole)
    }

    /// Names joined by table symlinks and renames, transitively.
    fn base(&mut self, start: Incarnation) -> Result<usize, StoreError> {
        if let Some(base) = self.base_of.get(&start) {
            return Ok(*base);
        }
        let mut members: SmallVec<[Incarnation; 1]> = smallvec![start];
        let mut seen: FxHashSet<Incarnation> = FxHashSet::default();
        seen.insert(start);
        let mut i = 0;
        while let Some(m) = members.get(i).copied() {
            i += 1;
            let means_it = self.meaning(m.node)? == m;
            for a in self.links(m.node) {
                let other = match a.kind {
                    AliasKind::Symlink if means_it => Some(self.meaning(if a.a == m.node { a.b } else { a.a })?),
                    AliasKind::Rename => self.across_rename(m, &a)?,
                    AliasKind::Symlink | AliasKind::Location => None,
                };
                if let Some(other) = other.filter(|o| seen.insert(*o)) {
                    members.push(other);
                }
            }
        }
        let no = self.bases.len();
        for m in &members {
            self.base_of.insert(*m, no);
        }
        self.bases.push(members);
        Ok(no)
    }

    /// The incarnation on the other side of a rename: the old name's that ended
    /// then, the new name's that goes on from then.
    fn across_rename(&mut self, m: Incarnation, rename: &AliasFact) -> Result<Option<Incarnation>, StoreError> {
        let at = rename.valid_from;
        let old = Incarnation { node: rename.a, k: self.lives(rename.a)?.ended_by(at) };
        let new = Incarnation { node: rename.b, k: self.lives(rename.b)?.going_on_after(at) };
        Ok(if m == old {
            Some(new)
        } else if m == new {
            Some(old)
        } else {
            None
        })
    }

    fn describe(&mut self, members: SmallVec<[Incarnation; 1]>) -> Result<Class, StoreError> {
        let topology = self.topology;
        let (at, since, size) = (self.as_of.valid_at, self.since, self.as_of.size);
        // Not admitted, first named, bytes.
        type Order<'n> = (bool, Micros, &'n str, &'n str);
        let mut best: Option<(Order<'_>, NodeNo)> = None;
        let mut names: SmallVec<[NodeNo; 1]> = SmallVec::new();
        let (mut alive, mut alive_now, mut deleted_at) = (false, false, None);
        // A class is as sensitive as its most sensitive name, and shown by those of
        // its names whose namespaces are admitted.
        let cleared = self.asker.is_none_or(|asker| members.iter().all(|m| asker.clears(topology, m.node)));
        let mut admitted: SmallVec<[NodeNo; 1]> = SmallVec::new();
        for m in &members {
            let fixed = topology.node(m.node).ok_or(LOST)?;
            let first;
            if topology.has_ends(m.node) {
                let lives = self.lives(m.node)?;
                alive |= lives.alive(m.k, since, at);
                alive_now |= lives.alive(m.k, at, at);
                deleted_at = deleted_at.max(lives.ended_at(m.k, at));
                first = lives.first();
            } else {
                first = topology.life_at(m.node, size).first().map_or(FOREVER, |l| l.0);
                alive |= first <= at;
                alive_now |= first <= at;
            }
            if self.meaning(m.node)? == *m {
                names.push(m.node);
                let unseen = self.asker.is_some_and(|asker| !asker.admits(topology, m.node));
                if !unseen && self.asker.is_some() {
                    admitted.push(m.node);
                }
                let key = (unseen, first, &*fixed.namespace, &*fixed.name);
                if best.is_none_or(|(b, _)| key < b) {
                    best = Some((key, m.node));
                }
            }
        }
        let representative = best.map_or_else(|| members.first().map_or(0, |m| m.node), |b| b.1);
        let deleted_at = deleted_at.filter(|_| !alive_now || names.is_empty());
        Ok(Class {
            representative,
            alive: alive && !names.is_empty(),
            hidden: !cleared || self.asker.is_some() && admitted.is_empty(),
            seen: (self.asker.is_some() && admitted.len() < names.len()).then(|| admitted.into_vec().into()),
            names,
            members,
            deleted_at,
        })
    }

    /// The earliest event time that names the class by a name that means it.
    ///
    /// # Errors
    /// The database's.
    pub fn first_named(&mut self, class: u32) -> Result<Micros, StoreError> {
        let Some(node) = self.get(class).map(|c| c.representative) else { return Err(LOST) };
        Ok(self.lives(node)?.first())
    }
}
