//! `config check` and `config reference`.
use std::process::ExitCode;

use serde_json::json;

use super::args::ConfigCommand;
use crate::config::{Config, reference_json, reference_markdown};

/// Runs the command.
///
/// # Errors
/// Only when standard output fails.
pub fn run(command: &ConfigCommand, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check(file) => match Config::load(&file.sources()) {
            Ok(loaded) if json => {
                let keys = loaded.effective.iter().map(|e| (e.key.to_owned(), json!({ "value": e.shown, "from": e.origin.to_string() })));
                println!("{}", json!({ "ok": true, "keys": keys.collect::<serde_json::Map<_, _>>() }));
                Ok(ExitCode::SUCCESS)
            }
            Ok(loaded) => {
                let width = loaded.effective.iter().map(|e| e.key.len()).max().unwrap_or(0);
                for e in &loaded.effective {
                    println!("{:width$}  {}  (from {})", e.key, e.shown, e.origin);
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(errors) if json => {
                println!("{}", json!({ "ok": false, "errors": errors.0.iter().map(ToString::to_string).collect::<Vec<_>>() }));
                Ok(ExitCode::FAILURE)
            }
            Err(errors) => {
                eprintln!("{errors}");
                Ok(ExitCode::FAILURE)
            }
        },
        ConfigCommand::Reference => {
            if json {
                println!("{}", reference_json());
            } else {
                print!("{}", reference_markdown());
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}
