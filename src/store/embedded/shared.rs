//! What the writer publishes and readers pick up.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::{closure::Copies, intern::Intern, topology::Topology};
use crate::{
    domain::{id::EntryIndex, position::Logs},
    store::{Head, PublishedCheckpoint},
};

/// Shared by the one writer and all readers.
pub struct Shared {
    pub topology: Topology,
    /// Copies of it for those who count very many nodes.
    pub copies: Copies,
    pub intern: Intern,
    pub logs: Logs,
    head: ArcSwap<Head>,
    size: watch::Sender<EntryIndex>,
    checkpoint: ArcSwap<PublishedCheckpoint>,
    stopped: watch::Sender<bool>,
    purge_due: AtomicBool,
}

impl Shared {
    pub fn new(topology: Topology, copies: Copies, intern: Intern, logs: Logs, head: Head, checkpoint: Arc<PublishedCheckpoint>) -> Self {
        Self {
            topology,
            copies,
            intern,
            logs,
            head: ArcSwap::from_pointee(head),
            size: watch::Sender::new(head.size),
            checkpoint: ArcSwap::new(checkpoint),
            stopped: watch::Sender::new(false),
            purge_due: AtomicBool::new(false),
        }
    }

    pub fn head(&self) -> Head {
        **self.head.load()
    }

    /// Makes a commit visible. Only after it is durable, and after everything it
    /// added to the topology is linked in.
    pub fn publish_head(&self, head: Head) {
        self.head.store(Arc::new(head));
        // Those who wait for entries read the head when they wake.
        self.size.send_replace(head.size);
    }

    pub fn watch_head(&self) -> watch::Receiver<EntryIndex> {
        self.size.subscribe()
    }

    pub fn checkpoint(&self) -> Arc<PublishedCheckpoint> {
        self.checkpoint.load_full()
    }

    pub fn publish_checkpoint(&self, checkpoint: Arc<PublishedCheckpoint>) {
        self.checkpoint.store(checkpoint);
    }

    /// The write-ahead log holds what was destroyed, and a reader kept it from being emptied.
    pub fn set_purge_due(&self, due: bool) {
        self.purge_due.store(due, Ordering::Release);
    }

    pub fn purge_due(&self) -> bool {
        self.purge_due.load(Ordering::Acquire)
    }

    /// A write failed: nothing more is written by this process.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    pub fn stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    pub fn watch_stopped(&self) -> watch::Receiver<bool> {
        self.stopped.subscribe()
    }
}
