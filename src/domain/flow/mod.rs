//! How a flow lives (design §4): from the runs of one job and source, and from
//! its design-time events, to the intervals in which each flow is open.
//!
//! For a run r: X(r) is the union of one side over all its events; s(r) its
//! earliest event time; c(r) the time of its last COMPLETE; a_r(f) the time of
//! its first event with f on that side. Runs are ordered by (s, runId).
//!
//! **f is open at t iff some r has f ∈ X(r) and a_r(f) ≤ t, and no later r' has
//! c(r') ≤ t, X(r') ≠ ∅, f ∉ X(r').**
//!
//! Put otherwise, and this is what makes a late event cheap: of all runs, take
//! those that *speak* at t: with f ∈ X(r) and a_r(f) ≤ t, or closing without f
//! at c(r) ≤ t. The greatest of them in run order decides. So one run can only
//! change the state from its own start on, and only until a greater run speaks:
//! the cost of an event is the runs that overlap it, not the runs of its job.
//!
//! Design-time flows are the same sentence with job events for runs: a job event
//! opens and closes at its own time, is ordered by (time, digest), and closes
//! also when it lists nothing.
mod interval;
#[cfg(test)]
mod oracle_tests;
mod stream;

pub use interval::{Interval, Splice, splice};
pub use stream::{Change, Member, RunKey, RunSide, Stream, affected, restate};
