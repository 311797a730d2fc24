//! The namespaces that a token is good for.

/// A pattern that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAGlob {
    #[error("a namespace pattern must not be empty")]
    Empty,
    /// The position of the pattern.
    #[error("in namespace pattern {} a `*` stands elsewhere than at the end", _0 + 1)]
    StarInside(usize),
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Glob {
    Exact(Box<str>),
    /// What stands before the `*`; empty: everything.
    Prefix(Box<str>),
}

/// Patterns of namespaces: `*`, `prefix*`, or a namespace as it is. A namespace is
/// inside when one of them matches; bytes are compared, nothing is normalised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope(Box<[Glob]>);

impl Scope {
    /// Every namespace.
    #[must_use]
    pub fn everything() -> Self {
        Self(Box::new([Glob::Prefix("".into())]))
    }

    /// Reads patterns. No pattern at all is a scope that holds nothing.
    ///
    /// # Errors
    /// An empty pattern, or a `*` before the end.
    pub fn parse<S: AsRef<str>>(patterns: &[S]) -> Result<Self, NotAGlob> {
        patterns
            .iter()
            .enumerate()
            .map(|(at, pattern)| {
                let pattern = pattern.as_ref();
                let (stem, open) = pattern.strip_suffix('*').map_or((pattern, false), |stem| (stem, true));
                match (pattern.is_empty(), stem.contains('*')) {
                    (true, _) => Err(NotAGlob::Empty),
                    (_, true) => Err(NotAGlob::StarInside(at)),
                    (false, false) if open => Ok(Glob::Prefix(stem.into())),
                    (false, false) => Ok(Glob::Exact(stem.into())),
                }
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether the namespace is inside.
    #[must_use]
    pub fn holds(&self, namespace: &str) -> bool {
        self.0.iter().any(|glob| match glob {
            Glob::Exact(exact) => **exact == *namespace,
            Glob::Prefix(stem) => namespace.starts_with(&**stem),
        })
    }

    /// Whether every namespace is inside, so that nothing needs to be asked.
    #[must_use]
    pub fn holds_everything(&self) -> bool {
        self.0.iter().any(|glob| matches!(glob, Glob::Prefix(stem) if stem.is_empty()))
    }

    /// The patterns as they were written.
    pub fn patterns(&self) -> impl Iterator<Item = String> + '_ {
        self.0.iter().map(|glob| match glob {
            Glob::Exact(exact) => exact.to_string(),
            Glob::Prefix(stem) => format!("{stem}*"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_whole_namespaces() {
        let scope = Scope::parse(&["postgres://shop*", "dbt_shop"]).unwrap();
        for (namespace, inside) in [
            ("postgres://shop", true),
            ("postgres://shop:5432", true),
            ("postgres://sho", false),
            ("dbt_shop", true),
            ("dbt_shop2", false),
            ("DBT_SHOP", false),
            ("", false),
        ] {
            assert_eq!(scope.holds(namespace), inside, "{namespace}");
        }
        assert!(!scope.holds_everything());
    }

    #[test]
    fn a_star_alone_is_everything_and_no_pattern_is_nothing() {
        assert_eq!(Scope::parse(&["*"]).unwrap(), Scope::everything());
        assert!(Scope::everything().holds("") && Scope::everything().holds("x") && Scope::everything().holds_everything());
        assert!(!Scope::parse::<&str>(&[]).unwrap().holds(""));
    }

    #[test]
    fn stars_inside_and_empty_patterns_are_refused() {
        assert_eq!(Scope::parse(&["a", "a*b"]), Err(NotAGlob::StarInside(1)));
        assert_eq!(Scope::parse(&["**"]), Err(NotAGlob::StarInside(0)));
        assert_eq!(Scope::parse(&[""]), Err(NotAGlob::Empty));
    }

    proptest! {
        #[test]
        fn a_scope_is_the_union_of_its_patterns(patterns in prop::collection::vec("[ab:/]{0,3}\\*?", 0..4), namespace in "[ab:/]{0,5}") {
            prop_assume!(patterns.iter().all(|p| !p.is_empty()));
            let naive = patterns.iter().any(|p| match p.find('*') {
                Some(i) => namespace.len() >= i && namespace.as_bytes()[..i] == p.as_bytes()[..i],
                None => *p == namespace,
            });
            let scope = Scope::parse(&patterns).unwrap();
            prop_assert_eq!(scope.holds(&namespace), naive);
            prop_assert_eq!(scope.patterns().collect::<Vec<_>>(), patterns);
        }
    }
}
