//! What lies in S3: the bytes of large items, and checkpoints of ledgers.
//!
//! | key | content |
//! |---|---|
//! | `bodies/sha256/<hash>` | an item, byte for byte as received |
//! | `bodies/<message id>` | the same from before bodies lay under their hash: read, never written |
//! | `ledgers/<writer>/files/<term>-<seq>-<name>` | a file of a checkpoint |
//! | `ledgers/<writer>/manifests/<term>-<seq>.json` | a checkpoint: its files, wherever they were first sent |
//!
//! All keys stand under a prefix of the operator's choice. `<term>` and `<seq>` have 20 digits, so keys sort
//! as checkpoints do. No key is ever written twice (`If-None-Match: *`), so what was read once stays right,
//! and a key that nobody refers to is never referred to again.
//!
//! A bucket wants one lifecycle rule: uploads in parts that were cut off are to be aborted after a day.
//!
//! This crate must not know RocksDB (a checkpoint is a directory of files), Postgres, or what an item means.

mod bodies;
mod bucket;
mod checkpoints;
mod download;
mod error;
mod settings;
mod upload;

pub use bodies::{Body, BodyHash};
pub use checkpoints::{
    CHECKPOINTS_KEEP_DEFAULT, Checkpoints, Fetched, Fetching, FileHash, Manifest, ManifestFile,
    Position, Snapshot, Taken, UnknownPosition,
};
pub use error::ArchiveError;
pub use settings::ArchiveSettings;

use bucket::{Bucket, Patience};
use rota_aws::SdkConfig;
use std::num::NonZero;

/// A bucket, or a part of one. Cheap to clone: clones share connections.
#[derive(Clone, Debug)]
pub struct Archive {
    /// As patient as somebody is who waits for an answer.
    bodies: Bucket,
    /// As patient as large files over slow lines need it.
    files: Bucket,
}

impl Archive {
    /// Asks nobody yet. `prefix` stands before every key; a slash between the two is added.
    #[must_use]
    pub fn new(config: &SdkConfig, bucket: &str, prefix: &str) -> Self {
        Self {
            bodies: Bucket::new(config, bucket, prefix, Patience::Request),
            files: Bucket::new(config, bucket, prefix, Patience::Transfer),
        }
    }

    /// The checkpoints of the ledgers of a writer, of which the newest `keep` are kept.
    #[must_use]
    pub fn checkpoints(&self, writer: &str, keep: NonZero<usize>) -> Checkpoints {
        Checkpoints::new(self.files.clone(), writer, keep)
    }
}
