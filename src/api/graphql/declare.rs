//! Declarations: what no integration reports, stated through the API.
use async_graphql::{Context, InputObject, Object, SimpleObject};

use super::{
    context::request,
    error::Result,
    input::{ArtifactRef, KindRef, NameRef, name},
    mutation::{Refusal, retry},
    scalar::{DateTime, JsonObject},
    types::{ledger::Receipt, lineage::FlowKind},
};
use crate::{
    app::{
        AppError,
        declare::{Declaration, DeclaredOwner, DeclaredTag, Statement},
    },
    domain::name::Name,
};

/// An artifact to register.
#[derive(InputObject)]
pub struct RegisterArtifactInput {
    /// Its kind and name; no columns and no runs.
    pub artifact: KindRef,
    /// What it is: any JSON object. Its hash is the SHA-256 of its canonical form (RFC 8785), people's e-mail addresses replaced by their handles.
    pub definition: JsonObject,
    /// Why it is registered.
    pub reason: String,
}

/// A new version of an artifact.
#[derive(InputObject)]
pub struct RecordArtifactVersionInput {
    /// Which artifact.
    pub artifact: ArtifactRef,
    /// What it is from now on, whole.
    pub definition: JsonObject,
    /// Why it was changed.
    pub reason: String,
}

/// Somebody responsible.
#[derive(InputObject)]
pub struct OwnerInput {
    /// A person's e-mail address or name. It goes to the vault; everywhere else stands a handle.
    pub name: String,
    /// As what, such as `MAINTAINER`.
    pub role: Option<String>,
}

/// Who is responsible.
#[derive(InputObject)]
pub struct SetOwnersInput {
    /// For which artifact.
    pub artifact: ArtifactRef,
    /// All of them; an empty list declares that nobody is.
    pub owners: Vec<OwnerInput>,
    /// Why it changes.
    pub reason: String,
}

/// A tag.
#[derive(InputObject)]
pub struct TagInput {
    /// The key.
    pub key: String,
    /// The value.
    #[graphql(default)]
    pub value: String,
    /// The column that it is on; without it the whole artifact.
    pub field: Option<String>,
}

/// The tags of an artifact.
#[derive(InputObject)]
pub struct SetTagsInput {
    /// Of which artifact.
    pub artifact: ArtifactRef,
    /// All of them.
    pub tags: Vec<TagInput>,
    /// Why they change.
    pub reason: String,
}

/// Flows of a job, as a person knows them.
#[derive(InputObject)]
pub struct AssertFlowsInput {
    /// The job: whatever moves the data, also by hand.
    pub job: NameRef,
    /// Datasets that it reads.
    #[graphql(default)]
    pub inputs: Vec<NameRef>,
    /// Datasets that it writes.
    #[graphql(default)]
    pub outputs: Vec<NameRef>,
    /// Who vouches for it: a person's e-mail address or name, kept as a handle.
    pub owner: String,
    /// When it should be looked at again.
    pub review_at: DateTime,
    /// How it is known.
    pub reason: String,
}

/// A declared flow to end.
#[derive(InputObject)]
pub struct EndFlowInput {
    /// The job that it was declared of.
    pub job: NameRef,
    /// The dataset at its other end.
    pub dataset: NameRef,
    /// `USED`: the job no longer reads it. `WAS_GENERATED_BY`: it no longer writes it.
    pub kind: FlowKind,
    /// Why it ends.
    pub reason: String,
}

/// An artifact whose life ends.
#[derive(InputObject)]
pub struct RetireArtifactInput {
    /// Which one.
    pub artifact: ArtifactRef,
    /// Why it is retired.
    pub reason: String,
}

/// What came of it: exactly one of `receipt` and `refusal`.
#[derive(SimpleObject)]
pub struct RegisterArtifactPayload {
    /// Where the act's entry lies.
    pub receipt: Option<Receipt>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
}

