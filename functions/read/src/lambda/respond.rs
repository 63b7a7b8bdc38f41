//! Answers as the Runtime API takes them.
//!
//! A stream has no limit that an answer of ours reaches. A buffered answer is one JSON document of at most
//! [`ANSWER_BYTES_MAX`], in which JSON is escaped and anything else is in base64; above that the platform
//! would end the invocation and show the client nothing of why, so it is an error here.

use crate::answer::NEVER;
use axum::body::{BodyDataStream, to_bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use lambda_runtime::{FunctionResponse, MetadataPrelude, StreamResponse};
use rota_service::Setting;
use serde::Serialize;
use std::collections::BTreeMap;

/// The most bytes of a buffered answer: Lambda's 6 MB, less what status and headers may take.
pub const ANSWER_BYTES_MAX: usize = (6 << 20) - (32 << 10);

/// What a client is told whose answer is too large for the way this function answers.
const TOO_LARGE: &str = r#"{"error":"the answer is larger than this server can send in one piece: ask for fewer entries with limit"}"#;

/// An answer on its way to the Runtime API.
pub type Answer = FunctionResponse<Buffered, BodyDataStream>;

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
    pub(super) async fn answer(self, response: Response) -> Answer {
        match self {
            Self::Stream => FunctionResponse::StreamingResponse(streamed(response)),
            Self::Buffer => FunctionResponse::BufferedResponse(Buffered::of(response).await),
        }
    }
}

fn streamed(response: Response) -> StreamResponse<BodyDataStream> {
    let (parts, body) = response.into_parts();
    let metadata_prelude = MetadataPrelude {
        status_code: parts.status,
        headers: joined(&parts.headers),
        cookies: Vec::new(),
    };
    StreamResponse { metadata_prelude, stream: body.into_data_stream() }
}

/// A whole answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Buffered {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
    is_base64_encoded: bool,
}

impl Buffered {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        match to_bytes(body, ANSWER_BYTES_MAX).await {
            Ok(bytes) => Self::fitting(parts.status, &parts.headers, &bytes),
            Err(_) => None,
        }
        .unwrap_or_else(Self::too_large)
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
        let headers = text(&joined(headers));
        let answer = Self { status_code: status.as_u16(), headers, body, is_base64_encoded };
        (len <= ANSWER_BYTES_MAX).then_some(answer)
    }

    fn too_large() -> Self {
        tracing::warn!(
            "an answer is too large to be buffered: LAMBDA_RESPONSE=stream has no such limit"
        );
        let kind = HeaderValue::from_static("application/json");
        let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, NEVER)];
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        let headers = text(&headers.into_iter().collect());
        let body = TOO_LARGE.to_owned();
        Self { status_code: status.as_u16(), headers, body, is_base64_encoded: false }
    }
}

/// One field for each name: neither form takes lists, and no field of ours is one that cannot be joined.
fn joined(headers: &HeaderMap) -> HeaderMap {
    let values = |name| {
        let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        HeaderValue::from_bytes(&values.join(&b", "[..])).ok()
    };
    headers.keys().filter_map(|name| Some((name.clone(), values(name)?))).collect()
}

fn text(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
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
