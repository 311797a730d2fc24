//! Subscriptions: the same document executed page after page, each page by a
//! context of its own, so that each stands on what is committed by then, under
//! the rights of then, and with loaders that end with it.
use std::sync::Arc;

use async_graphql::{Request, Response, Variables, parser::types::ExecutableDocument};
use futures::{Stream, StreamExt as _};

use super::{Executor, Kind, Operation, chosen, kind};
use crate::api::graphql::{context::RequestContext, error, order::order, subscription::Feed};

/// A subscription that was read and checked against the limits.
pub struct Live {
    query: String,
    name: Option<String>,
    variables: Variables,
    document: ExecutableDocument,
}

impl Executor {
    /// The operation as a subscription.
    ///
    /// # Errors
    /// The operation itself, when it is something else or wrong: then it is for
    /// [`Executor::execute`].
    pub fn live(&self, operation: Operation) -> Result<Live, Operation> {
        match self.read(&operation) {
            Ok((query, document)) if kind(&document, operation.name.as_deref()) == Some(Kind::Subscription) => {
                let Operation { name, variables, .. } = operation;
                Ok(Live { query, name, variables, document })
            }
            _ => Err(operation),
        }
    }

    /// What there is now, from where `feed` stands; moves it on.
    pub fn page<'a>(
        &'a self,
        live: &'a Live,
        context: &Arc<RequestContext>,
        feed: &Arc<Feed>,
        correlation_id: &'a str,
    ) -> impl Stream<Item = Response> + Unpin + 'a {
        let mut request = Request::new(&live.query).variables(live.variables.clone()).data(context.clone()).data(feed.clone());
        request.operation_name.clone_from(&live.name);
        request.set_parsed_query(live.document.clone());
        self.schema.execute_stream(request).map(|mut response| {
            if let Some(operation) = chosen(&live.document, live.name.as_deref()) {
                order(&mut response.data, operation, &live.document);
            }
            self.vocabulary.mask_errors(&mut response.errors);
            error::finish(&mut response.errors, correlation_id, self.settings.complexity_max);
            response
        })
    }
}
