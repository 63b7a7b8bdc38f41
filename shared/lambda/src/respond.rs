//! Answers as the Runtime API takes them.
//!
//! A stream has no limit that an answer of ours reaches. A buffered answer is one JSON document of at most
//! [`ANSWER_BYTES_MAX`], in which JSON is escaped and anything else is in base64; above that the platform
//! would end the invocation and show the client nothing of why, so it is an error here.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::LengthLimitError;
use rota_service::Setting;
use rota_service::trace::{self, TRACERESPONSE};
use serde::Serialize;
use std::collections::BTreeMap;
use std::error::Error;

/// The most bytes of a buffered answer: Lambda's 6 MB, less what status and headers may take.
pub const ANSWER_BYTES_MAX: usize = (6 << 20) - (32 << 10);

/// What a client is told whose answer is too large for the way this function answers.
const TOO_LARGE: &str =
    "the answer is larger than this server can send in one piece: ask for fewer entries with limit";

/// What a client is told whose answer ended too early.
const BROKEN_OFF: &str = "the answer broke off, try again soon";

/// What ends the prelude of a stream.
static PRELUDE_END: [u8; 8] = [0; 8];

/// How a stream is announced.
const STREAMED: [(&str, &str); 3] = [
    ("content-type", "application/vnd.awslambda.http-integration-response"),
    ("lambda-runtime-function-response-mode", "streaming"),
    ("transfer-encoding", "chunked"),
];
/// How a document is.
const DOCUMENT: [(&str, &str); 1] = [("content-type", "application/json")];

/// An answer as the Runtime API takes it.
pub(super) enum Reply {
    /// Status and headers, and then the body as it comes.
    Stream(Body),
    /// All in one document.
    Document(Vec<u8>),
    /// The event was no request: an error that the platform shows.
    NoRequest,
}

impl Reply {
    /// Where it is sent, behind the event's id.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Stream(_) | Self::Document(_) => "response",
            Self::NoRequest => "error",
        }
    }

    /// What is sent with it.
    pub(super) const fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Stream(_) => &STREAMED,
            Self::Document(_) | Self::NoRequest => &DOCUMENT,
        }
    }

    /// What is sent.
    pub(super) fn into_body(self) -> Body {
        match self {
            Self::Stream(body) => body,
            Self::Document(bytes) => bytes.into(),
            Self::NoRequest => NO_REQUEST.into(),
        }
    }
}

/// What the platform is told of an event that it should not have sent.
const NO_REQUEST: &str = r#"{"errorType":"NoRequest","errorMessage":"this function takes HTTP requests, of API Gateway (payload 2.0) or of a function URL"}"#;

/// How answers leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// As they are, of any size: for function URLs that stream (`InvokeMode: RESPONSE_STREAM`).
    #[default]
    Stream,
    /// As one document: for API Gateway and for function URLs that do not stream.
    Buffer,
}

impl Setting for ResponseMode {
    const EXPECTS: &'static str = "stream or buffer";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "stream" => Some(Self::Stream),
            "buffer" => Some(Self::Buffer),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Stream => "stream",
            Self::Buffer => "buffer",
        }
        .to_owned()
    }
}

impl ResponseMode {
    /// Turns a response into what leaves.
    pub(super) async fn reply(self, response: Response) -> Reply {
        match self {
            Self::Stream => streamed(response),
            Self::Buffer => Reply::Document(json(&Buffered::of(response).await)),
        }
    }
}

fn streamed(response: Response) -> Reply {
    let (parts, body) = response.into_parts();
    let status_code = parts.status.as_u16();
    let head = Prelude { status_code, headers: fields(&parts.headers), cookies: [] };
    // A piece for each: emulators take the prelude from the first and pass over the second.
    let prelude = [Ok(Bytes::from(json(&head))), Ok(Bytes::from_static(&PRELUDE_END))];
    Reply::Stream(Body::from_stream(stream::iter(prelude).chain(body.into_data_stream())))
}

/// Text and numbers can always be written; an empty document would be refused.
fn json(answer: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).unwrap_or_default()
}

