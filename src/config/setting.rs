//! The types that a key may have, and how each reads its text.
use std::{fmt, ops::RangeInclusive, path::PathBuf};

use base64::Engine as _;
use zeroize::Zeroizing;

/// One line of the table of keys.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted: `section.key`.
    pub name: &'static str,
    /// What kind of value, in words.
    pub kind: &'static str,
    /// As it would be written; empty: not set.
    pub default: &'static str,
    /// What it means, one sentence or two.
    pub doc: &'static str,
    /// May also come from a file (`…_FILE`), and is never shown.
    pub secret: bool,
    /// Smallest and greatest number.
    pub range: Option<(u64, u64)>,
}

impl Key {
    pub(super) const fn of<T: Setting>(name: &'static str, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind: T::KIND, default, doc, secret: T::SECRET, range: None }
    }

    pub(super) const fn within(mut self, range: RangeInclusive<u64>) -> Self {
        self.range = Some((*range.start(), *range.end()));
        self
    }

    /// The environment variable of the key.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{}{}", super::source::ENV_PREFIX, self.name.to_uppercase().replace('.', "__"))
    }
}

/// A type of values that can be written as text.
pub trait Setting: Sized {
    /// What kind of value, in words.
    const KIND: &'static str;
    const SECRET: bool = false;

    /// Reads the text. The empty text means "not set" where that is possible.
    ///
    /// # Errors
    /// The rest of a sentence that begins with the key: `must be …`. It must not
    /// hold the text.
    fn read(text: &str) -> Result<Self, String>;

    /// The number that a range bounds.
    fn magnitude(&self) -> Option<u64> {
        None
    }
}

macro_rules! whole_numbers {
    ($($t:ty),*) => {$(
        impl Setting for $t {
            const KIND: &'static str = "number";
            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| "must be a whole number".to_owned())
            }
            fn magnitude(&self) -> Option<u64> {
                u64::try_from(*self).ok()
            }
        }
    )*};
}
whole_numbers!(u32, u64, usize);

impl Setting for bool {
    const KIND: &'static str = "true or false";
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be `true` or `false`".to_owned())
    }
}

impl Setting for Option<PathBuf> {
    const KIND: &'static str = "path";
    fn read(text: &str) -> Result<Self, String> {
        Ok((!text.is_empty()).then(|| PathBuf::from(text)))
    }
}

impl Setting for Option<String> {
    const KIND: &'static str = "text";
    fn read(text: &str) -> Result<Self, String> {
        // A log's origin is a key name of a signed note: no white space, no `+`.
        if text.chars().any(|c| c.is_whitespace() || c == '+') {
            return Err("must hold neither white space nor `+`".to_owned());
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }
}

/// `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress(pub String);

impl Setting for ListenAddress {
    const KIND: &'static str = "address";
    fn read(text: &str) -> Result<Self, String> {
        let problem = || "must be an address and a port such as `127.0.0.1:8080`".to_owned();
        let (host, port) = text.rsplit_once(':').ok_or_else(problem)?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || (host.contains(':') && !bracketed) || port.parse::<u16>().is_err() {
            return Err(problem());
        }
        Ok(Self(text.to_owned()))
    }
}

/// A number of bytes: `1048576`, `512 KiB`, `16 MiB`, `1 GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub usize);

impl Setting for ByteSize {
    const KIND: &'static str = "bytes";
    fn read(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit: usize = match unit.trim() {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err("must be a number of bytes such as `1048576` or `16 MiB`".to_owned()),
        };
        let number: Option<usize> = number.parse().ok();
        number
            .and_then(|n| n.checked_mul(unit))
            .map(Self)
            .ok_or_else(|| "must be a number of bytes such as `1048576` or `16 MiB`".to_owned())
    }

