//! Tokens: made and revoked by entries, looked up by SHA-256 of their text.
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hashbrown::HashMap;
use parking_lot::Mutex;
use serde_json::json;
use smallvec::smallvec;

use super::{
    App, AppError, Code, Receipt,
    ingest::receipt,
    retry::{self, RetryKey},
};
use crate::{
    access::{Action, Principal, Role, RoleSet, Scope, Token, TokenDigest},
    domain::{
        canonical_json,
        declared::Retry,
        entry::PartClass,
        id::{EntryId, Handle},
        time::Micros,
    },
    store::write::{Act, Change, DuplicateKey, TokenChange, TokenRow},
    vault::{Identifier, IdentifierKind, InvalidIdentifier, KeyScope},
};

const CREATED: &str = "token.created.v1";
const REVOKED: &str = "token.revoked.v1";

/// A token's id: says nothing about its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TokenId(pub [u8; 16]);

impl TokenId {
    /// The hyphenated text.
    #[must_use]
    pub fn text(self) -> String {
        Handle(self.0).text()
    }

    /// Reads the hyphenated text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Handle::parse(text).map(|h| Self(h.0))
    }
}

/// What a token is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// The name of the actor; kept in the vault, known elsewhere by its handle.
    pub actor: String,
    /// The actor is a natural person.
    pub person: bool,
    pub roles: Vec<Role>,
    pub integration: String,
    /// Globs; empty means every namespace.
    pub namespaces: Vec<String>,
    pub expires_at: Option<Micros>,
    pub reason: String,
}

/// What may be shown of a token.
#[derive(Clone, Debug)]
pub struct TokenFacts {
    pub id: TokenId,
    /// The name of a service; people are shown by their handle only.
    pub actor: String,
    pub person: bool,
    pub roles: Vec<Role>,
    pub integration: String,
    pub namespaces: Vec<String>,
    pub created_at: Micros,
    pub expires_at: Option<Micros>,
    pub revoked_at: Option<Micros>,
}

/// What a token is worth.
pub enum Standing {
    Good(Arc<Principal>),
    Expired,
    /// Revoked.
    Gone,
}

/// Every token in force, by digest; read at each request without a lock.
pub struct TokenBook {
    by_digest: ArcSwap<HashMap<TokenDigest, Arc<Principal>>>,
    rows: Mutex<Vec<TokenRow>>,
}

/// A stored token that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("a stored token has a role or namespace that this program does not know")]
pub struct UnknownInToken;

fn principal(row: &TokenRow) -> Result<Principal, UnknownInToken> {
    let roles: Vec<Role> = row.roles.iter().map(|r| Role::from_word(r)).collect::<Option<_>>().ok_or(UnknownInToken)?;
    let scope = if row.namespaces.is_empty() { Scope::everything() } else { Scope::parse(&row.namespaces).map_err(|_| UnknownInToken)? };
    Ok(Principal {
        actor: row.actor,
        person: row.person,
        roles: RoleSet::of(&roles),
        integration: row.integration.as_str().into(),
        scope,
        expires: row.expires_at,
    })
}

impl TokenBook {
    /// # Errors
    /// [`UnknownInToken`].
    pub fn new(rows: Vec<TokenRow>) -> Result<Self, UnknownInToken> {
        let book = Self { by_digest: ArcSwap::from_pointee(HashMap::default()), rows: Mutex::new(rows) };
        book.publish(&book.rows.lock())?;
        Ok(book)
    }

    fn publish(&self, rows: &[TokenRow]) -> Result<(), UnknownInToken> {
        let live = rows.iter().filter(|r| r.revoked_at.is_none());
        let map = live.map(|r| Ok((TokenDigest(r.hash), Arc::new(principal(r)?)))).collect::<Result<_, UnknownInToken>>()?;
        self.by_digest.store(Arc::new(map));
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Vec<TokenRow>)) {
        let mut rows = self.rows.lock();
        change(&mut rows);
        if self.publish(&rows).is_err() {
            tracing::error!("a token that was just made cannot be read back");
        }
    }
}

