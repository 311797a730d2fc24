//! The text is the same, byte for byte, as what the ordinary objects make.
use std::sync::Arc;

use async_graphql::{Context, EmptyMutation, EmptySubscription, Object, Request, Schema, Variables};
use proptest::prelude::*;

use super::{LineageAnswer, Plan};
use crate::{
    api::graphql::{
        response::push_response,
        types::{coverage::SourceCoverage, lineage::Answered},
    },
    domain::{
        assertion::Transformation,
        coverage,
        id::NodeId,
        kind::ArtifactKind,
        lineage::{AsOf, Completeness, CompletenessStatus, FlowKind, IncompleteReason, NodeKey, WalkAnswer, WalkEdge, WalkNode},
        name::Name,
        source::Source,
        time::{DAWN, FOREVER, HOUR, Micros},
    },
};

struct Query {
    answered: Arc<Answered>,
    raw: bool,
}

#[Object]
impl Query {
    async fn lineage(&self, ctx: &Context<'_>) -> LineageAnswer {
        let plan = if self.raw { Plan::of(&[ctx.field()]) } else { None };
        LineageAnswer { answered: self.answered.clone(), plan }
    }

    /// Whether the selection is written as text.
    async fn planned(&self, ctx: &Context<'_>) -> LineageAnswer {
        assert_eq!(Plan::<super::LineageField>::of(&[ctx.field()]).is_some(), self.raw);
        LineageAnswer { answered: self.answered.clone(), plan: None }
    }
}

const AWKWARD: &str = "a\"b\\c\nd\u{1}é😀\u{2028}\u{7f}";

fn answered(nodes: usize) -> Arc<Answered> {
    let node = |i: usize| {
        let id = NodeId([i as u8; 16]);
        WalkNode {
            restricted: i % 5 == 3,
            key: if i % 3 == 2 { NodeKey::Field(id, format!("pfad.{i}.ü").into()) } else { NodeKey::Artifact(id) },
            kind: ArtifactKind::ALL[i % ArtifactKind::ALL.len()],
            namespace: format!("postgres://h:{i}").into(),
            name: if i.is_multiple_of(2) { AWKWARD.into() } else { format!("n{i}").into() },
            aliases: (0..i % 3).map(|a| Name::new("s3://b", format!("{AWKWARD}{a}"))).collect(),
            depth: i as u32,
            self_loop: i.is_multiple_of(2),
            deleted_at: (i % 4 == 1).then_some(Micros(i as i64 * 1_000_003)),
            remaining: i as u32 * 7,
        }
    };
    let edge = |i: usize| WalkEdge {
        from: i as u32,
        to: ((i + 1) % nodes) as u32,
        kind: [FlowKind::Used, FlowKind::WasGeneratedBy, FlowKind::WasDerivedFrom][i % 3],
        job: (i % 3 == 2).then_some(NodeId([0xEE; 16])),
        transformations: (0..i % 3)
            .map(|t| Transformation {
                kind: "DIRECT".into(),
                subtype: (t == 0).then(|| "IDENTITY".into()),
                description: (t == 1).then(|| AWKWARD.into()),
                masking: t == 1,
            })
            .collect(),
        valid_from: if i == 0 { DAWN } else { Micros(1_700_000_000_000_000 + i as i64) },
        valid_until: if i.is_multiple_of(2) { FOREVER } else { Micros(1_800_000_000_000_000) },
        flows: smallvec::smallvec![],
    };
    let completeness = Completeness {
        status: CompletenessStatus::Truncated,
        reasons: vec![IncompleteReason::NodesMax, IncompleteReason::PerNodeMax],
        nodes_visited: 12,
        edges_visited: 34,
        frontier: (0..nodes.min(3) as u32).collect(),
        pruned_by_time: 5,
    };
    let walk = WalkAnswer { nodes: (0..nodes).map(node).collect(), edges: (0..nodes).map(edge).collect(), completeness };
    let as_of = AsOf { valid_at: Micros(1_764_000_000_123_456), size: u64::from(u32::MAX) + 7 };
    let coverage = (0..nodes.min(3)).map(|i| SourceCoverage(source(i))).collect();
    Arc::new(Answered { walk, as_of, root: Some([0xA5; 32]), coverage })
}

