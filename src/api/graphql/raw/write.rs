//! From a plan and a walk to text. The text is JSON by construction; each field
//! is tested against the ordinary objects.
use std::fmt::Write as _;

use async_graphql::resolver_utils::EnumType;

use super::{
    super::{
        id::GlobalId,
        input::ArtifactKind,
        scalar::{push_instant, push_json_string},
        types::lineage::{Answered, CompletenessStatus, FlowKind, IncompleteReason, dataset_of},
    },
    coverage,
    plan::{AsOfField, CompletenessField, EdgeField, LineageField, NameField, NodeField, Plan, TransformationField},
};
use crate::{
    domain::{
        assertion::Transformation,
        lineage::{NodeKey, WalkEdge, WalkNode},
        name::Name,
        time::{FOREVER, Micros},
    },
    ledger::encode_hash,
};

/// Writes a lineage. `None` where something is missing that the ordinary objects
/// report as an error.
pub fn lineage(all: &Answered, plan: &Plan<LineageField>) -> Option<String> {
    let ids = Ids::of(all);
    let mut w = Writer { text: String::with_capacity(estimate(all, plan)) };
    w.object(plan, |w, field| {
        match field {
            LineageField::Typename => w.word("Lineage"),
            LineageField::Nodes(plan) => w.list(&all.walk.nodes, |w, (i, node)| w.node(plan, node, ids.get(i)?))?,
            LineageField::Edges(plan) => w.list(&all.walk.edges, |w, (_, edge)| w.edge(plan, edge, &ids))?,
            LineageField::Completeness(plan) => w.completeness(plan, all, &ids)?,
            LineageField::Coverage(plan) => w.list(&all.coverage, |w, (_, source)| coverage::source(w, plan, &source.0))?,
            LineageField::AsOf(plan) => w.as_of(plan, all)?,
        }
        Some(())
    })?;
    Some(w.text)
}

/// A little more than is usually needed: growing a large text copies it.
fn estimate(all: &Answered, plan: &Plan<LineageField>) -> usize {
    let fields = |is: fn(&LineageField) -> Option<usize>| plan.0.iter().filter_map(|(_, f)| is(f)).sum::<usize>();
    let node = fields(|f| if let LineageField::Nodes(p) = f { Some(p.0.len()) } else { None });
    let edge = fields(|f| if let LineageField::Edges(p) = f { Some(p.0.len()) } else { None });
    1024 + all.walk.nodes.len() * (2 + node * 40) + all.walk.edges.len() * (2 + edge * 40)
}

/// The nodes' ids, encoded once: edges and the frontier name them again.
struct Ids {
    text: String,
    ends: Vec<usize>,
}

impl Ids {
    fn of(all: &Answered) -> Self {
        let nodes = &all.walk.nodes;
        let mut ids = Self { text: String::with_capacity(nodes.len() * 23), ends: Vec::with_capacity(nodes.len()) };
        for node in nodes {
            GlobalId::push_node(&node.key, &mut ids.text);
            ids.ends.push(ids.text.len());
        }
        ids
    }

    fn get(&self, node: usize) -> Option<&str> {
        let start = match node.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.text.get(start..*self.ends.get(node)?)
    }
}

pub(super) struct Writer {
    text: String,
}

impl Writer {
    pub(super) fn object<F>(&mut self, plan: &Plan<F>, mut value: impl FnMut(&mut Self, &F) -> Option<()>) -> Option<()> {
        self.text.push('{');
        for (key, field) in &plan.0 {
            self.text.push_str(key);
            value(self, field)?;
        }
        self.text.push('}');
        Some(())
    }

