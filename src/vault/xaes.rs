//! XAES-256-GCM (C2SP, `XAES-256-GCM.md`): AES-256-GCM under a key derived from
//! the first half of a 192-bit nonce, so that random nonces never run out. It
//! wraps keys: the key-encryption key is the one key whose uses are unbounded.
use aes_gcm::{
    AeadInOut, Aes256Gcm, KeyInit,
    aes::{Aes256, Block, cipher::BlockCipherEncrypt},
};
use zeroize::{Zeroize, Zeroizing};

/// Length of a nonce in bytes.
pub const NONCE_BYTES: usize = 24;
/// Length of the tag in bytes.
pub const TAG_BYTES: usize = 16;

/// A key, ready to use.
pub struct Xaes256Gcm {
    aes: Aes256,
    /// CMAC's first subkey (SP 800-38B §6.1).
    k1: [u8; 16],
}

impl Xaes256Gcm {
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let aes = Aes256::new(key.into());
        let mut l = Block::default();
        aes.encrypt_block(&mut l);
        let l: [u8; 16] = l.into();
        let doubled = u128::from_be_bytes(l) << 1;
        let carry = if u128::from_be_bytes(l) >> 127 == 1 { 0b1000_0111 } else { 0 };
        Self { aes, k1: (doubled ^ carry).to_be_bytes() }
    }

    /// Encrypts; the tag is the last 16 bytes. `None` only for messages beyond
    /// GCM's limit of 64 GiB.
    #[must_use]
    pub fn encrypt(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
        let (gcm, n) = self.derive(nonce);
        let mut out = Vec::with_capacity(plaintext.len() + TAG_BYTES);
        out.extend_from_slice(plaintext);
        let tag = gcm.encrypt_inout_detached(&n.into(), aad, out.as_mut_slice().into()).ok()?;
        out.extend_from_slice(&tag);
        Some(out)
    }

    /// Decrypts what [`encrypt`](Self::encrypt) made; `None` if any input differs.
    #[must_use]
    pub fn decrypt(&self, nonce: &[u8; NONCE_BYTES], aad: &[u8], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (body, tag) = ciphertext.split_last_chunk::<TAG_BYTES>()?;
        let (gcm, n) = self.derive(nonce);
        let mut out = Zeroizing::new(body.to_vec());
        gcm.decrypt_inout_detached(&n.into(), aad, out.as_mut_slice().into(), tag.into()).ok()?;
        Some(out)
    }

    fn derive(&self, nonce: &[u8; NONCE_BYTES]) -> (Aes256Gcm, [u8; 12]) {
        let mut context = [0; 12];
        let mut rest = [0; 12];
        let (head, tail) = nonce.split_at(12);
        context.copy_from_slice(head);
        rest.copy_from_slice(tail);
        let mut key = Zeroizing::new([0u8; 32]);
        for (counter, half) in [1u8, 2].into_iter().zip(key.chunks_exact_mut(16)) {
            let mut m = [0u8; 16];
            m[..4].copy_from_slice(&[0, counter, b'X', 0]);
            m[4..].copy_from_slice(&context);
            for (byte, k) in m.iter_mut().zip(self.k1) {
                *byte ^= k;
            }
            let mut block: Block = m.into();
            self.aes.encrypt_block(&mut block);
            half.copy_from_slice(&block);
            block.zeroize();
        }
        (Aes256Gcm::new((&*key).into()), rest)
    }
}

