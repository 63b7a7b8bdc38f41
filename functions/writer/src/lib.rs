//! The writer: the one owner of its processes' schedules.
//!
//! [`http`](router) reads a request, `admission` checks the item while nothing else waits for it, a
//! *lane* (one per process) gives it its place and signs, the ledger stores it, the [`Database`] commits
//! it if there is one (else the ledger has), and only then is anyone told. The [`Uploader`] works off what
//! was committed, and the [`Cacher`] shows it to a cache node.
//!
//! Keeps ORD-1 to ORD-3, DUR-1 to DUR-3, DUP-1, DUP-2, PRJ-1 and LSE-1. It must not know Lambda, nor how
//! a schedule is read.

mod admission;
mod archiver;
mod cacher;
mod database;
mod height;
mod http;
mod lanes;
mod membership;
mod metrics;
mod owner;
mod peers;
mod stage;
mod uploader;
mod writer;

pub use archiver::{Archiver, ArchiverError, CHECKPOINT_INTERVAL_DEFAULT, Unsound, restore};
pub use cacher::{CacheQueue, Cacher};
pub use database::{AckAfter, Database, DatabaseConfig, RecoveryError, follow};
pub use height::WithoutHeight;
pub use http::router;
pub use membership::Membership;
pub use metrics::{Checkpoints, Moves, WriterMetrics, WriterReadings};
pub use uploader::{UnknownUploadMode, UploadMode, Uploader, UploaderParts};
pub use writer::{ITEM_BYTES_MAX_DEFAULT, Writer, WriterConfig, WriterParts};
