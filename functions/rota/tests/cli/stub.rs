//! A server on loopback that answers as it is told.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{StatusCode, Uri, header};
use axum::response::{AppendHeaders, IntoResponse as _};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// An answer.
pub(crate) struct Reply {
    status: u16,
    kind: &'static str,
    retry_after: Option<&'static str>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, kind: "application/json", retry_after: None, body: body.into() }
    }

    pub(crate) fn octets(body: impl Into<Vec<u8>>) -> Self {
        let kind = "application/octet-stream";
        Self { status: 200, kind, retry_after: None, body: body.into() }
    }

    /// An error that may pass, at once.
    pub(crate) fn passing(status: u16, error: &str) -> Self {
        let body = format!(r#"{{"error":"{error}"}}"#);
        Self { retry_after: Some("0"), ..Self::json(status, body) }
    }

    pub(crate) fn not_found() -> Self {
        Self::json(404, r#"{"error":"not here"}"#)
    }
}

/// A running stub; it ends with the value.
pub(crate) struct Stub {
    pub(crate) url: String,
    _runtime: Runtime,
}

impl Stub {
    /// Answers every request with what `answer` says of its path and query.
    pub(crate) fn serving(answer: impl Fn(&Uri) -> Reply + Send + Sync + 'static) -> Self {
        Self::taking(move |uri, _| answer(uri))
    }

    /// Answers every request with what `answer` says of its path, query and body.
    pub(crate) fn taking(answer: impl Fn(&Uri, &[u8]) -> Reply + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let answer = Arc::new(answer);
        let router = Router::new().fallback(move |request: Request| {
            let answer = Arc::clone(&answer);
            async move {
                let (head, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let Reply { status, kind, retry_after, body } = answer(&head.uri, &body);
                let status = StatusCode::from_u16(status).unwrap();
                let retry_after = retry_after.map(|seconds| (header::RETRY_AFTER, seconds));
                let retry_after = AppendHeaders(retry_after);
                (status, [(header::CONTENT_TYPE, kind)], retry_after, body).into_response()
            }
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, _runtime: runtime }
    }
}
