//! The index against a list that is looked through from end to end.
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::id::NodeId;

fn key(n: u8) -> NodeKey {
    NodeKey::Artifact(NodeId([n; 16]))
}

const NAMESPACES: [&str; 3] = ["shop", "crm", "hidden"];

prop_compose! {
    fn searchable()(
        n in 0u8..8,
        kind in prop::sample::select(vec![ArtifactKind::Dataset, ArtifactKind::Job, ArtifactKind::Report]),
        namespace in prop::sample::select(NAMESPACES.to_vec()),
        name in "[abAB]{1,5}([._][ab]{1,5})?",
        alias in prop::option::of((8u8..12, prop::sample::select(NAMESPACES.to_vec()), "[abc]{1,6}")),
        alive in prop::bool::weighted(0.85),
        owners in prop::collection::vec(0u8..3, 0..2),
        tags in prop::collection::vec(("[ab]{1,2}", "[ab]{1,2}"), 0..2),
        columns in prop::collection::vec("[abcd]{1,7}", 0..3),
        description in prop::option::of("([abcd]{1,7} ){0,4}"),
    ) -> Searchable {
        Searchable {
            key: key(n),
            kind,
            // One name a key, as the graph has it.
            name: Name::new(namespace, format!("{name}{n}")),
            aliases: alias.map(|(n, ns, a)| (key(n), Name::new(ns, a))).into_iter().collect(),
            alive,
            owners: owners.into_iter().map(|o| Handle([o; 16])).collect(),
            tags: tags.into_iter().map(|(k, v)| TagText { key: k.into(), value: v.into() }).collect(),
            columns: columns.into_iter().map(Into::into).collect(),
            descriptions: description.into_iter().map(Into::into).collect(),
        }
    }
}

/// The manner in which a word answers another, by the definition.
fn manner(word: &str, asked: &str) -> Option<Manner> {
    let chars = |s: &str| s.chars().collect::<Vec<_>>();
    let slips = typos_allowed(asked);
    match () {
        () if word == asked => Some(Manner::Whole),
        () if word.starts_with(asked) => Some(Manner::Prefix),
        () if slips > 0 && !word.chars().any(char::is_numeric) => distance_within(&chars(word), &chars(asked), slips).map(Manner::Similar),
        () => None,
    }
}

fn texts(s: &Searchable, may: &dyn Fn(&str) -> bool) -> Vec<(Place, Box<str>)> {
    let mut found: Vec<(Place, Box<str>)> = vec![(Place::Name, s.name.name.clone()), (Place::Namespace, s.name.namespace.clone())];
    if s.aliases.iter().all(|(_, a)| may(&a.namespace)) {
        found.extend(s.aliases.iter().flat_map(|(_, a)| [(Place::Alias, a.name.clone()), (Place::Alias, a.namespace.clone())]));
    }
    found.extend(s.tags.iter().flat_map(|t| [(Place::Tag, t.key.clone()), (Place::Tag, t.value.clone())]));
    found.extend(s.columns.iter().map(|c| (Place::Column, c.clone())));
    found.extend(s.descriptions.iter().map(|d| (Place::Description, d.clone())));
    found
}

/// The heaviest answers of an artifact to each word, where every word has one.
fn weights(s: &Searchable, asked: &[String], may: &dyn Fn(&str) -> bool) -> Option<Vec<u8>> {
    let texts = texts(s, may);
    asked
        .iter()
        .map(|asked| {
            let mut best: Option<u8> = None;
            for (place, text) in &texts {
                words(text, |w| best = best.max(manner(&w, asked).map(|m| m.weight(*place))));
            }
            best
        })
        .collect()
}

fn score(text: &str, s: &Searchable, weights: &[u8]) -> u32 {
    let (text, name) = (fold(text.trim()), fold(&s.name.name));
    let last = name.rsplit(['.', '/', ':']).next().unwrap();
    let tier: u32 = if name == text {
        4
    } else if last == text {
        3
    } else if name.starts_with(&text) || last.starts_with(&text) {
        2
    } else {
        0
    };
    let sum: u32 = weights.iter().map(|w| u32::from(*w)).sum();
    tier * (1 << 24) + u32::from(*weights.iter().min().unwrap()) * 65_536 + sum * 256 + (255 - u32::try_from(name.chars().count()).unwrap())
}

