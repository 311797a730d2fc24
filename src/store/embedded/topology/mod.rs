//! The graph's shape in memory: nodes, flows, lives and aliases with both time
//! axes. Loaded at start, extended by each commit, read without locks.
//!
//! Everything here is a copy of rows in `main.db`. A reader that stands on
//! ledger size S sees exactly the facts recorded below S: slots are linked in
//! before the commit is published, and are invisible until then because their
//! `recorded_from` is not below any published size.
mod changes;
mod facts;
mod load;
mod marks;
mod names;
mod sensitivity;

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicI64, AtomicU8, AtomicU32, Ordering},
};

pub use facts::{AliasFact, AliasKind, FlowFact, LifeFact, Side};
use hashbrown::HashMap;
pub use marks::Marks;
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxBuildHasher;

use super::arena::Arena;
use crate::domain::{
    id::{EntryIndex, NodeId},
    kind::ArtifactKind,
    time::Micros,
};

/// A node's dense number, from 0, in order of first naming.
pub type NodeNo = u32;
/// The number of a (job, source) pair.
pub type PairNo = u32;
/// The number of a source.
pub type SourceNo = u32;

/// No slot.
const NONE: u32 = u32::MAX;
/// "Not superseded": also the greatest ledger position the index can hold.
pub const NEVER: u32 = u32::MAX;

/// A ledger position as the index stores it.
///
/// INVARIANT: the writer refuses entries beyond 2^32 − 2 (see `EntryLimit`).
pub fn position(index: EntryIndex) -> u32 {
    u32::try_from(index).unwrap_or(NEVER - 1)
}

/// What never changes about a node.
pub struct NodeFixed {
    pub id: NodeId,
    pub kind: ArtifactKind,
    pub namespace: Arc<str>,
    /// The number of the namespace, dense from 0.
    pub namespace_no: u32,
    pub name: Arc<str>,
    /// The entry that first named it.
    pub recorded_from: u32,
}

#[derive(Default)]
struct NodeSlot {
    fixed: OnceLock<NodeFixed>,
    flows: [AtomicHead; 2],
    lives: AtomicHead,
    aliases: AtomicHead,
    flags: AtomicU8,
    /// How sensitive the name is, with all that are joined with it.
    sensitivity: AtomicU8,
    /// How many flow facts hang on the node: only to size buffers.
    degree: AtomicU32,
}

struct AtomicHead(AtomicU32);

impl Default for AtomicHead {
    fn default() -> Self {
        Self(AtomicU32::new(NONE))
    }
}

/// The node's life ended at least once (drop, rename, retirement).
const HAS_ENDS: u8 = 1;
/// The node has symlinks or renames.
const HAS_ALIASES: u8 = 2;

#[derive(Default)]
struct FlowSlot {
    dataset: AtomicU32,
    job: AtomicU32,
    pair: AtomicU32,
    side: AtomicU8,
    valid_from: AtomicI64,
    valid_until: AtomicI64,
    recorded_from: AtomicU32,
    recorded_until: AtomicU32,
    by: AtomicU32,
    next_of_dataset: AtomicU32,
    next_of_job: AtomicU32,
}

#[derive(Default)]
struct LifeSlot {
    valid_from: AtomicI64,
    valid_until: AtomicI64,
    recorded_from: AtomicU32,
    recorded_until: AtomicU32,
    next: AtomicU32,
}

#[derive(Default)]
struct AliasSlot {
    a: AtomicU32,
    b: AtomicU32,
    kind: AtomicU8,
    owner: AtomicU32,
    valid_from: AtomicI64,
    valid_until: AtomicI64,
    recorded_from: AtomicU32,
    recorded_until: AtomicU32,
    next_of_a: AtomicU32,
    next_of_b: AtomicU32,
}

