//! `graphql-transport-ws` over WebSocket: subscriptions, and queries and mutations
//! as over HTTP. The protocol is the one of `graphql-ws` (its `PROTOCOL.md`); each
//! file below is one part of it.
mod connection;
mod message;
mod operation;

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};
use tokio::sync::watch;

use self::connection::Connection;
use super::{
    Shared,
    answer::{Failure, Outcome, correlation_id},
    auth,
};
use crate::{app::AppError, telemetry::name};

/// The sub-protocol.
const PROTOCOL: &str = "graphql-transport-ws";

/// What bounds connections; the names are those of the configuration's section `websocket`.
#[derive(Clone, Debug)]
pub struct SocketSettings {
    /// Connections of the whole server.
    pub connections_max: usize,
    /// Operations that one connection may have under way.
    pub operations_max: usize,
    /// Bytes of one message.
    pub message_bytes_max: usize,
    /// How long a connection may take to initialise.
    pub init_timeout: Duration,
    /// How long a client may take to take what it is sent.
    pub send_timeout: Duration,
    /// How often the client is pinged, and its token looked at again.
    pub ping_every: Duration,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self {
            connections_max: 1_000,
            operations_max: 20,
            message_bytes_max: 1 << 20,
            init_timeout: Duration::from_secs(3),
            send_timeout: Duration::from_secs(10),
            ping_every: Duration::from_secs(20),
        }
    }
}

/// The server's open connections, over all its workers.
#[derive(Debug)]
pub struct Sockets {
    open: watch::Sender<usize>,
    draining: watch::Sender<bool>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { open: watch::Sender::new(0), draining: watch::Sender::new(false) }
    }
}

impl Sockets {
    /// How many connections are open, and when that changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<usize> {
        self.open.subscribe()
    }

    /// Closes every connection with 1001, and takes no more.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// A place for one more connection, unless `max` are open.
    fn enter(self: &Arc<Self>, max: usize) -> Option<Place> {
        let entered = self.open.send_if_modified(|open| {
            let room = *open < max;
            *open += usize::from(room);
            room
        });
        entered.then(|| {
            metrics::gauge!(name::SOCKETS).increment(1);
            Place(self.clone())
        })
    }
}

/// One open connection.
struct Place(Arc<Sockets>);

impl Drop for Place {
    fn drop(&mut self) {
        metrics::gauge!(name::SOCKETS).decrement(1);
        self.0.open.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// Whether a request asks for a WebSocket.
#[must_use]
pub(super) fn asked_for(request: &actix_web::guard::GuardContext<'_>) -> bool {
    let upgrade = request.head().headers().get(header::UPGRADE).and_then(|v| v.to_str().ok());
    upgrade.is_some_and(|v| v.split(',').any(|p| p.trim().eq_ignore_ascii_case("websocket")))
}

/// `GET /graphql` with an upgrade. A token in the header is checked before the
/// connection is made; without one the client shows it by `connection_init`.
pub(super) async fn upgrade(request: HttpRequest, payload: Payload, shared: Data<Shared>) -> Outcome {
    Outcome(upgraded(&request, payload, &shared))
}

fn upgraded(request: &HttpRequest, payload: Payload, shared: &Data<Shared>) -> Result<HttpResponse, Failure> {
    let app = shared.cell.app()?.clone();
    let caller = if auth::is_anonymous(request) { None } else { Some(auth::credential(request, &app)?) };
    let settings = &shared.settings.socket;
    let sockets = &shared.settings.sockets;
    if *sockets.draining.borrow() {
        return Err(AppError::unavailable("the server is stopping; try again", 1).into());
    }
    let place = sockets
        .enter(settings.connections_max)
        .ok_or_else(|| AppError::unavailable("the server has as many connections as `websocket.connections_max` permits; try again", 5))?;
    let (response, session, stream) = actix_ws::handle_with_protocols(request, payload, &[PROTOCOL])
        .map_err(|_| Failure::malformed("the request is no WebSocket handshake (RFC 6455)"))?;
    let spoken = response.headers().contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    let stream =
        stream.max_frame_size(settings.message_bytes_max).aggregate_continuations().max_continuation_size(settings.message_bytes_max);
    let connection = Connection::new(shared.clone(), app, session, caller, correlation_id(request));
    let draining = sockets.draining.subscribe();
    actix_web::rt::spawn(async move {
        connection.run(stream, draining, spoken).await;
        drop(place);
    });
    Ok(response)
}
