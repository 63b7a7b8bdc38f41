//! A loopback server that plays a collector of traces (OTLP/HTTP, JSON): it decodes what is sent and holds it
//! to the form, unless it is told to misbehave.

use crate::stub::Served;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long spans are waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// How it behaves, to every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CollectorMode {
    /// It takes everything.
    #[default]
    Good,
    /// It answers 503 and keeps nothing.
    Failing,
    /// It takes everything, after this long.
    Slow(Duration),
}

/// A span as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// `service.name` of who sent it.
    pub service: String,
    /// 32 digits.
    pub trace: String,
    /// 16 digits.
    pub id: String,
    /// 16 digits, or none.
    pub parent: String,
    /// What was done.
    pub name: String,
    /// 1 internal, 2 server, 3 client.
    pub kind: u64,
    /// Nanoseconds since 1970.
    pub times: (u64, u64),
    /// All values as text.
    pub attributes: BTreeMap<String, String>,
    /// It is marked as failed.
    pub failed: bool,
}

#[derive(Default)]
struct Kept {
    mode: CollectorMode,
    spans: Vec<Span>,
    headers: HeaderMap,
    requests: usize,
}

/// The server. It ends when this is dropped.
pub struct StubCollector {
    served: Served,
    kept: Arc<Mutex<Kept>>,
}

impl StubCollector {
    /// Starts one that is good.
    pub async fn start() -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let app = Router::new().route("/v1/traces", post(take)).with_state(kept.clone());
        Self { served: Served::start(app).await, kept }
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` has to be.
    pub fn url(&self) -> &str {
        &self.served.url
    }

    /// From now on it behaves so.
    pub fn behave(&self, mode: CollectorMode) {
        self.kept.lock().mode = mode;
    }

    /// All spans that it has.
    pub fn spans(&self) -> Vec<Span> {
        self.kept.lock().spans.clone()
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.kept.lock().requests
    }

    /// A header of the last request.
    pub fn header(&self, name: &str) -> Option<String> {
        self.kept.lock().headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    /// The spans of a trace, once there are at least so many.
    ///
    /// # Panics
    /// If they do not come.
    pub async fn trace(&self, id: &str, count: usize) -> Vec<Span> {
        let until = Instant::now() + PATIENCE;
        loop {
            let spans: Vec<Span> =
                self.spans().into_iter().filter(|span| span.trace == id).collect();
            if spans.len() >= count {
                return spans;
            }
            assert!(Instant::now() < until, "of {count} spans of {id} only these came: {spans:#?}");
            tokio::time::sleep(POLL).await;
        }
    }
}

async fn take(State(kept): State<Arc<Mutex<Kept>>>, headers: HeaderMap, body: Bytes) -> Response {
    let mode = kept.lock().mode;
    kept.lock().requests += 1;
    match mode {
        CollectorMode::Good => {}
        CollectorMode::Failing => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        CollectorMode::Slow(time) => tokio::time::sleep(time).await,
    }
    assert_eq!(headers["content-type"], "application/json");
    let sent: Value = serde_json::from_slice(&body).unwrap();
    let mut kept = kept.lock();
    for resource in sent["resourceSpans"].as_array().unwrap() {
        let service = attributes(&resource["resource"]["attributes"])["service.name"].clone();
        for scope in resource["scopeSpans"].as_array().unwrap() {
            let spans = scope["spans"].as_array().unwrap();
            kept.spans.extend(spans.iter().map(|span| decoded(&service, span)));
        }
    }
    kept.headers = headers;
    "{}".into_response()
}

fn decoded(service: &str, span: &Value) -> Span {
    let text = |name: &str| span[name].as_str().unwrap().to_owned();
    let time = |name: &str| text(name).parse::<u64>().unwrap();
    let (trace, id, parent) = (text("traceId"), text("spanId"), text("parentSpanId"));
    assert!(is_id(&trace, 32) && is_id(&id, 16), "{span}");
    assert!(parent.is_empty() || is_id(&parent, 16), "{span}");
    let times = (time("startTimeUnixNano"), time("endTimeUnixNano"));
    assert!(times.0 <= times.1 && times.0 > 1_600_000_000_000_000_000, "{span}");
    assert_eq!(span["flags"], 1, "{span}");
    Span {
        service: service.to_owned(),
        trace,
        id,
        parent,
        name: text("name"),
        kind: span["kind"].as_u64().unwrap(),
        times,
        attributes: attributes(&span["attributes"]),
        failed: span["status"]["code"] == 2,
    }
}

/// Lower-case hex of a length, not all zero.
fn is_id(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|byte| byte != b'0')
}

fn attributes(list: &Value) -> BTreeMap<String, String> {
    let attribute = |attribute: &Value| {
        let value = attribute["value"].as_object().unwrap();
        assert_eq!(value.len(), 1, "{attribute}");
        let value = value.get("stringValue").or_else(|| value.get("intValue")).unwrap();
        let text = value.as_str().unwrap(); // 64 bits are text, too
        (attribute["key"].as_str().unwrap().to_owned(), text.to_owned())
    };
    list.as_array().unwrap().iter().map(attribute).collect()
}
