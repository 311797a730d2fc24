//! What can be asked.
use std::sync::Arc;

use async_graphql::{
    Context, ID, InputObject, Interface, Object,
    connection::{Connection, Edge},
};

use super::{
    context::{Reading, reading, request},
    cursor::{Cursor, Position},
    error::{ApiError, Result},
    events::{self, EventConnection, EventFilter, Slice},
    id::GlobalId,
    input::{ArtifactKind, ArtifactRef, AsOf, PAGE_DEFAULT, PAGE_MAX, price, run_id, size},
    raw::{LineageAnswer, Plan},
    scalar::Long,
    totals::{ArtifactTotals, TokenTotals},
    types::{
        artifact::Artifact,
        counts::LineageCounts,
        coverage::SourceCoverage,
        event::LedgerEvent,
        ledger::Ledger,
        lineage::{Answered, LineageLevel, LineageOptions, lineage_price, root_at},
        paths::{LineagePaths, PATH_NODES, PATHS_MAX},
        run::Run,
        search::{SearchFilter, SearchHitConnection, search},
        token::Token,
        viewer::Viewer,
    },
};
use crate::{
    access::Action,
    app::{AppError, Code, view::AskedAsOf},
    domain::{
        catalog::{ArtifactPage, ArtifactRef as Reference},
        lineage::{AsOf as Instant, NodeKey},
    },
    telemetry::name,
};

/// Anything with an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The id, opaque and the same on every server of an installation."))]
pub enum Node {
    Artifact(Artifact),
    Run(Run),
    LedgerEvent(LedgerEvent),
}

/// Which artifacts to list. Every member narrows.
#[derive(InputObject, Clone, Debug, Default)]
pub struct ArtifactFilter {
    /// Of these kinds.
    pub kinds: Option<Vec<ArtifactKind>>,
    /// In this namespace.
    pub namespace: Option<String>,
    /// With a name that begins so.
    pub name_prefix: Option<String>,
}

/// The root of all questions. One request reads one state of the ledger, whatever it asks for.
pub struct Query;

