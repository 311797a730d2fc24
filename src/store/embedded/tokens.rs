//! Tokens as rows.
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::schema::backend;
use crate::{
    domain::{
        id::{EntryIndex, Handle},
        time::Micros,
    },
    store::{StoreError, write::TokenRow},
};

#[derive(Serialize, Deserialize)]
struct Json {
    actor: String,
    label: String,
    person: bool,
    roles: Vec<String>,
    integration: String,
    namespaces: Vec<String>,
    created: i64,
    expires: Option<i64>,
}

/// Columns `id`, `hash`, `row`, `revoked_at`, `ix`.
type Columns = ([u8; 16], [u8; 32], String, Option<i64>, EntryIndex);

/// The `row` column.
pub fn to_json(row: &TokenRow) -> String {
    let json = Json {
        actor: row.actor.text(),
        label: row.actor_label.clone(),
        person: row.person,
        roles: row.roles.clone(),
        integration: row.integration.clone(),
        namespaces: row.namespaces.clone(),
        created: row.created_at.0,
        expires: row.expires_at.map(|t| t.0),
    };
    serde_json::to_string(&json).unwrap_or_default()
}

/// Every token ever made, revoked ones too, in order of their entries.
///
/// # Errors
/// The database's, and rows that are no tokens.
pub fn all(db: &Connection) -> Result<Vec<TokenRow>, StoreError> {
    Ok(all_with_entries(db)?.into_iter().map(|(row, _)| row).collect())
}

/// The same, with the entries that made them.
///
/// # Errors
/// As [`all`].
pub fn all_with_entries(db: &Connection) -> Result<Vec<(TokenRow, EntryIndex)>, StoreError> {
    const BAD: StoreError = StoreError::Inconsistent { place: "token" };
    let rows: Vec<Columns> = db
        .prepare("SELECT id, hash, row, revoked_at, ix FROM token ORDER BY ix")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?)))?.collect())
        .map_err(backend)?;
    rows.into_iter()
        .map(|(id, hash, json, revoked_at, ix)| {
            let j: Json = serde_json::from_str(&json).map_err(|_| BAD)?;
            let row = TokenRow {
                id,
                hash,
                actor: Handle::parse(&j.actor).ok_or(BAD)?,
                actor_label: j.label,
                person: j.person,
                roles: j.roles,
                integration: j.integration,
                namespaces: j.namespaces,
                created_at: Micros(j.created),
                expires_at: j.expires.map(Micros),
                revoked_at: revoked_at.map(Micros),
            };
            Ok((row, ix))
        })
        .collect()
}
