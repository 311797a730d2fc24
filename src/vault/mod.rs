//! The vault: the only place where an identifier and its pseudonym meet, and
//! where keys live. What it holds is enough to name people and to read every
//! sealed byte; what it loses is unreadable or unlinkable for ever.
//!
//! - Identifier ↔ random handle, found through a keyed look-up ([`identifier`]).
//! - Per person and epoch a secret from which references are made ([`people`]).
//! - Data keys per class and month, per person and retention class ([`keyring`]),
//!   used to seal parts and blobs ([`envelope`]), wrapped by the key-encryption
//!   key ([`kek`]) that lies outside, with the other secrets ([`keys_dir`]).
//! - Where rows live is behind [`store::VaultStore`].
//!
//! Order across the two stores (they share no transaction): what an entry needs
//! is durable here before the entry; what an entry destroys is destroyed here
//! after its intent is durable and before its receipt. An orphan is harmless.
pub mod check;
pub mod envelope;
pub mod error;
pub mod identifier;
pub mod kek;
pub mod keyring;
pub mod keys_dir;
pub mod people;
pub mod reference;
pub mod scope;
pub mod secret;
pub mod store;
mod xaes;

use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;

pub use self::{
    error::VaultError,
    identifier::{Identifier, IdentifierKind, InvalidIdentifier, Lookup, Pepper},
    kek::{KekId, KeyEncryption, LocalKek},
    keyring::DataKey,
    keys_dir::InstallationKeys,
    people::{NextEpoch, Position},
    reference::Reference,
    scope::{KeyId, KeyScope, NonceLimits, RetentionClass},
    secret::Secret32,
    store::{Erased, VaultStore},
};
use self::{
    keyring::Ring,
    people::People,
    store::{VaultIdentity, Wrapped},
};
use crate::clock::Entropy;

/// The vault of an installation. Methods block (they may wait for a disk sync),
/// so call them from a thread that may; what is asked often comes from memory.
pub struct Vault {
    store: Box<dyn VaultStore>,
    kek: Arc<dyn KeyEncryption>,
    pepper: Pepper,
    entropy: Arc<dyn Entropy>,
    limits: NonceLimits,
    ring: Mutex<Ring>,
    people: Mutex<People>,
}

impl Vault {
    /// Opens the vault in `store` with the installation's keys. An empty store is
    /// bound to them; any other must have been bound to the same ones.
    ///
    /// # Errors
    /// [`VaultError::WrongKek`] and [`VaultError::WrongSecret`] for another
    /// installation's keys; [`VaultError::Storage`].
    pub fn open(
        store: Box<dyn VaultStore>,
        keys: &InstallationKeys,
        entropy: Arc<dyn Entropy>,
        limits: NonceLimits,
    ) -> Result<Self, VaultError> {
        let given =
            VaultIdentity { kek: keys.kek.id(), pepper: keys.pepper.fingerprint(), installation: fingerprint(&keys.installation_secret) };
        match store.identity()? {
            None => store.bind(&given)?,
            Some(bound) if bound.kek != given.kek => return Err(VaultError::WrongKek { expected: bound.kek, given: given.kek }),
            Some(bound) if bound.pepper != given.pepper => return Err(VaultError::WrongSecret { name: "pepper" }),
            Some(bound) if bound.installation != given.installation => {
                return Err(VaultError::WrongSecret { name: "installation secret" });
            }
            Some(_) => {}
        }
        Ok(Self {
            store,
            kek: Arc::clone(&keys.kek),
            pepper: keys.pepper.clone(),
            entropy,
            limits,
            ring: Mutex::new(Ring::new()),
            people: Mutex::new(People::new()),
        })
    }

    /// Leaves no trace of destroyed rows in the store's files. Destroying does it
    /// by itself; this is for trying again after [`VaultError::PurgeBlocked`].
    ///
    /// # Errors
    /// [`VaultError::PurgeBlocked`], [`VaultError::Storage`].
    pub fn purge(&self) -> Result<(), VaultError> {
        self.store.purge()
    }

    fn wrap(&self, aad: &[u8], key: &Secret32) -> Result<Wrapped, VaultError> {
        let bytes = self.kek.wrap(aad, key, &*self.entropy).map_err(|e| VaultError::Kek(Box::new(e)))?;
        Ok(Wrapped { kek: self.kek.id(), bytes })
    }

    fn unwrap(&self, aad: &[u8], wrapped: &Wrapped) -> Result<Secret32, VaultError> {
        if wrapped.kek != self.kek.id() {
            return Err(VaultError::WrongKek { expected: wrapped.kek, given: self.kek.id() });
        }
        match self.kek.unwrap(aad, &wrapped.bytes) {
            Ok(key) => Ok(Secret32::new(*key)),
            Err(kek::KekError::DoesNotOpen) => Err(VaultError::DoesNotOpen),
            Err(e) => Err(VaultError::Kek(Box::new(e))),
        }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(..)")
    }
}

/// Names a secret without telling it.
fn fingerprint(secret: &Secret32) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(&**secret).expect("any length");
    mac.update(b"ledgerline/fingerprint/v1\n");
    mac.finalize().into_bytes().into()
}
