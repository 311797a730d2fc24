//! Search: what is asked, and what was found where.
use async_graphql::{
    Context, Enum, ID, InputObject, Object, SimpleObject,
    connection::{Connection, Edge},
};
use futures::future::try_join_all;
use sha2::{Digest as _, Sha256};

use super::{
    super::{
        context::{reading, request},
        cursor::{Cursor, Position},
        error::{ApiError, Result},
        input::{ArtifactKind, PAGE_MAX, price, size},
        query::{not_of_this_list, open},
        scalar::Long,
    },
    Actor,
    artifact::Artifact,
};
use crate::domain::{
    id::Handle,
    search::{self as domain, Manner, Place},
};

/// Which artifacts may be found. Every member narrows.
#[derive(InputObject, Clone, Debug, Default)]
pub struct SearchFilter {
    /// Of these kinds.
    pub kinds: Option<Vec<ArtifactKind>>,
    /// In this namespace.
    pub namespace: Option<String>,
    /// With this owner, by handle.
    pub owner: Option<ID>,
    /// With this tag, on the artifact or one of its columns.
    pub tag: Option<TagFilter>,
}

/// A tag.
#[derive(InputObject, Clone, Debug)]
pub struct TagFilter {
    /// Its key.
    pub key: String,
    /// Its value; without it any.
    pub value: Option<String>,
}

impl SearchFilter {
    fn read(self) -> Result<domain::SearchFilter> {
        let owner =
            self.owner.map(|id| Handle::parse(&id).ok_or_else(|| ApiError::input("filter.owner", "not a handle as `Actor.handle` has it")));
        Ok(domain::SearchFilter {
            kinds: self.kinds.unwrap_or_default().into_iter().map(Into::into).collect(),
            namespace: self.namespace.map(Into::into),
            owner: owner.transpose()?,
            tag: self.tag.map(|t| (t.key.into(), t.value.map(Into::into))),
        })
    }
}

/// Where a word stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum SearchPlace {
    /// In the artifact's name.
    Name,
    /// In another name that is the same artifact, or in its namespace.
    Alias,
    /// In the namespace.
    Namespace,
    /// In the key or value of a tag.
    Tag,
    /// In the name of a column.
    Column,
    /// In a description of the artifact or of a column.
    Description,
}

impl From<Place> for SearchPlace {
    fn from(place: Place) -> Self {
        match place {
            Place::Name => Self::Name,
            Place::Alias => Self::Alias,
            Place::Namespace => Self::Namespace,
            Place::Tag => Self::Tag,
            Place::Column => Self::Column,
            Place::Description => Self::Description,
        }
    }
}

/// How a word answers the one that was asked for.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum SearchManner {
    /// It is the same, but for capitals and accents.
    Whole,
    /// It begins so.
    Prefix,
    /// It is one or two slips of the pen away.
    Similar,
}

impl From<Manner> for SearchManner {
    fn from(manner: Manner) -> Self {
        match manner {
            Manner::Whole => Self::Whole,
            Manner::Prefix => Self::Prefix,
            Manner::Similar(_) => Self::Similar,
        }
    }
}

/// The best of an artifact's words for one that was asked for.
#[derive(SimpleObject, Clone, Debug)]
pub struct SearchMatch {
    /// Where it stands.
    place: SearchPlace,
    /// The word, in small letters and without accents.
    word: String,
    /// How it answers.
    manner: SearchManner,
}

/// An artifact that was found, and why.
#[derive(SimpleObject, Clone)]
pub struct SearchHit {
    /// The artifact, at the size that the search stands on.
    artifact: Artifact,
    /// For each word that was asked for, in its order, the best of the artifact's words.
    matches: Vec<SearchMatch>,
}

/// What a search stands on.
#[derive(SimpleObject, Clone, Copy, Debug)]
pub struct SearchAsOf {
    /// How many entries of the ledger the index has taken in.
    ledger_size: Long,
}

/// How many hits are of a kind.
#[derive(SimpleObject, Clone, Copy, Debug)]
pub struct KindCount {
    /// The kind.
    kind: ArtifactKind,
    /// How many.
    count: i32,
}

/// How many hits are in a namespace.
#[derive(SimpleObject, Clone, Debug)]
pub struct NamespaceCount {
    /// The namespace.
    namespace: String,
    /// How many.
    count: i32,
}

/// How many hits have an owner.
#[derive(SimpleObject, Clone, Debug)]
pub struct OwnerCount {
    /// The owner, by handle.
    owner: Actor,
    /// How many.
    count: i32,
}

/// How many hits have a tag.
#[derive(SimpleObject, Clone, Debug)]
pub struct TagCount {
    /// The tag's key.
    key: String,
    /// The tag's value.
    value: String,
    /// How many.
    count: i32,
}

fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

/// How the hits of all pages divide, most first.
pub struct SearchFacets(domain::SearchFacets);

/// How the hits of all pages divide, most first.
#[Object]
impl SearchFacets {
    /// By kind.
    async fn kinds(&self) -> Vec<KindCount> {
        self.0.kinds.iter().map(|(kind, n)| KindCount { kind: (*kind).into(), count: count(*n) }).collect()
    }

