//! Metrics without anything to scrape: one line of JSON a request in CloudWatch's embedded metric format
//! (EMF), which CloudWatch turns into metrics as it takes in the log.
//!
//! The one dimension is the route's pattern, never the path, so clients cannot make up new ones.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use rota_schedule::Clock;
use serde_json::json;
use std::io::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// The namespace of the metrics.
const NAMESPACE: &str = "rota";
/// The route of a path that none matches.
const NO_ROUTE: &str = "none";

/// Takes one line without its end.
type Sink = dyn Fn(&str) + Send + Sync;

/// Measures requests. Clones are the same meter.
#[derive(Clone)]
pub struct Meter(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    sink: Box<Sink>,
    /// Whether a request was answered already.
    warm: AtomicBool,
}

impl Meter {
    /// A meter that writes to `sink`, one call a line.
    pub fn new(clock: Arc<dyn Clock>, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { clock, sink: Box::new(sink), warm: AtomicBool::new(false) }))
    }
}

/// Standard output, which a Lambda's log takes in line by line. A line that cannot be written is lost.
pub fn stdout(line: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        tracing::debug!(%error, "cannot write metrics");
    }
}

/// The layer: times a request up to the head of its answer and counts the bytes that follow.
pub(super) async fn measure(State(meter): State<Meter>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let is_cold = !meter.0.warm.swap(true, Ordering::Relaxed);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let seen = Seen {
        meter,
        route,
        status: response.status(),
        millis: started.elapsed().as_secs_f64() * 1_000.0,
        is_cold,
        bytes: 0,
    };
    response.map(|body| Body::new(Counted { body, seen: Some(seen) }))
}

/// What is known of a request.
struct Seen {
    meter: Meter,
    route: Option<MatchedPath>,
    status: StatusCode,
    millis: f64,
    is_cold: bool,
    bytes: u64,
}

impl Seen {
    fn write(&self) {
        let class = format!("status_{}xx", self.status.as_u16() / 100);
        let metric = |name: &str, unit: &str| json!({"Name": name, "Unit": unit});
        let metrics = [
            metric("duration", "Milliseconds"),
            metric("body", "Bytes"),
            metric("cold_start", "Count"),
            metric(&class, "Count"),
        ];
        let line = json!({
            "_aws": {
                "Timestamp": self.meter.0.clock.now().0,
                "CloudWatchMetrics": [
                    {"Namespace": NAMESPACE, "Dimensions": [["route"]], "Metrics": metrics},
                ],
            },
            "route": self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str),
            "status": self.status.as_u16(),
            "duration": self.millis,
            "body": self.bytes,
            "cold_start": u8::from(self.is_cold),
            class: 1,
        });
        (self.meter.0.sink)(&line.to_string());
    }
}

/// A body whose bytes are counted. Its line is written before its end is told, since the instance may be
/// frozen right after that; or when the body is dropped, if nobody read it to its end.
struct Counted {
    body: Body,
    seen: Option<Seen>,
}

impl Counted {
    fn end(&mut self) {
        if let Some(seen) = self.seen.take() {
            seen.write();
        }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                if let Some(seen) = &mut self.seen {
                    seen.bytes += bytes;
                }
            }
            Some(Err(_)) | None => self.end(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        // Whoever sees the end must have asked for it, so that it is counted.
        self.seen.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.end();
    }
}
