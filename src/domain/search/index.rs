//! The inverted index: which artifacts hold which word, where. Documents are
//! appended and struck out; who is struck out is swept when there are many.
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    hash::{BuildHasher as _, Hash as _, Hasher as _},
};

use rustc_hash::{FxBuildHasher, FxHashMap};
use smallvec::SmallVec;

use super::{
    Found, Hit, HitKey, Manner, Match, Place, SearchFacets, SearchFilter, SearchQuery, Searchable, TagText,
    terms::{TermNo, Terms},
    words::{fold, query_words, words},
};
use crate::domain::{
    id::{Handle, NodeId},
    kind::ArtifactKind,
    lineage::NodeKey,
    name::Name,
};

type DocNo = u32;

/// Different words of one artifact; of longer texts the rest is not found.
const WORDS_MAX: usize = 10_000;
/// Of each place one bit, the rest of a posting is the document.
const PLACE_BITS: u32 = 6;
const PLACE_MASK: u32 = (1 << PLACE_BITS) - 1;
const DOCS_MAX: usize = 1 << (32 - PLACE_BITS);
/// Of a document's best word: the weight above so many bits of its number.
const TERM_BITS: u32 = 27;
/// So many struck documents are swept, once they outnumber the others.
const SWEEP_MIN: usize = 1024;

struct Doc {
    key: NodeKey,
    kind: ArtifactKind,
    name: Name,
    folded: Box<str>,
    namespace: u32,
    alias_namespaces: SmallVec<[u32; 1]>,
    owners: SmallVec<[Handle; 1]>,
    tags: SmallVec<[u32; 2]>,
    /// Of all that it is found by: an equal one need not be taken in again.
    digest: u64,
}

/// Texts by number.
struct Numbers<T> {
    values: Vec<T>,
    numbers: FxHashMap<T, u32>,
}

impl<T: Clone + Eq + std::hash::Hash> Numbers<T> {
    fn of(&mut self, value: &T) -> u32 {
        if let Some(n) = self.numbers.get(value) {
            return *n;
        }
        let n = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        self.values.push(value.clone());
        self.numbers.insert(value.clone(), n);
        n
    }
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self { values: Vec::new(), numbers: FxHashMap::default() }
    }
}

/// Artifacts by their words. One writer, many readers: the owner locks.
#[derive(Default)]
pub struct SearchIndex {
    docs: Vec<Option<Doc>>,
    live: usize,
    by_key: FxHashMap<NodeId, DocNo>,
    terms: Terms,
    /// Of each word, ascending by document.
    postings: Vec<Vec<u32>>,
    namespaces: Numbers<Box<str>>,
    tags: Numbers<TagText>,
}

/// The part of a name after its last separator: what people call a table.
fn last_segment(name: &str) -> &str {
    name.rsplit(['.', '/', ':']).next().unwrap_or(name)
}

/// A score: how the whole text meets the name, then the weakest of the words,
/// then all of them, then short names first.
fn score(text: &str, name: &str, weights: impl Iterator<Item = u8>) -> u32 {
    let last = last_segment(name);
    let tier = match () {
        () if name == text => 4,
        () if last == text => 3,
        () if name.starts_with(text) || last.starts_with(text) => 2,
        () => 0,
    };
    let (least, sum) = weights.fold((u8::MAX, 0u32), |(least, sum), w| (least.min(w), sum + u32::from(w)));
    let length = u32::try_from(name.chars().count()).unwrap_or(u32::MAX).min(255);
    tier << 24 | u32::from(least) << 16 | sum.min(255) << 8 | (255 - length)
}

impl SearchIndex {
    /// Artifacts that can be found.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Different words.
    #[must_use]
    pub fn words(&self) -> usize {
        self.terms.len()
    }

