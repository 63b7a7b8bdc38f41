//! The operator's side: what is asked of writers that run (`migrations/0003_orders.sql`).

use crate::{DatabaseUrl, ModelError};
use rota_schedule::{ProcessId, WriterName};
use sqlx::{PgPool, Row as _};

/// Connections of an operator's command.
const CONNECTIONS: u32 = 2;

/// What became of the wish to move a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ordered {
    /// It is written down, now or already.
    Yes,
    /// It belongs to that writer already.
    There,
    /// It is on its way to another writer.
    Underway(String),
    /// No writer has it.
    NoProcess,
    /// No writer ever ran under that name.
    NoWriter,
}

/// How far a move is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveProgress {
    /// To whom it belongs now.
    pub owner: String,
    /// The state of the order; `None` when it is done, or was withdrawn.
    pub state: Option<String>,
}

/// A database as an operator uses it.
#[derive(Clone, Debug)]
pub struct Operator {
    pub(crate) pool: PgPool,
}

impl Operator {
    /// Connects when it must.
    #[must_use]
    pub fn new(url: &DatabaseUrl) -> Self {
        Self { pool: url.primary(CONNECTIONS) }
    }

    /// Asks for a process to be moved. Asking twice is asking once.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`]: it may be asked for.
    pub async fn order_move(
        &self,
        process: &ProcessId,
        target: &WriterName,
    ) -> Result<Ordered, ModelError> {
        let process = &process.as_bytes()[..];
        let found = sqlx::query_as(
            "SELECT (SELECT id FROM writers JOIN writer_progress ON writer = id WHERE name = $2), \
                    (SELECT writer FROM processes WHERE process = $1)",
        );
        let (to, from): (Option<i32>, Option<i32>) =
            found.bind(process).bind(target.as_str()).fetch_one(&self.pool).await?;
        let (Some(to), Some(from)) = (to, from) else {
            return Ok(if to.is_none() { Ordered::NoWriter } else { Ordered::NoProcess });
        };
        if to == from {
            return Ok(Ordered::There);
        }
        sqlx::query(
            // The lock: of a move to a writer and its removal, the later one sees the other.
            "INSERT INTO moves (process, source, target, state) \
             SELECT processes.process, processes.writer, target.writer, 'asked' \
             FROM processes, writer_progress AS target \
             WHERE processes.process = $1 AND processes.writer <> $2 AND target.writer = $2 \
             FOR KEY SHARE OF target \
             ON CONFLICT (process) DO NOTHING",
        )
        .bind(process)
        .bind(to)
        .execute(&self.pool)
        .await?;
        let underway: Option<String> = sqlx::query_scalar(
            "SELECT name FROM moves JOIN writers ON writers.id = moves.target WHERE process = $1",
        )
        .bind(process)
        .fetch_optional(&self.pool)
        .await?;
        Ok(match underway {
            Some(name) if name != target.as_str() => Ordered::Underway(name),
            _ => Ordered::Yes,
        })
    }

    /// Withdraws a move that has not switched yet; true if there was one.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`]: it may be withdrawn.
    pub async fn withdraw_move(&self, process: &ProcessId) -> Result<bool, ModelError> {
        let query = sqlx::query("DELETE FROM moves WHERE process = $1 AND state <> 'switched'");
        let done = query.bind(&process.as_bytes()[..]).execute(&self.pool).await?;
        Ok(done.rows_affected() == 1)
    }

    /// How far the move of a process is; `None` if no writer has it.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`].
    pub async fn progress(&self, process: &ProcessId) -> Result<Option<MoveProgress>, ModelError> {
        let query = sqlx::query(
            "SELECT writers.name, moves.state FROM processes \
             JOIN writers ON writers.id = processes.writer \
             LEFT JOIN moves USING (process) WHERE process = $1",
        );
        let row = query.bind(&process.as_bytes()[..]).fetch_optional(&self.pool).await?;
        row.map(|row| Ok(MoveProgress { owner: row.try_get(0)?, state: row.try_get(1)? }))
            .transpose()
    }

    /// Processes of a writer that are not on their way elsewhere, above `after`, in the order of ids.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`], [`ModelError::Damaged`].
    pub async fn processes_of(
        &self,
        writer: &WriterName,
        after: Option<ProcessId>,
        limit: u32,
    ) -> Result<Vec<ProcessId>, ModelError> {
        let query = sqlx::query_scalar(
            "SELECT process FROM processes \
             WHERE writer = (SELECT id FROM writers WHERE name = $1) AND process > $2 \
               AND NOT EXISTS (SELECT FROM moves WHERE moves.process = processes.process) \
             ORDER BY process LIMIT $3",
        );
        let after = after.as_ref().map_or(&[][..], |process| process.as_bytes());
        let found: Vec<Vec<u8>> = query
            .bind(writer.as_str())
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await?;
        let id = |bytes: Vec<u8>| {
            ProcessId::try_from(&bytes[..]).map_err(|_| ModelError::Damaged("a process id"))
        };
        found.into_iter().map(id).collect()
    }

    /// How many processes a writer still has.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`].
    pub async fn count_of(&self, writer: &WriterName) -> Result<u64, ModelError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM processes WHERE writer = (SELECT id FROM writers WHERE name = $1)",
        )
        .bind(writer.as_str())
        .fetch_one(&self.pool)
        .await?;
        Ok(count.unsigned_abs())
    }

    /// Asks a writer for a checkpoint and gives the number of the wish; `None` if none ever ran under that
    /// name.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`]: it may be asked for.
    pub async fn order_checkpoint(&self, writer: &WriterName) -> Result<Option<u64>, ModelError> {
        let asked: Option<i64> = sqlx::query_scalar(
            "INSERT INTO checkpoint_orders (writer, asked) \
             SELECT id, 1 FROM writers JOIN writer_progress ON writer = id WHERE name = $1 \
             ON CONFLICT (writer) DO UPDATE SET asked = checkpoint_orders.asked + 1 RETURNING asked",
        )
        .bind(writer.as_str())
        .fetch_optional(&self.pool)
        .await?;
        Ok(asked.map(i64::unsigned_abs))
    }

    /// What came of the checkpoint with that number; `None` while it is not taken.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`].
    pub async fn checkpoint_outcome(
        &self,
        writer: &WriterName,
        number: u64,
    ) -> Result<Option<String>, ModelError> {
        let outcome: Option<Option<String>> = sqlx::query_scalar(
            "SELECT outcome FROM checkpoint_orders \
             WHERE writer = (SELECT id FROM writers WHERE name = $1) AND taken >= $2",
        )
        .bind(writer.as_str())
        .bind(i64::try_from(number).unwrap_or(i64::MAX))
        .fetch_optional(&self.pool)
        .await?;
        Ok(outcome.map(Option::unwrap_or_default))
    }
}
