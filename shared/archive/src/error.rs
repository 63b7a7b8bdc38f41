//! Why the archive cannot do what it was asked.

use crate::Position;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId as _;
use aws_sdk_s3::primitives::ByteStreamError;
use std::io;
use std::path::{Path, PathBuf};
use tokio::time::error::Elapsed;

/// Statuses of S3 that say more than that it did not work.
const NOT_FOUND: u16 = 404;
const CONFLICT: u16 = 409;
const PRECONDITION_FAILED: u16 = 412;
/// The codes of the last two, which also come within an answer that began well.
const CONFLICT_CODES: [&str; 2] = ["ConditionalRequestConflict", "OperationAborted"];
const PRECONDITION_CODE: &str = "PreconditionFailed";
/// The code of the one 404 that says nothing about an object: the archive is not where it was said to be.
const NO_BUCKET: &str = "NoSuchBucket";

/// Every way in which the archive fails.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// S3 gave no answer, or refused. What was to be written may be there; to ask again is right, and safe.
    #[error("the archive gave no answer, or refused")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An object is not there that should be.
    #[error("{key} is not in the archive")]
    Missing {
        /// Its key, without the prefix.
        key: String,
    },
    /// An object is not what was put there.
    #[error("{key} in the archive is damaged: {what}")]
    Damaged {
        /// Its key, without the prefix.
        key: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A newer version of this program wrote the manifest.
    #[error("checkpoint {position} has format {found}, this version knows {supported}")]
    TooNew {
        /// Which checkpoint.
        position: Position,
        /// Its format.
        found: u32,
        /// The newest that this version reads.
        supported: u32,
    },
    /// An object with other content has the key.
    #[error(
        "{key} was written by somebody else: two ledgers take checkpoints under one name and term"
    )]
    Conflict {
        /// Its key, without the prefix.
        key: String,
    },
    /// Another ledger took newer checkpoints meanwhile: this one was not kept.
    #[error("checkpoint {position} is not kept: another ledger takes newer ones under this name")]
    Overtaken {
        /// Which checkpoint.
        position: Position,
    },
    /// There is no checkpoint of this writer.
    #[error("there is no checkpoint of writer {writer:?}")]
    NoCheckpoint {
        /// The writer.
        writer: String,
    },
    /// A file is larger than an object may be.
    #[error("{} is too large for the archive", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file on this machine cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ArchiveError {
    /// What makes of a failure of the file system an error.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    /// An object that is not what was put there.
    pub(crate) fn damaged(key: &str, what: &'static str) -> Self {
        Self::Damaged { key: key.to_owned(), what }
    }

    /// Whether another checkpoint may do where this one does not.
    pub(crate) const fn is_of_the_object(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Damaged { .. } | Self::TooNew { .. })
    }
}

impl From<ByteStreamError> for ArchiveError {
    fn from(error: ByteStreamError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<Elapsed> for ArchiveError {
    fn from(elapsed: Elapsed) -> Self {
        Self::Unavailable(Box::new(elapsed))
    }
}

/// What S3 did not do.
pub(crate) enum Refusal {
    /// There is no such object.
    NotFound,
    /// The condition does not hold: there is such an object.
    Exists,
    /// Another write of the same key is under way. Nothing may have been stored: it is to be tried again.
    Busy(ArchiveError),
    /// Anything else.
    Failed(ArchiveError),
}

impl Refusal {
    /// An error, where only what is there was asked for.
    pub(crate) fn into_error(self, key: &str) -> ArchiveError {
        match self {
            Self::NotFound => ArchiveError::Missing { key: key.to_owned() },
            Self::Exists => ArchiveError::Conflict { key: key.to_owned() },
            Self::Busy(error) | Self::Failed(error) => error,
        }
    }
}

impl From<ArchiveError> for Refusal {
    fn from(error: ArchiveError) -> Self {
        Self::Failed(error)
    }
}

impl<E> From<SdkError<E>> for Refusal
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Self {
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        let code = error.code().unwrap_or_default();
        match status {
            Some(NOT_FOUND) if code != NO_BUCKET => Self::NotFound,
            Some(PRECONDITION_FAILED) => Self::Exists,
            _ if code == PRECONDITION_CODE => Self::Exists,
            _ if status == Some(CONFLICT) || CONFLICT_CODES.contains(&code) => {
                Self::Busy(ArchiveError::Unavailable(Box::new(error)))
            }
            _ => {
                tracing::debug!(status, request = error.request_id(), "S3 refused");
                Self::Failed(ArchiveError::Unavailable(Box::new(error)))
            }
        }
    }
}
