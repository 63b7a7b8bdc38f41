//! Lanes: one per process that has items in flight. The one place where entries get their order.
//!
//! A lane is a bounded queue and the head of its process as staged, that is with the entries that are
//! signed but not committed yet. A few signing threads take turns: whoever holds a lane checks for
//! duplicates, takes the next slot, signs once and hands the entry to the ledger; it does not wait for
//! the commit. Since only one thread holds a lane at a time, and the ledger commits in the order it
//! was handed, ORD-1 to ORD-3 hold without any lock around the signature.
//!
//! Lanes exist only while they have work, so memory follows the load and not the number of processes.
//! Submission and removal happen under one lock, so a process never has two lanes.

mod duplicates;
mod holds;
mod outcome;
mod placing;
mod table;

pub(crate) use holds::NotHeld;

use crate::CacheQueue;
use crate::WriterMetrics;
use crate::database::Database;
use crate::height::SignedHeight;
use crate::stage::tell;
use crossbeam_channel::{Receiver, Sender, unbounded};
use holds::Holds;
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rota_ans104::Signer;
use rota_ledger::Ledger;
use rota_schedule::{Admitted, Clock, Committed, Entry, Head, ProcessId, Timestamp};
use rota_service::trace;
use rota_wire::ApiError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use table::{Job, Table};
use tokio::sync::oneshot;

/// Items that may wait in one lane; the next one is told to come back (429).
pub(crate) const LANE_QUEUE_MAX: usize = 1_024;
/// Items that may wait in all lanes together.
const WAITING_MAX: usize = 16_384;

pub(crate) type Answer = Result<Committed<Entry>, ApiError>;

/// Why an item did not enter its lane.
pub(crate) enum Unplaced {
    /// There is no room.
    Refused(ApiError),
    /// Its process is not this writer's, as far as is known; the item is given back.
    NotHeld(Box<Admitted>),
}

impl From<ApiError> for Unplaced {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

/// What the lanes work with.
pub(crate) struct LaneParts {
    pub(crate) ledger: Ledger,
    /// Where entries are committed; without one, in the ledger.
    pub(crate) database: Option<Database>,
    /// Where committed entries are shown at once.
    pub(crate) cache: Option<CacheQueue>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) height: SignedHeight,
    pub(crate) metrics: WriterMetrics,
}

enum Turn {
    Lane(ProcessId),
    Stop,
}

/// All lanes, and the threads that sign for them.
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    parts: LaneParts,
    table: Mutex<Table>,
    turns: Sender<Turn>,
    /// Nanoseconds that were spent on signatures.
    signing_ns: AtomicU64,
    /// A signing thread has panicked: the lane it held stands still for good.
    died: AtomicBool,
}

impl Lanes {
    /// Starts `signers` threads. `anchor_seed` makes the anchors of the assignments.
    pub(crate) fn start(
        parts: LaneParts,
        signers: usize,
        anchor_seed: [u8; 32],
    ) -> std::io::Result<Self> {
        let (turns, ready) = unbounded();
        let closed = parts.database.as_ref().map_or(Timestamp(0), |database| database.closed);
        let holds = if parts.database.is_some() { Holds::none() } else { Holds::all() };
        let table = Mutex::new(Table::new(closed, holds));
        let shared = Arc::new(Shared {
            parts,
            table,
            turns,
            signing_ns: AtomicU64::new(0),
            died: AtomicBool::new(false),
        });
        let mut seeds = StdRng::from_seed(anchor_seed);
        let mut threads = Vec::with_capacity(signers);
        for index in 0..signers {
            let (shared, ready) = (shared.clone(), ready.clone());
            let anchors = StdRng::from_rng(&mut seeds);
            let thread = std::thread::Builder::new().name(format!("signer-{index}"));
            threads.push(thread.spawn(move || shared.sign_for(&ready, anchors))?);
        }
        Ok(Self { shared, threads: Mutex::new(threads) })
    }

    /// Puts an item at the end of its lane. The answer comes when its entry is committed; whoever
    /// drops the receiver changes nothing about the entry.
    pub(crate) fn submit(&self, admitted: Admitted) -> Result<oneshot::Receiver<Answer>, Unplaced> {
        if self.shared.parts.database.as_ref().is_some_and(|database| database.projector.is_full())
        {
            return Err(ApiError::Upstream("the database").into());
        }
        let (reply, answer) = oneshot::channel();
        let (process, trace) = (admitted.process, trace::current());
        let mut table = self.shared.table.lock();
        if table.holds.check(&process).is_err() {
            return Err(Unplaced::NotHeld(Box::new(admitted)));
        }
        if table.waiting >= WAITING_MAX {
            return Err(ApiError::Busy("too many items are waiting at this scheduler").into());
        }
        let lane = table.lanes.entry(process).or_default();
        if lane.queue.len() >= LANE_QUEUE_MAX {
            return Err(ApiError::Busy("too many items are waiting for this process").into());
        }
        lane.queue.push_back(Job { admitted, reply, since: Instant::now(), trace });
        let idle = !std::mem::replace(&mut lane.scheduled, true);
        table.waiting += 1;
        self.shared.show_depth(&table);
        drop(table);
        if idle {
            self.shared.take_turn(process);
        }
        Ok(answer)
    }

