//! A log in memory that keeps only what a store keeps, and a naive tree.
use std::{cell::RefCell, collections::HashMap, convert::Infallible};

use ledgerline::ledger::{
    Checkpoint, FullTile, Hash, HashStore, HashStoreError, LogKey, LogSource, RightEdge, TreeReader, leaf_hash, node_hash, push_entry,
};

/// Full tiles of every level and the leaf hashes behind the last full one.
#[derive(Default)]
pub struct MemoryStore {
    pub tiles: HashMap<(u8, u64), Box<[u8; 8192]>>,
    pub tail: Vec<Hash>,
    pub tail_from: u64,
}

impl MemoryStore {
    fn keep(&mut self, leaf: Hash, completed: impl IntoIterator<Item = FullTile>) {
        self.tail.push(leaf);
        for tile in completed {
            if tile.level == 0 {
                self.tail_from += self.tail.len() as u64;
                self.tail.clear();
            }
            assert!(self.tiles.insert((tile.level, tile.index), tile.hashes).is_none(), "a full tile falls out once");
        }
    }
}

impl HashStore for MemoryStore {
    fn full_tile(&self, level: u8, index: u64) -> Result<Option<Box<[u8; 8192]>>, HashStoreError> {
        Ok(self.tiles.get(&(level, index)).cloned())
    }

    fn leaf_hashes(&self, from: u64, to: u64) -> Result<Vec<Hash>, HashStoreError> {
        assert!(from >= self.tail_from && to >= from, "only leaf hashes that are in no full tile are stored");
        let (from, to) = ((from - self.tail_from) as usize, (to - self.tail_from) as usize);
        self.tail.get(from..to).map(<[Hash]>::to_vec).ok_or(HashStoreError::Missing { level: 0, index: from as u64 / 256 })
    }
}

/// A log whose entries are `entry-0`, `entry-1`, …, or given ones.
pub struct MemoryLog {
    pub entries: Vec<Vec<u8>>,
    pub edge: RightEdge,
    pub store: MemoryStore,
}

impl MemoryLog {
    pub fn of(entries: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        let mut log = Self { entries: Vec::new(), edge: RightEdge::empty(), store: MemoryStore::default() };
        for entry in entries {
            let entry = entry.into();
            let leaf = leaf_hash(&entry);
            let completed = log.edge.append(leaf);
            log.store.keep(leaf, completed);
            log.entries.push(entry);
        }
        log
    }

    pub fn numbered(size: u64) -> Self {
        Self::of((0..size).map(|i| format!("entry-{i}")))
    }

    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    pub fn reader(&self) -> TreeReader<'_> {
        TreeReader::new(&self.store, self.size())
    }

    pub fn leaves(&self) -> Vec<Hash> {
        self.entries.iter().map(|e| leaf_hash(e)).collect()
    }

    pub fn bundle(&self, index: u64, width: u16) -> Option<Vec<u8>> {
        let from = index as usize * 256;
        let mut bundle = Vec::new();
        self.entries.get(from..from + usize::from(width))?.iter().for_each(|e| push_entry(&mut bundle, e).unwrap());
        Some(bundle)
    }
}

impl LogSource for MemoryLog {
    type Error = Infallible;

    fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.reader().tile(level, index, width).unwrap())
    }

    fn bundle(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.bundle(index, width))
    }
}

/// RFC 6962 §2.1 word by word, each range hashed once.
pub struct NaiveTree {
    pub leaves: Vec<Hash>,
    known: RefCell<HashMap<(usize, usize), Hash>>,
}

impl NaiveTree {
    pub fn new(leaves: Vec<Hash>) -> Self {
        Self { leaves, known: RefCell::default() }
    }

    /// `MTH(D[lo:hi])`.
    pub fn mth(&self, lo: usize, hi: usize) -> Hash {
        if let Some(known) = self.known.borrow().get(&(lo, hi)) {
            return *known;
        }
        let hash = match hi - lo {
            0 => ledgerline::ledger::EMPTY_ROOT,
            1 => self.leaves[lo],
            n => {
                let k = n.next_power_of_two() / 2;
                node_hash(&self.mth(lo, lo + k), &self.mth(lo + k, hi))
            }
        };
        self.known.borrow_mut().insert((lo, hi), hash);
        hash
    }

    /// `PATH(m, D[lo:hi])`, §2.1.1.
    pub fn path(&self, m: usize, lo: usize, hi: usize) -> Vec<Hash> {
        if hi - lo <= 1 {
            return Vec::new();
        }
        let k = (hi - lo).next_power_of_two() / 2;
        let (mut path, other) =
            if m < k { (self.path(m, lo, lo + k), self.mth(lo + k, hi)) } else { (self.path(m - k, lo + k, hi), self.mth(lo, lo + k)) };
        path.push(other);
        path
    }

    /// `SUBPROOF(m, D[lo:hi], b)`, §2.1.2.
    pub fn subproof(&self, m: usize, lo: usize, hi: usize, whole: bool) -> Vec<Hash> {
        if m == hi - lo {
            return if whole { Vec::new() } else { vec![self.mth(lo, hi)] };
        }
        let k = (hi - lo).next_power_of_two() / 2;
        let (mut proof, other) = if m <= k {
            (self.subproof(m, lo, lo + k, whole), self.mth(lo + k, hi))
        } else {
            (self.subproof(m - k, lo + k, hi, false), self.mth(lo, lo + k))
        };
        proof.push(other);
        proof
    }
}

/// The log key of the vectors: seed 00…1f.
pub fn log_key() -> LogKey {
    LogKey::new("ledgerline.example/audit", &std::array::from_fn(|i| i as u8)).unwrap()
}

pub fn signed_head(log: &MemoryLog, key: &LogKey) -> String {
    Checkpoint { origin: key.name().to_owned(), size: log.size(), root: log.edge.root() }.sign(key).unwrap()
}
