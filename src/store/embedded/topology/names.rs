//! Adding nodes and pairs, and interning namespaces.
use std::sync::{Arc, atomic::Ordering};

use super::{NodeFixed, NodeNo, PairNo, SourceNo, Topology};
use crate::domain::{id::NodeId, kind::ArtifactKind};

impl Topology {
    /// One `Arc` and one number for all nodes of a namespace. For the writer.
    fn namespace(&self, text: &str) -> Option<(Arc<str>, u32)> {
        if let Some((known, no)) = self.namespaces.read().get_key_value(text) {
            return Some((known.clone(), *no));
        }
        let mut namespaces = self.namespaces.write();
        let no = u32::try_from(namespaces.len()).ok()?;
        let fresh: Arc<str> = text.into();
        namespaces.insert(fresh.clone(), no);
        Some((fresh, no))
    }

    /// Appends a node; the number is the next one. `None` when memory's numbers are used up.
    pub fn add_node(&self, id: NodeId, kind: ArtifactKind, namespace: &str, name: &str, recorded_from: u32) -> Option<NodeNo> {
        let no = self.node_count.load(Ordering::Relaxed);
        let slot = self.nodes.slot(no)?;
        let (namespace, namespace_no) = self.namespace(namespace)?;
        let fixed = NodeFixed { id, kind, namespace, namespace_no, name: name.into(), recorded_from };
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
