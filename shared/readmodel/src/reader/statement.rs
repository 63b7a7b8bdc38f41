//! What a read asks of a database, and what an answer from a replica is worth (RD-1).

use super::row::Progress;
use crate::ModelError;
use rota_schedule::ProcessId;
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};

/// A statement with its arguments.
pub(super) type Query<'q> = sqlx::query::Query<'q, Postgres, PgArguments>;

/// As what a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// As a copy: what it lacks may exist all the same.
    Replica,
    /// As the one that has the last word. A server that is a standby now must not answer.
    Primary,
}

/// The text of a statement for either role.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sql {
    /// For a replica.
    pub(super) replica: &'static str,
    /// The same, but it fails on a standby with [`NOT_THE_PRIMARY`].
    pub(super) primary: &'static str,
}

impl Sql {
    pub(super) const fn of(self, role: Role) -> &'static str {
        match role {
            Role::Replica => self.replica,
            Role::Primary => self.primary,
        }
    }
}

/// The SQLSTATE by which a standby refuses the primary's text: `invalid_text_representation`. Nothing else in the
/// statements reads a value out of a text.
pub(super) const NOT_THE_PRIMARY: &str = "22P02";

/// Both texts of a file.
///
/// The condition costs no round trip. Postgres looks at it once, before the first row and also where there is
/// none (a one-time filter). A condition that were merely false would give no rows, which means "not found".
macro_rules! sql {
    ($file:literal) => {
        Sql {
            replica: include_str!($file),
            primary: concat!(
                "SELECT * FROM (",
                include_str!($file),
                ") AS answer WHERE (SELECT CASE WHEN pg_is_in_recovery() \
                 THEN 'this server is a standby, not the primary' ELSE 'true' END)::boolean"
            ),
        }
    };
}
pub(super) use sql;

/// One statement, and so one snapshot.
pub(super) trait Statement: Send + Sync {
    /// What its rows say.
    type Answer: Send;

    /// Its text: it never changes, so that every connection prepares it once.
    const SQL: Sql;

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
