//! An entry of the ledger, its parts, and its proof.
use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    super::{
        context::reading,
        error::Result,
        id::GlobalId,
        scalar::{self, DateTime, Json, Long},
    },
    Actor,
    ledger::InclusionProof,
};
use crate::{
    domain::{
        catalog::{self, EntryFacts, PartFacts},
        entry::part,
    },
    ledger::encode_hash,
};

/// An entry of the ledger: something that was recorded, unalterable since.
#[derive(Clone)]
pub struct LedgerEvent(pub Arc<EntryFacts>);

/// An entry of the ledger: something that was recorded, unalterable since.
#[Object]
impl LedgerEvent {
    /// The entry's id in this API; the id in its leaf is `eventId`.
    pub async fn id(&self) -> ID {
        GlobalId::of_event(self.0.index).into()
    }

    /// Its position over all logs, from 0.
    async fn index(&self) -> Long {
        Long(self.0.index)
    }

    /// The UUIDv7 in its leaf.
    async fn event_id(&self) -> ID {
        self.0.id.text().into()
    }

    /// The dotted name and version of what it records, such as `openlineage.run.v1`.
    #[graphql(name = "type")]
    async fn event_type(&self) -> &str {
        &self.0.event_type
    }

    /// The event's own time.
    async fn time(&self) -> DateTime {
        DateTime(self.0.time)
    }

    /// When it was recorded, as its leaf says.
    async fn recorded_at(&self) -> DateTime {
        DateTime(self.0.recorded_at)
    }

    /// Who did it, by handle.
    async fn actor(&self) -> Option<Actor> {
        self.0.actor.map(Actor::from)
    }

    /// Who says so: the integration of the token and the producer.
    async fn source(&self) -> Option<String> {
        self.0.source.as_ref().map(|s| s.label())
    }

    /// The leaf's text: what the log commits to.
    async fn leaf(&self) -> String {
        String::from_utf8_lossy(&self.0.leaf).into_owned()
    }

    /// The leaf's hash in the Merkle tree: base64, as in checkpoints.
    async fn leaf_hash(&self) -> String {
        encode_hash(&self.0.leaf_hash)
    }

    /// What the leaf commits to, in order. Parts beyond the caller's rights are listed with their commitments.
    #[graphql(complexity = "2 + 4 * child_complexity")]
    async fn parts(&self) -> Vec<Part> {
        self.0.parts.iter().map(Part::from).collect()
    }

    /// The proof that the entry is in the log.
    #[graphql(complexity = "20 + child_complexity")]
    async fn proof(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In the tree of so many entries; without it in the latest published checkpoint that covers the entry.")]
        size: Option<Long>,
    ) -> Result<InclusionProof> {
        Ok((&*reading(ctx).await?.proof(self.0.index, size.map(|n| n.0)).await?).into())
    }
}

/// What a part holds, and so who may read it.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
#[graphql(remote = "part::PartClass")]
pub enum PartClass {
    /// What changed; enough to replay. Never an identifier of a person.
    Core,
    /// The received bytes, with holes where something was cut out.
    Rest,
    /// One value, or the values of one person.
    Person,
    /// Device and request context, minimised.
    Context,
}

/// Whether a part is shown.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum PartState {
    /// It is.
    Open,
    /// The caller's rights do not reach it.
    Forbidden,
    /// It was destroyed; the commitment stays.
    Destroyed,
}

/// One part of an entry.
#[derive(SimpleObject, Clone)]
pub struct Part {
    /// What it holds.
    pub class: PartClass,
    /// Whether it is shown.
    pub state: PartState,
    /// What the leaf commits to: base64url.
    pub commitment: String,
    /// The salt of the commitment, base64url; only where open.
    pub salt: Option<String>,
    /// The bytes as text, where open and UTF-8. Openings hold them always.
    pub text: Option<String>,
    /// The bytes as JSON, where open and JSON.
    pub json: Option<Json>,
    /// The entry whose act destroyed it, where known.
    pub destroyed_by: Option<Long>,
}

impl From<&PartFacts> for Part {
    fn from(p: &PartFacts) -> Self {
        let mut part = Self {
            class: p.class.into(),
            state: PartState::Forbidden,
            commitment: URL_SAFE_NO_PAD.encode(p.commitment),
            salt: None,
            text: None,
            json: None,
            destroyed_by: None,
        };
        match &p.state {
            catalog::PartState::Open { salt, bytes } => {
                part.state = PartState::Open;
                part.salt = Some(URL_SAFE_NO_PAD.encode(salt));
                part.text = std::str::from_utf8(bytes).ok().map(str::to_owned);
                part.json = scalar::json(bytes);
            }
            catalog::PartState::Forbidden => {}
            catalog::PartState::Destroyed { by } => {
                part.state = PartState::Destroyed;
                part.destroyed_by = by.map(Long);
            }
        }
        part
    }
}
