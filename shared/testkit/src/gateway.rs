//! A loopback server that plays an Arweave gateway, well or badly.

use crate::stub::Served;
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use rota_ans104::{Item, b64};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// The largest question that is read, in bytes.
const QUESTION_BYTES_MAX: usize = 1 << 20;

/// How it behaves, to every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GatewayMode {
    /// As a gateway should.
    #[default]
    Good,
    /// With this status and nothing else.
    Status(u16),
    /// It never answers.
    Hang,
    /// With 200 and a page that is no answer.
    Garbage,
}

/// What it knows of one id.
#[derive(Clone, Debug)]
struct Known {
    /// What GraphQL answers.
    node: Value,
    data: Bytes,
}

#[derive(Default)]
struct Knowledge {
    mode: GatewayMode,
    height: u64,
    items: HashMap<String, Known>,
    confirmations: HashMap<String, u64>,
    calls: Vec<String>,
}

/// The server. It ends when this is dropped.
pub struct StubGateway {
    served: Served,
    knowledge: Arc<Mutex<Knowledge>>,
}

impl StubGateway {
    /// Starts one at a height, knowing nothing else.
    pub async fn start(height: u64) -> Self {
        let knowledge = Arc::new(Mutex::new(Knowledge { height, ..Knowledge::default() }));
        let app = Router::new().fallback(answer).with_state(knowledge.clone());
        Self { served: Served::start(app).await, knowledge }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.served.url
    }

    /// The settings with which a scheduler asks this gateway and no other.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let url = self.url().to_owned();
        vec![
            ("GATEWAY_URL", url.clone()),
            ("ARWEAVE_URL", url),
            ("GATEWAY_TIMEOUT", "500ms".to_owned()),
        ]
    }

    /// Sets how it behaves from now on.
    pub fn behave(&self, mode: GatewayMode) {
        self.knowledge.lock().mode = mode;
    }

    /// Sets the block height.
    pub fn set_height(&self, height: u64) {
        self.knowledge.lock().height = height;
    }

    /// From now on it knows this item: HEAD, GraphQL and raw data.
    pub fn hold(&self, item: &Item) {
        self.hold_as(&item.id().to_string(), item);
    }

    /// From now on it knows an item of this id with the fields of another one.
    pub fn hold_as(&self, id: &str, item: &Item) {
        let known = Known { node: graphql_node(id, item), data: item.data_bytes() };
        self.knowledge.lock().items.insert(id.to_owned(), known);
    }

    /// From now on this transaction is so many blocks deep.
    pub fn confirm(&self, id: &str, confirmations: u64) {
        self.knowledge.lock().confirmations.insert(id.to_owned(), confirmations);
    }

    /// How many requests had this method and began with this path, as in `HEAD /`.
    pub fn calls(&self, beginning: &str) -> usize {
        self.knowledge.lock().calls.iter().filter(|call| call.starts_with(beginning)).count()
    }
}

/// The fields of an item as gateways show them: base64url, and empty where there is nothing.
fn graphql_node(id: &str, item: &Item) -> Value {
    let tags: Vec<Value> =
        item.tags().map(|tag| json!({ "name": tag.name, "value": tag.value })).collect();
    json!({
        "id": id,
        "owner": { "address": item.owner_address().to_string() },
        "anchor": b64::encode(item.anchor().map_or(&[], |anchor| anchor.as_slice())),
        "recipient": b64::encode(item.target().map_or(&[], |target| target.as_slice())),
        "tags": tags,
    })
}

async fn answer(State(knowledge): State<Arc<Mutex<Knowledge>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let mode = {
        let mut knowledge = knowledge.lock();
        knowledge.calls.push(format!("{} {path}", head.method));
        knowledge.mode
    };
    match mode {
        GatewayMode::Good => {}
        GatewayMode::Status(status) => {
            return StatusCode::from_u16(status).unwrap().into_response();
        }
        GatewayMode::Hang => std::future::pending().await,
        GatewayMode::Garbage => return "<html>Welcome to the permaweb</html>".into_response(),
    }
    let question = to_bytes(body, QUESTION_BYTES_MAX).await.unwrap_or_default();
    knowledge.lock().answer(&head.method, &path, &question)
}

impl Knowledge {
    fn answer(&self, method: &Method, path: &str, question: &[u8]) -> Response {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            (&Method::GET, ["info"]) => {
                json!({ "height": self.height }).to_string().into_response()
            }
            (&Method::GET, ["tx", id, "status"]) => {
                found(self.confirmations.get(*id).map(|depth| {
                    json!({ "block_height": 1, "number_of_confirmations": depth }).to_string()
                }))
            }
            (&Method::GET, ["raw", id]) => {
                found(self.items.get(*id).map(|known| known.data.clone()))
            }
            (&Method::HEAD, [id]) => found(self.items.get(*id).map(|_| StatusCode::OK)),
            (&Method::POST, ["graphql"]) => self.graphql(question).to_string().into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }

    fn graphql(&self, question: &[u8]) -> Value {
        let question: Value = serde_json::from_slice(question).unwrap_or_default();
        let id = question["variables"]["id"].as_str().unwrap_or_default();
        let edges: Vec<Value> =
            self.items.get(id).map(|known| json!({ "node": known.node })).into_iter().collect();
        json!({ "data": { "transactions": { "edges": edges } } })
    }
}

fn found(answer: Option<impl IntoResponse>) -> Response {
    answer.map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}
