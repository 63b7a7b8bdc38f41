//! Requests as events: version 2.0 of API Gateway's payload, which function URLs send too.
//!
//! Whatever stands in an event becomes a request: what no URI may hold is percent-encoded, what is no
//! header is left out. The routes then say what is wrong with it.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, uri};
use axum::response::{IntoResponse as _, Response};
use rota_service::trace::{AMZN_TRACE_ID, TraceLayer};
use rota_wire::{ApiError, QueryError};
use serde::Deserialize;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::ready;
use tower::{Layer as _, ServiceExt as _, service_fn};

/// The stage whose name is not part of the path.
const DEFAULT_STAGE: &str = "$default";

/// A request as an event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HttpEvent {
    // Emulators send null for what is empty.
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    headers: Option<HashMap<String, String>>,
    request_context: RequestContext,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
struct RequestContext {
    http: Http,
    stage: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: String,
}

impl HttpEvent {
    /// Asks `app`. The trace is the platform's, for a request that names none.
    pub(super) async fn answer(self, app: Router, trace: Option<HeaderValue>) -> Response {
        let request = self.into_request();
        let refused = request.as_ref().err().cloned();
        let mut request = request.unwrap_or_default();
        if let Some(trace) = trace {
            request.headers_mut().entry(AMZN_TRACE_ID).or_insert(trace);
        }
        match refused {
            None => app.oneshot(request).await.into_response(),
            Some(error) => refuse(error, request).await,
        }
    }

    /// The request, or what is wrong with it.
    fn into_request(self) -> Result<Request<Body>, ApiError> {
        let method = Method::from_bytes(self.request_context.http.method.as_bytes())
            .map_err(|_| ApiError::Method)?;
        let uri = self.uri().map_err(|_| QueryError::NotAnId("the path"))?;
        let body = body(self.body.unwrap_or_default(), self.is_base64_encoded)?;
        let mut request = Request::new(body);
        *request.headers_mut() = headers(self.headers.unwrap_or_default());
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        Ok(request)
    }

    /// Fails only on what is too long for a URI.
    fn uri(&self) -> Result<Uri, uri::InvalidUri> {
        let (path, query) = (self.path(), self.raw_query_string.as_deref().unwrap_or_default());
        let mut text = String::with_capacity(path.len() + query.len() + 2);
        if !path.starts_with('/') {
            text.push('/');
        }
        escape(&mut text, path, b"");
        if !query.is_empty() {
            text.push('?');
            escape(&mut text, query, b"?");
        }
        uri::PathAndQuery::try_from(text).map(Uri::from)
    }

    /// The path without the name of the stage, which API Gateway puts in front.
    fn path(&self) -> &str {
        let raw = self.raw_path.as_deref().unwrap_or_default();
        let stage = self.request_context.stage.as_deref().filter(|stage| *stage != DEFAULT_STAGE);
        let within = stage.and_then(|stage| raw.strip_prefix('/')?.strip_prefix(stage));
        within.filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(raw)
    }
}

/// Answers an event that no route sees.
async fn refuse(error: ApiError, request: Request<Body>) -> Response {
    let refuse = move |_| ready(Ok::<_, Infallible>(error.clone().into_response()));
    TraceLayer.layer(service_fn(refuse)).oneshot(request).await.into_response()
}

/// Appends `text` with everything percent-encoded that a path (RFC 3986 §3.3) and `also` do not allow. A
/// percent sign stays: most of it is encoded already.
fn escape(into: &mut String, text: &str, also: &[u8]) {
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
        if is_plain || also.contains(&byte) {
            into.push(char::from(byte));
        } else {
            let Ok(()) = write!(into, "%{byte:02X}") else {
                unreachable!("a String takes every write")
            };
        }
    }
}

/// Binary bodies come in base64, text as it is.
fn body(given: String, is_base64: bool) -> Result<Body, ApiError> {
    if !is_base64 {
        return Ok(given.into());
    }
    // In place: the event's text is not needed any more.
    let mut bytes = given.into_bytes();
    let decoded = base64_simd::STANDARD.decode_inplace(&mut bytes);
    let len = decoded.map_err(|_| ApiError::Body("the event's body is not in base64"))?.len();
    bytes.truncate(len);
    Ok(bytes.into())
}

