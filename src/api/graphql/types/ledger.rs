//! The log itself: its head, and proofs that it only ever grew.
use async_graphql::{Context, Object, SimpleObject};

use super::super::{
    context::{reading, request},
    error::{ApiError, Result},
    id::GlobalId,
    scalar::{DateTime, Long},
};
use crate::{
    access::Action,
    app::{Receipt as Receipted, ledger_access::InclusionProofFacts},
    ledger::encode_hash,
    store::Head,
};

/// The current log, as the request's view of it.
pub struct Ledger(pub Head);

/// The current log, as the request's view of it.
#[Object]
impl Ledger {
    /// The log's origin, which is also its key's name.
    async fn origin(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(request(ctx)?.app.origin())
    }

    /// The key that its checkpoints are verified with, as a C2SP verifier key.
    async fn vkey(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(request(ctx)?.app.vkey())
    }

    /// How many entries there are.
    async fn size(&self) -> Long {
        Long(self.0.size)
    }

    /// The root of the Merkle tree at that size: base64, as in checkpoints.
    async fn root_hash(&self) -> String {
        encode_hash(&self.0.root)
    }

    /// The latest signed checkpoint, at most a second behind the last entry.
    async fn checkpoint(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(request(ctx)?.app.checkpoint_note())
    }

    /// The proof that an entry is in the log. Needs the right to read entries, or the ledger.
    #[graphql(complexity = "20 + child_complexity")]
    async fn inclusion_proof(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The entry's index.")] index: Long,
        #[graphql(desc = "In the tree of so many entries; without it in the latest published checkpoint that covers the entry.")]
        size: Option<Long>,
    ) -> Result<InclusionProof> {
        Ok((&*reading(ctx).await?.proof(index.0, size.map(|n| n.0)).await?).into())
    }

    /// The proof that the log at one size is a beginning of the log at another. Needs the right to read the ledger.
    #[graphql(complexity = "20 + child_complexity")]
    async fn consistency_proof(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The smaller size.")] from: Long,
        #[graphql(desc = "The larger size; without it the head.")] to: Option<Long>,
    ) -> Result<ConsistencyProof> {
        let request = request(ctx)?;
        request.app.require(&request.principal, Action::ReadLedger)?;
        let to = to.map_or(self.0.size, |n| n.0);
        if to > self.0.size {
            return Err(ApiError::input("to", format!("the ledger has {} entries", self.0.size)));
        }
        if from.0 > to {
            return Err(ApiError::input("from", "the smaller size comes first"));
        }
        let hashes = reading(ctx).await?.view.consistency(from.0, to).await?;
        Ok(ConsistencyProof { from, to: Long(to), hashes: hashes.iter().map(encode_hash).collect() })
    }
}

/// A proof of inclusion (RFC 6962), alone and as a `.tlog-proof` file.
#[derive(SimpleObject, Clone, Debug)]
pub struct InclusionProof {
    /// The entry's index.
    pub index: Long,
    /// The size of the tree that the proof leads to.
    pub size: Long,
    /// The hash of the entry's leaf: base64.
    pub leaf_hash: String,
    /// The hashes from the leaf's sibling to the root's child: base64.
    pub hashes: Vec<String>,
    /// The same with the signed checkpoint, as C2SP's `tlog-proof` writes it: evidence that stands alone.
    pub tlog_proof: String,
}

impl From<&InclusionProofFacts> for InclusionProof {
    fn from(p: &InclusionProofFacts) -> Self {
        Self {
            index: Long(p.index),
            size: Long(p.size),
            leaf_hash: encode_hash(&p.leaf_hash),
            hashes: p.hashes.iter().map(encode_hash).collect(),
            tlog_proof: p.tlog_proof.clone(),
        }
    }
}

/// A proof of consistency (RFC 6962) between two sizes.
#[derive(SimpleObject, Clone, Debug)]
pub struct ConsistencyProof {
    /// The smaller size.
    pub from: Long,
    /// The larger size.
    pub to: Long,
    /// The hashes: base64.
    pub hashes: Vec<String>,
}

/// Where the entry of an act lies.
#[derive(SimpleObject, Clone, Debug)]
pub struct Receipt {
    /// The entry's index over all logs.
    pub index: Long,
    /// The UUIDv7 in its leaf.
    pub event_id: async_graphql::ID,
    /// When it was recorded.
    pub recorded_at: DateTime,
    /// The leaf's hash: base64.
    pub leaf_hash: String,
    /// The entry's id in this API.
    pub id: async_graphql::ID,
}

impl From<Receipted> for Receipt {
    fn from(r: Receipted) -> Self {
        Self {
            index: Long(r.index),
            event_id: r.event_id.text().into(),
            recorded_at: DateTime(r.recorded_at),
            leaf_hash: encode_hash(&r.leaf_hash),
            id: GlobalId::of_event(r.index).into(),
        }
    }
}
