//! Signed notes (C2SP signed-note) with Ed25519 keys of type 0x01.
//!
//! A note is text, an empty line, and signature lines. Signatures of unknown keys
//! say nothing and are ignored; one of a known key that does not verify makes the
//! whole note worthless.
use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// The biggest note that is read or made, in bytes.
pub const NOTE_BYTES_MAX: usize = 1_000_000;
/// The most signatures that a note may carry (the specification asks for 16 at least).
pub const NOTE_SIGNATURES_MAX: usize = 100;
/// The longest name of a key of ours, in bytes: it keeps our signature lines bounded.
pub const KEY_NAME_BYTES_MAX: usize = 512;
/// Ed25519 over the note's text.
const TYPE_ED25519: u8 = 0x01;

/// What is wrong with a key or its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a key name has 1 to {KEY_NAME_BYTES_MAX} bytes and no spaces, plus signs or control characters")]
    Name,
    #[error("not a verifier key of the form `name+id+key`")]
    Shape,
    #[error("the key id in the verifier key is not the id of its key")]
    Id,
    #[error("only Ed25519 keys (type 1) are supported")]
    Type,
    #[error("not a usable Ed25519 public key")]
    PublicKey,
}

/// What is wrong with a note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("the note is longer than {NOTE_BYTES_MAX} bytes")]
    TooLong,
    #[error("the note is not UTF-8 text without control characters")]
    NotText,
    #[error("the note's text does not end with a newline")]
    NoFinalNewline,
    #[error("the note has no signature lines after an empty line")]
    NoSignatures,
    #[error("a signature line of the note is malformed")]
    SignatureLine,
    #[error("the note has more than {NOTE_SIGNATURES_MAX} signatures")]
    TooManySignatures,
    #[error("the signature by the known key `{name}` does not verify")]
    WrongSignature { name: String },
    #[error("two known keys share the name `{name}` and an id")]
    Ambiguous { name: String },
    #[error("no known key has signed the note")]
    Unsigned,
}

/// A log's signing key.
#[derive(Clone)]
pub struct LogKey {
    name: String,
    id: [u8; 4],
    key: SigningKey,
}

impl LogKey {
    /// A key by its name (the log's origin) and its Ed25519 seed.
    ///
    /// # Errors
    /// [`KeyError::Name`].
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_key_name(name) || name.len() > KEY_NAME_BYTES_MAX {
            return Err(KeyError::Name);
        }
        let key = SigningKey::from_bytes(seed);
        Ok(Self { name: name.to_owned(), id: key_id(name, key.verifying_key().as_bytes()), key })
    }

    /// A key with the name that logs have when none is configured.
    #[must_use]
    pub fn with_default_origin(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let name = default_origin(key.verifying_key().as_bytes());
        Self { id: key_id(&name, key.verifying_key().as_bytes()), name, key }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key, as RFC 8032 encodes it.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// The text that others check signatures with: `name+id+key`.
    #[must_use]
    pub fn vkey(&self) -> String {
        self.verifier().to_string()
    }

    #[must_use]
    pub fn verifier(&self) -> Verifier {
        Verifier { name: self.name.clone(), id: self.id, key: self.key.verifying_key() }
    }

    /// The whole note: `text`, an empty line and this key's signature line.
    ///
    /// # Errors
    /// [`NoteError`] if `text` cannot be the text of a note.
    pub fn sign_note(&self, text: &str) -> Result<String, NoteError> {
        check_text(text)?;
        let line = NoteSignature { name: self.name.clone(), id: self.id, signature: self.key.sign(text.as_bytes()).to_bytes().to_vec() };
        Ok(format!("{text}\n{line}"))
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", self.vkey())
    }
}

