//! What is remembered so that it need not be looked up: shapes and blobs by
//! digest, for those who prepare events and for the writer alike. Bounded: what
//! is forgotten is stored once more, never wrongly.
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::RwLock;
use rustc_hash::{FxBuildHasher, FxHashSet};

use super::plan::Plan;
use crate::domain::assertion::Digest;

/// A map in two generations: when the young one is full the old one is dropped.
pub struct Generations<K, V> {
    young: HashMap<K, V, FxBuildHasher>,
    old: HashMap<K, V, FxBuildHasher>,
    generation_max: usize,
}

impl<K: std::hash::Hash + Eq + Clone, V: Clone> Generations<K, V> {
    pub fn new(generation_max: usize) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), generation_max }
    }

    pub fn peek(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Gets, and keeps it young.
    pub fn get(&mut self, key: &K) -> Option<V> {
        if let Some(v) = self.young.get(key) {
            return Some(v.clone());
        }
        let v = self.old.remove(key)?;
        self.insert(key.clone(), v.clone());
        Some(v)
    }

    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let v = self.old.remove(key)?;
            self.insert(key.clone(), v);
        }
        self.young.get_mut(key)
    }

    pub fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }

    pub fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

/// Facets that were redacted: the number of one is kept for good, its content is not.
#[derive(Default)]
struct Redacted {
    by_digest: HashMap<Digest, u32, FxBuildHasher>,
    numbers: FxHashSet<u32>,
}

/// Shared by preparers (reading) and the writer.
pub struct Intern {
    redacted: RwLock<Redacted>,
    shapes: RwLock<Generations<Digest, u32>>,
    blobs: RwLock<Generations<Digest, u32>>,
    plans: RwLock<Generations<u32, Arc<Plan>>>,
}

/// About 200 bytes an item and generation, at most 50 MB in all.
const ITEMS_MAX: usize = 1 << 16;

impl Intern {
    pub fn new() -> Self {
        Self {
            shapes: RwLock::new(Generations::new(ITEMS_MAX)),
            blobs: RwLock::new(Generations::new(ITEMS_MAX * 4)),
            plans: RwLock::new(Generations::new(ITEMS_MAX / 2)),
            redacted: RwLock::default(),
        }
    }

    /// With what was redacted before the start.
    pub fn with_redacted(blobs: impl IntoIterator<Item = (Digest, u32)>) -> Self {
        let intern = Self::new();
        blobs.into_iter().for_each(|(digest, blob)| intern.redact(digest, blob));
        intern
    }

    /// From now on the facet's content is unknown, also to whoever understood it.
    pub fn redact(&self, digest: Digest, blob: u32) {
        let mut redacted = self.redacted.write();
        redacted.by_digest.insert(digest, blob);
        redacted.numbers.insert(blob);
    }

    pub fn is_redacted(&self, digest: &Digest) -> bool {
        let redacted = self.redacted.read();
        !redacted.by_digest.is_empty() && redacted.by_digest.contains_key(digest)
    }

    pub fn is_redacted_blob(&self, blob: u32) -> bool {
        let redacted = self.redacted.read();
        !redacted.numbers.is_empty() && redacted.numbers.contains(&blob)
    }

    pub fn shape(&self, digest: &Digest) -> Option<u32> {
        self.shapes.read().peek(digest).copied()
    }

    pub fn blob(&self, digest: &Digest) -> Option<u32> {
        let known = self.blobs.read().peek(digest).copied();
        known.or_else(|| self.redacted.read().by_digest.get(digest).copied())
    }

    pub fn plan(&self, shape: u32) -> Option<Arc<Plan>> {
        self.plans.read().peek(&shape).cloned()
    }

    pub fn add_shape(&self, digest: Digest, shape: u32) {
        self.shapes.write().insert(digest, shape);
    }

    /// The shape's share of `rest` is destroyed: who has that shape again stores it anew.
    pub fn forget_shape(&self, digest: &Digest) {
        self.shapes.write().remove(digest);
    }

    pub fn add_blob(&self, digest: Digest, blob: u32) {
        self.blobs.write().insert(digest, blob);
    }

    pub fn add_plan(&self, shape: u32, plan: Arc<Plan>) {
        self.plans.write().insert(shape, plan);
    }
}
