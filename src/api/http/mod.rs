//! The HTTP server: routes, and what surrounds every request. Each file below is
//! one group of resources or one concern.
mod answer;
mod auth;
mod body;
mod graphql;
mod health;
mod ingest;
mod ledger;
mod media;
mod page;
pub mod socket;
mod surround;

use std::{
    io,
    net::TcpListener,
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_web::{
    App as Actix, HttpServer, Resource,
    dev::Server,
    guard,
    middleware::{Compress, from_fn},
    web,
};

use self::{
    answer::Failure,
    socket::{SocketSettings, Sockets},
};
use super::graphql::{Executor, GraphqlSettings};
use crate::{
    app::{App, AppError, Readiness},
    clock::Ambient,
    telemetry::Metrics,
};

/// What the server is told.
#[derive(Clone)]
pub struct HttpSettings {
    /// Worker threads; 0: one a core.
    pub workers: usize,
    /// Connections that each worker holds at once.
    pub connections_max: usize,
    /// How long an idle connection is kept.
    pub keep_alive: Duration,
    /// How long a request's head may take.
    pub head_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long requests in flight may finish once the server is told to stop.
    pub drain: Duration,
    pub graphql: GraphqlSettings,
    pub socket: SocketSettings,
    /// The open WebSocket connections.
    pub sockets: Arc<Sockets>,
    /// Under `application/graphql-response+json`, 422 instead of 400 for a well-formed
    /// request that does not fit the schema: wrong parameters, validation, coercion.
    /// GraphQL over HTTP's draft of August 2026 wants it; its audits before do not.
    pub unprocessable_content: bool,
    /// There too, 294 instead of 200 for data with errors beside them. The same draft
    /// wants it; not every proxy lets it through.
    pub partial_success: bool,
    /// What `/metrics` shows; `None`: there is no such page.
    pub metrics: Option<Metrics>,
    /// Whether `/metrics` answers without a token.
    pub metrics_public: bool,
    pub ambient: Ambient,
}

impl HttpSettings {
    /// Everything by default.
    #[must_use]
    pub fn new(ambient: Ambient) -> Self {
        Self {
            workers: 0,
            connections_max: 10_000,
            keep_alive: Duration::from_secs(75),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            graphql: GraphqlSettings::default(),
            socket: SocketSettings::default(),
            sockets: Arc::default(),
            unprocessable_content: false,
            partial_success: false,
            metrics: None,
            metrics_public: true,
            ambient,
        }
    }
}

/// The application, once it is there: the server listens, and says that it is not
/// ready, while the store loads.
#[derive(Clone, Default)]
pub struct AppCell(Arc<OnceLock<Arc<App>>>);

impl AppCell {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the application in. A second one is ignored.
    pub fn set(&self, app: Arc<App>) {
        let _ = self.0.set(app);
    }

    /// The application, where it is there.
    #[must_use]
    pub fn get(&self) -> Option<&Arc<App>> {
        self.0.get()
    }

    fn readiness(&self) -> Readiness {
        self.get().map_or(Readiness::Loading, |app| app.readiness())
    }

    fn app(&self) -> Result<&Arc<App>, Failure> {
        self.get().ok_or_else(|| AppError::unavailable("the server is still loading; `/readyz` tells when it is done", 1).into())
    }
}

impl From<Arc<App>> for AppCell {
    fn from(app: Arc<App>) -> Self {
        let cell = Self::new();
        cell.set(app);
        cell
    }
}

/// What all requests share.
struct Shared {
    cell: AppCell,
    settings: HttpSettings,
    executor: Executor,
}

/// A server on a bound listener. It runs when awaited; `handle().stop(true)` of it
/// drains. It handles no signals: that is the caller's.
///
/// # Errors
/// When the listener cannot be used.
pub fn server(cell: impl Into<AppCell>, listener: TcpListener, settings: HttpSettings) -> io::Result<Server> {
    let executor = Executor::new(settings.graphql.clone());
    let shared = web::Data::new(Shared { cell: cell.into(), settings: settings.clone(), executor });
    let workers = if settings.workers == 0 { std::thread::available_parallelism().map_or(1, usize::from) } else { settings.workers };
    let server = HttpServer::new(move || Actix::new().app_data(shared.clone()).wrap(from_fn(surround::surround)).configure(routes))
        .workers(workers)
        .max_connections(settings.connections_max)
        .keep_alive(settings.keep_alive)
        .client_request_timeout(settings.head_timeout)
        .client_disconnect_timeout(Duration::from_secs(1))
        // An answer of several writes must not wait for the client's delayed acknowledgement.
        .tcp_nodelay(true)
        .shutdown_timeout(settings.drain.as_secs().max(1))
        .disable_signals()
        .listen(listener)?;
    Ok(server.run())
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(post("/api/v1/lineage").to(ingest::event))
        .service(post("/api/v1/lineage/batch").to(ingest::batch))
        .service(
            web::resource("/graphql")
                .wrap(Compress::default())
                .route(web::get().guard(guard::fn_guard(socket::asked_for)).to(socket::upgrade))
                .default_service(web::to(graphql::graphql)),
        )
        .service(get("/ledger/checkpoint", ledger::checkpoint))
        .service(get("/ledger/vkey", ledger::vkey))
        .service(get("/ledger/consistency", ledger::consistency))
        .service(get("/ledger/proof/{index}", ledger::proof))
        .service(get("/ledger/opening/{index}", ledger::opening))
        .service(get("/ledger/{tile:tile/.*}", ledger::tile).wrap(Compress::default()))
        .service(get("/livez", health::livez))
        .service(get("/readyz", health::readyz))
        .service(get("/metrics", health::metrics))
        .service(get("/version", health::version))
        .service(get("/", page::html))
        .service(get("/page.css", page::css))
        .service(get("/page.js", page::js))
        .default_service(web::to(answer::not_found));
}

/// A resource that is read: GET and HEAD.
fn get<H, A>(path: &str, handler: H) -> Resource
where
    H: actix_web::Handler<A>,
    A: actix_web::FromRequest + 'static,
    H::Output: actix_web::Responder + 'static,
{
    web::resource(path)
        .route(web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler))
        .default_service(web::to(|| answer::not_allowed("GET, HEAD")))
}

/// A resource that is written to.
fn post(path: &str) -> Post<'_> {
    Post(path)
}

struct Post<'p>(&'p str);

impl Post<'_> {
    fn to<H, A>(self, handler: H) -> Resource
    where
        H: actix_web::Handler<A>,
        A: actix_web::FromRequest + 'static,
        H::Output: actix_web::Responder + 'static,
    {
        web::resource(self.0).route(web::post().to(handler)).default_service(web::to(|| answer::not_allowed("POST")))
    }
}

#[cfg(test)]
mod tests;
