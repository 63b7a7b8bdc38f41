//! What is being done for a request, and what was.
//!
//! A request's own span is its server's; what is done within it are its children. There is no deeper
//! nesting: a child is told when it is over.

use super::context::{Incoming, SpanId, TraceId, header, new_span, new_trace};
use super::export;
use axum::http::HeaderValue;
use std::time::{Duration, Instant, SystemTime};

tokio::task_local! {
    /// The request that this task, or thread, works for.
    static CURRENT: Context;
}

/// What is told of a span beside its name and time.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Names as OpenTelemetry has them, or the project's own (`process.id`, `nonce`).
pub(super) type Attributes = Vec<(&'static str, Value)>;

/// Which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Internal,
    Server,
    Client,
}

/// A span that is over.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) sampled: bool,
    pub(super) name: String,
    pub(super) side: Side,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) attributes: Attributes,
    pub(super) failed: bool,
}

/// A request's place in its trace.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    trace: TraceId,
    /// The server's own span.
    span: SpanId,
    parent: Option<SpanId>,
    sampled: bool,
    /// Its spans are exported.
    records: bool,
}

impl Context {
    /// Goes on with what a caller has begun, or begins a trace.
    pub(super) fn of(incoming: Option<Incoming>) -> Self {
        let trace = incoming.map_or_else(new_trace, |incoming| incoming.trace);
        let asked = incoming.and_then(|incoming| incoming.sampled);
        let decided = export::samples(trace.0, asked);
        Self {
            trace,
            span: new_span(),
            parent: incoming.and_then(|incoming| incoming.parent),
            sampled: decided.unwrap_or(asked.unwrap_or(false)),
            records: decided.unwrap_or(false),
        }
    }

    /// The trace.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.trace
    }

    pub(super) const fn records(&self) -> bool {
        self.records
    }

    /// What an answer is told (`traceresponse`), and what is called further (`traceparent`).
    pub(super) fn header(&self) -> Option<HeaderValue> {
        header(self.trace, self.span, self.sampled)
    }

    /// Ends the server's span.
    pub(super) fn end(&self, name: String, since: Instant, attributes: Attributes, failed: bool) {
        let (start_ns, end_ns) = times(since);
        let (id, parent, side) = (self.span, self.parent, Side::Server);
        let (trace, sampled) = (self.trace, self.sampled);
        export::put(Span {
            trace,
            id,
            parent,
            sampled,
            name,
            side,
            start_ns,
            end_ns,
            attributes,
            failed,
        });
    }

    fn child(&self, side: Side, of: Child<'_>) {
        let (start_ns, end_ns) = times(of.since);
        export::put(Span {
            trace: self.trace,
            id: of.id,
            parent: Some(self.span),
            sampled: self.sampled,
            name: of.name.to_owned(),
            side,
            start_ns,
            end_ns,
            attributes: of.attributes,
            failed: of.failed,
        });
    }
}

struct Child<'a> {
    id: SpanId,
    name: &'a str,
    since: Instant,
    attributes: Attributes,
    failed: bool,
}

/// The request that is worked for.
#[must_use]
pub fn current() -> Option<Context> {
    CURRENT.try_with(|context| *context).ok()
}

/// Does something for a request, on a thread that is no task of it.
pub fn within<T>(context: Option<Context>, work: impl FnOnce() -> T) -> T {
    match context {
        Some(context) => CURRENT.sync_scope(context, work),
        None => work(),
    }
}

/// The same for what has to be waited for.
pub async fn within_async<F: Future>(context: Option<Context>, work: F) -> F::Output {
    match context {
        Some(context) => scope(context, work).await,
        None => work.await,
    }
}

pub(super) fn scope<F: Future>(
    context: Context,
    work: F,
) -> tokio::task::futures::TaskLocalFuture<Context, F> {
    CURRENT.scope(context, work)
}

/// Tells of something that was done for a request since a moment and is over now. `attributes` are asked for
/// only if anybody wants them.
pub fn leaf(
    context: Option<Context>,
    name: &'static str,
    since: Instant,
    attributes: impl FnOnce() -> Attributes,
) {
    if let Some(context) = context.filter(Context::records) {
        let (id, attributes) = (new_span(), attributes());
        context.child(Side::Internal, Child { id, name, since, attributes, failed: false });
    }
}

/// A call to somebody else that joins the trace.
#[derive(Debug)]
pub struct Outgoing {
    context: Context,
    id: SpanId,
    name: &'static str,
    since: Instant,
}

/// Begins a call for the current request.
#[must_use]
pub fn outgoing(name: &'static str) -> Option<Outgoing> {
    let context = current()?;
    // Nobody tells of the call itself: then the server's span is the caller.
    let id = if context.records { new_span() } else { context.span };
    Some(Outgoing { context, id, name, since: Instant::now() })
}

impl Outgoing {
    /// What the other side is to be sent as `traceparent`.
    #[must_use]
    pub fn header(&self) -> Option<HeaderValue> {
        header(self.context.trace, self.id, self.context.sampled)
    }

    /// It is over; `attributes` are asked for only if anybody wants them.
    pub fn end(self, failed: bool, attributes: impl FnOnce() -> Attributes) {
        let Self { context, id, name, since } = self;
        if context.records {
            let attributes = attributes();
            context.child(Side::Client, Child { id, name, since, attributes, failed });
        }
    }
}

/// Begin and end of what is over now, in nanoseconds since 1970.
fn times(since: Instant) -> (u64, u64) {
    #[expect(
        clippy::disallowed_methods,
        reason = "a collector puts spans of many machines in order"
    )]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    (ns(now.saturating_sub(since.elapsed())), ns(now))
}