impl Drop for Xaes256Gcm {
    fn drop(&mut self) {
        self.k1.zeroize(); // `Aes256` wipes itself
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &[u8; 24] = b"ABCDEFGHIJKLMNOPQRSTUVWX";

    #[test]
    fn the_published_vectors_hold_for_both_values_of_the_top_bit() {
        for (key, aad, expected) in [
            ([1u8; 32], "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
            ([3u8; 32], "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
        ] {
            let x = Xaes256Gcm::new(&key);
            let sealed = x.encrypt(NONCE, aad.as_bytes(), b"XAES-256-GCM").unwrap();
            assert_eq!(hex::encode(&sealed), expected);
            assert_eq!(x.decrypt(NONCE, aad.as_bytes(), &sealed).unwrap().as_slice(), b"XAES-256-GCM");
            assert!(x.decrypt(NONCE, b"other", &sealed).is_none());
            assert!(x.decrypt(NONCE, aad.as_bytes(), &sealed[..10]).is_none());
        }
    }

    #[test]
    fn the_accumulated_vector_of_ten_thousand_messages_holds() {
        let mut rng = Shake128::new();
        assert_eq!(hex::encode(Shake128::new().read(16)), "7f9c2ba4e88f827d616045507605853e");
        let mut hash = Shake128::new();
        for _ in 0..10_000 {
            let key: [u8; 32] = rng.read(32).try_into().unwrap();
            let nonce: [u8; 24] = rng.read(24).try_into().unwrap();
            let length = rng.read(1)[0];
            let plaintext = rng.read(length.into());
            let length = rng.read(1)[0];
            let aad = rng.read(length.into());
            let x = Xaes256Gcm::new(&key);
            let sealed = x.encrypt(&nonce, &aad, &plaintext).unwrap();
            assert_eq!(*x.decrypt(&nonce, &aad, &sealed).unwrap(), plaintext);
            hash.absorb(&sealed);
        }
        assert_eq!(hex::encode(hash.read(32)), "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
    }

    /// SHAKE128 (FIPS 202), enough to run the accumulated vector.
    struct Shake128 {
        state: [u64; 25],
        at: usize,
        squeezing: bool,
    }

    const RATE: usize = 168;

    impl Shake128 {
        fn new() -> Self {
            Self { state: [0; 25], at: 0, squeezing: false }
        }

        fn xor(&mut self, at: usize, byte: u8) {
            self.state[at / 8] ^= u64::from(byte) << (8 * (at % 8));
        }

        fn absorb(&mut self, bytes: &[u8]) {
            assert!(!self.squeezing);
            for &byte in bytes {
                self.xor(self.at, byte);
                self.at += 1;
                if self.at == RATE {
                    self.permute();
                    self.at = 0;
                }
            }
        }

        fn read(&mut self, n: usize) -> Vec<u8> {
            if !self.squeezing {
                self.xor(self.at, 0x1f);
                self.xor(RATE - 1, 0x80);
                self.permute();
                (self.at, self.squeezing) = (0, true);
            }
            (0..n)
                .map(|_| {
                    if self.at == RATE {
                        self.permute();
                        self.at = 0;
                    }
                    self.at += 1;
                    self.state[(self.at - 1) / 8].to_le_bytes()[(self.at - 1) % 8]
                })
                .collect()
        }

        fn permute(&mut self) {
            let a = &mut self.state;
            let mut lfsr = 1u8;
            for _ in 0..24 {
                let c: [u64; 5] = std::array::from_fn(|x| (0..5).fold(0, |acc, y| acc ^ a[x + 5 * y]));
                for (i, lane) in a.iter_mut().enumerate() {
                    *lane ^= c[(i + 4) % 5] ^ c[(i + 1) % 5].rotate_left(1);
                }
                let (mut x, mut y, mut carried) = (1, 0, a[1]);
                for t in 0..24u32 {
                    (x, y) = (y, (2 * x + 3 * y) % 5);
                    let lane = &mut a[x + 5 * y];
                    carried = std::mem::replace(lane, carried.rotate_left((t + 1) * (t + 2) / 2 % 64));
                }
                for row in a.chunks_exact_mut(5) {
                    let old: [u64; 5] = row.try_into().unwrap();
                    for x in 0..5 {
                        row[x] = old[x] ^ (!old[(x + 1) % 5] & old[(x + 2) % 5]);
                    }
                }
                for j in 0..7 {
                    if lfsr & 1 == 1 {
                        a[0] ^= 1 << ((1u32 << j) - 1);
                    }
                    lfsr = (lfsr << 1) ^ if lfsr & 0x80 == 0 { 0 } else { 0x71 };
                }
            }
        }
    }
}