    /// By namespace.
    #[graphql(complexity = "price(Some(first), 20, PAGE_MAX, child_complexity)")]
    async fn namespaces(
        &self,
        #[graphql(default = 20, desc = "How many at most; at most 200.")] first: i32,
    ) -> Result<Vec<NamespaceCount>> {
        let shown = self.0.namespaces.iter().take(size("first", first, PAGE_MAX)?);
        Ok(shown.map(|(ns, n)| NamespaceCount { namespace: ns.to_string(), count: count(*n) }).collect())
    }

    /// By owner; a hit counts for each of its owners.
    #[graphql(complexity = "price(Some(first), 20, PAGE_MAX, child_complexity)")]
    async fn owners(&self, #[graphql(default = 20, desc = "How many at most; at most 200.")] first: i32) -> Result<Vec<OwnerCount>> {
        let shown = self.0.owners.iter().take(size("first", first, PAGE_MAX)?);
        Ok(shown.map(|(owner, n)| OwnerCount { owner: (*owner).into(), count: count(*n) }).collect())
    }

    /// By tag, on the artifact or its columns; a hit counts for each of its tags once.
    #[graphql(complexity = "price(Some(first), 20, PAGE_MAX, child_complexity)")]
    async fn tags(&self, #[graphql(default = 20, desc = "How many at most; at most 200.")] first: i32) -> Result<Vec<TagCount>> {
        let shown = self.0.tags.iter().take(size("first", first, PAGE_MAX)?);
        let one = |(t, n): &(domain::TagText, u32)| TagCount { key: t.key.to_string(), value: t.value.to_string(), count: count(*n) };
        Ok(shown.map(one).collect())
    }
}

/// What a page says of the whole search.
#[derive(SimpleObject)]
pub struct SearchTotals {
    /// How many hits there are on all pages.
    total_count: i32,
    /// How the hits of all pages divide.
    facets: SearchFacets,
    /// What the search stands on.
    as_of: SearchAsOf,
}

/// A page of hits.
pub type SearchHitConnection = Connection<String, SearchHit, SearchTotals>;

/// Which search a cursor belongs to.
fn digest(query: &domain::SearchQuery) -> [u8; 8] {
    let mut h = Sha256::new();
    let mut part = |bytes: &[u8]| {
        h.update((bytes.len() as u64).to_be_bytes());
        h.update(bytes);
    };
    let filter = &query.filter;
    part(query.text.as_bytes());
    part(&filter.kinds.iter().map(|k| *k as u8).collect::<Vec<_>>());
    let tag = filter.tag.as_ref();
    for text in [&filter.namespace, &tag.map(|t| t.0.clone()), &tag.and_then(|t| t.1.clone())] {
        part(&[u8::from(text.is_some())]);
        part(text.as_deref().unwrap_or_default().as_bytes());
    }
    part(filter.owner.as_ref().map_or(&[][..], |o| &o.0));
    h.finalize().first_chunk().copied().unwrap_or_default()
}

/// Answers the root field.
pub async fn search(
    ctx: &Context<'_>,
    text: String,
    first: usize,
    after: Option<String>,
    filter: SearchFilter,
) -> Result<SearchHitConnection> {
    let reading = reading(ctx).await?;
    let key = &request(ctx)?.cursor_key;
    let mut query = domain::SearchQuery {
        text: text.into(),
        filter: filter.read()?,
        after: None,
        limit: first,
        count_facets: ctx.look_ahead().field("facets").exists(),
    };
    let digest = digest(&query);
    query.after = match after.map(|text| open(key, &text)).transpose()? {
        Some(Cursor { position: Position::Hit(of, at), .. }) if of == digest => Some(at),
        Some(_) => return Err(not_of_this_list()),
        None => None,
    };
    let begun = query.after.is_some();
    let answer = reading.view.search(query).await?;
    let (found, as_of) = (answer.found, answer.as_of);
    // The loader makes one question of it.
    let facts = try_join_all(found.hits.iter().map(|h| reading.artifact(h.artifact.clone(), as_of))).await?;
    let totals = SearchTotals {
        total_count: count(found.total),
        facets: SearchFacets(found.facets.unwrap_or_default()),
        as_of: SearchAsOf { ledger_size: Long(as_of.size) },
    };
    let mut connection = Connection::with_additional_fields(begun, found.more, totals);
    connection.edges.extend(found.hits.into_iter().zip(facts).filter_map(|(hit, facts)| {
        let facts = facts?;
        let cursor = key.seal(&Cursor { as_of, position: Position::Hit(digest, hit.at) });
        let matches = hit.matches.into_iter();
        let matches = matches.map(|m| SearchMatch { place: m.place.into(), word: m.word.into(), manner: m.manner.into() }).collect();
        Some(Edge::new(cursor, SearchHit { artifact: Artifact { facts, as_of }, matches }))
    }));
    Ok(connection)
}
