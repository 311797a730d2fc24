//! How the latest runs of a job went.
use std::sync::Arc;

use async_graphql::SimpleObject;

use super::{
    super::scalar::{DateTime, Long},
    run::{RunState, duration_ms},
};
use crate::domain::{assertion, catalog::RunFacts};

/// How many runs are in one state.
#[derive(SimpleObject, Clone, Debug)]
pub struct RunsInState {
    /// The state of their latest event.
    pub state: RunState,
    /// How many they are.
    pub runs: i32,
}

/// How the latest runs of a job went.
#[derive(SimpleObject, Clone, Debug)]
pub struct RunStatistics {
    /// Over how many runs.
    pub runs: i32,
    /// How many of them are in each state that occurs.
    pub by_state: Vec<RunsInState>,
    /// The median of how long those took that completed, in milliseconds.
    pub median_duration_ms: Option<Long>,
    /// The longest that one took that completed, in milliseconds.
    pub longest_duration_ms: Option<Long>,
    /// When the last of them completed.
    pub completed_at: Option<DateTime>,
    /// When the last of them failed.
    pub failed_at: Option<DateTime>,
}

impl RunStatistics {
    /// Over some runs of one job.
    #[must_use]
    pub fn over(runs: &[Arc<RunFacts>]) -> Self {
        let count = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let of = |state| runs.iter().filter(move |r| r.state == state);
        let ended = |state| of(state).filter_map(|r| r.ended_at).max().map(DateTime);
        let mut durations: Vec<u64> = of(assertion::RunState::Complete).filter_map(|r| duration_ms(r)).collect();
        durations.sort_unstable();
        let by_state = assertion::RunState::ALL
            .into_iter()
            .map(|state| RunsInState { state: state.into(), runs: count(of(state).count()) })
            .filter(|s| s.runs > 0)
            .collect();
        Self {
            runs: count(runs.len()),
            by_state,
            // Of an even number the lower one of the two in the middle: one that occurred.
            median_duration_ms: durations.get(durations.len().saturating_sub(1) / 2).copied().map(Long),
            longest_duration_ms: durations.last().copied().map(Long),
            completed_at: ended(assertion::RunState::Complete),
            failed_at: ended(assertion::RunState::Fail),
        }
    }
}
