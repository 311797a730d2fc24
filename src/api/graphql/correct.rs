//! Corrections: what should not have been said, or is no more.
use async_graphql::{Context, InputObject, Object, SimpleObject};

use super::{
    context::request,
    error::Result,
    input::name,
    mutation::{Refusal, retry},
    scalar::{DateTime, Long},
    types::{event::PartClass, ledger::Receipt},
};
use crate::app::{AppError, redact::PartToRedact, retire::NamespaceToRetire};

/// What is to be destroyed of an entry.
#[derive(InputObject)]
pub struct RedactPartInput {
    /// The entry's position over all logs.
    pub index: Long,
    /// The class of the part: `REST`. Of `core` the graph is made; what names people is destroyed by their erasure.
    pub class: PartClass,
    /// Names of facets of the event's job and datasets that go, for every entry and artifact that has the very same content: such content is kept once. Without this all of them but `columnLineage` and `symlinks`, of which the graph is made; with an empty list none. The same content is never stored again, whoever sends it.
    pub facets: Option<Vec<String>>,
    /// Whether the entry's own bytes go: everything of the event that is not a facet kept once, such as facets of the run, error messages, and facets with an e-mail address in them. A part is committed to as a whole, so a piece of it cannot be destroyed alone.
    #[graphql(default = true)]
    pub bytes: bool,
    /// Whether the own bytes of other entries go too that differ from this one only in what varies from run to run: they hold the same text. At most 1,000 at once.
    #[graphql(default = false)]
    pub alike: bool,
    /// Why. It is recorded: do not repeat here what is to be destroyed.
    pub reason: String,
}

/// What came of it: exactly one of `receipt` and `refusal`.
#[derive(SimpleObject)]
pub struct RedactPartPayload {
    /// The entries whose part is gone, in order.
    pub entries: Vec<Long>,
    /// The names of the facets whose content is gone.
    pub facets: Vec<String>,
    /// How many entries that differ only in what varies from run to run still have their bytes.
    pub remaining: Long,
    /// One of them, to go on with.
    pub next: Option<Long>,
    /// Where the act's entry lies.
    pub receipt: Option<Receipt>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
}

/// A namespace whose artifacts end.
#[derive(InputObject)]
pub struct RetireNamespaceInput {
    /// The namespace, exactly.
    pub namespace: String,
    /// From when on they are no more; without it now. An artifact that an event names after this lives again from that event on.
    pub at: Option<DateTime>,
    /// Why it is given up.
    pub reason: String,
}

/// What came of it: exactly one of `receipt` and `refusal`.
#[derive(SimpleObject)]
pub struct RetireNamespacePayload {
    /// The entries, one for each artifact that ended, as `retireArtifact` writes it.
    pub entries: Vec<Long>,
    /// How many artifacts were left because they are known under a name of another namespace too.
    pub skipped: Long,
    /// Whether there are more: at most 1,000 end at once. Send it again until there are none.
    pub more: bool,
    /// Where the entry lies that closes the act and lists the others.
    pub receipt: Option<Receipt>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
}

/// Corrections of the catalog.
#[derive(Default)]
pub struct CorrectionMutation;

#[Object]
impl CorrectionMutation {
    /// Destroys what an event said and never should have: a password in a SQL text, an address in a description. It is gone from every answer, at every date, and from the files; the log keeps its commitment. Names and flows stay.
    #[graphql(complexity = "50 + child_complexity")]
    async fn redact_part(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and why.")] input: RedactPartInput,
    ) -> Result<RedactPartPayload> {
        let what =
            PartToRedact { index: input.index.0, class: input.class.into(), facets: input.facets, bytes: input.bytes, alike: input.alike };
        let request = request(ctx)?;
        Ok(match request.app.redact(&request.principal, what, input.reason, retry(ctx)?).await {
            Ok(done) => RedactPartPayload {
                entries: done.entries.into_iter().map(Long).collect(),
                facets: done.facets,
                remaining: Long(done.remaining),
                next: done.next.map(Long),
                receipt: Some(done.receipt.into()),
                refusal: None,
            },
            Err(e) => RedactPartPayload {
                entries: Vec::new(),
                facets: Vec::new(),
                remaining: Long(0),
                next: None,
                receipt: None,
                refusal: Some(Refusal::expected(e)?),
            },
        })
    }

    /// Ends the life of everything in a namespace, as `retireArtifact` does for one artifact.
    #[graphql(complexity = "50 + child_complexity")]
    async fn retire_namespace(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and why.")] input: RetireNamespaceInput,
    ) -> Result<RetireNamespacePayload> {
        let request = request(ctx)?;
        let at = input.at.map(|t| t.0);
        let done = match name("input.namespace", input.namespace, String::new()) {
            Ok(name) => {
                let what = NamespaceToRetire { namespace: name.namespace.into(), at };
                request.app.retire_namespace(&request.principal, what, input.reason, retry(ctx)?).await
            }
            Err(e) => Err(AppError { pointer: e.inner().pointer.clone(), ..AppError::new(e.code(), e.inner().message.clone()) }),
        };
        Ok(match done {
            Ok(done) => RetireNamespacePayload {
                entries: done.entries.into_iter().map(Long).collect(),
                skipped: Long(done.skipped),
                more: done.more,
                receipt: Some(done.receipt.into()),
                refusal: None,
            },
            Err(e) => RetireNamespacePayload {
                entries: Vec::new(),
                skipped: Long(0),
                more: false,
                receipt: None,
                refusal: Some(Refusal::expected(e)?),
            },
        })
    }
}
