//! What entries say was redacted is gone, and nothing else is said to be.
use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::{
    domain::{assertion::Digest, declared::PART_REDACTED, entry::PartClass, id::EntryIndex},
    store::{
        Readable,
        examine::{Check, Examined, Finding, StoredEntry, StoredPartState},
    },
};

/// `rest` alone.
const REST: Readable = Readable { core: false, rest: true, person: false, context: false };

/// What entries of redactions name, each with the first that does.
#[derive(Default)]
pub struct Redactions {
    entries: BTreeMap<EntryIndex, EntryIndex>,
    facets: BTreeMap<Digest, EntryIndex>,
}

impl Redactions {
    /// Takes what the next entry says.
    ///
    /// # Errors
    /// An entry of a redaction that cannot be understood.
    pub fn entry(&mut self, entry: &StoredEntry, core: Option<&Value>) -> Result<(), Finding> {
        let Some(core) = core.filter(|_| *entry.event_type == *PART_REDACTED) else { return Ok(()) };
        let wrong = || Finding::part(Check::Part, entry.index, 0, PartClass::Core, "does not say what was redacted");
        let list = |member: &str| core.get(member).and_then(Value::as_array).ok_or_else(wrong);
        for index in list("entries")? {
            self.entries.entry(index.as_u64().ok_or_else(wrong)?).or_insert(entry.index);
        }
        for facet in list("facets")? {
            let digest = facet.get("digest").and_then(Value::as_str).and_then(|d| URL_SAFE_NO_PAD.decode(d).ok()?.try_into().ok());
            self.facets.entry(digest.ok_or_else(wrong)?).or_insert(entry.index);
        }
        Ok(())
    }

    /// Looks whether it is gone. `some_destroyed`: there may be redactions whose
    /// entries cannot be read any more.
    ///
    /// # Errors
    /// The first thing that is still there, or whose row says otherwise than the entries.
    pub fn finish(self, store: &dyn Examined, some_destroyed: bool) -> Result<(), Finding> {
        let rows = store.redactions()?;
        for (index, by) in &rows.entries {
            match self.entries.get(index) {
                Some(said) if said == by => {}
                None if some_destroyed => {}
                _ => {
                    let problem = format!("its row says that entry {by} redacted it, which that does not say");
                    return Err(Finding::part(Check::Part, *index, 1, PartClass::Rest, problem));
                }
            }
        }
        for (digest, by) in &rows.facets {
            let said = self.facets.get(digest);
            if said != Some(by) && !(said.is_none() && some_destroyed) {
                let problem = format!("its row says that entry {by} redacted it, which that does not say");
                return Err(Finding::new(Check::Blob, format!("facet {}", hex::encode(digest)), problem));
            }
        }
        let noted: BTreeSet<EntryIndex> = rows.entries.iter().map(|(index, _)| *index).collect();
        for (index, by) in self.entries {
            let row = noted.contains(&index);
            store.entries(index..index + 1, REST, &mut |entry, _| {
                let gone = entry.parts.get(1).is_some_and(|p| p.class == PartClass::Rest && matches!(p.state, StoredPartState::Destroyed));
                let problem = format!("is still there, though entry {by} redacted it");
                if gone && row { Ok(()) } else { Err(Finding::part(Check::Part, index, 1, PartClass::Rest, problem)) }
            })?;
        }
        let Some(first) = self.facets.values().min().copied() else { return Ok(()) };
        let noted: BTreeSet<Digest> = rows.facets.iter().map(|(digest, _)| *digest).collect();
        // Any entry will do to be shown the facets.
        store.entries(first..first + 1, Readable::default(), &mut |_, blobs| {
            for (digest, by) in &self.facets {
                if blobs.blob(digest)?.is_some() || !noted.contains(digest) {
                    let problem = format!("is still there, though entry {by} redacted it");
                    return Err(Finding::new(Check::Blob, format!("facet {}", hex::encode(digest)), problem));
                }
            }
            Ok(())
        })
    }
}
