//! A loopback server that plays a cache node (`CACHE_URL`), well or badly.

use crate::stub::Served;
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use rota_ans104::{Item, ItemId};
use std::future::pending;
use std::sync::Arc;

/// The largest item that is read, in bytes.
const ITEM_BYTES_MAX: usize = 64 << 20;

/// How it behaves, to every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// It takes everything.
    #[default]
    Good,
    /// It answers 500.
    Failing,
    /// It never answers.
    Hang,
}

/// A request that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Method, path and query, as in `POST /id?x=y`.
    pub request: String,
    /// The item in its body, if it is one.
    pub item: Option<ItemId>,
}

#[derive(Default)]
struct Seen {
    mode: CacheMode,
    shown: Vec<Shown>,
}

/// The server. It ends when this is dropped.
pub struct StubCache {
    served: Served,
    seen: Arc<Mutex<Seen>>,
}

impl StubCache {
    /// Starts one that takes everything.
    pub async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let app = Router::new().fallback(answer).with_state(seen.clone());
        Self { served: Served::start(app).await, seen }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.served.url
    }

    /// Sets how it behaves from now on.
    pub fn behave(&self, mode: CacheMode) {
        self.seen.lock().mode = mode;
    }

    /// Closes its port for good: connections are refused.
    pub fn go_down(&self) {
        self.served.stop();
    }

    /// What has arrived so far, whatever it answered.
    pub fn shown(&self) -> Vec<Shown> {
        self.seen.lock().shown.clone()
    }
}

async fn answer(State(seen): State<Arc<Mutex<Seen>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body: Bytes = to_bytes(body, ITEM_BYTES_MAX).await.unwrap_or_default();
    let mode = {
        let mut seen = seen.lock();
        let item = Item::parse(body).ok().map(|item| item.id());
        seen.shown.push(Shown { request: format!("{} {}", head.method, head.uri), item });
        seen.mode
    };
    match mode {
        CacheMode::Good => "cached".into_response(),
        CacheMode::Failing => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        CacheMode::Hang => pending().await,
    }
}