/// The root of all questions. One request reads one state of the ledger, whatever it asks for.
#[Object]
impl Query {
    /// Whatever has that id; none for what is unknown or hidden.
    #[graphql(complexity = "3 + child_complexity")]
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "An id of an earlier answer.")] id: ID) -> Result<Option<Node>> {
        let reading = reading(ctx).await?;
        match GlobalId::parse(&id).map_err(|e| ApiError::input("id", e.to_string()))? {
            GlobalId::Node(key) => {
                let as_of = reading.view.resolve_as_of(None).await?;
                Ok(artifact(reading, key, as_of).await?.map(Node::Artifact))
            }
            GlobalId::Run(id) => {
                let as_of = reading.view.resolve_as_of(None).await?;
                Ok(reading.run(id, as_of).await?.map(|facts| Node::Run(Run { facts, as_of })))
            }
            GlobalId::Event(index) => Ok(reading.entry(index).await?.map(|entry| Node::LedgerEvent(LedgerEvent(entry)))),
        }
    }

    /// An artifact; none for what is unknown or hidden.
    #[graphql(complexity = "3 + child_complexity")]
    async fn artifact(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "ref", desc = "Which one.")] reference: ArtifactRef,
        #[graphql(desc = "At which instant; without it now.")] as_of: Option<AsOf>,
    ) -> Result<Option<Artifact>> {
        let reading = reading(ctx).await?;
        let reference = reference.read("ref")?;
        let as_of = reading.view.resolve_as_of(as_of.map(Into::into)).await?;
        let key = match reference {
            Reference::Key(key) => Some(key),
            reference => reading.view.resolve(&[reference], as_of.size).await?.pop().flatten(),
        };
        match key {
            Some(key) => artifact(reading, key, as_of).await,
            None => Ok(None),
        }
    }

    /// The artifacts alive at an instant, sorted by namespace, name and kind. Pages go on at the instant of the first one.
    #[graphql(complexity = "5 + price(first, PAGE_DEFAULT, PAGE_MAX, child_complexity)")]
    async fn artifacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many; 20 without it, at most 200.")] first: Option<i32>,
        #[graphql(desc = "After this cursor of an earlier page.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<ArtifactFilter>,
        #[graphql(desc = "At which instant; without it now.")] as_of: Option<AsOf>,
    ) -> Result<Connection<String, Artifact, ArtifactTotals>> {
        let first = size("first", first.unwrap_or(PAGE_DEFAULT), PAGE_MAX)?;
        let reading = reading(ctx).await?;
        let key = &request(ctx)?.cursor_key;
        let cursor = after.map(|text| open(key, &text)).transpose()?;
        let (after, as_of) = match cursor {
            Some(Cursor { as_of: stood_on, position: Position::Artifact(name, kind) }) => {
                (Some((name, kind)), reading.view.resolve_as_of(Some(same_instant(stood_on, as_of)?)).await?)
            }
            Some(_) => return Err(not_of_this_list()),
            None => (None, reading.view.resolve_as_of(as_of.map(Into::into)).await?),
        };
        let filter = filter.unwrap_or_default();
        let page = ArtifactPage {
            kinds: filter.kinds.unwrap_or_default().into_iter().map(Into::into).collect(),
            namespace: filter.namespace.map(Into::into),
            name_prefix: filter.name_prefix.map(Into::into),
            after: after.clone(),
            limit: first + 1,
        };
        let mut found = reading.view.artifact_page(&page, as_of).await?;
        let more = found.len() > first;
        found.truncate(first);
        let mut connection = Connection::with_additional_fields(after.is_some(), more, ArtifactTotals { page, as_of });
        connection.edges.extend(found.into_iter().map(|facts| {
            let cursor = key.seal(&Cursor { as_of, position: Position::Artifact(facts.name.clone(), facts.kind) });
            Edge::new(cursor, Artifact { facts: Arc::new(facts), as_of })
        }));
        Ok(connection)
    }

    /// Artifacts that hold every word of a text in their names, namespaces, tags, columns or descriptions: as a whole word, as the
    /// beginning of one, or with a slip or two. The best first. It is about the latest state that `asOf` names; what
    /// changes between two pages may be missed or met twice.
    #[graphql(complexity = "20 + price(first, PAGE_DEFAULT, PAGE_MAX, child_complexity)")]
    async fn search(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is looked for: at most 512 bytes and 8 words.")] text: String,
        #[graphql(desc = "How many; 20 without it, at most 200.")] first: Option<i32>,
        #[graphql(desc = "After this cursor of an earlier page of the same search.")] after: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<SearchFilter>,
    ) -> Result<SearchHitConnection> {
        search(ctx, text, size("first", first.unwrap_or(PAGE_DEFAULT), PAGE_MAX)?, after, filter.unwrap_or_default()).await
    }

    /// The sources heard by an instant, in order of integration and producer, each with when it was heard: who reports, and who went silent. Of a token with a scope those that name something in its namespaces.
    #[graphql(complexity = "5 + price(first, PAGE_DEFAULT, PAGE_MAX, 5 + child_complexity)")]
    async fn sources(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many; 20 without it, at most 200.")] first: Option<i32>,
        #[graphql(desc = "After this cursor of an earlier page.")] after: Option<String>,
        #[graphql(desc = "At which instant; without it now.")] as_of: Option<AsOf>,
    ) -> Result<Connection<String, SourceCoverage>> {
        let first = size("first", first.unwrap_or(PAGE_DEFAULT), PAGE_MAX)?;
        let reading = reading(ctx).await?;
        let key = &request(ctx)?.cursor_key;
        let (after, as_of) = match after.map(|text| open(key, &text)).transpose()? {
            Some(Cursor { as_of: stood_on, position: Position::Source(source) }) => {
                (Some(source), reading.view.resolve_as_of(Some(same_instant(stood_on, as_of)?)).await?)
            }
            Some(_) => return Err(not_of_this_list()),
            None => (None, reading.view.resolve_as_of(as_of.map(Into::into)).await?),
        };
        let begun = after.is_some();
        let mut found = reading.view.sources(after, first + 1, as_of).await?;
        let more = found.len() > first;
        found.truncate(first);
        let mut connection = Connection::new(begun, more);
        connection.edges.extend(found.into_iter().map(|source| {
            let cursor = key.seal(&Cursor { as_of, position: Position::Source((*source.source).clone()) });
            Edge::new(cursor, SourceCoverage(source))
        }));
        Ok(connection)
    }

    /// A run; none for what is unknown or hidden.
    #[graphql(complexity = "3 + child_complexity")]
    async fn run(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "OpenLineage's runId.")] run_id: ID,
        #[graphql(desc = "At which instant; without it now.")] as_of: Option<AsOf>,
    ) -> Result<Option<Run>> {
        let reading = reading(ctx).await?;
        let id = self::run_id("runId", &run_id)?;
        let as_of = reading.view.resolve_as_of(as_of.map(Into::into)).await?;
        Ok(reading.run(id, as_of).await?.map(|facts| Run { facts, as_of }))
    }

    /// The graph around some nodes. A start that no entry names is the error `NOT_FOUND`; one that is not alive, or has no edges, is answered alone.
    #[graphql(complexity = "lineage_price(options, child_complexity)")]
    async fn lineage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where to begin.")] from: Vec<ArtifactRef>,
        #[graphql(desc = "How far to go and what to show.")] options: Option<LineageOptions>,
        #[graphql(desc = "At which instant; without it now.")] as_of: Option<AsOf>,
        #[graphql(desc = "The answer must stand on at least so many entries, or is the error `STALE`.")] min_ledger_size: Option<Long>,
    ) -> Result<LineageAnswer> {
        let reading = reading(ctx).await?;
        fresh_enough(reading, min_ledger_size)?;
        let starts = from.into_iter().enumerate().map(|(i, start)| start.read(&format!("from.{i}"))).collect::<Result<Vec<_>>>()?;
        let options = options.unwrap_or_default().read()?;
        let as_of = reading.view.resolve_as_of(as_of.map(Into::into)).await?;
        let began = std::time::Instant::now();
        let walk = reading.view.lineage(&starts, options, as_of).await?;
        metrics::histogram!(name::LINEAGE_SECONDS).record(began.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "a count of nodes, for a histogram")]
        metrics::histogram!(name::LINEAGE_NODES).record(walk.nodes.len() as f64);
        // Read here, so that the fields below need no store and come in the order asked.
        let root = match ctx.look_ahead().field("asOf").field("rootHash").exists() {
            true => Some(root_at(ctx, as_of).await?),
            false => None,
        };
        let coverage = match ctx.look_ahead().field("coverage").exists() {
            true => reading.view.coverage(&walk, as_of).await?.into_iter().map(SourceCoverage).collect(),
            false => Vec::new(),
        };
        Ok(LineageAnswer { answered: Arc::new(Answered { walk, as_of, root, coverage }), plan: Plan::of(&[ctx.field()]) })
    }

    /// How much lies around some nodes, without the nodes: for each way what `lineage` would show with the same options. Artifacts are all counted, however many, since `maxNodes` and `perNodeLimit` bound what is shown; they bound counts of columns and runs, with `collapse` or `window`, and of who may not see everything. Without options one hop each way.
    #[graphql(complexity = "100 + child_complexity")]
    async fn lineage_counts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where to begin.")] from: Vec<ArtifactRef>,
        #[graphql(desc = "How far to go and what to count.")] options: Option<LineageOptions>,
        #[graphql(desc = "At which instant; without it now.")] as_of: Option<AsOf>,
    ) -> Result<LineageCounts> {
        let reading = reading(ctx).await?;
        let starts = from.into_iter().enumerate().map(|(i, start)| start.read(&format!("from.{i}"))).collect::<Result<Vec<_>>>()?;
        let options = options.map(LineageOptions::read).transpose()?;
        let as_of = reading.view.resolve_as_of(as_of.map(Into::into)).await?;
        Ok(LineageCounts { counts: reading.view.lineage_counts(&starts, options, as_of).await?, as_of })
    }

    /// The paths that data can have taken from one node to another, the shortest first. An end that no entry names is the error `NOT_FOUND`.
    #[graphql(complexity = "100 + price(Some(first), 3, PATHS_MAX, PATH_NODES * child_complexity)")]
    async fn lineage_paths(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where the data comes from.")] from: ArtifactRef,
        #[graphql(desc = "Where it goes.")] to: ArtifactRef,
        #[graphql(default = 3, desc = "How many at most; at most 100.")] first: i32,
        #[graphql(
            default_with = "LineageLevel::Artifact",
            desc = "Through artifacts, or through columns; a dataset then means all its columns. `RUN` is an error: ask `lineage` for runs."
        )]
        level: LineageLevel,
        #[graphql(desc = "At which instant; without it now.")] as_of: Option<AsOf>,
    ) -> Result<LineagePaths> {
        let first = size("first", first, PATHS_MAX)?;
        let reading = reading(ctx).await?;
        let (from, to) = (from.read("from")?, to.read("to")?);
        let as_of = reading.view.resolve_as_of(as_of.map(Into::into)).await?;
        let paths = reading.view.lineage_paths((&from, &to), first, level.into(), as_of).await?;
        let (found, more, status, reasons) = (paths.found, paths.more, paths.status, paths.reasons);
        Ok(LineagePaths {
            all: Arc::new(Answered { walk: paths.walk, as_of, root: None, coverage: Vec::new() }),
            found,
            more,
            status,
            reasons,
        })
    }

    /// An entry of the ledger; none for what is unknown or hidden.
    #[graphql(complexity = "3 + child_complexity")]
    async fn event(&self, ctx: &Context<'_>, #[graphql(desc = "The entry's index.")] index: Long) -> Result<Option<LedgerEvent>> {
        Ok(reading(ctx).await?.entry(index.0).await?.map(LedgerEvent))
    }

    /// The entries of the ledger, in its order: the first ones, or with `last` the newest.
    #[graphql(complexity = "5 + price(first.or(last), PAGE_DEFAULT, PAGE_MAX, child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many from the beginning; 20 without it and `last`, at most 200.")] first: Option<i32>,
        #[graphql(desc = "After this cursor of an earlier page.")] after: Option<String>,
        #[graphql(desc = "How many from the end, at most 200.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor of an earlier page.")] before: Option<String>,
        #[graphql(desc = "Which ones.")] filter: Option<EventFilter>,
    ) -> Result<EventConnection> {
        events::page(ctx, Slice { first, after, last, before }, filter).await
    }

    /// The ledger, as this request reads it.
    async fn ledger(&self, ctx: &Context<'_>) -> Result<Ledger> {
        let request = request(ctx)?;
        request.app.require(&request.principal, Action::ReadLedgerHead)?;
        Ok(Ledger(reading(ctx).await?.view.head()))
    }

    /// Who is asking, and what they may do.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        Ok(Viewer(request(ctx)?.principal.clone()))
    }

    /// The tokens of this server, oldest first, never their secrets.
    #[graphql(complexity = "5 + price(first, PAGE_DEFAULT, PAGE_MAX, child_complexity)")]
    async fn tokens(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many; 20 without it, at most 200.")] first: Option<i32>,
        #[graphql(desc = "After this cursor of an earlier page.")] after: Option<String>,
    ) -> Result<Connection<String, Token, TokenTotals>> {
        let first = size("first", first.unwrap_or(PAGE_DEFAULT), PAGE_MAX)?;
        let request = request(ctx)?;
        let after = match after.map(|text| open(&request.cursor_key, &text)).transpose()? {
            Some(Cursor { position: Position::Token(at, id), .. }) => Some((at, id)),
            Some(_) => return Err(not_of_this_list()),
            None => None,
        };
        let mut tokens: Vec<_> =
            request.app.tokens(&request.principal).await?.into_iter().map(|t| ((t.created_at, Box::<str>::from(t.id.text())), t)).collect();
        tokens.sort_by(|(a, _), (b, _)| a.cmp(b));
        let totals = TokenTotals { total_count: Long(tokens.len() as u64) };
        let begun = after.is_some();
        let mut rest = tokens.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after)).peekable();
        let as_of = Instant { valid_at: crate::domain::time::DAWN, size: request.app.ledger_size() };
        let page: Vec<_> = rest.by_ref().take(first).collect();
        let mut connection = Connection::with_additional_fields(begun, rest.peek().is_some(), totals);
        connection.edges.extend(page.into_iter().map(|((at, id), token)| {
            Edge::new(request.cursor_key.seal(&Cursor { as_of, position: Position::Token(at, id) }), Token::from(token))
        }));
        Ok(connection)
    }
}

