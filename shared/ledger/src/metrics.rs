//! What the ledger tells of itself: plain numbers, for whoever exports them.

use crate::{key::Family, store::Store};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// One commit, as the committer saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CommitObservation {
    /// Entries in the group.
    pub entries: usize,
    /// Bytes of items in the group.
    pub bytes: usize,
    /// How long writing and syncing took.
    pub duration: Duration,
}

/// Told of every commit, on the committer's thread; must be quick.
pub type Observe = Arc<dyn Fn(CommitObservation) + Send + Sync>;

/// How much was committed since the ledger was opened, and what RocksDB holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerMetrics {
    /// Groups committed.
    pub commits: u64,
    /// Entries committed.
    pub entries: u64,
    /// Bytes of items committed.
    pub bytes: u64,
    /// Memory of all memtables, in bytes.
    pub memtable_bytes: u64,
    /// Memory of table readers outside the block cache, in bytes.
    pub table_readers_bytes: u64,
    /// Memory used in the block cache, in bytes.
    pub block_cache_bytes: u64,
    /// Tables on disk, in bytes.
    pub sst_bytes: u64,
    /// Files of large bodies on disk, in bytes.
    pub blob_bytes: u64,
    /// Compactions that run now.
    pub compactions_running: u64,
    /// What compaction has before it, in bytes.
    pub compaction_pending_bytes: u64,
}

/// Counts commits.
#[derive(Debug, Default)]
pub(crate) struct CommitCounters {
    commits: AtomicU64,
    entries: AtomicU64,
    bytes: AtomicU64,
}

impl CommitCounters {
    /// Adds one commit.
    pub(crate) fn add(&self, seen: &CommitObservation) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.entries.fetch_add(seen.entries as u64, Ordering::Relaxed);
        self.bytes.fetch_add(seen.bytes as u64, Ordering::Relaxed);
    }

    /// All numbers, RocksDB's too.
    pub(crate) fn with_store(&self, store: &Store) -> LedgerMetrics {
        LedgerMetrics {
            commits: self.commits.load(Ordering::Relaxed),
            entries: self.entries.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            memtable_bytes: over_families(store, "rocksdb.cur-size-all-mem-tables"),
            table_readers_bytes: over_families(store, "rocksdb.estimate-table-readers-mem"),
            block_cache_bytes: store.cache.get_usage() as u64,
            sst_bytes: over_families(store, "rocksdb.total-sst-files-size"),
            blob_bytes: over_families(store, "rocksdb.total-blob-file-size"),
            compactions_running: known(
                store.db.property_int_value("rocksdb.num-running-compactions"),
            ),
            compaction_pending_bytes: over_families(
                store,
                "rocksdb.estimate-pending-compaction-bytes",
            ),
        }
    }
}

/// Sums a property of RocksDB that each family has.
fn over_families(store: &Store, property: &str) -> u64 {
    let of = |family| {
        store.family(family).map_or(0, |cf| known(store.db.property_int_value_cf(cf, property)))
    };
    Family::ALL.into_iter().map(of).sum()
}

/// The value of a property; 0 if RocksDB does not tell.
fn known(value: Result<Option<u64>, rocksdb::Error>) -> u64 {
    value.ok().flatten().unwrap_or(0)
}
