//! What every function has around its routes. From the outside: traces, metrics, CORS, compression, panics, limits.

use crate::meter::{Meter, measure};
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use rota_service::layers;
use rota_service::trace::TraceLayer;
use rota_wire::ApiError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::ServiceBuilder;

/// What one instance takes on.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Requests at once; further ones are refused with `busy`.
    pub concurrency: usize,
    /// What those are told.
    pub busy: ApiError,
    /// The longest time to the head of an answer. The function's own time limit should be longer, or the
    /// client gets the platform's error instead of ours.
    pub time: Duration,
    /// What is answered after that.
    pub slow: ApiError,
}

struct Slots {
    limits: Limits,
    free: Semaphore,
}

/// Puts all layers around routes; fallbacks for other paths and methods are added here.
pub fn apply(routes: Router, limits: Limits, meter: Meter) -> Router {
    let free = Semaphore::new(limits.concurrency.min(Semaphore::MAX_PERMITS));
    let slots = Arc::new(Slots { limits, free });
    routes
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::Method)
        .layer(
            ServiceBuilder::new()
                .layer(TraceLayer)
                .layer(from_fn_with_state(meter, measure))
                .layer(layers::cors())
                .layer(layers::compression())
                .layer(layers::catch_panic())
                .layer(from_fn_with_state(slots, bounded)),
        )
}

/// Refuses at once what is too much, and what takes too long in the end.
async fn bounded(State(slots): State<Arc<Slots>>, request: Request, next: Next) -> Response {
    let limits = &slots.limits;
    let Ok(_slot) = slots.free.try_acquire() else {
        return limits.busy.clone().into_response();
    };
    let answer = timeout(limits.time, next.run(request)).await;
    answer.unwrap_or_else(|_| {
        tracing::error!(limit = ?limits.time, "an answer took too long");
        limits.slow.clone().into_response()
    })
}
