//! The routes with everything around them that a Lambda needs.

use crate::answer::momentary;
use crate::{ReadState, routes};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use rota_lambda::{Limits, Meter};
use rota_schedule::ScheduleReader;
use rota_wire::ApiError;
use std::sync::Arc;
use std::time::Duration;

/// The longest time to the head of an answer. The reader gives up sooner.
pub const REQUEST_MAX: Duration = Duration::from_secs(10);

/// All GET routes, the explorer and `/health`, over `state`, at most `concurrency` requests at once, in the layers of a
/// function.
pub fn router<R: ScheduleReader>(
    state: Arc<ReadState<R>>,
    concurrency: usize,
    meter: Meter,
) -> Router {
    let health = Router::new().route("/health", get(health::<R>)).with_state(Arc::clone(&state));
    let limits = Limits {
        concurrency,
        busy: ApiError::Busy("too many reads at once"),
        time: REQUEST_MAX,
        slow: ApiError::Upstream("the store"),
    };
    let routes = routes::router(state).merge(health).merge(rota_explorer::router());
    rota_lambda::apply(routes, limits, meter)
}

/// 200 if a source answers what every client asks first: who schedules here.
async fn health<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
) -> Result<Response, ApiError> {
    state.reader.scheduler(None).await?;
    Ok(momentary(Vec::new()))
}
