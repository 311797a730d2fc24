//! The server and the oracle agree: on every question, at every earlier size.
use super::{driver::Asking, generator::seeded, served::Served};

/// How many histories: `LEDGERLINE_HISTORIES`, or a few that every run affords.
fn histories() -> u64 {
    std::env::var("LEDGERLINE_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
}

#[test]
fn random_histories_get_the_answers_that_the_sentences_give() {
    let served = Served::start();
    let mut asked = 0;
    for seed in 0..histories() {
        asked += served.check(&seeded(seed, 15), Asking::USUAL).unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
    }
    assert!(asked > 10 * usize::try_from(histories()).unwrap(), "only {asked} comparisons");
}

#[test]
fn a_server_that_was_restarted_goes_on_in_agreement() {
    let mut served = Served::start();
    for seed in 1_000..1_003 {
        served.check(&seeded(seed, 4), Asking::All).unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
        // What comes next is decided on what was read back from the tables.
        served.restart();
    }
}
