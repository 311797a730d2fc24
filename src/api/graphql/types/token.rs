//! Tokens, never their secrets.
use async_graphql::{ID, SimpleObject};

use super::{super::scalar::DateTime, viewer::Role};
use crate::app::tokens::TokenFacts;

/// A token: who holds it and what it is good for. Its text is shown once, when it is created.
#[derive(SimpleObject, Clone, Debug)]
pub struct Token {
    /// The token's id, for `revokeToken`.
    pub id: ID,
    /// Who holds it.
    pub actor: String,
    /// Whether the holder is a person.
    pub person: bool,
    /// Its roles.
    pub roles: Vec<Role>,
    /// The name under which its events are told apart from those of others.
    pub integration: String,
    /// The namespaces that it is good for.
    pub namespaces: Vec<String>,
    /// When it was created.
    pub created_at: DateTime,
    /// When it ends; none: never by itself.
    pub expires_at: Option<DateTime>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime>,
}

impl From<TokenFacts> for Token {
    fn from(t: TokenFacts) -> Self {
        Self {
            id: t.id.text().into(),
            actor: t.actor,
            person: t.person,
            roles: t.roles.into_iter().map(Role::from).collect(),
            integration: t.integration,
            namespaces: t.namespaces,
            created_at: DateTime(t.created_at),
            expires_at: t.expires_at.map(DateTime),
            revoked_at: t.revoked_at.map(DateTime),
        }
    }
}
