//! The sentence of design §4, evaluated naively, against the incremental way.
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    ops::Bound,
};

use proptest::prelude::*;

use super::*;
use crate::domain::time::{FOREVER, Micros};

type Ds = u8;

/// One event of a run on one side, in a small world of small times.
#[derive(Clone, Debug)]
struct Event {
    run: u8,
    time: i64,
    complete: bool,
    members: Vec<Ds>,
}

#[derive(Default)]
struct World(BTreeMap<RunKey, RunSide<Ds>>);

impl Stream<Ds> for World {
    type Error = Infallible;
    fn after(&mut self, key: &RunKey) -> Result<Option<RunSide<Ds>>, Infallible> {
        Ok(self.0.range((Bound::Excluded(key.clone()), Bound::Unbounded)).next().map(|(_, r)| r.clone()))
    }
    fn before(&mut self, key: &RunKey) -> Result<Option<RunSide<Ds>>, Infallible> {
        Ok(self.0.range(..key.clone()).next_back().map(|(_, r)| r.clone()))
    }
}

fn side_of(events: &[&Event], run: u8) -> Option<RunSide<Ds>> {
    let own: Vec<_> = events.iter().filter(|e| e.run == run).collect();
    let start = own.iter().map(|e| e.time).min()?;
    let mut members: BTreeMap<Ds, i64> = BTreeMap::new();
    for e in &own {
        for d in &e.members {
            members.entry(*d).and_modify(|t| *t = (*t).min(e.time)).or_insert(e.time);
        }
    }
    let completed = own.iter().filter(|e| e.complete).map(|e| e.time).max();
    Some(RunSide {
        key: RunKey { start: Micros(start), id: Box::new([run]) },
        closes_at: completed.filter(|_| !members.is_empty()).map(Micros),
        members: members.into_iter().map(|(dataset, t)| Member { dataset, since: Micros(t), by: 0 }).collect(),
    })
}

/// f is open at t iff some r asserts it by t and no later r' closed it by t.
fn open_naively(events: &[&Event], f: Ds, t: i64) -> bool {
    let runs: BTreeSet<u8> = events.iter().map(|e| e.run).collect();
    let sides: Vec<_> = runs.into_iter().filter_map(|r| side_of(events, r)).collect();
    sides.iter().any(|r| {
        r.members.iter().any(|m| m.dataset == f && m.since.0 <= t)
            && !sides
                .iter()
                .any(|r2| r2.key > r.key && r2.closes_at.is_some_and(|c| c.0 <= t) && !r2.members.iter().any(|m| m.dataset == f))
    })
}

fn apply(world: &mut World, unions: &mut BTreeMap<Ds, Vec<Interval>>, seen: &mut Vec<Event>, event: Event) {
    let run = event.run;
    let old = side_of(&seen.iter().collect::<Vec<_>>(), run);
    seen.push(event);
    let new = side_of(&seen.iter().collect::<Vec<_>>(), run).unwrap();
    if let Some(o) = &old {
        world.0.remove(&o.key);
    }
    world.0.insert(new.key.clone(), new.clone());
    let change = Change { old, new };
    for f in affected(world, &change).unwrap() {
        let (from, until, pieces) = restate(world, &change, f).unwrap();
        if from >= until {
            continue;
        }
        let union = unions.entry(f).or_default();
        let touching: Vec<_> = union.iter().filter(|i| i.until >= from && i.from <= until).copied().collect();
        let s = splice(&touching, from, until, &pieces);
        union.retain(|i| !s.ended.iter().any(|e| e.same_span(i)));
        union.extend(s.begun);
        union.sort_by_key(|i| i.from);
    }
}

fn check_world(unions: &BTreeMap<Ds, Vec<Interval>>, seen: &[Event]) -> Result<(), TestCaseError> {
    let events: Vec<_> = seen.iter().collect();
    for f in 0..5 {
        for t in -1..26 {
            let incremental = unions.get(&f).is_some_and(|u| u.iter().any(|i| i.from.0 <= t && Micros(t) < i.until));
            prop_assert_eq!(incremental, open_naively(&events, f, t), "flow {} at {} after {:?}", f, t, seen);
        }
        for pair in unions.get(&f).map_or(&[][..], |u| u).windows(2) {
            prop_assert!(pair[0].until < pair[1].from, "intervals apart: {:?}", pair);
        }
    }
    Ok(())
}

fn event() -> impl Strategy<Value = Event> {
    (0u8..6, 0i64..24, prop::bool::weighted(0.4), prop::collection::vec(0u8..5, 0..4)).prop_map(|(run, time, complete, mut members)| {
        members.sort_unstable();
        members.dedup();
        Event { run, time, complete, members }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_order_of_arrival_gives_what_the_sentence_says(events in prop::collection::vec(event(), 1..16)) {
        let (mut world, mut unions, mut seen) = (World::default(), BTreeMap::new(), Vec::new());
        for e in events {
            apply(&mut world, &mut unions, &mut seen, e);
            check_world(&unions, &seen)?;
        }
    }
}

/// How many runs a late event looks at does not grow with the runs of its job.
#[test]
fn a_late_event_looks_at_the_runs_it_overlaps_only() {
    struct Counting(World, usize);
    impl Stream<Ds> for Counting {
        type Error = Infallible;
        fn after(&mut self, key: &RunKey) -> Result<Option<RunSide<Ds>>, Infallible> {
            self.1 += 1;
            self.0.after(key)
        }
        fn before(&mut self, key: &RunKey) -> Result<Option<RunSide<Ds>>, Infallible> {
            self.1 += 1;
            self.0.before(key)
        }
    }
    let looks = |runs: i64| {
        let mut world = World::default();
        for n in 0..runs {
            let members = if n % 2 == 0 { vec![1, 2] } else { vec![1] };
            let side = RunSide {
                key: RunKey { start: Micros(n * 10), id: n.to_be_bytes().into() },
                closes_at: Some(Micros(n * 10 + 5)),
                members: members.into_iter().map(|dataset| Member { dataset, since: Micros(n * 10), by: 0 }).collect(),
            };
            world.0.insert(side.key.clone(), side);
        }
        let late = RunSide {
            key: RunKey { start: Micros(runs * 5 + 2), id: Box::new([255; 9]) },
            closes_at: Some(Micros(runs * 5 + 4)),
            members: vec![Member { dataset: 3, since: Micros(runs * 5 + 2), by: 0 }],
        };
        world.0.insert(late.key.clone(), late.clone());
        let mut counting = Counting(world, 0);
        let change = Change { old: None, new: late };
        for f in affected(&mut counting, &change).unwrap() {
            restate(&mut counting, &change, f).unwrap();
        }
        counting.1
    };
    assert_eq!(looks(20), looks(20_000));
    assert!(looks(20_000) < 30);
    let _ = FOREVER;
}