    /// Takes in what a name was found to be: under its own key, or under another's
    /// that it is joined with. `None`: nothing names it.
    pub fn put(&mut self, asked: &NodeKey, found: Option<&Searchable>) {
        let Some(found) = found else { return self.strike(asked.artifact()) };
        if found.key != *asked {
            self.strike(asked.artifact());
        }
        for (key, _) in found.aliases.iter().filter(|(key, _)| *key != found.key) {
            self.strike(key.artifact());
        }
        if !found.alive {
            return self.strike(found.key.artifact());
        }
        let digest = digest(found);
        let known = self.by_key.get(&found.key.artifact()).and_then(|no| self.docs.get(*no as usize)?.as_ref());
        if known.is_some_and(|doc| doc.digest == digest) {
            return;
        }
        self.strike(found.key.artifact());
        self.add(found, digest);
        let struck = self.docs.len() - self.live;
        if struck > SWEEP_MIN && struck > self.live {
            self.sweep();
        }
    }

    fn strike(&mut self, key: NodeId) {
        if let Some(no) = self.by_key.remove(&key)
            && self.docs.get_mut(no as usize).and_then(Option::take).is_some()
        {
            self.live -= 1;
        }
    }

    fn add(&mut self, s: &Searchable, digest: u64) {
        if self.docs.len() >= DOCS_MAX {
            self.sweep();
        }
        let Some(no) = DocNo::try_from(self.docs.len()).ok().filter(|_| self.docs.len() < DOCS_MAX) else { return };
        let mut found: BTreeMap<TermNo, u32> = BTreeMap::new();
        let terms = &mut self.terms;
        let mut take = |place: Place, text: &str| {
            words(text, |word| {
                if found.len() < WORDS_MAX {
                    *found.entry(terms.intern(&word)).or_default() |= place.bit();
                }
            });
        };
        take(Place::Name, &s.name.name);
        take(Place::Namespace, &s.name.namespace);
        for (_, alias) in &s.aliases {
            take(Place::Alias, &alias.name);
            take(Place::Alias, &alias.namespace);
        }
        for tag in &s.tags {
            take(Place::Tag, &tag.key);
            take(Place::Tag, &tag.value);
        }
        s.columns.iter().for_each(|c| take(Place::Column, c));
        s.descriptions.iter().for_each(|d| take(Place::Description, d));
        self.postings.resize_with(self.terms.len(), Vec::new);
        for (term, places) in found {
            if let Some(postings) = self.postings.get_mut(term as usize) {
                postings.push(no << PLACE_BITS | places);
            }
        }
        let mut owners: SmallVec<[Handle; 1]> = s.owners.iter().copied().collect();
        owners.sort_unstable_by_key(|h| h.0);
        owners.dedup();
        let mut tags: SmallVec<[u32; 2]> = s.tags.iter().map(|t| self.tags.of(t)).collect();
        tags.sort_unstable();
        tags.dedup();
        let doc = Doc {
            key: s.key.clone(),
            kind: s.kind,
            name: s.name.clone(),
            folded: fold(&s.name.name).into(),
            namespace: self.namespaces.of(&s.name.namespace),
            alias_namespaces: s.aliases.iter().map(|(_, n)| self.namespaces.of(&n.namespace)).collect(),
            owners,
            tags,
            digest,
        };
        self.by_key.insert(s.key.artifact(), no);
        self.docs.push(Some(doc));
        self.live += 1;
    }

    /// Leaves out struck documents, and words that nothing holds any more.
    fn sweep(&mut self) {
        let mut numbers: Vec<Option<DocNo>> = Vec::with_capacity(self.docs.len());
        let mut next: DocNo = 0;
        for doc in &self.docs {
            numbers.push(doc.as_ref().map(|_| {
                next += 1;
                next - 1
            }));
        }
        self.docs.retain(Option::is_some);
        for no in self.by_key.values_mut() {
            *no = numbers.get(*no as usize).copied().flatten().unwrap_or(*no);
        }
        let (terms, postings) = (std::mem::take(&mut self.terms), std::mem::take(&mut self.postings));
        for (term, old) in (0..).zip(postings) {
            let renumber = |p: &u32| Some(numbers.get((p >> PLACE_BITS) as usize).copied()?? << PLACE_BITS | p & PLACE_MASK);
            let kept: Vec<u32> = old.iter().filter_map(renumber).collect();
            if let Some(word) = terms.word(term).filter(|_| !kept.is_empty()) {
                self.terms.intern(word);
                self.postings.push(kept);
            }
        }
    }

