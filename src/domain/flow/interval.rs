//! Unions of half-open intervals, and changing a stretch of one.
use crate::domain::{id::EntryIndex, time::Micros};

/// `[from, until)`, and the entry whose event opened it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interval {
    pub from: Micros,
    pub until: Micros,
    /// The entry that asserts it: evidence, not part of what an interval is.
    pub by: EntryIndex,
}

impl Interval {
    /// The same stretch of time (evidence apart).
    #[must_use]
    pub fn same_span(&self, other: &Self) -> bool {
        self.from == other.from && self.until == other.until
    }
}

/// How a stored union changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Splice {
    /// Intervals that are no longer so.
    pub ended: Vec<Interval>,
    /// Intervals that are so from now on.
    pub begun: Vec<Interval>,
}

/// Replaces what `current` says of `[from, until)` by `pieces`.
///
/// `current`: those intervals of the union that overlap or touch the stretch,
/// ascending and apart from each other. `pieces`: inside the stretch, in any
/// order, disjoint. Touching intervals become one, with the earlier's evidence.
#[must_use]
pub fn splice(current: &[Interval], from: Micros, until: Micros, pieces: &[Interval]) -> Splice {
    let mut parts: Vec<Interval> = Vec::with_capacity(current.len() + pieces.len() + 1);
    for c in current {
        if c.from < from {
            parts.push(Interval { until: c.until.min(from), ..*c });
        }
        if c.until > until {
            parts.push(Interval { from: c.from.max(until), ..*c });
        }
    }
    parts.extend(pieces.iter().filter(|p| p.from < p.until));
    parts.sort_by_key(|p| (p.from, p.until));
    let mut union: Vec<Interval> = Vec::with_capacity(parts.len());
    for p in parts {
        match union.last_mut() {
            Some(last) if p.from <= last.until => last.until = last.until.max(p.until),
            _ => union.push(p),
        }
    }
    Splice {
        ended: current.iter().filter(|c| !union.iter().any(|u| u.same_span(c))).copied().collect(),
        begun: union
            .into_iter()
            .filter(|u| !current.iter().any(|c| c.same_span(u)))
            .map(|u| {
                // An interval that keeps its beginning keeps its evidence.
                let by = current.iter().find(|c| c.from == u.from).map_or(u.by, |c| c.by);
                Interval { by, ..u }
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::FOREVER;

    fn iv(from: i64, until: i64) -> Interval {
        Interval { from: Micros(from), until: Micros(until), by: 0 }
    }

    #[test]
    fn a_stretch_that_says_the_same_changes_nothing() {
        let now = [Interval { from: Micros(0), until: FOREVER, by: 7 }];
        assert_eq!(splice(&now, Micros(5), Micros(9), &[iv(5, 9)]), Splice::default());
    }

    #[test]
    fn a_hole_splits_and_a_bridge_joins() {
        let hole = splice(&[iv(0, 10)], Micros(3), Micros(5), &[]);
        assert_eq!(hole, Splice { ended: vec![iv(0, 10)], begun: vec![iv(0, 3), iv(5, 10)] });
        let bridge = splice(&[iv(0, 3), iv(5, 10)], Micros(3), Micros(5), &[iv(3, 5)]);
        assert_eq!(bridge, Splice { ended: vec![iv(0, 3), iv(5, 10)], begun: vec![iv(0, 10)] });
    }
}