fn source(i: usize) -> coverage::SourceCoverage {
    let at = |hours: i64| Micros(1_764_000_000_123_456 + hours * HOUR);
    let source = Arc::new(Source { integration: ["etl", "", "b\"c"][i % 3].into(), producer: AWKWARD.into() });
    let last = coverage::LastEvent { time: at(-100 * i as i64), index: i as u64, recorded_at: at(1) };
    let hours: Vec<i64> = (0..12 - 4 * i as i64).collect();
    coverage::SourceCoverage::of(source, last, 1 << 40, &hours, at(0))
}

fn run(answered: &Arc<Answered>, raw: bool, query: &str, variables: &serde_json::Value) -> String {
    let schema = Schema::new(Query { answered: answered.clone(), raw }, EmptyMutation, EmptySubscription);
    let request = Request::new(query).variables(Variables::from_json(variables.clone()));
    let response = futures::FutureExt::now_or_never(schema.execute(request)).unwrap();
    let mut out = Vec::new();
    push_response(&mut out, &response);
    String::from_utf8(out).unwrap()
}

/// Both ways give the same bytes, and those are JSON.
fn same(query: &str, variables: &serde_json::Value) -> String {
    let mut last = String::new();
    for nodes in [1, 7, 64] {
        let answered = answered(nodes);
        let (ordinary, raw) = (run(&answered, false, query, variables), run(&answered, true, query, variables));
        assert_eq!(ordinary, raw, "{query}");
        let _: serde_json::Value = serde_json::from_str(&raw).unwrap();
        last = raw;
    }
    last
}

const NODES: &[&str] = &[
    "id",
    "restricted",
    "kind",
    "namespace",
    "name",
    "dataset",
    "depth",
    "selfLoop",
    "deletedAt",
    "remaining",
    "__typename",
    "aliases{namespace name __typename}",
];
const EDGES: &[&str] =
    &["from", "to", "kind", "job", "validFrom", "validUntil", "__typename", "transformations{type subtype description masking __typename}"];
const COMPLETENESS: &[&str] = &["status", "reasons", "nodesVisited", "edgesVisited", "frontier", "prunedByTime", "__typename"];
const COVERAGE: &[&str] = &[
    "source",
    "lastEvent{time index recordedAt __typename}",
    "events",
    "windowFrom",
    "rhythm{medianGapSeconds p95GapSeconds expectedWithinSeconds __typename}",
    "rhythmUnknown",
    "silentSince",
    "__typename",
];
const AS_OF: &[&str] = &["validAt", "ledgerSize", "rootHash", "__typename"];

#[test]
fn every_field_is_the_same_alone_and_together() {
    let none = serde_json::json!({});
    for (object, fields) in [("nodes", NODES), ("edges", EDGES), ("completeness", COMPLETENESS), ("coverage", COVERAGE), ("asOf", AS_OF)] {
        for field in fields {
            let text = same(&format!("{{lineage{{{object}{{{field}}}}}}}"), &none);
            assert!(!text.contains("errors"), "{text}");
        }
    }
    let all = format!(
        "{{lineage{{__typename nodes{{{}}} edges{{{}}} completeness{{{}}} coverage{{{}}} asOf{{{}}}}}}}",
        NODES.join(" "),
        EDGES.join(" "),
        COMPLETENESS.join(" "),
        COVERAGE.join(" "),
        AS_OF.join(" ")
    );
    same(&all, &none);
}

