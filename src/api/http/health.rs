//! What operators and their machines ask: alive, ready, numbers, version. No
//! personal data in any of it.
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use serde_json::json;

use super::{
    Shared,
    answer::{Failure, Outcome, not_found},
    auth,
};
use crate::{access::Action, app::Readiness};

/// Whether a restart would not help: fails once the store has stopped.
pub async fn livez(shared: Data<Shared>) -> HttpResponse {
    match shared.cell.readiness() {
        Readiness::Stopped => {
            told(StatusCode::SERVICE_UNAVAILABLE, "stopped", Some("the store has stopped after a failed write; a restart recovers"))
        }
        Readiness::Ready | Readiness::Loading => told(StatusCode::OK, "alive", None),
    }
}

/// Whether requests are served.
pub async fn readyz(shared: Data<Shared>) -> HttpResponse {
    match shared.cell.readiness() {
        Readiness::Ready => told(StatusCode::OK, "ready", None),
        Readiness::Loading => told(StatusCode::SERVICE_UNAVAILABLE, "loading", Some("the store is being opened and the topology loaded")),
        Readiness::Stopped => {
            told(StatusCode::SERVICE_UNAVAILABLE, "stopped", Some("the store has stopped after a failed write; a restart recovers"))
        }
    }
}

fn told(status: StatusCode, word: &str, reason: Option<&str>) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    match reason {
        Some(reason) => response.json(json!({ "status": word, "reason": reason })),
        None => response.json(json!({ "status": word })),
    }
}

/// Prometheus' text format.
pub async fn metrics(request: HttpRequest, shared: Data<Shared>) -> Outcome {
    let Some(metrics) = &shared.settings.metrics else { return not_found().into_inner() };
    let permitted = || -> Result<(), Failure> {
        if shared.settings.metrics_public {
            return Ok(());
        }
        let app = shared.cell.app()?;
        Ok(app.require(&*auth::principal(&request, app)?, Action::ReadMetrics)?)
    };
    Outcome(permitted().map(|()| HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics.render())))
}

/// What runs here.
pub async fn version() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "name": "ledgerline", "version": env!("CARGO_PKG_VERSION") }))
}
