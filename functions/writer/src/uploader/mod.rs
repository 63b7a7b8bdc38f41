//! The uploader: works off the ledger's outbox until a bundler has everything that was committed.
//!
//! Keeps DUR-2: a row leaves the outbox only after the bundler named its id, and every row that has
//! not left is tried again, without a last attempt. Keeps DUR-3: what is sent are the ledger's bytes.
//! Nothing but the outbox persists; after a crash the uploader starts from there, so an item may be
//! delivered twice, which its id makes harmless.
//!
//! One task decides (`pace`: how fast; `line`: which rows), others wait for the bundler or, off the
//! async threads, for the ledger (`load`). A bundler that is unwell is left alone but for one probe at
//! a time; an item that is not wanted waits on its own while the others go on.
//!
//! Bounded: 16 deliveries ([`pace`]), [`BYTES_IN_FLIGHT_MAX`], and the rows in memory.
//! It must not know what an item means, nor HTTP.

mod line;
mod load;
mod mode;
mod outcome;
mod pace;
mod parcel;

pub use mode::{UnknownUploadMode, UploadMode};

use crate::WriterMetrics;
use line::{Line, Packing, WINDOW_ROWS};
use load::{Load, Loaded, Loader};
use pace::Pace;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rota_ans104::Signer;
use rota_ledger::{Ledger, LedgerError, OutboxRow};
use rota_permaweb::{Bundler, DeliveryError, Gateway};
use rota_service::Stop;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

/// Bytes on their way to the bundler. One larger item goes alone.
const BYTES_IN_FLIGHT_MAX: usize = 64 << 20;
/// Rows in one bundle.
const BUNDLE_ROWS_MAX: usize = 1_000;
/// Bytes of items in one bundle. One larger entry goes alone.
const BUNDLE_BYTES_MAX: usize = 4 << 20;
/// How long a bundle that is not full waits for more rows.
const BUNDLE_WAIT: Duration = Duration::from_millis(250);
/// Delivered rows that are recorded together, if so many come together within [`RECORD_WAIT`].
const RECORD_ROWS: usize = 64;
/// The longest that a delivered row waits to be recorded while others are on their way.
const RECORD_WAIT: Duration = Duration::from_millis(20);
/// How long deliveries in flight may take to end once the uploader is told to stop.
const STOP_WAIT: Duration = Duration::from_secs(2);

/// What an uploader works with.
pub struct UploaderParts {
    /// Whose outbox it works off.
    pub ledger: Ledger,
    /// Where it delivers to.
    pub bundler: Bundler,
    /// Who knows whether an item is there, when the bundler gives no receipt for it.
    pub gateway: Gateway,
    /// In what shape.
    pub mode: UploadMode,
    /// Signs the envelopes of bundles; not used in [`UploadMode::Items`].
    pub signer: Arc<dyn Signer>,
    /// Where it counts.
    pub metrics: WriterMetrics,
    /// Spreads the pauses between attempts.
    pub seed: u64,
}

/// Works off the outbox.
pub struct Uploader {
    loader: Arc<Loader>,
    bundler: Bundler,
    gateway: Gateway,
    metrics: WriterMetrics,
    rng: StdRng,
    packing: Packing,
    line: Line,
    pace: Pace,
    tasks: JoinSet<Event>,
    busy: Busy,
    /// Ready to be sent, as soon as there is room for their bytes.
    staged: VecDeque<Load>,
    /// Delivered, and to be recorded at the latest at `record_at`.
    delivered: Vec<u64>,
    record_at: Instant,
    read_failures: u32,
    read_at: Instant,
}

/// What is going on.
#[derive(Default)]
struct Busy {
    reading: bool,
    loading: bool,
    deliveries: usize,
    bytes: usize,
}

/// What a task came to.
enum Event {
    Read(Result<Vec<OutboxRow>, LedgerError>),
    Loaded(Loaded),
    Sent(Box<Load>, Instant, Result<(), DeliveryError>),
}

impl Uploader {
    /// An uploader that has not begun.
    #[must_use]
    pub fn new(parts: UploaderParts) -> Self {
        let packing = match parts.mode {
            UploadMode::Items => Packing { rows_max: 1, wait: Duration::ZERO },
            UploadMode::Bundle => Packing { rows_max: BUNDLE_ROWS_MAX, wait: BUNDLE_WAIT },
        };
        let now = Instant::now();
        let loader = Loader { ledger: parts.ledger, mode: parts.mode, signer: parts.signer };
        Self {
            loader: Arc::new(loader),
            bundler: parts.bundler,
            gateway: parts.gateway,
            metrics: parts.metrics,
            rng: StdRng::seed_from_u64(parts.seed),
            packing,
            line: Line::new(packing, now),
            pace: Pace::new(),
            tasks: JoinSet::new(),
            busy: Busy::default(),
            staged: VecDeque::new(),
            delivered: Vec::new(),
            record_at: now,
            read_failures: 0,
            read_at: now,
        }
    }

