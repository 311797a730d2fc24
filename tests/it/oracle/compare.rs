//! An answer of the server and one of the oracle as one canonical text each, a
//! line a fact, so that a failure shows what differs and not that something does.
use std::collections::{BTreeMap, BTreeSet};

use ledgerline::domain::{
    kind::ArtifactKind,
    lineage::Level,
    name::Name,
    time::{FOREVER, Micros},
};
use serde_json::Value;

use super::{
    answer::{Answer, Cut},
    hidden,
    model::DatasetIx,
    world::{Place, World},
};

/// Asks for a walk: variables `from`, `options`, `asOf`.
pub const LINEAGE: &str = "lineage";

/// Asks for an artifact's facts: variables `ref`, `asOf`.
pub const ARTIFACT: &str = "artifact";

/// What is asked of each.
pub const FRAGMENTS: [&str; 2] = [
    "fragment lineage on Lineage { \
       nodes { id restricted kind namespace name aliases { namespace name } depth selfLoop deletedAt remaining } \
       edges { from to kind job validFrom validUntil } \
       completeness { status reasons frontier prunedByTime } } ",
    "fragment artifact on Artifact { \
       id kind namespace name aliases { namespace name } validFrom deletedAt schema { fields { path } } } ",
];

/// Labels of ids, by the server's own answers.
pub type Labels = BTreeMap<String, String>;

/// The oracle's answer. Of fields neither aliases nor the time at which they went
/// are compared (the contract is silent), and `prunedByTime` only of walks over
/// artifacts that were not cut (what a cut walk still meets is its own affair).
pub fn expected(world: &World<'_>, answer: &Answer, level: Level) -> String {
    let called = |place: &Place, node: &super::answer::AnswerNode| match answer.hidden.contains(place) {
        true => hidden::label_of(place),
        false => label(node.shown.kind, &node.shown.name),
    };
    let labels: BTreeMap<&Place, String> = answer.nodes.iter().map(|(p, n)| (p, called(p, n))).collect();
    let mut lines = Vec::new();
    for (place, node) in &answer.nodes {
        let artifact = level == Level::Artifact;
        lines.push(node_line(&NodeLine {
            label: &labels[place],
            depth: u64::from(node.depth),
            aliases: node.shown.aliases.iter().filter(|_| artifact).map(spelt).collect(),
            self_loop: node.self_loop,
            deleted: node.shown.deleted_at.filter(|_| artifact),
            remaining: node.remaining as u64,
        }));
    }
    for (edge, (from, until)) in &answer.edges {
        let job = edge.job.map_or("-".to_owned(), |j| label(ArtifactKind::Job, &world.model.jobs[j].name));
        lines.push(edge_line(&labels[&edge.from], &labels[&edge.to], edge.kind, &job, Some(*from), Some(*until)));
    }
    let reasons = answer.reasons.iter().map(|r| match r {
        Cut::NodesMax => "NODES_MAX".to_owned(),
        Cut::PerNodeMax => "PER_NODE_MAX".to_owned(),
    });
    let reasons = reasons.chain(answer.restricted.then(|| "RESTRICTED".to_owned()));
    let cut = !answer.reasons.is_empty();
    let pruned = (level == Level::Artifact && !cut).then_some(answer.pruned as u64);
    let frontier = answer.frontier.iter().map(|p| labels[p].clone());
    let status = match (answer.restricted, cut) {
        (true, _) => "RESTRICTED",
        (false, true) => "TRUNCATED",
        (false, false) => "COMPLETE",
    };
    canonical(lines, status, reasons.collect(), frontier.collect(), pruned)
}

/// The server's answer: the `lineage` member of `data`. `jobs` labels the ids of jobs.
pub fn served(lineage: &Value, level: Level, jobs: &Labels) -> String {
    let mut labels = jobs.clone();
    let nodes = || lineage["nodes"].as_array().into_iter().flatten();
    labels.extend(nodes().map(|n| (text(&n["id"]), served_label(n))));
    let of = |id: &Value| labels.get(&text(id)).cloned().unwrap_or_else(|| format!("unknown id {id}"));
    let artifact = level == Level::Artifact;
    let mut lines = Vec::new();
    for node in nodes() {
        lines.push(node_line(&NodeLine {
            label: &served_label(node),
            depth: node["depth"].as_u64().unwrap_or(u64::MAX),
            aliases: aliases(node).into_iter().filter(|_| artifact).collect(),
            self_loop: node["selfLoop"] == true,
            deleted: instant(&node["deletedAt"]).filter(|_| artifact),
            remaining: node["remaining"].as_u64().unwrap_or(u64::MAX),
        }));
    }
    for edge in lineage["edges"].as_array().into_iter().flatten() {
        let job = if edge["job"].is_null() { "-".to_owned() } else { of(&edge["job"]) };
        let until = instant(&edge["validUntil"]).or(edge["validUntil"].is_null().then_some(FOREVER));
        lines.push(edge_line(&of(&edge["from"]), &of(&edge["to"]), &text(&edge["kind"]), &job, instant(&edge["validFrom"]), until));
    }
    let complete = &lineage["completeness"];
    let list =
        |member: &str, each: &dyn Fn(&Value) -> String| complete[member].as_array().into_iter().flatten().map(each).collect::<Vec<_>>();
    let status = text(&complete["status"]);
    let cut = list("reasons", &|r| text(r)).iter().any(|r| r != "RESTRICTED");
    let pruned = complete["prunedByTime"].as_u64().filter(|_| artifact && !cut);
    canonical(lines, &status, list("reasons", &|r| text(r)), list("frontier", &of), pruned)
}

