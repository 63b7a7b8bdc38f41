//! The cacher: shows every item to a cache node (`CACHE_URL`) as soon as its entry is committed.
//!
//! Message units look for a fresh process there, because gateways need seconds to minutes for it. Nothing
//! depends on the cache: an item is shown once, without a second try; the outbox alone is what delivers it
//! (DUR-2). Items are shown after the commit only (DUR-1), with the ledger's bytes (DUR-3).
//!
//! Bounded: [`PROCESSES_MAX`] and [`ENTRIES_MAX`] places wait, [`SHOWN_AT_ONCE`] entries are in memory, and
//! each request has a time-out. A queue that is full leaves entries out and counts them; processes have a
//! queue of their own, so messages never crowd them out.

use crate::WriterMetrics;
use bytes::Bytes;
use rota_ledger::Ledger;
use rota_permaweb::{Cache, PermawebError};
use rota_schedule::{Committed, Entry, ProcessId};
use rota_service::Stop;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet, spawn_blocking};

/// New processes that may wait.
const PROCESSES_MAX: usize = 1_024;
/// Other entries that may wait.
const ENTRIES_MAX: usize = 4_096;
/// Entries that are shown at the same time.
const SHOWN_AT_ONCE: usize = 4;

/// Where an entry lies.
type Place = (ProcessId, u64);

/// The way to the cacher, for whoever commits. Clones are the same.
#[derive(Clone)]
pub struct CacheQueue {
    processes: mpsc::Sender<Place>,
    entries: mpsc::Sender<Place>,
    metrics: WriterMetrics,
}

impl CacheQueue {
    /// Has a committed entry shown. Never waits.
    pub(crate) fn show(&self, process: ProcessId, entry: &Committed<Entry>) {
        let entry = entry.get();
        let queue = if entry.nonce == 0 { &self.processes } else { &self.entries };
        if queue.try_send((process, entry.nonce)).is_err() {
            self.metrics.cache_failures.inc_by(items_of(entry));
        }
    }
}

const fn items_of(entry: &Entry) -> u64 {
    if entry.message.is_some() { 2 } else { 1 }
}

/// Shows items until it is stopped.
pub struct Cacher {
    cache: Cache,
    ledger: Ledger,
    metrics: WriterMetrics,
    processes: mpsc::Receiver<Place>,
    entries: mpsc::Receiver<Place>,
    /// Items in a row that were not shown.
    failures: u64,
}

/// What became of the items of one entry.
#[derive(Default)]
struct Shown {
    items: u64,
    failures: Vec<Failure>,
}

/// Why an item was not shown.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Cache(#[from] PermawebError),
    #[error(transparent)]
    Ledger(#[from] rota_ledger::LedgerError),
    #[error("the entry is not in the ledger")]
    Missing,
    #[error("a thread ended before its time")]
    Thread(#[from] JoinError),
}

impl Cacher {
    /// A cacher that has not begun, and the way to it.
    #[must_use]
    pub fn new(cache: Cache, ledger: Ledger, metrics: WriterMetrics) -> (Self, CacheQueue) {
        let (to_processes, processes) = mpsc::channel(PROCESSES_MAX);
        let (to_entries, entries) = mpsc::channel(ENTRIES_MAX);
        let queue =
            CacheQueue { processes: to_processes, entries: to_entries, metrics: metrics.clone() };
        (Self { cache, ledger, metrics, processes, entries, failures: 0 }, queue)
    }

    /// Shows what comes until `stop`. What waits then is given up.
    pub async fn run(mut self, stop: Stop) {
        let mut tasks = JoinSet::new();
        let stopped = stop.wait();
        tokio::pin!(stopped);
        loop {
            let room = tasks.len() < SHOWN_AT_ONCE;
            let place = tokio::select! {
                biased;
                () = &mut stopped => return,
                Some(shown) = tasks.join_next() => {
                    self.note(shown.unwrap_or_else(|error| Shown::failed(error.into())));
                    continue;
                }
                Some(place) = self.processes.recv(), if room => place,
                Some(place) = self.entries.recv(), if room => place,
            };
            tasks.spawn(show(self.cache.clone(), self.ledger.clone(), place));
        }
    }

    /// Counts, and logs ever more seldom.
    fn note(&mut self, shown: Shown) {
        self.metrics.cache_items.inc_by(shown.items);
        self.metrics.cache_failures.inc_by(shown.failures.len() as u64);
        if shown.items > 0 && self.failures > 0 {
            tracing::info!(failures = self.failures, "the cache takes items again");
            self.failures = 0;
        }
        for error in shown.failures {
            self.failures += 1;
            if self.failures.is_power_of_two() {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, failures = self.failures, "the cache did not take an item");
            }
        }
    }
}

impl Shown {
    fn failed(failure: Failure) -> Self {
        Self { items: 0, failures: vec![failure] }
    }
}

/// Shows the items of an entry: first the one that others look for.
async fn show(cache: Cache, ledger: Ledger, place: Place) -> Shown {
    let items = match items(ledger, place).await {
        Ok(items) => items,
        Err(failure) => return Shown::failed(failure),
    };
    let mut shown = Shown::default();
    for item in items {
        match cache.show(item).await {
            Ok(()) => shown.items += 1,
            Err(error) => shown.failures.push(error.into()),
        }
    }
    shown
}

async fn items(
    ledger: Ledger,
    (process, nonce): Place,
) -> Result<impl Iterator<Item = Bytes>, Failure> {
    let entry = spawn_blocking(move || ledger.entry(&process, nonce)).await??;
    let Entry { message, assignment, .. } = entry.ok_or(Failure::Missing)?;
    Ok(message.into_iter().chain([assignment]))
}
