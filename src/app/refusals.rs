//! Refused attempts are events too, summed: who was refused which use case, with
//! which code, how often. A caller that is refused a million times costs one row
//! of one entry, and what it sent is in none of it: no path, address or body.
use std::collections::BTreeMap;

use parking_lot::Mutex;
use serde_json::{Value, json};
use smallvec::smallvec;

use super::{App, AppError, Code};
use crate::{
    access::{Action, Attributes, DenyReason, Principal, decide},
    domain::{
        canonical_json,
        entry::PartClass,
        id::{EntryId, Handle},
        time::Micros,
    },
    store::write::{Act, Change},
    vault::{KeyScope, VaultError},
};

/// The entry's type; its `core` is described in `seeds/schemas/access.refused.v1.json`.
pub const EVENT_TYPE: &str = "access.refused.v1";
/// The use case of a request that shows no token, or none that is good.
const AUTHENTICATE: &str = "Authenticate";
/// How long refusals are gathered before they become an entry.
const GATHER: Micros = Micros(60_000_000);
/// Rows of one entry; what does not fit is counted together.
const ROWS_MAX: usize = 1_000;

/// Who was refused what. A person is told apart because the entry then carries
/// their reference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Attempt {
    actor: Option<Handle>,
    person: bool,
    action: &'static str,
    code: &'static str,
}

/// What was gathered since `from`.
#[derive(Debug)]
struct Gathered {
    from: Micros,
    counts: BTreeMap<Attempt, u64>,
    /// Refusals beyond [`ROWS_MAX`] kinds.
    more: u64,
}

impl Gathered {
    fn add(&mut self, attempt: Attempt, count: u64) {
        let full = self.counts.len() >= ROWS_MAX;
        match self.counts.get_mut(&attempt) {
            Some(n) => *n = n.saturating_add(count),
            None if full => self.more = self.more.saturating_add(count),
            None => drop(self.counts.insert(attempt, count)),
        }
    }

    fn core(&self, until: Micros) -> Value {
        let row =
            |(a, count): (&Attempt, &u64)| json!({"action": a.action, "actor": a.actor.map(Handle::text), "code": a.code, "count": count});
        let mut core = json!({
            "counts": self.counts.iter().map(row).collect::<Vec<_>>(),
            "from": self.from.rfc3339(),
            "source": {"integration": "local", "producer": ""},
            "time": until.rfc3339(),
            "type": EVENT_TYPE,
            "until": until.rfc3339(),
        });
        if self.more > 0
            && let Some(members) = core.as_object_mut()
        {
            members.insert("more".to_owned(), self.more.into());
        }
        core
    }
}

/// Refusals that are not in the ledger yet. In memory: a crash loses at most the
/// last minute of them.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<Option<Gathered>>);

impl Refusals {
    fn note(&self, attempt: Attempt, at: Micros) {
        self.0.lock().get_or_insert_with(|| Gathered { from: at, counts: BTreeMap::new(), more: 0 }).add(attempt, 1);
    }

    /// Takes what was gathered, if that began at or before `before`.
    fn take(&self, before: Micros) -> Option<Gathered> {
        self.0.lock().take_if(|g| g.from <= before)
    }

    /// Puts back what could not be recorded.
    fn restore(&self, gathered: Gathered) {
        let mut slot = self.0.lock();
        match slot.as_mut() {
            None => *slot = Some(gathered),
            Some(newer) => {
                newer.from = newer.from.min(gathered.from);
                newer.more = newer.more.saturating_add(gathered.more);
                gathered.counts.into_iter().for_each(|(attempt, n)| newer.add(attempt, n));
            }
        }
    }
}

impl App {
    /// Asks the policy at an instant about namespaces.
    ///
    /// # Errors
    /// `FORBIDDEN` or, for an expired token, `UNAUTHENTICATED`; the refusal is counted.
    pub(super) fn permit(&self, by: &Principal, action: Action, at: Micros, namespaces: &[&str]) -> Result<(), AppError> {
        decide(by, action, Attributes { at, namespaces }).ok().map(|_| ()).map_err(|reason| {
            let code = if reason == DenyReason::Expired { Code::Unauthenticated } else { Code::Forbidden };
            self.refusals.note(Attempt { actor: Some(by.actor), person: by.person, action: action.name(), code: code.word() }, at);
            AppError::new(code, reason.to_string())
        })
    }

    /// The same now, where no namespace matters.
    ///
    /// # Errors
    /// As [`Self::permit`].
    pub fn require(&self, by: &Principal, action: Action) -> Result<(), AppError> {
        self.permit(by, action, self.ambient.clock.now(), &[])
    }