    fn list<T>(&mut self, items: &[T], mut value: impl FnMut(&mut Self, (usize, &T)) -> Option<()>) -> Option<()> {
        self.text.push('[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.text.push(',');
            }
            value(self, (i, item))?;
        }
        self.text.push(']');
        Some(())
    }

    /// A text that needs no escaping: an id, an enum's word, a hash.
    fn word(&mut self, word: &str) {
        self.text.push('"');
        self.text.push_str(word);
        self.text.push('"');
    }

    pub(super) fn string(&mut self, s: &str) {
        push_json_string(&mut self.text, s);
    }

    fn optional(&mut self, s: Option<&str>) {
        match s {
            Some(s) => self.string(s),
            None => self.null(),
        }
    }

    pub(super) fn null(&mut self) {
        self.text.push_str("null");
    }

    fn boolean(&mut self, b: bool) {
        self.text.push_str(if b { "true" } else { "false" });
    }

    pub(super) fn number(&mut self, n: u64) {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{n}");
    }

    pub(super) fn instant(&mut self, at: Micros) {
        self.text.push('"');
        push_instant(&mut self.text, at);
        self.text.push('"');
    }

    pub(super) fn enumerated<E: EnumType + Copy>(&mut self, value: E) -> Option<()> {
        let word = E::items().iter().find(|item| item.value == value)?.name;
        self.word(word);
        Some(())
    }

    fn node(&mut self, plan: &Plan<NodeField>, node: &WalkNode, id: &str) -> Option<()> {
        self.object(plan, |w, field| {
            match field {
                NodeField::Typename => w.word("LineageNode"),
                NodeField::Id => w.word(id),
                NodeField::Restricted => w.boolean(node.restricted),
                NodeField::Kind | NodeField::Namespace | NodeField::Name if node.restricted => w.null(),
                NodeField::Kind => w.enumerated(ArtifactKind::from(node.kind))?,
                NodeField::Namespace => w.string(&node.namespace),
                NodeField::Name => w.string(&node.name),
                NodeField::Dataset => w.optional(dataset_of(&node.key).as_deref()),
                NodeField::Aliases(plan) => w.list(&node.aliases, |w, (_, name)| w.name(plan, name))?,
                NodeField::Depth => w.number(node.depth.into()),
                NodeField::SelfLoop => w.boolean(node.self_loop),
                NodeField::DeletedAt => match node.deleted_at {
                    Some(at) => w.instant(at),
                    None => w.null(),
                },
                NodeField::Remaining => w.number(node.remaining.into()),
            }
            Some(())
        })
    }

    fn name(&mut self, plan: &Plan<NameField>, name: &Name) -> Option<()> {
        self.object(plan, |w, field| {
            match field {
                NameField::Typename => w.word("Name"),
                NameField::Namespace => w.string(&name.namespace),
                NameField::Name => w.string(&name.name),
            }
            Some(())
        })
    }

    fn edge(&mut self, plan: &Plan<EdgeField>, edge: &WalkEdge, ids: &Ids) -> Option<()> {
        self.object(plan, |w, field| {
            match field {
                EdgeField::Typename => w.word("LineageEdge"),
                EdgeField::From => w.word(ids.get(edge.from as usize)?),
                EdgeField::To => w.word(ids.get(edge.to as usize)?),
                EdgeField::Kind => w.enumerated(FlowKind::from(edge.kind))?,
                EdgeField::Job => match edge.job {
                    Some(job) => {
                        w.text.push('"');
                        GlobalId::push_node(&NodeKey::Artifact(job), &mut w.text);
                        w.text.push('"');
                    }
                    None => w.null(),
                },
                EdgeField::Transformations(plan) => w.list(&edge.transformations, |w, (_, t)| w.transformation(plan, t))?,
                EdgeField::ValidFrom => w.instant(edge.valid_from),
                EdgeField::ValidUntil => match edge.valid_until {
                    FOREVER => w.null(),
                    at => w.instant(at),
                },
            }
            Some(())
        })
    }

    fn transformation(&mut self, plan: &Plan<TransformationField>, t: &Transformation) -> Option<()> {
        self.object(plan, |w, field| {
            match field {
                TransformationField::Typename => w.word("Transformation"),
                TransformationField::Type => w.string(&t.kind),
                TransformationField::Subtype => w.optional(t.subtype.as_deref()),
                TransformationField::Description => w.optional(t.description.as_deref()),
                TransformationField::Masking => w.boolean(t.masking),
            }
            Some(())
        })
    }

    fn completeness(&mut self, plan: &Plan<CompletenessField>, all: &Answered, ids: &Ids) -> Option<()> {
        let c = &all.walk.completeness;
        self.object(plan, |w, field| {
            match field {
                CompletenessField::Typename => w.word("Completeness"),
                CompletenessField::Status => w.enumerated(CompletenessStatus::from(c.status))?,
                CompletenessField::Reasons => w.list(&c.reasons, |w, (_, r)| w.enumerated(IncompleteReason::from(*r)))?,
                CompletenessField::NodesVisited => w.number(c.nodes_visited.into()),
                CompletenessField::EdgesVisited => w.number(c.edges_visited.into()),
                CompletenessField::Frontier => w.list(&c.frontier, |w, (_, node)| {
                    w.word(ids.get(*node as usize)?);
                    Some(())
                })?,
                CompletenessField::PrunedByTime => w.number(c.pruned_by_time.into()),
            }
            Some(())
        })
    }

    fn as_of(&mut self, plan: &Plan<AsOfField>, all: &Answered) -> Option<()> {
        self.object(plan, |w, field| {
            match field {
                AsOfField::Typename => w.word("ResolvedAsOf"),
                AsOfField::ValidAt => w.instant(all.as_of.valid_at),
                AsOfField::LedgerSize => w.number(all.as_of.size),
                AsOfField::RootHash => w.word(&encode_hash(&all.root?)),
            }
            Some(())
        })
    }
}
