//! What the asker of one request may see, decided once for each namespace and each
//! entry. Of a name it is a look at two bytes; for who may see everything there is
//! no such table, and nothing is asked.
use std::sync::{
    OnceLock,
    atomic::{AtomicU8, Ordering},
};

use parking_lot::Mutex;
use rusqlite::OptionalExtension;
use rustc_hash::FxHashMap;
use serde_json::Value;

use super::{Reader, classes::Classes};
use crate::{
    domain::{
        id::{EntryIndex, NodeId},
        kind::ArtifactKind,
        lineage::{AsOf, NodeKey},
        name::Name,
        sight::{Sensitivity, Sight},
        time::Micros,
    },
    interop::openlineage::read_core,
    store::{
        Readable, StoreError,
        embedded::{
            project::plan_of,
            schema::backend,
            topology::{NodeNo, Topology},
        },
    },
};

const UNKNOWN: u8 = 0;
const ADMITTED: u8 = 1;
const HIDDEN: u8 = 2;

/// One request's sight of the graph.
pub struct Seen {
    pub sight: Sight,
    /// By number of the namespace.
    namespaces: OnceLock<Box<[AtomicU8]>>,
    /// Entries that name something hidden.
    entries: Mutex<FxHashMap<EntryIndex, bool>>,
}

impl Seen {
    /// `None`: nothing is hidden, as things stand.
    pub fn of(sight: Sight, topology: &Topology) -> Option<Self> {
        let all_clear = sight.clearance() == Sensitivity::Restricted || !topology.has_sensitive();
        let sees_all = sight.is_everything() || sight.admits_all() && all_clear;
        (!sees_all).then(|| Self { sight, namespaces: OnceLock::new(), entries: Mutex::default() })
    }

    /// Whether a name is seen.
    pub fn sees(&self, topology: &Topology, node: NodeNo) -> bool {
        self.clears(topology, node) && self.admits(topology, node)
    }

    /// Whether a name is not too sensitive.
    pub fn clears(&self, topology: &Topology, node: NodeNo) -> bool {
        topology.sensitivity(node) <= self.sight.clearance() as u8
    }

    /// Whether a name's namespace is admitted.
    pub fn admits(&self, topology: &Topology, node: NodeNo) -> bool {
        if self.sight.admits_all() {
            return true;
        }
        let Some(fixed) = topology.node(node) else { return false };
        let known = self.namespaces.get_or_init(|| (0..topology.namespace_count()).map(|_| AtomicU8::new(UNKNOWN)).collect());
        // A namespace named since is not in the table.
        let Some(slot) = known.get(fixed.namespace_no as usize) else { return self.sight.admits(&fixed.namespace) };
        match slot.load(Ordering::Relaxed) {
            UNKNOWN => {
                let admitted = self.sight.admits(&fixed.namespace);
                slot.store(if admitted { ADMITTED } else { HIDDEN }, Ordering::Relaxed);
                admitted
            }
            decided => decided == ADMITTED,
        }
    }
}

