//! A name's incarnations: one more than it has ends. An event belongs to the one
//! numbered by the ends before its run's start.
use rusqlite::Connection;
use smallvec::SmallVec;

use crate::{
    domain::{
        id::EntryIndex,
        time::{DAWN, FOREVER, Micros},
    },
    store::{
        StoreError,
        embedded::{
            schema::backend,
            topology::{NodeNo, Topology},
        },
    },
};

/// One incarnation of a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Incarnation {
    pub node: NodeNo,
    /// How many ends lie before it.
    pub k: usize,
}

/// What a name's incarnations went through, as one ledger size knows it.
#[derive(Debug)]
pub struct Lives {
    /// Drops of the name and renames away from it, ascending.
    pub ends: SmallVec<[Micros; 1]>,
    /// Drops that reached an incarnation: (end of the incarnation, drop). The drop
    /// is of this name, or of one that was joined with it then.
    drops: SmallVec<[(Micros, Micros); 1]>,
    /// Stretches of life, ascending; each lies inside one incarnation.
    stretches: SmallVec<[(Micros, Micros); 2]>,
}

impl Lives {
    /// # Errors
    /// The database's.
    pub fn read(topology: &Topology, db: &Connection, node: NodeNo, size: EntryIndex) -> Result<Self, StoreError> {
        let mut lives = Self { ends: SmallVec::new(), drops: SmallVec::new(), stretches: topology.life_at(node, size) };
        if topology.has_ends(node) {
            let mut read = || -> rusqlite::Result<()> {
                let mut s = db.prepare_cached("SELECT DISTINCT at FROM life_end WHERE node = ?1 AND ix < ?2 ORDER BY at")?;
                for at in s.query_map((node, size), |r| r.get(0).map(Micros))? {
                    lives.ends.push(at?);
                }
                let mut s = db.prepare_cached(
                    "SELECT until, at FROM life_drop WHERE node = ?1 AND rf < ?2 AND (ru IS NULL OR ru >= ?2) ORDER BY at",
                )?;
                for row in s.query_map((node, size), |r| Ok((Micros(r.get(0)?), Micros(r.get(1)?))))? {
                    lives.drops.push(row?);
                }
                Ok(())
            };
            read().map_err(backend)?;
        }
        Ok(lives)
    }

    /// The end before an incarnation.
    pub fn begin(&self, k: usize) -> Micros {
        k.checked_sub(1).and_then(|i| self.ends.get(i)).copied().unwrap_or(DAWN)
    }

    /// The incarnation's own end.
    pub fn end(&self, k: usize) -> Micros {
        self.ends.get(k).copied().unwrap_or(FOREVER)
    }

    /// The incarnation that ends at an instant.
    pub fn ended_by(&self, at: Micros) -> usize {
        self.ends.partition_point(|e| *e < at)
    }

    /// The incarnation that goes on just after an instant.
    pub fn going_on_after(&self, at: Micros) -> usize {
        self.ends.partition_point(|e| *e <= at)
    }

    /// The last one begun by the instant, also when it has ended since; of a name
    /// that never lived the last one ended.
    pub fn meaning(&self, at: Micros) -> usize {
        match self.stretches.iter().rev().find(|s| s.0 <= at) {
            Some(last) => self.going_on_after(last.0),
            None => self.going_on_after(at).saturating_sub(1),
        }
    }

    fn of(&self, k: usize) -> impl Iterator<Item = &(Micros, Micros)> {
        let (begin, end) = (self.begin(k), self.end(k));
        self.stretches.iter().filter(move |s| s.0 > begin && s.0 < end)
    }

    /// Whether the incarnation was alive at some time in `[since, at]`.
    pub fn alive(&self, k: usize, since: Micros, at: Micros) -> bool {
        self.of(k).any(|s| s.0 <= at && since < s.1 && s.0 < s.1)
    }

    /// When its lives begin.
    pub fn births(&self, k: usize) -> impl Iterator<Item = Micros> {
        self.of(k).map(|s| s.0)
    }

    /// The drops up to the instant that reached the incarnation, ascending.
    pub fn drops(&self, k: usize, at: Micros) -> impl Iterator<Item = Micros> {
        let until = self.end(k);
        self.drops.iter().filter(move |d| d.0 == until && d.1 <= at).map(|d| d.1)
    }

    /// When the incarnation's life ended last by the instant; of one that never
    /// lived, when it was ended.
    pub fn ended_at(&self, k: usize, at: Micros) -> Option<Micros> {
        match self.of(k).filter(|s| s.0 <= at).last() {
            Some(last) => Some(last.1).filter(|until| *until <= at),
            None => Some(self.end(k)).filter(|end| *end <= at).max(self.drops(k, at).last()),
        }
    }

    /// The earliest event time that names it: the beginning of its first life, or
    /// the event that ended it before it had one.
    pub fn first(&self) -> Micros {
        let lived = self.stretches.first().map(|s| s.0);
        let ended = self.ends.first().copied();
        let dropped = self.drops.first().map(|d| d.1);
        [lived, ended, dropped].into_iter().flatten().min().unwrap_or(FOREVER)
    }
}