async fn artifact(reading: &Reading, key: NodeKey, as_of: Instant) -> Result<Option<Artifact>> {
    Ok(reading.artifact(key, as_of).await?.map(|facts| Artifact { facts, as_of }))
}

pub(super) fn open(key: &super::cursor::CursorKey, text: &str) -> Result<Cursor> {
    key.open(text).map_err(|e| ApiError::input("after", e.to_string()))
}

pub(super) fn not_of_this_list() -> ApiError {
    ApiError::input("after", super::cursor::NotACursor.to_string())
}

/// A later page stands on the instant of the first one; asking for another one
/// with the same cursor contradicts itself.
fn same_instant(stood_on: Instant, asked: Option<AsOf>) -> Result<AskedAsOf> {
    let asked = AskedAsOf::from(asked.unwrap_or_default());
    let other = asked.valid_at.is_some_and(|t| t != stood_on.valid_at) || asked.ledger_size.is_some_and(|n| n != stood_on.size);
    if other {
        return Err(ApiError::input("asOf", "the cursor in `after` stands on another instant; leave `asOf` out, or begin anew"));
    }
    Ok(AskedAsOf { valid_at: Some(stood_on.valid_at), ledger_size: Some(stood_on.size) })
}

fn fresh_enough(reading: &Reading, min: Option<Long>) -> Result<()> {
    let size = reading.view.head().size;
    match min {
        Some(Long(min)) if min > size => {
            Err(AppError::new(Code::Stale, format!("the ledger has {size} entries, at least {min} were asked for"))
                .at("minLedgerSize")
                .into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::graphql::scalar::DateTime, domain::time::Micros};

    #[test]
    fn a_page_goes_on_at_the_instant_of_its_cursor() {
        let stood_on = Instant { valid_at: Micros(5), size: 7 };
        let same = |asked| same_instant(stood_on, asked).map(|a| (a.valid_at, a.ledger_size)).map_err(|e| e.code());
        let expected = Ok((Some(Micros(5)), Some(7)));
        assert_eq!(same(None), expected);
        assert_eq!(same(Some(AsOf { valid_at: Some(DateTime(Micros(5))), ledger_size: None })), expected);
        assert_eq!(same(Some(AsOf { valid_at: None, ledger_size: Some(Long(7)) })), expected);
        assert_eq!(same(Some(AsOf { valid_at: None, ledger_size: Some(Long(8)) })), Err(Code::BadUserInput));
        assert_eq!(same(Some(AsOf { valid_at: Some(DateTime(Micros(6))), ledger_size: Some(Long(7)) })), Err(Code::BadUserInput));
    }
}