    /// Refuses a request that shows no token, or none that is good; `actor` where
    /// it is known whose token it was.
    #[must_use]
    pub fn unauthenticated(&self, actor: Option<&Principal>, message: impl Into<String>) -> AppError {
        let attempt = Attempt {
            actor: actor.map(|p| p.actor),
            person: actor.is_some_and(|p| p.person),
            action: AUTHENTICATE,
            code: Code::Unauthenticated.word(),
        };
        self.refusals.note(attempt, self.ambient.clock.now());
        AppError::new(Code::Unauthenticated, message)
    }

    /// What has to be done now and then; call it every few seconds. Refusals
    /// become an entry a minute after the first of them.
    pub fn tend(&self) {
        let now = self.ambient.clock.now();
        self.record_refusals(Micros(now.0 - GATHER.0));
    }

    /// Hands in an entry about the refusals that began at or before `before`.
    pub(super) fn record_refusals(&self, before: Micros) {
        let Some(gathered) = self.refusals.take(before) else { return };
        let act = self.act_of(&gathered, self.ambient.clock.now()).map_err(super::ingest::sealing);
        if let Err(e) = act.and_then(|act| self.sequencer.post(act)) {
            tracing::warn!(
                code = e.code.word(),
                kinds = gathered.counts.len(),
                "refused attempts could not be recorded yet; they are kept"
            );
            self.refusals.restore(gathered);
        }
    }

    fn act_of(&self, gathered: &Gathered, now: Micros) -> Result<Act, VaultError> {
        let mut random = [0; 10];
        self.ambient.entropy.fill(&mut random);
        let id = EntryId::new(u64::try_from(now.0 / 1000).unwrap_or(0), &random);
        let core = canonical_json::write(&gathered.core(now));
        let scope = KeyScope::Class { class: PartClass::Core, month: now.month() };
        let mut concerns: Vec<Handle> = gathered.counts.keys().filter(|a| a.person).filter_map(|a| a.actor).collect();
        concerns.sort_unstable();
        concerns.dedup();
        Ok(Act {
            id,
            event_type: EVENT_TYPE,
            time: now,
            actor: None,
            parts: smallvec![self.seal_part(id, 0, PartClass::Core, scope, &core, None)?],
            concerns: concerns.into(),
            duplicate: None,
            change: Change::Nothing,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(n: u8) -> Attempt {
        Attempt { actor: (n > 0).then_some(Handle([n; 16])), person: false, action: "IngestEvent", code: "FORBIDDEN" }
    }

    #[test]
    fn the_same_refusal_is_one_row_however_often_it_comes() {
        let refusals = Refusals::default();
        for _ in 0..1_000 {
            refusals.note(attempt(1), Micros(5));
        }
        refusals.note(attempt(0), Micros(9));
        assert!(refusals.take(Micros(4)).is_none());
        let core = refusals.take(Micros(5)).unwrap().core(Micros(70));
        assert_eq!(core["counts"][0], json!({"action": "IngestEvent", "actor": null, "code": "FORBIDDEN", "count": 1}));
        assert_eq!((&core["counts"][1]["count"], core["counts"].as_array().unwrap().len()), (&json!(1000), 2));
        assert_eq!((&core["from"], &core["until"]), (&json!("1970-01-01T00:00:00.000005Z"), &json!("1970-01-01T00:00:00.000070Z")));
        assert!(core.get("more").is_none() && refusals.take(Micros(i64::MAX)).is_none());
    }

    #[test]
    fn kinds_of_refusals_are_bounded_and_nothing_is_forgotten() {
        let refusals = Refusals::default();
        let many =
            |n: u16| Attempt { actor: Some(Handle([(n >> 8) as u8, n as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])), ..attempt(1) };
        for _ in 0..2 {
            (0..1_500).for_each(|n| refusals.note(many(n), Micros(1)));
        }
        let gathered = refusals.take(Micros(1)).unwrap();
        assert_eq!((gathered.counts.len(), gathered.more), (ROWS_MAX, 1_000));
        assert!(gathered.counts.values().all(|n| *n == 2));
        // What could not be recorded comes again, with what came meanwhile.
        refusals.note(many(7), Micros(3));
        refusals.restore(gathered);
        let again = refusals.take(Micros(1)).unwrap();
        assert_eq!(again.from, Micros(1));
        assert_eq!(again.counts.values().sum::<u64>() + again.more, 3_001);
        assert_eq!(again.counts[&many(7)], 3);
    }
}
