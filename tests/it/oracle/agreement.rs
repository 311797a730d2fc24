//! The server and the oracle agree: over fixed and random histories, and after a
//! restart in the middle of them. What once differed stands in `sentences::served`.
use proptest::prelude::*;

use super::{
    driver::Asking,
    generator::{History, histories, seeded},
    served::Served,
};

/// How many random histories are played. More by `LEDGERLINE_HISTORIES`.
fn cases() -> u32 {
    std::env::var("LEDGERLINE_HISTORIES").ok().map_or(200, |n| n.parse().expect("a number of histories"))
}

#[test]
fn the_server_and_the_oracle_agree_on_fixed_histories() {
    let served = Served::start();
    for seed in 0..220 {
        if let Err(difference) = served.check(&seeded(seed, 12), Asking::USUAL) {
            panic!("seed {seed}\n{difference}");
        }
    }
}

#[test]
fn the_server_and_the_oracle_agree_on_random_histories() {
    let served = Served::start();
    let config = ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() };
    proptest!(config, |(history in histories(12))| {
        prop_assert_eq!(served.check(&history, Asking::USUAL).map(|_| ()), Ok(()));
    });
}

#[test]
fn a_restart_in_the_middle_of_histories_changes_nothing() {
    let mut served = Served::start();
    let halves: Vec<(History, Vec<Option<u64>>)> = (1_000..1_024)
        .map(|seed| {
            let history = served.own(&seeded(seed, 12));
            let sizes = history.iter().take(history.len() / 2).map(|(integration, event)| served.send(integration, event)).collect();
            (history, sizes)
        })
        .collect();
    served.restart();
    for (history, sizes) in &halves {
        if let Err(difference) = served.check_from(history, sizes, Asking::USUAL) {
            panic!("{difference}");
        }
    }
    served.stop_and_verify();
}