/// What precedes a streamed body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Prelude {
    status_code: u16,
    headers: BTreeMap<String, String>,
    /// Never any, but emulators insist on the field.
    cookies: [&'static str; 0],
}

/// A whole answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Buffered {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
    is_base64_encoded: bool,
}

impl Buffered {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        match to_bytes(body, ANSWER_BYTES_MAX).await {
            Ok(bytes) => Self::fitting(parts.status, &parts.headers, &bytes)
                .unwrap_or_else(|| Self::too_large(&parts.headers)),
            Err(error) if is_of_length(&error) => Self::too_large(&parts.headers),
            Err(error) => Self::broken_off(&parts.headers, &error),
        }
    }

    /// `None` if it does not fit.
    fn fitting(status: StatusCode, headers: &HeaderMap, bytes: &[u8]) -> Option<Self> {
        let is_base64_encoded = !is_text(headers);
        let (body, len) = if is_base64_encoded {
            let body = base64_simd::STANDARD.encode_to_string(bytes);
            let len = body.len();
            (body, len)
        } else {
            let body = String::from_utf8_lossy(bytes).into_owned();
            let len = body.bytes().map(escaped_len).sum();
            (body, len)
        };
        let headers = fields(headers);
        let answer = Self { status_code: status.as_u16(), headers, body, is_base64_encoded };
        (len <= ANSWER_BYTES_MAX).then_some(answer)
    }

    /// `given` are the fields of the answer that does not fit.
    fn too_large(given: &HeaderMap) -> Self {
        tracing::warn!(
            "an answer is too large to be buffered: LAMBDA_RESPONSE=stream has no such limit"
        );
        Self::error(given, StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE)
    }

    /// The rest of the answer will not come: what is there must not be taken for the whole.
    fn broken_off(given: &HeaderMap, error: &axum::Error) -> Self {
        tracing::error!(error = error as &dyn Error, "an answer broke off");
        Self::error(given, StatusCode::BAD_GATEWAY, BROKEN_OFF)
    }

    fn error(given: &HeaderMap, status: StatusCode, text: &str) -> Self {
        let kind = HeaderValue::from_static("application/json");
        let never = HeaderValue::from_static("no-store");
        let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, never)];
        let mut headers: HeaderMap = headers.into_iter().collect();
        let trace = given.get(TRACERESPONSE);
        headers.extend(trace.map(|trace| (TRACERESPONSE, trace.clone())));
        let (headers, body) = (fields(&headers), trace::error_body_after(trace, text));
        Self { status_code: status.as_u16(), headers, body, is_base64_encoded: false }
    }
}

/// Whether a body was longer than allowed; else it broke off.
fn is_of_length(error: &axum::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// One text for each name: neither form takes lists, and no field of ours is one that cannot be joined.
fn fields(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let text = String::from_utf8_lossy(value.as_bytes());
        let field = fields.entry(name.to_string()).or_default();
        if !field.is_empty() {
            field.push_str(", ");
        }
        field.push_str(&text);
    }
    fields
}

/// Whether a body is JSON as it is, uncompressed.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind == Some(b"application/json") && !headers.contains_key(header::CONTENT_ENCODING)
}

/// Bytes that a byte takes within a JSON string.
const fn escaped_len(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..=31 => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn answer(chunks: Vec<io::Result<Bytes>>) -> Response {
        Response::new(Body::from_stream(stream::iter(chunks)))
    }

    #[tokio::test]
    async fn a_document_is_the_whole_answer_or_an_error() {
        let chunk = || Ok(Bytes::from(vec![b'x'; 4 << 20]));
        let cut = || Err(io::Error::other("the other side broke off"));
        for (chunks, status) in [
            (vec![chunk()], 200),
            (vec![chunk(), chunk()], 413),
            (vec![chunk(), cut()], 502),
            (vec![cut()], 502),
        ] {
            let buffered = Buffered::of(answer(chunks)).await;
            assert_eq!(buffered.status_code, status);
            let is_error = buffered.body.starts_with("{\"error\":");
            assert_eq!(is_error, status != 200);
        }
    }
}