fn headers(given: HashMap<String, String>) -> HeaderMap {
    let header = |(name, value): (String, String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    given.into_iter().filter_map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn request(path: &str, query: &str, stage: &str) -> Request<Body> {
        let event = json!({
            "version": "2.0", "rawPath": path, "rawQueryString": query, "cookies": ["a=b"],
            "headers": {"accept": "*/*", "if-none-match": "\"\u{e9}\"", "bad name": "x", "x": "a\nb"},
            "requestContext": {"http": {"method": "GET", "path": path}, "stage": stage},
            "isBase64Encoded": false,
        });
        serde_json::from_value::<HttpEvent>(event).unwrap().into_request().unwrap()
    }

    #[test]
    fn paths_and_queries_arrive_as_they_were_sent() {
        for (path, query, uri) in [
            ("/", "", "/"),
            ("/abc_-1/latest", "", "/abc_-1/latest"),
            ("/abc", "from=1&to=2&x=%20+?", "/abc?from=1&to=2&x=%20+?"),
            ("", "", "/"),
            ("abc", "", "/abc"),
            ("//a//", "", "//a//"),
        ] {
            assert_eq!(request(path, query, "$default").uri(), uri, "{path}?{query}");
        }
    }

    #[test]
    fn what_no_uri_may_hold_is_encoded() {
        for (path, query, uri) in [
            ("/a b\u{e9}", "", "/a%20b%C3%A9"),
            ("/\u{0}\r\n?#x", "", "/%00%0D%0A%3F%23x"),
            ("/[]{}|\\^`<>\"", "", "/%5B%5D%7B%7D%7C%5C%5E%60%3C%3E%22"),
            ("/a", "b=\u{1F600} #\u{7f}", "/a?b=%F0%9F%98%80%20%23%7F"),
            ("/%zz%", "%", "/%zz%?%"),
        ] {
            assert_eq!(request(path, query, "$default").uri(), uri, "{path}");
        }
    }

    #[test]
    fn the_stage_is_not_part_of_the_path() {
        for (path, stage, uri) in [
            ("/prod/abc", "prod", "/abc"),
            ("/prod", "prod", "/"),
            ("/production/abc", "prod", "/production/abc"),
            ("/$default/abc", "$default", "/$default/abc"),
        ] {
            assert_eq!(request(path, "", stage).uri(), uri, "{path}");
        }
    }

    #[test]
    fn what_is_null_or_absent_is_empty() {
        let context = json!({"http": {"method": "GET"}, "stage": null});
        let nulls = json!({
            "rawPath": null, "rawQueryString": null, "headers": null, "requestContext": context,
        });
        for event in [nulls, json!({"requestContext": context})] {
            let request =
                serde_json::from_value::<HttpEvent>(event).unwrap().into_request().unwrap();
            assert_eq!((request.uri().to_string().as_str(), request.headers().len()), ("/", 0));
        }
    }

    #[test]
    fn what_is_no_header_is_left_out() {
        let request = request("/", "", "$default");
        assert_eq!(request.headers().len(), 2);
        assert_eq!(request.headers()["if-none-match"].as_bytes(), "\"\u{e9}\"".as_bytes());
    }

    #[tokio::test]
    async fn bodies_arrive_as_bytes() {
        let sent = async |body: serde_json::Value, is_base64: bool| {
            let event = json!({
                "requestContext": {"http": {"method": "POST"}},
                "body": body, "isBase64Encoded": is_base64,
            });
            let request = serde_json::from_value::<HttpEvent>(event).unwrap().into_request();
            Some(axum::body::to_bytes(request.ok()?.into_body(), 100).await.unwrap())
        };
        assert_eq!(sent(json!("AP+A"), true).await.unwrap(), &[0, 255, 128][..]);
        assert_eq!(sent(json!("caf\u{e9}"), false).await.unwrap(), "caf\u{e9}".as_bytes());
        for nothing in [json!(""), json!(null)] {
            assert!(sent(nothing, true).await.unwrap().is_empty());
        }
        assert!(sent(json!("AP+"), true).await.is_none());
        assert!(sent(json!("\u{e9}\u{0}"), true).await.is_none());
    }

    #[test]
    fn what_is_too_long_or_no_method_is_refused() {
        let event = |path: &str, method: &str| {
            let context = json!({"http": {"method": method}});
            let event = json!({"rawPath": path, "requestContext": context});
            serde_json::from_value::<HttpEvent>(event).unwrap().into_request().unwrap_err().status()
        };
        assert_eq!(event(&"x".repeat(70_000), "GET"), 400);
        assert_eq!(event("/", "G E T"), 405);
        assert_eq!(event("/", ""), 405);
    }

    #[test]
    fn an_event_of_something_else_is_no_request() {
        for event in [json!({}), json!({"Records": []}), json!([]), json!({"httpMethod": "GET"})] {
            assert!(serde_json::from_value::<HttpEvent>(event).is_err());
        }
    }
}
