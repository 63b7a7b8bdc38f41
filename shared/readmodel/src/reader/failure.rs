//! Why a source gave no answer, and whether it is to blame.

use super::statement::NOT_THE_PRIMARY;
use crate::ModelError;
use crate::database::is_of_the_connection;
use rota_schedule::ReadError;

/// The SQLSTATE of a connection beyond what the role, the database or the server may have.
const TOO_MANY_CONNECTIONS: &str = "53300";

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
    /// It takes no further connections: others hold all that the role, or the server, may have.
    #[error("the database has no connection left: others hold all of them")]
    Full(#[source] sqlx::Error),
    /// It was asked as the primary, and is a standby: what it lacks may exist all the same.
    #[error("the server that is configured as the primary is a standby")]
    Standby,
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
            // Its address may lead to the new primary by now.
            Self::Standby => true,
            Self::Broken(error) => is_of_the_connection(error),
            _ => false,
        }
    }

    /// Whether the source should be left alone for a while.
    pub(super) fn is_of_the_source(&self) -> bool {
        match self {
            Self::Slow | Self::Standby => true,
            Self::Broken(sqlx::Error::Database(error)) => {
                // Class 40: the statement was in the way of the replica's replay. The next may not be.
                !error.code().is_some_and(|code| code.starts_with("40"))
            }
            Self::Broken(_) => true,
            Self::Busy
            | Self::Full(_)
            | Self::NoSource
            | Self::Overdue
            | Self::NoWriter
            | Self::Model(_) => false,
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let is = |code: &str| {
            error.as_database_error().and_then(|error| error.code()).is_some_and(|is| is == code)
        };
        if is(NOT_THE_PRIMARY) {
            Self::Standby
        } else if is(TOO_MANY_CONNECTIONS) {
            Self::Full(error)
        } else {
            Self::Broken(error)
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
