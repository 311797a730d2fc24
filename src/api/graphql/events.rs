//! Pages of entries, and what narrows them.
use std::sync::Arc;

use async_graphql::{
    Context, ID, InputObject, Object,
    connection::{Connection, Edge},
};

use super::{
    context::{reading, request},
    cursor::{Cursor, NotACursor, Position},
    error::{ApiError, Result},
    input::{ArtifactRef, PAGE_DEFAULT, PAGE_MAX, size},
    scalar::{DateTime, Long},
    types::event::LedgerEvent,
};
use crate::domain::{
    catalog::{ArtifactRef as Reference, EntryPage},
    id::{EntryIndex, Handle},
};

/// Which entries to list. Every member narrows. The time of recording is looked up; by the other members whole blocks of 1,024 entries are passed over at the price of one look, some microseconds.
#[derive(InputObject, Clone, Debug, Default)]
pub struct EventFilter {
    /// Of these types, such as `openlineage.run.v1`.
    pub types: Option<Vec<String>>,
    /// Sent by a token of these integrations.
    pub integrations: Option<Vec<String>>,
    /// Done by these actors, by handle.
    pub actors: Option<Vec<ID>>,
    /// Of these sources, as `SourceCoverage.source` and `FlowAssertion.source` show them.
    pub sources: Option<Vec<String>>,
    /// That name one of these artifacts by this name, other than as a run's parent. A column means its dataset; runs list their own events.
    pub artifacts: Option<Vec<ArtifactRef>>,
    /// About this instant or a later one: the event's own time.
    pub time_from: Option<DateTime>,
    /// About an instant before this one.
    pub time_until: Option<DateTime>,
    /// Recorded at this instant or later.
    pub recorded_from: Option<DateTime>,
    /// Recorded before this instant.
    pub recorded_until: Option<DateTime>,
}

impl EventFilter {
    /// A page of what the filter lets through, from the first entry on.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for actors that are no handles and references that name no artifact.
    pub fn page(self, limit: usize) -> Result<EntryPage> {
        let texts = |texts: Option<Vec<String>>| texts.unwrap_or_default().into_iter().map(Into::into).collect();
        let handle = |id: ID| Handle::parse(&id).ok_or_else(|| ApiError::input("filter.actors", "not the handle of an actor"));
        let artifacts = self.artifacts.unwrap_or_default().into_iter().enumerate().map(|(i, artifact)| {
            let argument = format!("filter.artifacts.{i}");
            match artifact.read(&argument)? {
                Reference::Run(_) => Err(ApiError::input(&argument, "a run lists its events itself: `run { events }`")),
                reference => Ok(reference),
            }
        });
        Ok(EntryPage {
            artifacts: artifacts.collect::<Result<_>>()?,
            sources: texts(self.sources),
            time_from: self.time_from.map(|t| t.0),
            time_until: self.time_until.map(|t| t.0),
            event_types: texts(self.types),
            integrations: texts(self.integrations),
            actors: self.actors.unwrap_or_default().into_iter().map(handle).collect::<Result<_>>()?,
            recorded_from: self.recorded_from.map(|t| t.0),
            recorded_until: self.recorded_until.map(|t| t.0),
            limit,
            ..EntryPage::default()
        })
    }
}

/// Where a page of entries lies, in Relay's words.
pub struct Slice {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
}

/// What a page says of all pages.
pub struct EventTotals(EntryPage);

/// What a page says of all pages.
#[Object]
impl EventTotals {
    /// How many entries the filter lets through on all pages. Counted only where it is asked for: at once without a filter, with one at the price of a look at each 1,024 entries of the ledger.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<Long> {
        Ok(Long(reading(ctx).await?.view.entry_count(&self.0).await?))
    }
}

/// A page of entries.
pub type EventConnection = Connection<String, LedgerEvent, EventTotals>;

/// A page of entries.
///
/// # Errors
/// `BAD_USER_INPUT` for sizes and cursors that are none, and for `first` and `last` together.
pub async fn page(ctx: &Context<'_>, slice: Slice, filter: Option<EventFilter>) -> Result<EventConnection> {
    let Slice { first, after, last, before } = slice;
    let (limit, backwards) = match (first, last) {
        (Some(_), Some(_)) => return Err(ApiError::input("last", "`first` and `last` exclude each other")),
        (None, Some(last)) => (size("last", last, PAGE_MAX)?, true),
        (first, None) => (size("first", first.unwrap_or(PAGE_DEFAULT), PAGE_MAX)?, false),
    };
    let reading = reading(ctx).await?;
    let key = &request(ctx)?.cursor_key;
    let position = |argument: &str, text: Option<String>| -> Result<Option<EntryIndex>> {
        match text.map(|text| key.open(&text)).transpose() {
            Ok(None) => Ok(None),
            Ok(Some(Cursor { position: Position::Event(index), .. })) => Ok(Some(index)),
            Ok(Some(_)) => Err(ApiError::input(argument, NotACursor.to_string())),
            Err(e) => Err(ApiError::input(argument, e.to_string())),
        }
    };
    let (after, before) = (position("after", after)?, position("before", before)?);
    let page = EntryPage { after, before, backwards, ..filter.unwrap_or_default().page(limit + 1)? };
    let as_of = reading.view.resolve_as_of(None).await?;
    let mut found = reading.view.entry_page(&page).await?;
    let more = found.len() > limit;
    if more && backwards {
        found.remove(0);
    }
    found.truncate(limit);
    let (previous, next) = if backwards { (more, before.is_some()) } else { (after.is_some(), more) };
    let mut connection = Connection::with_additional_fields(previous, next, EventTotals(page));
    connection.edges.extend(found.into_iter().map(|entry| {
        let cursor = key.seal(&Cursor { as_of, position: Position::Event(entry.index) });
        Edge::new(cursor, LedgerEvent(Arc::new(entry)))
    }));
    Ok(connection)
}
