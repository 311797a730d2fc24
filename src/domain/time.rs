//! Instants: microseconds since the Unix epoch, UTC.
use std::fmt;

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};

/// Microseconds since 1970-01-01T00:00:00Z. Valid time and recorded time alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micros(pub i64);

/// "For ever": the end of an interval that has none. Intervals are half-open.
pub const FOREVER: Micros = Micros(i64::MAX);
/// Before everything.
pub const DAWN: Micros = Micros(i64::MIN);

/// One second, minute, hour and day in microseconds.
pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// A text that is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 instant")]
pub struct NotAnInstant;

/// What reading an instant found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadInstant {
    pub at: Micros,
    /// No zone was given, so UTC was assumed.
    pub zone_assumed: bool,
}

impl Micros {
    /// RFC 3339, UTC, six fractional digits, `Z`: the only spelling we write.
    #[must_use]
    pub fn rfc3339(self) -> String {
        self.date_time().to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    /// As chrono's type; out-of-range values are clamped.
    #[must_use]
    pub fn date_time(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC })
    }

    /// Reads RFC 3339; a missing zone reads as UTC and is reported.
    ///
    /// # Errors
    /// [`NotAnInstant`] for anything else, and for years beyond 0–9999.
    pub fn read(text: &str) -> Result<ReadInstant, NotAnInstant> {
        let (at, zone_assumed) = match DateTime::parse_from_rfc3339(text) {
            Ok(t) => (t.with_timezone(&Utc), false),
            Err(_) => {
                let naive = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
                    .iter()
                    .find_map(|f| NaiveDateTime::parse_from_str(text, f).ok())
                    .ok_or(NotAnInstant)?;
                (naive.and_utc(), true)
            }
        };
        use chrono::Datelike;
        if !(0..=9999).contains(&at.year()) {
            return Err(NotAnInstant);
        }
        Ok(ReadInstant { at: Self(at.timestamp_micros()), zone_assumed })
    }

    /// The month as `year * 12 + (month - 1)`: what data keys are cut by.
    #[must_use]
    pub fn month(self) -> u32 {
        use chrono::Datelike;
        let d = self.date_time();
        u32::try_from(d.year()).unwrap_or(0) * 12 + d.month0()
    }
}

impl fmt::Debug for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            FOREVER => f.write_str("forever"),
            DAWN => f.write_str("dawn"),
            t => f.write_str(&t.rfc3339()),
        }
    }
}

impl From<DateTime<Utc>> for Micros {
    fn from(t: DateTime<Utc>) -> Self {
        Self(t.timestamp_micros())
    }
}
