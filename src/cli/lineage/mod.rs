//! `lineage`: one lineage answer of a running server, for people's eyes (a table,
//! a drawing) or for programs. Every format says what instant the answer is about
//! and whether anything was left out.
mod answer;
mod draw;
mod table;
#[cfg(test)]
mod tests;
mod text;

use std::{process::ExitCode, time::Duration};

use serde_json::{Value, json};

pub use self::answer::Answer;
use super::{
    args::{LineageArgs, LineageFormat},
    client::Client,
};

/// Fields are shown with their dataset, which only the artifact behind the node names.
const ARTIFACT_OF_FIELD: &str = "artifact { name }";

fn document(args: &LineageArgs) -> String {
    let artifact = if args.level.is_field() { ARTIFACT_OF_FIELD } else { "" };
    format!(
        "query Lineage($from: [ArtifactRef!]!, $options: LineageOptions!, $asOf: AsOf) {{ \
           lineage(from: $from, options: $options, asOf: $asOf) {{ \
             nodes {{ id restricted kind namespace name depth selfLoop deletedAt remaining {artifact} }} \
             edges {{ from to kind job validFrom validUntil }} \
             completeness {{ status reasons nodesVisited edgesVisited frontier prunedByTime }} \
             asOf {{ validAt ledgerSize rootHash }} \
           }} }}"
    )
}

fn variables(args: &LineageArgs) -> Value {
    let mut options = json!({ "direction": args.direction.word(), "level": args.level.word(), "collapse": args.collapse.word() });
    let mut set = |name: &str, value: Option<u32>| {
        if let Some(value) = value {
            options[name] = value.into();
        }
    };
    set("depth", Some(args.depth));
    set("maxNodes", args.max_nodes);
    set("perNodeLimit", args.per_node_limit);
    if args.include_deleted {
        options["includeDeleted"] = true.into();
    }
    if let Some(since) = args.since {
        options["window"] = json!({ "since": since.rfc3339() });
    }
    let as_of = json!({ "validAt": args.valid_at.map(|t| t.rfc3339()), "ledgerSize": args.ledger_size });
    json!({ "from": [{ "nodeId": args.reference }], "options": options, "asOf": as_of })
}

/// Asks once and prints the answer. An answer that is cut is an answer: it says so.
///
/// # Errors
/// A server that cannot be reached or refuses; an answer that is none.
pub fn run(args: &LineageArgs, json: bool) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.remote.url, Some(&args.remote.token), Duration::ZERO)?;
    let mut data = client.graphql(&document(args), &variables(args))?;
    let told = data.get_mut("lineage").map(Value::take).unwrap_or_default();
    let format = if json { LineageFormat::Json } else { args.format };
    print!("{}", render(&told, format)?);
    Ok(ExitCode::SUCCESS)
}

/// The text of an answer (the member `lineage` of the data).
///
/// # Errors
/// When it is no lineage answer.
pub fn render(told: &Value, format: LineageFormat) -> anyhow::Result<String> {
    let answer = Answer::read(told)?;
    Ok(match format {
        LineageFormat::Table => table::table(&answer),
        LineageFormat::Json => format!("{told:#}\n"),
        LineageFormat::Dot => draw::dot(&answer),
        LineageFormat::Mermaid => draw::mermaid(&answer),
    })
}