    /// The places in which a caller may look, of each document: none of what is
    /// hidden from it or filtered out.
    fn admitted(&self, filter: &SearchFilter, may: &dyn Fn(&str) -> bool, hidden: &[NodeId]) -> Vec<u32> {
        let open: Vec<bool> = self.namespaces.values.iter().map(|n| may(n)).collect();
        let is_open = |n: u32| open.get(n as usize).copied().unwrap_or(false);
        let namespace = filter.namespace.as_ref().map(|n| self.namespaces.numbers.get(n).copied());
        let tags: Option<Vec<bool>> = filter
            .tag
            .as_ref()
            .map(|(key, value)| self.tags.values.iter().map(|t| t.key == *key && value.as_ref().is_none_or(|v| t.value == *v)).collect());
        let admitted = |doc: &Doc| {
            let wanted = is_open(doc.namespace)
                && (filter.kinds.is_empty() || filter.kinds.contains(&doc.kind))
                && namespace.is_none_or(|n| n == Some(doc.namespace))
                && filter.owner.is_none_or(|o| doc.owners.contains(&o))
                && tags.as_ref().is_none_or(|w| doc.tags.iter().any(|t| w.get(*t as usize).copied().unwrap_or(false)));
            match (wanted, doc.alias_namespaces.iter().all(|n| is_open(*n))) {
                (false, _) => 0,
                (true, true) => PLACE_MASK,
                // A name that the caller may not see does not lead here.
                (true, false) => PLACE_MASK & !Place::Alias.bit(),
            }
        };
        let mut all: Vec<u32> = self.docs.iter().map(|doc| doc.as_ref().map_or(0, admitted)).collect();
        for no in hidden.iter().filter_map(|id| self.by_key.get(id)) {
            all.get_mut(*no as usize).into_iter().for_each(|places| *places = 0);
        }
        all
    }

    /// Finds artifacts that answer every word of the text. `may`: whether the
    /// caller may see a namespace; `hidden`: artifacts that it may not see whatever
    /// their namespace. What it may not see neither appears nor counts.
    #[must_use]
    pub fn find(&self, query: &SearchQuery, may: impl Fn(&str) -> bool, hidden: &[NodeId]) -> Found {
        let asked = query_words(&query.text);
        if asked.is_empty() {
            return Found::default();
        }
        let admitted = self.admitted(&query.filter, &may, hidden);
        // Of each word asked for: each document's heaviest answer, its weight above its number.
        let mut best: Vec<Vec<u32>> = Vec::with_capacity(asked.len());
        let mut manners: Vec<FxHashMap<TermNo, Manner>> = Vec::with_capacity(asked.len());
        for word in &asked {
            let mut mine = vec![0u32; self.docs.len()];
            let answering = self.terms.answering(word);
            for (term, manner) in &answering {
                for posting in self.postings.get(*term as usize).into_iter().flatten() {
                    let no = (posting >> PLACE_BITS) as usize;
                    let places = posting & admitted.get(no).copied().unwrap_or(0);
                    // Documents that lack an earlier word are no hits.
                    if places == 0 || best.last().is_some_and(|before| before.get(no) == Some(&0)) {
                        continue;
                    }
                    let Some(place) = heaviest(places) else { continue };
                    let weight = u32::from(manner.weight(place));
                    if let Some(b) = mine.get_mut(no).filter(|b| **b >> TERM_BITS < weight) {
                        *b = weight << TERM_BITS | term;
                    }
                }
            }
            manners.push(answering.into_iter().collect());
            best.push(mine);
        }
        let text = fold(query.text.trim());
        let weights = |no: usize| best.iter().map(move |b| b.get(no).map_or(0, |b| u8::try_from(b >> TERM_BITS).unwrap_or(u8::MAX)));
        let mut hits: Vec<(u32, DocNo, &Doc)> = Vec::new();
        for (no, doc) in self.docs.iter().enumerate() {
            if let (Some(doc), Some(true)) = (doc, best.last().map(|b| b.get(no).is_some_and(|b| *b > 0))) {
                hits.push((score(&text, &doc.folded, weights(no)), DocNo::try_from(no).unwrap_or(DocNo::MAX), doc));
            }
        }
        let total = u32::try_from(hits.len()).unwrap_or(u32::MAX);
        let facets = query.count_facets.then(|| self.count(hits.iter().map(|h| h.2)));
        let order = |score: u32, doc: &'_ Doc| HitKey { score, name: doc.name.clone(), kind: doc.kind };
        if let Some(after) = &query.after {
            hits.retain(|(score, _, doc)| match score.cmp(&after.score) {
                std::cmp::Ordering::Equal => (&doc.name, doc.kind) > (&after.name, after.kind),
                other => other.is_lt(),
            });
        }
        let more = hits.len() > query.limit;
        let by_order =
            |a: &(u32, DocNo, &Doc), b: &(u32, DocNo, &Doc)| (Reverse(a.0), &a.2.name, a.2.kind).cmp(&(Reverse(b.0), &b.2.name, b.2.kind));
        if more {
            // Only the page is sorted.
            hits.select_nth_unstable_by(query.limit, by_order);
            hits.truncate(query.limit);
        }
        hits.sort_unstable_by(by_order);
        let matches = |no: DocNo| {
            let one = |(b, manners): (&Vec<u32>, &FxHashMap<TermNo, Manner>)| {
                let term = b.get(no as usize)? & ((1 << TERM_BITS) - 1);
                let manner = *manners.get(&term)?;
                let posting = self.posting(term, no)? & admitted.get(no as usize)?;
                Some(Match { place: heaviest(posting)?, word: self.terms.word(term)?.as_ref().into(), manner })
            };
            best.iter().zip(&manners).filter_map(one).collect()
        };
        let hits = hits.into_iter().map(|(score, no, doc)| Hit { artifact: doc.key.clone(), at: order(score, doc), matches: matches(no) });
        Found { hits: hits.collect(), total, more, facets }
    }

