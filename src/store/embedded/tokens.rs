//! Tokens as rows.
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use super::schema::backend;
use crate::{
    domain::{id::Handle, time::Micros},
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
    const BAD: StoreError = StoreError::Inconsistent { place: "token" };
    type Row = ([u8; 16], [u8; 32], String, Option<i64>);
    let rows: Vec<Row> = db
        .prepare("SELECT id, hash, row, revoked_at FROM token ORDER BY ix")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?.collect())
        .map_err(backend)?;
    rows.into_iter()
        .map(|(id, hash, json, revoked_at)| {
            let j: Json = serde_json::from_str(&json).map_err(|_| BAD)?;
            Ok(TokenRow {
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
            })
        })
        .collect()
}
