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
mod pace;
mod parcel;

pub use mode::{UnknownUploadMode, UploadMode};

use crate::WriterMetrics;
use line::{Line, Packing, WINDOW_ROWS};
use load::{Load, LoadError, Loaded, Loader};
use pace::Pace;
use parcel::Parcel;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rota_ans104::{ItemId, Signer};
use rota_ledger::{Ledger, LedgerError, OutboxRow};
use rota_permaweb::{Backoff, Bundler, DeliveryError, Gateway};
use rota_service::Stop;
use std::collections::VecDeque;
use std::error::Error;
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
/// Failures after which many rows are tried in halves: one of them may be the reason.
const SPLIT_FAILURES: u32 = 4;
/// Failures from which on another one says nothing about the bundler: it is the item that is not taken.
const SUSPECT_FAILURES: u32 = 2;
/// How long an item waits that the bundler did not take: up to an hour, without a last attempt.
const ITEM_BACKOFF: Backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(3_600));
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

/// Whose fault a failure is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The item's: it is not wanted.
    Item,
    /// Unclear: the bundler answered, but gave no receipt.
    Answer,
    /// The bundler's, or the way to it: any other item would fail as well.
    Destination(Option<Duration>),
}

impl Fault {
    fn of(error: &DeliveryError) -> Self {
        match error {
            error if error.is_rejection() => Self::Item,
            DeliveryError::WrongAnswer { .. } => Self::Answer,
            DeliveryError::Refused { retry_after, .. } => Self::Destination(*retry_after),
            DeliveryError::Unreachable(_) => Self::Destination(None),
        }
    }
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

    fn take_all(&mut self, first: Result<Event, JoinError>) {
        let mut next = Some(first);
        while let Some(event) = next {
            match event {
                Ok(event) => self.take(event, Instant::now()),
                Err(error) => self.start_over(&error),
            }
            next = self.tasks.try_join_next();
        }
    }

    fn take(&mut self, event: Event, now: Instant) {
        match event {
            Event::Read(window) => self.take_window(window, now),
            Event::Loaded(loaded) => self.take_loaded(loaded, now),
            Event::Sent(load, sent, outcome) => {
                self.busy.deliveries -= 1;
                self.busy.bytes -= load.bytes.len();
                match outcome {
                    Ok(()) => self.delivered(&load.parcel, sent, now),
                    Err(error) => self.not_delivered(*load, sent, &error, now),
                }
            }
        }
    }

    fn take_window(&mut self, window: Result<Vec<OutboxRow>, LedgerError>, now: Instant) {
        self.busy.reading = false;
        match window {
            Ok(window) => {
                self.read_failures = 0;
                self.line.fill(window, now);
            }
            Err(error) => {
                self.read_at = now + Backoff::default().delay(self.read_failures, &mut self.rng);
                self.read_failures += 1;
                if self.read_failures.is_power_of_two() {
                    let error = &error as &dyn Error;
                    tracing::error!(
                        error,
                        attempt = self.read_failures,
                        "the outbox cannot be read"
                    );
                }
            }
        }
    }

    fn take_loaded(&mut self, loaded: Loaded, now: Instant) {
        self.busy.loading = false;
        self.staged.extend(loaded.loads);
        for parcel in loaded.unread.into_iter().rev() {
            self.line.put_back(parcel);
        }
        for (parcel, error) in loaded.failed {
            self.not_loaded(parcel, &error, now);
        }
    }

    fn delivered(&mut self, parcel: &Parcel, sent: Instant, now: Instant) {
        fail::fail_point!("uploader::delivered");
        if self.delivered.is_empty() {
            self.record_at = now + RECORD_WAIT;
        }
        self.delivered.extend(parcel.seqs());
        self.metrics.uploads.inc_by(parcel.rows().len() as u64);
        self.line.release(parcel);
        if self.pace.succeeded(sent) {
            let depth = self.depth();
            tracing::info!(outbox.depth = depth, "uploads go on");
        }
    }

    fn not_delivered(&mut self, load: Load, sent: Instant, error: &DeliveryError, now: Instant) {
        self.metrics.upload_failures.inc();
        let fault = Fault::of(error);
        let suspect = load.parcel.failures >= SUSPECT_FAILURES;
        let pauses = match fault {
            Fault::Item | Fault::Answer if suspect && self.pace.is_well() => false,
            Fault::Item | Fault::Answer => self.pace.missed(now, sent, &mut self.rng),
            Fault::Destination(asked) => self.pace.failed(now, sent, asked, &mut self.rng),
        };
        if pauses {
            self.log_pause(error);
        }
        self.try_later(load.parcel, Some(load.item), fault, error, now);
    }

    fn not_loaded(&mut self, parcel: Parcel, error: &LoadError, now: Instant) {
        self.metrics.upload_failures.inc();
        let fault = if error.is_of_item() { Fault::Item } else { Fault::Destination(None) };
        if fault != Fault::Item && self.pace.failed(now, now, None, &mut self.rng) {
            self.log_pause(error);
        }
        self.try_later(parcel, None, fault, error, now);
    }

    /// Decides when rows that were not delivered are tried again.
    fn try_later(
        &mut self,
        mut parcel: Parcel,
        item: Option<ItemId>,
        fault: Fault,
        error: &(dyn Error + 'static),
        now: Instant,
    ) {
        parcel.failures += 1;
        let failed_before = parcel.failures - 1;
        if parcel.rows().len() > 1 && (fault == Fault::Item || parcel.failures >= SPLIT_FAILURES) {
            let (first, second) = parcel.halves();
            for half in std::iter::once(first).chain(second) {
                self.line.put_back(half);
            }
            return;
        }
        let backoff = match fault {
            Fault::Destination(_) if failed_before == 0 => return self.line.put_back(parcel),
            Fault::Destination(_) => Backoff::default(),
            Fault::Item | Fault::Answer => {
                log_unwanted(&parcel, item, error);
                ITEM_BACKOFF
            }
        };
        let due = now + backoff.delay(failed_before, &mut self.rng);
        self.line.wait(parcel, due, now);
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

    fn log_pause(&self, error: &(dyn Error + 'static)) {
        let depth = self.depth();
        tracing::warn!(outbox.depth = depth, error, "uploads pause");
    }

    fn depth(&self) -> u64 {
        self.loader.ledger.outbox_stats().depth
    }
}

/// Logs an item that is not taken, ever more seldom.
fn log_unwanted(parcel: &Parcel, item: Option<ItemId>, error: &(dyn Error + 'static)) {
    let (attempt, rows) = (parcel.failures, parcel.rows().len());
    if let Some(row) = parcel.rows().first()
        && attempt.is_power_of_two()
    {
        let item = item.map(tracing::field::display);
        tracing::warn!(item, process.id = %row.process, row.nonce, rows, attempt, error, "not taken");
    }
}

/// Sleeps until `at`, or for ever.
async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
