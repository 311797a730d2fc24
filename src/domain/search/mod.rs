//! Finding artifacts by words: what an artifact can be found by, what is asked,
//! what is answered, and an inverted index in memory that answers it.
//!
//! Everything here is derived from the graph and holds words that people wrote in
//! the clear, so it lives in memory alone: see `docs/adr/0008-search-in-memory.md`.
mod distance;
mod index;
#[cfg(test)]
mod model;
mod terms;
mod words;

pub use self::{
    distance::{TYPOS_MAX, distance_within, typos_allowed},
    index::SearchIndex,
    words::{fold, query_words, words},
};

use super::{id::Handle, kind::ArtifactKind, lineage::NodeKey, name::Name};

/// The longest text that is searched for, in bytes.
pub const TEXT_BYTES_MAX: usize = 512;
/// The most words of one search.
pub const QUERY_WORDS_MAX: usize = 8;

/// What an artifact can be found by, as the whole ledger says last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Searchable {
    /// The name that stands for it.
    pub key: NodeKey,
    pub kind: ArtifactKind,
    pub name: Name,
    /// The other names that are the same artifact, with their keys.
    pub aliases: Vec<(NodeKey, Name)>,
    /// What is not alive is not found.
    pub alive: bool,
    pub owners: Vec<Handle>,
    pub tags: Vec<TagText>,
    /// Dotted paths.
    pub columns: Vec<Box<str>>,
    pub descriptions: Vec<Box<str>>,
}

/// A tag as facets count it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct TagText {
    pub key: Box<str>,
    pub value: Box<str>,
}

/// Where a word stands. The order is that of their weight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Place {
    Description = 0,
    Column = 1,
    Tag = 2,
    Namespace = 3,
    Alias = 4,
    Name = 5,
}

impl Place {
    /// From the heaviest.
    pub const ALL: [Self; 6] = [Self::Name, Self::Alias, Self::Namespace, Self::Tag, Self::Column, Self::Description];

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// How a word of an artifact answers a word that was asked for. The order is that of their weight.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Manner {
    /// It is so many edits away: 1 or 2.
    Similar(u8),
    /// It begins so.
    Prefix,
    /// It is the same.
    Whole,
}

impl Manner {
    /// The weight of a word: whole and begun ones before similar ones wherever
    /// they stand, then by place, then by manner. From 1 to [`WEIGHT_MAX`].
    #[must_use]
    pub const fn weight(self, place: Place) -> u8 {
        let place = place as u8;
        match self {
            Self::Similar(edits) => 1 + 2 * place + (if edits <= 1 { 1 } else { 0 }),
            Self::Prefix => 13 + 2 * place,
            Self::Whole => 14 + 2 * place,
        }
    }
}

/// The greatest [`Manner::weight`].
pub const WEIGHT_MAX: u8 = 24;

/// A search.
#[derive(Clone, Debug, Default)]
pub struct SearchQuery {
    pub text: Box<str>,
    pub filter: SearchFilter,
    /// Only hits after this one.
    pub after: Option<HitKey>,
    pub limit: usize,
    pub count_facets: bool,
}

/// Which artifacts may be hits. Every member narrows.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct SearchFilter {
    /// Empty: all.
    pub kinds: Vec<ArtifactKind>,
    pub namespace: Option<Box<str>>,
    pub owner: Option<Handle>,
    /// A key, and its value where that matters.
    pub tag: Option<(Box<str>, Option<Box<str>>)>,
}

/// A hit's place in the order of hits: the score descending, then name and kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HitKey {
    pub score: u32,
    pub name: Name,
    pub kind: ArtifactKind,
}

impl HitKey {
    fn order(&self) -> (std::cmp::Reverse<u32>, &Name, ArtifactKind) {
        (std::cmp::Reverse(self.score), &self.name, self.kind)
    }
}

impl PartialOrd for HitKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HitKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// Why an artifact is a hit: for each word asked for, the heaviest of its words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Match {
    pub place: Place,
    /// The word of the artifact, folded.
    pub word: Box<str>,
    pub manner: Manner,
}

/// An artifact that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hit {
    pub artifact: NodeKey,
    pub at: HitKey,
    pub matches: Vec<Match>,
}

/// How many hits there are of each kind and so on, most first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SearchFacets {
    pub kinds: Vec<(ArtifactKind, u32)>,
    pub namespaces: Vec<(Box<str>, u32)>,
    pub owners: Vec<(Handle, u32)>,
    pub tags: Vec<(TagText, u32)>,
}

/// What a search found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    pub hits: Vec<Hit>,
    /// Hits in all, on every page.
    pub total: u32,
    /// Whether hits follow these.
    pub more: bool,
    /// Counted over all hits, where asked for.
    pub facets: Option<SearchFacets>,
}
