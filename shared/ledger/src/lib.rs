//! The writer's store: an append-only ledger of schedules in RocksDB.
//!
//! One committer thread puts what waits into one batch, syncs it once, and only then tells anyone
//! (group commit). An entry, its indexes, the head of its process and its outbox rows are one batch,
//! so they exist together or not at all. Where a database has the last word, an entry is *provisional*
//! from its batch on until the database has committed it: it is in its schedule, but not in the outbox.
//!
//! Invariants kept here:
//! - ORD-1: an append whose nonce does not follow the stored head is refused and stops the ledger.
//! - DUR-1: nothing is told, and nothing can be read, before its batch is synced. RocksDB appends a
//!   batch to its log, syncs the log, inserts into the memtables, and only then moves the sequence
//!   number that readers see (`DBImpl::WriteImpl`: `WriteGroupToWAL` … `SetLastSequence`). That holds
//!   without pipelined writes, two write queues and unordered writes, none of which is switched on.
//! - DUR-2: the outbox rows of an entry are in its batch; they go only when delivery was reported.
//! - DUR-3: what was signed and received is stored and given back byte for byte.
//!
//! It must not know HTTP, signatures, or what is inside an item.

mod batch;
mod checkpoint;
mod commit;
mod error;
#[cfg(test)]
mod golden;
mod height;
mod identity;
mod key;
mod ledger;
mod metrics;
#[cfg(test)]
mod model;
mod open;
mod options;
mod outbox;
mod page;
mod provisional;
mod reader;
mod record;
mod scan;
mod store;
mod wal;

pub use checkpoint::CheckpointInfo;
pub use commit::{Append, Done, Upload};
pub use error::LedgerError;
pub use height::KeptHeight;
pub use ledger::Ledger;
pub use metrics::{CommitObservation, LedgerMetrics, Observe};
pub use options::{BLOCK_CACHE_BYTES, COMMIT_QUEUE_MAX, LedgerOptions, OPEN_TABLES_MAX};
pub use outbox::{OutboxRow, OutboxStats};
pub use provisional::Provisional;
pub use record::Part;
pub use scan::Entries;

#[cfg(test)]
extern crate self as rota_ledger;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
