//! The routes of the contract (§3), each handed to whom it belongs.

use crate::{RouteState, read, submit};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rota_schedule::Directory;
use rota_wire::ApiError;
use std::sync::Arc;

/// All routes and `/health`, without `/metrics` and the layers, which belong to the server.
pub fn router<D: Directory>(state: Arc<RouteState<D>>) -> Router {
    Router::new()
        .route("/", get(read::address::<D>).post(submit::submit::<D>))
        .route("/timestamp", get(read::general::<D>))
        .route("/openapi.json", get(read::general::<D>))
        .route("/explorer", get(read::general::<D>))
        .route("/explorer/", get(read::general::<D>))
        .route("/explorer/{version}/{file}", get(read::general::<D>))
        .route("/processes/{id}", get(read::by_id::<D>))
        .route("/raw/{id}", get(read::by_id::<D>))
        .route("/{id}", get(read::by_id::<D>))
        .route("/{id}/latest", get(read::by_id::<D>))
        .route("/health", get(health::<D>))
        .with_state(state)
}

/// 200 if the directory answered lately.
async fn health<D: Directory>(
    State(state): State<Arc<RouteState<D>>>,
) -> Result<Response, ApiError> {
    state.health().await?;
    Ok([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))].into_response())
}
