//! Metrics of a function: one line a request in CloudWatch's embedded metric format.
//!
//! The one dimension is the function: each further one multiplies what CloudWatch charges. The route's
//! pattern (never the path, which clients make up) is a property, for queries of the log.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use rota_schedule::Clock;
use rota_service::emf::{Line, Namespace, Unit};
use rota_service::trace;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// The route of a path that none matches.
const NO_ROUTE: &str = "none";

/// Takes one line without its end.
type Sink = dyn Fn(&str) + Send + Sync;

/// What a function counts besides requests: names and sums since its start.
pub type Counts = Vec<(&'static str, u64)>;

/// What a function is like right now: names, units and values.
pub type Gauges = Vec<(&'static str, Unit, f64)>;

/// Measures requests. Clones are the same meter.
#[derive(Clone)]
pub struct Meter(Arc<Inner>);

struct Inner {
    function: &'static str,
    namespace: Namespace,
    clock: Arc<dyn Clock>,
    sink: Box<Sink>,
    more: More,
    /// Whether a request was answered already.
    warm: AtomicBool,
}

/// What is told with each line besides the request.
struct More {
    counts: Box<dyn Fn() -> Counts + Send + Sync>,
    gauges: Box<dyn Fn() -> Gauges + Send + Sync>,
    /// What was told so far.
    told: Mutex<Counts>,
}

impl More {
    /// Adds what has come since the line before, whichever request it came from.
    fn tell(&self, line: &mut Line) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut now = (self.counts)();
        now.push(("trace_spans_dropped", trace::dropped()));
        for (index, (name, sum)) in now.iter().enumerate() {
            let before = told.get(index).map_or(0, |(_, before)| *before);
            line.metric(*name, Unit::Count, sum.saturating_sub(before) as f64);
        }
        *told = now;
        drop(told);
        for (name, unit, value) in (self.gauges)() {
            line.metric(name, unit, value);
        }
    }
}

impl Meter {
    /// A meter of a function of this name that writes to `sink`, one call a line, in the default namespace.
    pub fn new(
        function: &'static str,
        clock: Arc<dyn Clock>,
        sink: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        Self::with(function, Namespace::default(), clock, sink, Counts::new, Gauges::new)
    }

    /// The same in this namespace, with what the function counts and what it is like.
    pub fn with(
        function: &'static str,
        namespace: Namespace,
        clock: Arc<dyn Clock>,
        sink: impl Fn(&str) + Send + Sync + 'static,
        counts: impl Fn() -> Counts + Send + Sync + 'static,
        gauges: impl Fn() -> Gauges + Send + Sync + 'static,
    ) -> Self {
        let (counts, gauges) = (Box::new(counts), Box::new(gauges));
        let more = More { counts, gauges, told: Mutex::default() };
        let (sink, warm) = (Box::new(sink), AtomicBool::new(false));
        Self(Arc::new(Inner { function, namespace, clock, sink, more, warm }))
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
        trace_id: trace::current().map(|it| it.trace_id().to_string()).unwrap_or_default(),
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
    trace_id: String,
}

impl Seen {
    fn write(&self) {
        let route = self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let mut line = Line::of(&self.meter.0.namespace, "function", self.meter.0.function);
        line.property("route", route);
        line.metric("duration", Unit::Milliseconds, self.millis);
        line.metric("body", Unit::Bytes, self.bytes as f64);
        line.metric("cold_start", Unit::Count, f64::from(u8::from(self.is_cold)));
        line.metric(format!("status_{}xx", self.status.as_u16() / 100), Unit::Count, 1.0);
        self.meter.0.more.tell(&mut line);
        line.property("trace_id", self.trace_id.clone());
        line.property("status", self.status.as_u16());
        (self.meter.0.sink)(&line.text(self.meter.0.clock.now().0));
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
