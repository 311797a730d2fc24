//! How well a source covers what it speaks of: when it was heard last, how often it
//! is heard usually, and whether it went silent. "Complete" says that a walk was not
//! cut; this says whether somebody stopped reporting.
use std::sync::Arc;

use super::{
    id::EntryIndex,
    source::Source,
    time::{HOUR, Micros, SECOND},
};

/// How many hours the rhythm is read from: eight weeks.
pub const WINDOW_HOURS: i64 = 8 * 7 * 24;
/// Fewer gaps than this are no rhythm.
pub const GAPS_MIN: usize = 5;

/// What one source told up to an instant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceCoverage {
    pub source: Arc<Source>,
    pub last: LastEvent,
    /// Its events in the window.
    pub events: u64,
    /// Where the window begins; it ends at the instant.
    pub window_from: Micros,
    pub rhythm: Result<Rhythm, NoRhythm>,
    /// The last event's time, where the source has been silent for longer than its
    /// rhythm allows.
    pub silent_since: Option<Micros>,
}

/// The latest event of a source by its own time; of equal ones the later entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastEvent {
    pub time: Micros,
    pub index: EntryIndex,
    pub recorded_at: Micros,
}

/// Gaps between hours with events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rhythm {
    pub median_gap_seconds: u64,
    pub p95_gap_seconds: u64,
}

impl Rhythm {
    /// Longer silence is out of rhythm: nineteen of twenty gaps were no longer, and
    /// an hour for what counting in hours rounds off.
    #[must_use]
    pub const fn expected_within_seconds(self) -> u64 {
        self.p95_gap_seconds + HOUR_SECONDS
    }
}

const HOUR_SECONDS: u64 = (HOUR / SECOND).unsigned_abs();

/// Why no rhythm is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoRhythm {
    /// Fewer than [`GAPS_MIN`] gaps in the window.
    TooFewEvents,
    /// People declare when there is something to declare.
    Declared,
}

/// The hour that an instant falls in, counted from the epoch.
#[must_use]
pub const fn hour_of(at: Micros) -> i64 {
    at.0.div_euclid(HOUR)
}

/// The window that ends at an instant: its first hour and its last.
#[must_use]
pub const fn window(at: Micros) -> (i64, i64) {
    let last = hour_of(at);
    (last - WINDOW_HOURS + 1, last)
}

impl SourceCoverage {
    /// What follows from the hours of the window in which the source was heard
    /// (ascending, each once), and from its last event.
    #[must_use]
    pub fn of(source: Arc<Source>, last: LastEvent, events: u64, hours: &[i64], at: Micros) -> Self {
        let rhythm = if source.integration.is_empty() { Err(NoRhythm::Declared) } else { rhythm(hours) };
        let silent_for = u64::try_from(at.0.saturating_sub(last.time.0) / SECOND).unwrap_or(0);
        let silent = rhythm.is_ok_and(|r| silent_for > r.expected_within_seconds());
        let window_from = Micros(window(at).0.saturating_mul(HOUR));
        Self { source, last, events, window_from, rhythm, silent_since: silent.then_some(last.time) }
    }
}

/// The rhythm of hours with events, by nearest rank.
fn rhythm(hours: &[i64]) -> Result<Rhythm, NoRhythm> {
    let mut gaps: Vec<u64> = hours.windows(2).filter_map(|w| if let [a, b] = w { u64::try_from(b - a).ok() } else { None }).collect();
    if gaps.len() < GAPS_MIN {
        return Err(NoRhythm::TooFewEvents);
    }
    gaps.sort_unstable();
    let rank = |percent: usize| gaps.get((gaps.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0) * HOUR_SECONDS;
    Ok(Rhythm { median_gap_seconds: rank(50), p95_gap_seconds: rank(95) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Micros = Micros(2_000 * HOUR);

    fn heard(integration: &str, hours: &[i64], minutes_ago: i64) -> SourceCoverage {
        let source = Source { integration: integration.into(), producer: "p".into() };
        let time = Micros(AT.0 - minutes_ago * 60 * SECOND);
        SourceCoverage::of(Arc::new(source), LastEvent { time, index: 0, recorded_at: time }, 9, hours, AT)
    }

    #[test]
    fn a_source_of_working_days_is_silent_after_a_weekend_and_not_before() {
        let days: Vec<i64> = (0..40).filter(|d| d % 7 < 5).map(|d| d * 24).collect();
        let of = |ago| heard("etl", &days, ago);
        let rhythm = of(0).rhythm.unwrap();
        assert_eq!((rhythm.median_gap_seconds, rhythm.p95_gap_seconds, rhythm.expected_within_seconds()), (86_400, 259_200, 262_800));
        assert_eq!(of(73 * 60).silent_since, None);
        assert_eq!(of(73 * 60 + 1).silent_since, Some(Micros(AT.0 - (73 * 60 + 1) * 60 * SECOND)));
    }

    #[test]
    fn too_few_events_and_declarations_have_no_rhythm_and_are_never_silent() {
        let few = heard("etl", &[1, 2, 3, 4, 5], 100_000);
        assert_eq!((few.rhythm, few.silent_since), (Err(NoRhythm::TooFewEvents), None));
        assert!(heard("etl", &[1, 2, 3, 4, 5, 6], 0).rhythm.is_ok());
        let declared = heard("", &[1, 2, 3, 4, 5, 6, 7], 100_000);
        assert_eq!((declared.rhythm, declared.silent_since), (Err(NoRhythm::Declared), None));
    }
}
