//! Cursors: a position in an order, and the instant that the page stood on, under
//! a MAC, so that a page goes on where it stopped in the same state of the world
//! and nobody can make a server seek elsewhere.
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::{
    kind::ArtifactKind,
    lineage::AsOf,
    name::{NAME_BYTES_MAX, Name},
    search::HitKey,
    source::Source,
    time::Micros,
};

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;
const HEAD_BYTES: usize = 2 + 8 + 8;
const TEXT_BYTES_MAX: usize = (HEAD_BYTES + 12 + 2 * (4 + NAME_BYTES_MAX) + 1 + MAC_BYTES).div_ceil(3) * 4;

/// Where a page ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Position {
    /// After the artifact with this name and kind.
    Artifact(Name, ArtifactKind),
    /// After the entry with this index.
    Event(u64),
    /// After the hit with this score, name and kind, of the search with this digest.
    Hit([u8; 8], HitKey),
    /// After the change that this entry made.
    Change(u64),
    /// After this source.
    Source(Source),
    /// After the token made then, with this id.
    Token(Micros, Box<str>),
}

/// A position and what it stands on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cursor {
    pub as_of: AsOf,
    pub position: Position,
}

/// A text that is no cursor of this server, or is one of another list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a cursor that this server made for this list")]
pub struct NotACursor;

/// The key that cursors are made and checked with.
#[derive(Clone)]
pub struct CursorKey(Hmac<Sha256>);

impl CursorKey {
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        Self(Hmac::new_from_slice(key).expect("any length"))
    }

    /// The cursor's text.
    #[must_use]
    pub fn seal(&self, cursor: &Cursor) -> String {
        let mut bytes = Vec::with_capacity(128);
        let kind = match cursor.position {
            Position::Artifact(..) => b'a',
            Position::Event(_) => b'e',
            Position::Hit(..) => b's',
            Position::Change(_) => b'c',
            Position::Source(_) => b'o',
            Position::Token(..) => b't',
        };
        bytes.extend_from_slice(&[VERSION, kind]);
        bytes.extend_from_slice(&cursor.as_of.size.to_be_bytes());
        bytes.extend_from_slice(&cursor.as_of.valid_at.0.to_be_bytes());
        match &cursor.position {
            Position::Artifact(name, kind) => named(&mut bytes, name, *kind),
            Position::Hit(search, at) => {
                bytes.extend_from_slice(search);
                bytes.extend_from_slice(&at.score.to_be_bytes());
                named(&mut bytes, &at.name, at.kind);
            }
            Position::Event(index) | Position::Change(index) => bytes.extend_from_slice(&index.to_be_bytes()),
            Position::Source(source) => {
                bytes.extend_from_slice(&u32::try_from(source.integration.len()).unwrap_or(u32::MAX).to_be_bytes());
                bytes.extend_from_slice(source.integration.as_bytes());
                bytes.extend_from_slice(source.producer.as_bytes());
            }
            Position::Token(at, id) => {
                bytes.extend_from_slice(&at.0.to_be_bytes());
                bytes.extend_from_slice(id.as_bytes());
            }
        }
        let mac = self.0.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor's text.
    ///
    /// # Errors
    /// [`NotACursor`] for any other text, whatever is wrong with it.
    pub fn open(&self, text: &str) -> Result<Cursor, NotACursor> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(NotACursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotACursor)?;
        let (body, mac) = bytes.split_at_checked(bytes.len().saturating_sub(MAC_BYTES)).ok_or(NotACursor)?;
        if mac.len() != MAC_BYTES {
            return Err(NotACursor);
        }
        // Compares in constant time.
        self.0.clone().chain_update(body).verify_truncated_left(mac).map_err(|_| NotACursor)?;
        Self::read(body).ok_or(NotACursor)
    }

    fn read(body: &[u8]) -> Option<Cursor> {
        let (head, rest) = body.split_at_checked(HEAD_BYTES)?;
        let (&[version, kind], head) = head.split_first_chunk::<2>()?;
        let (size, valid_at) = head.split_first_chunk::<8>()?;
        let as_of = AsOf { size: u64::from_be_bytes(*size), valid_at: Micros(i64::from_be_bytes(valid_at.try_into().ok()?)) };
        let position = match (version, kind) {
            (VERSION, b'a') => {
                let (name, kind) = read_named(rest)?;
                Position::Artifact(name, kind)
            }
            (VERSION, b's') => {
                let (search, rest) = rest.split_first_chunk::<8>()?;
                let (score, rest) = rest.split_first_chunk::<4>()?;
                let (name, kind) = read_named(rest)?;
                Position::Hit(*search, HitKey { score: u32::from_be_bytes(*score), name, kind })
            }
            (VERSION, b'o') => {
                let (length, rest) = rest.split_first_chunk::<4>()?;
                let (integration, producer) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
                Position::Source(Source { integration: utf8(integration)?.into(), producer: utf8(producer)?.into() })
            }
            (VERSION, b'e') => Position::Event(u64::from_be_bytes(rest.try_into().ok()?)),
            (VERSION, b'c') => Position::Change(u64::from_be_bytes(rest.try_into().ok()?)),
            (VERSION, b't') => {
                let (at, id) = rest.split_first_chunk::<8>()?;
                Position::Token(Micros(i64::from_be_bytes(*at)), utf8(id)?.into())
            }
            _ => return None,
        };
        Some(Cursor { as_of, position })
    }
}

