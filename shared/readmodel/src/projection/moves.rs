//! Processes that go from one writer to another: what each of the two does to the database.
//!
//! Every change passes the fence (LSE-1), and each is made once however often it is asked for: an answer
//! that is lost is asked for again.

use super::{ANSWER_MAX, Projection, Session, fixed, from_db};
use crate::ModelError;
use rota_schedule::{ProcessId, Timestamp};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row as _};
use tokio::time::timeout;

/// Orders of each direction that are looked at together.
const ORDERS_MAX: i64 = 64;

/// How far a move has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveState {
    /// The target is to copy the schedule.
    Asked,
    /// The target has copied it, but for what has come since. Its source is to give it away.
    Copied {
        /// The target has said so within the last seconds: it will take the process.
        fresh: bool,
    },
    /// It belongs to the target, which is to take the rest.
    Switched,
}

/// A move in which a writer takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveOrder {
    /// Which process.
    pub process: ProcessId,
    /// It comes to this writer; else it goes.
    pub incoming: bool,
    /// How far it is.
    pub state: MoveState,
    /// The other writer's name.
    pub other: String,
    /// Up to which timestamp everything of the source is uploaded.
    pub uploaded: Timestamp,
}

/// To whom a process belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// The writer's name.
    pub writer: String,
    /// It is this writer.
    pub mine: bool,
    /// The nonce of its newest entry.
    pub head: Option<u64>,
    /// What a former writer has promised readers: nothing more at or below it. 0 if none did.
    pub floor: Timestamp,
    /// Up to which timestamp everything of a former writer is uploaded. 0 if there is none.
    pub uploaded: Timestamp,
}

pub(super) const ORDERS: &str = "\
    SELECT moves.process, moves.target = $1, moves.state, \
           moves.touched > now() - interval '3 seconds', other.name, progress.uploaded_timestamp \
    FROM ( \
        (SELECT * FROM moves WHERE source = $1 ORDER BY state DESC, process DESC LIMIT $2) \
        UNION ALL \
        (SELECT * FROM moves WHERE target = $1 ORDER BY state DESC, process DESC LIMIT $2)) AS moves \
    JOIN writers AS other \
        ON other.id = CASE WHEN moves.target = $1 THEN moves.source ELSE moves.target END \
    JOIN writer_progress AS progress ON progress.writer = moves.source";

pub(super) const OWNER: &str = "\
    SELECT writers.name, writers.id = $1, \
        (SELECT nonce FROM entries WHERE entries.process = $2 ORDER BY nonce DESC LIMIT 1), \
        coalesce(moves.floor, 0), coalesce(progress.uploaded_timestamp, 0) \
    FROM processes JOIN writers ON writers.id = processes.writer \
    LEFT JOIN moves ON moves.process = $2 AND moves.target = $1 AND moves.state = 'switched' \
    LEFT JOIN writer_progress AS progress ON progress.writer = moves.source \
    WHERE processes.process = $2";

impl Projection {
    /// To whom a process belongs; `None` if it is bound to nobody.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`], [`ModelError::Damaged`].
    pub async fn owner(&self, process: &ProcessId) -> Result<Option<Ownership>, ModelError> {
        let query = sqlx::query(OWNER).bind(self.writer).bind(&process.as_bytes()[..]);
        self.rows(query).await?.first().map(ownership).transpose()
    }

    /// The moves in which this writer takes part, those first that have come farthest.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`], [`ModelError::Damaged`].
    pub async fn orders(&self) -> Result<Vec<MoveOrder>, ModelError> {
        let query = sqlx::query(ORDERS).bind(self.writer).bind(ORDERS_MAX);
        self.rows(query).await?.iter().map(order).collect()
    }

    /// Notes that this writer has a copy of a process that is to come to it, as of now.
    ///
    /// # Errors
    /// [`ModelError::Stale`]; [`ModelError::Unavailable`]: it may be noted.
    pub async fn note_copied(&self, process: &ProcessId) -> Result<(), ModelError> {
        const NOTE: &str = "UPDATE moves SET state = 'copied', touched = now() \
             WHERE process = $3 AND target = $1 AND state IN ('asked', 'copied') \
               AND (SELECT fence($1, $2))";
        self.fenced(sqlx::query(NOTE), process).await
    }

