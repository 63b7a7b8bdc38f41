//! How long an answer may be kept, and how whoever has it already is spared it.
//!
//! | answer | `Cache-Control` | `ETag` names | a conditional request costs |
//! |---|---|---|---|
//! | can never change | [`FOR_EVER`] | the question | nothing: the store is not asked |
//! | open page, newest entry | [`ASK_AGAIN`] | the question and the head | one [`ScheduleReader::head`] |
//! | an entry that another may precede | [`ASK_AGAIN`] | the question and the entry | the read |
//! | error, time, address | [`NEVER`] | | |
//!
//! The tag of an answer that can never change is a function of the question alone, and no other answer to
//! that question ever carries it. So a client that sends it has the answer, and what it has is right. One
//! that makes the tag up is told that a thing it never got has not changed: it harms nobody else, since a
//! cache that holds nothing has nothing that a 304 could refresh (RFC 9111 §4.3.4).

use crate::question::{Depends, Question};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use rota_schedule::{ProcessId, ReadError, ScheduleReader};
use rota_wire::{ApiError, IfNoneMatch};
use std::convert::Infallible;

/// For what can never change; the longest age that caches understand (a year).
pub(crate) const FOR_EVER: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");
/// For what may change with the next message: keep it, but ask before using it. `private`, because a shared cache may
/// send what it holds when the origin answers 5xx, and `no-cache` alone does not keep CloudFront from that (AWS,
/// "Manage how long content stays in the cache").
pub(crate) const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");
/// For what holds at this moment only.
pub(crate) const NEVER: HeaderValue = HeaderValue::from_static("no-store");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// Bytes are what strangers sent, on the origin of the explorer: no browser may take them for a script or a page.
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// JSON is compressed for those who take it so; the server that does it adds nothing to this.
const BY_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");
/// `/{id}` answers with JSON or a bundle.
const BY_KIND: HeaderValue = HeaderValue::from_static("accept, accept-encoding");

/// A question as one client asked it.
pub(crate) struct Asked<'a> {
    question: Question,
    known: IfNoneMatch<'a>,
    kind: HeaderValue,
    vary: HeaderValue,
}

impl<'a> Asked<'a> {
    /// A question whose answer is JSON.
    pub(crate) const fn json(question: Question, headers: &'a HeaderMap) -> Self {
        Self { question, known: IfNoneMatch::of(headers), kind: JSON, vary: BY_ENCODING }
    }

    /// A question whose answer is bytes.
    pub(crate) const fn octets(question: Question, headers: &'a HeaderMap) -> Self {
        Self { question, known: IfNoneMatch::of(headers), kind: BYTES, vary: BY_ENCODING }
    }

    /// The same, where `Accept` chose the kind of answer.
    pub(crate) fn by_accept(self) -> Self {
        Self { vary: BY_KIND, ..self }
    }

    /// 304 if the client has the answer and it can never change.
    pub(crate) fn unchanged_for_ever(&self) -> Option<Response> {
        let tag = self.question.tag(Depends::Never);
        self.known.names(&tag).then(|| self.unchanged(&tag, FOR_EVER))
    }

    /// 304 if the client has the answer of a schedule that has not grown since. A reader that cannot tell
    /// may still know the answer: the caller goes on to ask for it.
    pub(crate) async fn unchanged_since<R: ScheduleReader>(
        &self,
        reader: &R,
        process: ProcessId,
    ) -> Option<Response> {
        if !self.known.tags().any(|tag| self.question.head_in(tag).is_some()) {
            return None;
        }
        let head = reader.head(process).await.ok()??;
        let tag = self.question.tag(Depends::OnHead(head));
        self.known.names(&tag).then(|| self.unchanged(&tag, ASK_AGAIN))
    }

    /// The answer, or 304 if the client has it.
    ///
    /// # Errors
    /// Those of `body`.
    pub(crate) fn answer<B: Into<Body>>(
        &self,
        depends: Depends,
        body: impl FnOnce() -> Result<B, ReadError>,
    ) -> Result<Response, ApiError> {
        let tag = self.question.tag(depends);
        let kept = if depends == Depends::Never { FOR_EVER } else { ASK_AGAIN };
        if self.known.matches(&tag) {
            return Ok(self.unchanged(&tag, kept));
        }
        let mut response = Response::new(body()?.into());
        self.put(response.headers_mut(), &tag, kept);
        Ok(response)
    }

    fn unchanged(&self, tag: &str, kept: HeaderValue) -> Response {
        // Of no known length, because `content-length: 0` would tell the length of the answer that the
        // client has (RFC 9110 §8.6).
        let body = Body::from_stream(futures_util::stream::empty::<Result<Bytes, Infallible>>());
        let mut response = (StatusCode::NOT_MODIFIED, body).into_response();
        self.put(response.headers_mut(), tag, kept);
        response
    }

    fn put(&self, headers: &mut HeaderMap, tag: &str, kept: HeaderValue) {
        // Tags are base64url, digits and dots.
        if let Ok(tag) = HeaderValue::try_from(format!("W/\"{tag}\"")) {
            headers.insert(header::ETAG, tag);
        }
        // On a 304 too: some gateways make up a type where there is none, and caches would take it over.
        headers.insert(header::CONTENT_TYPE, self.kind.clone());
        if self.kind == BYTES {
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
        }
        headers.insert(header::CACHE_CONTROL, kept);
        headers.insert(header::VARY, self.vary.clone());
    }
}

/// JSON that holds at this moment only.
pub(crate) fn momentary(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, NEVER)], body).into_response()
}
