//! What can be wrong with a configuration. Values of secrets never appear.
use std::{fmt, path::PathBuf};

use super::source::Origin;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("unknown key `{key}` in {origin}{}", nearest.as_ref().map_or_else(|| ", see `ledgerline config reference`".to_owned(), |n| format!(", the nearest known one is `{n}`")))]
    UnknownKey {
        /// As it was written: a dotted key, or a variable's name.
        key: String,
        origin: Origin,
        /// Written the same way.
        nearest: Option<String>,
    },
    #[error("`{key}` from {origin} {problem}")]
    Invalid {
        key: String,
        origin: Origin,
        /// Why, as the rest of the sentence; quotes the value unless it is a secret.
        problem: String,
    },
    #[error("`{key}` and its file are both set in {origin}, set only one")]
    SecretTwice { key: String, origin: Origin },
    #[error("{} cannot be read: {problem}", path.display())]
    Unreadable { path: PathBuf, problem: String },
    #[error("{} is not TOML{}: {problem}", path.display(), line.map_or_else(String::new, |l| format!(" at line {l}")))]
    NotToml { path: PathBuf, line: Option<usize>, problem: String },
}

/// Everything that is wrong, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
