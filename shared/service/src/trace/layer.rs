//! The outermost layer of every server: gives each request its trace and its log line, and each answer its name.

use super::context::{Incoming, TRACERESPONSE};
use super::lines::Line;
use super::span::{Context, scope, within};
use axum::extract::MatchedPath;
use axum::http::{Method, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{self, Poll, ready};
use std::time::Instant;
use tokio::task::futures::TaskLocalFuture;
use tower::{Layer, Service};

/// What a path is called that no route matches.
const NO_ROUTE: &str = "none";
/// From which status on a server's span has failed (OpenTelemetry, HTTP spans).
const FAILED_MIN: u16 = 500;

/// The layer.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceLayer;

impl<S> Layer<S> for TraceLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced(inner)
    }
}

/// A service whose requests are traced.
#[derive(Clone, Debug)]
pub struct Traced<S>(S);

impl<S, A, B> Service<Request<A>> for Traced<S>
where
    S: Service<Request<A>, Response = Response<B>>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Tracing<S::Future>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Tracing<S::Future> {
        let context = Context::of(Incoming::of(request.headers_mut()));
        let seen = context.records().then(|| Seen::of(&request));
        let line = Line::of(&request);
        // A service may do its work before its future is asked for anything.
        let answer = within(Some(context), || self.0.call(request));
        let answer = scope(context, answer);
        Tracing { answer, context, since: Instant::now(), seen, line: Some(line) }
    }
}

/// What a recorded request is called.
#[derive(Debug)]
struct Seen {
    method: Method,
    route: Option<MatchedPath>,
}

impl Seen {
    fn of<A>(request: &Request<A>) -> Self {
        Self { method: request.method().clone(), route: request.extensions().get().cloned() }
    }

    fn end(self, context: &Context, since: Instant, status: Option<u16>) {
        let route = self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let method = match self.method {
            // Anybody can make one up.
            Method::GET | Method::HEAD | Method::POST | Method::OPTIONS => self.method.as_str(),
            _ => "_OTHER",
        };
        let mut attributes =
            vec![("http.request.method", method.into()), ("http.route", route.into())];
        attributes
            .extend(status.map(|status| ("http.response.status_code", u64::from(status).into())));
        let failed = status.is_none_or(|status| status >= FAILED_MIN);
        context.end(format!("{method} {route}"), since, attributes, failed);
    }
}

pin_project! {
    /// The future of a [`Traced`] service.
    #[derive(Debug)]
    pub struct Tracing<F> {
        #[pin]
        answer: TaskLocalFuture<Context, F>,
        context: Context,
        since: Instant,
        seen: Option<Seen>,
        line: Option<Line>,
    }

    impl<F> PinnedDrop for Tracing<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            tell(this.line, this.context, *this.since, None);
        }
    }
}

/// Writes the line of a request, once.
fn tell(line: &mut Option<Line>, context: &Context, since: Instant, status: Option<StatusCode>) {
    if let Some(line) = line.take() {
        line.write(*context, since, status);
    }
}

impl<F, B, E> Future for Tracing<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.answer.poll(cx));
        let status = answer.as_ref().ok().map(Response::status);
        tell(this.line, this.context, *this.since, status);
        if let Some(seen) = this.seen.take() {
            seen.end(this.context, *this.since, status.map(|status| status.as_u16()));
        }
        if let (Ok(answer), Some(value)) = (&mut answer, this.context.header()) {
            answer.headers_mut().insert(TRACERESPONSE, value);
        }
        Poll::Ready(answer)
    }
}