/// What a service is known by in the vault.
pub(super) fn service(name: &str) -> Result<Identifier, InvalidIdentifier> {
    Identifier::new(IdentifierKind::Custom("service".into()), "", name)
}

fn facts(row: &TokenRow) -> TokenFacts {
    TokenFacts {
        id: TokenId(row.id),
        actor: if row.person { row.actor.text() } else { row.actor_label.clone() },
        person: row.person,
        roles: row.roles.iter().filter_map(|r| Role::from_word(r)).collect(),
        integration: row.integration.clone(),
        namespaces: row.namespaces.clone(),
        created_at: row.created_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
    }
}

impl App {
    /// Who a bearer token speaks for.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for one that is malformed, unknown, revoked or expired.
    pub fn authenticate(&self, bearer: &str) -> Result<Arc<Principal>, AppError> {
        let token = Token::parse(bearer).map_err(|e| self.unauthenticated(None, e.to_string()))?;
        let book = self.tokens.by_digest.load();
        let principal = book.get(&token.digest()).ok_or_else(|| self.unauthenticated(None, "the token is not known or was revoked"))?;
        if principal.expires.is_some_and(|end| end <= self.ambient.clock.now()) {
            return Err(self.unauthenticated(Some(principal), "the token has expired"));
        }
        Ok(principal.clone())
    }

    /// The same, giving what the token can be looked at again by.
    ///
    /// # Errors
    /// As [`Self::authenticate`].
    pub fn recognise(&self, bearer: &str) -> Result<TokenDigest, AppError> {
        self.authenticate(bearer)?;
        Token::parse(bearer).map(|token| token.digest()).map_err(|e| self.unauthenticated(None, e.to_string()))
    }

    /// What a token that was good is worth now. No attempt to do anything, so
    /// nothing of it is recorded.
    #[must_use]
    pub fn standing(&self, digest: &TokenDigest) -> Standing {
        match self.tokens.by_digest.load().get(digest) {
            None => Standing::Gone,
            Some(principal) if principal.expires.is_some_and(|end| end <= self.ambient.clock.now()) => Standing::Expired,
            Some(principal) => Standing::Good(principal.clone()),
        }
    }

    /// Makes a token; its text is shown this once: who sends the same again under
    /// the same key gets the first receipt and no text.
    ///
    /// # Errors
    /// `FORBIDDEN`, `BAD_USER_INPUT`, `CONFLICT` (the key was given with something else), `UNAVAILABLE`.
    pub async fn create_token(
        &self,
        by: &Principal,
        new: NewToken,
        key: Option<&RetryKey>,
    ) -> Result<(Option<String>, TokenFacts, Receipt), AppError> {
        self.require(by, Action::ManageTokens)?;
        // One after the other, so that a retry finds what came before it.
        let _turn = self.declaring.lock().await;
        let roles: Vec<&str> = new.roles.iter().map(|r| r.word()).collect();
        let request = canonical_json::write(&json!([
            CREATED,
            new.actor,
            new.person,
            roles,
            new.integration,
            new.namespaces,
            new.expires_at.map(Micros::rfc3339),
            new.reason
        ]));
        let retry = self.retry(by.actor, key, &request);
        if let Some(first) = self.first_act(&*self.store.snapshot().await?, retry.as_ref()).await? {
            let id = first.core.as_ref().and_then(|c| c.pointer("/token/id")?.as_str()).and_then(TokenId::parse);
            let known = self.tokens.rows.lock().iter().find(|r| id.is_some_and(|id| r.id == id.0)).map(facts);
            let lost =
                || AppError::new(Code::Conflict, "the token was made under this `Idempotency-Key`; what it is can no longer be read");
            return Ok((None, known.ok_or_else(lost)?, first.receipt));
        }
        let (text, facts, receipt) = self.make_token(Some(by), new, retry).await?;
        Ok((Some(text), facts, receipt))
    }

