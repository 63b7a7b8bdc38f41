//! What is in the database of this writer's processes: for a ledger that has to catch up.
//!
//! Reading needs no fence: rows never change, and whoever took the term has waited for the rest.

use super::{ANSWER_MAX, BATCH_BYTES_MAX, Holder, Projection, Row, Session, fixed, from_db, to_db};
use crate::bodies::{self, Stored};
use crate::{DatabaseUrl, ModelError};
use bytes::Bytes;
use rota_schedule::{AssignmentId, ContentKey, DatabaseId, Entry, MessageId, ProcessId, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Postgres, query::Query};
use std::sync::Arc;
use tokio::time::timeout;

/// The newest place of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The process.
    pub process: ProcessId,
    /// The nonce of its newest entry.
    pub nonce: u64,
    /// The assignment there.
    pub assignment: AssignmentId,
    /// It has come from another writer.
    pub moved: bool,
}

/// A writer as somebody sees it who only reads.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Reads what the writer has. What is written with it is refused as of a term that is over.
    pub projection: Projection,
    /// Up to which timestamp everything of the writer is uploaded.
    pub uploaded: Timestamp,
    /// Which database it is.
    pub database: DatabaseId,
}

/// The newest entry of each process is one probe of the primary key, from its end.
pub(super) const HEADS: &str = "\
    SELECT processes.process, newest.nonce, newest.assignment_id, processes.moved FROM processes \
    CROSS JOIN LATERAL ( \
        SELECT nonce, assignment_id FROM entries WHERE entries.process = processes.process \
        ORDER BY nonce DESC LIMIT 1) AS newest \
    WHERE processes.writer = $1 AND processes.process > $2 \
    ORDER BY processes.process LIMIT $3";

/// Cut by the bytes up to each entry. One that is larger than the cap comes alone.
pub(super) const ENTRIES: &str = "\
    SELECT page.nonce, page.timestamp, page.assignment_id, page.message_id, page.content, \
           page.assignment, coalesce(page.message, by_hash.bytes, bodies.bytes), \
           page.message_length, page.body \
    FROM ( \
        SELECT *, row_number() OVER up_to AS number, \
            sum(octet_length(assignment) + coalesce(message_length, 0)) OVER up_to AS total_bytes \
        FROM entries WHERE process = $1 AND nonce > $2 \
        WINDOW up_to AS (ORDER BY nonce ROWS UNBOUNDED PRECEDING) \
        ORDER BY nonce LIMIT $3) AS page \
    LEFT JOIN bodies_by_hash AS by_hash ON by_hash.sha256 = page.body \
    LEFT JOIN bodies ON page.message IS NULL AND page.message_length IS NOT NULL \
        AND page.body IS NULL AND bodies.message_id = page.message_id \
    WHERE page.total_bytes <= $4 OR page.number = 1 \
    ORDER BY page.nonce";

impl Projection {
    /// A writer as a standby sees it; `None` if nobody ever ran under that name.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`], [`ModelError::Damaged`].
    pub async fn observe(
        url: &DatabaseUrl,
        connections: u32,
        name: &str,
    ) -> Result<Option<Observed>, ModelError> {
        let pool = url.primary(connections);
        let nobody = Holder([0; 16]);
        let mut seen =
            Self { pool, writer: 0, term: 0, holder: nobody, shelf: None, settled: Arc::default() };
        let query = sqlx::query(
            "SELECT writers.id, uploaded_timestamp, identity.id FROM identity CROSS JOIN writers \
             JOIN writer_progress ON writer_progress.writer = writers.id WHERE name = $1",
        );
        let rows = seen.rows(query.bind(name)).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        seen.writer = row.try_get(0)?;
        let uploaded = from_db(row.try_get(1)?, "an uploaded timestamp")?;
        let database = DatabaseId(fixed(row.try_get(2)?, "an identity")?);
        Ok(Some(Observed { projection: seen, uploaded: Timestamp(uploaded), database }))
    }