/// A public key with its name: who is believed.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl Verifier {
    /// Reads `name+id+key` (id: eight hex digits; key: base64 of type and key).
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong with it.
    pub fn parse(vkey: &str) -> Result<Self, KeyError> {
        let (name, rest) = vkey.split_once('+').ok_or(KeyError::Shape)?;
        let (id, key) = rest.split_once('+').ok_or(KeyError::Shape)?;
        if !is_key_name(name) {
            return Err(KeyError::Name);
        }
        let id: [u8; 4] = hex::decode(id).ok().and_then(|b| b.try_into().ok()).ok_or(KeyError::Shape)?;
        let key = STANDARD.decode(key).map_err(|_| KeyError::Shape)?;
        let (&kind, public) = key.split_first().ok_or(KeyError::Shape)?;
        if kind != TYPE_ED25519 {
            return Err(KeyError::Type);
        }
        let public: &[u8; 32] = public.try_into().map_err(|_| KeyError::PublicKey)?;
        if key_id(name, public) != id {
            return Err(KeyError::Id);
        }
        // A key of small order verifies signatures that nobody made.
        let key = VerifyingKey::from_bytes(public).ok().filter(|k| !k.is_weak()).ok_or(KeyError::PublicKey)?;
        Ok(Self { name: name.to_owned(), id, key })
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key, as RFC 8032 encodes it.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    fn made(&self, signature: &NoteSignature) -> bool {
        self.name == signature.name && self.id == signature.id
    }

    fn verifies(&self, text: &str, signature: &NoteSignature) -> bool {
        Signature::from_slice(&signature.signature).is_ok_and(|s| self.key.verify_strict(text.as_bytes(), &s).is_ok())
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![TYPE_ED25519];
        key.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, hex::encode(self.id), STANDARD.encode(key))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({self})")
    }
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    pub name: String,
    /// The first four bytes of SHA-256 over name, newline, type and public key.
    pub id: [u8; 4],
    /// What comes after the id; its shape depends on the key's type. Never empty.
    pub signature: Vec<u8>,
}

impl NoteSignature {
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        (is_key_name(name) && !signature.is_empty()).then(|| Self { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }
}

/// The line, with its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.id.to_vec();
        bytes.extend_from_slice(&self.signature);
        writeln!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

/// A note that was read but not yet checked: do not act on its text before
/// [`Self::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// With its final newline, without the empty line.
    pub text: String,
    /// At least one.
    pub signatures: Vec<NoteSignature>,
}

impl Note {
    /// Reads a note's form; signatures stay unchecked.
    ///
    /// # Errors
    /// [`NoteError`] says what is malformed.
    pub fn parse(note: &[u8]) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let note = std::str::from_utf8(note).map_err(|_| NoteError::NotText)?;
        if has_control_characters(note) {
            return Err(NoteError::NotText);
        }
        // The text may hold empty lines itself: the last one ends it.
        let split = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, rest) = note.split_at(split + 1);
        let lines = rest.strip_prefix('\n').and_then(|r| r.strip_suffix('\n')).ok_or(NoteError::NoSignatures)?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            if signatures.len() == NOTE_SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(NoteSignature::parse(line).ok_or(NoteError::SignatureLine)?);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, if at least one of `known` signed it and no signature in the
    /// name of one of them is wrong. A second signature of one key is not looked at.
    ///
    /// # Errors
    /// [`NoteError::WrongSignature`], [`NoteError::Unsigned`],
    /// [`NoteError::Ambiguous`] if two known keys cannot be told apart.
    pub fn open(&self, known: &[Verifier]) -> Result<&str, NoteError> {
        let mut verified: Vec<&Verifier> = Vec::new();
        for signature in &self.signatures {
            let mut makers = known.iter().filter(|v| v.made(signature));
            let Some(maker) = makers.next() else { continue };
            if makers.any(|other| other != maker) {
                return Err(NoteError::Ambiguous { name: maker.name.clone() });
            }
            if verified.contains(&maker) {
                continue;
            }
            if !maker.verifies(&self.text, signature) {
                return Err(NoteError::WrongSignature { name: maker.name.clone() });
            }
            verified.push(maker);
        }
        if verified.is_empty() { Err(NoteError::Unsigned) } else { Ok(&self.text) }
    }
}

/// The note as it is sent.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|s| s.fmt(f))
    }
}

/// The origin (and key name) of a log that was given none: `ledgerline/` and the
/// first 16 hex digits of SHA-256 of its public key.
#[must_use]
pub fn default_origin(public_key: &[u8; 32]) -> String {
    let digest: [u8; 32] = Sha256::digest(public_key).into();
    let mut digits = hex::encode(digest);
    digits.truncate(16);
    format!("ledgerline/{digits}")
}

/// Checks what the text of a note must be.
pub(super) fn check_text(text: &str) -> Result<(), NoteError> {
    // Room for the empty line and a signature line of our longest key name.
    if text.len() > NOTE_BYTES_MAX - 1024 {
        return Err(NoteError::TooLong);
    }
    if has_control_characters(text) {
        return Err(NoteError::NotText);
    }
    if !text.ends_with('\n') {
        return Err(NoteError::NoFinalNewline);
    }
    Ok(())
}

fn has_control_characters(text: &str) -> bool {
    text.bytes().any(|b| b < 0x20 && b != b'\n')
}

fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+' || c < ' ')
}

fn key_id(name: &str, public_key: &[u8; 32]) -> [u8; 4] {
    let mut h = Sha256::new();
    h.update(name.as_bytes());
    h.update([b'\n', TYPE_ED25519]);
    h.update(public_key);
    let digest: [u8; 32] = h.finalize().into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}
