//! The writer as one thing: what it is made of, how it starts and how it stops.

use crate::WriterMetrics;
use crate::lanes::{Answer, LaneParts, Lanes};
use rota_ans104::Signer;
use rota_ledger::Ledger;
use rota_permaweb::{Gateway, HeightCache};
use rota_schedule::{Admitted, Clock};
use rota_service::BodyBudget;
use rota_wire::ApiError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// Bytes of request bodies that may be in flight together.
const BODIES_BYTES_MAX: usize = 256 << 20;
/// How long a POST waits for its commit before it is told that the outcome is unknown.
const COMMIT_WAIT_MAX: Duration = Duration::from_secs(30);

/// What may be set about a writer.
#[derive(Clone, Debug)]
pub struct WriterConfig {
    /// The largest item, in bytes (`MAX_MESSAGE_SIZE_BYTES`).
    pub item_bytes_max: u64,
    /// Deduplicate by content (`ENABLE_DEEP_HASH_CHECKS`).
    pub deep_hash_checks: bool,
    /// Assign items that lie elsewhere (`ENABLE_PROCESS_ASSIGNMENT`).
    pub process_assignment: bool,
    /// How many threads sign, and how many items are verified at once.
    pub cpus: usize,
}

/// What a writer works with.
pub struct WriterParts {
    /// Where entries are committed.
    pub ledger: Ledger,
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
}

/// A running writer. Clones are the same writer.
#[derive(Clone)]
pub struct Writer(Arc<Inner>);

struct Inner {
    config: WriterConfig,
    ledger: Ledger,
    gateway: Gateway,
    lanes: Lanes,
    metrics: WriterMetrics,
    bodies: BodyBudget,
    verifiers: Semaphore,
    stopping: AtomicBool,
}

impl Writer {
    /// Starts the signing threads.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(config: WriterConfig, parts: WriterParts) -> std::io::Result<Self> {
        let lane_parts = LaneParts {
            ledger: parts.ledger.clone(),
            signer: parts.signer,
            clock: parts.clock,
            height: parts.height,
            metrics: parts.metrics.clone(),
        };
        let lanes = Lanes::start(lane_parts, config.cpus, parts.anchor_seed)?;
        Ok(Self(Arc::new(Inner {
            verifiers: Semaphore::new(config.cpus * 2),
            config,
            ledger: parts.ledger,
            gateway: parts.gateway,
            lanes,
            metrics: parts.metrics,
            bodies: BodyBudget::new(BODIES_BYTES_MAX),
            stopping: AtomicBool::new(false),
        })))
    }

    /// Why it takes no items, for `/health`; `None` if it does.
    #[must_use]
    pub fn refuses(&self) -> Option<&'static str> {
        if self.0.ledger.failure().is_some() {
            return Some("a write to the ledger failed; mend the disk and restart");
        }
        self.0.stopping.load(Ordering::Relaxed).then_some("the scheduler is stopping")
    }

    /// From now on no item is taken; those in flight go on.
    pub fn refuse(&self) {
        self.0.stopping.store(true, Ordering::Relaxed);
    }

    /// Hands what is signed to the ledger and ends the signing threads; the ledger commits it at the
    /// latest when it is closed. Blocks.
    pub fn stop(&self) {
        self.refuse();
        self.0.lanes.stop();
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

    pub(crate) fn lanes(&self) -> &Lanes {
        &self.0.lanes
    }

    pub(crate) fn metrics(&self) -> &WriterMetrics {
        &self.0.metrics
    }

    pub(crate) fn bodies(&self) -> &BodyBudget {
        &self.0.bodies
    }

    pub(crate) fn verifiers(&self) -> &Semaphore {
        &self.0.verifiers
    }

    /// Places an admitted item and waits for the commit.
    pub(crate) async fn place(&self, admitted: Admitted) -> Answer {
        let answer: oneshot::Receiver<Answer> = self.lanes().submit(admitted)?;
        match tokio::time::timeout(COMMIT_WAIT_MAX, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) | Err(_) => Err(ApiError::OutcomeUnknown),
        }
    }
}
