//! Searching a file for bytes that must not be in it any more.
use std::io::{self, Read, Seek};

use rustc_hash::FxHashSet;

/// Width of what is compared. Traces are random bytes (wrapped keys, HMACs,
/// ciphertext, handles), so eight of them do not occur by chance.
const WIDTH: usize = 8;

/// Destroyed bytes, cut into eights: a fragment of fifteen bytes or more of any
/// of them holds one whole.
#[derive(Default)]
pub(super) struct Traces {
    eights: FxHashSet<u64>,
}

impl Traces {
    /// Notes bytes to look for. What is shorter than eight is not noted.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.eights.extend(bytes.as_chunks::<WIDTH>().0.iter().map(|eight| u64::from_be_bytes(*eight)));
    }

    pub(super) fn append(&mut self, other: Self) {
        self.eights.extend(other.eights);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.eights.is_empty()
    }

    /// Whether any of them occurs in the file, at whatever offset.
    pub(super) fn occur_in(&self, file: &mut (impl Read + Seek)) -> io::Result<bool> {
        // Nearly every offset is ruled out by its last two bytes.
        let mut ends = vec![false; 1 << 16];
        for eight in &self.eights {
            if let Some(end) = ends.get_mut((eight & 0xFFFF) as usize) {
                *end = true;
            }
        }
        file.rewind()?;
        let mut block = vec![0; 1 << 18];
        let (mut window, mut seen) = (0u64, 0usize);
        loop {
            let read = match file.read(&mut block) {
                Ok(0) => return Ok(false),
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            for byte in block.iter().take(read) {
                window = window << 8 | u64::from(*byte);
                seen += 1;
                let possible = ends.get((window & 0xFFFF) as usize).copied().unwrap_or(true);
                if possible && seen >= WIDTH && self.eights.contains(&window) {
                    return Ok(true);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_fragment_of_fifteen_bytes_is_found_wherever_it_lies(
            trace in proptest::collection::vec(1u8.., 15..80), from: prop::sample::Index, before in 0..9usize, after in 0..9usize,
        ) {
            let mut traces = Traces::default();
            traces.add(&trace);
            let whole = trace.len() / WIDTH * WIDTH;
            let from = from.index(whole.saturating_sub(15) + 1);
            let mut file = vec![0; before];
            file.extend_from_slice(&trace[from..(from + 15).min(trace.len())]);
            file.resize(file.len() + after, 0);
            prop_assert!(traces.occur_in(&mut Cursor::new(file)).unwrap());
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let mut traces = Traces::default();
        assert!(traces.is_empty());
        traces.add(b"0123456789abcdef");
        for absent in [&b""[..], b"01234567"[1..].into(), b"x1234567y", b"12345678 9abcdef"] {
            assert!(!traces.occur_in(&mut Cursor::new(absent)).unwrap());
        }
        let mut long = vec![7; (1 << 18) - 3];
        long.extend_from_slice(b"89abcdef");
        assert!(traces.occur_in(&mut Cursor::new(long)).unwrap(), "across two blocks");
    }
}
