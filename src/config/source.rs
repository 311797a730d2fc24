//! Where values come from, and which of them wins.
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{Effective, KEYS, error::ConfigError, nearest::nearest, setting::Key};

/// What the name of every environment variable of ours begins with.
pub const ENV_PREFIX: &str = "LEDGERLINE_";

/// Variables with our prefix that are no keys: the configuration file itself, the
/// client commands' `--url` and `--token`, and the test data's folder.
pub const ENV_RESERVED: &[&str] = &["LEDGERLINE_CONFIG", "LEDGERLINE_URL", "LEDGERLINE_TOKEN", "LEDGERLINE_SHARED"];

/// Kubernetes tells every container of a namespace about a service named `ledgerline`
/// (`LEDGERLINE_SERVICE_HOST`, `LEDGERLINE_PORT`, `LEDGERLINE_PORT_8080_TCP_ADDR`, …):
/// those are nobody's slip. No key begins so.
fn is_service_link(name: &str) -> bool {
    name.strip_prefix(ENV_PREFIX).is_some_and(|n| n == "PORT" || n.starts_with("PORT_") || n.starts_with("SERVICE_"))
}

/// Everything that a configuration is read from.
#[derive(Debug, Default)]
pub struct Sources {
    /// The TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables; those without our prefix are ignored.
    pub env: Vec<(OsString, OsString)>,
    /// Keys that flags set.
    pub flags: Vec<(&'static str, String)>,
}

impl Sources {
    /// The process's environment and the given file.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>) -> Self {
        Self { file, env: std::env::vars_os().collect(), flags: Vec::new() }
    }

    /// Adds what a flag said, if it was given.
    #[must_use]
    pub fn flag(mut self, key: &'static str, value: Option<String>) -> Self {
        self.flags.extend(value.map(|v| (key, v)));
        self
    }
}

/// Who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    Default,
    File(PathBuf),
    /// The variable's name.
    Environment(String),
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(variable) => write!(f, "the environment (`{variable}`)"),
            Self::Flag => f.write_str("a flag"),
        }
    }
}

/// The winning text of each key that somebody set.
#[derive(Default)]
pub(super) struct Values(BTreeMap<&'static str, (Zeroizing<String>, Origin)>);

impl Values {
    /// The text of a key and who wrote it.
    pub fn of(&self, key: &Key) -> (&str, &Origin) {
        self.0.get(key.name).map_or((key.default, &Origin::Default), |(text, origin)| (text.as_str(), origin))
    }

    pub fn effective(&self, key: &Key) -> Effective {
        let (text, origin) = self.of(key);
        let shown = match (key.secret, text.is_empty()) {
            (_, true) => "(not set)".to_owned(),
            (true, false) => "(secret)".to_owned(),
            (false, false) => text.to_owned(),
        };
        Effective { key: key.name, shown, origin: origin.clone() }
    }
}

/// One layer: values that override those of the layers before it.
struct Layer<'a> {
    values: &'a mut Values,
    errors: &'a mut Vec<ConfigError>,
    /// Secrets that this layer set, with the origin that did.
    secrets: Vec<&'static str>,
}

