//! Sources of a lineage as text.
use super::{
    super::types::coverage::RhythmUnknown,
    plan::{CoverageField, Plan, RhythmField, SourceEventField},
    write::Writer,
};
use crate::domain::{
    coverage::{LastEvent, Rhythm, SourceCoverage},
    time::Micros,
};

pub fn source(w: &mut Writer, plan: &Plan<CoverageField>, source: &SourceCoverage) -> Option<()> {
    w.object(plan, |w, field| {
        match field {
            CoverageField::Typename => w.string("SourceCoverage"),
            CoverageField::Source => w.string(&source.source.label()),
            CoverageField::LastEvent(plan) => last_event(w, plan, &source.last)?,
            CoverageField::Events => w.number(source.events),
            CoverageField::WindowFrom => w.instant(source.window_from),
            CoverageField::Rhythm(plan) => match source.rhythm {
                Ok(found) => rhythm(w, plan, found)?,
                Err(_) => w.null(),
            },
            CoverageField::RhythmUnknown => match source.rhythm {
                Ok(_) => w.null(),
                Err(why) => w.enumerated(RhythmUnknown::from(why))?,
            },
            CoverageField::SilentSince => optional(w, source.silent_since),
        }
        Some(())
    })
}

fn optional(w: &mut Writer, at: Option<Micros>) {
    match at {
        Some(at) => w.instant(at),
        None => w.null(),
    }
}

fn last_event(w: &mut Writer, plan: &Plan<SourceEventField>, last: &LastEvent) -> Option<()> {
    w.object(plan, |w, field| {
        match field {
            SourceEventField::Typename => w.string("SourceEvent"),
            SourceEventField::Time => w.instant(last.time),
            SourceEventField::Index => w.number(last.index),
            SourceEventField::RecordedAt => w.instant(last.recorded_at),
        }
        Some(())
    })
}

fn rhythm(w: &mut Writer, plan: &Plan<RhythmField>, rhythm: Rhythm) -> Option<()> {
    w.object(plan, |w, field| {
        match field {
            RhythmField::Typename => w.string("SourceRhythm"),
            RhythmField::Median => w.number(rhythm.median_gap_seconds),
            RhythmField::P95 => w.number(rhythm.p95_gap_seconds),
            RhythmField::ExpectedWithin => w.number(rhythm.expected_within_seconds()),
        }
        Some(())
    })
}
