//! What the server can be told, and who told it: defaults < file (TOML) <
//! environment `LEDGERLINE_SECTION__KEY` < flags.
//!
//! A [`Config`] is a value that is handed down; nothing here is global. One table
//! (`keys.rs`) drives the struct, the reading, the reference page and the check.
mod error;
mod keys;
mod nearest;
mod reference;
mod setting;
mod source;

pub use error::{ConfigError, ConfigErrors};
pub use keys::{
    Config, GraphqlConfig, HttpConfig, IngestConfig, KEYS, KeysConfig, LedgerConfig, LineageConfig, LogConfig, MetricsConfig, StoreConfig,
};
pub use reference::{reference_json, reference_markdown};
pub use setting::{
    ByteSize, InvalidStatus, Key, ListenAddress, LogFilter, LogFormat, PartialStatus, PublicLedger, Secret, SensitivityMax, StoreKind,
};
pub use source::{ENV_PREFIX, ENV_RESERVED, Origin, Sources};

/// A configuration together with where each value came from.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// One a key, in the table's order.
    pub effective: Vec<Effective>,
}

/// One key as it holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    pub key: &'static str,
    /// The value as it would be written; of a secret only whether it is set.
    pub shown: String,
    pub origin: Origin,
}

impl Config {
    /// Reads and checks everything; all that is wrong is told at once.
    ///
    /// # Errors
    /// Every unknown key, unreadable file and impossible value. No text of an
    /// error holds the value of a secret.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
        let mut errors = Vec::new();
        let values = source::merge(sources, &mut errors);
        let effective = KEYS.iter().map(|key| values.effective(key)).collect();
        match Self::read(&values, &mut errors) {
            Some(config) if errors.is_empty() => Ok(Loaded { config, effective }),
            _ => Err(ConfigErrors(errors)),
        }
    }
}
