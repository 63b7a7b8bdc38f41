//! A router as a Lambda: events become requests, answers go back, and around the routes there is what a
//! server has elsewhere.
//!
//! An instance is started for nothing but the request that waits for it, so nothing here connects, reads
//! a file or warms anything up. Requests come as events of API Gateway's HTTP API or of a function URL
//! (payload 2.0), and answers go out as a stream or as one JSON document ([`ResponseMode`]). What the
//! routes are, this crate must not know.
//!
//! The crate `lambda_http` is not used: it panics on paths, queries and `Host` headers that are no URI,
//! which anybody can send. Nor is `lambda_runtime`: see `runtime.rs`.

mod event;
mod layers;
mod meter;
mod platform;
mod respond;
mod runtime;
mod settings;

pub use layers::{Limits, apply};
pub use meter::{Counts, Gauges, Meter};
pub use platform::Platform;
pub use respond::{ANSWER_BYTES_MAX, ResponseMode};
pub use runtime::RuntimeError;
pub use settings::{CONCURRENCY_MAX_DEFAULT, FunctionSettings};

use axum::Router;
use rota_service::Stop;
use runtime::RuntimeApi;
use tokio::task::JoinSet;

/// Answers events until `stop`. The platform only stops an instance that has nothing to do, so nothing is
/// waited for then.
///
/// # Errors
/// The Runtime API gives no further events.
pub async fn serve(
    app: Router,
    mode: ResponseMode,
    platform: Platform,
    stop: &Stop,
) -> Result<(), RuntimeError> {
    let app = app.with_state(());
    let api = RuntimeApi::new(&platform.runtime_api);
    let mut workers: JoinSet<_> =
        (0..platform.concurrency).map(|_| api.clone().work(app.clone(), mode)).collect();
    tokio::select! {
        // One that cannot go on is enough: it is the same API for all.
        ended = workers.join_next() => ended.and_then(Result::ok).unwrap_or(Ok(())),
        () = stop.wait() => Ok(()),
    }
}
