//! The routes of a scheduler on one machine: reading, writing, and what the operator looks at.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use rota_ledger::Ledger;
use rota_schedule::Clock;
use rota_service::{HttpMetrics, layers, metrics};
use rota_wire::ApiError;
use rota_writer::{Writer, WriterMetrics};
use std::sync::Arc;

/// What `/health` and `/metrics` answer from.
pub(crate) struct Watch {
    pub(crate) registry: Registry,
    pub(crate) writer_metrics: WriterMetrics,
    pub(crate) writer: Writer,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) show_metrics: bool,
}

/// All routes, with the layers that every server of rota has. `read` has those that show schedules.
pub(crate) fn router(read: Router, watch: Watch, http: &HttpMetrics) -> Router {
    let writer = watch.writer.clone();
    let mut own = Router::new().route("/health", get(health)).route("/started", get(async || ()));
    if watch.show_metrics {
        own = own.route("/metrics", get(show_metrics));
    }
    let app = read
        .merge(rota_writer::router(writer))
        .merge(rota_explorer::router())
        .merge(own.with_state(Arc::new(watch)))
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::Method);
    layers::apply(app, http)
}

async fn health(State(watch): State<Arc<Watch>>) -> Response {
    match watch.writer.ails() {
        None => StatusCode::OK.into_response(),
        Some(reason) => ApiError::NotAccepting(reason).into_response(),
    }
}

async fn show_metrics(State(watch): State<Arc<Watch>>) -> Response {
    watch.writer_metrics.refresh(&watch.ledger, watch.clock.now());
    metrics_of(&watch.registry)
}

/// A registry as a scraper reads it.
pub(crate) fn metrics_of(registry: &Registry) -> Response {
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE))];
    (kind, metrics::encode(registry)).into_response()
}
