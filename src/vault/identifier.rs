//! What people are known by, and the keyed look-up under which the vault finds them.
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization;

use super::secret::Secret32;
use crate::domain::name::NAME_BYTES_MAX;

/// What sort of identifier it is; decides how spellings are made equal.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum IdentifierKind {
    /// Compared in lower case throughout, the local part too (RFC 5321 §2.4 lets
    /// hosts tell cases apart; hosts that do are not worth two handles a person).
    Email,
    /// Compared by its ASCII digits and a leading `+`.
    Phone,
    /// A person's name as a source spells it. Two people may share one: give a namespace.
    Name,
    /// A number or code in a customer register.
    CustomerNumber,
    /// A login or subject name at an identity provider.
    Account,
    /// Anything else, told apart by its own word.
    Custom(String),
}

impl IdentifierKind {
    /// The word that goes into look-ups and sealed rows (stable for ever).
    fn word(&self) -> (&'static str, &str) {
        match self {
            Self::Email => ("email", ""),
            Self::Phone => ("phone", ""),
            Self::Name => ("name", ""),
            Self::CustomerNumber => ("customer-number", ""),
            Self::Account => ("account", ""),
            Self::Custom(word) => ("custom/", word),
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "email" => Self::Email,
            "phone" => Self::Phone,
            "name" => Self::Name,
            "customer-number" => Self::CustomerNumber,
            "account" => Self::Account,
            _ => Self::Custom(word.strip_prefix("custom/")?.to_owned()),
        })
    }
}

/// A value that identifies nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidIdentifier {
    #[error("an identifier is empty after normalisation")]
    Empty,
    #[error("an identifier is longer than {NAME_BYTES_MAX} bytes")]
    TooLong,
}

/// Something that a person is known by. Equal spellings (after normalisation by
/// kind) in one namespace are one identifier. `Debug` shows the kind alone.
#[derive(Clone)]
pub struct Identifier {
    kind: IdentifierKind,
    namespace: Box<str>,
    value: Box<str>,
    normalised: Box<str>,
}

impl Identifier {
    /// Takes `value` as it was received.
    ///
    /// # Errors
    /// [`InvalidIdentifier`] if nothing is left after normalisation, or for more
    /// than 4 KiB.
    pub fn new(kind: IdentifierKind, namespace: &str, value: &str) -> Result<Self, InvalidIdentifier> {
        let custom = kind.word().1.len();
        if value.len() > NAME_BYTES_MAX || namespace.len() > NAME_BYTES_MAX || custom > NAME_BYTES_MAX {
            return Err(InvalidIdentifier::TooLong);
        }
        let normalised = normalise(&kind, value);
        if normalised.is_empty() {
            return Err(InvalidIdentifier::Empty);
        }
        Ok(Self { kind, namespace: namespace.into(), value: value.into(), normalised: normalised.into() })
    }

    #[must_use]
    pub const fn kind(&self) -> &IdentifierKind {
        &self.kind
    }

    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// As received.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What the vault seals: three u32be-length-prefixed texts, kind, namespace, value.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (word, custom) = self.kind.word();
        let mut out = Vec::with_capacity(12 + word.len() + custom.len() + self.namespace.len() + self.value.len());
        for text in [&[word, custom][..], &[&*self.namespace], &[&*self.value]] {
            let length: usize = text.iter().map(|t| t.len()).sum();
            // INVARIANT: `new` admits no text beyond 4 KiB.
            out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
            text.iter().for_each(|t| out.extend_from_slice(t.as_bytes()));
        }
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        fn text<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
            let (length, rest) = bytes.split_first_chunk::<4>()?;
            let (text, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            *bytes = rest;
            std::str::from_utf8(text).ok()
        }
        let mut rest = bytes;
        let kind = IdentifierKind::of_word(text(&mut rest)?)?;
        let namespace = text(&mut rest)?;
        let value = text(&mut rest)?;
        if rest.is_empty() { Self::new(kind, namespace, value).ok() } else { None }
    }
}

