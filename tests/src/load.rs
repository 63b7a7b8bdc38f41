//! Clients that post over HTTP, until they are done or the scheduler is gone.

use crate::Book;
use crate::in_process::receipt;
use parking_lot::Mutex;
use rota_ans104::Item;
use rota_schedule::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// How long a client waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// An HTTP client. Its connections are its own, so a client that goes away takes them along.
#[must_use]
pub fn http() -> reqwest::Client {
    // Fails if a provider is there already, which is as good. Nothing here speaks TLS.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().timeout(ANSWER_MAX).build().unwrap()
}

/// Posts an item; writes the post and the acknowledgement into the book.
///
/// # Errors
/// What came instead of an acknowledgement: a status with its body, or how the connection ended.
pub async fn post(
    client: &reqwest::Client,
    url: &str,
    item: &Item,
    book: &Book,
) -> Result<Timestamp, String> {
    book.posted(item);
    let sent = client.post(url).body(item.bytes().clone()).send().await;
    let answer = sent.map_err(|error| format!("{error:?}"))?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(|error| format!("{error:?}"))?;
    if !status.is_success() {
        return Err(format!("{status} {}", String::from_utf8_lossy(&body)));
    }
    let timestamp = receipt(&body, item.id())?;
    book.acked(item.id().into(), timestamp);
    Ok(timestamp)
}

/// Posts items until each is acknowledged; a few at a time.
///
/// # Panics
/// If one is not.
pub async fn post_all(url: &str, items: Vec<Item>, book: &Arc<Book>) {
    let load = Load::start(url, 8, items, book);
    let left = load.finish().await;
    assert!(left.is_empty(), "not acknowledged: {:?}", left.first().map(|(_, why)| why));
}

type Unanswered = Vec<(Item, String)>;

/// Clients at work.
pub struct Load {
    clients: JoinSet<()>,
    unanswered: Arc<Mutex<Unanswered>>,
    /// Items that were not tried to the end.
    left: Arc<AtomicUsize>,
}

impl Load {
    /// Starts `clients` clients that post `items` in turn. One that is not answered goes on with the
    /// next item.
    #[must_use]
    pub fn start(url: &str, clients: usize, items: Vec<Item>, book: &Arc<Book>) -> Self {
        let left = Arc::new(AtomicUsize::new(items.len()));
        let queue = Arc::new(Mutex::new(VecDeque::from(items)));
        let mut load = Self { clients: JoinSet::new(), unanswered: Arc::default(), left };
        for _ in 0..clients {
            let (queue, unanswered) = (queue.clone(), load.unanswered.clone());
            let (client, url, book) = (http(), url.to_owned(), book.clone());
            let left = load.left.clone();
            load.clients.spawn(async move {
                loop {
                    let Some(item) = queue.lock().pop_front() else { return };
                    if let Err(why) = post(&client, &url, &item, &book).await {
                        unanswered.lock().push((item, why));
                    }
                    left.fetch_sub(1, Ordering::Relaxed);
                }
            });
        }
        load
    }

    /// Whether every item was tried.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// Waits until every item was tried; gives those that were not acknowledged, and why.
    pub async fn finish(mut self) -> Unanswered {
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        std::mem::take(&mut *self.unanswered.lock())
    }
}

/// A number from `/metrics`, by the name it has there.
pub async fn metric(client: &reqwest::Client, url: &str, name: &str) -> Option<f64> {
    let text = client.get(format!("{url}/metrics")).send().await.ok()?.text().await.ok()?;
    let line = text.lines().find(|line| line.split([' ', '{']).next() == Some(name))?;
    line.rsplit(' ').next()?.parse().ok()
}
