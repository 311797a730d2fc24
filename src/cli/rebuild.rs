//! `rebuild`: the graph made anew from the entries.
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::{args::RebuildArgs, steps::Steps};
use crate::{
    app::{compose::Installation, rebuild::Rebuilt},
    clock::Ambient,
    config::Config,
};

/// # Errors
/// What kept the folder from being opened.
pub fn run(args: &RebuildArgs, as_json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config.sources())?.config;
    let examination = Installation::existing(&args.data, &config, &Ambient::system())?.examine_for_rebuild()?;
    let mut steps = Steps::new(as_json);
    let done = examination.rebuild(&mut |stage, done, of| steps.at(stage, done, of));
    steps.finish();
    match done {
        Ok(rebuilt) => {
            show(&rebuilt, as_json);
            Ok(ExitCode::SUCCESS)
        }
        Err(finding) => {
            if as_json {
                let told = json!({ "check": finding.check.word(), "place": finding.place, "problem": finding.problem, "remedy": finding.check.remedy() });
                println!("{}", json!({ "ok": false, "firstFault": told }));
            } else {
                println!("NOT REBUILT ({}): {finding}", finding.check.word());
                println!("  the graph is as it was; `ledgerline verify` says more. What to do: {}", finding.check.remedy());
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn show(r: &Rebuilt, as_json: bool) {
    if as_json {
        let differences: Vec<Value> = r
            .differences
            .iter()
            .map(|d| json!({ "table": d.table, "rows": d.rows, "place": d.first.place, "problem": d.first.problem }))
            .collect();
        let rows: Map<String, Value> = r.rows.iter().map(|(t, n)| ((*t).to_owned(), json!(n))).collect();
        println!(
            "{}",
            json!({
                "ok": true, "entries": r.entries, "destroyed": r.destroyed, "same": r.differences.is_empty(),
                "differences": differences, "rows": rows, "seconds": r.took.as_secs_f64(),
            })
        );
        return;
    }
    let rows: u64 = r.rows.iter().map(|(_, n)| n).sum();
    println!("rebuilt {rows} rows from {} entries in {:.2} s", r.entries, r.took.as_secs_f64());
    if r.destroyed > 0 {
        println!("{} entries could not be replayed: their `core` is destroyed, so the graph no longer holds what they said", r.destroyed);
    }
    if r.differences.is_empty() {
        println!("the graph that was there was the same");
        return;
    }
    println!("the graph that was there differed, and the rebuilt one is kept:");
    for d in &r.differences {
        println!("  {} rows of `{}`; the first: {}", d.rows, d.table, d.first);
    }
}
