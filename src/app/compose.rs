//! The composition root: from a data folder and a configuration to an [`App`].
//! The only place, with tests, that names a backend.
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    App, Limits, ingest::IngestIdentity, ledger_access::LedgerPublic, refusals::Refusals, sequencer::Sequencer, tokens::TokenBook,
};
use crate::{
    clock::Ambient,
    config::{Config, PublicLedger},
    domain::id::InstallationSecret,
    ledger::LogKey,
    store::{
        Store,
        embedded::{Anchor, EmbeddedStore, Folder, OpenFolderError, OpenOptions, Opened, Synchronous, vault_db::VaultDb},
        write::Committer,
    },
    vault::{InstallationKeys, NonceLimits, Vault, VaultError, keys_dir::GivenKeys, keys_dir::KeysDirError},
};

/// Why an installation could not be opened; every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    #[error(transparent)]
    Folder(#[from] OpenFolderError),
    #[error(transparent)]
    Keys(#[from] KeysDirError),
    #[error("the vault could not be opened")]
    Vault(#[from] VaultError),
    #[error("the log's origin in the configuration cannot be the name of a key")]
    Origin(#[from] crate::ledger::KeyError),
    #[error(transparent)]
    Tokens(#[from] super::tokens::UnknownInToken),
    #[error("a thread could not be started")]
    Thread(#[from] std::io::Error),
}

/// What lies in a data folder, opened but not yet running.
pub struct Installation {
    pub vault: Arc<Vault>,
    pub log_key: Arc<LogKey>,
    pub secret: InstallationSecret,
    pub folder: Folder,
    pub keys_dir: PathBuf,
    pub anchor: Option<Anchor>,
}

impl Installation {
    /// Locks the folder and opens its keys and vault. A new folder is made.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub fn open(data: &Path, config: &Config, ambient: &Ambient) -> Result<Self, ComposeError> {
        let folder = Folder::lock(data)?;
        let keys_dir = config.keys.dir.clone().unwrap_or_else(|| data.join("keys"));
        let given = |s: &Option<crate::config::Secret>| s.as_ref().map(|s| zeroize::Zeroizing::new(s.expose().to_owned()));
        let given = GivenKeys {
            kek: given(&config.keys.kek),
            installation_secret: given(&config.keys.installation_secret),
            pepper: given(&config.keys.pepper),
            log_seed: given(&config.keys.log_seed),
        };
        let keys = InstallationKeys::open(&keys_dir, &given, folder.new, &*ambient.entropy)?;
        let path = data.join("vault.db");
        // A crash between making the vault and making the log leaves a vault without a log.
        let store = if folder.new && !path.exists() { VaultDb::create(&path)? } else { VaultDb::open(&path)? };
        let vault = Arc::new(Vault::open(Box::new(store), &keys, ambient.entropy.clone(), NonceLimits::default())?);
        let log_key = Arc::new(match &config.ledger.origin {
            Some(origin) => LogKey::new(origin, &keys.log_seed)?,
            None => LogKey::with_default_origin(&keys.log_seed),
        });
        let secret = InstallationSecret::new(&keys.installation_secret);
        let anchor = config.ledger.anchor.clone().map(Anchor::at);
        Ok(Self { vault, log_key, secret, folder, keys_dir, anchor })
    }
}

/// The two halves of an opened store: what is asked, and what is written.
pub struct Backend {
    pub store: Arc<dyn Store>,
    pub writer: Box<dyn Committer>,
}

impl App {
    /// Opens a data folder and starts its sequencer.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub fn open(data: &Path, config: &Config, ambient: Ambient) -> Result<Arc<Self>, ComposeError> {
        Self::open_with(data, config, ambient, |backend| backend)
    }

    /// The same over a backend that `wrap` may stand something in front of: how
    /// one counts, holds up or fails what is asked of a store.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub fn open_with(
        data: &Path,
        config: &Config,
        ambient: Ambient,
        wrap: impl FnOnce(Backend) -> Backend,
    ) -> Result<Arc<Self>, ComposeError> {
        let Installation { vault, log_key, secret, folder, anchor, .. } = Installation::open(data, config, &ambient)?;
        let options = OpenOptions {
            vault: vault.clone(),
            log_key: log_key.clone(),
            secret: secret.clone(),
            anchor,
            readers: config.store.readers as usize,
            synchronous: Synchronous::Full,
        };
        let Opened { store, writer, tokens } = EmbeddedStore::open(folder, options)?;
        let Backend { store, writer } = wrap(Backend { store, writer });
        let sequencer = Sequencer::start(writer, ambient.clock.clone(), config.ingest.queue_max)?;
        Ok(Arc::new(Self {
            store,
            sequencer,
            vault,
            ambient,
            limits: limits(config),
            tokens: TokenBook::new(tokens)?,
            log_key,
            identity: IngestIdentity::new(secret),
            refusals: Refusals::default(),
            ledger_public: match config.ledger.public {
                PublicLedger::None => LedgerPublic::None,
                PublicLedger::Checkpoint => LedgerPublic::Checkpoint,
                PublicLedger::Hashes => LedgerPublic::Hashes,
                PublicLedger::Entries => LedgerPublic::Entries,
            },
        }))
    }
}

fn limits(config: &Config) -> Limits {
    Limits {
        event_bytes_max: config.ingest.body_bytes_max.0,
        lineage_depth_max: config.lineage.depth_max as usize,
        lineage_nodes_max: config.lineage.nodes_max as usize,
        lineage_per_node_max: config.lineage.per_node_max as usize,
        lineage_deadline_ms: config.lineage.deadline_ms,
        ..Limits::default()
    }
}
