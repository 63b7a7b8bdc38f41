//! The routes with everything around them that a Lambda needs.

use super::meter::{Meter, measure};
use crate::answer::momentary;
use crate::{ReadState, routes};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rota_schedule::ScheduleReader;
use rota_service::layers;
use rota_wire::ApiError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::ServiceBuilder;

/// The longest time to the head of an answer. The reader gives up sooner; the function's own time limit
/// should be longer, or the client gets the platform's error instead of ours.
pub const REQUEST_MAX: Duration = Duration::from_secs(10);
/// Requests that one instance works on at once unless configured otherwise.
pub const READ_CONCURRENCY_MAX_DEFAULT: usize = 64;

/// All GET routes and `/health`, over `state`, at most `concurrency` requests at once. Layers, from the
/// outside: metrics, CORS, compression, panics, the limits.
pub fn router<R: ScheduleReader>(
    state: Arc<ReadState<R>>,
    concurrency: usize,
    meter: Meter,
) -> Router {
    let health = Router::new().route("/health", get(health::<R>)).with_state(Arc::clone(&state));
    let slots = Arc::new(Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS)));
    routes::router(state)
        .merge(health)
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::Method)
        .layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state(meter, measure))
                .layer(layers::cors())
                .layer(layers::compression())
                .layer(layers::catch_panic())
                .layer(from_fn_with_state(slots, bounded)),
        )
}

/// 200 if a source answers what every client asks first: who schedules here.
async fn health<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
) -> Result<Response, ApiError> {
    state.reader.scheduler(None).await?;
    Ok(momentary(Vec::new()))
}

/// Refuses at once what is too much, and what takes too long in the end.
async fn bounded(State(slots): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_slot) = slots.try_acquire() else {
        return ApiError::Busy("too many reads at once").into_response();
    };
    let answer = timeout(REQUEST_MAX, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        tracing::error!(limit = ?REQUEST_MAX, "a read took too long");
        ApiError::Upstream("the store").into_response()
    })
}
