//! `token … --url`: the same commands, asked of a running server by GraphQL.
use serde_json::{Value, json};

use super::{
    args::{TokenCreateArgs, TokenRevokeArgs},
    client::{Client, ClientError},
};

const CREATE: &str = "mutation CreateToken($input: CreateTokenInput!) { createToken(input: $input) \
    { token receipt { index eventId recordedAt leafHash } refusal { code message field } } }";
const REVOKE: &str = "mutation RevokeToken($input: RevokeTokenInput!) { revokeToken(input: $input) \
    { receipt { index eventId recordedAt leafHash } refusal { code message field } } }";
const LIST: &str = "query Tokens($after: String) { tokens(first: 100, after: $after) \
    { nodes { id actor person roles integration namespaces createdAt expiresAt revokedAt } pageInfo { hasNextPage endCursor } } }";

/// What the server would not do, in its words.
#[derive(Debug, thiserror::Error)]
pub enum RemoteTokenError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("refused ({code}): {message}")]
    Refused { code: String, message: String },
}

/// Creates a token and gives its text.
///
/// # Errors
/// A refusal, or what went wrong on the way.
pub fn create(client: &Client, args: &TokenCreateArgs) -> Result<String, RemoteTokenError> {
    let input = json!({
        "actor": args.actor,
        "person": args.person,
        "roles": args.roles.iter().map(|r| r.word().to_uppercase()).collect::<Vec<_>>(),
        "integration": args.integration,
        "namespaces": args.namespaces,
        "expiresAt": args.expires.map(|e| e.rfc3339()),
        "reason": args.reason,
    });
    let payload = payload(client.graphql(CREATE, &json!({ "input": input }))?, "createToken")?;
    let token = payload.get("token").and_then(Value::as_str).map(str::to_owned);
    token.ok_or_else(|| ClientError::Unexpected("no token in it".to_owned()).into())
}

/// Revokes a token and gives the receipt.
///
/// # Errors
/// A refusal, or what went wrong on the way.
pub fn revoke(client: &Client, args: &TokenRevokeArgs) -> Result<Value, RemoteTokenError> {
    let input = json!({ "id": args.id, "reason": args.reason });
    let mut payload = payload(client.graphql(REVOKE, &json!({ "input": input }))?, "revokeToken")?;
    Ok(payload.get_mut("receipt").map(Value::take).unwrap_or_default())
}

/// Every token, page by page.
///
/// # Errors
/// What went wrong on the way.
pub fn list(client: &Client) -> Result<Vec<Value>, RemoteTokenError> {
    let mut tokens = Vec::new();
    let mut after = Value::Null;
    loop {
        let mut data = client.graphql(LIST, &json!({ "after": after }))?;
        let Some(Value::Array(nodes)) = data.pointer_mut("/tokens/nodes").map(Value::take) else {
            return Err(ClientError::Unexpected("no tokens in it".to_owned()).into());
        };
        tokens.extend(nodes);
        if data.pointer("/tokens/pageInfo/hasNextPage") != Some(&Value::Bool(true)) {
            return Ok(tokens);
        }
        after = data.pointer("/tokens/pageInfo/endCursor").cloned().unwrap_or_default();
    }
}

fn payload(mut data: Value, field: &str) -> Result<Value, RemoteTokenError> {
    let payload = data.get_mut(field).map(Value::take).unwrap_or_default();
    let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    if payload.get("refusal").is_some_and(|r| !r.is_null()) {
        return Err(RemoteTokenError::Refused { code: text("/refusal/code"), message: text("/refusal/message") });
    }
    Ok(payload)
}
