//! Running the server: listen at once, load beside, stop on a signal or after a
//! failed write, drain.
use std::{io, net::TcpListener, sync::Arc};

use super::http::{AppCell, HttpSettings, server};
use crate::app::App;

/// How a server ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It was told to: everything acknowledged is durable, requests in flight were answered.
    Drained,
    /// A write failed; a restart recovers.
    Stopped,
}

/// Why a server did not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError<E: std::error::Error + 'static> {
    #[error("the server could not listen")]
    Listen(#[source] io::Error),
    #[error(transparent)]
    Load(E),
    #[error("the thread that loads the store panicked")]
    Loading,
}

/// Listens, loads the application on a thread of its own (`/readyz` is false
/// meanwhile), calls `ready`, and serves until SIGTERM, SIGINT or a failed write.
///
/// # Errors
/// [`RunError`].
pub fn run<E: std::error::Error + Send + 'static>(
    listener: TcpListener,
    settings: HttpSettings,
    load: impl FnOnce() -> Result<Arc<App>, E> + Send + 'static,
    ready: impl FnOnce(&Arc<App>) + Send + 'static,
) -> Result<Ended, RunError<E>> {
    actix_web::rt::System::new().block_on(async move {
        let cell = AppCell::new();
        let (metrics, sockets) = (settings.metrics.clone(), settings.sockets.clone());
        let server = server(cell.clone(), listener, settings).map_err(RunError::Listen)?;
        let handle = server.handle();
        let serving = actix_web::rt::spawn(server);
        let app = match tokio::task::spawn_blocking(load).await {
            Ok(Ok(app)) => app,
            Ok(Err(e)) => {
                handle.stop(false).await;
                return Err(RunError::Load(e));
            }
            Err(_) => return Err(RunError::Loading),
        };
        cell.set(app.clone());
        app.start_search();
        ready(&app);
        let ended = tokio::select! {
            () = signal() => Ended::Drained,
            () = app.until_stopped() => Ended::Stopped,
            () = upkeep(metrics, &app) => Ended::Drained,
        };
        // Subscriptions have no end of their own.
        sockets.drain();
        // Requests in flight are answered before the queue is closed under them.
        handle.stop(ended == Ended::Drained).await;
        if let Err(e) = serving.await {
            tracing::error!(error = %e, "the server's task failed");
        }
        let last = app.clone();
        if tokio::task::spawn_blocking(move || last.drain()).await.is_err() {
            tracing::error!("the sequencer could not be drained");
        }
        Ok(ended)
    })
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(mut term), Ok(mut int)) => {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        }
        (Err(e), _) | (_, Err(e)) => {
            tracing::error!(error = %e, "signals cannot be received; stop the process with SIGKILL");
            std::future::pending::<()>().await;
        }
    }
}

/// Metrics hold samples until they are asked to fold them in; the application has
/// things to do now and then.
async fn upkeep(metrics: Option<crate::telemetry::Metrics>, app: &App) {
    let mut every = tokio::time::interval(std::time::Duration::from_secs(5));
    loop {
        every.tick().await;
        if let Some(m) = &metrics {
            m.upkeep();
        }
        app.tend();
    }
}
