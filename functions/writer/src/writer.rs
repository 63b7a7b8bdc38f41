//! The writer as one thing: what it is made of, how it starts and how it stops.

use crate::CacheQueue;
use crate::Membership;
use crate::WithoutHeight;
use crate::WriterMetrics;
use crate::database::Moves;
use crate::database::{self, Database};
use crate::height::SignedHeight;
use crate::lanes::{Answer, LaneParts, Lanes, Unplaced};
use crate::peers::Peers;
use parking_lot::Mutex;
use rota_ans104::Signer;
use rota_ledger::{Ledger, LedgerError};
use rota_permaweb::{Gateway, HeightCache};
use rota_schedule::{Admitted, Clock};
use rota_service::BodyBudget;
use rota_wire::ApiError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

/// Bytes of small request bodies that may be in memory together, what waits for the database included.
const SMALL_BODIES_BYTES_MAX: usize = 128 << 20;
/// Bytes of large request bodies that may be in memory together; more where items may be so large.
const LARGE_BODIES_BYTES_MAX: usize = 256 << 20;
/// How long a stop waits for the database to commit what is in flight. What it does not commit is sent
/// again at the next start.
const LAND_MAX: Duration = Duration::from_millis(500);
/// How often it looks.
const LAND_POLL: Duration = Duration::from_millis(5);
/// Processes of which it is asked at once to whom they belong; each may be copied into the ledger then.
const CLAIMS_MAX: usize = 8;
/// Questions to gateways at once, each of a few sockets: clients must not take all files that may be open.
const LOOK_UPS_MAX: usize = 32;
/// How long a POST waits for its commit before it is told that the outcome is unknown.
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(30);

/// The largest item, in bytes, unless configured otherwise (the reference's default).
pub const ITEM_BYTES_MAX_DEFAULT: u64 = 10 << 20;

/// What may be set about a writer.
#[derive(Clone, Debug)]
pub struct WriterConfig {
    /// The largest item, in bytes (`MAX_MESSAGE_SIZE_BYTES`).
    pub item_bytes_max: u64,
    /// Deduplicate by content (`ENABLE_DEEP_HASH_CHECKS`).
    pub deep_hash_checks: bool,
    /// Assign items that lie elsewhere (`ENABLE_PROCESS_ASSIGNMENT`).
    pub process_assignment: bool,
    /// What becomes of items while no block height is known.
    pub without_height: WithoutHeight,
    /// How many threads sign, and how many items are verified at once.
    pub cpus: usize,
}

/// What a writer works with.
pub struct WriterParts {
    /// Where entries are stored, and without a database committed.
    pub ledger: Ledger,
    /// Where entries are committed.
    pub database: Option<Database>,
    /// Where committed entries are shown at once (`CACHE_URL`).
    pub cache: Option<CacheQueue>,
    /// Its place among other writers.
    pub membership: Option<Membership>,
    /// The scheduler's key.
    pub signer: Arc<dyn Signer>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// What is asked for `assign` and `On-Boot`.
    pub gateway: Gateway,
    /// The block height, kept by a poller.
    pub height: HeightCache,
    /// Where it counts.
    pub metrics: WriterMetrics,
    /// Makes the anchors of assignments: 32 random bytes.
    pub anchor_seed: [u8; 32],
    /// Spreads what is tried again: 32 random bytes.
    pub retry_seed: [u8; 32],
}

/// A running writer. Clones are the same writer.
#[derive(Clone)]
pub struct Writer(Arc<Inner>);

struct Inner {
    config: WriterConfig,
    ledger: Ledger,
    gateway: Gateway,
    moves: Option<Moves>,
    membership: Option<Membership>,
    lanes: Arc<Lanes>,
    height: SignedHeight,
    /// Projector and heartbeat, until the writer is finished.
    tasks: Mutex<Tasks>,
    metrics: WriterMetrics,
    bodies: BodyBudget,
    verifiers: Arc<Semaphore>,
    claims: Semaphore,
    look_ups: Semaphore,
    peers: Peers,
    stopping: AtomicBool,
}

