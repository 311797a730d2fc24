//! The composition root: from a data folder and a configuration to an [`App`].
//! The only place, with tests, that names a backend.
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    App, Limits, ingest::IngestIdentity, ledger_access::LedgerPublic, refusals::Refusals, search::Search, sequencer::Sequencer,
    tokens::TokenBook, verify::Examination,
};
use crate::{
    access::{Clearances, Role},
    clock::Ambient,
    config::{Config, PublicLedger, SensitivityMax},
    domain::{id::InstallationSecret, sight::Sensitivity},
    ledger::LogKey,
    store::{
        Store,
        embedded::{Access, Anchor, EmbeddedStore, Examiner, Folder, OpenFolderError, OpenOptions, Opened, Synchronous, vault_db::VaultDb},
        examine::{Check, Finding},
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
    #[error(
        "the vault `vault.db` has keys of recorded entries, but `main.db` is missing: bring it back from its backup, \
         or start a new data folder"
    )]
    LogMissing,
    #[error("the log's origin in the configuration cannot be the name of a key")]
    Origin(#[from] crate::ledger::KeyError),
    #[error(transparent)]
    Tokens(#[from] super::tokens::UnknownInToken),
    #[error("a thread could not be started")]
    Thread(#[from] std::io::Error),
    #[error("there is no ledgerline data in `{}`: it has no `main.db`", .0.display())]
    NoData(PathBuf),
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
        // A crash in a first start leaves a vault, whole or not, without a log.
        let store = if folder.new { VaultDb::create(&path)? } else { VaultDb::open(&path)? };
        if folder.new && store.has_sealed()? {
            return Err(ComposeError::LogMissing);
        }
        let vault = Arc::new(Vault::open(Box::new(store), &keys, ambient.entropy.clone(), NonceLimits::default())?);
        let log_key = Arc::new(match &config.ledger.origin {
            Some(origin) => LogKey::new(origin, &keys.log_seed)?,
            None => LogKey::with_default_origin(&keys.log_seed),
        });
        let secret = InstallationSecret::new(&keys.installation_secret);
        let anchor = config.ledger.anchor.clone().map(Anchor::at);
        Ok(Self { vault, log_key, secret, folder, keys_dir, anchor })
    }

    /// The same for a folder that must be there: nothing is made.
    ///
    /// # Errors
    /// [`ComposeError::NoData`], and as [`Self::open`].
    pub fn existing(data: &Path, config: &Config, ambient: &Ambient) -> Result<Self, ComposeError> {
        if data.join("main.db").exists() { Self::open(data, config, ambient) } else { Err(ComposeError::NoData(data.to_owned())) }
    }

    /// Opens the store for those who check it.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub fn examine(self) -> Result<Examination, ComposeError> {
        self.examination(Access::Read)
    }

    /// The same, and its projection may be replaced.
    ///
    /// # Errors
    /// [`ComposeError`].
    pub fn examine_for_rebuild(self) -> Result<Examination, ComposeError> {
        self.examination(Access::Rebuild)
    }

    fn examination(self, access: Access) -> Result<Examination, ComposeError> {
        let Self { vault, log_key, secret, folder, anchor, .. } = self;
        let store = Box::new(Examiner::open(folder, vault.clone(), access)?);
        let anchored = match anchor {
            Some(anchor) => anchor.read(&log_key.verifier()).map_err(|e| Finding::new(Check::Anchor, "the anchor", e.to_string())),
            None => Ok(None),
        };
        Ok(Examination { store, vault, log_key, identity: IngestIdentity::new(secret), anchored, kept: Ok(None) })
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
        Self::open_with(data, config, ambient, Synchronous::Full, |backend| backend)
    }

    /// The same with weaker commits (for the test that shows that this is noticed),
    /// or over a backend that `wrap` may stand something in front of: how one
    /// counts, holds up or fails what is asked of a store.
    ///
    /// # Errors
    /// [`ComposeError`].
    #[doc(hidden)]
    pub fn open_with(
        data: &Path,
        config: &Config,
        ambient: Ambient,
        synchronous: Synchronous,
        wrap: impl FnOnce(Backend) -> Backend,
    ) -> Result<Arc<Self>, ComposeError> {
        let Installation { vault, log_key, secret, folder, anchor, .. } = Installation::open(data, config, &ambient)?;
        let options = OpenOptions {
            vault: vault.clone(),
            log_key: log_key.clone(),
            secret: secret.clone(),
            anchor,
            readers: config.store.readers as usize,
            copies_from: config.lineage.copy_from as usize,
            synchronous,
        };
        let Opened { store, writer, tokens } = EmbeddedStore::open(folder, options)?;
        let Backend { store, writer } = wrap(Backend { store, writer });
        let sequencer = Sequencer::start(writer, ambient.clock.clone(), config.ingest.queue_max)?;
        let searched = store.clone();
        Ok(Arc::new(Self {
            store,
            sequencer,
            vault,
            ambient,
            limits: limits(config),
            tokens: TokenBook::new(tokens)?,
            log_key,
            hidden_key: secret.key("hidden nodes"),
            identity: IngestIdentity::new(secret),
            clearances: clearances(config),
            refusals: Refusals::default(),
            search: Search::over(searched),
            declaring: tokio::sync::Mutex::new(()),
            preparing: tokio::sync::RwLock::new(()),
            ledger_public: match config.ledger.public {
                PublicLedger::None => LedgerPublic::None,
                PublicLedger::Checkpoint => LedgerPublic::Checkpoint,
                PublicLedger::Hashes => LedgerPublic::Hashes,
                PublicLedger::Entries => LedgerPublic::Entries,
            },
        }))
    }
}

fn clearances(config: &Config) -> Clearances {
    let access = &config.access;
    let level = |max: SensitivityMax| match max {
        SensitivityMax::Public => Sensitivity::Public,
        SensitivityMax::Internal => Sensitivity::Internal,
        SensitivityMax::Confidential => Sensitivity::Confidential,
        SensitivityMax::Restricted => Sensitivity::Restricted,
    };
    Clearances::new(&[
        (Role::Engineer, level(access.engineer_sensitivity_max)),
        (Role::Reader, level(access.reader_sensitivity_max)),
        (Role::Auditor, level(access.auditor_sensitivity_max)),
    ])
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
