//! W3C Trace Context: `traceparent` in and out
//! (<https://www.w3.org/TR/trace-context/#traceparent-header>).
use std::fmt;

use crate::clock::Entropy;

/// A header that is none; the trace then begins here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a `traceparent`")]
pub struct NotATraceParent;

/// Which trace a request belongs to, and which span of it called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
}

impl TraceContext {
    /// Reads the header's value.
    ///
    /// # Errors
    /// Anything but four lower-case hex fields: version `ff`, ids of zeros, and
    /// more than four fields under version 00 are errors; later versions may have
    /// more fields, which are ignored.
    pub fn parse(text: &str) -> Result<Self, NotATraceParent> {
        let mut fields = text.split('-');
        let mut next = |length: usize| fields.next().filter(|f| f.len() == length).ok_or(NotATraceParent);
        let version = field::<1>(next(2)?)?;
        let trace_id = field::<16>(next(32)?)?;
        let span_id = field::<8>(next(16)?)?;
        let [flags] = field::<1>(next(2)?)?;
        let more = fields.next().is_some();
        if version == [0xff] || (version == [0] && more) || trace_id == [0; 16] || span_id == [0; 8] {
            return Err(NotATraceParent);
        }
        Ok(Self { trace_id, span_id, sampled: flags & 1 != 0 })
    }

    /// Begins a trace.
    #[must_use]
    pub fn begin(entropy: &dyn Entropy) -> Self {
        Self { trace_id: not_zero(entropy), span_id: not_zero(entropy), sampled: false }
    }

    /// Our own span in the same trace: what is logged and answered.
    #[must_use]
    pub fn child(self, entropy: &dyn Entropy) -> Self {
        Self { span_id: not_zero(entropy), ..self }
    }

    /// The trace's id as 32 hex digits: the correlation id of errors.
    #[must_use]
    pub fn trace_id(self) -> String {
        hex::encode(self.trace_id)
    }
}

/// The header's value, version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", hex::encode(self.trace_id), hex::encode(self.span_id), u8::from(self.sampled))
    }
}

fn field<const N: usize>(text: &str) -> Result<[u8; N], NotATraceParent> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(NotATraceParent);
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| NotATraceParent)?;
    Ok(bytes)
}

/// Random bytes that are not all zeros, which the format forbids.
fn not_zero<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    while bytes == [0; N] {
        entropy.fill(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Ambient, domain::time::Micros};

    /// The recommendation's own example.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_is_read_and_written_back() {
        let context = TraceContext::parse(EXAMPLE).unwrap();
        assert_eq!(context.to_string(), EXAMPLE);
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    }

    #[test]
    fn a_child_keeps_the_trace_and_has_a_span_of_its_own() {
        let (ambient, _) = Ambient::fixed(Micros(0), 1);
        let context = TraceContext::parse(EXAMPLE).unwrap();
        let child = context.child(&*ambient.entropy);
        assert_eq!(child.trace_id(), context.trace_id());
        assert_ne!(child.to_string(), context.to_string());
        let begun = TraceContext::begin(&*ambient.entropy);
        assert_eq!(TraceContext::parse(&begun.to_string()), Ok(begun));
    }

    #[test]
    fn later_versions_may_have_more_fields() {
        assert!(TraceContext::parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_ok());
        assert_eq!(TraceContext::parse(&EXAMPLE.replace("-01", "-03")).unwrap().to_string(), EXAMPLE);
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47zz-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(bad), Err(NotATraceParent), "{bad}");
        }
    }
}
