//! One side of one job and source: its runs in order, and what one event changes.
use std::collections::BTreeSet;

use super::Interval;
use crate::domain::{
    id::EntryIndex,
    time::{FOREVER, Micros},
};

/// The order of runs: by start, then by runId (of job events: the digest), bytewise.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct RunKey {
    pub start: Micros,
    pub id: Box<[u8]>,
}

/// A dataset on the side, since when, and the entry that said so first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member<D> {
    pub dataset: D,
    /// a_r(f): the first event of the run that has it.
    pub since: Micros,
    pub by: EntryIndex,
}

/// One run's say on one side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunSide<D> {
    pub key: RunKey,
    /// When flows of earlier runs that this one lacks are closed: the last
    /// COMPLETE of a run that has members; a job event's own time.
    pub closes_at: Option<Micros>,
    /// Sorted by dataset, each once.
    pub members: Vec<Member<D>>,
}

impl<D: Copy + Ord> RunSide<D> {
    fn member(&self, dataset: D) -> Option<&Member<D>> {
        self.members.binary_search_by_key(&dataset, |m| m.dataset).ok().and_then(|i| self.members.get(i))
    }

    /// From when on this run speaks about the flow, and what it says.
    fn says(&self, dataset: D) -> Option<(Micros, Option<EntryIndex>)> {
        match self.member(dataset) {
            Some(m) => Some((m.since, Some(m.by))),
            None => self.closes_at.map(|t| (t, None)),
        }
    }
}

/// The runs of one side, as a store keeps them. Runs with neither members nor a
/// closing may be left out.
pub trait Stream<D> {
    type Error;
    /// The first run after `key`.
    fn after(&mut self, key: &RunKey) -> Result<Option<RunSide<D>>, Self::Error>;
    /// The last run before `key`.
    fn before(&mut self, key: &RunKey) -> Result<Option<RunSide<D>>, Self::Error>;
}

/// One run before and after an event. The stream already holds `new`.
#[derive(Clone, Debug)]
pub struct Change<D> {
    pub old: Option<RunSide<D>>,
    pub new: RunSide<D>,
}

/// The flows whose intervals the change may touch.
///
/// Flows that the run asserts: those it asserts newly or earlier. Flows that it
/// closes: going back from the run, those of the runs up to the first that had
/// closed everything it lacks no later than this one does; for all other flows
/// that earlier run says the same already.
///
/// # Errors
/// The stream's.
pub fn affected<D: Copy + Ord, S: Stream<D>>(stream: &mut S, change: &Change<D>) -> Result<BTreeSet<D>, S::Error> {
    let Change { old, new } = change;
    let mut found = BTreeSet::new();
    for m in &new.members {
        let before = old.as_ref().and_then(|o| o.member(m.dataset).map(|om| (om.since, o.key.start)));
        if before != Some((m.since, new.key.start)) {
            found.insert(m.dataset);
        }
    }
    let closing = |side: &RunSide<D>| side.closes_at.map(|t| (side.key.clone(), t));
    let (was, is) = (old.as_ref().and_then(closing), closing(new));
    if was != is {
        for (key, at) in [was, is].into_iter().flatten() {
            let mut cursor = key;
            while let Some(p) = stream.before(&cursor)? {
                cursor = p.key.clone();
                if p.key.id == new.key.id {
                    continue;
                }
                found.extend(p.members.iter().map(|m| m.dataset).filter(|d| new.member(*d).is_none()));
                if p.closes_at.is_some_and(|t| t <= at) {
                    break;
                }
            }
        }
    }
    Ok(found)
}

/// States anew when one flow was open, for the stretch of time that the change
/// can touch: `(from, until, open pieces in it)`.
///
/// The stretch begins at the run's start. It ends when a greater run speaks:
/// from then on that run, or a greater one, decides.
///
/// # Errors
/// The stream's.
pub fn restate<D: Copy + Ord, S: Stream<D>>(
    stream: &mut S,
    change: &Change<D>,
    dataset: D,
) -> Result<(Micros, Micros, Vec<Interval>), S::Error> {
    let Change { old, new } = change;
    let old_key = old.as_ref().map_or(&new.key, |o| &o.key);
    let from = old_key.start.min(new.key.start);
    let top = old_key.max(&new.key).clone();

    let mut until = FOREVER;
    let mut cursor = top.clone();
    while let Some(r) = stream.after(&cursor)? {
        // A run never speaks before it starts, so no later run can speak earlier.
        if r.key.start >= until {
            break;
        }
        if let Some((at, _)) = r.says(dataset) {
            until = until.min(at);
        }
        cursor = r.key;
    }

    let mut pieces = Vec::new();
    let mut undecided = until;
    let mut tell = |side: &RunSide<D>| {
        if let Some((at, asserted)) = side.says(dataset)
            && at < undecided
        {
            if let Some(by) = asserted {
                pieces.push(Interval { from: at.max(from), until: undecided, by });
            }
            undecided = at;
        }
        undecided > from
    };
    let mut going = from < until;
    if going && new.key == top {
        going = tell(new);
    }
    let mut cursor = top;
    while going {
        let Some(r) = stream.before(&cursor)? else { break };
        going = tell(&r);
        cursor = r.key;
    }
    Ok((from, until, pieces))
}