    /// The places in which a document has a word.
    fn posting(&self, term: TermNo, no: DocNo) -> Option<u32> {
        let postings = self.postings.get(term as usize)?;
        let at = postings.partition_point(|p| p >> PLACE_BITS < no);
        postings.get(at).filter(|p| *p >> PLACE_BITS == no).map(|p| p & PLACE_MASK)
    }

    fn count<'d>(&self, docs: impl Iterator<Item = &'d Doc>) -> SearchFacets {
        let mut kinds: FxHashMap<ArtifactKind, u32> = FxHashMap::default();
        let (mut namespaces, mut tags): (FxHashMap<u32, u32>, FxHashMap<u32, u32>) = Default::default();
        let mut owners: FxHashMap<[u8; 16], u32> = FxHashMap::default();
        for doc in docs {
            *kinds.entry(doc.kind).or_default() += 1;
            *namespaces.entry(doc.namespace).or_default() += 1;
            doc.owners.iter().for_each(|o| *owners.entry(o.0).or_default() += 1);
            doc.tags.iter().for_each(|t| *tags.entry(*t).or_default() += 1);
        }
        let named = |(n, count): (u32, u32)| Some((self.namespaces.values.get(n as usize)?.clone(), count));
        let tagged = |(n, count): (u32, u32)| Some((self.tags.values.get(n as usize)?.clone(), count));
        SearchFacets {
            kinds: most_first(kinds.into_iter().collect()),
            namespaces: most_first(namespaces.into_iter().filter_map(named).collect()),
            owners: most_first(owners.into_iter().collect()).into_iter().map(|(h, n)| (Handle(h), n)).collect(),
            tags: most_first(tags.into_iter().filter_map(tagged).collect()),
        }
    }
}

fn most_first<T: Ord>(mut counts: Vec<(T, u32)>) -> Vec<(T, u32)> {
    counts.sort_unstable_by(|a, b| (Reverse(a.1), &a.0).cmp(&(Reverse(b.1), &b.0)));
    counts
}

fn heaviest(places: u32) -> Option<Place> {
    Place::ALL.into_iter().find(|p| places & p.bit() != 0)
}

fn digest(s: &Searchable) -> u64 {
    let mut h = FxBuildHasher.build_hasher();
    (s.kind as u8, &s.name, &s.tags, &s.columns, &s.descriptions).hash(&mut h);
    s.aliases.iter().for_each(|(_, n)| n.hash(&mut h));
    s.owners.iter().for_each(|o| o.0.hash(&mut h));
    h.finish()
}
