//! An embedded body as an answer: its type, its entity tag, how long it may be kept.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use rota_wire::IfNoneMatch;
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;

/// For what carries its version in its URL (a year).
pub(crate) const FOR_EVER: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");
/// For what the next release may change: keep it, but ask before using it. `private`: a shared cache that holds it may
/// send it when the origin answers 5xx.
pub(crate) const ASK_AGAIN: HeaderValue = HeaderValue::from_static("private, no-cache");
/// For what the next release may change, and nobody minds for five minutes.
pub(crate) const A_WHILE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Bytes of the hash that a tag shows.
const TAG_BYTES: usize = 16;

/// What the page may do: load its own modules and stylesheet, ask its own server, nothing else. What is
/// shown was written by strangers, and this holds even if a mistake of ours let some of it become markup.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
);
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");

/// A body with everything that is sent with it.
#[derive(Clone)]
pub(crate) struct Asset {
    body: Bytes,
    kind: &'static str,
    kept: HeaderValue,
    /// Without its quotes.
    tag: String,
}

impl Asset {
    /// An asset; its tag is the hash of its body.
    pub(crate) fn new(body: impl Into<Bytes>, kind: &'static str, kept: HeaderValue) -> Self {
        let body = body.into();
        let hash = Sha256::digest(&body);
        let shown: String = hash[..TAG_BYTES].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { body, kind, kept, tag: shown }
    }

    /// The body, or 304 if the client has it.
    pub(crate) fn answer(&self, asked: &HeaderMap) -> Response {
        let mut response = if IfNoneMatch::of(asked).matches(&self.tag) {
            // Of no known length, because `content-length: 0` would tell the length of the body that the client
            // has (RFC 9110 §8.6).
            let nothing = futures_util::stream::empty::<Result<Bytes, Infallible>>();
            (StatusCode::NOT_MODIFIED, Body::from_stream(nothing)).into_response()
        } else {
            self.body.clone().into_response()
        };
        // Not `extend`, which would leave the type that a body of bytes has by itself beside its own.
        for (name, value) in self.fields() {
            response.headers_mut().insert(name, value);
        }
        response
    }

    fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        // Hexadecimal digits; weak, because the same body is sent compressed and plain.
        let tag = HeaderValue::try_from(format!("W/\"{}\"", self.tag)).ok();
        let fixed = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.kind)),
            (header::CACHE_CONTROL, self.kept.clone()),
            (header::VARY, HeaderValue::from_static("accept-encoding")),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF),
            (header::REFERRER_POLICY, NO_REFERRER),
        ];
        tag.map(|tag| (header::ETAG, tag)).into_iter().chain(fixed)
    }
}
