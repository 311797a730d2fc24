//! Ids, one type a noun. Node ids are derived from names, so the same name has
//! the same id on every server of an installation and on every replay.
use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{kind::ArtifactKind, name::Name};

/// A node's id: UUIDv8 (RFC 9562 §5.8) of `HMAC-SHA256(installation secret,
/// length-prefixed kind, namespace, name)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub [u8; 16]);

/// A person's or actor's random handle. Known to the vault alone; it says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(pub [u8; 16]);

/// An entry's UUIDv7 (its `id` in the leaf).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub [u8; 16]);

/// An entry's position over all logs of an installation.
pub type EntryIndex = u64;

macro_rules! uuid_shaped {
    ($($t:ident),*) => {$(
        impl $t {
            /// The hyphenated lower-case text.
            #[must_use]
            pub fn text(self) -> String {
                uuid::Uuid::from_bytes(self.0).hyphenated().to_string()
            }

            /// Reads the hyphenated text.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                uuid::Uuid::try_parse(text).ok().filter(|_| text.len() == 36).map(|u| Self(u.into_bytes()))
            }
        }
        impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text())
            }
        }
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text())
            }
        }
    )*};
}
uuid_shaped!(NodeId, Handle, EntryId);

impl EntryId {
    /// A UUIDv7 of `unix_ms` and ten random bytes (RFC 9562 §5.7).
    #[must_use]
    pub fn new(unix_ms: u64, random: &[u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, random).into_uuid().into_bytes())
    }
}

impl Handle {
    /// A random handle as a UUIDv4.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid().into_bytes())
    }
}

/// The installation secret: makes node ids unguessable from names alone.
#[derive(Clone)]
pub struct InstallationSecret(Hmac<Sha256>);

impl InstallationSecret {
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        Self(Hmac::new_from_slice(secret).expect("any length"))
    }

    /// The id of a name.
    #[must_use]
    pub fn node_id(&self, kind: ArtifactKind, name: &Name) -> NodeId {
        self.derive(&[kind.word(), &name.namespace, &name.name])
    }

    /// The id of an OpenLineage run: runs have no namespace, their id is their name.
    #[must_use]
    pub fn run_node_id(&self, run_id: &str) -> NodeId {
        self.derive(&[ArtifactKind::Run.word(), "", run_id])
    }

    /// A key for one use, told apart by its label.
    #[must_use]
    pub fn key(&self, label: &str) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(b"ledgerline/key/v1\n");
        mac.update(label.as_bytes());
        mac.finalize().into_bytes().into()
    }

    fn derive(&self, parts: &[&str]) -> NodeId {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let full = mac.finalize().into_bytes();
        let mut b = [0u8; 16];
        b.copy_from_slice(&full[..16]);
        NodeId(uuid::Builder::from_custom_bytes(b).into_uuid().into_bytes())
    }
}

impl fmt::Debug for InstallationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallationSecret(..)")
    }
}
