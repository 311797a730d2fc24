//! `rebuild`: the graph made anew from the entries, compared with the one that was
//! there, and put in its place.
use std::time::{Duration, Instant};

use super::verify::{Examination, LineageMeaning, Stage, play};
use crate::{
    domain::entry::{PartClass, commitment},
    store::examine::{Check, Difference, Finding, StoredPartState},
};

/// What a rebuild did.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    pub entries: u64,
    /// Entries that cannot be replayed any more: their `core` is destroyed.
    pub destroyed: u64,
    /// Rows of the new projection by table.
    pub rows: Vec<(&'static str, u64)>,
    /// How the old projection differed; empty when it was the same.
    pub differences: Vec<Difference>,
    pub took: Duration,
}

impl Examination {
    /// Replays every entry into a new projection and puts it in the place of the
    /// stored one, in one transaction.
    ///
    /// # Errors
    /// Entries that cannot be believed (then `verify` says more) or replayed; the
    /// stored projection is then as it was.
    pub fn rebuild(&self, progress: &mut dyn FnMut(Stage, u64, u64)) -> Result<Rebuilt, Finding> {
        let started = Instant::now();
        let extent = self.store.extent()?;
        let meaning = LineageMeaning { secret: &self.identity.secret };
        let mut replay = self.store.replay(&meaning)?;
        let (mut done, mut destroyed) = (0, 0);
        play(&*self.store, extent.first..extent.first + extent.size, &mut *replay, &mut |entry, _, _| {
            match entry.parts.first() {
                // A graph is never made of what the log does not commit to.
                Some(part) => match &part.state {
                    StoredPartState::Open { salt, bytes } if commitment(part.class, salt, bytes) != part.commitment => {
                        return Err(Finding::part(Check::Part, entry.index, 0, PartClass::Core, "is not what its commitment says"));
                    }
                    StoredPartState::Open { .. } => {}
                    StoredPartState::Destroyed | StoredPartState::Unread => destroyed += 1,
                },
                None => destroyed += 1,
            }
            done += 1;
            progress(Stage::Replay, done, extent.size);
            Ok(())
        })?;
        progress(Stage::Projection, 0, 0);
        let comparison = replay.compare()?;
        replay.install()?;
        Ok(Rebuilt { entries: extent.size, destroyed, rows: comparison.rows, differences: comparison.differences, took: started.elapsed() })
    }
}
