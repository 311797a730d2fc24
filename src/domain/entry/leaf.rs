//! The leaf: the only bytes of an entry that the Merkle log sees. RFC 8785 JSON
//! of five members, written and read by hand: it is made for every entry, and it
//! must have one spelling.
use smallvec::SmallVec;

use super::b64u;
use crate::domain::{id::EntryId, merkle::Hash, time::Micros};

/// The most references of one leaf; more people take several entries.
pub const REFS_MAX: usize = 2_000;

/// The longest leaf in bytes, below the 65,535 that a bundle can hold.
pub const LEAF_BYTES_MAX: usize = 170 + 25 * REFS_MAX;

/// Why something is not a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    #[error("the leaf does not have exactly the members `at`, `id`, `refs`, `root` and `v`, in this order and canonical")]
    Members,
    #[error("the leaf's `at` is not an instant of the years 0 to 9999 in UTC with six fractional digits")]
    At,
    #[error("the leaf's `id` is not a UUIDv7 in lower case")]
    Id,
    #[error("a reference of the leaf is not the base64url of 16 bytes")]
    Ref,
    #[error("the leaf's references are not sorted as strings without repetition")]
    RefOrder,
    #[error("the leaf has more than {REFS_MAX} references")]
    TooManyRefs,
    #[error("the leaf's `root` is not the base64url of 32 bytes")]
    Root,
    #[error("the leaf's version is not 1")]
    Version,
}

/// What the log says about an entry: when it was recorded, which one it is, whom
/// it concerns (blinded), and one hash over everything else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaf {
    /// When we recorded it; never earlier than the entry before.
    pub at: Micros,
    pub id: EntryId,
    /// References of the people whom the entry concerns individually, in any
    /// order: [`Self::write`] sorts. [`Self::parse`] gives them as written.
    pub refs: Vec<[u8; 16]>,
    /// [`super::root_of_parts`].
    pub root: Hash,
}

impl Leaf {
    /// Appends the leaf's bytes to `out`; about 0.2 KB without references.
    ///
    /// # Errors
    /// [`LeafError::At`], [`LeafError::Id`], [`LeafError::TooManyRefs`],
    /// [`LeafError::RefOrder`] (one twice); `out` is then unchanged.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), LeafError> {
        let at = instant_text(self.at).ok_or(LeafError::At)?;
        if !is_v7(self.id) {
            return Err(LeafError::Id);
        }
        if self.refs.len() > REFS_MAX {
            return Err(LeafError::TooManyRefs);
        }
        // Sorted as strings, which is not the order of the bytes: `-` and `_`.
        let mut refs: SmallVec<[[u8; 22]; 4]> = self.refs.iter().map(b64u::encode16).collect();
        refs.sort_unstable();
        if !refs.is_sorted_by(|a, b| a < b) {
            return Err(LeafError::RefOrder);
        }
        out.reserve(170 + 25 * refs.len());
        out.extend_from_slice(AT);
        out.extend_from_slice(&at);
        out.extend_from_slice(ID);
        out.extend_from_slice(&uuid_text(self.id));
        out.extend_from_slice(REFS);
        for (i, r) in refs.iter().enumerate() {
            out.extend_from_slice(if i == 0 { b"\"" } else { b",\"" });
            out.extend_from_slice(r);
            out.push(b'"');
        }
        out.extend_from_slice(ROOT);
        out.extend_from_slice(&b64u::encode32(&self.root));
        out.extend_from_slice(END);
        Ok(())
    }

    /// [`Self::write`] into a buffer of its own.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, LeafError> {
        let mut bytes = Vec::new();
        self.write(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a leaf; accepts exactly what [`Self::write`] writes.
    ///
    /// # Errors
    /// [`LeafError`] names the member that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        let mut rest = Cursor(bytes);
        rest.expect(AT)?;
        let at = parse_instant(rest.take::<27>()?).ok_or(LeafError::At)?;
        rest.expect(ID)?;
        let id = parse_uuid(rest.take::<36>()?).filter(|id| is_v7(*id)).ok_or(LeafError::Id)?;
        rest.expect(REFS)?;
        let mut refs = Vec::new();
        let mut previous: Option<&[u8; 22]> = None;
        while !rest.0.starts_with(b"]") {
            if refs.len() == REFS_MAX {
                return Err(LeafError::TooManyRefs);
            }
            if previous.is_some() {
                rest.expect(b",")?;
            }
            rest.expect(b"\"")?;
            let text = rest.take::<22>()?;
            refs.push(b64u::decode(text).ok_or(LeafError::Ref)?);
            if previous.is_some_and(|p| p >= text) {
                return Err(LeafError::RefOrder);
            }
            rest.expect(b"\"")?;
            previous = Some(text);
        }
        rest.expect(ROOT)?;
        let root = b64u::decode(rest.take::<43>()?).ok_or(LeafError::Root)?;
        rest.expect(VERSION)?;
        match rest.0.strip_suffix(b"}") {
            Some(b"1") => Ok(Self { at, id, refs, root }),
            Some(other) if other.iter().all(u8::is_ascii_digit) => Err(LeafError::Version),
            _ => Err(LeafError::Members),
        }
    }
}

const AT: &[u8] = br#"{"at":""#;
const ID: &[u8] = br#"","id":""#;
const REFS: &[u8] = br#"","refs":["#;
const ROOT: &[u8] = br#"],"root":""#;
const VERSION: &[u8] = br#"","v":"#;
const END: &[u8] = br#"","v":1}"#;

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn expect(&mut self, literal: &[u8]) -> Result<(), LeafError> {
        self.0 = self.0.strip_prefix(literal).ok_or(LeafError::Members)?;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], LeafError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(LeafError::Members)?;
        self.0 = rest;
        Ok(taken)
    }
}

fn is_v7(id: EntryId) -> bool {
    let [_, _, _, _, _, _, version, _, variant, ..] = id.0;
    version >> 4 == 7 && variant >> 6 == 0b10
}

fn uuid_text(id: EntryId) -> [u8; 36] {
    let mut text = [0; 36];
    uuid::Uuid::from_bytes(id.0).hyphenated().encode_lower(&mut text);
    text
}

fn parse_uuid(text: &[u8; 36]) -> Option<EntryId> {
    let id = EntryId(uuid::Uuid::try_parse_ascii(text).ok()?.into_bytes());
    (uuid_text(id) == *text).then_some(id)
}

/// `2026-11-24T11:22:33.000456Z`; none outside the years 0 to 9999.
fn instant_text(at: Micros) -> Option<[u8; 27]> {
    use chrono::{Datelike, Timelike};
    let t = chrono::DateTime::from_timestamp_micros(at.0)?;
    let year = u32::try_from(t.year()).ok().filter(|y| *y <= 9999)?;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let fields = [
        (0..4, year),
        (5..7, t.month()),
        (8..10, t.day()),
        (11..13, t.hour()),
        (14..16, t.minute()),
        (17..19, t.second()),
        (20..26, t.nanosecond() / 1000),
    ];
    for (range, mut value) in fields {
        for digit in text.get_mut(range)?.iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
        }
    }
    Some(text)
}

/// Accepts what [`instant_text`] writes: no other zone, no leap second.
fn parse_instant(text: &[u8; 27]) -> Option<Micros> {
    let at = chrono::DateTime::parse_from_rfc3339(std::str::from_utf8(text).ok()?).ok()?;
    let at = Micros(at.timestamp_micros());
    (instant_text(at)? == *text).then_some(at)
}
