//! Why the ledger cannot do what it was asked: what happened, and what to do about it.

use rota_schedule::{ProcessId, ReadError};
use std::{io, path::PathBuf};

/// What the system says when a disk, or what one may use of it, is full (`ENOSPC`, `EDQUOT`).
const NO_SPACE: [&str; 2] = ["No space left on device", "Disk quota exceeded"];
/// What it says when no file may be opened any more (`EMFILE`, `ENFILE`).
const NO_FILES: &str = "Too many open files";

/// Every way in which the ledger fails. "Not there" is no failure: that is an `Ok(None)`.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// A newer version wrote the ledger.
    #[error(
        "the ledger has format {found}, this version knows {supported}: run the version that wrote it"
    )]
    TooNew {
        /// The format, or the version of a record.
        found: u8,
        /// The newest that this version reads.
        supported: u8,
    },
    /// Another process, or another part of this one, has it open.
    #[error("the ledger in {dir} is open elsewhere: stop that writer or choose another directory")]
    Locked {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory is in use for something else. Nothing was written to it.
    #[error("{dir} holds something that is not a ledger: choose an empty directory")]
    NotALedger {
        /// The directory.
        dir: PathBuf,
    },
    /// What lies on the disk is not what was put there.
    #[error(
        "the ledger is damaged: {what}: restore it from a checkpoint or fill it from the database"
    )]
    Damaged {
        /// What was found, and where.
        what: String,
    },
    /// The disk is full.
    #[error("no space is left for the ledger: free some on its disk")]
    NoSpace(#[source] rocksdb::Error),
    /// The process, or the system, has no file left to open.
    #[error("no file is left to open for the ledger: raise the limit of open files (`ulimit -n`)")]
    NoFiles(#[source] rocksdb::Error),
    /// The directory cannot be made or looked into.
    #[error("directory {dir} cannot be used for the ledger")]
    Io {
        /// The directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The append does not follow the head of its process (ORD-1). A defect in what called.
    #[error(
        "append to process {process} refused: it has nonce {found}, expected was nonce {expected}"
    )]
    OutOfOrder {
        /// The process.
        process: ProcessId,
        /// The nonce that would have followed.
        expected: u64,
        /// The nonce of the append.
        found: u64,
    },
    /// Entry and head of an append disagree, or its time is before the head's. A defect in what called.
    #[error("append to process {process} at nonce {nonce} refused: {what}")]
    Inconsistent {
        /// The process.
        process: ProcessId,
        /// The nonce of the append.
        nonce: u64,
        /// What disagrees.
        what: &'static str,
    },
    /// The ledger was closed, so it takes nothing more.
    #[error("the ledger is closed")]
    Closed,
    /// [`crate::Ledger::set_scheduler`] was never called on this ledger.
    #[error("the ledger does not know its scheduler's address yet")]
    NoScheduler,
    /// A thread of the ledger could not be started, or ended before its time.
    #[error("a thread of the ledger failed")]
    Thread(#[source] io::Error),
    /// Anything else that RocksDB says.
    #[error("the ledger's store failed")]
    Store(#[source] rocksdb::Error),
}

impl LedgerError {
    /// Whether it is for want of something that may come back: room on the disk, or files to open. What
    /// lies on the disk is as good as after a crash.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        match self {
            Self::NoSpace(_) | Self::NoFiles(_) => true,
            Self::Io { source, .. } => {
                let text = source.to_string();
                text.contains(NO_FILES) || NO_SPACE.iter().any(|what| text.contains(what))
            }
            _ => false,
        }
    }

    /// A record or a key that cannot be what was written.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

impl From<rocksdb::Error> for LedgerError {
    /// RocksDB tells kinds of failures by text only; these are those that need another remedy.
    fn from(error: rocksdb::Error) -> Self {
        let gone = error.as_ref().contains("No such file or directory");
        if gone || error.kind() == rocksdb::ErrorKind::Corruption {
            return Self::damaged(error.into_string());
        }
        if NO_SPACE.iter().any(|what| error.as_ref().contains(what)) {
            return Self::NoSpace(error);
        }
        if error.as_ref().contains(NO_FILES) {
            return Self::NoFiles(error);
        }
        Self::Store(error)
    }
}

impl From<LedgerError> for ReadError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Damaged { .. } | LedgerError::TooNew { .. } => {
                Self::Damaged(Box::new(error))
            }
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}
