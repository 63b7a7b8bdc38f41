//! Traces: every request has one id, whoever made it, in its log lines, its error answer and its answer's
//! `traceresponse`; and if there is a collector, spans of what was done for it.
//!
//! Without a collector a request costs two random numbers and one header. With one, a request that is
//! recorded puts its spans into a bounded queue: never waits, drops and counts what finds no room. Written
//! here and not taken from the OpenTelemetry crates because the functions link no `reqwest`, and because
//! spans by way of `tracing`'s registry cost every request several allocations, recorded or not.
//!
//! It must not know what is traced.

mod context;
mod export;
mod layer;
mod lines;
mod otlp;
mod settings;
mod span;

pub use context::{AMZN_TRACE_ID, SpanId, TRACEPARENT, TRACERESPONSE, TRACESTATE, TraceId};
pub use export::{dropped, flush, init};
pub use layer::{TraceLayer, Traced, Tracing};
pub use settings::TraceSettings;
pub use span::{Context, Outgoing, Value, current, leaf, outgoing, within, within_async};

use axum::http::HeaderValue;

/// The body of every error answer (contract §3): what is wrong, and the trace under which the logs tell more.
#[must_use]
pub fn error_body(text: &str) -> String {
    let trace_id = current().map(|context| context.trace_id().to_string());
    error_body_of(trace_id.as_deref(), text)
}

/// The same for an answer that is made when its request is over: it has the id of another's `traceresponse`.
#[must_use]
pub fn error_body_after(traceresponse: Option<&HeaderValue>, text: &str) -> String {
    let fields = traceresponse.and_then(|value| value.to_str().ok());
    error_body_of(fields.and_then(|fields| fields.split('-').nth(1)), text)
}

fn error_body_of(trace_id: Option<&str>, text: &str) -> String {
    match trace_id {
        Some(trace_id) => serde_json::json!({"error": text, "trace_id": trace_id}),
        None => serde_json::json!({ "error": text }),
    }
    .to_string()
}