/// What came of it: exactly one of `receipt` and `refusal`.
#[derive(SimpleObject)]
pub struct RecordArtifactVersionPayload {
    /// Where the act's entry lies.
    pub receipt: Option<Receipt>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
}

/// What came of it: exactly one of `receipt` and `refusal`.
#[derive(SimpleObject)]
pub struct SetOwnersPayload {
    /// Where the act's entry lies.
    pub receipt: Option<Receipt>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
}

/// What came of it: exactly one of `receipt` and `refusal`.
#[derive(SimpleObject)]
pub struct SetTagsPayload {
    /// Where the act's entry lies.
    pub receipt: Option<Receipt>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
}

/// What came of it: exactly one of `receipt` and `refusal`.
#[derive(SimpleObject)]
pub struct AssertFlowsPayload {
    /// Where the act's entry lies.
    pub receipt: Option<Receipt>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
}

/// What came of it: exactly one of `receipt` and `refusal`.
#[derive(SimpleObject)]
pub struct EndFlowPayload {
    /// Where the act's entry lies.
    pub receipt: Option<Receipt>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
}

/// What came of it: exactly one of `receipt` and `refusal`.
#[derive(SimpleObject)]
pub struct RetireArtifactPayload {
    /// Where the act's entry lies.
    pub receipt: Option<Receipt>,
    /// Why it was not done.
    pub refusal: Option<Refusal>,
}

fn named(argument: &str, n: NameRef) -> Result<Name> {
    name(argument, n.namespace, n.name)
}

fn all_named(argument: &str, list: Vec<NameRef>) -> Result<Vec<Name>> {
    list.into_iter().map(|n| named(argument, n)).collect()
}

impl RegisterArtifactInput {
    fn read(self) -> Result<Declaration> {
        let name = name("input.artifact", self.artifact.namespace, self.artifact.name)?;
        Ok(Declaration::Register { kind: self.artifact.kind.into(), name, definition: self.definition.0 })
    }
}

impl RecordArtifactVersionInput {
    fn read(self) -> Result<Declaration> {
        Ok(Declaration::Version { artifact: self.artifact.read("input.artifact")?, definition: self.definition.0 })
    }
}

impl SetOwnersInput {
    fn read(self) -> Result<Declaration> {
        let owners = self.owners.into_iter().map(|o| DeclaredOwner { name: o.name, role: o.role }).collect();
        Ok(Declaration::Owners { artifact: self.artifact.read("input.artifact")?, owners })
    }
}

impl SetTagsInput {
    fn read(self) -> Result<Declaration> {
        let tags = self.tags.into_iter().map(|t| DeclaredTag { key: t.key, value: t.value, field: t.field }).collect();
        Ok(Declaration::Tags { artifact: self.artifact.read("input.artifact")?, tags })
    }
}

impl AssertFlowsInput {
    fn read(self) -> Result<Declaration> {
        Ok(Declaration::Flows {
            job: named("input.job", self.job)?,
            inputs: all_named("input.inputs", self.inputs)?,
            outputs: all_named("input.outputs", self.outputs)?,
            owner: self.owner,
            review_at: self.review_at.0,
        })
    }
}

impl EndFlowInput {
    fn read(self) -> Result<Declaration> {
        let output = match self.kind {
            FlowKind::Used => false,
            FlowKind::WasGeneratedBy => true,
            FlowKind::WasDerivedFrom => {
                let message = "`WAS_DERIVED_FROM` follows from what jobs read and write; end one of these";
                return Err(AppError::bad_input(message).at("input.kind").into());
            }
        };
        Ok(Declaration::EndFlow { job: named("input.job", self.job)?, dataset: named("input.dataset", self.dataset)?, output })
    }
}

impl RetireArtifactInput {
    fn read(self) -> Result<Declaration> {
        Ok(Declaration::Retire { artifact: self.artifact.read("input.artifact")? })
    }
}

