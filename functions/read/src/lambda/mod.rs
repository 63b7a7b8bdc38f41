//! The read function as a Lambda: the routes with what a server around them has elsewhere.
//!
//! An instance is started for nothing but the request that waits for it, so nothing here connects, reads
//! a file or warms anything up. Requests come as events of API Gateway's HTTP API or of a function URL
//! ([`HttpEvent`]), and answers go out as a stream or as one JSON document ([`ResponseMode`]).
//!
//! The crate `lambda_http` is not used: it panics on paths, queries and `Host` headers that are no URI,
//! which anybody can send.

mod app;
mod event;
mod meter;
mod respond;
mod settings;

pub use app::{READ_CONCURRENCY_MAX_DEFAULT, REQUEST_MAX, router};
pub use event::HttpEvent;
pub use meter::{Meter, stdout};
pub use respond::{ANSWER_BYTES_MAX, Answer, ResponseMode};
pub use settings::Settings;

use axum::Router;
use lambda_runtime::{LambdaEvent, Runtime, service_fn};
use rota_service::Stop;

/// Answers events until `stop`, as many at once as `AWS_LAMBDA_MAX_CONCURRENCY` says (one without it).
/// The platform only stops an instance that has nothing to do, so nothing is waited for then.
///
/// # Errors
/// The Runtime API does not answer.
pub async fn serve(
    app: Router,
    mode: ResponseMode,
    stop: &Stop,
) -> Result<(), lambda_runtime::Error> {
    let app = app.with_state(());
    let handler = service_fn(move |event: LambdaEvent<HttpEvent>| {
        let app = app.clone();
        async move { event.payload.answer(app, mode).await }
    });
    tokio::select! {
        ended = Runtime::new(handler).run_concurrent() => ended,
        () = stop.wait() => Ok(()),
    }
}