    /// The greatest timestamp at or below which some other writer commits nothing more; 0 if there is none.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`], [`ModelError::Damaged`].
    pub async fn closed_by_others(&self) -> Result<Timestamp, ModelError> {
        let query = sqlx::query(
            "SELECT coalesce(max(closed_timestamp), 0) FROM writer_progress WHERE writer <> $1",
        );
        let rows = self.rows(query.bind(self.writer)).await?;
        let closed = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or_default();
        Ok(Timestamp(from_db(closed, "a closed timestamp")?))
    }

    /// The newest place of each process that is bound to this writer and has entries, in the order of
    /// ids, above `after`, at most `limit`.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`], [`ModelError::Damaged`].
    pub async fn heads(
        &self,
        after: Option<ProcessId>,
        limit: u32,
    ) -> Result<Vec<Newest>, ModelError> {
        let after = after.as_ref().map_or(&[][..], |process| process.as_bytes());
        let query = sqlx::query(HEADS).bind(self.writer).bind(after).bind(i64::from(limit));
        let head = |row: &PgRow| {
            Ok(Newest {
                process: ProcessId::new(fixed(row.try_get(0)?, "a process id")?),
                nonce: from_db(row.try_get(1)?, "a nonce")?,
                assignment: AssignmentId::new(fixed(row.try_get(2)?, "an assignment id")?),
                moved: row.try_get(3)?,
            })
        };
        self.rows(query).await?.iter().map(head).collect()
    }

    /// The entries of a process above a nonce (`None`: from the first), bodies included, at most
    /// `limit` and [`BATCH_BYTES_MAX`]; at least one if there is any.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`], [`ModelError::Damaged`].
    pub async fn entries(
        &self,
        process: &ProcessId,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Row>, ModelError> {
        let after = after.map_or(Ok(-1), |nonce| to_db(nonce, "a nonce"))?;
        let query = sqlx::query(ENTRIES)
            .bind(&process.as_bytes()[..])
            .bind(after)
            .bind(i64::from(limit))
            .bind(BATCH_BYTES_MAX as i64);
        let rows = self.rows(query).await?;
        let stored = rows.iter().map(stored).collect::<Result<_, _>>()?;
        let entries =
            bodies::complete(stored, self.shelf.as_ref().map(|shelf| &shelf.archive)).await?;
        let contents = rows.iter().map(content);
        let row = |(entry, content): (_, Result<_, _>)| {
            Ok(Row { process: *process, entry, content: content? })
        };
        entries.into_iter().zip(contents).map(row).collect()
    }

    /// The id of the assignment at a place, if there is one.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`], [`ModelError::Damaged`].
    pub async fn assignment_at(
        &self,
        process: &ProcessId,
        nonce: u64,
    ) -> Result<Option<AssignmentId>, ModelError> {
        let query =
            sqlx::query("SELECT assignment_id FROM entries WHERE process = $1 AND nonce = $2")
                .bind(&process.as_bytes()[..])
                .bind(to_db(nonce, "a nonce")?);
        let rows = self.rows(query).await?;
        let id = |row: &PgRow| fixed(row.try_get(0)?, "an assignment id").map(AssignmentId::new);
        rows.first().map(id).transpose()
    }

    pub(super) async fn rows(
        &self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<PgRow>, ModelError> {
        let mut session = Session::open(&self.pool).await?;
        let rows = timeout(ANSWER_MAX, query.fetch_all(&mut *session.connection)).await;
        session.finish(rows)
    }
}

fn stored(row: &PgRow) -> Result<Stored, ModelError> {
    let message: Option<&[u8]> = row.try_get(6)?;
    let entry = Entry {
        nonce: from_db(row.try_get(0)?, "a nonce")?,
        timestamp: Timestamp(from_db(row.try_get(1)?, "a timestamp")?),
        assignment_id: AssignmentId::new(fixed(row.try_get(2)?, "an assignment id")?),
        message_id: MessageId::new(fixed(row.try_get(3)?, "a message id")?),
        assignment: Bytes::copy_from_slice(row.try_get(5)?),
        message: message.map(Bytes::copy_from_slice),
    };
    Stored::new(entry, row.try_get(7)?, row.try_get(8)?)
}

fn content(row: &PgRow) -> Result<Option<ContentKey>, ModelError> {
    let content: Option<&[u8]> = row.try_get(4)?;
    content.map(|content| fixed(content, "a content key").map(ContentKey)).transpose()
}
