//! Why a source gave no answer, and whether it is to blame.

use crate::ModelError;
use rota_schedule::ReadError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// All connections stay busy.
    #[error("all connections to the database are busy")]
    Busy,
    /// It did not answer in time.
    #[error("the database did not answer in time")]
    Slow,
    /// There is no database that could be asked.
    #[error("no database can be asked now")]
    NoSource,
    /// The whole request took too long.
    #[error("the request took too long")]
    Overdue,
    /// No writer has ever said anything of itself.
    #[error("no writer is known to the database")]
    NoWriter,
    /// It failed.
    #[error("the database failed")]
    Broken(#[source] sqlx::Error),
    /// It answered what cannot be, or the archive did not answer.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl Failure {
    /// Whether the server, or what lies between, ended the connection: another may work.
    pub(super) fn is_of_the_connection(&self) -> bool {
        match self {
            Self::Broken(sqlx::Error::Io(_)) => true,
            Self::Broken(sqlx::Error::Database(error)) => {
                // Class 57P: the server shuts down, or an administrator ended the session.
                error.code().is_some_and(|code| code.starts_with("57P"))
            }
            _ => false,
        }
    }

    /// Whether the source should be left alone for a while.
    pub(super) fn is_of_the_source(&self) -> bool {
        match self {
            Self::Slow => true,
            Self::Broken(sqlx::Error::Database(error)) => {
                // Class 40: the statement was in the way of the replica's replay. The next may not be.
                !error.code().is_some_and(|code| code.starts_with("40"))
            }
            Self::Broken(_) => true,
            Self::Busy | Self::NoSource | Self::Overdue | Self::NoWriter | Self::Model(_) => false,
        }
    }
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Model(error) => error.into(),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}
