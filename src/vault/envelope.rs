//! Sealing parts and blobs with a data key: AES-256-GCM with a random nonce, the
//! place of the bytes as additional data, so that nothing sealed can be moved.
//!
//! Sealed bytes are `nonce (12) ‖ ciphertext ‖ tag (16)`. A part's plaintext is
//! `salt (32) ‖ bytes`, since the commitment's salt must die with the key.
use aes_gcm::AeadInOut;
use smallvec::SmallVec;

use super::{error::VaultError, keyring::DataKey, scope::KeyId};
use crate::{clock::Entropy, domain::id::EntryId};

const NONCE: usize = 12;
const TAG: usize = 16;
const SALT: usize = 32;

/// By how much sealing lengthens a part.
pub const PART_OVERHEAD: usize = NONCE + SALT + TAG;

/// Additional data of the lengths that occur, without an allocation.
type Aad = SmallVec<[u8; 96]>;

/// Where a part stands. With the key's id, this is what its AAD says.
#[derive(Clone, Copy, Debug)]
pub struct PartAddress<'a> {
    pub entry: EntryId,
    /// Position among the entry's parts, `core` is 0.
    pub number: u32,
    /// The class's word.
    pub class: &'a str,
}

impl PartAddress<'_> {
    /// `ledgerline/aad/v1\n ‖ entry id (16) ‖ u32be part number ‖ u8 length of
    /// class ‖ class ‖ u8 length of key id ‖ key id` (the key id is 4 bytes, u32be).
    fn aad(&self, key: KeyId) -> Result<Aad, VaultError> {
        let class_length = u8::try_from(self.class.len()).ok().filter(|n| *n > 0).ok_or(VaultError::BadClass)?;
        let key = key.to_bytes();
        let mut aad = Aad::new();
        aad.extend_from_slice(b"ledgerline/aad/v1\n");
        aad.extend_from_slice(&self.entry.0);
        aad.extend_from_slice(&self.number.to_be_bytes());
        aad.push(class_length);
        aad.extend_from_slice(self.class.as_bytes());
        aad.push(key.len() as u8);
        aad.extend_from_slice(&key);
        Ok(aad)
    }
}

/// A part that was opened.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenPart {
    salt: [u8; SALT],
    bytes: Vec<u8>,
}

impl OpenPart {
    /// The salt of its commitment.
    #[must_use]
    pub const fn salt(&self) -> &[u8; SALT] {
        &self.salt
    }

    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl std::fmt::Debug for OpenPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenPart({} bytes)", self.bytes.len())
    }
}

/// Seals a part. Uses up one nonce of `key`.
///
/// # Errors
/// [`VaultError::KeySpent`] or [`VaultError::KeyDestroyed`]: ask the vault for the
/// scope's key again; [`VaultError::BadClass`].
pub fn seal(key: &DataKey, at: &PartAddress<'_>, salt: &[u8; SALT], bytes: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, VaultError> {
    seal_with(key, &at.aad(key.id())?, &[salt, bytes], entropy)
}

/// Opens a part sealed at the same address with the same key.
///
/// # Errors
/// [`VaultError::DoesNotOpen`] if any bit differs; [`VaultError::KeyDestroyed`].
pub fn open(key: &DataKey, at: &PartAddress<'_>, sealed: &[u8]) -> Result<OpenPart, VaultError> {
    let (salt, bytes) = open_with::<SALT>(key, &at.aad(key.id())?, sealed)?;
    Ok(OpenPart { salt, bytes })
}