impl PartialEq for Identifier {
    fn eq(&self, other: &Self) -> bool {
        (&self.kind, &self.namespace, &self.normalised) == (&other.kind, &other.namespace, &other.normalised)
    }
}

impl Eq for Identifier {}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({:?}, ..)", self.kind.word().0)
    }
}

/// Makes spellings equal: NFKC and trim for all kinds, then lower case for
/// e-mail addresses (a domain's Unicode and `xn--` forms stay two), digits and a
/// leading `+` for phone numbers. Applying it again changes nothing.
#[must_use]
pub fn normalise(kind: &IdentifierKind, value: &str) -> String {
    match kind {
        IdentifierKind::Phone => {
            let mut out = String::with_capacity(value.len());
            for c in value.nfkc() {
                if c.is_ascii_digit() || (c == '+' && out.is_empty()) {
                    out.push(c);
                }
            }
            if out == "+" { String::new() } else { out }
        }
        IdentifierKind::Email if value.is_ascii() => value.trim().to_ascii_lowercase(),
        // Lower-casing can undo NFKC and the other way round, and trimming can
        // expose nothing new; so repeat until nothing moves. Two rounds do for
        // all of Unicode's letters, the third sees that they did.
        IdentifierKind::Email => {
            let mut now: String = value.nfkc().collect();
            for _ in 0..8 {
                let next: String = now.trim().chars().flat_map(char::to_lowercase).nfkc().collect();
                if next == now {
                    break;
                }
                now = next;
            }
            now
        }
        _ if value.is_ascii() => value.trim().to_owned(),
        _ => value.nfkc().collect::<String>().trim().to_owned(),
    }
}

/// The keyed look-up of an identifier: the only form of it that is indexed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lookup(pub [u8; 32]);

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lookup(..)")
    }
}

/// The secret that makes look-ups unguessable from identifiers (ENISA 2019: a
/// bare hash of an e-mail address is broken by trying them all).
#[derive(Clone)]
pub struct Pepper(Hmac<Sha256>);