/// What the oracle knows of a dataset's node.
pub fn expected_artifact(world: &World<'_>, dataset: DatasetIx) -> String {
    if world.asker.is_some() {
        return hidden::expected_artifact(world, dataset);
    }
    let class = world.class_of(dataset);
    let name = |n: &DatasetIx| &world.model.datasets[*n].name;
    let aliases = class.names[1..].iter().map(|n| spelt(name(n))).collect();
    let first = world.model.datasets[class.names[0]].first;
    let columns = world.schema_columns(dataset).unwrap_or_default().into_iter().collect();
    artifact_text(&label(ArtifactKind::Dataset, name(&class.names[0])), aliases, Some(first), class.deleted_at, columns)
}

/// The `artifact` member of the server's `data`.
pub fn served_artifact(artifact: &Value) -> String {
    let list = |json: &Value| json.as_array().cloned().unwrap_or_default();
    // Every source has its own list; a column lives while any source lists it.
    let columns: BTreeSet<String> = list(&artifact["schema"]).iter().flat_map(|s| list(&s["fields"])).map(|c| text(&c["path"])).collect();
    let columns = columns.into_iter().collect();
    artifact_text(&served_label(artifact), aliases(artifact), instant(&artifact["validFrom"]), instant(&artifact["deletedAt"]), columns)
}

/// The lines that only one of two texts has, in their order; `None` when equal.
pub fn difference(expected: &str, served: &str) -> Option<String> {
    if expected == served {
        return None;
    }
    let only = |of: &str, not_in: &str, mark: char| -> Vec<String> {
        let mut rest: Vec<&str> = not_in.lines().collect();
        let missing = |line: &&str| match rest.iter().position(|other| other == line) {
            Some(at) => {
                rest.remove(at);
                false
            }
            None => true,
        };
        of.lines().filter(missing).map(|line| format!("{mark} {line}")).collect()
    };
    let mut lines = only(expected, served, '-');
    lines.extend(only(served, expected, '+'));
    Some(format!("(- the oracle, + the server)\n{}", lines.join("\n")))
}

/// How a node is called in texts. A field's name is `dataset.path`.
pub fn label(kind: ArtifactKind, name: &Name) -> String {
    format!("{} {}", kind.word().to_uppercase(), spelt(name))
}

fn served_label(node: &Value) -> String {
    if node["restricted"] == true {
        let told = ["kind", "namespace", "name", "deletedAt"].into_iter().find(|member| !node[*member].is_null());
        return told.map_or_else(|| hidden::label(&text(&node["id"])), |member| format!("a restricted node tells its {member}"));
    }
    format!("{} {}", text(&node["kind"]), spelt(&Name::new(text(&node["namespace"]), text(&node["name"]))))
}

/// How a name is written.
pub fn spelt(name: &Name) -> String {
    format!("`{}` `{}`", name.namespace, name.name)
}

fn aliases(node: &Value) -> Vec<String> {
    node["aliases"].as_array().into_iter().flatten().map(|a| spelt(&Name::new(text(&a["namespace"]), text(&a["name"])))).collect()
}

struct NodeLine<'a> {
    label: &'a str,
    depth: u64,
    aliases: Vec<String>,
    self_loop: bool,
    deleted: Option<Micros>,
    remaining: u64,
}

fn node_line(n: &NodeLine<'_>) -> String {
    let mut aliases = n.aliases.clone();
    aliases.sort();
    let deleted = when(n.deleted);
    format!(
        "node {} depth={} selfLoop={} deletedAt={deleted} remaining={} aliases=[{}]",
        n.label,
        n.depth,
        n.self_loop,
        n.remaining,
        aliases.join(", ")
    )
}

fn edge_line(from: &str, to: &str, kind: &str, job: &str, since: Option<Micros>, until: Option<Micros>) -> String {
    format!("edge {from} → {to} {kind} job={job} [{}, {})", when(since), when(until))
}

fn canonical(mut lines: Vec<String>, status: &str, mut reasons: Vec<String>, mut frontier: Vec<String>, pruned: Option<u64>) -> String {
    lines.sort();
    // The words of the enum are the server's; what each stands for is not in doubt.
    for reason in &mut reasons {
        if let Some(word) = [("PER_NODE", "PER_NODE_MAX"), ("NODES", "NODES_MAX")].iter().find(|(part, _)| reason.contains(part)) {
            *reason = word.1.to_owned();
        }
    }
    reasons.sort();
    frontier.sort();
    let pruned = pruned.map_or("-".to_owned(), |n| n.to_string());
    lines.push(format!("status {status} reasons=[{}] frontier=[{}] prunedByTime={pruned}", reasons.join(", "), frontier.join(", ")));
    lines.join("\n")
}

/// An artifact's text.
pub fn artifact_text(
    label: &str,
    mut aliases: Vec<String>,
    first: Option<Micros>,
    deleted: Option<Micros>,
    mut columns: Vec<String>,
) -> String {
    aliases.sort();
    columns.sort();
    let (first, deleted) = (when(first), when(deleted));
    format!("artifact {label}\naliases [{}]\nvalidFrom {first}\ndeletedAt {deleted}\nschema [{}]", aliases.join(", "), columns.join(", "))
}

fn when(t: Option<Micros>) -> String {
    t.map_or("-".to_owned(), |t| format!("{t:?}"))
}

fn instant(json: &Value) -> Option<Micros> {
    Micros::read(json.as_str()?).ok().map(|r| r.at)
}

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_default().to_owned()
}
