//! Spans as a collector takes them: OTLP 1, in JSON (`ExportTraceServiceRequest`).

use super::settings::TraceSettings;
use super::span::{Side, Span, Value};
use serde_json::{Value as Json, json};

/// The flag of a span whose trace is sampled (W3C flags, in OTLP's `flags`).
const SAMPLED: u32 = 1;
/// `STATUS_CODE_ERROR`.
const STATUS_ERROR: u32 = 2;

/// Whose spans they are: the same in every request.
pub(super) fn resource(settings: &TraceSettings) -> Json {
    let own = [("service.name".to_owned(), settings.service.clone())];
    // Named twice, the service's own variable wins.
    let others = settings.resource.iter().filter(|(name, _)| name != "service.name").cloned();
    let attributes: Vec<Json> =
        own.into_iter().chain(others).map(|(name, text)| attribute(&name, &text.into())).collect();
    json!({ "attributes": attributes })
}

/// A request with a batch of spans.
pub(super) fn request(resource: &Json, spans: &[Span]) -> Vec<u8> {
    let spans: Vec<Json> = spans.iter().map(span).collect();
    let scope = json!({"name": "rota", "version": env!("CARGO_PKG_VERSION")});
    let scoped = json!([{ "scope": scope, "spans": spans }]);
    let request = json!({"resourceSpans": [{ "resource": resource, "scopeSpans": scoped }]});
    request.to_string().into_bytes()
}

fn span(span: &Span) -> Json {
    let attributes: Vec<Json> =
        span.attributes.iter().map(|(name, value)| attribute(name, value)).collect();
    let mut json = json!({
        "traceId": span.trace.to_string(),
        "spanId": span.id.to_string(),
        "parentSpanId": span.parent.map(|id| id.to_string()).unwrap_or_default(),
        "flags": u32::from(span.sampled) * SAMPLED,
        "name": span.name,
        "kind": match span.side {
            Side::Internal => 1,
            Side::Server => 2,
            Side::Client => 3,
        },
        // 64 bits are text in JSON.
        "startTimeUnixNano": span.start_ns.to_string(),
        "endTimeUnixNano": span.end_ns.to_string(),
        "attributes": attributes,
        "status": {},
    });
    if span.failed {
        json["status"] = json!({ "code": STATUS_ERROR });
    }
    json
}

fn attribute(name: &str, value: &Value) -> Json {
    let value = match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
    };
    json!({"key": name, "value": value})
}