    fn magnitude(&self) -> Option<u64> {
        u64::try_from(self.0).ok()
    }
}

/// A text that is never shown and is wiped from memory when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself; keep it as short as possible.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The secret as a 32-byte key: 64 hex digits, or base64 in either alphabet
    /// with or without padding.
    #[must_use]
    pub fn key32(&self) -> Option<Zeroizing<[u8; 32]>> {
        let text = self.0.trim();
        let mut key = Zeroizing::new([0; 32]);
        if text.len() == 64 && hex::decode_to_slice(text, &mut *key).is_ok() {
            return Some(key);
        }
        let plain: Zeroizing<String> = Zeroizing::new(
            text.trim_end_matches('=')
                .chars()
                .map(|c| {
                    if c == '-' {
                        '+'
                    } else if c == '_' {
                        '/'
                    } else {
                        c
                    }
                })
                .collect(),
        );
        let bytes = Zeroizing::new(base64::engine::general_purpose::STANDARD_NO_PAD.decode(plain.as_bytes()).ok()?);
        *key = bytes.as_slice().try_into().ok()?;
        Some(key)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Setting for Option<Secret> {
    const KIND: &'static str = "secret";
    const SECRET: bool = true;
    fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let secret = Secret(Zeroizing::new(text.to_owned()));
        if secret.key32().is_none() {
            return Err("must be 32 bytes, as 64 hex digits or as base64".to_owned());
        }
        Ok(Some(secret))
    }
}

/// What `tracing_subscriber`'s filter understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(pub String);

impl Setting for LogFilter {
    const KIND: &'static str = "filter";
    fn read(text: &str) -> Result<Self, String> {
        match tracing_subscriber::EnvFilter::builder().parse(text) {
            Ok(_) if !text.trim().is_empty() => Ok(Self(text.to_owned())),
            _ => Err("must be a level such as `info` or directives such as `info,ledgerline=debug`".to_owned()),
        }
    }
}

macro_rules! choices {
    ($(#[$meta:meta])* $name:ident = $must:literal { $( #[doc = $doc:literal] $variant:ident = $word:literal, )* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $( #[doc = $doc] $variant, )* }

        impl Setting for $name {
            const KIND: &'static str = "choice";
            fn read(text: &str) -> Result<Self, String> {
                match text {
                    $( $word => Ok(Self::$variant), )*
                    _ => Err($must.to_owned()),
                }
            }
        }
    };
}

choices! {
    /// How log lines look.
    LogFormat = "must be `json` or `text`" {
        #[doc = "One object a line."]
        Json = "json",
        #[doc = "For people."]
        Text = "text",
    }
}

choices! {
    /// The most sensitive that a role sees.
    SensitivityMax = "must be `public`, `internal`, `confidential` or `restricted`" {
        #[doc = "What nobody calls sensitive, or somebody public."]
        Public = "public",
        #[doc = "Also what is internal."]
        Internal = "internal",
        #[doc = "Also what is confidential."]
        Confidential = "confidential",
        #[doc = "Everything."]
        Restricted = "restricted",
    }
}

choices! {
    /// What of the ledger anybody may read; each includes those before it.
    PublicLedger = "must be `none`, `checkpoint`, `hashes` or `entries`" {
        #[doc = "Nothing."]
        None = "none",
        #[doc = "The signed tree head and the verifier key."]
        Checkpoint = "checkpoint",
        #[doc = "Also hash tiles, inclusion and consistency proofs."]
        Hashes = "hashes",
        #[doc = "Also entry bundles: the leaves."]
        Entries = "entries",
    }
}

choices! {
    /// What a document that does not fit the schema is answered with.
    InvalidStatus = "must be `400` or `422`" {
        #[doc = "Bad Request, as clients of the last years expect it."]
        BadRequest = "400",
        #[doc = "Unprocessable Content, as the draft of August 2026 wants it."]
        UnprocessableContent = "422",
    }
}

choices! {
    /// What data with errors beside them are answered with.
    PartialStatus = "must be `200` or `294`" {
        #[doc = "OK, as clients and proxies of the last years expect it."]
        Ok = "200",
        #[doc = "Partial Success, as the draft of August 2026 wants it."]
        PartialSuccess = "294",
    }
}

/// Which store holds ledger and graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// Files in the data folder.
    Embedded,
}

impl Setting for StoreKind {
    const KIND: &'static str = "choice";
    fn read(text: &str) -> Result<Self, String> {
        match text {
            "embedded" => Ok(Self::Embedded),
            "neo4j" => Err("must be `embedded`: another store is not in this build yet".to_owned()),
            _ => Err("must be `embedded`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_sizes_read_with_and_without_units() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("1048576", Some(1_048_576)),
            ("16 MiB", Some(16 << 20)),
            ("2KiB", Some(2048)),
            ("1 GiB", Some(1 << 30)),
            ("", None),
            ("MiB", None),
            ("1 MB", None),
            ("-1", None),
            ("99999999999999999999", None),
            ("18446744073709551615 GiB", None),
        ] {
            assert_eq!(ByteSize::read(text).ok().map(|b| b.0), bytes, "{text}");
        }
    }

    #[test]
    fn listen_addresses_need_a_host_and_a_port() {
        for ok in ["127.0.0.1:8080", "0.0.0.0:0", "[::1]:80", "localhost:65535"] {
            assert!(ListenAddress::read(ok).is_ok(), "{ok}");
        }
        for bad in ["", "8080", ":8080", "localhost", "localhost:x", "::1:80", "localhost:65536"] {
            assert!(ListenAddress::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_reads_as_hex_and_as_base64_of_32_bytes() {
        let of = |text: &str| Secret(Zeroizing::new(text.to_owned())).key32().map(|k| *k);
        assert_eq!(of(&"0a".repeat(32)), Some([10; 32]));
        assert_eq!(of("//////////////////////////////////////////8="), Some([255; 32]));
        assert_eq!(of("__________________________________________8\n"), Some([255; 32]));
        assert_eq!(of("short"), None);
        assert_eq!(of(&"0a".repeat(31)), None);
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret(Zeroizing::new("marker".to_owned()))), "Secret(..)");
    }
}
