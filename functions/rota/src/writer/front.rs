//! One port before and after the takeover: a standby answers that it stands by, a writer with its routes.

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parking_lot::RwLock;
use rota_service::{HttpMetrics, layers};
use rota_wire::ApiError;
use std::sync::Arc;
use tower::ServiceExt as _;

/// What is served now; clones are the same.
#[derive(Clone)]
pub(super) struct Front(Arc<RwLock<Router>>);

impl Front {
    /// A standby is well (`/health`), and answers nothing else.
    pub(super) fn standing_by(http: &HttpMetrics) -> Self {
        let app = Router::new()
            .route("/health", get(async || ()))
            .fallback(async || ApiError::NotAccepting("this machine stands by for the writer"));
        Self(Arc::new(RwLock::new(layers::apply(app, http))))
    }

    /// From now on this is served.
    pub(super) fn show(&self, app: Router) {
        *self.0.write() = app;
    }

    /// The routes of the server.
    pub(super) fn router(&self) -> Router {
        let front = self.clone();
        Router::new().fallback(move |request: Request| front.answer(request))
    }

    async fn answer(self, request: Request) -> Response {
        let current = self.0.read().clone();
        current.oneshot(request).await.into_response()
    }
}