/// What a written key means.
enum Meaning {
    Value(&'static Key),
    /// The file that holds a secret.
    SecretFile(&'static Key),
}

fn meaning(dotted: &str) -> Option<Meaning> {
    let secret = dotted.strip_suffix("_file");
    KEYS.iter().find_map(|key| match key.name {
        name if name == dotted => Some(Meaning::Value(key)),
        name if key.secret && secret == Some(name) => Some(Meaning::SecretFile(key)),
        _ => None,
    })
}

/// Every name that a key may be written as, dotted.
fn known_names() -> impl Iterator<Item = String> {
    KEYS.iter().flat_map(|key| std::iter::once(key.name.to_owned()).chain(key.secret.then(|| format!("{}_file", key.name))))
}

fn as_variable(dotted: &str) -> String {
    format!("{ENV_PREFIX}{}", dotted.to_uppercase().replace('.', "__"))
}

impl Layer<'_> {
    /// Takes one written value. `written` is how the key looked to its writer.
    fn take(&mut self, dotted: &str, written: &str, text: Zeroizing<String>, origin: Origin) {
        match meaning(dotted) {
            Some(Meaning::Value(key)) => self.set(key, text, origin),
            Some(Meaning::SecretFile(key)) => match fs::read_to_string(text.as_str()) {
                Ok(content) => {
                    let content = Zeroizing::new(content);
                    self.set(key, Zeroizing::new(content.trim_end_matches(['\r', '\n']).to_owned()), origin);
                }
                Err(problem) => {
                    self.errors.push(ConfigError::Unreadable { path: PathBuf::from(text.as_str()), problem: problem.kind().to_string() })
                }
            },
            None => {
                let names: Vec<String> = known_names().collect();
                let found = nearest(dotted, names.iter().map(String::as_str));
                let nearest = found.map(|n| if matches!(origin, Origin::Environment(_)) { as_variable(n) } else { n.to_owned() });
                let origin = if matches!(origin, Origin::Environment(_)) { Origin::Environment(written.to_owned()) } else { origin };
                self.errors.push(ConfigError::UnknownKey { key: written.to_owned(), origin, nearest });
            }
        }
    }

    fn set(&mut self, key: &'static Key, text: Zeroizing<String>, origin: Origin) {
        if key.secret {
            if self.secrets.contains(&key.name) {
                self.errors.push(ConfigError::SecretTwice { key: key.name.to_owned(), origin });
                return;
            }
            self.secrets.push(key.name);
        }
        self.values.0.insert(key.name, (text, origin));
    }
}

/// Puts the layers over each other.
pub(super) fn merge(sources: &Sources, errors: &mut Vec<ConfigError>) -> Values {
    let mut values = Values::default();
    if let Some(path) = &sources.file
        && let Some(table) = read_toml(path, errors)
    {
        let mut layer = Layer { values: &mut values, errors, secrets: Vec::new() };
        take_table(&mut layer, &table, "", path);
    }

    let mut layer = Layer { values: &mut values, errors, secrets: Vec::new() };
    let mut ours: Vec<&(OsString, OsString)> =
        sources.env.iter().filter(|(name, _)| name.to_string_lossy().starts_with(ENV_PREFIX)).collect();
    ours.sort();
    for (name, value) in ours {
        let name = name.to_string_lossy().into_owned();
        if ENV_RESERVED.contains(&name.as_str()) || is_service_link(&name) {
            continue;
        }
        let dotted = name[ENV_PREFIX.len()..].to_lowercase().replace("__", ".");
        match value.to_str() {
            Some(text) => layer.take(&dotted, &name, Zeroizing::new(text.to_owned()), Origin::Environment(name.clone())),
            None => layer.errors.push(ConfigError::Invalid {
                key: dotted,
                origin: Origin::Environment(name),
                problem: "must be UTF-8".to_owned(),
            }),
        }
    }

    let mut layer = Layer { values: &mut values, errors, secrets: Vec::new() };
    for (key, value) in &sources.flags {
        layer.take(key, key, Zeroizing::new(value.clone()), Origin::Flag);
    }
    values
}

fn read_toml(path: &Path, errors: &mut Vec<ConfigError>) -> Option<toml::Table> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(problem) => {
            errors.push(ConfigError::Unreadable { path: path.to_owned(), problem: problem.kind().to_string() });
            return None;
        }
    };
    match text.parse::<toml::Table>() {
        Ok(table) => Some(table),
        Err(problem) => {
            // The error's own text quotes the line, and the line may hold a secret.
            let line = problem.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
            errors.push(ConfigError::NotToml { path: path.to_owned(), line, problem: problem.message().to_owned() });
            None
        }
    }
}

fn take_table(layer: &mut Layer<'_>, table: &toml::Table, prefix: &str, path: &Path) {
    for (name, value) in table {
        let dotted = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let origin = Origin::File(path.to_owned());
        let text = match value {
            toml::Value::Table(inner) => {
                take_table(layer, inner, &dotted, path);
                continue;
            }
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(n) => n.to_string(),
            toml::Value::Boolean(b) => b.to_string(),
            toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Array(_) => {
                let problem = "must be a text, a whole number, `true` or `false`".to_owned();
                layer.errors.push(ConfigError::Invalid { key: dotted, origin, problem });
                continue;
            }
        };
        layer.take(&dotted, &dotted, Zeroizing::new(text), origin);
    }
}
