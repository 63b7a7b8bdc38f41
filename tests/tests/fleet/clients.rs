//! Clients that ask the router, or find the writer of a process as it does, follow redirects, and post an
//! item again until they are told that it is placed.

use rota_ans104::Item;
use rota_directory::DynamoDirectory;
use rota_schedule::{Directory, ProcessId};
use rota_testkit::message;
use rota_tests::{Book, http, post};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Between two items: what is tested is not how much the machine can do.
const PAUSE: Duration = Duration::from_millis(4);
/// Between two attempts.
const AGAIN: Duration = Duration::from_millis(50);
/// How long an item may take, whatever happens.
const ITEM_MAX: Duration = Duration::from_secs(90);

/// Whom clients post to.
#[derive(Clone)]
pub(crate) enum Address {
    /// The writer that the directory names.
    Directory(DynamoDirectory),
    /// One URL for everything.
    Router(String),
}

/// Clients at work.
pub(crate) struct Clients {
    tasks: JoinSet<Duration>,
    enough: Arc<AtomicBool>,
    acks: Arc<AtomicUsize>,
}

impl Clients {
    pub(crate) fn start(
        address: &Address,
        processes: &[ProcessId],
        count: usize,
        book: &Arc<Book>,
    ) -> Self {
        let (enough, acks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = JoinSet::new();
        for client in 0..count {
            let process = processes[client % processes.len()];
            let (address, book) = (address.clone(), book.clone());
            let (enough, acks) = (enough.clone(), acks.clone());
            tasks.spawn(async move {
                let (http, mut slowest) = (http(), Duration::ZERO);
                while !enough.load(Ordering::Relaxed) {
                    let item = message(process).sign();
                    let took = patient(&http, &address, process, &item, &book).await;
                    slowest = slowest.max(took);
                    acks.fetch_add(1, Ordering::Relaxed);
                    sleep(PAUSE).await;
                }
                slowest
            });
        }
        Self { tasks, enough, acks }
    }

    /// How many items were acknowledged.
    pub(crate) fn acks(&self) -> usize {
        self.acks.load(Ordering::Relaxed)
    }

    /// Waits for so many more acknowledgements.
    pub(crate) async fn more(&self, count: usize) {
        let (until, since) = (self.acks() + count, Instant::now());
        while self.acks() < until {
            assert!(since.elapsed() < ITEM_MAX, "no acknowledgements come any more");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Lets every client finish its item; gives how long the slowest item took.
    pub(crate) async fn finish(mut self) -> Duration {
        self.enough.store(true, Ordering::Relaxed);
        let mut slowest = Duration::ZERO;
        while let Some(ended) = self.tasks.join_next().await {
            slowest = slowest.max(ended.unwrap());
        }
        slowest
    }
}

/// Posts an item until it is acknowledged; gives how long that took.
async fn patient(
    http: &reqwest::Client,
    address: &Address,
    process: ProcessId,
    item: &Item,
    book: &Book,
) -> Duration {
    let since = Instant::now();
    loop {
        let outcome = match address.of(process).await {
            Some(url) => post(http, &url, item, book).await,
            None => Err("the directory knows no writer".to_owned()),
        };
        let Err(why) = outcome else { return since.elapsed() };
        // What a patient client never has to see.
        assert!(!why.starts_with('4'), "{why}");
        assert!(since.elapsed() < ITEM_MAX, "never acknowledged: {why}");
        sleep(AGAIN).await;
    }
}

impl Address {
    async fn of(&self, process: ProcessId) -> Option<String> {
        match self {
            Self::Router(url) => Some(url.clone()),
            Self::Directory(directory) => {
                let owner = directory.owner(process).await.ok()??;
                directory.writer(&owner).await.ok()??.url
            }
        }
    }
}
