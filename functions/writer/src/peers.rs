//! The way to other writers: a POST for a process that is another's now is passed on there.
//!
//! A router, or a client, may think for seconds that a process is still here. It would have to follow a
//! redirect of ours with the body, and Node's `fetch` does not. Only writers that the directory names are
//! asked, and a POST takes [`HOPS_MAX`] such steps at most, so it never goes in circles.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use rota_schedule::WriterName;
use rota_service::trace::{self, TRACEPARENT};
use rota_wire::ApiError;
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore};

/// Which writer has answered, for routers: what they believe of the process is out of date.
pub(crate) const ANSWERED_BY: HeaderName = HeaderName::from_static("x-rota-writer");
/// What `Via` says of this step (RFC 9110 §7.6.3).
const VIA: &str = "1.1 rota-writer";
/// Steps from writer to writer: a process that went away and came back while a POST was on its way is two.
const HOPS_MAX: usize = 2;
/// POSTs that are passed on at the same time; each has a socket.
pub(crate) const PASSED_AT_ONCE: usize = 64;
/// How long a connection to another writer may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long the other writer may take: it waits for a process that moves, and then for the commit.
const ANSWER_MAX: Duration = Duration::from_secs(45);
/// The most bytes of another writer's answer to a POST: a receipt, or an error.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Fields of a request that the other writer reads.
const SENT: [HeaderName; 2] = [header::CONTENT_TYPE, header::ACCEPT];
/// Fields of an answer that clients read.
const RETURNED: [HeaderName; 3] =
    [header::CONTENT_TYPE, header::CACHE_CONTROL, header::RETRY_AFTER];

/// Another writer, as the directory names it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) name: WriterName,
    /// Where it listens, without a trailing slash.
    pub(crate) url: String,
}

impl Peer {
    /// As errors call it.
    fn title(&self) -> String {
        format!("writer {}", self.name)
    }
}

/// Passes POSTs on.
pub(crate) struct Peers {
    /// Made when it is first needed: it reads the system's certificates.
    client: OnceCell<Client>,
    turns: Semaphore,
}

impl Default for Peers {
    fn default() -> Self {
        Self { client: OnceCell::new(), turns: Semaphore::new(PASSED_AT_ONCE) }
    }
}

impl Peers {
    /// Passes a POST on, and its answer back.
    ///
    /// # Errors
    /// It has been passed on too often, or the other writer does not answer.
    pub(crate) async fn pass_on(
        &self,
        to: &Peer,
        query: Option<&str>,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response, ApiError> {
        if hops(headers) >= HOPS_MAX {
            return Err(ApiError::Moving);
        }
        let busy = |_| ApiError::Busy("too many items are being passed on to other writers");
        let _turn = self.turns.try_acquire().map_err(busy)?;
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let request = self.client().await?.post(format!("{}/{query}", to.url)).body(body);
        let call = trace::outgoing("pass on");
        let parent = call.as_ref().and_then(trace::Outgoing::header);
        let answer = receive(to, with_fields(request, headers, parent)).await;
        if let Some(call) = call {
            call.end(answer.is_err(), || vec![("server.address", to.url.clone().into())]);
        }
        answer
    }

    async fn client(&self) -> Result<&Client, ApiError> {
        let make = async || {
            Client::builder()
                .connect_timeout(CONNECT_MAX)
                .timeout(ANSWER_MAX)
                .redirect(Policy::none())
                .build()
        };
        self.client.get_or_try_init(make).await.map_err(|error| {
            tracing::error!(%error, "no client for other writers can be made");
            ApiError::Internal
        })
    }
}

/// How many writers have passed a request on so far.
fn hops(headers: &HeaderMap) -> usize {
    let via = headers.get_all(header::VIA).iter().filter_map(|via| via.to_str().ok());
    via.flat_map(|via| via.split(',')).filter(|hop| hop.trim() == VIA).count()
}

fn with_fields(
    mut request: RequestBuilder,
    headers: &HeaderMap,
    parent: Option<HeaderValue>,
) -> RequestBuilder {
    for name in &SENT {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    for via in headers.get_all(header::VIA) {
        request = request.header(header::VIA, via);
    }
    if let Some(parent) = parent {
        request = request.header(TRACEPARENT, parent);
    }
    request.header(header::VIA, VIA)
}

/// Sends a request and makes the answer ours.
async fn receive(to: &Peer, request: RequestBuilder) -> Result<Response, ApiError> {
    let mut answer = request.send().await.map_err(|error| unanswered(to, &error))?;
    if answer.status().is_redirection() {
        // It gave the process away, too: whoever comes again finds where it is by then.
        return Err(ApiError::Moving);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unanswered(to, &error))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            tracing::warn!(writer.name = %to.name, "a writer's answer to a POST is too long");
            return Err(ApiError::OutcomeUnknownThere(to.title()));
        }
        body.extend_from_slice(&chunk);
    }
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = (status, Body::from(body.freeze())).into_response();
    let fields = response.headers_mut();
    fields.clear();
    for name in RETURNED {
        if let Some(value) = answer.headers().get(&name) {
            fields.insert(name, value.clone());
        }
    }
    // It may have passed the POST on itself.
    let by = answer.headers().get(&ANSWERED_BY).cloned();
    if let Some(by) = by.or_else(|| HeaderValue::try_from(to.name.as_str()).ok()) {
        fields.insert(ANSWERED_BY, by);
    }
    Ok(response)
}

/// What a client is told of a POST that another writer did not answer.
fn unanswered(to: &Peer, error: &reqwest::Error) -> ApiError {
    let is_connect = error.is_connect();
    let error = error as &dyn std::error::Error;
    tracing::warn!(writer.name = %to.name, error, "a POST that was passed on was not answered");
    if is_connect {
        ApiError::WriterSilent(to.name.to_string()) // nothing was sent
    } else {
        ApiError::OutcomeUnknownThere(to.title())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_is_passed_on_twice_and_no_more() {
        let mut headers = HeaderMap::new();
        headers.append(header::VIA, HeaderValue::from_static("1.1 rota-router, 1.0 fred"));
        assert_eq!(hops(&headers), 0);
        headers.append(header::VIA, HeaderValue::from_static("1.1 rota-writer"));
        headers.append(header::VIA, HeaderValue::from_static("1.1 cdn,1.1 rota-writer"));
        assert_eq!(hops(&headers), HOPS_MAX);
    }
}