/// The index. One writer appends (`&mut`-like methods are named so and called
/// from the writer's thread alone); any number of readers walk.
pub struct Topology {
    nodes: Arena<NodeSlot>,
    node_count: AtomicU32,
    flows: Arena<FlowSlot>,
    flow_count: AtomicU32,
    lives: Arena<LifeSlot>,
    life_count: AtomicU32,
    aliases: Arena<AliasSlot>,
    alias_count: AtomicU32,
    by_id: RwLock<HashMap<NodeId, NodeNo, FxBuildHasher>>,
    /// Namespaces by text, numbered in order of first naming.
    namespaces: RwLock<HashMap<Arc<str>, u32, hashbrown::DefaultHashBuilder>>,
    /// Of each (job, source): the two, by number.
    pairs: RwLock<Vec<(NodeNo, SourceNo)>>,
    marked: Mutex<changes::Marked>,
    /// Of those who copy the graph.
    attended: Mutex<Vec<Arc<Marks>>>,
    classified: Mutex<sensitivity::Classified>,
}

impl Topology {
    pub fn new() -> Self {
        Self {
            nodes: Arena::new(),
            node_count: AtomicU32::new(0),
            flows: Arena::new(),
            flow_count: AtomicU32::new(0),
            lives: Arena::new(),
            life_count: AtomicU32::new(0),
            aliases: Arena::new(),
            alias_count: AtomicU32::new(0),
            by_id: RwLock::new(HashMap::default()),
            namespaces: RwLock::new(HashMap::default()),
            pairs: RwLock::new(Vec::new()),
            marked: Mutex::default(),
            attended: Mutex::default(),
            classified: Mutex::default(),
        }
    }

    /// Nodes ever named (also by entries not yet visible to a reader).
    pub fn node_count(&self) -> u32 {
        self.node_count.load(Ordering::Acquire)
    }

    /// Namespaces ever named.
    pub fn namespace_count(&self) -> usize {
        self.namespaces.read().len()
    }

    /// Flow facts ever recorded.
    pub fn flow_count(&self) -> u32 {
        self.flow_count.load(Ordering::Acquire)
    }

    /// The number of a node that some entry below `size` names.
    pub fn find(&self, id: NodeId, size: EntryIndex) -> Option<NodeNo> {
        let no = self.by_id.read().get(&id).copied()?;
        (EntryIndex::from(self.node(no)?.recorded_from) < size).then_some(no)
    }

    /// The number of a node, whoever named it: for the writer.
    pub fn find_any(&self, id: NodeId) -> Option<NodeNo> {
        self.by_id.read().get(&id).copied()
    }

    pub fn node(&self, no: NodeNo) -> Option<&NodeFixed> {
        self.nodes.get(no)?.fixed.get()
    }

    /// Its life ended at least once.
    pub fn has_ends(&self, no: NodeNo) -> bool {
        self.flag(no, HAS_ENDS)
    }

    /// It has other names.
    pub fn has_aliases(&self, no: NodeNo) -> bool {
        self.flag(no, HAS_ALIASES)
    }

    /// The node is one name that never ended: a class of its own at every instant.
    pub fn is_plain(&self, no: NodeNo) -> bool {
        !self.flag(no, HAS_ENDS | HAS_ALIASES)
    }

    fn flag(&self, no: NodeNo, flag: u8) -> bool {
        self.nodes.get(no).is_some_and(|n| n.flags.load(Ordering::Acquire) & flag != 0)
    }

    /// Roughly how many flow facts hang on a node.
    pub fn degree(&self, no: NodeNo) -> usize {
        self.nodes.get(no).map_or(0, |n| n.degree.load(Ordering::Relaxed) as usize)
    }

    /// The (job, source) of a pair number.
    pub fn pair(&self, pair: PairNo) -> Option<(NodeNo, SourceNo)> {
        self.pairs.read().get(pair as usize).copied()
    }
}

/// An interval of valid time as slots hold it.
fn span(from: &AtomicI64, until: &AtomicI64) -> (Micros, Micros) {
    (Micros(from.load(Ordering::Relaxed)), Micros(until.load(Ordering::Relaxed)))
}