#[derive(Default)]
struct Tasks {
    projector: Vec<JoinHandle<()>>,
    heartbeat: Option<JoinHandle<()>>,
    moves: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the signing threads and what works with the database. To be called within a runtime.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: WriterConfig, parts: WriterParts) -> std::io::Result<Self> {
        let height = SignedHeight::new(parts.height.clone(), config.without_height);
        let lane_parts = LaneParts {
            ledger: parts.ledger.clone(),
            database: parts.database.clone(),
            cache: parts.cache,
            signer: parts.signer,
            clock: parts.clock,
            height: height.clone(),
            metrics: parts.metrics.clone(),
        };
        let lanes = Arc::new(Lanes::start(lane_parts, config.cpus, parts.anchor_seed)?);
        let mut tasks = Tasks::default();
        if let Some(database) = &parts.database {
            tasks.projector = database.start(parts.retry_seed);
            let (ledger, lanes) = (parts.ledger.clone(), lanes.clone());
            let beat = database::beat(database.clone(), ledger, lanes, parts.height);
            tasks.heartbeat = Some(tokio::spawn(beat));
        }
        let moves = parts.database.map(|database| Moves {
            database,
            ledger: parts.ledger.clone(),
            lanes: lanes.clone(),
            membership: parts.membership.clone(),
            metrics: parts.metrics.clone(),
        });
        tasks.moves = moves.clone().map(|moves| tokio::spawn(moves.carry_out()));
        Ok(Self(Arc::new(Inner {
            verifiers: Arc::new(Semaphore::new(config.cpus * 2)),
            bodies: bodies(config.item_bytes_max),
            claims: Semaphore::new(CLAIMS_MAX),
            look_ups: Semaphore::new(LOOK_UPS_MAX),
            peers: Peers::default(),
            config,
            ledger: parts.ledger,
            gateway: parts.gateway,
            moves,
            membership: parts.membership,
            lanes,
            height,
            tasks: Mutex::new(tasks),
            metrics: parts.metrics,
            stopping: AtomicBool::new(false),
        })))
    }

    /// Why it takes no items, for `/health`; `None` if it does.
    #[must_use]
    pub fn refuses(&self) -> Option<&'static str> {
        if let Some(failure) = self.0.ledger.failure() {
            return Some(match &*failure {
                LedgerError::NoFiles(_) => "a write to the ledger failed: no file is left to open",
                failure if failure.is_shortage() => {
                    "a write to the ledger failed: its disk is full, free some room"
                }
                _ => "a write to the ledger failed; mend the disk and restart",
            });
        }
        if self.0.lanes.have_died() {
            return Some("a signing thread failed; restart");
        }
        if let Some(reason) = self.database().and_then(|it| it.projector.failure()) {
            return Some(reason);
        }
        self.0.stopping.load(Ordering::Relaxed).then_some("the scheduler is stopping")
    }

    /// Why it takes no items now, though it will without a restart; `None` if it does.
    pub(crate) fn waits(&self) -> Option<&'static str> {
        self.0.height.get().err()
    }

    /// Why it is not well, for `/health`: it refuses items, waits for a block height, or takes items and cannot
    /// commit them now.
    #[must_use]
    pub fn ails(&self) -> Option<&'static str> {
        let silent = || self.database().is_some_and(|it| it.projector.is_silent());
        let away = || silent().then_some("the database does not answer");
        self.refuses().or_else(|| self.waits()).or_else(away)
    }

    /// How long the oldest entry that waits for the database has waited; zero if none does.
    #[must_use]
    pub fn projection_age(&self) -> Duration {
        let since = self.database().and_then(|database| database.projector.oldest());
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// How long its threads have signed so far, all together, and how many items wait for them.
    #[must_use]
    pub fn load(&self) -> (Duration, usize) {
        self.0.lanes.load()
    }

    /// How many threads sign.
    #[must_use]
    pub fn signers(&self) -> usize {
        self.0.config.cpus
    }

    /// From now on no item is taken; those in flight go on.
    pub fn refuse(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Takes nothing more, lets what is signed be committed, and ends everything that works on it. What
    /// the database does not commit in time is sent again at the next start. The ledger is then to be
    /// closed.
    ///
    /// # Errors
    /// A part of the writer has panicked.
    pub async fn finish(&self) -> Result<(), tokio::task::JoinError> {
        self.refuse();
        let lanes = self.0.lanes.clone();
        tokio::task::spawn_blocking(move || lanes.stop()).await?;
        let since = Instant::now();
        while self.0.lanes.in_flight() > 0 && since.elapsed() < LAND_MAX {
            tokio::time::sleep(LAND_POLL).await;
        }
        let tasks = std::mem::take(&mut *self.0.tasks.lock());
        // First the heartbeat: what is given up now may still come.
        for task in [tasks.heartbeat, tasks.moves].into_iter().flatten() {
            task.abort();
            let _ = task.await; // that it was aborted is what it says
        }
        if let Some(database) = self.database() {
            database.projector.stop();
        }
        let deadline = tokio::time::Instant::now() + LAND_MAX;
        for mut worker in tasks.projector {
            match tokio::time::timeout_at(deadline, &mut worker).await {
                Ok(ended) => ended?,
                Err(_) => {
                    worker.abort();
                    let _ = worker.await; // that it was aborted is what it says
                }
            }
        }
        if let Some(database) = self.database() {
            database.projector.abandon();
        }
        Ok(())
    }

    pub(crate) fn config(&self) -> &WriterConfig {
        &self.0.config
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    pub(crate) fn database(&self) -> Option<&Database> {
        self.0.moves.as_ref().map(|moves| &moves.database)
    }

    pub(crate) fn moves(&self) -> Option<&Moves> {
        self.0.moves.as_ref()
    }

    pub(crate) fn membership(&self) -> Option<&Membership> {
        self.0.membership.as_ref()
    }

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.0.lanes
    }

    pub(crate) fn metrics(&self) -> &WriterMetrics {
        &self.0.metrics
    }

    pub(crate) fn bodies(&self) -> &BodyBudget {
        &self.0.bodies
    }

    pub(crate) fn verifiers(&self) -> &Arc<Semaphore> {
        &self.0.verifiers
    }

    pub(crate) fn claims(&self) -> &Semaphore {
        &self.0.claims
    }

    pub(crate) fn look_ups(&self) -> &Semaphore {
        &self.0.look_ups
    }

    pub(crate) fn peers(&self) -> &Peers {
        &self.0.peers
    }

    /// Places an admitted item and waits for the commit.
    pub(crate) async fn place(&self, mut admitted: Admitted) -> Answer {
        fail::fail_point!("writer::before_place");
        let answer: oneshot::Receiver<Answer> = loop {
            match self.lanes().submit(admitted) {
                Ok(answer) => break answer,
                Err(Unplaced::Refused(error)) => return Err(error),
                Err(Unplaced::NotHeld(back)) => {
                    admitted = *back;
                    self.hold(admitted.process).await?;
                }
            }
        };
        match tokio::time::timeout(COMMIT_WAIT_MAX, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(ApiError::OutcomeUnknown),
        }
    }
}

/// Room for bodies: of two of the largest items at least, since one peer gets half of it.
fn bodies(item_bytes_max: u64) -> BodyBudget {
    let item = usize::try_from(item_bytes_max).unwrap_or(usize::MAX);
    BodyBudget::new(SMALL_BODIES_BYTES_MAX, LARGE_BODIES_BYTES_MAX.max(item.saturating_mul(2)))
}