impl Pepper {
    #[must_use]
    pub fn new(secret: &Secret32) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        Self(Hmac::new_from_slice(&**secret).expect("any length"))
    }

    /// `HMAC-SHA256(pepper, type, namespace, normalised value)`, each preceded by
    /// its length as u64be.
    #[must_use]
    pub fn lookup(&self, identifier: &Identifier) -> Lookup {
        let mut mac = self.0.clone();
        let (word, custom) = identifier.kind.word();
        for text in [&[word, custom][..], &[&*identifier.namespace], &[&*identifier.normalised]] {
            let length: usize = text.iter().map(|t| t.len()).sum();
            mac.update(&(length as u64).to_be_bytes());
            text.iter().for_each(|t| mac.update(t.as_bytes()));
        }
        Lookup(mac.finalize().into_bytes().into())
    }

    /// Names the pepper without telling it. No look-up can equal it: those begin
    /// with a length, whose first byte is zero.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(b"ledgerline/fingerprint/v1\n");
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(kind: IdentifierKind, namespace: &str, value: &str) -> Identifier {
        Identifier::new(kind, namespace, value).unwrap()
    }

    #[test]
    fn spellings_that_mean_one_address_or_number_are_one() {
        use IdentifierKind::{CustomerNumber, Email, Name, Phone};
        for (kind, from, to) in [
            (Email, " Jane.Doe@Example.ORG ", "jane.doe@example.org"),
            (Email, "ｊane@example.org", "jane@example.org"),
            (Email, "STRAẞE@BÜCHER.example", "straße@bücher.example"),
            (Phone, "+49 (0)30 / 1234-567", "+490301234567"),
            (Phone, "０３０ 1234", "0301234"),
            (Phone, "(+1) 555+3", "+15553"),
            (Name, "\u{a0}Jane  Doe\n", "Jane  Doe"),
            (Name, "Ame\u{301}lie", "Am\u{e9}lie"),
            (CustomerNumber, " k-0017", "k-0017"),
        ] {
            assert_eq!(normalise(&kind, from), to);
        }
    }

    #[test]
    fn what_normalises_to_nothing_identifies_nobody() {
        for (kind, value) in [(IdentifierKind::Name, " \t"), (IdentifierKind::Phone, "n/a"), (IdentifierKind::Phone, " + ")] {
            assert_eq!(Identifier::new(kind, "", value).unwrap_err(), InvalidIdentifier::Empty);
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert_eq!(Identifier::new(IdentifierKind::Name, "", &long).unwrap_err(), InvalidIdentifier::TooLong);
    }

    #[test]
    fn a_look_up_is_the_hmac_of_three_length_prefixed_texts() {
        let pepper = Pepper::new(&Secret32::new([3; 32]));
        let mut message = Vec::new();
        for text in ["email", "crm", "jane@example.org"] {
            message.extend_from_slice(&(text.len() as u64).to_be_bytes());
            message.extend_from_slice(text.as_bytes());
        }
        let expected = Hmac::<Sha256>::new_from_slice(&[3; 32]).unwrap().chain_update(&message).finalize().into_bytes();
        assert_eq!(pepper.lookup(&id(IdentifierKind::Email, "crm", "JANE@example.org")).0, <[u8; 32]>::from(expected));
    }

    #[test]
    fn kinds_namespaces_and_peppers_tell_equal_values_apart() {
        let pepper = Pepper::new(&Secret32::new([3; 32]));
        let base = pepper.lookup(&id(IdentifierKind::Name, "a", "b"));
        for other in [
            id(IdentifierKind::Account, "a", "b"),
            id(IdentifierKind::Custom("name".into()), "a", "b"),
            id(IdentifierKind::Name, "", "ab"),
            id(IdentifierKind::Name, "ab", "b"),
        ] {
            assert_ne!(pepper.lookup(&other), base);
        }
        assert_ne!(Pepper::new(&Secret32::new([4; 32])).lookup(&id(IdentifierKind::Name, "a", "b")), base);
    }

    #[test]
    fn debug_tells_nothing_of_a_person() {
        let printed = format!("{:?}", id(IdentifierKind::Custom("jane".into()), "jane", "jane"));
        assert!(!printed.contains("jane"), "{printed}");
    }

    fn any_kind() -> impl Strategy<Value = IdentifierKind> {
        prop_oneof![
            Just(IdentifierKind::Email),
            Just(IdentifierKind::Phone),
            Just(IdentifierKind::Name),
            Just(IdentifierKind::CustomerNumber),
            Just(IdentifierKind::Account),
            ".{0,6}".prop_map(IdentifierKind::Custom),
        ]
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(kind in any_kind(), value in "\\PC{0,12}|[ \u{a0}\u{b4}İǰẞΣϒ\u{345}\u{301}+0-9@.]{0,10}") {
            let once = normalise(&kind, &value);
            prop_assert_eq!(normalise(&kind, &once), once);
        }

        #[test]
        fn what_is_sealed_reads_back_as_received(kind in any_kind(), namespace in ".{0,9}", value in ".{1,9}") {
            if let Ok(identifier) = Identifier::new(kind, &namespace, &value) {
                let bytes = identifier.to_bytes();
                let back = Identifier::from_bytes(&bytes).unwrap();
                prop_assert_eq!((back.kind(), back.namespace(), back.value()), (identifier.kind(), &*namespace, &*value));
                prop_assert!(Identifier::from_bytes(&bytes[..bytes.len() - 1]).is_none());
            }
        }
    }

    #[test]
    fn every_single_character_normalises_to_a_fixed_point() {
        for c in '\0'..='\u{2FFFF}' {
            for kind in [IdentifierKind::Email, IdentifierKind::Name] {
                let once = normalise(&kind, c.encode_utf8(&mut [0; 4]));
                assert_eq!(normalise(&kind, &once), once, "{:x}", c as u32);
            }
        }
    }
}
