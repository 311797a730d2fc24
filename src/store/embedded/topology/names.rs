//! Adding nodes and pairs, and interning namespaces.
use std::sync::{Arc, atomic::Ordering};

use super::{NodeFixed, NodeNo, PairNo, SourceNo, Topology};
use crate::domain::{id::NodeId, kind::ArtifactKind};

impl Topology {
    /// One `Arc` for all nodes of a namespace.
    pub fn namespace(&self, text: &str) -> Arc<str> {
        if let Some((known, ())) = self.namespaces.read().get_key_value(text) {
            return known.clone();
        }
        let fresh: Arc<str> = text.into();
        self.namespaces.write().entry(fresh.clone()).or_insert(());
        fresh
    }

    /// Appends a node; the number is the next one. `None` when memory's numbers are used up.
    pub fn add_node(&self, id: NodeId, kind: ArtifactKind, namespace: &str, name: &str, recorded_from: u32) -> Option<NodeNo> {
        let no = self.node_count.load(Ordering::Relaxed);
        let slot = self.nodes.slot(no)?;
        let fixed = NodeFixed { id, kind, namespace: self.namespace(namespace), name: name.into(), recorded_from };
        slot.fixed.set(fixed).ok()?;
        self.node_count.store(no + 1, Ordering::Release);
        self.by_id.write().insert(id, no);
        Some(no)
    }

    /// Appends a (job, source) pair.
    pub fn add_pair(&self, job: NodeNo, source: SourceNo) -> Option<PairNo> {
        let mut pairs = self.pairs.write();
        let no = PairNo::try_from(pairs.len()).ok()?;
        pairs.push((job, source));
        Some(no)
    }
}
