//! The projector: brings what the ledger holds into the database, in fenced batches.
//!
//! A few workers each take a batch, commit it and take the next, so several are in flight and batches
//! grow with the load. A batch whose outcome is not known is sent again, the same bytes, until there is
//! an answer (DUR-3). An answer that can never become better (the term is over, another entry lies at
//! the place) ends the projector, and with it the writer: LSE-1, ORD-1.

use super::queue::{Batch, Queue};
use crate::WriterMetrics;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rota_ledger::Ledger;
use rota_permaweb::Backoff;
use rota_readmodel::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, ModelError, Projection, Row};
use rota_schedule::{Committed, Entry};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Batches in flight; each has a connection.
pub(crate) const WORKERS: usize = 3;
/// Rows that may wait for the database before the writer takes no more items.
const BACKLOG_ROWS_MAX: usize = 8_192;
/// Bytes of items that may wait for the database before the writer takes no more items.
const BACKLOG_BYTES_MAX: usize = 128 << 20;
/// Between attempts at the same batch.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
/// While another batch is in flight, rows wait this long for company: a commit costs the database as
/// much for one row as for ten.
const LINGER: Duration = Duration::from_millis(2);
/// No answer for this long is shown in `/health`.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Called once with the entry when the database has committed it, or with nothing when this writer
/// will not know.
pub(crate) type Done = Box<dyn FnOnce(Option<Committed<Entry>>) + Send>;

/// A handle on the projector; clones share it.
#[derive(Clone)]
pub(crate) struct Projector(Arc<Shared>);

struct Shared {
    projection: Projection,
    ledger: Ledger,
    metrics: WriterMetrics,
    queue: Mutex<Queue<Done>>,
    /// Rows came, a batch ended, or it is time to stop.
    changed: Notify,
    in_flight: AtomicUsize,
    stopping: AtomicBool,
    failure: OnceLock<&'static str>,
    /// Since when batches fail.
    silent_since: Mutex<Option<Instant>>,
}

impl Projector {
    /// A projector without workers.
    pub(crate) fn new(projection: Projection, ledger: Ledger, metrics: WriterMetrics) -> Self {
        Self(Arc::new(Shared {
            projection,
            ledger,
            metrics,
            queue: Mutex::default(),
            changed: Notify::new(),
            in_flight: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            failure: OnceLock::new(),
            silent_since: Mutex::new(None),
        }))
    }

    /// Hands over a row that is in the ledger; `done` is called once. Never waits.
    pub(crate) fn submit(&self, row: Row, done: Done) {
        {
            // Looked at under the lock: after a failure everything that waits is given up under it.
            let mut queue = self.0.queue.lock();
            if self.failure().is_none() {
                queue.push(row, Instant::now(), done);
                self.0.show(&queue);
                return self.0.changed.notify_one();
            }
        }
        done(None);
    }

    /// Whether so much waits that no further item should be taken.
    pub(crate) fn is_full(&self) -> bool {
        let (rows, bytes) = self.0.queue.lock().len();
        rows >= BACKLOG_ROWS_MAX || bytes >= BACKLOG_BYTES_MAX
    }

    /// Since when the oldest row waits that is not committed.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.0.queue.lock().oldest()
    }

    /// Why it has ended for good.
    pub(crate) fn failure(&self) -> Option<&'static str> {
        self.0.failure.get().copied()
    }

    /// Whether the database has not answered for a while.
    pub(crate) fn is_silent(&self) -> bool {
        self.0.silent_since.lock().is_some_and(|since| since.elapsed() >= SILENCE_MAX)
    }

    /// Ends it for good, for what another part of the writer has learned.
    pub(crate) fn fail(&self, error: &ModelError) {
        self.0.fail(error);
    }

    /// Works until [`Self::stop`], and then until nothing is left or the database does not answer.
    pub(crate) async fn work(self, mut random: StdRng) {
        loop {
            let changed = self.0.changed.notified();
            if let Some(batch) = self.0.next().await {
                self.0.commit(batch, &mut random).await;
                self.0.changed.notify_one();
                continue;
            }
            if self.0.stopping.load(Ordering::SeqCst) || self.failure().is_some() {
                self.0.changed.notify_one(); // the next worker ends, too
                return;
            }
            changed.await;
        }
    }

    /// Gives up what waits: nobody works any more. The rows stay in the ledger; who waits for them holds it
    /// until then.
    pub(crate) fn abandon(&self) {
        self.0.abandon();
    }

    /// Lets the workers end once everything is committed.
    pub(crate) fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        self.0.changed.notify_one();
    }
}