/// Records a declaration: what came of it is a receipt or a refusal.
async fn declare(ctx: &Context<'_>, reason: String, what: Result<Declaration>) -> Result<(Option<Receipt>, Option<Refusal>)> {
    let request = request(ctx)?;
    let retry = retry(ctx)?;
    let done = match what {
        Ok(what) => request.app.declare(&request.principal, what, Statement { reason, retry }).await,
        Err(e) => Err(AppError { pointer: e.inner().pointer.clone(), ..AppError::new(e.code(), e.inner().message.clone()) }),
    };
    Ok(match done {
        Ok(receipt) => (Some(receipt.into()), None),
        Err(e) => (None, Some(Refusal::expected(e)?)),
    })
}

/// Acts on the catalog.
#[derive(Default)]
pub struct CatalogMutation;

#[Object]
impl CatalogMutation {
    /// Registers an artifact of any kind with its definition.
    #[graphql(complexity = "50 + child_complexity")]
    async fn register_artifact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and why.")] input: RegisterArtifactInput,
    ) -> Result<RegisterArtifactPayload> {
        let reason = input.reason.clone();
        let done = declare(ctx, reason, input.read()).await?;
        Ok(RegisterArtifactPayload { receipt: done.0, refusal: done.1 })
    }

    /// Records a new version of an artifact's definition.
    #[graphql(complexity = "50 + child_complexity")]
    async fn record_artifact_version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and why.")] input: RecordArtifactVersionInput,
    ) -> Result<RecordArtifactVersionPayload> {
        let reason = input.reason.clone();
        let done = declare(ctx, reason, input.read()).await?;
        Ok(RecordArtifactVersionPayload { receipt: done.0, refusal: done.1 })
    }

    /// Says who is responsible for an artifact. Replaces the owners declared before, not those whom integrations report.
    #[graphql(complexity = "50 + child_complexity")]
    async fn set_owners(&self, ctx: &Context<'_>, #[graphql(desc = "What, and why.")] input: SetOwnersInput) -> Result<SetOwnersPayload> {
        let reason = input.reason.clone();
        let done = declare(ctx, reason, input.read()).await?;
        Ok(SetOwnersPayload { receipt: done.0, refusal: done.1 })
    }

    /// Sets the tags of an artifact. Replaces the tags declared before, not those that integrations report.
    #[graphql(complexity = "50 + child_complexity")]
    async fn set_tags(&self, ctx: &Context<'_>, #[graphql(desc = "What, and why.")] input: SetTagsInput) -> Result<SetTagsPayload> {
        let reason = input.reason.clone();
        let done = declare(ctx, reason, input.read()).await?;
        Ok(SetTagsPayload { receipt: done.0, refusal: done.1 })
    }

    /// Declares what a job reads and writes, beside what was declared of it before. Somebody vouches for it until a review.
    #[graphql(complexity = "50 + child_complexity")]
    async fn assert_flows(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and why.")] input: AssertFlowsInput,
    ) -> Result<AssertFlowsPayload> {
        let reason = input.reason.clone();
        let done = declare(ctx, reason, input.read()).await?;
        Ok(AssertFlowsPayload { receipt: done.0, refusal: done.1 })
    }

    /// Ends a declared flow.
    #[graphql(complexity = "50 + child_complexity")]
    async fn end_flow(&self, ctx: &Context<'_>, #[graphql(desc = "What, and why.")] input: EndFlowInput) -> Result<EndFlowPayload> {
        let reason = input.reason.clone();
        let done = declare(ctx, reason, input.read()).await?;
        Ok(EndFlowPayload { receipt: done.0, refusal: done.1 })
    }

    /// Ends an artifact's life, for every source. A later event that names it begins another one.
    #[graphql(complexity = "50 + child_complexity")]
    async fn retire_artifact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and why.")] input: RetireArtifactInput,
    ) -> Result<RetireArtifactPayload> {
        let reason = input.reason.clone();
        let done = declare(ctx, reason, input.read()).await?;
        Ok(RetireArtifactPayload { receipt: done.0, refusal: done.1 })
    }
}