proptest! {
    #[test]
    fn the_index_finds_orders_and_counts_as_looking_at_everything_does(
        puts in prop::collection::vec((searchable(), any::<bool>()), 1..24),
        text in "[abcdAB]{1,6}( [abcd]{1,5})?",
        hide in any::<bool>(),
        kind in prop::option::of(Just(ArtifactKind::Dataset)),
        owner in prop::option::of(0u8..3),
        page in 1usize..4,
    ) {
        let mut index = SearchIndex::default();
        let mut model: BTreeMap<NodeId, Searchable> = BTreeMap::new();
        for (s, keep) in &puts {
            model.retain(|k, _| *k != s.key.artifact() && s.aliases.iter().all(|(a, _)| a.artifact() != *k));
            if *keep {
                index.put(&s.key, Some(s));
                if s.alive {
                    model.insert(s.key.artifact(), s.clone());
                }
            } else {
                for (a, _) in &s.aliases {
                    index.put(a, None);
                }
                index.put(&s.key, None);
            }
        }
        prop_assert_eq!(index.len(), model.len());
        let may = |namespace: &str| !(hide && namespace == "hidden");
        let secret: Vec<NodeId> = model.keys().filter(|id| hide && id.0[0] % 3 == 0).copied().collect();
        let filter = SearchFilter { kinds: kind.into_iter().collect(), owner: owner.map(|o| Handle([o; 16])), ..SearchFilter::default() };
        let asked = query_words(&text);
        let mut expected: Vec<HitKey> = model
            .values()
            .filter(|s| may(&s.name.namespace) && !secret.contains(&s.key.artifact()))
            .filter(|s| filter.kinds.is_empty() || filter.kinds.contains(&s.kind))
            .filter(|s| filter.owner.is_none_or(|o| s.owners.contains(&o)))
            .filter_map(|s| {
                let weights = weights(s, &asked, &may)?;
                Some(HitKey { score: score(&text, s, &weights), name: s.name.clone(), kind: s.kind })
            })
            .collect();
        expected.sort();
        let mut walked = Vec::new();
        let mut query = SearchQuery { text: text.as_str().into(), filter, after: None, limit: page, count_facets: true };
        loop {
            let found = index.find(&query, may, &secret);
            prop_assert_eq!(found.total as usize, expected.len());
            prop_assert!(found.hits.len() <= page && found.hits.iter().all(|h| h.matches.len() == asked.len()));
            let facets = found.facets.unwrap();
            for counts in [facets.kinds.iter().map(|c| c.1).sum::<u32>(), facets.namespaces.iter().map(|c| c.1).sum()] {
                prop_assert_eq!(counts as usize, expected.len());
            }
            prop_assert!(facets.namespaces.iter().all(|(n, _)| may(n)));
            walked.extend(found.hits.into_iter().map(|h| h.at));
            if !found.more {
                break;
            }
            query.after = walked.last().cloned();
        }
        prop_assert_eq!(walked, expected);
    }
}

fn plain(n: u8, name: &str) -> Searchable {
    Searchable {
        key: key(n),
        kind: ArtifactKind::Dataset,
        name: Name::new("shop", name),
        aliases: Vec::new(),
        alive: true,
        owners: Vec::new(),
        tags: Vec::new(),
        columns: Vec::new(),
        descriptions: Vec::new(),
    }
}

fn found(index: &SearchIndex, text: &str) -> Vec<Box<str>> {
    let query = SearchQuery { text: text.into(), limit: 100, ..SearchQuery::default() };
    index.find(&query, |_| true, &[]).hits.into_iter().map(|h| h.at.name.name).collect()
}

#[test]
fn names_come_before_words_before_columns_before_descriptions() {
    let mut index = SearchIndex::default();
    for s in [
        Searchable { descriptions: vec!["All orders of the shop".into()], ..plain(1, "a") },
        Searchable { columns: vec!["orders".into()], ..plain(2, "b") },
        Searchable { tags: vec![TagText { key: "topic".into(), value: "orders".into() }], ..plain(3, "c") },
        plain(4, "daily_orders"),
        plain(5, "orders_archive"),
        plain(6, "orders"),
        plain(7, "public.orders"),
        plain(8, "borders"),
    ] {
        index.put(&s.key.clone(), Some(&s));
    }
    assert_eq!(
        found(&index, "orders").iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        ["orders", "public.orders", "orders_archive", "daily_orders", "c", "b", "a", "borders"]
    );
    assert_eq!(found(&index, "ordres").first().map(AsRef::as_ref), Some("orders"));
    assert!(found(&index, "orders nowhere").is_empty());
}

#[test]
fn what_was_struck_out_is_swept_and_the_rest_is_found_as_before() {
    let mut index = SearchIndex::default();
    for i in 0..3000 {
        let s = Searchable { descriptions: vec![format!("text{i}").into()], ..plain(u8::try_from(i % 7).unwrap(), "x") };
        index.put(&s.key.clone(), Some(&s));
    }
    assert_eq!(index.len(), 7);
    assert!(index.words() < 1200, "{} words of descriptions that were replaced", index.words());
    assert_eq!(found(&index, "text2999").len(), 1);
    assert!(found(&index, "text1").iter().all(|n| &**n == "x"));
    assert!(found(&index, "text2000").is_empty());
}
