//! The text that a caller shows: `ll_` and 43 characters of base64url, 32 random
//! bytes. The server keeps only SHA-256 of it: with 256 random bits there is
//! nothing to guess, so no slow hash is needed.
use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::clock::Entropy;

/// What every token begins with, so that scanners for leaked secrets find them.
pub const TOKEN_PREFIX: &str = "ll_";

/// The length of a token's text in bytes.
const TEXT_BYTES: usize = TOKEN_PREFIX.len() + 43;

/// A text that is no token. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token: it must be `ll_` and 43 characters of base64url")]
pub struct NotAToken;

/// A token. Wiped from memory when it goes, never shown by `Debug`.
pub struct Token(Zeroizing<[u8; 32]>);

/// SHA-256 of a token's text: what is stored, and what a token is found by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenDigest(pub [u8; 32]);

impl Token {
    /// A fresh one.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        entropy.fill(&mut *bytes);
        Self(bytes)
    }

    /// Reads a token's text.
    ///
    /// # Errors
    /// [`NotAToken`] for any other text, also for one whose last character holds
    /// bits beyond the 32 bytes.
    pub fn parse(text: &str) -> Result<Self, NotAToken> {
        let encoded = text.strip_prefix(TOKEN_PREFIX).filter(|_| text.len() == TEXT_BYTES).ok_or(NotAToken)?;
        let decoded = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| NotAToken)?);
        decoded.as_slice().try_into().map(|bytes| Self(Zeroizing::new(bytes))).map_err(|_| NotAToken)
    }

    /// The text, to be shown once.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES));
        text.push_str(TOKEN_PREFIX);
        URL_SAFE_NO_PAD.encode_string(*self.0, &mut text);
        text
    }

    /// What the server keeps.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.text().as_bytes()).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Ambient, domain::time::Micros};

    #[test]
    fn a_fresh_token_reads_back() {
        let (ambient, _) = Ambient::fixed(Micros(0), 7);
        let token = Token::generate(&*ambient.entropy);
        let text = token.text();
        assert_eq!((text.len(), &text[..3]), (46, "ll_"));
        assert_eq!(Token::parse(&text).unwrap().digest(), token.digest());
        assert_ne!(Token::generate(&*ambient.entropy).digest(), token.digest());
    }

    #[test]
    fn the_digest_is_sha256_of_the_text() {
        let token = Token(Zeroizing::new([0; 32]));
        assert_eq!(*token.text(), format!("ll_{}", "A".repeat(43)));
        assert_eq!(token.digest(), TokenDigest(Sha256::digest(token.text().as_bytes()).into()));
    }

    #[test]
    fn other_texts_are_refused_without_repeating_them() {
        let good = format!("ll_{}", "A".repeat(43));
        assert!(Token::parse(&good).is_ok());
        for bad in [
            "",
            "ll_",
            "marker",
            &good[1..],
            &good[..45],
            &format!("{good}A"),
            &format!("{good} "),
            &format!("LL_{}", "A".repeat(43)),
            &format!("ll_{}B", "A".repeat(42)),
            &format!("ll_{}+", "A".repeat(42)),
            &format!("ll_{}é", "A".repeat(41)),
        ] {
            let error = Token::parse(bad).unwrap_err();
            assert!(bad.is_empty() || !error.to_string().contains("marker"), "{bad}");
        }
        assert_eq!(format!("{:?}", Token::parse(&good).unwrap()), "Token(..)");
    }
}
