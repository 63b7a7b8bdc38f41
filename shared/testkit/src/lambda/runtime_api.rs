//! The Runtime API (version 2018-06-01): events out, answers in.

use super::Outcome;
use crate::Answer;
use crate::stub::Served;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, Response, StatusCode};
use axum::routing::{get, post};
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, mpsc, oneshot};

/// What Lambda takes of a buffered answer, in bytes of the document.
const BUFFERED_BYTES_MAX: usize = 6_291_556;
/// What ends the prelude of a streamed answer.
const PRELUDE_END: [u8; 8] = [0; 8];
/// The time that events say the function has.
const DEADLINE: Duration = Duration::from_secs(30);

/// An emulator, and where it listens.
pub(super) struct RuntimeApi {
    pub(super) address: String,
    shared: Arc<Shared>,
    _served: Served,
}

struct Shared {
    events: mpsc::UnboundedSender<(u64, String)>,
    queue: tokio::sync::Mutex<mpsc::UnboundedReceiver<(u64, String)>>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Outcome>>>,
    next: AtomicU64,
    asked: Notify,
    init_error: Mutex<Option<String>>,
}

impl RuntimeApi {
    pub(super) async fn start() -> Self {
        let (events, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            events,
            queue: tokio::sync::Mutex::new(queue),
            waiting: Mutex::default(),
            next: AtomicU64::new(1),
            asked: Notify::new(),
            init_error: Mutex::default(),
        });
        let runtime = Router::new()
            .route("/invocation/next", get(next))
            .route("/invocation/{id}/response", post(response))
            .route("/invocation/{id}/error", post(error))
            .route("/init/error", post(init_error))
            .with_state(Arc::clone(&shared));
        let served = Served::start(Router::new().nest("/2018-06-01/runtime", runtime)).await;
        let address = served.url.strip_prefix("http://").unwrap().to_owned();
        Self { address, shared, _served: served }
    }

    /// Puts an event in line.
    pub(super) fn queue(&self, event: &Value) -> oneshot::Receiver<Outcome> {
        let id = self.shared.next.fetch_add(1, Ordering::SeqCst);
        let (sender, receiver) = oneshot::channel();
        self.shared.waiting.lock().insert(id, sender);
        self.shared.events.send((id, event.to_string())).unwrap();
        receiver
    }

    pub(super) async fn invoke(&self, event: &Value) -> Outcome {
        self.queue(event).await.unwrap()
    }

    /// Waits until an event is asked for from now on, or was since the last time.
    pub(super) async fn idle(&self) {
        self.shared.asked.notified().await;
    }

    pub(super) fn init_error(&self) -> Option<String> {
        self.shared.init_error.lock().clone()
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response<Body> {
    shared.asked.notify_one();
    let (id, event) = shared.queue.lock().await.recv().await.unwrap();
    #[expect(
        clippy::disallowed_methods,
        reason = "it plays the platform, which has the wall clock"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", id.to_string())
        .header("lambda-runtime-deadline-ms", (now + DEADLINE).as_millis().to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-west-1:1:function:read")
        .header("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000")
        .body(Body::from(event))
        .unwrap()
}

async fn response(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let mode = headers.get("lambda-runtime-function-response-mode");
    let answer = match mode.map(|mode| mode.to_str().unwrap()) {
        Some("streaming") => {
            assert_eq!(
                headers["content-type"], "application/vnd.awslambda.http-integration-response",
                "else the prelude is part of the body"
            );
            streamed(&bytes)
        }
        None => buffered(&bytes),
        Some(other) => Err(format!("response mode {other}")),
    };
    shared.settle(id, answer.map_or_else(Outcome::Failed, Outcome::Answered));
    StatusCode::ACCEPTED
}

async fn error(State(shared): State<Arc<Shared>>, Path(id): Path<u64>, body: String) -> StatusCode {
    shared.settle(id, Outcome::Failed(body));
    StatusCode::ACCEPTED
}

async fn init_error(State(shared): State<Arc<Shared>>, body: String) -> StatusCode {
    *shared.init_error.lock() = Some(body);
    StatusCode::ACCEPTED
}

impl Shared {
    fn settle(&self, id: u64, outcome: Outcome) {
        // Nobody may wait any more; answering twice is what must not be.
        let waiting = self.waiting.lock().remove(&id);
        let _ = waiting.unwrap_or_else(|| panic!("{id} is answered twice")).send(outcome);
    }
}

fn streamed(bytes: &Bytes) -> Result<Answer, String> {
    let end = bytes.windows(PRELUDE_END.len()).position(|window| window == PRELUDE_END);
    let end = end.ok_or("the prelude has no end")?;
    let prelude: Value =
        serde_json::from_slice(&bytes[..end]).map_err(|error| error.to_string())?;
    let (status, headers) = head(&prelude)?;
    prelude["cookies"].as_array().ok_or("no cookies")?;
    Ok(Answer { status, headers, body: bytes.slice(end + PRELUDE_END.len()..) })
}

fn buffered(bytes: &[u8]) -> Result<Answer, String> {
    if bytes.len() > BUFFERED_BYTES_MAX {
        return Err(format!("Function.ResponseSizeTooLarge: {} bytes", bytes.len()));
    }
    let document: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let (status, headers) = head(&document)?;
    let text = document["body"].as_str().unwrap_or_default();
    let body = if document["isBase64Encoded"] == true {
        base64_simd::STANDARD.decode_to_vec(text).map_err(|error| error.to_string())?.into()
    } else {
        Bytes::copy_from_slice(text.as_bytes())
    };
    Ok(Answer { status, headers, body })
}

/// Status and headers, which have one value each.
fn head(answer: &Value) -> Result<(u16, HeaderMap), String> {
    let status = answer["statusCode"].as_u64().and_then(|code| u16::try_from(code).ok());
    let mut headers = HeaderMap::new();
    for (name, value) in answer["headers"].as_object().ok_or("no headers")? {
        let value = value.as_str().ok_or_else(|| format!("{name} is {value}"))?;
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        headers.insert(name, value.try_into().map_err(|_| format!("a header is {value:?}"))?);
    }
    Ok((status.ok_or("no status")?, headers))
}
