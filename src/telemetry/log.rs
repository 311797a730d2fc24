//! Log lines: to standard error, as text for people or one JSON object a line.
//! A line has a readable sentence *and* fields, and its instant comes from our
//! clock.
use std::{borrow::Cow, fmt, io, sync::Arc};

use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter,
    fmt::{MakeWriter, format::Writer, time::FormatTime},
};

use crate::{
    clock::Clock,
    config::{LogConfig, LogFormat},
};

/// A process has one log; it was set before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log is already set up")]
pub struct LogAlreadySet;

struct ClockTime(Arc<dyn Clock>);

impl FormatTime for ClockTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        w.write_str(&self.0.now().rfc3339())
    }
}

/// Sets up the process's log on standard error.
///
/// # Errors
/// [`LogAlreadySet`] when the process has one.
pub fn init_log(config: &LogConfig, clock: Arc<dyn Clock>) -> Result<(), LogAlreadySet> {
    tracing::subscriber::set_global_default(subscriber(config, clock, io::stderr)).map_err(|_| LogAlreadySet)
}

fn subscriber<W>(config: &LogConfig, clock: Arc<dyn Clock>, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // The text was checked when the configuration was read.
    let filter = EnvFilter::builder().parse_lossy(directives(&config.level.0));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_timer(ClockTime(clock)).with_writer(writer).with_ansi(false);
    match config.format {
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_current_span(false).finish()),
        LogFormat::Text => Box::new(lines.finish()),
    }
}

/// A level alone is ours: libraries speak from `warn` on, since some of them write
/// whole requests below it. Directives are taken as they are.
fn directives(level: &str) -> Cow<'_, str> {
    match level.trim() {
        level @ ("info" | "debug" | "trace") => format!("warn,ledgerline={level}").into(),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use parking_lot::Mutex;

    use super::*;
    use crate::{clock::Ambient, config::LogFilter, domain::time::Micros};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Kept {
        type Writer = Self;
        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    fn lines(format: LogFormat, level: &str) -> String {
        let kept = Kept::default();
        let (ambient, _) = Ambient::fixed(Micros(0), 0);
        let config = LogConfig { format, level: LogFilter(level.to_owned()) };
        tracing::subscriber::with_default(subscriber(&config, ambient.clock, kept.clone()), || {
            tracing::info!(size = 7, "published a checkpoint of 7 entries");
            tracing::debug!("not at this level");
        });
        let bytes = kept.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_holds_the_sentence_the_fields_and_our_instant() {
        let text = lines(LogFormat::Json, "info");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["message"], &line["size"], &line["timestamp"], &line["level"]),
            (&"published a checkpoint of 7 entries".into(), &7.into(), &"1970-01-01T00:00:00.000000Z".into(), &"INFO".into())
        );
    }

    #[test]
    fn libraries_are_silent_below_warn_unless_they_are_asked_for() {
        assert_eq!(directives("debug"), "warn,ledgerline=debug");
        assert_eq!(directives("warn"), "warn");
        assert_eq!(directives("info,rusqlite=trace"), "info,rusqlite=trace");
    }

    #[test]
    fn a_text_line_is_readable_and_has_no_colour_codes() {
        let text = lines(LogFormat::Text, "info");
        assert!(
            text.starts_with("1970-01-01T00:00:00.000000Z  INFO ") && text.ends_with("published a checkpoint of 7 entries size=7\n"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'));
        assert_eq!(lines(LogFormat::Text, "error"), "");
    }
}
