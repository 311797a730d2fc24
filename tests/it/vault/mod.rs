//! The vault on its embedded store: what is durable when, what is refused, and
//! what is left on disk after destruction.
mod calls;
mod erasure;
mod files;
mod keys;
mod keys_dir;
mod people;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use ledgerline::{
    clock::{Ambient, Entropy},
    domain::{entry::PartClass, id::EntryId, time::Micros},
    store::embedded::vault_db::VaultDb,
    vault::{Identifier, IdentifierKind, InstallationKeys, KeyScope, NonceLimits, Vault, envelope::PartAddress, keys_dir::GivenKeys},
};
use tempfile::TempDir;

const CORE: KeyScope = KeyScope::Class { class: PartClass::Core, month: 24_323 };

struct House {
    dir: TempDir,
    entropy: Arc<dyn Entropy>,
}

impl House {
    fn new(seed: u64) -> Self {
        Self { dir: TempDir::new().unwrap(), entropy: Ambient::fixed(Micros(0), seed).0.entropy }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("vault.db")
    }

    fn keys_dir(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    fn keys(&self) -> InstallationKeys {
        let new_folder = !self.keys_dir().exists();
        InstallationKeys::open(&self.keys_dir(), &GivenKeys::default(), new_folder, &*self.entropy).unwrap()
    }

    fn open(&self) -> Vault {
        self.open_with(NonceLimits::default())
    }

    fn open_with(&self, limits: NonceLimits) -> Vault {
        let db = VaultDb::create(&self.path()).unwrap();
        Vault::open(Box::new(db), &self.keys(), Arc::clone(&self.entropy), limits).unwrap()
    }

    /// Every byte of the vault's files.
    fn bytes(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for entry in fs::read_dir(self.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                all.extend(fs::read(path).unwrap());
            }
        }
        all
    }
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

fn email(value: &str) -> Identifier {
    Identifier::new(IdentifierKind::Email, "crm", value).unwrap()
}

fn at(entry: u8) -> PartAddress<'static> {
    PartAddress { entry: EntryId([entry; 16]), number: 0, class: "core" }
}

fn raw(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).unwrap()
}