    /// Uploads until `stop`; then lets what is in flight end, for at most two seconds, and records it.
    pub async fn run(mut self, stop: Stop) {
        let ledger = self.loader.ledger.clone();
        let stopped = stop.wait();
        tokio::pin!(stopped);
        loop {
            let wake = self.start(Instant::now());
            let listening = self.line.is_read() && !self.busy.reading;
            tokio::select! {
                biased;
                () = &mut stopped => break,
                Some(event) = self.tasks.join_next() => self.take_all(event),
                () = wait_until(wake) => {}
                () = ledger.outbox_changed(), if listening => self.line.changed(),
            }
        }
        if timeout(STOP_WAIT, self.finish()).await.is_err() {
            let deliveries = self.busy.deliveries;
            tracing::warn!(
                deliveries,
                "deliveries were cut short, they come again after a restart"
            );
        }
        self.record();
    }

    async fn finish(&mut self) {
        while let Some(event) = self.tasks.join_next().await {
            self.take_all(event);
        }
    }

    /// Starts all that can start, and tells when something more can.
    fn start(&mut self, now: Instant) -> Option<Instant> {
        self.send_staged(now);
        let times = [self.start_reading(now), self.start_loading(now), self.record_some(now)];
        times.into_iter().flatten().min()
    }

    fn start_reading(&mut self, now: Instant) -> Option<Instant> {
        if self.busy.reading {
            return None;
        }
        let at = self.line.reads_at(now)?.max(self.read_at);
        if at > now {
            return Some(at);
        }
        let (loader, cursor) = (Arc::clone(&self.loader), self.line.cursor(now));
        let read = move || Event::Read(loader.ledger.outbox_after(cursor, WINDOW_ROWS));
        self.tasks.spawn_blocking(read);
        self.busy.reading = true;
        None
    }

    fn start_loading(&mut self, now: Instant) -> Option<Instant> {
        let allowance = BYTES_IN_FLIGHT_MAX.saturating_sub(self.busy.bytes);
        if self.busy.loading || !self.staged.is_empty() || allowance == 0 {
            return None;
        }
        let at = self.pace.opens_at(now, self.busy.deliveries)?.max(self.line.ready_at(now)?);
        if at > now {
            return Some(at);
        }
        // One bundle at a time: the first is on its way while the second is packed and signed.
        let room = if self.packing.rows_max > 1 { 1 } else { self.pace.room(self.busy.deliveries) };
        let probe = !self.pace.is_well();
        let parcels = std::iter::from_fn(|| self.line.take(now, probe)).take(room).collect();
        let loader = Arc::clone(&self.loader);
        self.tasks.spawn_blocking(move || Event::Loaded(loader.load(parcels, allowance)));
        self.busy.loading = true;
        None
    }

    /// Records what was delivered, some rows at a time: each time costs the committer a batch.
    fn record_some(&mut self, now: Instant) -> Option<Instant> {
        let gathers = self.busy.deliveries > 0 && self.delivered.len() < RECORD_ROWS;
        if gathers && now < self.record_at && !self.delivered.is_empty() {
            return Some(self.record_at);
        }
        self.record();
        None
    }

    fn record(&mut self) {
        if !self.delivered.is_empty() {
            self.loader.ledger.outbox_delivered(std::mem::take(&mut self.delivered));
        }
    }

    /// Sends what is ready, as far as pace and bytes allow. If a pause began meanwhile it goes back to
    /// the line, and its bytes out of memory.
    fn send_staged(&mut self, now: Instant) {
        while let Some(load) = self.staged.pop_front() {
            let open = self.pace.opens_at(now, self.busy.deliveries).is_some_and(|at| at <= now);
            if !open {
                self.line.put_back(load.parcel);
            } else if self.fits(&load) {
                self.send(load, now);
            } else {
                return self.staged.push_front(load);
            }
        }
    }

    const fn fits(&self, load: &Load) -> bool {
        self.busy.deliveries == 0 || self.busy.bytes + load.bytes.len() <= BYTES_IN_FLIGHT_MAX
    }

    fn send(&mut self, load: Load, now: Instant) {
        self.busy.deliveries += 1;
        self.busy.bytes += load.bytes.len();
        let (bundler, gateway) = (self.bundler.clone(), self.gateway.clone());
        self.tasks.spawn(async move {
            let mut outcome = bundler.deliver(&load.id, load.bytes.clone()).await;
            // For an item that it has seen, a bundler may give no receipt; then the network's word counts.
            if matches!(outcome, Err(DeliveryError::WrongAnswer { .. }))
                && gateway.exists(&load.id).await.is_ok_and(|exists| exists)
            {
                outcome = Ok(());
            }
            Event::Sent(Box::new(load), now, outcome)
        });
    }

    /// A task panicked, so rows were lost from memory: as after a crash, begins again from the outbox.
    fn start_over(&mut self, error: &JoinError) {
        let now = Instant::now();
        tracing::error!(%error, "the uploader lost a task and starts over from the outbox");
        self.tasks = JoinSet::new();
        self.busy = Busy::default();
        self.staged.clear();
        self.line = Line::new(self.packing, now);
        self.pace.failed(now, now, None, &mut self.rng);
    }

    fn depth(&self) -> u64 {
        self.loader.ledger.outbox_stats().depth
    }
}

/// Sleeps until `at`, or for ever.
async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
