//! The arguments of every command. Doc comments here are the help texts.
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum, ValueHint};

use crate::{access::Role, app::verify::remote::Openings, config::Sources, domain::time::Micros};

/// Where the configuration file is.
#[derive(Args, Debug, Clone, Default)]
pub struct ConfigFile {
    /// Configuration file (TOML). Environment and flags override it.
    #[arg(long = "config", env = "LEDGERLINE_CONFIG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}

impl ConfigFile {
    /// The file, the process's environment, and no flags yet.
    #[must_use]
    pub fn sources(&self) -> Sources {
        Sources::of_process(self.file.clone())
    }
}

/// A running server and the token to show it.
#[derive(Args, Clone)]
pub struct Remote {
    /// The server, such as http://127.0.0.1:8080.
    #[arg(long, env = "LEDGERLINE_URL", value_name = "URL", value_hint = ValueHint::Url)]
    pub url: String,
    /// The token; better given by the environment, where `ps` does not show it.
    #[arg(long, env = "LEDGERLINE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: String,
}

/// Either a data folder that no server holds, or a running server.
#[derive(Args, Clone)]
#[command(group = ArgGroup::new("where").required(true).args(["data", "url"]))]
pub struct Target {
    /// The data folder; made when it is new, refused while a server holds it.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// A running server instead.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, requires = "token")]
    pub url: Option<String>,
    /// An administrator's token, for `--url`.
    #[arg(long, env = "LEDGERLINE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    #[command(flatten)]
    pub config: ConfigFile,
}

// Tokens are secrets: `Debug` of anything that holds one must not show it.
impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("url", &self.url).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("data", &self.data).field("url", &self.url).finish_non_exhaustive()
    }
}

