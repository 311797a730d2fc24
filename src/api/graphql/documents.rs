//! Registered documents: a server that is given a list executes what is on it and
//! nothing else, so that a client's queries are those its authors wrote.
//!
//! The list is what Relay's compiler and GraphQL code generators write: a JSON object
//! from the SHA-256 of a document's text, hexadecimal, to the text. A request names a
//! document as the persisted-documents appendix of GraphQL over HTTP has it
//! (`"documentId": "sha256:…"`), as Apollo's clients do
//! (`"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "…"}}`), or by
//! sending its text. Nothing is ever registered by a request: that would be a cache,
//! not a boundary.
use std::{collections::BTreeMap, fs, path::Path};

use rustc_hash::FxHashMap;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::app::{AppError, Code};

/// The SHA-256 of a document's text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DocumentId([u8; 32]);

impl DocumentId {
    /// The id of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text).into())
    }

    /// 64 hexadecimal digits, with or without the prefix `sha256:`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:").unwrap_or(text);
        let mut id = [0; 32];
        hex::decode_to_slice(digits, &mut id).ok()?;
        Some(Self(id))
    }
}

/// Why a list cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentsError {
    #[error("the list of registered documents cannot be read")]
    Io(#[from] std::io::Error),
    #[error("the list of registered documents is not a JSON object from ids to texts")]
    Json(#[from] serde_json::Error),
    #[error("`{0}` in the list of registered documents is not a SHA-256 as 64 hexadecimal digits")]
    Id(String),
    #[error("`{0}` in the list of registered documents is not the SHA-256 of its text")]
    Mismatch(String),
    #[error("the text of `{0}` in the list of registered documents is not a GraphQL document")]
    Unparsed(String),
}

/// The documents that a server executes.
#[derive(Debug)]
pub struct Documents(FxHashMap<DocumentId, String>);

impl Documents {
    /// Reads a list.
    ///
    /// # Errors
    /// A file that cannot be read, an id that is not its text's, a text that no
    /// request could execute: a server does not start on a list that lies.
    pub fn load(file: &Path) -> Result<Self, DocumentsError> {
        Self::read(&fs::read(file)?)
    }

    fn read(json: &[u8]) -> Result<Self, DocumentsError> {
        let listed: BTreeMap<String, String> = serde_json::from_slice(json)?;
        let mut documents = FxHashMap::default();
        for (name, text) in listed {
            let Some(id) = DocumentId::parse(&name) else { return Err(DocumentsError::Id(name)) };
            if id != DocumentId::of(&text) {
                return Err(DocumentsError::Mismatch(name));
            }
            if async_graphql::parser::parse_query(&text).is_err() {
                return Err(DocumentsError::Unparsed(name));
            }
            documents.insert(id, text);
        }
        Ok(Self(documents))
    }

    fn text(&self, id: DocumentId) -> Option<&str> {
        self.0.get(&id).map(String::as_str)
    }
}

/// What a request asks to be executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Asked {
    /// A text.
    Text(String),
    /// A registered document.
    Id {
        id: DocumentId,
        /// Whether it was named as Apollo's clients do: they read the message.
        apollo: bool,
    },
}

impl Asked {
    /// Reads how a request says what to execute.
    ///
    /// # Errors
    /// Malformed: nothing that says it, an id that is none, two ways that disagree.
    pub(super) fn read(query: Option<String>, id: Option<&Value>, extensions: Option<&Value>) -> Result<Self, AppError> {
        let malformed = |message: &str, at: &str| AppError { malformed: true, ..AppError::bad_input(message) }.at(at);
        let (id, apollo, at) = match (id.filter(|id| !id.is_null()), extensions.and_then(|e| e.get("persistedQuery"))) {
            (Some(id), _) => (Some(id), false, "/documentId"),
            (None, Some(persisted)) => (Some(&persisted["sha256Hash"]), true, "/extensions/persistedQuery/sha256Hash"),
            (None, None) => (None, false, ""),
        };
        let id = match id {
            Some(id) => {
                let id = id.as_str().and_then(DocumentId::parse);
                Some(id.ok_or_else(|| malformed("not the id of a document: `sha256:` and 64 hexadecimal digits", at))?)
            }
            None => None,
        };
        match (query, id) {
            (Some(query), Some(id)) if id != DocumentId::of(&query) => Err(malformed("`query` is not the document that the id names", at)),
            (Some(query), _) => Ok(Self::Text(query)),
            (None, Some(id)) => Ok(Self::Id { id, apollo }),
            (None, None) => Err(malformed("`query` is missing", "/query")),
        }
    }