    /// The first token of a folder is made by whoever may write to the folder.
    ///
    /// # Errors
    /// As [`Self::create_token`].
    pub async fn create_token_locally(&self, new: NewToken) -> Result<(String, TokenFacts, Receipt), AppError> {
        self.make_token(None, new, None).await
    }

    async fn make_token(
        &self,
        by: Option<&Principal>,
        new: NewToken,
        retry: Option<Retry>,
    ) -> Result<(String, TokenFacts, Receipt), AppError> {
        let now = self.ambient.clock.now();
        if new.roles.is_empty() {
            return Err(AppError::bad_input("a token needs at least one role").at("input.roles"));
        }
        if new.actor.trim().is_empty() || new.integration.trim().is_empty() {
            return Err(AppError::bad_input("`actor` and `integration` must not be empty").at("input"));
        }
        if new.reason.trim().is_empty() {
            return Err(AppError::bad_input("every administrative act needs a reason").at("input.reason"));
        }
        if !new.namespaces.is_empty() {
            Scope::parse(&new.namespaces).map_err(|e| AppError::bad_input(e.to_string()).at("input.namespaces"))?;
        }
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(AppError::bad_input("`expiresAt` is in the past").at("input.expiresAt"));
        }
        let identifier = if new.person { Identifier::new(IdentifierKind::Account, "", &new.actor) } else { service(&new.actor) };
        let identifier = identifier.map_err(|e| AppError::bad_input(e.to_string()).at("input.actor"))?;
        let actor = self
            .vault
            .handles_for(&[identifier])
            .map_err(|e| self.vault_error(e))?
            .pop()
            .ok_or_else(|| AppError::new(Code::Internal, "no handle"))?;
        let token = Token::generate(&*self.ambient.entropy);
        let mut roles: Vec<&'static str> = new.roles.iter().map(|r| r.word()).collect();
        roles.sort_unstable();
        roles.dedup();
        let row = TokenRow {
            id: Handle::from_random(self.ambient.entropy.bytes16()).0,
            hash: token.digest().0,
            actor,
            actor_label: if new.person { String::new() } else { new.actor.clone() },
            person: new.person,
            roles: roles.iter().map(|r| (*r).to_owned()).collect(),
            integration: new.integration.clone(),
            namespaces: new.namespaces.clone(),
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
        };
        let mut core = json!({
            "actor": by.map(|p| p.actor.text()),
            "source": {"integration": by.map_or("local", |p| &*p.integration), "producer": ""},
            "time": now.rfc3339(),
            "token": {
                "actor": actor.text(), "digest": URL_SAFE_NO_PAD.encode(row.hash), "expiresAt": new.expires_at.map(Micros::rfc3339), "id": TokenId(row.id).text(),
                "integration": new.integration, "namespaces": new.namespaces, "person": new.person, "roles": roles,
            },
            "type": CREATED,
        });
        retry::put(&mut core, retry.as_ref());
        let duplicate = retry.map(|r| DuplicateKey::of_retry(&r.key));
        let change = Change::Token(TokenChange::Create(row.clone()));
        let act = self.administrative(by, CREATED, now, &core, &new.reason, duplicate, change)?;
        let committed = self.sequencer.submit(act).await?;
        let shown = facts(&row);
        self.tokens.change(|rows| rows.push(row));
        Ok((token.text().to_string(), shown, receipt(&committed)))
    }

    /// Revokes a token; it is refused from the next request on.
    ///
    /// # Errors
    /// `FORBIDDEN`, `NOT_FOUND`, `CONFLICT` when it was revoked before.
    pub async fn revoke_token(&self, by: &Principal, id: TokenId, reason: &str, key: Option<&RetryKey>) -> Result<Receipt, AppError> {
        self.require(by, Action::ManageTokens)?;
        let _turn = self.declaring.lock().await;
        let retry = self.retry(by.actor, key, &canonical_json::write(&json!([REVOKED, id.text(), reason])));
        if let Some(first) = self.first_act(&*self.store.snapshot().await?, retry.as_ref()).await? {
            return Ok(first.receipt);
        }
        self.end_token(Some(by), id, reason, retry).await
    }

    /// The same by whoever may write to the folder.
    ///
    /// # Errors
    /// As [`Self::revoke_token`].
    pub async fn revoke_token_locally(&self, id: TokenId, reason: &str) -> Result<Receipt, AppError> {
        self.end_token(None, id, reason, None).await
    }

    async fn end_token(&self, by: Option<&Principal>, id: TokenId, reason: &str, retry: Option<Retry>) -> Result<Receipt, AppError> {
        let now = self.ambient.clock.now();
        if reason.trim().is_empty() {
            return Err(AppError::bad_input("every administrative act needs a reason").at("input.reason"));
        }
        match self.tokens.rows.lock().iter().find(|r| r.id == id.0).map(|r| r.revoked_at.is_some()) {
            None => return Err(AppError::new(Code::NotFound, "there is no such token").at("input.id")),
            Some(true) => return Err(AppError::new(Code::Conflict, "the token was revoked before").at("input.id")),
            Some(false) => {}
        }
        let mut core = json!({
            "actor": by.map(|p| p.actor.text()),
            "source": {"integration": by.map_or("local", |p| &*p.integration), "producer": ""},
            "time": now.rfc3339(),
            "token": {"id": id.text()},
            "type": REVOKED,
        });
        retry::put(&mut core, retry.as_ref());
        let duplicate = retry.map(|r| DuplicateKey::of_retry(&r.key));
        let change = Change::Token(TokenChange::Revoke { id: id.0, at: now });
        let act = self.administrative(by, REVOKED, now, &core, reason, duplicate, change)?;
        let committed = self.sequencer.submit(act).await?;
        self.tokens.change(|rows| {
            if let Some(row) = rows.iter_mut().find(|r| r.id == id.0) {
                row.revoked_at = Some(now);
            }
        });
        Ok(receipt(&committed))
    }

    /// Every token ever made, never its text.
    ///
    /// # Errors
    /// `FORBIDDEN`.
    pub async fn tokens(&self, by: &Principal) -> Result<Vec<TokenFacts>, AppError> {
        self.require(by, Action::ReadTokens)?;
        Ok(self.tokens_locally())
    }

    /// The same for whoever may read the folder.
    #[must_use]
    pub fn tokens_locally(&self) -> Vec<TokenFacts> {
        self.tokens.rows.lock().iter().map(facts).collect()
    }

    /// An act of administration: what was done in `core`, why in `rest` (a reason
    /// is free text and may name people).
    #[expect(clippy::too_many_arguments, reason = "an act, member by member")]
    pub(super) fn administrative(
        &self,
        by: Option<&Principal>,
        event_type: &'static str,
        now: Micros,
        core: &serde_json::Value,
        reason: &str,
        duplicate: Option<DuplicateKey>,
        change: Change,
    ) -> Result<Act, AppError> {
        let mut random = [0; 10];
        self.ambient.entropy.fill(&mut random);
        let id = EntryId::new(u64::try_from(now.0 / 1000).unwrap_or(0), &random);
        let month = now.month();
        let part = |number, class, bytes: &[u8]| self.seal_part(id, number, class, KeyScope::Class { class, month }, bytes, None);
        let core = canonical_json::write(core);
        let rest = canonical_json::write(&json!({"reason": reason}));
        Ok(Act {
            id,
            event_type,
            time: now,
            actor: by.map(|p| p.actor),
            parts: smallvec![
                part(0, PartClass::Core, &core).map_err(|e| self.vault_error(e))?,
                part(1, PartClass::Rest, &rest).map_err(|e| self.vault_error(e))?
            ],
            concerns: by.filter(|p| p.person).map(|p| p.actor).into_iter().collect(),
            duplicate,
            change,
        })
    }
}