/// Start a server over a believable estate, with a token a persona and queries to try.
#[derive(Args, Debug, Clone)]
pub struct DemoArgs {
    /// Data folder to make and keep; without it a temporary one, gone at the end.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

/// Run the server until SIGTERM, which lets requests in flight finish.
#[derive(Args, Debug, Clone)]
pub struct ServeArgs {
    /// The data folder; made when it is new.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    /// Address and port to listen on (key `listen`).
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    #[command(flatten)]
    pub config: ConfigFile,
}

/// Create, list and revoke tokens.
#[derive(Subcommand, Debug, Clone)]
pub enum TokenCommand {
    /// Create a token and print it, alone, once; only its hash is kept.
    Create(TokenCreateArgs),
    /// List tokens, never their secrets.
    List(TokenListArgs),
    /// Revoke a token by the id that `token list` shows.
    Revoke(TokenRevokeArgs),
}

/// Arguments of `token create`.
#[derive(Args, Debug, Clone)]
pub struct TokenCreateArgs {
    /// What the token is for; several are their union.
    #[arg(long = "role", required = true, value_name = "ROLE", value_parser = role)]
    pub roles: Vec<Role>,
    /// Name of the actor it belongs to.
    #[arg(long, value_name = "NAME", default_value = "local")]
    pub actor: String,
    /// The actor is a natural person.
    #[arg(long)]
    pub person: bool,
    /// The integration that its events come from; a rotated token keeps it.
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub integration: String,
    /// Namespaces it is good for: exact, `prefix*`, or `*`. Without it: every one.
    #[arg(long = "namespace", value_name = "GLOB", default_value = "*")]
    pub namespaces: Vec<String>,
    /// When it ends (RFC 3339). Without it: never.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub expires: Option<Micros>,
    /// Why, for the ledger.
    #[arg(long, value_name = "TEXT", default_value = "created on the command line")]
    pub reason: String,
    #[command(flatten)]
    pub target: Target,
}

/// Arguments of `token list`.
#[derive(Args, Debug, Clone)]
pub struct TokenListArgs {
    #[command(flatten)]
    pub target: Target,
}

/// Arguments of `token revoke`.
#[derive(Args, Debug, Clone)]
pub struct TokenRevokeArgs {
    /// The token's id, as `token list` shows it.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Why, for the ledger.
    #[arg(long, value_name = "TEXT", default_value = "revoked on the command line")]
    pub reason: String,
    #[command(flatten)]
    pub target: Target,
}

/// Send OpenLineage events from files (NDJSON, or one JSON array) to a server.
///
/// Stopped imports go on where they were. Refused events are written with their reason to
/// `FILE.refused.ndjson`; the exit code is 1 when there are any.
#[derive(Args, Debug, Clone)]
pub struct ImportArgs {
    /// Files to send, in this order; `-` is standard input (which cannot be resumed).
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub remote: Remote,
    /// Folder for reports and resume states, instead of beside each file.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub report_dir: Option<PathBuf>,
    /// Events in one request at most.
    #[arg(long, value_name = "COUNT", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch: u32,
    /// Seconds to wait in all, a request, for a server that is busy or away.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    pub patience: u64,
    /// Forget where an earlier import stopped and send the whole file.
    #[arg(long)]
    pub again: bool,
}

/// Show the lineage of something on a running server, with its date and completeness.
#[derive(Args, Debug, Clone)]
pub struct LineageArgs {
    /// `dataset:NAMESPACE:NAME`, `job:NAMESPACE:NAME`, `datasetField:NAMESPACE:NAME:FIELD` or `run:ID`; namespaces may hold colons.
    #[arg(value_name = "REF", value_parser = node_reference)]
    pub reference: String,
    #[command(flatten)]
    pub remote: Remote,
    /// Which way.
    #[arg(long, value_enum, default_value_t)]
    pub direction: LineageDirection,
    /// How many hops.
    #[arg(long, value_name = "HOPS", default_value_t = 1)]
    pub depth: u32,
    /// Datasets and jobs, columns, or runs.
    #[arg(long, value_enum, default_value_t)]
    pub level: LineageLevel,
    /// What is left out, what lies on both sides of it joined.
    #[arg(long, value_enum, default_value_t)]
    pub collapse: LineageCollapse,
    /// Also what ended before the instant, if it was so at any time from this one on (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub since: Option<Micros>,
    /// How many nodes at most; without it the server's default.
    #[arg(long, value_name = "COUNT")]
    pub max_nodes: Option<u32>,
    /// How many neighbours of one node at most; without it the server's default.
    #[arg(long, value_name = "COUNT")]
    pub per_node_limit: Option<u32>,
    /// Show also what is deleted; nothing is walked through it.
    #[arg(long)]
    pub include_deleted: bool,
    /// As it was at this instant (RFC 3339); without it now.
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub valid_at: Option<Micros>,
    /// As the ledger knew it at this size; without it the present one.
    #[arg(long, value_name = "SIZE")]
    pub ledger_size: Option<u64>,
    /// How to show it (`--json` is `--format json`).
    #[arg(long, value_enum, default_value_t)]
    pub format: LineageFormat,
}

/// Which way a lineage goes.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LineageDirection {
    /// Where the data comes from.
    Upstream,
    /// Where the data goes.
    Downstream,
    /// Both ways, each by itself.
    #[default]
    Both,
}

impl LineageDirection {
    /// As the schema spells it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Upstream => "UPSTREAM",
            Self::Downstream => "DOWNSTREAM",
            Self::Both => "BOTH",
        }
    }
}

/// What the nodes of a lineage are.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LineageLevel {
    /// Datasets and jobs.
    #[default]
    Artifact,
    /// Columns.
    Field,
    /// Runs and the datasets that they used or made.
    Run,
}

impl LineageLevel {
    /// As the schema spells it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Artifact => "ARTIFACT",
            Self::Field => "FIELD",
            Self::Run => "RUN",
        }
    }

    /// Whether nodes are columns.
    #[must_use]
    pub const fn is_field(self) -> bool {
        matches!(self, Self::Field)
    }
}

