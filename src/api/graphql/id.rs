//! Global ids: base64url of one byte that says what follows, and what follows.
//! They are cheap to make, opaque to clients, and decoded strictly: one id has
//! one spelling, so that clients may compare them as texts.
use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::domain::{
    id::{EntryIndex, NodeId},
    lineage::NodeKey,
    name::NAME_BYTES_MAX,
};

const ARTIFACT: u8 = 1;
const FIELD: u8 = 2;
const RUN: u8 = 3;
const EVENT: u8 = 4;

/// The longest text that can be an id, so that nothing longer is decoded.
const TEXT_BYTES_MAX: usize = (1 + 16 + NAME_BYTES_MAX).div_ceil(3) * 4;

/// What an id points at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GlobalId {
    /// An artifact, or one field of a dataset.
    Node(NodeKey),
    /// A run, by OpenLineage's runId.
    Run(Box<str>),
    Event(EntryIndex),
}

/// A text that is not an id of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an id that this server made")]
pub struct NotAnId;

impl GlobalId {
    /// Appends the text of an artifact's or field's id.
    pub fn push_node(key: &NodeKey, text: &mut String) {
        match key {
            NodeKey::Artifact(id) => {
                let mut bytes = [ARTIFACT; 17];
                bytes[1..].copy_from_slice(&id.0);
                URL_SAFE_NO_PAD.encode_string(bytes, text);
            }
            NodeKey::Field(dataset, path) => {
                let mut bytes = Vec::with_capacity(17 + path.len());
                bytes.push(FIELD);
                bytes.extend_from_slice(&dataset.0);
                bytes.extend_from_slice(path.as_bytes());
                URL_SAFE_NO_PAD.encode_string(bytes, text);
            }
            NodeKey::Run(_, run_id) => text.push_str(&Self::of_run(run_id)),
        }
    }

    /// The text of an artifact's or field's id.
    #[must_use]
    pub fn of_node(key: &NodeKey) -> String {
        let mut text = String::with_capacity(23);
        Self::push_node(key, &mut text);
        text
    }

    /// The text of an artifact's id.
    #[must_use]
    pub fn of_artifact(id: NodeId) -> String {
        Self::of_node(&NodeKey::Artifact(id))
    }

    /// The text of a run's id.
    #[must_use]
    pub fn of_run(run_id: &str) -> String {
        let mut bytes = Vec::with_capacity(1 + run_id.len());
        bytes.push(RUN);
        bytes.extend_from_slice(run_id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The text of an entry's id.
    #[must_use]
    pub fn of_event(index: EntryIndex) -> String {
        let mut bytes = [EVENT; 9];
        bytes[1..].copy_from_slice(&index.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads an id.
    ///
    /// # Errors
    /// [`NotAnId`] for every other text, also for other spellings of the same bytes.
    pub fn parse(text: &str) -> Result<Self, NotAnId> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(NotAnId);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotAnId)?;
        let (kind, rest) = bytes.split_first().ok_or(NotAnId)?;
        let utf8 = |b: &[u8]| std::str::from_utf8(b).ok().filter(|s| !s.is_empty()).map(Box::<str>::from).ok_or(NotAnId);
        match *kind {
            ARTIFACT => Ok(Self::Node(NodeKey::Artifact(NodeId(rest.try_into().map_err(|_| NotAnId)?)))),
            FIELD => {
                let (dataset, path) = rest.split_at_checked(16).ok_or(NotAnId)?;
                let dataset = NodeId(dataset.try_into().map_err(|_| NotAnId)?);
                Ok(Self::Node(NodeKey::Field(dataset, Arc::from(utf8(path)?))))
            }
            RUN => Ok(Self::Run(utf8(rest)?)),
            EVENT => Ok(Self::Event(u64::from_be_bytes(rest.try_into().map_err(|_| NotAnId)?))),
            _ => Err(NotAnId),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(id: &GlobalId) -> String {
        match id {
            GlobalId::Node(key) => GlobalId::of_node(key),
            GlobalId::Run(run) => GlobalId::of_run(run),
            GlobalId::Event(index) => GlobalId::of_event(*index),
        }
    }

    fn any_id() -> impl Strategy<Value = GlobalId> {
        prop_oneof![
            any::<[u8; 16]>().prop_map(|b| GlobalId::Node(NodeKey::Artifact(NodeId(b)))),
            (any::<[u8; 16]>(), ".{1,20}").prop_map(|(b, p)| GlobalId::Node(NodeKey::Field(NodeId(b), p.into()))),
            ".{1,40}".prop_map(|r| GlobalId::Run(r.into())),
            any::<u64>().prop_map(GlobalId::Event),
        ]
    }

    proptest! {
        #[test]
        fn an_id_reads_back_and_has_one_spelling(id in any_id(), noise in "[A-Za-z0-9_-]{0,40}") {
            let made = text(&id);
            prop_assert_eq!(GlobalId::parse(&made), Ok(id));
            if let Ok(other) = GlobalId::parse(&noise) {
                prop_assert_eq!(text(&other), noise);
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let artifact = GlobalId::of_artifact(NodeId([7; 16]));
        assert_eq!(artifact.len(), 23);
        let long = "A".repeat(TEXT_BYTES_MAX + 1);
        for bad in [
            "",
            "AA",
            "!",
            &format!("{artifact}="),
            &artifact[1..],
            &artifact[..22],
            &artifact.replace('B', "+"),
            // A run and a field without a name, an event of seven bytes, an unknown kind.
            &URL_SAFE_NO_PAD.encode([RUN]),
            &URL_SAFE_NO_PAD.encode([FIELD; 17]),
            &URL_SAFE_NO_PAD.encode([EVENT; 8]),
            &URL_SAFE_NO_PAD.encode([9; 17]),
            &URL_SAFE_NO_PAD.encode([RUN, 0xff]),
            &long,
        ] {
            assert_eq!(GlobalId::parse(bad), Err(NotAnId), "{bad}");
        }
    }
}