#[test]
fn aliases_fragments_directives_and_variables_are_the_same() {
    let vars = serde_json::json!({ "yes": true, "no": false });
    for query in [
        "{l:lineage{n:nodes{a:id b:id name} e:edges{x:from y:to}}}",
        "{lineage{...F ...on Lineage{nodes{name}} nodes{id}} } fragment F on Lineage{nodes{kind ...G} edges{from}} fragment G on LineageNode{depth kind}",
        "query($yes:Boolean!,$no:Boolean!){lineage{nodes @skip(if:$no){id name @include(if:$no) kind @include(if:$yes)} edges @include(if:$no){from}}}",
        "query($yes:Boolean!,$no:Boolean!){lineage{nodes{...@include(if:$yes){name}...@skip(if:$yes){id}...F@include(if:$yes)} edges{from @skip(if:$no)}}} fragment F on LineageNode{depth}",
        "{a:lineage{nodes{id}} b:lineage{nodes{id} nodes{name id} edges{to from to}} __typename}",
        "{lineage{completeness{frontier f:frontier} completeness{status} asOf{t:__typename}}}",
        "{lineage{nodes{aliases{n:name} aliases{namespace}}}}",
    ] {
        let text = same(query, &vars);
        assert!(!text.contains("errors"), "{text}");
    }
}

#[test]
fn what_is_wrong_is_refused_in_the_same_words() {
    for query in [
        "{lineage{nope}}",
        "{lineage{nodes}}",
        "{lineage{nodes{id{x}}}}",
        "{lineage{nodes{id(a:1)}}}",
        "{lineage{...F}} fragment F on Name{name}",
        "{lineage{nodes{...Nope}}}",
    ] {
        assert!(same(query, &serde_json::json!({})).contains("errors"), "{query}");
    }
}

#[test]
fn selections_that_need_a_store_or_make_no_object_are_left_to_the_ordinary_objects() {
    let answered = answered(2);
    let none = serde_json::json!({ "t": true });
    for (flat, selection) in [
        (true, "nodes{id}"),
        (true, "edges{from to} nodes{aliases{name}}"),
        (true, "nodes{id} nodes{id}"),
        (false, "nodes{id artifact{id}}"),
        (false, "edges{assertions{source}}"),
        (false, "edges{assertions(first:1){source}}"),
        (false, "nodes{id @skip(if:$t)}"),
        (false, "x:nodes{id} x:edges{from}"),
        (false, "nodes{x:id x:name}"),
    ] {
        let query = format!("query($t:Boolean=true){{planned{{{selection}}} __typename @include(if:$t)}}");
        run(&answered, flat, &query, &none);
    }
}

fn selection(fields: &'static [&'static str]) -> impl Strategy<Value = String> {
    let one = (prop::sample::select(fields), 0u8..5, 0u8..3).prop_map(|(field, alias, wrap)| {
        let field = match alias {
            0 => format!("a_{}:{field}", field.split('{').next().unwrap_or_default()),
            _ => field.to_owned(),
        };
        match wrap {
            0 => format!("...{{{field}}}"),
            1 => format!("{field} {field}"),
            _ => field,
        }
    });
    prop::collection::vec(one, 1..8).prop_map(|fields| fields.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_flat_selection_is_the_same(
        nodes in selection(NODES), edges in selection(EDGES), completeness in selection(COMPLETENESS), as_of in selection(AS_OF), coverage in selection(COVERAGE),
        order in Just(["n", "e", "c", "a", "n", "v"]).prop_shuffle(), more in selection(NODES)
    ) {
        let mut first = true;
        let parts: Vec<String> = order.iter().map(|part| match *part {
            "n" => { let set = if first { &nodes } else { &more }; first = false; format!("nodes{{{set}}}") }
            "e" => format!("edges{{{edges}}}"),
            "v" => format!("coverage{{{coverage}}}"),
            "c" => format!("completeness{{{completeness}}}"),
            _ => format!("asOf{{{as_of}}}"),
        }).collect();
        let text = same(&format!("{{lineage{{{}}}}}", parts.join(" ")), &serde_json::json!({}));
        prop_assert!(!text.contains("errors"), "{}", text);
    }
}