/// What a lineage leaves out.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LineageCollapse {
    /// Nothing.
    #[default]
    None,
    /// Jobs: datasets follow each other.
    Jobs,
    /// Datasets: jobs follow each other.
    Datasets,
}

impl LineageCollapse {
    /// As the schema spells it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Jobs => "JOBS",
            Self::Datasets => "DATASETS",
        }
    }
}

/// How a lineage is shown.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LineageFormat {
    /// For a terminal.
    #[default]
    Table,
    /// The server's answer.
    Json,
    /// For Graphviz.
    Dot,
    /// For Mermaid, such as in Markdown.
    Mermaid,
}

/// Check everything that can be checked, and name the first thing that is wrong.
#[derive(Args, Debug, Clone)]
#[command(group = ArgGroup::new("where").required(true).args(["data", "url"]))]
pub struct VerifyArgs {
    /// A data folder: log, commitments, references and projection.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// A running server: its log, proofs and openings.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub url: Option<String>,
    /// An auditor's token, for `--url`.
    #[arg(long, env = "LEDGERLINE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// The log's verifier key, from somewhere else than the server that is checked.
    #[arg(long, value_name = "KEY")]
    pub vkey: Option<String>,
    /// A checkpoint that was kept earlier: the log must be a continuation of it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub against: Option<PathBuf>,
    /// Only the log: entries, tiles, checkpoint.
    #[arg(long)]
    pub log_only: bool,
    /// How many entries a server is asked to open and prove, chosen by chance, or `all`.
    #[arg(long, value_name = "COUNT", default_value = "100", value_parser = openings, requires = "url")]
    pub openings: Openings,
    #[command(flatten)]
    pub config: ConfigFile,
}

/// Drop the graph, replay the ledger into a new one, and compare the two.
#[derive(Args, Debug, Clone)]
pub struct RebuildArgs {
    /// The data folder; refused while a server holds it.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: PathBuf,
    #[command(flatten)]
    pub config: ConfigFile,
}

/// Print the GraphQL schema (the same text as `schema.graphql`).
#[derive(Args, Debug, Clone)]
pub struct SchemaArgs {}

/// Check or explain the configuration.
#[derive(Subcommand, Debug, Clone)]
pub enum ConfigCommand {
    /// Read file and environment, say all that is wrong, or show what holds and who said so.
    Check(ConfigFile),
    /// Print every key, its default, its environment variable and its meaning.
    Reference,
}

/// Ask a server whether it is ready; exit code 1 when it is not.
#[derive(Args, Debug, Clone)]
pub struct HealthArgs {
    /// The server; without it the `listen` key of the configuration.
    #[arg(long, env = "LEDGERLINE_URL", value_name = "URL", value_hint = ValueHint::Url)]
    pub url: Option<String>,
    /// Only ask whether it is alive.
    #[arg(long)]
    pub live: bool,
    #[command(flatten)]
    pub config: ConfigFile,
}

fn openings(text: &str) -> Result<Openings, String> {
    match text {
        "all" => Ok(Openings::All),
        count => count.parse().map(Openings::Sample).map_err(|_| "must be a number or `all`".to_owned()),
    }
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| format!("must be one of {}", Role::ALL.map(Role::word).join(", ")))
}

fn node_reference(text: &str) -> Result<String, String> {
    let parts = text.matches(':').count();
    match text.split_once(':').map(|(word, _)| word) {
        Some("dataset" | "job") if parts >= 2 => Ok(text.to_owned()),
        Some("datasetField") if parts >= 3 => Ok(text.to_owned()),
        Some("run") if text.len() > "run:".len() => Ok(text.to_owned()),
        _ => Err("must be `dataset:NAMESPACE:NAME`, `job:NAMESPACE:NAME`, `datasetField:NAMESPACE:NAME:FIELD` or `run:ID`".to_owned()),
    }
}

fn instant(text: &str) -> Result<Micros, String> {
    Micros::read(text).map(|read| read.at).map_err(|_| "must be an instant such as 2027-01-31T00:00:00Z".to_owned())
}
