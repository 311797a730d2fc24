//! Subscriptions and other operations over WebSocket, against a real server.
pub mod client;
mod documents;
mod feed;
mod protocol;
mod restart;

use ledgerline::api::http::HttpSettings;

use crate::api::stand::Stand;

/// A server with settings; its connections are closed before it is.
pub struct Served {
    pub stand: Stand,
    pub sockets: std::sync::Arc<ledgerline::api::http::socket::Sockets>,
}

impl Served {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut HttpSettings)) -> Self {
        let mut sockets = None;
        let stand = Stand::with(
            |_| {},
            |settings| {
                change(settings);
                sockets = Some(settings.sockets.clone());
            },
        );
        Self { stand, sockets: sockets.unwrap() }
    }

    /// Waits until no connection is open.
    pub async fn emptied(&self) {
        let mut open = self.sockets.watch();
        tokio::time::timeout(std::time::Duration::from_secs(60), open.wait_for(|n| *n == 0)).await.unwrap().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.sockets.drain();
    }
}

pub const EVENTS: &str =
    "subscription Feed($after: Long, $types: [String!]) { events(after: $after, filter: {types: $types}) { index type } }";
