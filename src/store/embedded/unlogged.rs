//! Flows in the graph's memory that no entry tells of: what benchmarks of reading
//! measure, without the time that millions of entries take to come in. Not for
//! folders that are kept.
use std::sync::Arc;

use super::{
    open::EmbeddedStore,
    shared::Shared,
    topology::{FlowFact, LifeFact, NEVER, Side, position},
};
use crate::domain::{
    id::{EntryIndex, NodeId},
    kind::ArtifactKind,
    time::{FOREVER, Micros},
};

/// A store's graph. One thread may add to it, while no entry does.
#[doc(hidden)]
pub struct Unlogged(Arc<Shared>);

impl EmbeddedStore {
    /// Its graph, to be added to without entries.
    #[doc(hidden)]
    #[must_use]
    pub fn unlogged(&self) -> Unlogged {
        Unlogged(self.shared().clone())
    }
}

impl Unlogged {
    /// Adds a node that lives from an instant on, told by that entry; gives its number.
    #[must_use]
    pub fn node(&self, id: NodeId, kind: ArtifactKind, name: &str, from: Micros, by: EntryIndex) -> Option<u32> {
        let no = self.0.topology.add_node(id, kind, "bench", name, position(by))?;
        let life = LifeFact { slot: 0, valid_from: from, valid_until: FOREVER, recorded_from: position(by), recorded_until: NEVER };
        self.0.topology.add_life(no, &life).map(|_| no)
    }

    /// Adds a flow in `[valid.0, valid.1)`, told by that entry; gives its place.
    #[must_use]
    pub fn flow(&self, job: u32, dataset: u32, output: bool, valid: (Micros, Micros), by: EntryIndex) -> Option<u32> {
        self.0.topology.add_flow(&FlowFact {
            slot: 0,
            dataset,
            job,
            pair: 0,
            side: if output { Side::Outputs } else { Side::Inputs },
            valid_from: valid.0,
            valid_until: valid.1,
            recorded_from: position(by),
            recorded_until: NEVER,
            by: position(by),
        })
    }

    /// From that entry on the flow in a place is no longer told.
    pub fn supersede(&self, place: u32, by: EntryIndex) {
        self.0.topology.end_flow(place, by);
    }

    /// What copies of the graph take, in bytes: of the present, and of the history.
    #[must_use]
    pub fn copied_bytes(&self) -> (usize, usize) {
        self.0.copies.bytes()
    }
}
