//! What the server says about itself: log lines, metrics, trace ids. What must
//! never be in any of them stands in `docs/logging.md`.
mod log;
mod metrics;
mod trace;

pub use log::{LogAlreadySet, init_log};
pub use metrics::{Metrics, name};
pub use trace::{NotATraceParent, TraceContext};
