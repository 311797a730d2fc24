//! Blinded references: what a leaf carries instead of a person (ledger-format,
//! "References"). Pure functions of a secret.
use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::secret::Secret32;

/// The n-th mark of a person in an epoch. Without the epoch's secret it says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference(pub [u8; 16]);

impl Reference {
    /// `HMAC-SHA256(secret, "ledgerline/ref/v1\n" ‖ u64be(n))`, first 16 bytes.
    #[must_use]
    pub fn of(secret: &Secret32, n: u64) -> Self {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac: Hmac<Sha256> = Hmac::new_from_slice(&**secret).expect("any length");
        mac.update(b"ledgerline/ref/v1\n");
        mac.update(&n.to_be_bytes());
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        let mut first = [0; 16];
        first.copy_from_slice(&full[..16]);
        Self(first)
    }

    /// As a leaf spells it: base64url without padding.
    #[must_use]
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// `SHA-256("ledgerline/epoch/v1\n" ‖ secret)`: what the entry that closes an
/// epoch says about the next one's secret.
#[must_use]
pub fn next_of(secret: &Secret32) -> [u8; 32] {
    Sha256::new().chain_update(b"ledgerline/epoch/v1\n").chain_update(**secret).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_the_next_epoch_are_the_golden_ones() {
        let k = Secret32::new(std::array::from_fn(|i| i as u8));
        for (n, expected) in [(0, "5QX-eG2YDucW3W1Z2omRww"), (1, "Stqs98M5y-g3e4o_AtJuXw"), (2, "szhfYjx4lxDHDxNL4EkqIw")] {
            assert_eq!(Reference::of(&k, n).text(), expected);
        }
        let next = Secret32::new(std::array::from_fn(|i| 0x20 + i as u8));
        assert_eq!(URL_SAFE_NO_PAD.encode(next_of(&next)), "0eLzaOUSCcRh4iIoX-yqpwR_Jio1z_pFHxtle2tAgNo");
    }
}
