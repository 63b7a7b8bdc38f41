//! What the writer measures. Times are in seconds, sizes in bytes.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use rota_ledger::{CommitObservation, Ledger};
use rota_schedule::Timestamp;
use rota_service::metrics::stage_buckets;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

/// What RocksDB holds, by place: memtables, block cache, tables, blob files, …
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreLabel {
    place: &'static str,
}

fn stage_histogram() -> Histogram {
    Histogram::new(stage_buckets())
}

/// The metrics of one writer.
#[derive(Clone, Debug)]
pub struct WriterMetrics {
    pub(crate) verify: Histogram,
    pub(crate) facts: Histogram,
    pub(crate) queue: Histogram,
    pub(crate) sign: Histogram,
    commit: Histogram,
    project: Histogram,
    projected: Counter,
    pub(crate) projection_failures: Counter,
    pub(crate) projection_rows: Gauge,
    pub(crate) term: Gauge,
    pub(crate) repeated: Counter,
    pub(crate) waiting: Gauge,
    pub(crate) lanes: Gauge,
    pub(crate) uploads: Counter,
    pub(crate) upload_failures: Counter,
    commits: Counter,
    entries: Counter,
    outbox_depth: Gauge,
    outbox_age: Gauge,
    failed: Gauge,
    store_bytes: Family<StoreLabel, Gauge>,
    compactions: Gauge,
}

impl WriterMetrics {
    /// Registers all of them.
    pub fn register(registry: &mut Registry) -> Self {
        let stages = Family::<StageLabel, Histogram>::new_with_constructor(stage_histogram);
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
            commits: Counter::default(),
            entries: Counter::default(),
            outbox_depth: Gauge::default(),
            outbox_age: Gauge::default(),
            failed: Gauge::default(),
            store_bytes: Family::default(),
            compactions: Gauge::default(),
        };
        metrics.register_plain(registry);
        metrics
    }

    fn register_plain(&mut self, registry: &mut Registry) {
        let counters = [
            ("rota_repeated_items", "Items answered with the entry they had", &self.repeated),
            ("rota_uploads", "Items that a bundler took", &self.uploads),
            ("rota_upload_failures", "Deliveries to be tried again", &self.upload_failures),
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
            ("rota_ledger_failed", "1 after a failed write, until a restart", &self.failed),
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
        self.commit.observe(commit.duration.as_secs_f64());
        self.commits.inc();
        self.entries.inc_by(commit.entries as u64);
    }

    /// Takes in one batch that the database committed.
    pub(crate) fn projected(&self, rows: usize, took: Duration) {
        self.project.observe(took.as_secs_f64());
        self.projected.inc_by(rows as u64);
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