fn utf8(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

fn named(bytes: &mut Vec<u8>, name: &Name, kind: ArtifactKind) {
    bytes.push(kind as u8);
    bytes.extend_from_slice(&u32::try_from(name.namespace.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(name.namespace.as_bytes());
    bytes.extend_from_slice(name.name.as_bytes());
}

fn read_named(bytes: &[u8]) -> Option<(Name, ArtifactKind)> {
    let (kind, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (namespace, name) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    Some((Name::new(utf8(namespace)?, utf8(name)?), ArtifactKind::from_u8(*kind)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_cursor() -> impl Strategy<Value = Cursor> {
        let position = prop_oneof![
            (".{0,30}", ".{0,30}", 1u8..=15).prop_map(|(ns, n, k)| Position::Artifact(Name::new(ns, n), ArtifactKind::from_u8(k).unwrap())),
            any::<u64>().prop_map(Position::Event),
            (any::<[u8; 8]>(), any::<u32>(), ".{0,30}", ".{0,30}", 1u8..=15).prop_map(|(search, score, ns, n, k)| Position::Hit(
                search,
                HitKey { score, name: Name::new(ns, n), kind: ArtifactKind::from_u8(k).unwrap() }
            )),
            any::<u64>().prop_map(Position::Change),
            (".{0,20}", ".{0,30}").prop_map(|(integration, producer)| Position::Source(Source {
                integration: integration.into(),
                producer: producer.into()
            })),
            (any::<i64>(), ".{0,36}").prop_map(|(at, id)| Position::Token(Micros(at), id.into())),
        ];
        (any::<u64>(), any::<i64>(), position)
            .prop_map(|(size, at, position)| Cursor { as_of: AsOf { valid_at: Micros(at), size }, position })
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back_under_its_key_only(cursor in any_cursor(), flip in any::<prop::sample::Index>()) {
            let key = CursorKey::new(&[1; 32]);
            let text = key.seal(&cursor);
            prop_assert_eq!(key.open(&text), Ok(cursor));
            prop_assert_eq!(CursorKey::new(&[2; 32]).open(&text), Err(NotACursor));
            let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            let at = flip.index(bytes.len());
            bytes[at] ^= 1;
            prop_assert_eq!(key.open(&URL_SAFE_NO_PAD.encode(&bytes)), Err(NotACursor));
            prop_assert_eq!(key.open(&text[..text.len() - 1]), Err(NotACursor));
        }
    }

    #[test]
    fn texts_from_elsewhere_are_no_cursors() {
        let key = CursorKey::new(&[1; 32]);
        let long = "A".repeat(TEXT_BYTES_MAX + 1);
        for bad in ["", "A", "YXJyYXljb25uZWN0aW9uOjk=", "not base64!", &"A".repeat(64), &long] {
            assert_eq!(key.open(bad), Err(NotACursor), "{bad}");
        }
    }
}