    /// The text to execute.
    ///
    /// # Errors
    /// Without a list: a document that is only named. With one: what is not on it.
    pub fn text(self, documents: Option<&Documents>) -> Result<String, AppError> {
        match (self, documents) {
            (Self::Text(text), None) => Ok(text),
            (Self::Text(text), Some(documents)) => match documents.text(DocumentId::of(&text)) {
                Some(_) => Ok(text),
                None => Err(AppError::new(Code::Forbidden, "this server executes registered documents only, and this is none of them")),
            },
            (Self::Id { apollo: true, .. }, None) => Err(AppError::bad_input("PersistedQueryNotSupported")),
            (Self::Id { .. }, None) => Err(AppError::bad_input("this server has no registered documents; send the text in `query`")),
            (Self::Id { id, apollo }, Some(documents)) => match documents.text(id) {
                Some(text) => Ok(text.to_owned()),
                None if apollo => Err(AppError::new(Code::NotFound, "PersistedQueryNotFound")),
                None => Err(AppError::new(Code::NotFound, "no document is registered by that `documentId`").at("documentId")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(members: &[(&str, &str)]) -> Result<Documents, String> {
        let json = serde_json::to_vec(&members.iter().copied().collect::<BTreeMap<_, _>>()).unwrap();
        Documents::read(&json).map_err(|e| e.to_string())
    }

    fn id(text: &str) -> String {
        hex::encode(DocumentId::of(text).0)
    }

    #[test]
    fn a_list_that_lies_is_refused_with_the_id_that_does() {
        let (good, bad) = (id("{a}"), id("{"));
        assert_eq!(list(&[(&good, "{a}")]).unwrap().text(DocumentId::of("{a}")), Some("{a}"));
        assert!(list(&[(&format!("sha256:{good}"), "{a}")]).is_ok());
        assert!(list(&[(&good, "{b}")]).unwrap_err().contains("not the SHA-256 of its text"));
        assert!(list(&[("d41d8cd98f00b204e9800998ecf8427e", "{a}")]).unwrap_err().contains("64 hexadecimal digits"));
        assert!(list(&[(&bad, "{")]).unwrap_err().contains("not a GraphQL document"));
        for odd in ["[]", "7", "{\"a\": 1}", ""] {
            assert!(Documents::read(odd.as_bytes()).is_err(), "{odd}");
        }
    }

    #[test]
    fn only_what_is_listed_has_a_text() {
        let documents = list(&[(&id("{a}"), "{a}")]).unwrap();
        let named = |text, apollo| Asked::Id { id: DocumentId::of(text), apollo };
        let code = |asked: Asked, documents| asked.text(documents).map_err(|e| (e.code, e.message));
        assert_eq!(code(Asked::Text("{a}".to_owned()), Some(&documents)), Ok("{a}".to_owned()));
        assert_eq!(code(named("{a}", false), Some(&documents)), Ok("{a}".to_owned()));
        assert_eq!(code(Asked::Text("{a }".to_owned()), Some(&documents)).unwrap_err().0, Code::Forbidden);
        assert_eq!(code(named("{b}", false), Some(&documents)).unwrap_err().0, Code::NotFound);
        assert_eq!(code(named("{b}", true), Some(&documents)).unwrap_err().1, "PersistedQueryNotFound");
        assert_eq!(code(named("{a}", true), None).unwrap_err().1, "PersistedQueryNotSupported");
        assert_eq!(code(named("{a}", false), None).unwrap_err().0, Code::BadUserInput);
        assert_eq!(code(Asked::Text("{b}".to_owned()), None), Ok("{b}".to_owned()));
    }
}
