//! The Runtime API (version 2018-06-01): takes events from the platform and gives it answers.
//!
//! Spoken here and not by the crate `lambda_runtime`, which writes a streamed answer in several small
//! pieces to a socket that waits for each to be acknowledged: 43 ms to an answer on loopback, against less
//! than 2 ms with `TCP_NODELAY`.

use super::event::HttpEvent;
use super::respond::{Reply, ResponseMode};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use bytes::Bytes;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::TokioExecutor;
use rota_service::trace;
use std::time::Duration;

/// The version of the API that is spoken.
const VERSION: &str = "2018-06-01";
/// The most bytes of an event: what Lambda sends at most (6 MB), with room for its own fields.
const EVENT_BYTES_MAX: usize = 8 << 20;
/// The event's id, which its answer is sent under.
const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
/// The trace of an event, for events that name none themselves.
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
/// How long the spans of an invocation may take to be exported.
const FLUSH_MAX: Duration = Duration::from_millis(200);
/// To be sent back with the answer where the platform sends several events at once.
const INVOCATION_ID: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");

/// Why no further event can be taken. The platform starts the function again.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// There is nobody to ask, or the connection broke.
    #[error("the runtime api does not answer")]
    Unreachable(#[source] legacy::Error),
    /// An event did not arrive whole.
    #[error("an event did not arrive whole")]
    Broken(#[source] axum::Error),
    /// The platform refuses to give events.
    #[error("the runtime api answers {0}")]
    Refused(StatusCode),
    /// The address is none, or an event has no id that could be answered.
    #[error("the runtime api cannot be spoken to")]
    Malformed(#[source] axum::http::Error),
}

/// The Runtime API as one function sees it. Clones share connections.
#[derive(Clone, Debug)]
pub(super) struct RuntimeApi {
    client: Client<HttpConnector, Body>,
    url: String,
}

/// An event, and what its answer is sent under.
struct Invocation {
    id: String,
    trace: Option<HeaderValue>,
    invocation_id: Option<HeaderValue>,
    event: Bytes,
}

impl RuntimeApi {
    /// The API at `address`: host and port; emulators put a scheme before them and a path behind.
    pub(super) fn new(address: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        let address = address.strip_prefix("http://").unwrap_or(address);
        Self { client, url: format!("http://{address}/{VERSION}/runtime/invocation") }
    }

    /// Answers events, one after the other, for as long as there are any.
    ///
    /// # Errors
    /// No further event can be taken. An answer that does not arrive is only logged: the platform knows.
    pub(super) async fn work(self, app: Router, mode: ResponseMode) -> Result<(), RuntimeError> {
        loop {
            let Some(invocation) = self.next().await? else { continue };
            let reply = match serde_json::from_slice::<HttpEvent>(&invocation.event) {
                Ok(event) => {
                    let trace = invocation.trace.clone();
                    mode.reply(event.answer(app.clone(), trace).await).await
                }
                Err(error) => {
                    tracing::error!(%error, "an event is no HTTP request");
                    Reply::NoRequest
                }
            };
            let id = invocation.id.clone();
            if let Err(error) = self.reply(invocation, reply).await {
                tracing::error!(error = &error as &dyn std::error::Error, %id, "an answer is lost");
            }
            // The client has its answer; the instance may stand still as soon as the next event is asked for.
            trace::flush(FLUSH_MAX).await;
        }
    }

    /// The next event, once there is one. `None` if the platform only wants to be asked again.
    async fn next(&self) -> Result<Option<Invocation>, RuntimeError> {
        let request = Request::get(format!("{}/next", self.url)).body(Body::empty());
        let (status, mut headers, event) = self.ask(request).await?;
        if status == StatusCode::NO_CONTENT {
            return Ok(None);
        }
        let id = headers.remove(REQUEST_ID).filter(|_| status == StatusCode::OK);
        let id =
            id.as_ref().and_then(|id| id.to_str().ok()).ok_or(RuntimeError::Refused(status))?;
        let (trace, invocation_id) = (headers.remove(TRACE_ID), headers.remove(INVOCATION_ID));
        Ok(Some(Invocation { id: id.to_owned(), trace, invocation_id, event }))
    }

    async fn reply(&self, to: Invocation, reply: Reply) -> Result<(), RuntimeError> {
        let url = format!("{}/{}/{}", self.url, to.id, reply.kind());
        let mut request = Request::post(url);
        for (name, value) in reply.headers() {
            request = request.header(*name, *value);
        }
        if let Some(id) = to.invocation_id {
            request = request.header(INVOCATION_ID, id);
        }
        let (status, ..) = self.ask(request.body(reply.into_body())).await?;
        if status.is_success() { Ok(()) } else { Err(RuntimeError::Refused(status)) }
    }

    async fn ask(
        &self,
        request: Result<Request<Body>, axum::http::Error>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), RuntimeError> {
        let request = request.map_err(RuntimeError::Malformed)?;
        let answer = self.client.request(request).await.map_err(RuntimeError::Unreachable)?;
        let (parts, body) = answer.into_parts();
        let body =
            to_bytes(Body::new(body), EVENT_BYTES_MAX).await.map_err(RuntimeError::Broken)?;
        Ok((parts.status, parts.headers, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_platform_and_of_emulators_are_understood() {
        for (address, url) in [
            ("127.0.0.1:9001", "http://127.0.0.1:9001/2018-06-01/runtime/invocation"),
            (
                "http://[::]:9000/.rt/read",
                "http://[::]:9000/.rt/read/2018-06-01/runtime/invocation",
            ),
        ] {
            assert_eq!(RuntimeApi::new(address).url, url);
        }
    }
}