impl Reader<'_> {
    /// Whether the asker sees a name.
    pub fn sees(&self, node: NodeNo) -> bool {
        self.seen.is_none_or(|seen| seen.sees(&self.shared.topology, node))
    }

    /// The number of a name that some entry below the size names, and that the asker sees.
    pub fn find(&self, id: NodeId, size: EntryIndex) -> Option<NodeNo> {
        self.shared.topology.find(id, size).filter(|no| self.sees(*no))
    }

    /// Classes at an instant, as the asker sees them.
    pub fn classes(&self, as_of: AsOf) -> Classes<'_> {
        Classes::new(&self.shared.topology, self.db, as_of).seen_by(self.seen)
    }

    /// The same over the window of a walk.
    pub fn classes_since(&self, as_of: AsOf, since: Micros) -> Classes<'_> {
        Classes::observed(&self.shared.topology, self.db, as_of, since).seen_by(self.seen)
    }

    /// Whether a name that may stand in no entry is hidden.
    fn hides(&self, kinds: &[ArtifactKind], name: &Name) -> bool {
        let Some(seen) = self.seen else { return false };
        let topology = &self.shared.topology;
        let mut nodes = kinds.iter().filter_map(|kind| topology.find_any(self.secret.node_id(*kind, name)));
        !seen.sight.admits(&name.namespace) || nodes.any(|no| !seen.clears(topology, no))
    }

    /// Whether a job's name is hidden.
    pub fn hides_job(&self, job: &Name) -> bool {
        self.hides(&[ArtifactKind::Job], job)
    }

    /// Which of the nodes, which were found, are hidden at an instant all the same:
    /// by what they are joined with then.
    ///
    /// # Errors
    /// The database's.
    pub fn hidden(&self, keys: &[NodeKey], as_of: AsOf) -> Result<Vec<bool>, StoreError> {
        if self.seen.is_none() {
            return Ok(vec![false; keys.len()]);
        }
        let mut classes = self.classes(as_of);
        keys.iter()
            .map(|key| match self.shared.topology.find_any(key.artifact()) {
                Some(no) => {
                    let class = classes.of(no)?;
                    Ok(classes.get(class).is_some_and(|c| c.hidden))
                }
                None => Ok(false),
            })
            .collect()
    }

    /// Whether the asker sees a run: each job that reported it.
    ///
    /// # Errors
    /// The database's.
    pub fn sees_run(&self, run_id: &str) -> Result<bool, StoreError> {
        if self.seen.is_none() {
            return Ok(true);
        }
        let pairs: Vec<u32> = self
            .db
            .prepare_cached("SELECT pair FROM run_id WHERE rid = ?1")
            .and_then(|mut s| s.query_map([run_id.as_bytes()], |r| r.get(0))?.collect())
            .map_err(backend)?;
        Ok(pairs.into_iter().all(|pair| self.sees_pair(pair)))
    }

    /// Whether the asker sees the job of a (job, source).
    pub fn sees_pair(&self, pair: u32) -> bool {
        self.seen.is_none() || self.shared.topology.pair(pair).is_some_and(|(job, _)| self.sees(job))
    }

    /// Which parts of an entry the asker may read: of one that names something
    /// hidden neither what it says nor what was received.
    ///
    /// # Errors
    /// The database's and the vault's.
    pub fn readable(&self, index: EntryIndex, readable: Readable) -> Result<Readable, StoreError> {
        Ok(if self.names_hidden(index)? { Readable { core: false, rest: false, ..readable } } else { readable })
    }

    /// Whether an entry names something that is hidden from the asker.
    ///
    /// # Errors
    /// The database's and the vault's.
    pub fn names_hidden(&self, index: EntryIndex) -> Result<bool, StoreError> {
        let Some(seen) = self.seen else { return Ok(false) };
        if let Some(known) = seen.entries.lock().get(&index) {
            return Ok(*known);
        }
        let hidden = self.look_for_hidden(seen, index)?;
        seen.entries.lock().insert(index, hidden);
        Ok(hidden)
    }

    fn look_for_hidden(&self, seen: &Seen, index: EntryIndex) -> Result<bool, StoreError> {
        let shape: Option<Option<u32>> = self
            .db
            .prepare_cached("SELECT shape FROM entry WHERE ix = ?1")
            .and_then(|mut s| s.query_row([index], |r| r.get(0)).optional())
            .map_err(backend)?;
        let shape = match shape {
            Some(Some(shape)) => shape,
            // Acts of administration may name namespaces, and no artifact.
            Some(None) => return Ok(!seen.sight.admits_all()),
            None => return Ok(false),
        };
        let plan = plan_of(self.db, &self.shared.intern, shape)?;
        if plan.named.iter().chain(&plan.ends).any(|no| !self.sees(*no)) {
            return Ok(true);
        }
        // Of the runs that started this one the plan knows nothing.
        let Some(core) = self.entries().core(index)? else { return Ok(true) };
        let said = read_core(&core).map_err(|e| StoreError::Backend(Box::new(e)))?;
        Ok([&said.parent, &said.root].into_iter().flatten().any(|run| self.hides_job(&run.job)))
    }

    /// Whether a text of JSON names an artifact that is hidden from the asker: an
    /// object with a namespace and a name, wherever it stands.
    pub fn text_names_hidden(&self, json: &[u8]) -> bool {
        self.seen.is_some() && serde_json::from_slice(json).is_ok_and(|value: Value| self.value_names_hidden(&value))
    }

    fn value_names_hidden(&self, value: &Value) -> bool {
        match value {
            Value::Array(items) => items.iter().any(|v| self.value_names_hidden(v)),
            Value::Object(members) => {
                let text = |key: &str| members.get(key).and_then(Value::as_str);
                let named = text("namespace").is_some_and(|namespace| {
                    let name = Name::new(namespace, text("name").unwrap_or_default());
                    self.hides(&[ArtifactKind::Dataset, ArtifactKind::Job], &name)
                });
                named || members.values().any(|v| self.value_names_hidden(v))
            }
            _ => false,
        }
    }
}
