//! One port before and after the takeover: a standby answers that it stands by, a writer with its routes.

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
    /// A standby is well (`/health`), has started once its ledger lacked nothing (`/started`), tells its
    /// metrics if it is to, and answers nothing else.
    pub(super) fn standing_by(http: &HttpMetrics, vitals: &Vitals, show_metrics: bool) -> Self {
        let has_caught_up = Arc::new(AtomicBool::new(false));
        let seen = has_caught_up.clone();
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
        let app = layers::apply(app, http).route("/started", started);
        Self { current: Arc::new(RwLock::new(app)), has_caught_up }
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
