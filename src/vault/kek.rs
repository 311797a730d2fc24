//! The key-encryption key: wraps every other key of the vault.
use std::{error::Error, fmt};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::xaes::{NONCE_BYTES, Xaes256Gcm};
use crate::clock::Entropy;

/// Names a key-encryption key without telling it. Rows that it wrapped carry it,
/// so that rotation can go row by row and a wrong key is noticed at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KekId(pub [u8; 16]);

impl fmt::Display for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KekId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KekId({self})")
    }
}

/// Why a key could not be wrapped or unwrapped.
#[derive(Debug, thiserror::Error)]
pub enum KekError {
    /// The bytes were altered, or were wrapped with another key or for another purpose.
    #[error("a wrapped key does not open")]
    DoesNotOpen,
    /// A remote key service did not answer or refused.
    #[error("the key service failed")]
    Service(#[source] Box<dyn Error + Send + Sync>),
}

/// Wraps and unwraps 256-bit keys. Implemented by a key held in memory
/// ([`LocalKek`]) and, one day, by key services. `aad` says what the wrapped key
/// is for; unwrapping with another one fails.
pub trait KeyEncryption: Send + Sync {
    /// Which key this is.
    fn id(&self) -> KekId;

    /// Wraps `key`.
    ///
    /// # Errors
    /// [`KekError::Service`].
    fn wrap(&self, aad: &[u8], key: &[u8; 32], entropy: &dyn Entropy) -> Result<Vec<u8>, KekError>;

    /// Gives back what was wrapped with this key and `aad`.
    ///
    /// # Errors
    /// [`KekError::DoesNotOpen`], [`KekError::Service`].
    fn unwrap(&self, aad: &[u8], wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, KekError>;
}

/// A key-encryption key in this process's memory. A wrapped key is
/// `nonce (24) ‖ ciphertext (32) ‖ tag (16)` of XAES-256-GCM.
pub struct LocalKek {
    id: KekId,
    cipher: Xaes256Gcm,
}

impl LocalKek {
    /// Its id is the first 16 bytes of `SHA-256("ledgerline/kek/v1\n" ‖ key)`,
    /// which also commits to the key (GCM alone does not).
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let digest: [u8; 32] = Sha256::new().chain_update(b"ledgerline/kek/v1\n").chain_update(key).finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self { id: KekId(id), cipher: Xaes256Gcm::new(key) }
    }
}

impl KeyEncryption for LocalKek {
    fn id(&self) -> KekId {
        self.id
    }

    fn wrap(&self, aad: &[u8], key: &[u8; 32], entropy: &dyn Entropy) -> Result<Vec<u8>, KekError> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let sealed = self.cipher.encrypt(&nonce, aad, key).ok_or(KekError::DoesNotOpen)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn unwrap(&self, aad: &[u8], wrapped: &[u8]) -> Result<Zeroizing<[u8; 32]>, KekError> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_BYTES>().ok_or(KekError::DoesNotOpen)?;
        let key = self.cipher.decrypt(nonce, aad, sealed).ok_or(KekError::DoesNotOpen)?;
        let key: &[u8; 32] = key.as_slice().try_into().map_err(|_| KekError::DoesNotOpen)?;
        Ok(Zeroizing::new(*key))
    }
}

impl fmt::Debug for LocalKek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalKek({}, ..)", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Ambient, domain::time::Micros};

    #[test]
    fn a_wrapped_key_opens_only_with_its_key_and_purpose_and_unaltered() {
        let (ambient, _) = Ambient::fixed(Micros(0), 7);
        let kek = LocalKek::new(&[9; 32]);
        let wrapped = kek.wrap(b"purpose", &[5; 32], &*ambient.entropy).unwrap();
        assert_eq!(wrapped.len(), 72);
        assert_eq!(*kek.unwrap(b"purpose", &wrapped).unwrap(), [5; 32]);
        assert!(kek.unwrap(b"another", &wrapped).is_err());
        assert!(LocalKek::new(&[8; 32]).unwrap(b"purpose", &wrapped).is_err());
        for i in 0..wrapped.len() {
            let mut altered = wrapped.clone();
            altered[i] ^= 1;
            assert!(kek.unwrap(b"purpose", &altered).is_err(), "byte {i}");
        }
        assert!(kek.unwrap(b"purpose", &wrapped[..20]).is_err());
    }

    #[test]
    fn nothing_that_is_printed_tells_a_key() {
        let key = [0xA7; 32];
        let printed = format!("{:?} {:?}", LocalKek::new(&key), super::super::secret::Secret32::new(key));
        assert!(!printed.to_lowercase().contains("a7a7") && !printed.contains("167"));
    }
}
