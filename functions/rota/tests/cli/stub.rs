//! A server on loopback that answers as it is told.

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse as _;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// An answer.
pub(crate) struct Reply {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, kind: "application/json", body: body.into() }
    }

    pub(crate) fn octets(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, kind: "application/octet-stream", body: body.into() }
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
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let answer = Arc::new(answer);
        let router = Router::new().fallback(move |request: Request| {
            let Reply { status, kind, body } = answer(request.uri());
            let status = StatusCode::from_u16(status).unwrap();
            async move { (status, [(header::CONTENT_TYPE, kind)], body).into_response() }
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, _runtime: runtime }
    }
}