/// Seals an interned blob, known by the SHA-256 of its plaintext; the AAD is
/// `ledgerline/blob/v1\n ‖ sha256 (32) ‖ key id (4)`. Uses up one nonce of `key`.
///
/// # Errors
/// As [`seal`].
pub fn seal_blob(key: &DataKey, sha256: &[u8; 32], bytes: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, VaultError> {
    seal_with(key, &blob_aad(key.id(), sha256), &[bytes], entropy)
}

/// Opens an interned blob.
///
/// # Errors
/// As [`open`].
pub fn open_blob(key: &DataKey, sha256: &[u8; 32], sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    Ok(open_with::<0>(key, &blob_aad(key.id(), sha256), sealed)?.1)
}

fn blob_aad(key: KeyId, sha256: &[u8; 32]) -> Aad {
    let mut aad = Aad::new();
    aad.extend_from_slice(b"ledgerline/blob/v1\n");
    aad.extend_from_slice(sha256);
    aad.extend_from_slice(&key.to_bytes());
    aad
}

/// Seals the concatenation of `plaintext` under any additional data.
pub(super) fn seal_with(key: &DataKey, aad: &[u8], plaintext: &[&[u8]], entropy: &dyn Entropy) -> Result<Vec<u8>, VaultError> {
    key.spend()?;
    let mut nonce = [0; NONCE];
    entropy.fill(&mut nonce);
    let length: usize = plaintext.iter().map(|p| p.len()).sum();
    let mut out = Vec::with_capacity(NONCE + length + TAG);
    out.extend_from_slice(&nonce);
    plaintext.iter().for_each(|p| out.extend_from_slice(p));
    let (_, body) = out.split_at_mut(NONCE);
    // GCM refuses only what is longer than 64 GiB.
    let tag = key.cipher.encrypt_inout_detached(&nonce.into(), aad, body.into()).map_err(|_| VaultError::DoesNotOpen)?;
    out.extend_from_slice(&tag);
    Ok(out)
}

/// Opens what [`seal_with`] made: its first `N` bytes, and the others.
pub(super) fn open_with<const N: usize>(key: &DataKey, aad: &[u8], sealed: &[u8]) -> Result<([u8; N], Vec<u8>), VaultError> {
    key.alive()?;
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(VaultError::DoesNotOpen)?;
    let (body, tag) = rest.split_last_chunk::<TAG>().ok_or(VaultError::DoesNotOpen)?;
    let mut plain = body.to_vec();
    let opened = key.cipher.decrypt_inout_detached(nonce.into(), aad, plain.as_mut_slice().into(), tag.into());
    opened.map_err(|_| VaultError::DoesNotOpen)?;
    let head = *plain.first_chunk::<N>().ok_or(VaultError::DoesNotOpen)?;
    plain.drain(..N);
    Ok((head, plain))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        clock::Ambient,
        domain::{entry::PartClass, time::Micros},
        vault::{scope::KeyScope, secret::Secret32},
    };

    fn data_key(id: u32) -> DataKey {
        let key = DataKey::new(KeyId(id), KeyScope::Blob { class: PartClass::Rest }, &Secret32::new([5; 32]));
        key.grant(1 << 20);
        key
    }

    const AT: PartAddress<'static> = PartAddress { entry: EntryId([0xEE; 16]), number: 2, class: "person" };

    #[test]
    fn the_additional_data_are_the_bytes_that_the_format_fixes() {
        let mut expected = b"ledgerline/aad/v1\n".to_vec();
        expected.extend_from_slice(&[0xEE; 16]);
        expected.extend_from_slice(&[0, 0, 0, 2, 6]);
        expected.extend_from_slice(b"person");
        expected.extend_from_slice(&[4, 0, 1, 2, 3]);
        assert_eq!(AT.aad(KeyId(0x0001_0203)).unwrap().as_slice(), expected);

        let mut expected = b"ledgerline/blob/v1\n".to_vec();
        expected.extend_from_slice(&[7; 32]);
        expected.extend_from_slice(&[0, 1, 2, 3]);
        assert_eq!(blob_aad(KeyId(0x0001_0203), &[7; 32]).as_slice(), expected);
    }

    #[test]
    fn a_class_that_the_format_cannot_carry_is_refused() {
        for class in ["", &"x".repeat(256)] {
            let at = PartAddress { class, ..AT };
            let (ambient, _) = Ambient::fixed(Micros(0), 1);
            assert!(matches!(seal(&data_key(1), &at, &[0; 32], b"", &*ambient.entropy), Err(VaultError::BadClass)));
        }
    }

    #[test]
    fn a_part_opens_at_its_place_alone() {
        let (ambient, _) = Ambient::fixed(Micros(0), 1);
        let key = data_key(9);
        let sealed = seal(&key, &AT, &[3; 32], b"jane@example.org", &*ambient.entropy).unwrap();
        assert_eq!(sealed.len(), 16 + PART_OVERHEAD);
        let part = open(&key, &AT, &sealed).unwrap();
        assert_eq!((part.salt(), part.bytes()), (&[3; 32], b"jane@example.org".as_slice()));
        assert!(!format!("{part:?}").contains("jane"));

        for moved in
            [PartAddress { entry: EntryId([0xEF; 16]), ..AT }, PartAddress { number: 3, ..AT }, PartAddress { class: "rest", ..AT }]
        {
            assert!(matches!(open(&key, &moved, &sealed), Err(VaultError::DoesNotOpen)), "{moved:?}");
        }
        assert!(matches!(open(&data_key(8), &AT, &sealed), Err(VaultError::DoesNotOpen)), "same bytes under another id");
        assert!(matches!(open_blob(&key, &[0; 32], &sealed), Err(VaultError::DoesNotOpen)), "a part is no blob");
    }

    #[test]
    fn a_blob_opens_under_its_hash_alone() {
        let (ambient, _) = Ambient::fixed(Micros(0), 1);
        let key = data_key(9);
        let sealed = seal_blob(&key, &[1; 32], b"facet", &*ambient.entropy).unwrap();
        assert_eq!(open_blob(&key, &[1; 32], &sealed).unwrap(), b"facet");
        assert!(matches!(open_blob(&key, &[2; 32], &sealed), Err(VaultError::DoesNotOpen)));
        assert!(matches!(open_blob(&data_key(8), &[1; 32], &sealed), Err(VaultError::DoesNotOpen)));
    }

    proptest! {
        #[test]
        fn a_part_round_trips_and_no_bit_of_it_can_change(
            bytes in proptest::collection::vec(any::<u8>(), 0..80), salt: [u8; 32], at: prop::sample::Index, bit in 0..8u32,
        ) {
            let (ambient, _) = Ambient::fixed(Micros(0), 1);
            let key = data_key(1);
            let mut sealed = seal(&key, &AT, &salt, &bytes, &*ambient.entropy).unwrap();
            let part = open(&key, &AT, &sealed).unwrap();
            prop_assert_eq!(part.salt(), &salt);
            prop_assert_eq!(part.into_bytes(), bytes);
            prop_assert!(open(&key, &AT, &sealed[..at.index(sealed.len())]).is_err());
            let i = at.index(sealed.len());
            sealed[i] ^= 1 << bit;
            prop_assert!(open(&key, &AT, &sealed).is_err());
        }
    }
}
