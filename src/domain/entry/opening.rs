//! Openings: what shows an entry's parts again, so that anybody can check them
//! against the leaf without asking us.
use serde::{Deserialize, Serialize};

use super::{
    b64u,
    leaf::{Leaf, LeafError},
    part::{PartClass, commitment, root_of_parts},
};
use crate::domain::{id::EntryIndex, merkle::Hash};

/// Why something is not an opening, or does not open its leaf.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    #[error("not the JSON of an opening, at line {line}, column {column}")]
    Json { line: usize, column: usize },
    #[error("part {part}: `{member}` is not base64url of the right length")]
    Encoding { part: usize, member: &'static str },
    #[error("the opening's leaf is not base64url")]
    LeafEncoding,
    #[error("part {part} is of an unknown class")]
    Class { part: usize },
    #[error("part {part} does not have the members of its state")]
    Members { part: usize },
    #[error("the first part is not the `core`")]
    NoCore,
    #[error(transparent)]
    Leaf(#[from] LeafError),
    #[error("the parts do not give the root in the leaf")]
    Root,
}

/// An entry's parts beside its leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    pub index: EntryIndex,
    /// The leaf's bytes as logged.
    pub leaf: Vec<u8>,
    /// In part order, `core` first.
    pub parts: Vec<OpeningPart>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpeningPart {
    pub class: PartClass,
    pub state: PartState,
}

/// How much of a part is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartState {
    /// Shown whole: its commitment is computed, not believed.
    Open { salt: [u8; 32], bytes: Vec<u8> },
    /// The reader may not see it.
    Forbidden { commitment: Hash },
    /// Nobody can see it any more, by the act that entry `by` records.
    Destroyed { commitment: Hash, by: EntryIndex },
}

impl OpeningPart {
    /// The part's commitment: computed from what is shown, or taken as given.
    #[must_use]
    pub fn commitment(&self) -> Hash {
        match &self.state {
            PartState::Open { salt, bytes } => commitment(self.class, salt, bytes),
            PartState::Forbidden { commitment } | PartState::Destroyed { commitment, .. } => *commitment,
        }
    }
}

impl Opening {
    /// Checks that these are the parts which the leaf commits to, and gives the
    /// leaf. That the leaf is in the log at `index` is for an inclusion proof.
    ///
    /// # Errors
    /// [`OpeningError::Leaf`], [`OpeningError::NoCore`], [`OpeningError::Root`].
    pub fn verify(&self) -> Result<Leaf, OpeningError> {
        let leaf = Leaf::parse(&self.leaf)?;
        if self.parts.first().is_none_or(|p| p.class != PartClass::Core) {
            return Err(OpeningError::NoCore);
        }
        let commitments: Vec<Hash> = self.parts.iter().map(OpeningPart::commitment).collect();
        if root_of_parts(&commitments) != leaf.root {
            return Err(OpeningError::Root);
        }
        Ok(leaf)
    }

    /// The JSON, without spaces.
    #[must_use]
    pub fn to_json(&self) -> String {
        let wire =
            OpeningWire { index: self.index, leaf: b64u::encode_bytes(&self.leaf), parts: self.parts.iter().map(PartWire::from).collect() };
        // INVARIANT: numbers and strings into memory cannot fail.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// Reads the JSON: members may come in any order, but no others.
    ///
    /// # Errors
    /// [`OpeningError`] names the place; nothing is verified yet.
    pub fn parse(json: &[u8]) -> Result<Self, OpeningError> {
        let wire: OpeningWire = serde_json::from_slice(json).map_err(|e| OpeningError::Json { line: e.line(), column: e.column() })?;
        Ok(Self {
            index: wire.index,
            leaf: b64u::decode_bytes(&wire.leaf).ok_or(OpeningError::LeafEncoding)?,
            parts: wire.parts.into_iter().enumerate().map(|(i, p)| p.read(i)).collect::<Result<_, _>>()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpeningWire {
    index: u64,
    leaf: String,
    parts: Vec<PartWire>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum StateWire {
    Open,
    Forbidden,
    Destroyed,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartWire {
    class: String,
    state: StateWire,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commitment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<u64>,
}

impl From<&OpeningPart> for PartWire {
    fn from(part: &OpeningPart) -> Self {
        let mut wire =
            Self { class: part.class.word().to_owned(), state: StateWire::Open, salt: None, bytes: None, commitment: None, by: None };
        match &part.state {
            PartState::Open { salt, bytes } => {
                wire.salt = Some(b64u::encode_bytes(salt));
                wire.bytes = Some(b64u::encode_bytes(bytes));
            }
            PartState::Forbidden { commitment } => {
                wire.state = StateWire::Forbidden;
                wire.commitment = Some(b64u::encode_bytes(commitment));
            }
            PartState::Destroyed { commitment, by } => {
                wire.state = StateWire::Destroyed;
                wire.commitment = Some(b64u::encode_bytes(commitment));
                wire.by = Some(*by);
            }
        }
        wire
    }
}

impl PartWire {
    fn read(self, part: usize) -> Result<OpeningPart, OpeningError> {
        let class = PartClass::from_word(&self.class).ok_or(OpeningError::Class { part })?;
        let wrong = |member| OpeningError::Encoding { part, member };
        let hash = |text: &str, member| b64u::decode::<32>(text.as_bytes()).ok_or_else(|| wrong(member));
        let state = match (self.state, self.salt, self.bytes, self.commitment, self.by) {
            (StateWire::Open, Some(salt), Some(bytes), None, None) => {
                PartState::Open { salt: hash(&salt, "salt")?, bytes: b64u::decode_bytes(&bytes).ok_or_else(|| wrong("bytes"))? }
            }
            (StateWire::Forbidden, None, None, Some(commitment), None) => {
                PartState::Forbidden { commitment: hash(&commitment, "commitment")? }
            }
            (StateWire::Destroyed, None, None, Some(commitment), Some(by)) => {
                PartState::Destroyed { commitment: hash(&commitment, "commitment")?, by }
            }
            _ => return Err(OpeningError::Members { part }),
        };
        Ok(OpeningPart { class, state })
    }
}
