//! A bundler on loopback that answers each delivery as a test wants it, and watches how it is asked.

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, header};
use rota_ans104::{Bundle, Item, ItemId};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// A delivery as the stub saw it.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) item: Item,
    pub(crate) at: Instant,
    pub(crate) taken: bool,
}

impl Delivery {
    pub(crate) fn id(&self) -> ItemId {
        self.item.id()
    }
}

/// What the stub answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A receipt.
    Took,
    /// A receipt, after this long.
    TookAfter(Duration),
    /// This status.
    Status(u16),
    /// 503 with `Retry-After` in seconds.
    Later(u64),
    /// 200 with this text.
    Says(String),
}

type Policy = dyn Fn(&Item) -> Reply + Send + Sync;

#[derive(Default)]
struct Seen {
    deliveries: Vec<Delivery>,
    in_flight: usize,
    in_flight_max: usize,
    bytes: usize,
    bytes_max: usize,
}

struct Shared {
    policy: Mutex<Arc<Policy>>,
    seen: Mutex<Seen>,
}

/// The server; it ends when this is dropped.
pub(crate) struct Stub {
    pub(crate) url: Url,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Stub {
    pub(crate) async fn good() -> Self {
        Self::with(|_| Reply::Took).await
    }

    pub(crate) async fn with(policy: impl Fn(&Item) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), policy)
    }

    pub(crate) fn on(
        listener: TcpListener,
        policy: impl Fn(&Item) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let shared =
            Arc::new(Shared { policy: Mutex::new(Arc::new(policy)), seen: Mutex::default() });
        let app = Router::new().fallback(deliver).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared, task }
    }

    /// Answers by another policy from now on.
    pub(crate) fn behave(&self, policy: impl Fn(&Item) -> Reply + Send + Sync + 'static) {
        *self.shared.policy.lock().unwrap() = Arc::new(policy);
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.shared.seen.lock().unwrap().deliveries.clone()
    }

    /// How many deliveries were tried.
    pub(crate) fn tried(&self) -> usize {
        self.shared.seen.lock().unwrap().deliveries.len()
    }

    /// What it took, in the order in which it came.
    pub(crate) fn taken(&self) -> Vec<Item> {
        self.deliveries().into_iter().filter(|d| d.taken).map(|d| d.item).collect()
    }

    /// The bundles that it took, unpacked; their signatures are checked.
    pub(crate) fn bundles(&self) -> Vec<Vec<Item>> {
        let unpack = |item: Item| {
            let verified = item.verify().expect("the envelope verifies");
            Bundle::from_item(verified.item()).expect("it is a bundle").items().to_vec()
        };
        self.taken().into_iter().map(unpack).collect()
    }

    pub(crate) fn in_flight_max(&self) -> usize {
        self.shared.seen.lock().unwrap().in_flight_max
    }

    pub(crate) fn bytes_in_flight_max(&self) -> usize {
        self.shared.seen.lock().unwrap().bytes_max
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn deliver(State(shared): State<Arc<Shared>>, request: Request) -> Response<String> {
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/tx/arweave"));
    let length: usize =
        request.headers()[header::CONTENT_LENGTH].to_str().unwrap().parse().unwrap();
    {
        let mut seen = shared.seen.lock().unwrap();
        (seen.in_flight, seen.bytes) = (seen.in_flight + 1, seen.bytes + length);
        seen.in_flight_max = seen.in_flight_max.max(seen.in_flight);
        seen.bytes_max = seen.bytes_max.max(seen.bytes);
    }
    let body: Bytes = to_bytes(request.into_body(), usize::MAX).await.unwrap();
    let item = Item::parse(body).unwrap();
    let policy = Arc::clone(&*shared.policy.lock().unwrap());
    let reply = policy(&item);
    if let Reply::TookAfter(pause) = reply {
        tokio::time::sleep(pause).await;
    }
    let answer = answer(&reply, &item);
    let mut seen = shared.seen.lock().unwrap();
    (seen.in_flight, seen.bytes) = (seen.in_flight - 1, seen.bytes - length);
    let taken = matches!(reply, Reply::Took | Reply::TookAfter(_));
    seen.deliveries.push(Delivery { item, at: Instant::now(), taken });
    answer
}

fn answer(reply: &Reply, item: &Item) -> Response<String> {
    let receipt = format!(r#"{{"id":"{}","timestamp":1}}"#, item.id());
    let builder = Response::builder();
    let answer = match reply {
        Reply::Took | Reply::TookAfter(_) => builder.body(receipt),
        Reply::Status(status) => builder.status(*status).body(String::new()),
        Reply::Later(seconds) => {
            builder.status(503).header("retry-after", *seconds).body(String::new())
        }
        Reply::Says(text) => builder.body(text.clone()),
    };
    answer.unwrap()
}
