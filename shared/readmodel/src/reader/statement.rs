//! What a read asks of a database, and what an answer from a replica is worth (RD-1).

use super::row::Progress;
use crate::ModelError;
use rota_schedule::ProcessId;
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};

/// A statement with its arguments.
pub(super) type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// One statement, and so one snapshot.
pub(super) trait Statement: Send + Sync {
    /// What its rows say.
    type Answer: Send;

    /// Its text: it never changes, so that every connection prepares it once.
    const SQL: &'static str;

    /// Adds its arguments.
    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q>;

    /// Reads its rows.
    ///
    /// # Errors
    /// [`ModelError::Damaged`] if they cannot be what was stored.
    fn read(&self, rows: &[PgRow]) -> Result<Self::Answer, ModelError>;

    /// Up to where the snapshot is known to be complete, if the rows say.
    fn progress(&self, _: &Self::Answer) -> Option<Progress> {
        None
    }

    /// What the answer is worth if it comes from a replica. `trusted` says whether a snapshot is new
    /// enough to answer what is open by itself.
    fn standing(&self, answer: &Self::Answer, trusted: &dyn Fn(Progress) -> bool) -> Standing;
}

/// What an answer from a replica is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The primary would say the same.
    Final,
    /// The primary would say the same if this is the newest entry there too.
    IfHead(ProcessId, u64),
    /// Only the primary can say.
    Unknown,
}

/// A number for the database, which ends at 2^63: nothing lies beyond.
pub(super) fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