    /// Gives a process away to the target of its move, in one transaction with the promise under which its
    /// next writer stands. Nothing of it may be in flight. If there is no such order any more, nothing
    /// happens; [`Self::owner`] tells what has.
    ///
    /// # Errors
    /// [`ModelError::Stale`]; [`ModelError::Unavailable`]: it may be given away.
    pub async fn hand_over(&self, process: &ProcessId) -> Result<(), ModelError> {
        let mut session = Session::open(&self.pool).await?;
        let given = timeout(ANSWER_MAX, self.hand_over_on(&mut session.connection, process)).await;
        session.finish(given)
    }

    /// Ends a move to this writer: it has everything, and its promise is above the old one.
    ///
    /// # Errors
    /// [`ModelError::Stale`]; [`ModelError::Unavailable`]: it may be ended.
    pub async fn finish_move(&self, process: &ProcessId) -> Result<(), ModelError> {
        const FINISH: &str = "DELETE FROM moves WHERE process = $3 AND target = $1 \
             AND state = 'switched' AND (SELECT fence($1, $2))";
        self.fenced(sqlx::query(FINISH), process).await
    }

    async fn hand_over_on(
        &self,
        connection: &mut PgConnection,
        process: &ProcessId,
    ) -> Result<(), ModelError> {
        let mut transaction = sqlx::Connection::begin(connection).await?;
        let fenced: bool = sqlx::query_scalar("SELECT fence($1, $2)")
            .bind(self.writer)
            .bind(self.term)
            .fetch_one(&mut *transaction)
            .await?;
        if !fenced {
            return Err(self.stale());
        }
        // Locked: no heartbeat moves the promise between here and the commit.
        let closed: i64 = sqlx::query_scalar(
            "SELECT closed_timestamp FROM writer_progress WHERE writer = $1 FOR UPDATE",
        )
        .bind(self.writer)
        .fetch_one(&mut *transaction)
        .await?;
        let target: Option<i32> = sqlx::query_scalar(
            "UPDATE moves SET state = 'switched', floor = $3 \
             WHERE process = $2 AND source = $1 AND state = 'copied' RETURNING target",
        )
        .bind(self.writer)
        .bind(&process.as_bytes()[..])
        .bind(closed)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(target) = target {
            let changed = sqlx::query(
                "UPDATE processes SET writer = $3, moved = true WHERE process = $2 AND writer = $1",
            )
            .bind(self.writer)
            .bind(&process.as_bytes()[..])
            .bind(target)
            .execute(&mut *transaction)
            .await?;
            if changed.rows_affected() != 1 {
                return Err(ModelError::Foreign { process: *process });
            }
        }
        Ok(transaction.commit().await?)
    }

    /// A change under the fence: `$1` is the writer, `$2` its term, `$3` the process.
    async fn fenced(
        &self,
        query: Query<'_, Postgres, PgArguments>,
        process: &ProcessId,
    ) -> Result<(), ModelError> {
        let query = query.bind(self.writer).bind(self.term).bind(&process.as_bytes()[..]);
        let mut session = Session::open(&self.pool).await?;
        let done = timeout(ANSWER_MAX, query.execute(&mut *session.connection)).await;
        if session.finish(done)?.rows_affected() > 0 {
            return Ok(());
        }
        // The order is gone, or the term is over.
        let query = sqlx::query("SELECT fence($1, $2)").bind(self.writer).bind(self.term);
        let fenced = self.rows(query).await?.first().map(|row| row.try_get(0)).transpose()?;
        if fenced == Some(true) { Ok(()) } else { Err(self.stale()) }
    }
}

fn order(row: &PgRow) -> Result<MoveOrder, ModelError> {
    let state = match row.try_get(2)? {
        "asked" => MoveState::Asked,
        "copied" => MoveState::Copied { fresh: row.try_get(3)? },
        "switched" => MoveState::Switched,
        _ => return Err(ModelError::Damaged("the state of a move")),
    };
    Ok(MoveOrder {
        process: ProcessId::new(fixed(row.try_get(0)?, "a process id")?),
        incoming: row.try_get(1)?,
        state,
        other: row.try_get(4)?,
        uploaded: Timestamp(from_db(row.try_get(5)?, "an uploaded timestamp")?),
    })
}

fn ownership(row: &PgRow) -> Result<Ownership, ModelError> {
    let head: Option<i64> = row.try_get(2)?;
    Ok(Ownership {
        writer: row.try_get(0)?,
        mine: row.try_get(1)?,
        head: head.map(|head| from_db(head, "a nonce")).transpose()?,
        floor: Timestamp(from_db(row.try_get(3)?, "a floor")?),
        uploaded: Timestamp(from_db(row.try_get(4)?, "an uploaded timestamp")?),
    })
}
