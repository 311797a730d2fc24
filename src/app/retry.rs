//! `Idempotency-Key`: an act that is sent again is found by its key, in the
//! duplicate index and, with what it was sent with, in its entry's `core`.
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{App, AppError, Code, Receipt};
use crate::{
    domain::{catalog::PartState, declared::Retry, id::Handle},
    store::{Readable, Snapshot, write::DuplicateKey},
};

/// An `Idempotency-Key`, for one field of the request's document.
#[derive(Clone, Debug)]
pub struct RetryKey {
    pub key: String,
    pub field: String,
}

/// The act that a key was given with first.
pub struct FirstAct {
    pub receipt: Receipt,
    /// Its `core`; none where that is destroyed.
    pub core: Option<Value>,
}

impl App {
    /// What an act is found by when it is sent again: `request` is all that a retry must repeat.
    pub(super) fn retry(&self, actor: Handle, key: Option<&RetryKey>, request: &[u8]) -> Option<Retry> {
        key.map(|r| Retry {
            key: self.identity.retry_key(actor, &[b"key", r.key.as_bytes(), r.field.as_bytes()]),
            request: self.identity.retry_key(actor, &[b"request", request]),
        })
    }

    /// The act that the key was given with before, if it was.
    ///
    /// # Errors
    /// `CONFLICT` when it was given with another request.
    pub(super) async fn first_act(&self, snapshot: &dyn Snapshot, retry: Option<&Retry>) -> Result<Option<FirstAct>, AppError> {
        let Some(retry) = retry else { return Ok(None) };
        let Some(index) = snapshot.duplicate(DuplicateKey::of_retry(&retry.key)).await? else { return Ok(None) };
        let readable = Readable { core: true, ..Readable::default() };
        let lost = || AppError::new(Code::Internal, "the entry of an idempotency key is missing");
        let entry = snapshot.entries(&[index], readable).await?.pop().flatten().ok_or_else(lost)?;
        let core: Option<Value> = entry.parts.first().and_then(|p| match &p.state {
            PartState::Open { bytes, .. } => serde_json::from_slice(bytes).ok(),
            _ => None,
        });
        let request = URL_SAFE_NO_PAD.encode(retry.request);
        // What it was given with is told by `core` alone; where that is destroyed, by nothing.
        if core.as_ref().is_some_and(|core| core.pointer("/idempotency/request").and_then(Value::as_str) != Some(&request)) {
            return Err(AppError::new(Code::Conflict, "this `Idempotency-Key` was given with another request"));
        }
        let receipt = Receipt { index, event_id: entry.id, recorded_at: entry.recorded_at, leaf_hash: entry.leaf_hash };
        Ok(Some(FirstAct { receipt, core }))
    }
}

/// The member `idempotency` of an administrative act's `core`.
pub(super) fn put(core: &mut Value, retry: Option<&Retry>) {
    if let (Some(retry), Some(members)) = (retry, core.as_object_mut()) {
        let text = |digest: &[u8; 32]| URL_SAFE_NO_PAD.encode(digest);
        members.insert("idempotency".to_owned(), json!({"key": text(&retry.key), "request": text(&retry.request)}));
    }
}
