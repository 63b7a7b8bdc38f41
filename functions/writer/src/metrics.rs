//! What the writer measures. Times are in seconds, sizes in bytes.

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rota_ledger::{CommitObservation, Ledger};
use rota_schedule::Timestamp;
use rota_service::histogram::{Counts, StageTimes};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

/// What RocksDB holds, by place: memtables, block cache, tables, blob files, …
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreLabel {
    place: &'static str,
}

/// What happened last, for ages.
#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    lease_confirmed: Option<Instant>,
    followed: Option<Instant>,
    moves: Moves,
    checkpoints: Option<Checkpoints>,
}

/// The moves in which a writer takes part.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moves {
    /// How many are open.
    pub open: usize,
    /// When the oldest of them was first seen by this run.
    pub since: Option<Instant>,
}

/// The checkpoints of a run.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoints {
    /// When the last one was taken, or else when the run began.
    pub last: Instant,
    /// How many were not taken.
    pub failures: u64,
    /// How large the last one is, in bytes.
    pub bytes: u64,
    /// How long the last one took.
    pub took: Duration,
}

/// What a writer tells of itself, as numbers since its start or as of now.
#[derive(Clone, Debug)]
pub struct WriterReadings {
    /// The times of each stage, by its name.
    pub stages: [(&'static str, Counts); 6],
    /// Entries stored in the ledger.
    pub entries: u64,
    /// Items that a bundler took.
    pub uploads: u64,
    /// Deliveries to be tried again.
    pub upload_failures: u64,
    /// Items that the cache node did not take.
    pub cache_failures: u64,
    /// Batches without an answer.
    pub projection_failures: u64,
    /// Entries that wait for the database.
    pub projection_rows: u64,
    /// When the directory last confirmed the lease; `None` if there is none.
    pub lease_confirmed: Option<Instant>,
    /// When the ledger last had all that the database had; `None` before the first time.
    pub followed: Option<Instant>,
    /// The open moves.
    pub moves: Moves,
    /// `None` if none are taken.
    pub checkpoints: Option<Checkpoints>,
}

/// The metrics of one writer.
#[derive(Clone, Debug)]
pub struct WriterMetrics {
    pub(crate) verify: StageTimes,
    pub(crate) facts: StageTimes,
    pub(crate) queue: StageTimes,
    pub(crate) sign: StageTimes,
    commit: StageTimes,
    project: StageTimes,
    projected: Counter,
    pub(crate) projection_failures: Counter,
    pub(crate) projection_rows: Gauge,
    pub(crate) term: Gauge,
    pub(crate) repeated: Counter,
    pub(crate) waiting: Gauge,
    pub(crate) lanes: Gauge,
    pub(crate) uploads: Counter,
    pub(crate) upload_failures: Counter,
    pub(crate) cache_items: Counter,
    pub(crate) cache_failures: Counter,
    commits: Counter,
    entries: Counter,
    outbox_depth: Gauge,
    outbox_age: Gauge,
    failed: Gauge,
    store_bytes: Family<StoreLabel, Gauge>,
    compactions: Gauge,
    noted: Arc<Mutex<Noted>>,
}

impl WriterMetrics {
    /// Registers all of them.
    pub fn register(registry: &mut Registry) -> Self {
        let stages = Family::<StageLabel, StageTimes>::default();
        registry.register("rota_write_stage_seconds", "Stages of a write", stages.clone());
        let stage = |stage| stages.get_or_create_owned(&StageLabel { stage });
        let mut metrics = Self {
            verify: stage("verify"),
            facts: stage("facts"),
            queue: stage("queue"),
            sign: stage("sign"),
            commit: stage("commit"),
            project: stage("project"),
            projected: Counter::default(),
            projection_failures: Counter::default(),
            projection_rows: Gauge::default(),
            term: Gauge::default(),
            repeated: Counter::default(),
            waiting: Gauge::default(),
            lanes: Gauge::default(),
            uploads: Counter::default(),
            upload_failures: Counter::default(),
            cache_items: Counter::default(),
            cache_failures: Counter::default(),
            commits: Counter::default(),
            entries: Counter::default(),
            outbox_depth: Gauge::default(),
            outbox_age: Gauge::default(),
            failed: Gauge::default(),
            store_bytes: Family::default(),
            compactions: Gauge::default(),
            noted: Arc::default(),
        };
        metrics.register_plain(registry);
        metrics
    }

    fn register_plain(&mut self, registry: &mut Registry) {
        let counters = [
            ("rota_repeated_items", "Items answered with the entry they had", &self.repeated),
            ("rota_uploads", "Items that a bundler took", &self.uploads),
            ("rota_upload_failures", "Deliveries to be tried again", &self.upload_failures),
            ("rota_cache_items", "Items that the cache node took", &self.cache_items),
            (
                "rota_cache_failures",
                "Items that it did not take, or not in time",
                &self.cache_failures,
            ),
            ("rota_commits", "Group commits of the ledger", &self.commits),
            ("rota_entries_committed", "Entries stored in the ledger", &self.entries),
            ("rota_entries_projected", "Entries committed in the database", &self.projected),
            ("rota_projection_failures", "Batches without an answer", &self.projection_failures),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let gauges = [
            ("rota_write_queue_depth", "Items waiting in a lane", &self.waiting),
            ("rota_lanes_active", "Processes with items in flight", &self.lanes),
            ("rota_projection_rows", "Entries waiting for the database", &self.projection_rows),
            ("rota_writer_term", "The term of this writer, 0 without a database", &self.term),
            ("rota_outbox_depth", "Items committed and not uploaded yet", &self.outbox_depth),
            ("rota_outbox_age_seconds", "Age of the oldest item there", &self.outbox_age),
            (
                "rota_ledger_failed",
                "1 after a failed write, until the ledger is opened again",
                &self.failed,
            ),
            ("rota_rocksdb_compactions_running", "Compactions at work", &self.compactions),
        ];
        for (name, help, gauge) in gauges {
            registry.register(name, help, gauge.clone());
        }
        let bytes = self.store_bytes.clone();
        registry.register("rota_rocksdb_bytes", "What RocksDB holds, by place", bytes);
    }

    /// Takes in one group commit.
    pub fn observe_commit(&self, commit: &CommitObservation) {
        self.commit.observe(commit.duration);
        self.commits.inc();
        self.entries.inc_by(commit.entries as u64);
    }

    /// Takes in one batch that the database committed.
    pub(crate) fn projected(&self, rows: usize, took: Duration) {
        self.project.observe(took);
        self.projected.inc_by(rows as u64);
    }

    /// The directory has confirmed the lease.
    pub fn lease_confirmed(&self) {
        self.noted.lock().lease_confirmed = Some(Instant::now());
    }

    /// The ledger has all that the database had at `as_of`.
    pub(crate) fn followed(&self, as_of: Instant) {
        self.noted.lock().followed = Some(as_of);
    }

    /// Takes in the open moves.
    pub(crate) fn moves(&self, moves: Moves) {
        self.noted.lock().moves = moves;
    }

    /// From now on checkpoints are taken.
    pub(crate) fn checkpoints_begin(&self) {
        let last = Instant::now();
        let none = Checkpoints { last, failures: 0, bytes: 0, took: Duration::ZERO };
        self.noted.lock().checkpoints.get_or_insert(none);
    }

    /// Takes in a checkpoint of so many bytes that was begun at `since`, or that none was taken.
    pub(crate) fn checkpoint(&self, since: Instant, bytes: Option<u64>) {
        let mut noted = self.noted.lock();
        let Some(checkpoints) = &mut noted.checkpoints else { return };
        let now = Instant::now();
        match bytes {
            Some(bytes) => {
                (checkpoints.last, checkpoints.took) = (now, now.duration_since(since));
                checkpoints.bytes = bytes;
            }
            None => checkpoints.failures += 1,
        }
    }

    /// All of it as numbers, but for what the ledger knows.
    #[must_use]
    pub fn readings(&self) -> WriterReadings {
        let noted = *self.noted.lock();
        WriterReadings {
            stages: [
                ("verify", self.verify.counts()),
                ("facts", self.facts.counts()),
                ("queue", self.queue.counts()),
                ("sign", self.sign.counts()),
                ("commit", self.commit.counts()),
                ("project", self.project.counts()),
            ],
            entries: self.entries.get(),
            uploads: self.uploads.get(),
            upload_failures: self.upload_failures.get(),
            cache_failures: self.cache_failures.get(),
            projection_failures: self.projection_failures.get(),
            projection_rows: u64::try_from(self.projection_rows.get()).unwrap_or(0),
            lease_confirmed: noted.lease_confirmed,
            followed: noted.followed,
            moves: noted.moves,
            checkpoints: noted.checkpoints,
        }
    }

    /// Takes in what the ledger knows, before the metrics are shown.
    pub fn refresh(&self, ledger: &Ledger, now: Timestamp) {
        let outbox = ledger.outbox_stats();
        let age = outbox.oldest.map_or(0, |oldest| now.0.saturating_sub(oldest.0));
        self.outbox_depth.set(saturating(outbox.depth));
        self.outbox_age.set(saturating(Duration::from_millis(age).as_secs()));
        self.failed.set(i64::from(ledger.failure().is_some()));
        let store = ledger.metrics();
        self.compactions.set(saturating(store.compactions_running));
        for (place, bytes) in [
            ("memtables", store.memtable_bytes),
            ("table_readers", store.table_readers_bytes),
            ("block_cache", store.block_cache_bytes),
            ("tables", store.sst_bytes),
            ("blobs", store.blob_bytes),
            ("compaction_pending", store.compaction_pending_bytes),
        ] {
            self.store_bytes.get_or_create(&StoreLabel { place }).set(saturating(bytes));
        }
    }
}

fn saturating(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
