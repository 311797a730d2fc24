//! The command line: one file a command. Exit codes: 0 done, 1 failed or not
//! verified, 2 wrong usage. Results go to standard output, everything else to
//! standard error.
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub mod args;
pub mod client;
pub mod config;
pub mod demo;
pub mod demo_estate;
pub mod health;
pub mod import;
pub mod lineage;
pub mod rebuild;
pub mod remote_token;
pub mod schema;
pub mod serve;
pub mod steps;
pub mod token;
pub mod verify;

/// A GraphQL lineage and data-catalog server on an append-only, signed ledger.
#[derive(Parser, Debug)]
#[command(name = "ledgerline", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    /// Answer with JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    Demo(args::DemoArgs),
    Serve(args::ServeArgs),
    #[command(subcommand)]
    Token(args::TokenCommand),
    Import(args::ImportArgs),
    Lineage(args::LineageArgs),
    Verify(args::VerifyArgs),
    Rebuild(args::RebuildArgs),
    #[command(subcommand)]
    Config(args::ConfigCommand),
    Schema(args::SchemaArgs),
    Health(args::HealthArgs),
}

/// Runs the process's command line.
#[must_use]
pub fn main() -> ExitCode {
    // Wrong usage ends here with code 2, `--help` and `--version` with 0.
    let cli = Cli::parse();
    match run(&cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    match &cli.command {
        Command::Demo(args) => demo::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Token(command) => token::run(command, cli.json),
        Command::Import(args) => import::run(args, cli.json),
        Command::Lineage(args) => lineage::run(args, cli.json),
        Command::Verify(args) => verify::run(args, cli.json),
        Command::Rebuild(args) => rebuild::run(args, cli.json),
        Command::Config(command) => config::run(command, cli.json),
        Command::Schema(args::SchemaArgs {}) => Ok(schema::run(cli.json)),
        Command::Health(args) => health::run(args, cli.json),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
