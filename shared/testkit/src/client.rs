//! An HTTP client as the contract's clients are: it knows URLs, JSON and bytes, and no type of rota's
//! but the item it posts.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use rota_ans104::Item;
use serde_json::Value;
use std::time::Duration;

/// The longest that a test waits for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(40);

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body, which must be JSON and say so.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text());
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// The JSON of an answer that must be 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// The text of an answer that must be this error: `{"error": text, "trace_id": id}` and nothing else, the id
    /// being the one that its `traceresponse` names.
    #[track_caller]
    pub fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        let json = self.json();
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(2), "{json}");
        assert_eq!(json["trace_id"].as_str(), self.trace(), "{json}");
        let text = json["error"].as_str().unwrap_or_else(|| panic!("no error text: {json}"));
        assert!(!text.is_empty());
        text.to_owned()
    }

    /// The trace that it belongs to, by its `traceresponse`.
    pub fn trace(&self) -> Option<&str> {
        self.header("traceresponse")?.split('-').nth(1).filter(|id| id.len() == 32)
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A client of one scheduler. Clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    http: reqwest::Client,
}

impl Client {
    /// A client of the scheduler at `url`.
    pub fn new(url: &str) -> Self {
        // Fails only where a provider is in place already; TLS is never used here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build().unwrap();
        Self { url: url.to_owned(), http }
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// There was no whole answer.
    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, reqwest::Error> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Answer { status, headers, body: answer.bytes().await? })
    }

    /// Sends a request that must be answered.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let answer = self.try_send(method, path, headers, body).await;
        answer.unwrap_or_else(|error| panic!("no answer to {method} {path}: {error:?}"))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Bytes::new()).await
    }

    /// POST of any bytes to `/`.
    pub async fn post_bytes(&self, body: impl Into<Bytes>) -> Answer {
        self.send("POST", "/", &[], body.into()).await
    }

    /// POST of an item.
    pub async fn post(&self, item: &Item) -> Answer {
        self.post_bytes(item.bytes().clone()).await
    }

    /// POST `?process-id=…&assign=…` and whatever comes behind it.
    pub async fn assign(&self, process: &str, item: &str, more: &str) -> Answer {
        let path = format!("/?process-id={process}&assign={item}{more}");
        self.send("POST", &path, &[], Bytes::new()).await
    }

    /// All nodes of a process, page by page, as clients that page by nonce get them.
    pub async fn schedule(&self, process: &str) -> Vec<Value> {
        let mut nodes = Vec::new();
        let mut cursor = "-1".to_owned();
        loop {
            let page = self.get(&format!("/{process}?from-nonce={cursor}&limit=1000")).await.ok();
            let edges = page["edges"].as_array().unwrap();
            nodes.extend(edges.iter().map(|edge| edge["node"].clone()));
            if page["page_info"]["has_next_page"] == Value::Bool(false) {
                return nodes;
            }
            let last = edges.last().unwrap()["cursor"].as_str().unwrap();
            assert_ne!(last, cursor, "the pages of {process} do not go on");
            last.clone_into(&mut cursor);
        }
    }

    /// One number of `/metrics`: the first line that begins so.
    pub async fn metric(&self, beginning: &str) -> f64 {
        let text = self.get("/metrics").await.text();
        let line = text.lines().find(|line| line.starts_with(beginning));
        let line = line.unwrap_or_else(|| panic!("no metric {beginning} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}
