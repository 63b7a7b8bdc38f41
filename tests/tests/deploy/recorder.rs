//! A proxy before the stand-in that notes what each client asks for, in the words of IAM: who, which action, on what.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;

/// The most that a request's body may have.
const BODY_BYTES_MAX: usize = 32 << 20;

/// One thing that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    /// The access key.
    pub(crate) who: String,
    /// As in `s3:GetObject`.
    pub(crate) action: String,
    /// As in `arn:aws:s3:::bucket/key`; of a table only its name.
    pub(crate) resource: String,
}

/// A running proxy.
pub(crate) struct Recorder {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    target: OnceLock<String>,
    http: reqwest::Client,
    asked: Mutex<BTreeSet<Asked>>,
    refuse_one_completion: Mutex<bool>,
}

impl Recorder {
    /// Listens; [`Self::forward`] says where to.
    pub(crate) async fn start() -> Self {
        let inner = Arc::new(Inner {
            target: OnceLock::new(),
            http: rota_tests::http(),
            asked: Mutex::default(),
            refuse_one_completion: Mutex::default(),
        });
        let app = Router::new().fallback(pass).with_state(Arc::clone(&inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner }
    }

    pub(crate) fn forward(&self, target: String) {
        self.inner.target.set(target).unwrap();
    }

    /// The next upload in parts finds at its end that somebody was faster.
    pub(crate) fn refuse_one_completion(&self) {
        *self.inner.refuse_one_completion.lock() = true;
    }

    /// What `who` has asked for so far.
    pub(crate) fn asked_by(&self, who: &str) -> Vec<Asked> {
        self.inner.asked.lock().iter().filter(|asked| asked.who == who).cloned().collect()
    }

    /// What has been asked for by anybody since the last time, but for `others`.
    pub(crate) fn take_but(&self, others: &str) -> Vec<Asked> {
        let mut asked = self.inner.asked.lock();
        let (kept, taken) = std::mem::take(&mut *asked).into_iter().partition(|a| a.who == others);
        *asked = kept;
        let taken: BTreeSet<Asked> = taken;
        taken.into_iter().collect()
    }
}

async fn pass(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let asked = asked(&head.method, &head.uri, &head.headers, &body);
    let completes = head.method == Method::POST && has(&head.uri, "uploadId");
    inner.asked.lock().extend(asked);
    if completes && std::mem::take(&mut *inner.refuse_one_completion.lock()) {
        let refused = "<Error><Code>PreconditionFailed</Code></Error>";
        return answer(StatusCode::PRECONDITION_FAILED, HeaderMap::new(), refused.into());
    }
    let url = format!("{}{}", inner.target.get().unwrap(), head.uri);
    let request = inner.http.request(head.method, url).headers(head.headers).body(body);
    let from = request.send().await.unwrap();
    let (status, mut headers) = (from.status(), from.headers().clone());
    headers.remove(header::TRANSFER_ENCODING);
    answer(status, headers, from.bytes().await.unwrap().into())
}

fn answer(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

fn asked(method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Vec<Asked> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let who = text("authorization")
        .and_then(|signed| Some(signed.split_once("Credential=")?.1.split_once('/')?.0.to_owned()));
    let who = who.unwrap_or_default();
    let pairs = match text("x-amz-target") {
        Some(target) => of_dynamo(target, &serde_json::from_slice(body).unwrap()),
        None => of_s3(method, uri, body),
    };
    pairs
        .into_iter()
        .map(|(action, resource)| Asked { who: who.clone(), action, resource })
        .collect()
}

/// A transaction asks for what is in it.
fn of_dynamo(target: &str, body: &Value) -> Vec<(String, String)> {
    let operation = target.rsplit('.').next().unwrap();
    let table = |part: &Value| part["TableName"].as_str().unwrap_or_default().to_owned();
    if operation != "TransactWriteItems" {
        return vec![(format!("dynamodb:{operation}"), table(body))];
    }
    let parts = body["TransactItems"].as_array().unwrap().iter();
    let parts = parts.flat_map(|part| part.as_object().unwrap());
    let action = |kind: &str| match kind {
        "ConditionCheck" => "dynamodb:ConditionCheckItem".to_owned(),
        kind => format!("dynamodb:{kind}Item"),
    };
    parts.map(|(kind, part)| (action(kind), table(part))).collect()
}

fn of_s3(method: &Method, uri: &Uri, body: &[u8]) -> Vec<(String, String)> {
    let path = uri.path().trim_start_matches('/');
    let object = |key: &str| format!("arn:aws:s3:::{key}");
    if method == Method::POST && has(uri, "delete") {
        let bucket = path.trim_end_matches('/');
        let text = String::from_utf8_lossy(body).into_owned();
        let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split('<').next());
        let delete = |key: &str| ("s3:DeleteObject".to_owned(), object(&format!("{bucket}/{key}")));
        return keys.map(delete).collect();
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let action = match (method.as_str(), key.is_empty()) {
        ("GET" | "HEAD", true) => "s3:ListBucket",
        ("GET" | "HEAD", false) => "s3:GetObject",
        ("DELETE", false) if has(uri, "uploadId") => "s3:AbortMultipartUpload",
        ("DELETE", false) => "s3:DeleteObject",
        ("PUT" | "POST", false) => "s3:PutObject",
        _ => panic!("{method} {uri} is no request that this knows"),
    };
    let resource = if key.is_empty() { object(bucket) } else { object(path) };
    vec![(action.to_owned(), resource)]
}

fn has(uri: &Uri, name: &str) -> bool {
    let mut parts = uri.query().unwrap_or_default().split('&');
    parts.any(|part| part.split('=').next() == Some(name))
}
