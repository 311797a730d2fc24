//! The `rest` part, layout version 1, and `person` parts: what was received, with
//! holes. `docs/entry-format.md` fixes the bytes; they never change.
use std::ops::Range;

use rustc_hash::FxHashMap;

use super::tape::{Doc, Kind};
use crate::domain::assertion::Digest;

const VERSION: u8 = 1;
const BLOB: u8 = 0;
const PERSON: u8 = 1;

/// What reads in the place of a person's value that is destroyed or withheld.
pub const ERASED: &str = "ERASED";

/// What a hole is filled with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Hole {
    /// An interned facet.
    Blob(Digest),
    /// One value of one `person` part, both counted from 0.
    Person { part: u16, value: u16 },
}

/// A hole and the received bytes it replaces.
pub(super) struct HoleAt {
    pub(super) span: Range<usize>,
    pub(super) hole: Hole,
}

/// Why received bytes cannot be given back.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Gap {
    /// An interned facet is destroyed or withheld.
    #[error("a facet's bytes are not there")]
    Blob(Digest),
    /// A `person` part (its number among them) is destroyed or withheld.
    #[error("a person's values are not there")]
    Person(u16),
    /// The bytes are not those of a `rest` or `person` part.
    #[error("a part is not laid out as one")]
    Damaged,
}

/// Writes layout version 1. `holes` are in order and apart.
pub(super) fn write(body: &[u8], holes: &[HoleAt]) -> Vec<u8> {
    let kept = body.len() - holes.iter().map(|h| h.span.len()).sum::<usize>();
    let mut out = Vec::with_capacity(kept + 8 + holes.len() * 36);
    out.push(VERSION);
    push_number(&mut out, holes.len());
    let mut at = 0;
    for h in holes {
        push_number(&mut out, h.span.start - at);
        at = h.span.end;
    }
    for h in holes {
        match h.hole {
            Hole::Blob(digest) => {
                out.push(BLOB);
                out.extend_from_slice(&digest);
            }
            Hole::Person { part, value } => {
                out.push(PERSON);
                push_number(&mut out, part.into());
                push_number(&mut out, value.into());
            }
        }
    }
    let mut at = 0;
    for h in holes {
        out.extend_from_slice(&body[at..h.span.start]);
        at = h.span.end;
    }
    out.extend_from_slice(&body[at..]);
    out
}

/// A `person` part: the values of one person, as they stood between their quotes,
/// as a JSON array of strings.
pub(super) fn write_person(values: &[&str]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }
    out.push(b']');
    out
}

/// The received bytes, byte for byte. `blob` gives an interned facet by digest,
/// `person` the n-th `person` part of the entry; each is asked once.
///
/// # Errors
/// The first [`Gap`].
pub fn reassemble(
    rest: &[u8],
    blob: &mut dyn FnMut(&Digest) -> Option<Vec<u8>>,
    person: &mut dyn FnMut(u16) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, Gap> {
    fill(rest, blob, person, &mut Err)
}

/// What is left of the received bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Readable {
    /// JSON: a missing facet reads `null`, a missing value [`ERASED`].
    pub bytes: Vec<u8>,
    /// What is missing, in order, each once.
    pub gaps: Vec<Gap>,
}

/// As [`reassemble`], with something readable where parts are destroyed or withheld.
///
/// # Errors
/// [`Gap::Damaged`] alone.
pub fn reassemble_readable(
    rest: &[u8],
    blob: &mut dyn FnMut(&Digest) -> Option<Vec<u8>>,
    person: &mut dyn FnMut(u16) -> Option<Vec<u8>>,
) -> Result<Readable, Gap> {
    let mut gaps = Vec::new();
    let bytes = fill(rest, blob, person, &mut |gap| {
        let stand_in = match gap {
            Gap::Blob(_) => b"null".to_vec(),
            Gap::Person(_) => ERASED.as_bytes().to_vec(),
            Gap::Damaged => return Err(gap),
        };
        if !gaps.contains(&gap) {
            gaps.push(gap);
        }
        Ok(stand_in)
    })?;
    Ok(Readable { bytes, gaps })
}

type Missing<'f> = &'f mut dyn FnMut(Gap) -> Result<Vec<u8>, Gap>;

fn fill(
    rest: &[u8],
    blob: &mut dyn FnMut(&Digest) -> Option<Vec<u8>>,
    person: &mut dyn FnMut(u16) -> Option<Vec<u8>>,
    missing: Missing<'_>,
) -> Result<Vec<u8>, Gap> {
    let (holes, text) = parse(rest).ok_or(Gap::Damaged)?;
    let mut out = Vec::with_capacity(text.len() + holes.len() * 512);
    let mut blobs: FxHashMap<Digest, Vec<u8>> = FxHashMap::default();
    let mut parts: FxHashMap<u16, Option<Vec<String>>> = FxHashMap::default();
    let mut at = 0_usize;
    for (kept, hole) in holes {
        let end = at.checked_add(kept).ok_or(Gap::Damaged)?;
        out.extend_from_slice(text.get(at..end).ok_or(Gap::Damaged)?);
        at = end;
        match hole {
            Hole::Blob(digest) => match blobs.get(&digest) {
                Some(bytes) => out.extend_from_slice(bytes),
                None => {
                    let bytes = blob(&digest).map_or_else(|| missing(Gap::Blob(digest)), Ok)?;
                    out.extend_from_slice(&bytes);
                    blobs.insert(digest, bytes);
                }
            },
            Hole::Person { part, value } => {
                let values = match parts.entry(part) {
                    std::collections::hash_map::Entry::Occupied(e) => e.into_mut(),
                    std::collections::hash_map::Entry::Vacant(e) => {
                        let values = person(part).map(|bytes| read_person(&bytes).ok_or(Gap::Damaged)).transpose()?;
                        e.insert(values)
                    }
                };
                match values {
                    Some(values) => out.extend_from_slice(values.get(usize::from(value)).ok_or(Gap::Damaged)?.as_bytes()),
                    None => out.extend_from_slice(&missing(Gap::Person(part))?),
                }
            }
        }
    }
    out.extend_from_slice(text.get(at..).ok_or(Gap::Damaged)?);
    Ok(out)
}

