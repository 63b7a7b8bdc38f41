//! The commit of a batch: one statement, one round trip, all rows or none.
//!
//! The statement inserts only if the fence, the ownership of every process and every predecessor hold.
//! It does not say which of them did not, nor does it look for rows that are there already: both are
//! rare, and asked afterwards. A row that is there makes it fail as a whole, so a batch that conflicts
//! in one row leaves nothing of the others behind.

use super::batch::{Columns, Needs, Placed, check_size};
use super::shelf::Large;
use super::{ANSWER_MAX, Projection, Row, Session, fixed, from_db};
use crate::ModelError;
use rota_schedule::{AssignmentId, ProcessId};
use sqlx::{PgConnection, Row as _};
use std::collections::{HashMap, HashSet};
use tokio::time::timeout;

/// How often a batch is tried while others insert the same rows.
const ATTEMPTS_MAX: usize = 4;

pub(super) const INSERT: &str = "\
    WITH verdict AS MATERIALIZED ( \
        SELECT fence($1, $2) \
            AND NOT EXISTS ( \
                SELECT FROM unnest($3::bytea[]) AS needed (process) WHERE NOT EXISTS ( \
                    SELECT FROM processes \
                    WHERE processes.process = needed.process AND processes.writer = $1)) \
            AND NOT EXISTS ( \
                SELECT FROM unnest($4::bytea[], $5::bigint[]) AS needed (process, nonce) \
                WHERE NOT EXISTS ( \
                    SELECT FROM entries \
                    WHERE entries.process = needed.process AND entries.nonce = needed.nonce)) \
        AS holds), \
    large AS ( \
        INSERT INTO bodies_by_hash (sha256, bytes) \
        SELECT * FROM unnest($16::bytea[], $17::bytea[]) WHERE (SELECT holds FROM verdict) \
        ON CONFLICT (sha256) DO NOTHING) \
    INSERT INTO entries (process, nonce, timestamp, message_length, assignment_id, message_id, \
                         content, assignment, message, body) \
    SELECT * FROM unnest($6::bytea[], $7::bigint[], $8::bigint[], $9::integer[], $10::bytea[], \
                         $11::bytea[], $12::bytea[], $13::bytea[], $14::bytea[], $15::bytea[]) \
    WHERE (SELECT holds FROM verdict)";

/// What does not hold: the term, processes that are not the writer's, places where nothing is.
pub(super) const DIAGNOSE: &str = "\
    SELECT fence($1, $2), \
        ARRAY(SELECT process FROM unnest($3::bytea[]) AS needed (process) WHERE NOT EXISTS ( \
            SELECT FROM processes \
            WHERE processes.process = needed.process AND processes.writer = $1)), \
        ARRAY(SELECT process FROM unnest($4::bytea[], $5::bigint[]) AS needed (process, nonce) \
            WHERE NOT EXISTS ( \
                SELECT FROM entries \
                WHERE entries.process = needed.process AND entries.nonce = needed.nonce))";

/// Rows at the places of a batch, and rows with its assignments.
pub(super) const PRESENT: &str = "\
    SELECT entries.process, entries.nonce, entries.assignment_id \
    FROM unnest($1::bytea[], $2::bigint[]) AS asked (process, nonce) \
    JOIN entries ON entries.process = asked.process AND entries.nonce = asked.nonce \
    UNION \
    SELECT entries.process, entries.nonce, entries.assignment_id \
    FROM unnest($3::bytea[]) AS asked (id) JOIN entries ON entries.assignment_id = asked.id";

impl Projection {
    /// Commits rows in one transaction under the term: all of them or none (LSE-1, PRJ-1). Rows that
    /// are there already, with the same assignments, are fine. The rows of a process must be in its
    /// order. No rows is no work.
    ///
    /// # Errors
    /// [`ModelError::Stale`], [`ModelError::Foreign`], [`ModelError::Gap`], [`ModelError::Conflict`],
    /// [`ModelError::OutOfRange`]: nothing was committed. [`ModelError::Unavailable`]: everything or
    /// nothing was; project the same again.
    pub async fn project(&self, rows: &[Row]) -> Result<(), ModelError> {
        check_size(rows)?;
        if rows.is_empty() {
            return Ok(());
        }
        self.settle().await?;
        let rows: Vec<Placed<'_>> = rows.iter().map(Placed::from).collect();
        let large = match &self.shelf {
            Some(shelf) => shelf.store(&rows).await,
            None => Large::Table,
        };
        let mut session = Session::open(&self.pool).await?;
        let committed = self.commit(&mut session.connection, &rows, large);
        let committed = timeout(ANSWER_MAX, committed).await;
        session.finish(committed)
    }

