//! One operation of a connection, from `subscribe` to `complete` or `error`.
use std::{rc::Rc, sync::Arc, time::Duration};

use actix_web::web::Data;
use actix_ws::Session;
use async_graphql::{Response, Value};
use futures::StreamExt as _;

use super::{super::Shared, message};
use crate::{
    access::{Principal, TokenDigest},
    api::graphql::{
        CursorKey,
        context::RequestContext,
        execute::{Operation, live::Live, refusal},
        response::is_request_error,
        subscription::Feed,
    },
    app::{App, AppError, tokens::Standing},
    telemetry::name,
};

/// Why a connection ends.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// With a close frame: a code and a reason.
    Close(u16, String),
    /// Without one: the client is away, or does not take what it is sent.
    Away,
}

impl End {
    pub fn close(code: u16, reason: &str) -> Self {
        Self::Close(code, reason.to_owned())
    }

    pub fn unauthorized() -> Self {
        Self::close(4401, "Unauthorized")
    }

    pub fn forbidden() -> Self {
        Self::close(4403, "Forbidden")
    }
}

/// The way to the client. What is not taken in time is not kept: the connection ends.
#[derive(Clone)]
pub struct Out {
    pub session: Session,
    pub timeout: Duration,
}

impl Out {
    /// Says something.
    ///
    /// # Errors
    /// [`End::Away`].
    pub async fn say(&mut self, text: impl Into<String>) -> Result<(), End> {
        let text: String = text.into();
        match tokio::time::timeout(self.timeout, self.session.text(text)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Away),
        }
    }

    /// Answers or asks whether the other side is there (RFC 6455 5.5).
    ///
    /// # Errors
    /// [`End::Away`].
    pub async fn control(&mut self, ping: bool, bytes: &[u8]) -> Result<(), End> {
        let said = async { if ping { self.session.ping(bytes).await } else { self.session.pong(bytes).await } };
        match tokio::time::timeout(self.timeout, said).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Away),
        }
    }
}

/// The token's holder as of now.
///
/// # Errors
/// 4401 for a token that has expired, 4403 for one that was revoked.
pub fn holder(app: &App, caller: &TokenDigest) -> Result<Arc<Principal>, End> {
    match app.standing(caller) {
        Standing::Good(principal) => Ok(principal),
        Standing::Expired => Err(End::unauthorized()),
        Standing::Gone => Err(End::forbidden()),
    }
}

/// What an operation needs.
pub struct Run {
    pub shared: Data<Shared>,
    pub app: Arc<App>,
    pub out: Out,
    pub caller: TokenDigest,
    pub correlation: Rc<str>,
    pub id: String,
}

impl Run {
    /// Runs it to its end.
    ///
    /// # Errors
    /// What ends the whole connection.
    pub async fn run(mut self, operation: Operation) -> Result<(), End> {
        match self.shared.clone().executor.live(operation) {
            Ok(live) => self.feed(&live).await,
            Err(operation) => self.once(operation).await,
        }
    }

    fn context(&self) -> Result<Arc<RequestContext>, End> {
        let principal = holder(&self.app, &self.caller)?;
        let key = CursorKey::new(&self.app.key("cursors"));
        Ok(Arc::new(RequestContext::new(self.app.clone(), principal, key, None)))
    }

    /// A query or mutation, as over HTTP.
    async fn once(&mut self, operation: Operation) -> Result<(), End> {
        let context = self.context()?;
        let shared = self.shared.clone();
        let response = match shared.executor.execute(operation, &context, &self.correlation, |_| true).await {
            Ok(response) => response,
            Err(_) => refusal(AppError::bad_input("the operation is of no known kind"), &self.correlation),
        };
        count(&response);
        if is_request_error(&response) {
            return self.out.say(message::error(&self.id, &response)).await;
        }
        self.out.say(message::next(&self.id, &response)).await?;
        self.out.say(message::complete(&self.id)).await
    }

    /// A subscription: page after page as long as entries come, each by a reading
    /// and with rights of its own. No more than one page is held.
    async fn feed(&mut self, live: &Live) -> Result<(), End> {
        let shared = self.shared.clone();
        let feed = Arc::new(Feed::default());
        let mut head = self.app.watch_head();
        loop {
            // What is committed from here on is noticed below.
            head.mark_unchanged();
            let context = self.context()?;
            let mut page = shared.executor.page(live, &context, &feed, &self.correlation);
            while let Some(response) = page.next().await {
                count(&response);
                if matches!(response.data, Value::Null) && !response.errors.is_empty() {
                    return self.out.say(message::error(&self.id, &response)).await;
                }
                self.out.say(message::next(&self.id, &response)).await?;
            }
            if feed.next().is_none_or(|next| next >= self.app.ledger_size()) && head.changed().await.is_err() {
                return Err(End::close(1001, "Going away"));
            }
        }
    }
}

fn count(response: &Response) {
    let outcome = if response.is_ok() { "ok" } else { "errors" };
    metrics::counter!(name::GRAPHQL_OPERATIONS, "outcome" => outcome).increment(1);
}
