//! Why the read model cannot do what it was asked: what happened, and what to do about it.

use crate::Signers;
use rota_ans104::Address;
use rota_schedule::{ProcessId, ReadError};
use sqlx::migrate::MigrateError;
use std::io;
use tokio::time::error::Elapsed;

/// Every way in which the read model fails. "Not there" is no failure: that is an `Ok(None)`.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The database or the archive gave no answer, or refused for a reason that can pass. Of a write the outcome is
    /// unknown: asking for the same again is right, and safe.
    #[error("the database, or the archive beside it, did not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody else took the writer's name since: nothing was written, and nothing ever will be under
    /// this term (LSE-1).
    #[error("term {term} of this writer is over: another one runs under its name")]
    Stale {
        /// The term that is over.
        term: u64,
    },
    /// One wallet signs for a database, and this is another. Nothing was written.
    #[error(
        "another wallet signs for this database\n  \
         the database's wallet: {signers}\n  \
         this machine's wallet: {wallet}\n  \
         To go on, start with the database's wallet: its file in SU_WALLET_PATH, or its content in SU_WALLET.\n  \
         To sign with this machine's wallet from now on, start once with --adopt-wallet {wallet}"
    )]
    OtherWallet {
        /// The wallet that was refused.
        wallet: Address,
        /// Who signs.
        signers: Signers,
    },
    /// Another entry lies at this place, or this assignment lies elsewhere (ORD-1). Nothing was written.
    #[error("another entry is in the database at nonce {nonce} of process {process}")]
    Conflict {
        /// The process.
        process: ProcessId,
        /// The nonce of the row that does not fit.
        nonce: u64,
    },
    /// The entry before this one is not there (ORD-1). Nothing was written.
    #[error("nonce {nonce} of process {process} does not follow what is in the database")]
    Gap {
        /// The process.
        process: ProcessId,
        /// The nonce of the row that has nothing to follow.
        nonce: u64,
    },
    /// The process is not bound to this writer (RTE-1). Nothing was written.
    #[error("process {process} belongs to another writer")]
    Foreign {
        /// The process.
        process: ProcessId,
    },
    /// A number does not fit the database (2^63), or a batch its limits. Nothing was written.
    #[error("{0} is out of range for the database")]
    OutOfRange(&'static str),
    /// What lies in the database cannot be what was put there.
    #[error("a row of the database is damaged: {0}")]
    Damaged(&'static str),
    /// The server that is to be written to replays what another one writes.
    #[error("the server at {server} is a standby: set DATABASE_URL to the primary")]
    Standby {
        /// Where it is.
        server: String,
    },
    /// The schema could not be brought up to date.
    #[error("the database's schema cannot be migrated")]
    Migrate(#[source] MigrateError),
    /// With `rds_iam` the readers' role takes the password away from the login that made it; it was taken back.
    #[error(
        "readers cannot be given tokens by this login: as a member of {role} it could not log in with its \
         password any more; make {role} as the server's master user"
    )]
    LocksOut {
        /// The readers' role.
        role: String,
    },
    /// Not the URL of a Postgres database.
    #[error("not a database: expected postgres://user:password@host:port/database")]
    Url(#[source] sqlx::Error),
}

impl From<sqlx::Error> for ModelError {
    /// An answer that cannot be read is damage; anything else may be well when asked again.
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                Self::Damaged("a column has another type")
            }
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

impl From<Elapsed> for ModelError {
    fn from(_: Elapsed) -> Self {
        Self::Unavailable(Box::new(io::Error::from(io::ErrorKind::TimedOut)))
    }
}

impl From<ModelError> for ReadError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Damaged(_) => Self::Damaged(Box::new(error)),
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}
