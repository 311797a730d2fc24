//! What can be done. Every act carries a reason and leaves an entry; a refusal
//! that a caller can expect is data, not an error.
use async_graphql::{Context, Enum, ID, InputObject, MergedObject, Object, SimpleObject};

use super::{
    context::request,
    error::{ApiError, Result},
    execute::OperationKey,
    scalar::DateTime,
    types::{ledger::Receipt, token::Token, viewer::Role},
};
use crate::app::{
    AppError, Code,
    retry::RetryKey,
    tokens::{NewToken, TokenId},
};

/// The contract's codes of refusals.
#[derive(Enum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalCode {
    /// The input makes no sense; `field` names the member.
    BadUserInput,
    /// What the act is about is unknown.
    NotFound,
    /// The caller's roles or scope do not permit it.
    Forbidden,
    /// The caller must authenticate anew, or more strongly.
    StepUpRequired,
    /// It contradicts what is already so.
    Conflict,
}

/// Why an act was not done.
#[derive(SimpleObject, Clone, Debug)]
pub struct Refusal {
    /// In one word.
    pub code: RefusalCode,
    /// For people.
    pub message: String,
    /// The member of the input that is wrong, where it is one.
    pub field: Option<String>,
}

impl Refusal {
    /// Parts what a caller can expect from what went wrong.
    pub(super) fn expected(e: AppError) -> Result<Self> {
        let code = match e.code {
            Code::BadUserInput => RefusalCode::BadUserInput,
            Code::NotFound => RefusalCode::NotFound,
            Code::Forbidden => RefusalCode::Forbidden,
            Code::StepUpRequired => RefusalCode::StepUpRequired,
            Code::Conflict => RefusalCode::Conflict,
            _ => return Err(ApiError::from(e)),
        };
        Ok(Self { code, message: e.message, field: e.pointer })
    }
}

/// A token to create.
#[derive(InputObject, Clone)]
pub struct CreateTokenInput {
    /// The name of the person or service that will act.
    pub actor: String,
    /// Whether the actor is a person.
    #[graphql(default = false)]
    pub person: bool,
    /// What the holder is there for; several are their union.
    pub roles: Vec<Role>,
    /// The name under which the token's events are told apart from those of others; a new token with the same one goes on where an old one stopped.
    #[graphql(default_with = "\"default\".to_owned()")]
    pub integration: String,
    /// The namespaces that the token is good for: names, or beginnings of names with a `*` at the end.
    #[graphql(default_with = "vec![\"*\".to_owned()]")]
    pub namespaces: Vec<String>,
    /// When it ends; without it never by itself.
    pub expires_at: Option<DateTime>,
    /// Why it is created.
    pub reason: String,
}

/// What came of it: exactly one of `receipt` and `refusal`.
#[derive(SimpleObject)]
pub struct CreateTokenPayload {
    /// The token's text. It is shown this once: the same request under the same idempotency key gets the first receipt and no text. Whoever lost it revokes the token and makes another.
    pub token: Option<String>,
    /// What the token is.
    pub details: Option<Token>,
    /// Where the act's entry lies.
    pub receipt: Option<Receipt>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
}

/// A token to revoke.
#[derive(InputObject, Clone)]
pub struct RevokeTokenInput {
    /// The token's id.
    pub id: ID,
    /// Why it is revoked.
    pub reason: String,
}

/// What came of it: exactly one of `receipt` and `refusal`.
#[derive(SimpleObject)]
pub struct RevokeTokenPayload {
    /// Where the act's entry lies.
    pub receipt: Option<Receipt>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
}

/// The request's or operation's idempotency key, for the field at hand.
pub(super) fn retry(ctx: &Context<'_>) -> Result<Option<RetryKey>> {
    let own = ctx.data_opt::<OperationKey>().map(|key| key.0.clone());
    let key = match own {
        Some(own) => Some(own),
        None => request(ctx)?.idempotency_key.clone(),
    };
    Ok(key.map(|key| RetryKey { key, field: ctx.item.node.response_key().node.to_string() }))
}

/// The root of all acts.
#[derive(MergedObject, Default)]
pub struct Mutation(TokenMutation, super::declare::CatalogMutation, super::correct::CorrectionMutation);

/// Acts on tokens.
#[derive(Default)]
pub struct TokenMutation;

#[Object]
impl TokenMutation {
    /// Creates a token and shows its text, once.
    #[graphql(complexity = "50 + child_complexity")]
    async fn create_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to create, and why.")] input: CreateTokenInput,
    ) -> Result<CreateTokenPayload> {
        let request = request(ctx)?;
        let new = NewToken {
            actor: input.actor,
            person: input.person,
            roles: input.roles.into_iter().map(Into::into).collect(),
            integration: input.integration,
            namespaces: input.namespaces,
            expires_at: input.expires_at.map(|t| t.0),
            reason: input.reason,
        };
        Ok(match request.app.create_token(&request.principal, new, retry(ctx)?.as_ref()).await {
            Ok((token, facts, receipt)) => {
                CreateTokenPayload { token, details: Some(facts.into()), receipt: Some(receipt.into()), refusal: None }
            }
            Err(e) => CreateTokenPayload { token: None, details: None, receipt: None, refusal: Some(Refusal::expected(e)?) },
        })
    }

    /// Revokes a token: from the receipt on it is worth nothing.
    #[graphql(complexity = "50 + child_complexity")]
    async fn revoke_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and why.")] input: RevokeTokenInput,
    ) -> Result<RevokeTokenPayload> {
        let request = request(ctx)?;
        let refused = |e| Ok(RevokeTokenPayload { receipt: None, refusal: Some(Refusal::expected(e)?) });
        let Some(id) = TokenId::parse(&input.id) else { return refused(AppError::bad_input("not the id of a token").at("id")) };
        match request.app.revoke_token(&request.principal, id, &input.reason, retry(ctx)?.as_ref()).await {
            Ok(receipt) => Ok(RevokeTokenPayload { receipt: Some(receipt.into()), refusal: None }),
            Err(e) => refused(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_one_can_expect_are_data_and_failures_are_errors() {
        let refusal = Refusal::expected(AppError::bad_input("no").at("reason")).unwrap();
        assert_eq!((refusal.code, refusal.field.as_deref()), (RefusalCode::BadUserInput, Some("reason")));
        assert_eq!(Refusal::expected(AppError::new(Code::Forbidden, "no")).unwrap().code, RefusalCode::Forbidden);
        for code in [Code::Internal, Code::Unavailable, Code::Unauthenticated, Code::DeadlineExceeded] {
            assert!(Refusal::expected(AppError::new(code, "no")).is_err());
        }
    }
}