/// Holes with the number of bytes kept before each, and all kept bytes.
type Layout<'a> = (Vec<(usize, Hole)>, &'a [u8]);

fn parse(rest: &[u8]) -> Option<Layout<'_>> {
    let (&version, mut at) = rest.split_first()?;
    if version != VERSION {
        return None;
    }
    let count = take_number(&mut at)?;
    // Each hole takes four bytes at least, so a count beyond that is a lie.
    if count > at.len() / 4 {
        return None;
    }
    let mut kept = Vec::with_capacity(count);
    for _ in 0..count {
        kept.push(take_number(&mut at)?);
    }
    let mut holes = Vec::with_capacity(count);
    for kept in kept {
        let (&kind, tail) = at.split_first()?;
        at = tail;
        let hole = match kind {
            BLOB => {
                let (digest, tail) = at.split_first_chunk::<32>()?;
                at = tail;
                Hole::Blob(*digest)
            }
            PERSON => {
                let part = u16::try_from(take_number(&mut at)?).ok()?;
                Hole::Person { part, value: u16::try_from(take_number(&mut at)?).ok()? }
            }
            _ => return None,
        };
        holes.push((kept, hole));
    }
    Some((holes, at))
}

fn read_person(part: &[u8]) -> Option<Vec<String>> {
    let doc = Doc::scan(part).ok().filter(|d| d.kind(0) == Kind::Array)?;
    doc.elements(0).map(|id| (doc.kind(id) == Kind::String).then(|| doc.interior(id).to_owned())).collect()
}

/// Unsigned LEB128.
fn push_number(out: &mut Vec<u8>, mut n: usize) {
    while n >= 0x80 {
        out.push((n & 0x7F) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Unsigned LEB128 of at most five bytes: numbers here count bytes of one event.
fn take_number(at: &mut &[u8]) -> Option<usize> {
    let mut n = 0_usize;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, tail) = at.split_first()?;
        *at = tail;
        n |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"a":{"x":1},"b":"Jane <jane@example.org>"}"#;

    fn cut() -> Vec<u8> {
        let person = |value| Hole::Person { part: 300, value };
        write(
            BODY,
            &[
                HoleAt { span: 5..12, hole: Hole::Blob([7; 32]) },
                HoleAt { span: 18..22, hole: person(0) },
                HoleAt { span: 24..40, hole: person(1) },
            ],
        )
    }

    fn fill_with(rest: &[u8], blob: Option<&[u8]>, part: Option<&[u8]>) -> Result<Vec<u8>, Gap> {
        reassemble(rest, &mut |_| blob.map(<[u8]>::to_vec), &mut |_| part.map(<[u8]>::to_vec))
    }

    #[test]
    fn the_layout_is_the_published_one() {
        let mut expected = vec![1, 3, 5, 6, 2, 0];
        expected.extend([7; 32]);
        expected.extend([1, 0xAC, 0x02, 0, 1, 0xAC, 0x02, 1]);
        expected.extend(br#"{"a":,"b":" <>"}"#);
        assert_eq!(cut(), expected);
        assert_eq!(write(b"{}", &[]), b"\x01\x00{}");
        assert_eq!(write_person(&["Jane", "a\\n"]), br#"["Jane","a\n"]"#);
    }

    #[test]
    fn what_was_cut_comes_together_again_and_gaps_are_told() {
        let part = write_person(&["Jane", "jane@example.org"]);
        assert_eq!(fill_with(&cut(), Some(br#"{"x":1}"#), Some(&part)).expect("whole"), BODY);
        assert_eq!(fill_with(&cut(), None, Some(&part)), Err(Gap::Blob([7; 32])));
        assert_eq!(fill_with(&cut(), Some(b"{}"), None), Err(Gap::Person(300)));
        assert_eq!(fill_with(&cut(), Some(b"{}"), Some(b"[\"Jane\"]")), Err(Gap::Damaged));
        assert_eq!(fill_with(&cut(), Some(b"{}"), Some(b"[1]")), Err(Gap::Damaged));
        let readable = reassemble_readable(&cut(), &mut |_| None, &mut |_| None).expect("readable");
        assert_eq!(readable.bytes, br#"{"a":null,"b":"ERASED <ERASED>"}"#);
        assert_eq!(readable.gaps, [Gap::Blob([7; 32]), Gap::Person(300)]);
    }

    #[test]
    fn damaged_parts_are_errors_not_panics() {
        let whole = cut();
        for len in 0..whole.len() - 17 {
            assert_eq!(fill_with(&whole[..len], Some(b"{}"), Some(b"[\"a\",\"b\"]")), Err(Gap::Damaged), "{len}");
        }
        for bytes in [&b"\x02\x00"[..], b"\x01\xff\xff\xff\xff\x0f", b"\x01\x01\x00\x02aaaa", b"\x01\x01\xff\xff\xff\xff\xff\xff", b""] {
            assert_eq!(fill_with(bytes, Some(b"{}"), None), Err(Gap::Damaged));
        }
    }
}
