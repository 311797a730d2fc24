//! The versions of an artifact's definition.
use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};
use serde_json::{Value, value::to_raw_value};

use super::{
    super::{
        context::reading,
        error::{ApiError, Result},
        input::{price, size},
        scalar::{self, DateTime, Json},
    },
    event::LedgerEvent,
};
use crate::{
    access::Action,
    app::{AppError, Code},
    domain::{
        catalog::VersionFacts,
        difference::{Difference, differences},
    },
};

/// The most changes of one version in one answer.
const CHANGES_MAX: i32 = 1000;

/// A version of an artifact's definition, as somebody recorded it.
pub struct ArtifactVersion {
    facts: Arc<VersionFacts>,
    /// The version before.
    before: Option<Arc<VersionFacts>>,
}

impl ArtifactVersion {
    /// The first `count` of versions, newest first, each with the one before it.
    pub fn list(versions: &[Arc<VersionFacts>], count: usize) -> Vec<Self> {
        let before = |i: usize| versions.get(i + 1).cloned();
        versions.iter().take(count).enumerate().map(|(i, v)| Self { facts: v.clone(), before: before(i) }).collect()
    }

    /// How it differs from the version before; `None` where one of them is destroyed.
    ///
    /// # Errors
    /// A definition that is there and is not JSON: damage, not a destruction.
    fn differences(&self) -> Result<Option<Vec<Difference>>> {
        let read = |v: &VersionFacts| {
            let parsed = v.definition.as_deref().map(serde_json::from_slice::<Value>).transpose();
            parsed.map_err(|e| ApiError::from(AppError::new(Code::Internal, format!("the definition in entry {}: {e}", v.entry))))
        };
        let before = match &self.before {
            Some(before) => read(before)?,
            None => Some(Value::Object(serde_json::Map::new())),
        };
        let after = read(&self.facts)?;
        Ok(before.zip(after).map(|(before, after)| differences(&before, &after)))
    }
}

/// A version of an artifact's definition, as somebody recorded it.
#[Object]
impl ArtifactVersion {
    /// SHA-256 of the definition's canonical form (RFC 8785), hexadecimal: equal definitions have equal hashes.
    async fn hash(&self) -> String {
        hex::encode(self.facts.hash)
    }

    /// Since when.
    async fn valid_from(&self) -> DateTime {
        DateTime(self.facts.valid_from)
    }

    /// Until when; none for the version in force.
    async fn valid_until(&self) -> Option<DateTime> {
        DateTime::end(self.facts.valid_until)
    }

    /// The definition in canonical form, people's e-mail addresses as their handles; none where it is destroyed.
    async fn definition(&self) -> Option<Json> {
        scalar::json(self.facts.definition.as_deref()?)
    }

    /// How it differs from the version before; of the first from an empty one.
    #[graphql(complexity = "5 + price(Some(first), 100, CHANGES_MAX, child_complexity)")]
    async fn changes(
        &self,
        #[graphql(default = 100, desc = "How many at most; at most 1000.")] first: i32,
    ) -> Result<Vec<DefinitionChange>> {
        let first = size("first", first, CHANGES_MAX)?;
        Ok(self.differences()?.unwrap_or_default().into_iter().take(first).map(DefinitionChange::from).collect())
    }

    /// How many changes there are; none where one of the two definitions is destroyed.
    async fn change_count(&self) -> Result<Option<i32>> {
        Ok(self.differences()?.map(|d| i32::try_from(d.len()).unwrap_or(i32::MAX)))
    }

    /// Why it was recorded; none for who may not read what was received, or where it is destroyed.
    #[graphql(complexity = 5)]
    async fn reason(&self, ctx: &Context<'_>) -> Result<Option<String>> {
        let reading = reading(ctx).await?;
        if !reading.view.may(Action::ReadOperational) {
            return Ok(None);
        }
        let shown = reading.shown(&[self.facts.entry]).await?;
        let json = shown.first().and_then(|(_, bytes)| serde_json::from_slice::<Value>(bytes).ok());
        Ok(json.and_then(|j| j.pointer("/ledgerline/reason")?.as_str().map(str::to_owned)))
    }

    /// The entry that recorded it: the evidence.
    #[graphql(complexity = "5 + child_complexity")]
    async fn event(&self, ctx: &Context<'_>) -> Result<Option<LedgerEvent>> {
        Ok(reading(ctx).await?.entry(self.facts.entry).await?.map(LedgerEvent))
    }
}

/// One difference between two versions.
#[derive(SimpleObject)]
pub struct DefinitionChange {
    /// Where: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What was there; none: nothing.
    pub before: Option<Json>,
    /// What is there; none: nothing.
    pub after: Option<Json>,
}

impl From<Difference> for DefinitionChange {
    fn from(d: Difference) -> Self {
        let json = |v: Option<Value>| v.and_then(|v| to_raw_value(&v).ok()).map(async_graphql::Json);
        Self { pointer: d.pointer, before: json(d.before), after: json(d.after) }
    }
}