    /// What the clock of the lanes shows.
    pub(crate) fn now(&self) -> Timestamp {
        self.shared.parts.clock.now()
    }

    /// Has the next heartbeats promise at least this.
    pub(crate) fn aim(&self, floor: Timestamp) {
        self.shared.table.lock().aim(floor);
    }

    /// True if the process has an entry that is staged, committed or not.
    pub(crate) fn has_head(&self, process: &ProcessId) -> bool {
        self.shared.table.lock().lanes.get(process).is_some_and(|lane| lane.head.is_some())
    }

    /// Whether a signing thread has panicked.
    pub(crate) fn have_died(&self) -> bool {
        self.shared.died.load(Ordering::Relaxed)
    }

    /// Entries that are signed, or about to be, and not committed.
    pub(crate) fn in_flight(&self) -> usize {
        self.shared.table.lock().in_flight()
    }

    /// How long the signing threads have signed so far, all together, and how many items wait for them.
    pub(crate) fn load(&self) -> (Duration, usize) {
        let signing = self.shared.signing_ns.load(Ordering::Relaxed);
        (Duration::from_nanos(signing), self.shared.table.lock().waiting)
    }

    /// Promises that no entry will come at or below the time it returns: see [`Table::close`].
    pub(crate) fn close(&self) -> Timestamp {
        let now = self.shared.parts.clock.now();
        self.shared.table.lock().close(now)
    }

    /// Lets the signing threads hand over what they have begun, and waits for them. What is still queued
    /// is given up: it has no slot yet, and whoever waits for it learns that the outcome is unknown.
    pub(crate) fn stop(&self) {
        let threads = std::mem::take(&mut *self.threads.lock());
        for _ in &threads {
            let _ = self.shared.turns.send(Turn::Stop);
        }
        for thread in threads {
            let _ = thread.join();
        }
        let mut table = self.shared.table.lock();
        table.lanes.values_mut().for_each(|lane| lane.queue.clear());
        table.waiting = 0;
    }
}

/// Tells of a signing thread that panics.
struct Death<'a>(&'a Shared);

impl Drop for Death<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.died.store(true, Ordering::Relaxed);
        }
    }
}

impl Shared {
    fn sign_for(self: &Arc<Self>, ready: &Receiver<Turn>, mut anchors: StdRng) {
        let _death = Death(self);
        while let Ok(Turn::Lane(process)) = ready.recv() {
            if let Some((job, staged)) = self.next_job(&process) {
                self.parts.metrics.queue.observe(job.since.elapsed());
                tell(job.trace, "queue", job.since, &process, None);
                trace::within(job.trace, || self.place(job, staged, &mut anchors));
            }
            self.end_turn(process);
        }
    }

    /// Takes the next item that needs work. One whose entry is staged already only joins those who
    /// wait for it (DUP-1).
    fn next_job(&self, process: &ProcessId) -> Option<(Job, Option<Head>)> {
        let mut table = self.table.lock();
        loop {
            let lane = table.lanes.get_mut(process)?;
            let job = lane.queue.pop_front()?;
            let head = lane.head;
            let mut job = Some(job);
            if let Some(posted) = job.as_ref().filter(|job| job.admitted.message.is_some())
                && let Some(waiting) = lane.staged.get_mut(&posted.admitted.message_id)
            {
                waiting.extend(job.take().map(|job| job.reply));
                self.parts.metrics.repeated.inc();
            }
            table.waiting -= 1;
            if let Some(job) = job {
                return Some((job, head));
            }
        }
    }

    /// Gives the lane back: to the end of the line if it has more to do.
    fn end_turn(&self, process: ProcessId) {
        let mut table = self.table.lock();
        let Some(lane) = table.lanes.get_mut(&process) else { return };
        lane.scheduled = !lane.queue.is_empty();
        let again = lane.scheduled;
        table.remove_if_idle(&process);
        self.show_depth(&table);
        drop(table);
        if again {
            self.take_turn(process);
        }
    }

    fn take_turn(&self, process: ProcessId) {
        // Fails only when every signing thread is gone; then the replies are dropped with the lane.
        let _ = self.turns.send(Turn::Lane(process));
    }

    fn show_depth(&self, table: &Table) {
        self.parts.metrics.waiting.set(i64::try_from(table.waiting).unwrap_or(i64::MAX));
        self.parts.metrics.lanes.set(i64::try_from(table.lanes.len()).unwrap_or(i64::MAX));
    }
}
