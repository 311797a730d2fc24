//! Positions over the logs of an installation. A log covers a period and has its
//! own origin and its own indexes; the API counts entries over all of them.
use super::id::EntryIndex;

/// The number of a log of this installation, from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct LogNumber(pub u32);

/// One log's share of the positions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSpan {
    pub log: LogNumber,
    pub origin: Box<str>,
    /// The position of the log's entry 0.
    pub first: EntryIndex,
    /// `None` while the log is open.
    pub closed_size: Option<u64>,
}

/// All logs, in order; the last one is the current one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Logs(Vec<LogSpan>);

impl Logs {
    /// INVARIANT: `spans` is not empty, sorted, contiguous, and only the last is open.
    #[must_use]
    pub fn new(spans: Vec<LogSpan>) -> Option<Self> {
        let contiguous = spans.windows(2).all(|w| match w {
            [a, b] => a.closed_size.map(|n| a.first + n) == Some(b.first),
            _ => true,
        });
        let last_open = spans.last().is_some_and(|l| l.closed_size.is_none());
        (contiguous && last_open && spans.first().is_some_and(|s| s.first == 0)).then_some(Self(spans))
    }

    /// The log that holds a position, and the entry's index inside it.
    #[must_use]
    pub fn locate(&self, index: EntryIndex) -> Option<(&LogSpan, u64)> {
        self.0.iter().rev().find(|s| s.first <= index).map(|s| (s, index - s.first))
    }

    /// The log that is written to.
    #[must_use]
    pub fn current(&self) -> &LogSpan {
        #[expect(clippy::expect_used, reason = "INVARIANT: never empty, checked in `new`")]
        self.0.last().expect("never empty")
    }

    #[must_use]
    pub fn spans(&self) -> &[LogSpan] {
        &self.0
    }
}