impl Shared {
    /// The next batch. If others are in flight it waits a moment for more rows.
    async fn next(&self) -> Option<Batch<Done>> {
        if self.in_flight.load(Ordering::Relaxed) > 0 && !self.stopping.load(Ordering::Relaxed) {
            tokio::time::sleep(LINGER).await;
        }
        let mut queue = self.queue.lock();
        let batch = queue.take(BATCH_ROWS_MAX, BATCH_BYTES_MAX)?;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        if queue.is_ready() {
            self.changed.notify_one();
        }
        Some(batch)
    }

    /// Commits a batch, however long it takes, and tells everyone.
    async fn commit(&self, batch: Batch<Done>, random: &mut StdRng) {
        let Batch { rows, done } = batch;
        let committed = self.project(&rows, random).await;
        if committed {
            fail::fail_point!("projector::committed");
            self.ledger.confirm(rows.iter().map(|row| (row.process, row.entry.nonce)));
        }
        let mut queue = self.queue.lock();
        queue.finish(&rows);
        self.show(&queue);
        drop(queue);
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        for (row, done) in rows.into_iter().zip(done) {
            done(committed.then(|| Committed::by_store(row.entry)));
        }
    }

    /// True once the rows are committed; false if this writer will not know.
    async fn project(&self, rows: &[Row], random: &mut StdRng) -> bool {
        let mut attempt = 0;
        loop {
            fail::fail_point!("projector::before_commit");
            let since = Instant::now();
            match self.projection.project(rows).await {
                Ok(()) => {
                    self.metrics.projected(rows.len(), since.elapsed());
                    *self.silent_since.lock() = None;
                    return true;
                }
                Err(error @ ModelError::Unavailable(_)) => {
                    self.silence(&error, attempt);
                    if self.stopping.load(Ordering::SeqCst) || self.failure.get().is_some() {
                        return false;
                    }
                    tokio::time::sleep(BACKOFF.delay(attempt, random)).await;
                    attempt += 1;
                }
                Err(error) => {
                    self.fail(&error);
                    return false;
                }
            }
        }
    }

    /// Notes that a batch was not answered; logs the first time.
    fn silence(&self, error: &ModelError, attempt: u32) {
        self.metrics.projection_failures.inc();
        self.silent_since.lock().get_or_insert_with(Instant::now);
        if attempt == 0 {
            let error = error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "the database did not take a batch: it is sent again until it does"
            );
        }
    }

    fn fail(&self, error: &ModelError) {
        let reason = match error {
            ModelError::Stale { .. } => "another writer runs under this name",
            _ => "the database and the ledger disagree; the log says where",
        };
        if self.failure.set(reason).is_err() {
            return;
        }
        tracing::error!(error = error as &dyn std::error::Error, "the writer commits nothing more");
        // At the next start every process is compared.
        if let Err(error) = self.ledger.settle(None) {
            tracing::error!(%error, "the ledger did not note that it has to be compared");
        }
        self.abandon();
        self.changed.notify_one();
    }

    fn abandon(&self) {
        let given_up = self.queue.lock().clear();
        given_up.into_iter().for_each(|done| done(None));
    }

    fn show(&self, queue: &Queue<Done>) {
        let (rows, _) = queue.len();
        self.metrics.projection_rows.set(i64::try_from(rows).unwrap_or(i64::MAX));
    }
}
