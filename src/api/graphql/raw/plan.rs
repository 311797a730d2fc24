//! From a selection to a plan: which keys to write with what behind them.
use async_graphql::SelectionField;

/// The fields of an object to write, in order. Each key is held as it is written:
/// with quotes, a colon, and the comma before it (but for the first).
pub struct Plan<F>(pub Vec<(Box<str>, F)>);

/// A kind of object whose flat fields can be planned.
pub trait Planned: Sized {
    /// The field of that name with the selections under it; `None` when it cannot
    /// be written as text.
    fn planned(name: &str, under: &[SelectionField<'_>]) -> Option<Self>;
}

impl<F: Planned> Plan<F> {
    /// Plans the selections of one object. Several are merged, as GraphQL does with
    /// fields of the same response key. `None`: the ordinary objects must answer.
    pub fn of(parents: &[SelectionField<'_>]) -> Option<Self> {
        let mut fields: Vec<(&str, &str, Vec<SelectionField<'_>>)> = Vec::new();
        for field in parents.iter().flat_map(|parent| parent.selection_set()) {
            let (key, name) = (field.alias().unwrap_or(field.name()), field.name());
            // An argument that cannot be read is the ordinary objects' to report.
            if !field.arguments().ok()?.is_empty() {
                return None;
            }
            match fields.iter_mut().find(|(k, ..)| *k == key) {
                Some((_, known, under)) if *known == name => under.push(field),
                // Two fields under one key: whatever the ordinary objects make of it.
                Some(_) => return None,
                None => fields.push((key, name, vec![field])),
            }
        }
        // Everything was skipped by a directive: an odd case, and not ours.
        if fields.is_empty() {
            return None;
        }
        let planned = |(i, (key, name, under)): (usize, (&str, &str, Vec<SelectionField<'_>>))| {
            let comma = if i == 0 { "" } else { "," };
            Some((format!("{comma}\"{key}\":").into_boxed_str(), F::planned(name, &under)?))
        };
        fields.into_iter().enumerate().map(planned).collect::<Option<Vec<_>>>().map(Self)
    }

    /// Whether a field stands in the plan.
    pub fn any(&self, is: impl Fn(&F) -> bool) -> bool {
        self.0.iter().any(|(_, field)| is(field))
    }
}

macro_rules! planned {
    ($(#[$doc:meta])* $ty:ident { $( $name:literal => $variant:ident $( ( $sub:ident ) )? ),* $(,)? }) => {
        $(#[$doc])*
        pub enum $ty { Typename, $( $variant $( (Plan<$sub>) )? ),* }

        impl Planned for $ty {
            fn planned(name: &str, _under: &[SelectionField<'_>]) -> Option<Self> {
                match name {
                    "__typename" => Some(Self::Typename),
                    $( $name => Some(Self::$variant $( (Plan::<$sub>::of(_under)?) )?), )*
                    _ => None,
                }
            }
        }
    };
}

planned! {
    /// Of `Lineage`.
    LineageField {
        "nodes" => Nodes(NodeField),
        "edges" => Edges(EdgeField),
        "completeness" => Completeness(CompletenessField),
        "coverage" => Coverage(CoverageField),
        "asOf" => AsOf(AsOfField),
    }
}

planned! {
    /// Of `LineageNode`.
    NodeField {
        "id" => Id,
        "restricted" => Restricted,
        "kind" => Kind,
        "namespace" => Namespace,
        "name" => Name,
        "dataset" => Dataset,
        "aliases" => Aliases(NameField),
        "depth" => Depth,
        "selfLoop" => SelfLoop,
        "deletedAt" => DeletedAt,
        "remaining" => Remaining,
    }
}

planned! {
    /// Of `Name`.
    NameField {
        "namespace" => Namespace,
        "name" => Name,
    }
}

planned! {
    /// Of `LineageEdge`.
    EdgeField {
        "from" => From,
        "to" => To,
        "kind" => Kind,
        "job" => Job,
        "transformations" => Transformations(TransformationField),
        "validFrom" => ValidFrom,
        "validUntil" => ValidUntil,
    }
}

planned! {
    /// Of `Transformation`.
    TransformationField {
        "type" => Type,
        "subtype" => Subtype,
        "description" => Description,
        "masking" => Masking,
    }
}

planned! {
    /// Of `Completeness`.
    CompletenessField {
        "status" => Status,
        "reasons" => Reasons,
        "nodesVisited" => NodesVisited,
        "edgesVisited" => EdgesVisited,
        "frontier" => Frontier,
        "prunedByTime" => PrunedByTime,
    }
}

planned! {
    /// Of `SourceCoverage`.
    CoverageField {
        "source" => Source,
        "lastEvent" => LastEvent(SourceEventField),
        "events" => Events,
        "windowFrom" => WindowFrom,
        "rhythm" => Rhythm(RhythmField),
        "rhythmUnknown" => RhythmUnknown,
        "silentSince" => SilentSince,
    }
}

planned! {
    /// Of `SourceEvent`.
    SourceEventField {
        "time" => Time,
        "index" => Index,
        "recordedAt" => RecordedAt,
    }
}

planned! {
    /// Of `SourceRhythm`.
    RhythmField {
        "medianGapSeconds" => Median,
        "p95GapSeconds" => P95,
        "expectedWithinSeconds" => ExpectedWithin,
    }
}

planned! {
    /// Of `ResolvedAsOf`.
    AsOfField {
        "validAt" => ValidAt,
        "ledgerSize" => LedgerSize,
        "rootHash" => RootHash,
    }
}
