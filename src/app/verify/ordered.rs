//! The entries once more, one behind the other: what depends on order.
use std::{borrow::Cow, ops::Range};

use serde_json::Value;

use super::entries::is_lineage;
use crate::{
    app::ingest::{detail, entities, entity_ids},
    domain::{
        assertion::{Assertion, Digest},
        id::{EntryIndex, Handle, InstallationSecret},
    },
    interop::openlineage::read_core,
    store::{
        Readable,
        examine::{Check, Examined, Finding, Meaning, Replay, StoredEntry},
        write::{EntityDetail, EntityIds},
    },
};

/// What lineage events mean to the graph: the same as when they arrived.
pub struct LineageMeaning<'a> {
    pub secret: &'a InstallationSecret,
}

impl Meaning for LineageMeaning<'_> {
    fn ids(&self, a: &Assertion) -> EntityIds {
        entity_ids(self.secret, a)
    }

    fn details(&self, a: &Assertion, blob: &mut dyn FnMut(&Digest) -> Option<Vec<u8>>) -> Vec<EntityDetail> {
        entities(a).map(|e| detail(self.secret, e, |digest| blob(digest).map(Cow::Owned))).collect()
    }
}

const CORE: Readable = Readable { core: true, rest: false, person: false, context: false };

/// Told of each entry: its `core` unless that is about lineage or destroyed, and
/// whose ownership it changed.
pub type Played<'f> = &'f mut dyn FnMut(StoredEntry, Option<&Value>, &[Handle]) -> Result<(), Finding>;

/// Plays entries into a replay, in order.
///
/// # Errors
/// The first entry that cannot be played; what `played` found.
pub fn play(store: &dyn Examined, range: Range<EntryIndex>, replay: &mut dyn Replay, played: Played<'_>) -> Result<(), Finding> {
    store.entries(range, CORE, &mut |entry, _| {
        let wrong = |problem: String| Finding::entry(Check::Part, entry.index, problem);
        let (mut json, mut concerns) = (None, Default::default());
        if let Some(core) = entry.open(0) {
            if is_lineage(&entry) {
                let a = read_core(core).map_err(|e| wrong(e.to_string()))?;
                concerns = replay.apply(&entry, &a)?;
            } else {
                json = Some(serde_json::from_slice::<Value>(core).map_err(|_| wrong("its core is not JSON".to_owned()))?);
            }
        } else if is_lineage(&entry) {
            replay.skip(&entry)?;
        }
        played(entry, json.as_ref(), &concerns)
    })
}
