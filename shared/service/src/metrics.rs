//! Metrics: what HTTP costs, and the text that a scraper reads.
//!
//! Labels have few values whatever clients send: the route is the pattern that matched, never the path;
//! an unknown method is `other`. A request costs two look-ups in small hash maps under a read lock, and
//! no allocation.

use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::extract::MatchedPath;
use axum::http::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use tower::{Layer, Service};

use crate::histogram::{Counts, StageTimes};

/// The content type of [`encode`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The status recorded for a request whose client left before it was answered.
pub const STATUS_CLIENT_GONE: u16 = 499;

/// The metrics of a registry as OpenMetrics text; serve it as [`CONTENT_TYPE`].
#[must_use]
pub fn encode(registry: &Registry) -> String {
    let mut text = String::new();
    if let Err(error) = text::encode(&mut text, registry) {
        tracing::error!(%error, "a metric cannot be written as text");
    }
    text
}

/// Counts and times requests; a [`Layer`] for a router, whose clones count into the same metrics.
///
/// `rota_http_requests_total{method,route,status}`, `rota_http_request_seconds{method,route}` up to the
/// head of the answer, and `rota_http_requests_in_flight`.
#[derive(Clone, Debug)]
pub struct HttpMetrics(Arc<Metrics>);

#[derive(Debug)]
struct Metrics {
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, StageTimes>,
    in_flight: Gauge,
    /// All POSTs, whatever their route.
    posts: StageTimes,
    /// Answers from 400 to 499.
    refused: Counter,
    /// Answers from 500 on.
    failed: Counter,
}

/// What all routes together have answered since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpTotals {
    /// The times of POSTs.
    pub posts: Counts,
    /// Answers from 400 to 499.
    pub status_4xx: u64,
    /// Answers from 500 on.
    pub status_5xx: u64,
}

impl HttpMetrics {
    /// Registers the metrics. Once a registry: a second time would write each name twice.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Metrics {
            requests: Family::default(),
            seconds: Family::default(),
            in_flight: Gauge::default(),
            posts: StageTimes::default(),
            refused: Counter::default(),
            failed: Counter::default(),
        };
        let (requests, seconds) = (metrics.requests.clone(), metrics.seconds.clone());
        registry.register("rota_http_requests", "HTTP requests answered", requests);
        registry.register_with_unit(
            "rota_http_request",
            "Time from a request's head to the head of its answer",
            Unit::Seconds,
            seconds,
        );
        let in_flight = metrics.in_flight.clone();
        registry.register("rota_http_requests_in_flight", "HTTP requests running", in_flight);
        Self(Arc::new(metrics))
    }

    /// The sums over all routes.
    #[must_use]
    pub fn totals(&self) -> HttpTotals {
        let Metrics { posts, refused, failed, .. } = &*self.0;
        let (status_4xx, status_5xx) = (refused.get(), failed.get());
        HttpTotals { posts: posts.counts(), status_4xx, status_5xx }
    }
}

impl<S> Layer<S> for HttpMetrics {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner, metrics: self.clone() }
    }
}

/// A service whose requests are counted and timed.
#[derive(Clone, Debug)]
pub struct Measured<S> {
    inner: S,
    metrics: HttpMetrics,
}

impl<S, A, B> Service<Request<A>> for Measured<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Measuring<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Measuring<S::Future> {
        let running = Running::start(&self.metrics.0, &request);
        Measuring { answer: self.inner.call(request), running: Some(running) }
    }
}

pin_project! {
    /// The future of a [`Measured`] service.
    #[derive(Debug)]
    pub struct Measuring<F> {
        #[pin]
        answer: F,
        running: Option<Running>,
    }
}

impl<F, B, E> Future for Measuring<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(cx));
        if let Some(mut running) = this.running.take() {
            running.labels.status = status(&answer);
        }
        Poll::Ready(answer)
    }
}

fn status<B, E>(answer: &Result<Response<B>, E>) -> u16 {
    answer.as_ref().map_or(StatusCode::INTERNAL_SERVER_ERROR, Response::status).as_u16()
}

/// A request being answered; its end is counted when it is dropped, so that none is lost.
#[derive(Debug)]
struct Running {
    metrics: Arc<Metrics>,
    labels: RequestLabels,
    started: Instant,
}

impl Running {
    fn start<A>(metrics: &Arc<Metrics>, request: &Request<A>) -> Self {
        metrics.in_flight.inc();
        let route = RouteLabels {
            method: MethodLabel::of(request.method()),
            route: Route(request.extensions().get().cloned()),
        };
        let labels = RequestLabels { route, status: STATUS_CLIENT_GONE };
        Self { metrics: Arc::clone(metrics), labels, started: Instant::now() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        self.metrics.in_flight.dec();
        self.metrics.requests.get_or_create(&self.labels).inc();
        self.metrics.seconds.get_or_create(&self.labels.route).observe(took);
        if matches!(self.labels.route.method, MethodLabel::Post) {
            self.metrics.posts.observe(took);
        }
        match self.labels.status {
            400..=499 => drop(self.metrics.refused.inc()),
            500.. => drop(self.metrics.failed.inc()),
            _ => {}
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    #[prometheus(flatten)]
    route: RouteLabels,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: MethodLabel,
    route: Route,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum MethodLabel {
    Get,
    Head,
    Post,
    Options,
    Other,
}

impl MethodLabel {
    fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::POST => Self::Post,
            Method::OPTIONS => Self::Options,
            _ => Self::Other,
        }
    }
}

impl EncodeLabelValue for MethodLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        let name = match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Options => "OPTIONS",
            Self::Other => "other",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

/// The pattern that matched, shared with the router instead of copied.
#[derive(Clone, Debug)]
struct Route(Option<MatchedPath>);

impl Route {
    fn as_str(&self) -> &str {
        self.0.as_ref().map_or("none", MatchedPath::as_str)
    }
}

impl PartialEq for Route {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Route {}

impl Hash for Route {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for Route {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        EncodeLabelValue::encode(&self.as_str(), encoder)
    }
}
