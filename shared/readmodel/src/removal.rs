//! Takes a writer out of the read model for good: what it said of itself goes, its name and its term stay.
//!
//! The term stays because checkpoints are told apart by it: a writer that starts under the name again goes on from
//! there. It is raised once more, so that a run that is still alive under the name commits nothing (LSE-1).

use crate::{ModelError, Operator};
use rota_schedule::WriterName;
use sqlx::PgConnection;

/// A writer's term and promise, as seen at one moment. They have changed a second later if the writer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remains {
    term: i64,
    closed: i64,
}

/// What became of the wish to take a writer out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is out.
    Done,
    /// It has changed since it was seen: it runs.
    Alive,
    /// So many processes belong to it.
    Owns(u64),
    /// So many processes are on their way to it or from it.
    Moving(u64),
}

const REMAINS: &str = "\
    SELECT term, closed_timestamp FROM writers JOIN writer_progress ON writer = id WHERE name = $1";

const RAISE: &str = "UPDATE writers SET term = term + 1 WHERE name = $1 AND term = $2 RETURNING id";

/// Waits until nothing of an older term is in flight.
const FENCE: &str = "SELECT pg_advisory_xact_lock(fence_class(), $1)";

const PROGRESS: &str = "DELETE FROM writer_progress WHERE writer = $1 AND closed_timestamp = $2";

const ORDERS: &str = "DELETE FROM checkpoint_orders WHERE writer = $1";

/// What keeps a writer in, as of now: nothing comes any more behind the fence, and a move to it is seen, because
/// its order locks the row that is deleted.
const KEPT_BY: &str = "\
    SELECT (SELECT count(*) FROM processes WHERE writer = $1), \
           (SELECT count(*) FROM moves WHERE source = $1 OR target = $1)";

impl Operator {
    /// A writer's term and promise; `None` if none ever ran under that name, or it was removed.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`].
    pub async fn remains(&self, writer: &WriterName) -> Result<Option<Remains>, ModelError> {
        let found = sqlx::query_as(REMAINS).bind(writer.as_str()).fetch_optional(&self.pool);
        Ok(found.await?.map(|(term, closed)| Remains { term, closed }))
    }

    /// Takes a writer out if it is as it was `seen`, has no process and takes part in no move. One that starts under
    /// the name at the same time is in afterwards, or keeps the name in.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`]: it may be out.
    pub async fn remove_writer(
        &self,
        writer: &WriterName,
        seen: Remains,
    ) -> Result<Removed, ModelError> {
        let mut transaction = self.pool.begin().await?;
        let removed = remove(&mut transaction, writer, seen).await?;
        match removed {
            Removed::Done => transaction.commit().await?,
            _ => transaction.rollback().await?,
        }
        Ok(removed)
    }
}

async fn remove(
    transaction: &mut PgConnection,
    writer: &WriterName,
    seen: Remains,
) -> Result<Removed, sqlx::Error> {
    let raised = sqlx::query_scalar(RAISE).bind(writer.as_str()).bind(seen.term);
    let Some(id): Option<i32> = raised.fetch_optional(&mut *transaction).await? else {
        return Ok(Removed::Alive);
    };
    sqlx::query(FENCE).bind(id).execute(&mut *transaction).await?;
    let progress = sqlx::query(PROGRESS).bind(id).bind(seen.closed);
    if progress.execute(&mut *transaction).await?.rows_affected() == 0 {
        return Ok(Removed::Alive);
    }
    sqlx::query(ORDERS).bind(id).execute(&mut *transaction).await?;
    let (owned, moving): (i64, i64) =
        sqlx::query_as(KEPT_BY).bind(id).fetch_one(transaction).await?;
    Ok(match (owned, moving) {
        (0, 0) => Removed::Done,
        (0, moving) => Removed::Moving(moving.unsigned_abs()),
        (owned, _) => Removed::Owns(owned.unsigned_abs()),
    })
}
