//! What facets are to us, from the table `seeds/vocabulary/openlineage.toml`.
use std::sync::LazyLock;

use rustc_hash::FxHashMap;
use serde::Deserialize;

/// What sort of identifier a value is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PersonKind {
    /// An e-mail address.
    Email,
    /// A name as the source writes it.
    Name,
    /// A login.
    Account,
    /// An IP address or host: an online identifier (GDPR recital 30).
    NetworkAddress,
}

/// What is known of the facets of one name.
#[derive(Debug, Default)]
pub(super) struct FacetRule {
    /// Where people are named.
    pub(super) people: Vec<(Vec<Segment>, PersonKind)>,
    /// Another content each run: never interned.
    pub(super) varies: bool,
    /// Not searched for e-mail addresses.
    pub(super) verbatim: bool,
}

/// One segment of a member path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Name(Box<str>),
    /// `*`: every member or element.
    Each,
    /// `**`: any number of levels, none too.
    Deep,
}

/// The rule of a facet's name, if there is one.
pub(super) fn rule(facet: &str) -> Option<&'static FacetRule> {
    RULES.get(facet)
}

/// Whether a job's or dataset's facet of this name says something of one run.
pub(super) fn varies(facet: &str) -> bool {
    rule(facet).is_some_and(|r| r.varies)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    person: Vec<Person>,
    varies: Vec<Facet>,
    verbatim: Vec<Facet>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    facet: Box<str>,
    member: Box<str>,
    identifier: PersonKind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Facet {
    facet: Box<str>,
}

// INVARIANT: the table is compiled in and the tests below read it.
#[expect(clippy::expect_used, reason = "the table is part of the program")]
static RULES: LazyLock<FxHashMap<Box<str>, FacetRule>> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("../../../seeds/vocabulary/openlineage.toml")).expect("a well-formed vocabulary");
    let mut rules: FxHashMap<Box<str>, FacetRule> = FxHashMap::default();
    for p in table.person {
        rules.entry(p.facet).or_default().people.push((segments(&p.member), p.identifier));
    }
    for f in table.varies {
        rules.entry(f.facet).or_default().varies = true;
    }
    for f in table.verbatim {
        rules.entry(f.facet).or_default().verbatim = true;
    }
    rules
});

/// Every member path that names a person, for tests that plant one in each.
#[doc(hidden)]
pub fn person_members() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for (facet, rule) in RULES.iter() {
        for (path, _) in &rule.people {
            let words: Vec<&str> = path
                .iter()
                .map(|s| match s {
                    Segment::Name(n) => n,
                    Segment::Each => "*",
                    Segment::Deep => "**",
                })
                .collect();
            all.push((facet.to_string(), words.join(".")));
        }
    }
    all.sort();
    all
}

fn segments(path: &str) -> Vec<Segment> {
    path.split('.')
        .map(|s| match s {
            "*" => Segment::Each,
            "**" => Segment::Deep,
            name => Segment::Name(name.into()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whole() {
        let owners = rule("ownership").expect("a rule");
        assert_eq!(owners.people, [(segments("owners.*.name"), PersonKind::Name)]);
        assert!(!owners.varies);
        assert!(varies("version") && !varies("schema"));
        assert!(rule("sql").is_some_and(|r| r.verbatim));
        assert!(rule("schema").is_none());
        assert!(person_members().len() > 20);
    }
}
