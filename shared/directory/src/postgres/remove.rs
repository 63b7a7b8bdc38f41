//! Takes a writer out.

use super::PostgresDirectory;
use super::row::to_db;
use rota_schedule::{DirectoryResult, Lease, Removal, WriterName};
use sqlx::{Connection as _, PgConnection};

/// Waits until no binding is under way, and lets none begin before the end of the transaction. A statement that binds
/// takes its snapshot when it has this table, so it sees that the writer is gone. It is held for milliseconds.
const NO_BINDINGS: &str = "LOCK TABLE directory_processes IN SHARE MODE";

/// Whether a list names the writer, and how many processes are bound to it.
const STATE: &str = "\
    SELECT listed IS NOT NULL, ( \
        SELECT coalesce(sum(processes), 0)::bigint FROM directory_counts WHERE writer = name) \
    FROM directory_writers WHERE name = $1";

/// Only with the lease that was seen: `$2` its holder (null: nobody ever had it), `$3` its beat, `$4` whether it is given
/// back. Who takes or keeps the lease at the same time changes this row first, or finds it gone.
const WRITER: &str = "\
    DELETE FROM directory_writers WHERE name = $1 AND holder IS NOT DISTINCT FROM $2 \
        AND (holder IS NULL OR (beat = $3 AND released = $4))";

const COUNTERS: &str = "DELETE FROM directory_counts WHERE writer = $1";

impl PostgresDirectory {
    pub(super) async fn remove(
        &self,
        name: &WriterName,
        seen: Option<Lease>,
    ) -> DirectoryResult<Removal> {
        let beat = to_db(seen.map_or(0, |seen| seen.beat), "a beat")?;
        let mut session = self.session().await?;
        let removed = remove(session.connection(), name, seen, beat).await;
        session.finish(removed)
    }
}

/// Removes it in one transaction, or changes nothing.
async fn remove(
    connection: &mut PgConnection,
    name: &WriterName,
    seen: Option<Lease>,
    beat: i64,
) -> Result<Removal, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query(NO_BINDINGS).execute(&mut *transaction).await?;
    let state = sqlx::query_as(STATE).bind(name.as_str()).fetch_optional(&mut *transaction);
    let refused = match state.await? {
        None => Some(Removal::Unknown),
        Some((true, _)) => Some(Removal::Listed),
        Some((false, owned @ 1_i64..)) => Some(Removal::Owns(owned.unsigned_abs())),
        Some((false, _)) => None,
    };
    if let Some(refused) = refused {
        transaction.rollback().await?;
        return Ok(refused);
    }
    let done = sqlx::query(WRITER)
        .bind(name.as_str())
        .bind(seen.map(|seen| seen.holder.0.to_vec()))
        .bind(beat)
        .bind(seen.is_some_and(|seen| seen.released))
        .execute(&mut *transaction)
        .await?;
    if done.rows_affected() == 0 {
        transaction.rollback().await?;
        return Ok(Removal::Changed);
    }
    sqlx::query(COUNTERS).bind(name.as_str()).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Removal::Done)
}
