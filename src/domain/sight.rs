//! What one reader may see of the graph: which namespaces, and how sensitive a
//! thing may be. It is the present right for every instant that is asked about.
use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    id::{Handle, NodeId},
    lineage::NodeKey,
};

/// How sensitive an artifact is, in ascending order. One that nobody classifies is public.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
#[repr(u8)]
pub enum Sensitivity {
    #[default]
    Public = 0,
    Internal = 1,
    Confidential = 2,
    Restricted = 3,
}

impl Sensitivity {
    /// Every level, ascending.
    pub const ALL: [Self; 4] = [Self::Public, Self::Internal, Self::Confidential, Self::Restricted];
    /// The key of the tag that tells it, in any case of letters.
    pub const TAG: &'static str = "sensitivity";

    /// The word in tags, in `core` parts and in the configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Restricted => "restricted",
        }
    }

    /// The level of a word, in any case of letters.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word().eq_ignore_ascii_case(word))
    }

    /// The level of a number.
    #[must_use]
    pub fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|s| *s as u8 == n)
    }

    /// What a tag's value says. A word that nobody knows says that something is
    /// sensitive, and not how much: the most, then.
    #[must_use]
    pub fn of_tag(value: &str) -> Self {
        Self::from_word(value.trim()).unwrap_or(Self::Restricted)
    }
}

/// Whether a namespace is within somebody's scope.
pub type Namespaces = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What one reader may see. A name is seen when its namespace is admitted and its
/// sensitivity cleared.
#[derive(Clone)]
pub struct Sight(Option<Arc<Bounds>>);

struct Bounds {
    /// `None`: all of them.
    namespaces: Option<Namespaces>,
    clearance: Sensitivity,
    /// Keyed for the reader: ids that stand for what is hidden from this one.
    mask: Hmac<Sha256>,
}

impl Sight {
    /// Nothing is hidden.
    pub const EVERYTHING: Self = Self(None);

    /// What a reader may see: `namespaces` (`None`: all) up to `clearance`. `key` is
    /// the installation's, for ids of what is hidden.
    #[must_use]
    pub fn of(namespaces: Option<Namespaces>, clearance: Sensitivity, key: &[u8; 32], reader: Handle) -> Self {
        if namespaces.is_none() && clearance == Sensitivity::Restricted {
            return Self::EVERYTHING;
        }
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mask = Hmac::<Sha256>::new_from_slice(key).expect("any length");
        mask.update(&reader.0);
        Self(Some(Arc::new(Bounds { namespaces, clearance, mask })))
    }

    /// Whether nothing is hidden, so that nothing needs to be asked.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        self.0.is_none()
    }

    /// Whether every namespace is admitted.
    #[must_use]
    pub fn admits_all(&self) -> bool {
        self.0.as_ref().is_none_or(|b| b.namespaces.is_none())
    }

    /// Whether the namespace is admitted.
    #[must_use]
    pub fn admits(&self, namespace: &str) -> bool {
        self.0.as_ref().and_then(|b| b.namespaces.as_ref()).is_none_or(|holds| holds(namespace))
    }

    /// The most sensitive that is seen.
    #[must_use]
    pub fn clearance(&self) -> Sensitivity {
        self.0.as_ref().map_or(Sensitivity::Restricted, |b| b.clearance)
    }

    /// The id under which a node that is hidden stands in this reader's answers: of
    /// the form of all ids, the same each time, another one for each reader, and
    /// nobody's own.
    #[must_use]
    pub fn opaque(&self, key: &NodeKey) -> NodeId {
        let Some(bounds) = &self.0 else { return key.artifact() };
        let mut mac = bounds.mask.clone();
        mac.update(&key.artifact().0);
        if let NodeKey::Field(_, path) = key {
            mac.update(b"\0");
            mac.update(path.as_bytes());
        }
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut first = [0; 16];
        first.copy_from_slice(&full[..16]);
        NodeId(uuid::Builder::from_custom_bytes(first).into_uuid().into_bytes())
    }
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Sight(everything)"),
            Some(b) => write!(f, "Sight(up to {})", b.clearance.word()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(reader: u8) -> Sight {
        Sight::of(Some(Arc::new(|n| n == "shop")), Sensitivity::Internal, &[7; 32], Handle([reader; 16]))
    }

    #[test]
    fn words_are_read_in_any_case_and_unknown_ones_mean_the_most() {
        for level in Sensitivity::ALL {
            assert_eq!(Sensitivity::of_tag(&format!(" {} ", level.word().to_uppercase())), level);
            assert_eq!(Sensitivity::from_u8(level as u8), Some(level));
        }
        for unknown in ["", "secret", "true", "publicity"] {
            assert_eq!(Sensitivity::of_tag(unknown), Sensitivity::Restricted, "{unknown}");
        }
    }

    #[test]
    fn an_id_of_something_hidden_is_steady_the_readers_own_and_no_id_of_anything() {
        let artifact = NodeKey::Artifact(NodeId([1; 16]));
        let fields = ["a", "b"].map(|path| NodeKey::Field(NodeId([1; 16]), path.into()));
        assert_eq!(sight(1).opaque(&artifact), sight(1).opaque(&artifact));
        let all = [sight(1).opaque(&artifact), sight(2).opaque(&artifact), sight(1).opaque(&fields[0]), sight(1).opaque(&fields[1])];
        for (i, id) in all.iter().enumerate() {
            assert!(!all[..i].contains(id) && *id != NodeId([1; 16]));
            assert_eq!((id.0[6] >> 4, id.0[8] >> 6), (8, 0b10), "a UUIDv8 like all ids of nodes");
        }
    }

    #[test]
    fn whoever_may_see_all_namespaces_and_the_most_sensitive_sees_everything() {
        assert!(Sight::of(None, Sensitivity::Restricted, &[7; 32], Handle([1; 16])).is_everything());
        let bounded = Sight::of(None, Sensitivity::Confidential, &[7; 32], Handle([1; 16]));
        assert!(!bounded.is_everything() && bounded.admits_all() && bounded.admits("any"));
        assert!(sight(1).admits("shop") && !sight(1).admits("bank") && !sight(1).admits_all());
    }
}
