//! A loopback server that plays a bundler: it takes items, checks them, and remembers them, unless it
//! is told to misbehave.

use crate::stub::Served;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parking_lot::Mutex;
use rota_ans104::Item;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How it behaves, to every delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BundlerMode {
    /// It takes what verifies and says so.
    #[default]
    Good,
    /// It answers 500 and keeps nothing.
    Failing,
    /// It takes what verifies, after this long.
    Slow(Duration),
    /// It says that it has another item, and keeps nothing.
    Liar,
}

#[derive(Default)]
struct Kept {
    mode: BundlerMode,
    items: Vec<Item>,
    deliveries: usize,
    refused: Vec<String>,
}

/// The server. It ends when this is dropped.
pub struct StubBundler {
    served: Served,
    kept: Arc<Mutex<Kept>>,
}

impl StubBundler {
    /// Starts one that is good.
    pub async fn start() -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let app = Router::new()
            .route("/tx/arweave", post(deliver))
            .layer(DefaultBodyLimit::disable())
            .with_state(kept.clone());
        Self { served: Served::start(app).await, kept }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.served.url
    }

    /// Sets how it behaves from now on.
    pub fn behave(&self, mode: BundlerMode) {
        self.kept.lock().mode = mode;
    }

    /// Closes its port for good: connections are refused.
    pub fn go_down(&self) {
        self.served.stop();
    }

    /// The items that it took, in the order they came; one that came twice is there twice.
    pub fn items(&self) -> Vec<Item> {
        self.kept.lock().items.clone()
    }

    /// How many deliveries were tried.
    pub fn deliveries(&self) -> usize {
        self.kept.lock().deliveries
    }

    /// Why it refused what is no valid item: must stay empty.
    pub fn refused(&self) -> Vec<String> {
        self.kept.lock().refused.clone()
    }
}

async fn deliver(State(kept): State<Arc<Mutex<Kept>>>, body: Bytes) -> Response {
    let mode = {
        let mut kept = kept.lock();
        kept.deliveries += 1;
        kept.mode
    };
    match mode {
        BundlerMode::Good => {}
        BundlerMode::Failing => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        BundlerMode::Slow(pause) => tokio::time::sleep(pause).await,
        BundlerMode::Liar => return receipt("fOi3N1_9VdYG_skzQBL7b2GARdK53mHd5eBFYZtpFqY"),
    }
    let verified = Item::parse(body).map_err(|error| error.to_string());
    match verified.and_then(|item| item.verify().map_err(|error| error.to_string())) {
        Ok(verified) => {
            let item = verified.item().clone();
            let id = item.id().to_string();
            kept.lock().items.push(item);
            receipt(&id)
        }
        Err(why) => {
            kept.lock().refused.push(why);
            StatusCode::BAD_REQUEST.into_response()
        }
    }
}

fn receipt(id: &str) -> Response {
    json!({ "id": id, "timestamp": 1 }).to_string().into_response()
}
