//! A proxy before S3 that refuses conditional writes, as S3 does while another write of the same key is under
//! way: the stand-in never is in that state.

use crate::aws::Aws;
use crate::stub::Served;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use parking_lot::Mutex;
use std::sync::Arc;

/// What is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Writes that want their key to be free (`If-None-Match`).
    ConditionalWrites,
    /// Requests for what an object holds or is.
    Reads,
}

impl Refused {
    fn is(self, method: &Method, headers: &HeaderMap) -> bool {
        match self {
            Self::ConditionalWrites => headers.contains_key(header::IF_NONE_MATCH),
            Self::Reads => matches!(*method, Method::GET | Method::HEAD),
        }
    }
}

/// The proxy. It ends when this is dropped.
pub struct S3Refusals {
    served: Served,
    inner: Arc<Inner>,
}

struct Inner {
    target: String,
    http: reqwest::Client,
    rules: Mutex<Vec<Rule>>,
}

struct Rule {
    refused: Refused,
    status: StatusCode,
    code: &'static str,
    left: usize,
}

impl S3Refusals {
    /// Starts one that passes everything on to a server.
    pub async fn before(aws: &Aws) -> Self {
        // Fails if a provider is there already, which is as good. Nothing here speaks TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let inner = Arc::new(Inner { target: aws.endpoint(), http, rules: Mutex::default() });
        let app = Router::new().fallback(pass).with_state(inner.clone());
        Self { served: Served::start(app).await, inner }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.served.url
    }

    /// Once earlier refusals are used up, so many of these requests are answered with a status and S3's code for it,
    /// and reach nobody.
    pub fn refuse(&self, refused: Refused, status: u16, code: &'static str, times: usize) {
        let status = StatusCode::from_u16(status).unwrap();
        self.inner.rules.lock().push(Rule { refused, status, code, left: times });
    }

    /// From now on everything passes.
    pub fn pass_all(&self) {
        self.inner.rules.lock().clear();
    }

    /// How many refusals are left.
    pub fn left(&self) -> usize {
        self.inner.rules.lock().iter().map(|rule| rule.left).sum()
    }
}

async fn pass(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    if let Some(refusal) = refusal(&inner.rules, &head.method, &head.headers) {
        return refusal;
    }
    let url = format!("{}{}", inner.target, head.uri);
    let request = inner.http.request(head.method, url).headers(head.headers).body(body);
    let from = request.send().await.unwrap();
    let (status, mut headers) = (from.status(), from.headers().clone());
    headers.remove(header::TRANSFER_ENCODING);
    answer(status, headers, from.bytes().await.unwrap().into())
}

fn refusal(rules: &Mutex<Vec<Rule>>, method: &Method, headers: &HeaderMap) -> Option<Response> {
    let mut rules = rules.lock();
    let rule = rules.iter_mut().find(|rule| rule.left > 0)?;
    if !rule.refused.is(method, headers) {
        return None;
    }
    rule.left -= 1;
    let body = format!("<Error><Code>{}</Code></Error>", rule.code);
    let body = if method == Method::HEAD { Body::empty() } else { body.into() };
    Some(answer(rule.status, HeaderMap::new(), body))
}

fn answer(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}