    async fn commit(
        &self,
        connection: &mut PgConnection,
        rows: &[Placed<'_>],
        large: Large,
    ) -> Result<(), ModelError> {
        let mut rows: Vec<&Placed<'_>> = rows.iter().collect();
        for _ in 0..ATTEMPTS_MAX {
            let needs = Needs::of(&rows)?;
            match self.insert(connection, &needs, &rows, large).await {
                Ok(true) => return Ok(()),
                Ok(false) => self.diagnose(connection, &needs, &rows).await?,
                Err(Insert::Duplicate) => rows = missing(connection, rows).await?,
                Err(Insert::Failed(error)) => return Err(error),
            }
            if rows.is_empty() {
                return Ok(());
            }
        }
        let why = "others keep inserting the same rows";
        Err(ModelError::Unavailable(why.into()))
    }

    /// Inserts all rows; false if what they need does not hold, so that none was.
    async fn insert(
        &self,
        connection: &mut PgConnection,
        needs: &Needs<'_>,
        rows: &[&Placed<'_>],
        large: Large,
    ) -> Result<bool, Insert> {
        let columns = Columns::of(rows, large).map_err(Insert::Failed)?;
        let done = sqlx::query(INSERT)
            .bind(self.writer)
            .bind(self.term)
            .bind(&needs.processes)
            .bind(&needs.before.0)
            .bind(&needs.before.1)
            .bind(&columns.process)
            .bind(&columns.nonce)
            .bind(&columns.timestamp)
            .bind(&columns.message_length)
            .bind(&columns.assignment_id)
            .bind(&columns.message_id)
            .bind(&columns.content)
            .bind(&columns.assignment)
            .bind(&columns.message)
            .bind(&columns.body)
            .bind(&columns.large.0)
            .bind(&columns.large.1)
            .execute(connection)
            .await?;
        Ok(done.rows_affected() == rows.len() as u64)
    }

    /// Says why nothing was inserted. `Ok` if there is no reason any more: what was missing has come.
    async fn diagnose(
        &self,
        connection: &mut PgConnection,
        needs: &Needs<'_>,
        rows: &[&Placed<'_>],
    ) -> Result<(), ModelError> {
        let (fenced, foreign, gaps): (bool, Vec<Vec<u8>>, Vec<Vec<u8>>) = sqlx::query_as(DIAGNOSE)
            .bind(self.writer)
            .bind(self.term)
            .bind(&needs.processes)
            .bind(&needs.before.0)
            .bind(&needs.before.1)
            .fetch_one(connection)
            .await?;
        if !fenced {
            return Err(self.stale());
        }
        let first = |of: &[Vec<u8>]| {
            let named = |row: &&Row| of.first().is_some_and(|id| id == row.process.as_bytes());
            let mut rows = rows.iter().map(|placed| placed.row);
            rows.find(named).map(|row| (row.process, row.entry.nonce))
        };
        if let Some((process, _)) = first(&foreign) {
            return Err(ModelError::Foreign { process });
        }
        if let Some((process, nonce)) = first(&gaps) {
            return Err(ModelError::Gap { process, nonce });
        }
        Ok(())
    }
}

/// Why rows could not be inserted.
enum Insert {
    /// A row lies where one of them should, or has the assignment of one of them. None was inserted.
    Duplicate,
    Failed(ModelError),
}

impl From<sqlx::Error> for Insert {
    fn from(error: sqlx::Error) -> Self {
        let duplicate = error.as_database_error().is_some_and(|error| error.is_unique_violation());
        if duplicate { Self::Duplicate } else { Self::Failed(error.into()) }
    }
}

/// Those of the rows that are not there. The others must be there as they are.
async fn missing<'a>(
    connection: &mut PgConnection,
    rows: Vec<&'a Placed<'a>>,
) -> Result<Vec<&'a Placed<'a>>, ModelError> {
    let columns = Columns::of(&rows, Large::Archive)?;
    let found = sqlx::query(PRESENT)
        .bind(&columns.process)
        .bind(&columns.nonce)
        .bind(&columns.assignment_id)
        .fetch_all(connection)
        .await?;
    let mut present = HashMap::with_capacity(found.len());
    let mut assignments = HashSet::with_capacity(found.len());
    for row in &found {
        let process = ProcessId::new(fixed(row.try_get(0)?, "a process id")?);
        let nonce = from_db(row.try_get(1)?, "a nonce")?;
        let assignment = AssignmentId::new(fixed(row.try_get(2)?, "an assignment id")?);
        present.insert((process, nonce), assignment);
        assignments.insert(assignment);
    }
    let mut missing = Vec::new();
    for placed in rows {
        let row = placed.row;
        let (process, nonce, assignment) = (row.process, row.entry.nonce, row.entry.assignment_id);
        match present.get(&(process, nonce)) {
            Some(there) if *there == assignment => {}
            None if !assignments.contains(&assignment) => missing.push(placed),
            _ => return Err(ModelError::Conflict { process, nonce }),
        }
    }
    Ok(missing)
}
