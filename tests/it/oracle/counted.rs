//! Counts of everything agree with walks that show it, wherever among the events
//! the graph was copied for them, at every size and instant.
use bytes::Bytes;
use ledgerline::{
    access::Role,
    app::view::LineageOptions,
    domain::{
        catalog::ArtifactRef,
        counts::WalkCounts,
        kind::ArtifactKind,
        lineage::{AsOf, Collapse, CompletenessStatus, Direction, Level},
        time::{DAY, MINUTE, Micros},
    },
};
use proptest::prelude::*;

use super::{
    generator::{History, histories, seeded},
    model::Model,
};
use crate::support::{World, config, principal};

/// How many questions are asked after each of the last events.
const QUESTIONS: usize = 40;

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Chance by a seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) % n.max(1) as u64).unwrap()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// Plays a history; after `copied` events the graph is copied for counts, of the
/// present and of the past. Gives how many counts were compared.
async fn check(history: &History, copied: usize, seed: u64) -> Result<usize, String> {
    let mut config = config();
    config.lineage.copy_from = 0;
    let world = World::with(&config);
    let model = Model::new(history);
    let named = |kind| move |n: &super::model::Named| ArtifactRef::Named(kind, n.name.clone());
    let mut starts: Vec<ArtifactRef> = model.datasets.iter().map(named(ArtifactKind::Dataset)).collect();
    starts.extend(model.jobs.iter().map(named(ArtifactKind::Job)));
    let last = *model.instants.last().unwrap();
    let mut instants = vec![Micros(model.instants[0].0 - MINUTE), Micros(last.0 + MINUTE), Micros(last.0 + 100 * 365 * DAY)];
    instants.extend(model.instants.iter().copied());
    let mut chance = Chance(seed);
    let mut compared = 0;
    for (i, (integration, event)) in history.iter().enumerate() {
        world.app.ingest(&principal(&[Role::Producer], integration), Bytes::from(event.to_string())).await.unwrap();
        if i + 1 < copied {
            continue;
        }
        let view = world.view().await;
        for n in 0..QUESTIONS {
            let size = if chance.below(2) == 0 { view.head().size } else { 1 + chance.below(view.head().size as usize) as u64 };
            // At first the end of time: a copy of the present. Then the past.
            let valid_at = if n == 0 { instants[2] } else { chance.pick(&instants) };
            let as_of = AsOf { valid_at, size: if n == 0 { view.head().size } else { size } };
            let options = LineageOptions {
                direction: chance.pick(&[Direction::Upstream, Direction::Downstream]),
                level: Level::Artifact,
                collapse: Collapse::None,
                depth: chance.pick(&[1, 2, 3, 100]),
                nodes_max: 10_000,
                per_node_max: 10_000,
                include_deleted: chance.below(3) == 0,
                include_self_loops: chance.below(2) == 0,
                since: None,
            };
            let from: Vec<ArtifactRef> = (0..1 + chance.below(5) / 4).map(|_| chance.pick(&starts)).collect();
            let (Ok(walk), Ok(counts)) =
                (view.lineage(&from, options, as_of).await, view.lineage_counts(&from, Some(options), as_of).await)
            else {
                continue;
            };
            let walked = WalkCounts::of(&walk);
            assert_eq!(walked.status, CompletenessStatus::Complete);
            let counted = counts.upstream.or(counts.downstream).unwrap();
            if walked != counted {
                return Err(format!("after event {i}: {from:?} {options:?} {as_of:?}\nwalked {walked:?}\ncounted {counted:?}"));
            }
            // Caps bind no count.
            let capped = LineageOptions { nodes_max: 1, per_node_max: 1, ..options };
            let again = view.lineage_counts(&from, Some(capped), as_of).await.unwrap();
            if again.upstream.or(again.downstream).as_ref() != Some(&walked) {
                return Err(format!("capped, after event {i}: {from:?} {options:?} {as_of:?}"));
            }
            compared += 1;
        }
    }
    world.app.drain();
    Ok(compared)
}

fn cases() -> u32 {
    std::env::var("LEDGERLINE_HISTORIES").ok().map_or(48, |n| n.parse().expect("a number of histories"))
}

#[test]
fn counts_of_everything_agree_with_walks_over_fixed_histories() {
    let mut compared = 0;
    for seed in 0..48 {
        let history = seeded(seed, 14);
        let copied = 1 + usize::try_from(seed).unwrap() % history.len();
        match block_on(check(&history, copied, seed)) {
            Ok(made) => compared += made,
            Err(difference) => panic!("seed {seed}, copied after {copied} events: {difference}"),
        }
    }
    assert!(compared > 5_000, "only {compared} were compared");
}

#[test]
fn counts_of_everything_agree_with_walks_over_random_histories() {
    let config = ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::default() };
    proptest!(config, |(history in histories(14), copied in 1..14_usize, seed in any::<u64>())| {
        prop_assert_eq!(block_on(check(&history, copied.min(history.len()), seed)).map(|_| ()), Ok(()));
    });
}
