//! What can be watched: the entries of the ledger, as they are committed.
use std::sync::Arc;

use async_graphql::{Context, Subscription as Subscribable};
use futures::{Stream, stream};
use parking_lot::Mutex;

use super::{
    context::reading,
    error::{ApiError, Result},
    events::EventFilter,
    scalar::Long,
    types::event::LedgerEvent,
};
use crate::{
    app::{AppError, Code},
    domain::{catalog::EntryPage, id::EntryIndex},
};

/// Entries of one page: what one subscriber makes the server hold at most.
const PAGE: usize = 16;

/// How far a subscription is: the entry that is looked at next.
#[derive(Debug, Default)]
pub struct Feed(Mutex<Option<EntryIndex>>);

impl Feed {
    /// `None` before the first page.
    #[must_use]
    pub fn next(&self) -> Option<EntryIndex> {
        *self.0.lock()
    }
}

/// The root of all that can be watched.
pub struct Subscription;

/// The root of all that can be watched.
#[Subscribable]
impl Subscription {
    /// The entries of the ledger in its order, each once: those after an index, then those that are committed from now on. A client that lost its connection goes on with the index of the last entry it got.
    #[graphql(complexity = "5 + PAGE * child_complexity")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Begin after the entry of this index; without it with the next one that is committed. Beyond the last entry it is the error `STALE`."
        )]
        after: Option<Long>,
        #[graphql(desc = "Which ones.")] filter: Option<EventFilter>,
    ) -> Result<impl Stream<Item = LedgerEvent> + use<>> {
        let feed = ctx.data_opt::<Arc<Feed>>().ok_or_else(ApiError::internal)?;
        let view = &reading(ctx).await?.view;
        let size = view.head().size;
        let next = match (feed.next(), after) {
            (Some(next), _) => next,
            (None, None) => size,
            (None, Some(Long(after))) if after < size => after + 1,
            (None, Some(Long(after))) => {
                let stale = format!("the ledger has {size} entries, so there is none with index {after} yet");
                return Err(AppError::new(Code::Stale, stale).at("after").into());
            }
        };
        let page = EntryPage { after: next.checked_sub(1), ..filter.unwrap_or_default().page(PAGE)? };
        let found = view.entry_page(&page).await?;
        let reached = found.last().filter(|_| found.len() == PAGE).map_or(size, |last| last.index + 1);
        *feed.0.lock() = Some(reached);
        Ok(stream::iter(found.into_iter().map(|entry| LedgerEvent(Arc::new(entry)))))
    }
}
