//! The layers around every router: traces, metrics, CORS, compression, and an answer for a handler that panics.

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use tower::ServiceBuilder;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::{CompressionLayer, predicate::Predicate};
use tower_http::cors::{Any as Anything, CorsLayer, Vary};

use crate::metrics::HttpMetrics;
use crate::trace::{self, TraceLayer};

/// A body below this is sent as it is: one packet holds it either way.
pub const COMPRESSED_BYTES_MIN: u64 = 1024;

/// How long a browser may remember the answer to a preflight.
const PREFLIGHT_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a client is told of a panic.
const PANIC: &str = "internal error";

/// Puts all layers around a router, in the order that makes a panic compressed, readable from a browser
/// and counted. Routes and fallbacks must be added before.
pub fn apply(app: Router, metrics: &HttpMetrics) -> Router {
    app.layer(
        ServiceBuilder::new()
            .layer(TraceLayer)
            .layer(metrics.clone())
            .layer(cors())
            .layer(compression())
            .layer(catch_panic()),
    )
}

/// gzip and zstd for JSON and text of at least [`COMPRESSED_BYTES_MIN`], at the fastest level: a page is
/// compressed at each request, and most of it is base64url, which no level shrinks much.
#[must_use]
pub fn compression() -> CompressionLayer<Compressible> {
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(Compressible)
}

/// Chooses what [`compression`] compresses. A body of unknown size counts as large; a 304 has none.
#[derive(Clone, Copy, Debug)]
pub struct Compressible;

impl Predicate for Compressible {
    fn should_compress<B: hyper::body::Body>(&self, response: &Response<B>) -> bool {
        let size = response.body().size_hint().exact();
        size.is_none_or(|bytes| bytes >= COMPRESSED_BYTES_MIN)
            && response.status() != StatusCode::NOT_MODIFIED
            && is_text(response.headers())
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    kind.starts_with(b"application/json") || kind.starts_with(b"text/")
}

/// Open to any origin, as browsers of ao applications need (contract §3). Every origin gets the same
/// answer, so none of this varies: a shared cache keeps one copy for all.
pub fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Anything)
        .allow_methods([Method::GET, Method::POST, Method::HEAD, Method::OPTIONS])
        .allow_headers(Anything)
        .expose_headers(Anything)
        .max_age(PREFLIGHT_AGE)
        .vary(Vary::list([]))
}

/// The type of [`catch_panic`].
pub type CatchPanic = CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response<Body>>;

/// Answers 500 for a handler that panics, logs it, and lets the connection go on.
#[must_use]
pub fn catch_panic() -> CatchPanic {
    CatchPanicLayer::custom(answer_panic as fn(Box<dyn Any + Send>) -> Response<Body>)
}

#[expect(clippy::needless_pass_by_value, reason = "tower-http calls it with the value")]
fn answer_panic(payload: Box<dyn Any + Send>) -> Response<Body> {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("not text"), "a request handler panicked");
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::INTERNAL_SERVER_ERROR, kind, trace::error_body(PANIC)).into_response()
}
