//! One port from the start on: a machine answers that its disk is being filled, then that it stands by, and as
//! a writer with its routes.

use crate::server;
use crate::vitals::Vitals;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::RwLock;
use prometheus_client::registry::Registry;
use rota_service::trace::TraceLayer;
use rota_service::{HttpMetrics, layers};
use rota_wire::ApiError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tower::ServiceExt as _;

/// What is served now; clones are the same.
#[derive(Clone)]
pub(super) struct Front {
    current: Arc<RwLock<Router>>,
    has_caught_up: Arc<AtomicBool>,
}

impl Front {
    /// While a checkpoint is fetched there is no ledger yet: nothing is served, but that somebody is at work
    /// can be seen, which a supervisor must know from a machine that hangs.
    pub(super) fn filling() -> Self {
        let app = Router::new()
            .route("/health", get(async || ()))
            .fallback(async || ApiError::NotAccepting("this machine is still filling its disk"))
            .layer(TraceLayer);
        Self { current: Arc::new(RwLock::new(app)), has_caught_up: Arc::default() }
    }

    /// A standby is well (`/health`), has started once its ledger lacked nothing (`/started`), tells its
    /// metrics if it is to, and answers nothing else.
    pub(super) fn stand_by(&self, http: &HttpMetrics, vitals: &Vitals, show_metrics: bool) {
        let seen = self.has_caught_up.clone();
        let started = async move || match seen.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(ApiError::NotAccepting("this machine is still catching up")),
        };
        let mut app = Router::new()
            .route("/health", get(async || ()))
            .fallback(async || ApiError::NotAccepting("this machine stands by for the writer"));
        if show_metrics {
            let mut registry = Registry::default();
            registry.register_collector(Box::new(vitals.clone()));
            let registry = Arc::new(registry);
            app = app.route("/metrics", get(async move || server::metrics_of(&registry)));
        }
        // Not measured: who asks it again and again until it has caught up has met no error.
        let started = get(started).layer(TraceLayer);
        self.show(layers::apply(app, http).route("/started", started));
    }

    /// The ledger lacks nothing: whoever replaces machines one after the other may go on to the next.
    pub(super) fn caught_up(&self) {
        self.has_caught_up.store(true, Ordering::Relaxed);
    }

    /// From now on this is served.
    pub(super) fn show(&self, app: Router) {
        *self.current.write() = app;
    }

    /// The routes of the server.
    pub(super) fn router(&self) -> Router {
        let front = self.clone();
        Router::new().fallback(move |request: Request| front.answer(request))
    }

    async fn answer(self, request: Request) -> Response {
        let current = self.current.read().clone();
        current.oneshot(request).await.into_response()
    }
}
