//! `serve`: the server over a data folder.
use std::{net::TcpListener, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;

use super::args::ServeArgs;
use crate::{
    api::{
        graphql::{GraphqlSettings, documents::Documents},
        http::{HttpSettings, socket::SocketSettings},
        serve::{Ended, run as serve},
    },
    app::App,
    clock::Ambient,
    config::{Config, InvalidStatus, PartialStatus},
    telemetry::{Metrics, init_log},
};

/// Runs it until SIGTERM.
///
/// # Errors
/// What kept it from starting, or a failed write.
pub fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    let config = Config::load(&args.config.sources().flag("listen", args.listen.clone()))?.config;
    let ambient = Ambient::system();
    init_log(&config.log, ambient.clock.clone()).context("the log could not be set up")?;
    if config.keys.dir.is_none() {
        tracing::warn!("keys lie beside the data they protect; `keys.dir` on another volume is better");
    }
    if config.ledger.anchor.is_none() {
        tracing::warn!("there is no `ledger.anchor`, so a rollback of the whole data folder cannot be noticed");
    }
    let listener = listen(&config.listen.0)?;
    let address = listener.local_addr()?;
    let settings = settings(&config, &ambient)?;
    let data = args.data.clone();
    let ended = serve(
        listener,
        settings,
        move || App::open(&data, &config, ambient),
        move |app| tracing::info!(%address, entries = app.ledger_size(), origin = app.origin(), "serving"),
    )
    .map_err(explained)?;
    match ended {
        Ended::Drained => {
            tracing::info!("drained");
            Ok(ExitCode::SUCCESS)
        }
        Ended::Stopped => anyhow::bail!("a write failed, so the server stopped; what was acknowledged is safe, start it again"),
    }
}

/// With the whole chain of causes.
pub(super) fn explained<E: std::error::Error + Send + Sync + 'static>(e: E) -> anyhow::Error {
    anyhow::Error::new(e)
}

pub(super) fn listen(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("`{address}` cannot be listened on; choose another with `--listen`"))
}

pub(super) fn settings(config: &Config, ambient: &Ambient) -> anyhow::Result<HttpSettings> {
    let metrics = Metrics::install().context("metrics could not be set up")?;
    let g = &config.graphql;
    let mut settings = HttpSettings::new(ambient.clone());
    settings.workers = config.http.workers;
    settings.drain = Duration::from_millis(config.http.drain_ms);
    settings.metrics = Some(metrics);
    settings.metrics_public = config.metrics.public;
    let documents = g.documents.as_deref().map(Documents::load).transpose().context("`graphql.documents` cannot be used")?.map(Arc::new);
    settings.unprocessable_content = g.invalid_status == InvalidStatus::UnprocessableContent;
    settings.partial_success = g.partial_status == PartialStatus::PartialSuccess;
    settings.graphql = GraphqlSettings {
        body_bytes_max: g.body_bytes_max.0,
        depth_max: g.depth_max,
        complexity_max: g.complexity_max,
        aliases_max: g.aliases_max,
        tokens_max: g.tokens_max,
        directives_max: g.directives_max,
        root_fields_max: g.root_fields_max,
        nesting_max: g.nesting_max,
        fields_max: g.fields_max,
        variables_bytes_max: g.variables_bytes_max.0,
        batch_max: g.batch_max,
        introspection: g.introspection,
        get_queries: g.get_queries,
        documents,
    };
    let w = &config.websocket;
    settings.socket = SocketSettings {
        connections_max: w.connections_max,
        operations_max: w.operations_max,
        message_bytes_max: w.message_bytes_max.0,
        init_timeout: Duration::from_millis(w.init_timeout_ms),
        send_timeout: Duration::from_millis(w.send_timeout_ms),
        ping_every: Duration::from_millis(w.ping_ms),
    };
    Ok(settings)
}

/// Opens a folder that no server holds, for one command.
///
/// # Errors
/// A held folder is refused with the hint to ask the server instead.
pub(super) fn open(data: &std::path::Path, config: &Config) -> anyhow::Result<Arc<App>> {
    App::open(data, config, Ambient::system()).map_err(explained)
}
