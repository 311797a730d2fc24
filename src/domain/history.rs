//! What an artifact went through: versions of a facet in valid time, how one
//! schema became another, and which entries changed what is known of it.
use std::{collections::HashMap, sync::Arc};

use super::{
    assertion::{Schema, SchemaField},
    catalog::FacetFacts,
    id::EntryIndex,
};

/// A facet as one source asserted it in one stretch of valid time.
#[derive(Clone, Debug)]
pub struct FacetVersion {
    pub facts: FacetFacts,
    /// The entry whose event asserts it first.
    pub entry: EntryIndex,
    /// The source took the facet back: nothing is in force in this stretch.
    pub deleted: bool,
    /// What the same source said before.
    pub before: Before,
}

/// What came before a version of a facet.
#[derive(Clone, Debug)]
pub enum Before {
    /// Nothing: it is the source's first.
    Nothing,
    /// The source had taken the facet back.
    Deleted,
    /// These bytes; `None` when they are destroyed.
    Said(Option<Arc<[u8]>>),
}

/// How a column differs between two versions of a schema.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FieldChange {
    Added(SchemaField),
    Removed(SchemaField),
    /// (before, after): another type.
    Retyped(SchemaField, SchemaField),
}

impl FieldChange {
    /// The column's dotted path.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Added(f) | Self::Removed(f) | Self::Retyped(_, f) => &f.path,
        }
    }
}

/// What became of the columns from one version to the next, sorted by path. The
/// order of columns and their descriptions are no change.
#[must_use]
pub fn schema_diff(before: &Schema, after: &Schema) -> Vec<FieldChange> {
    let mut was: HashMap<&str, &SchemaField> = before.fields.iter().map(|f| (&*f.path, f)).collect();
    let mut changes: Vec<FieldChange> = after
        .fields
        .iter()
        .filter_map(|f| match was.remove(&*f.path) {
            None => Some(FieldChange::Added(f.clone())),
            Some(old) if old.data_type != f.data_type => Some(FieldChange::Retyped(old.clone(), f.clone())),
            Some(_) => None,
        })
        .collect();
    changes.extend(was.into_values().cloned().map(FieldChange::Removed));
    changes.sort_by(|a, b| a.path().cmp(b.path()));
    changes
}

/// An entry that changed what is known of an artifact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArtifactChange {
    pub entry: EntryIndex,
    /// Sorted, each once.
    pub kinds: Vec<ChangeKind>,
    /// The facets that it changed, sorted, each once.
    pub facets: Vec<Arc<str>>,
}

/// What an entry changed of an artifact.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ChangeKind {
    /// It was named for the first time.
    Named,
    /// A facet began, changed or ended.
    Facet,
    /// A flow from or to it began, or was stated again over another stretch of time.
    Flow,
    /// It was dropped, renamed or retired.
    Ended,
    /// A name was joined to it, or set apart, by a symlink or a rename.
    Alias,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schema(fields: &[(&str, Option<&str>)]) -> Schema {
        let one = |(path, t): &(&str, Option<&str>)| SchemaField { path: (*path).into(), data_type: t.map(Into::into), description: None };
        Schema { fields: fields.iter().map(one).collect() }
    }

    #[test]
    fn a_diff_names_what_was_added_removed_and_retyped_and_nothing_else() {
        let before = schema(&[("id", Some("int4")), ("gone", None), ("same", Some("text"))]);
        let mut after = schema(&[("same", Some("text")), ("new", Some("date")), ("id", Some("int8"))]);
        after.fields[0].description = Some("described now".into());
        let said: Vec<String> = schema_diff(&before, &after)
            .iter()
            .map(|c| match c {
                FieldChange::Added(f) => format!("+{}", f.path),
                FieldChange::Removed(f) => format!("-{}", f.path),
                FieldChange::Retyped(a, b) => format!("{} {:?}>{:?}", a.path, a.data_type, b.data_type),
            })
            .collect();
        assert_eq!(said, ["-gone", "id Some(\"int4\")>Some(\"int8\")", "+new"]);
    }

    fn any_schema() -> impl Strategy<Value = Schema> {
        proptest::collection::btree_map("[a-e]", proptest::option::of("[xy]"), 0..5).prop_map(|fields| Schema {
            fields: fields
                .into_iter()
                .map(|(p, t)| SchemaField { path: p.into(), data_type: t.map(Into::into), description: None })
                .collect(),
        })
    }

    proptest! {
        #[test]
        fn a_diff_applied_to_the_one_gives_the_other(before in any_schema(), after in any_schema()) {
            let mut fields: std::collections::BTreeMap<_, _> = before.fields.iter().map(|f| (f.path.clone(), f.clone())).collect();
            for change in schema_diff(&before, &after) {
                match change {
                    FieldChange::Added(f) => prop_assert!(fields.insert(f.path.clone(), f).is_none()),
                    FieldChange::Removed(f) => prop_assert_eq!(fields.remove(&f.path), Some(f)),
                    FieldChange::Retyped(old, new) => prop_assert_eq!(fields.insert(new.path.clone(), new), Some(old)),
                }
            }
            prop_assert_eq!(fields.into_values().collect::<Vec<_>>(), after.fields);
        }
    }
}
