//! The writer's side of the read model.
//!
//! A [`Projection`] is a writer's name under one term. Everything it writes passes the database's fence
//! in the same transaction (`fence` in the schema): once a newer term was taken, nothing of an older one
//! commits any more (LSE-1). What is written is a continuation of what is there, or nothing is (PRJ-1).
//!
//! An outcome may stay unknown ([`ModelError::Unavailable`]): the connection broke, or no answer came in
//! [`ANSWER_MAX`]. Everything here can be asked again, with the same effect as once.

mod batch;
mod checkpoints;
mod commit;
mod heights;
mod history;
mod identity;
mod moves;
#[cfg(test)]
mod plans;
mod session;
mod shelf;
mod size;

use crate::{DatabaseUrl, ModelError};
use rota_ans104::Address;
use rota_archive::Archive;
use rota_schedule::{ContentKey, DatabaseId, Entry, ProcessId, Timestamp};
use session::Session;
use shelf::Shelf;
use sqlx::{PgConnection, PgPool, Row as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::timeout;

pub use batch::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, BatchSize, INLINE_BYTES_MAX};
pub use history::{Newest, Observed};
pub use identity::{Signers, adopt, check, claim, identity};
pub use moves::{MoveOrder, MoveState, Ownership};

/// How long an answer is waited for. The server gives a statement up sooner, so what has no answer by
/// then has none coming.
pub const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How often a name is tried to be taken from those whose transactions do not end.
const TAKE_ATTEMPTS_MAX: usize = 3;

/// Which ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder(pub [u8; 16]);

/// One entry, with what the database keeps beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose schedule it belongs to.
    pub process: ProcessId,
    /// The entry.
    pub entry: Entry,
    /// By what a pushed message is deduplicated (DUP-2).
    pub content: Option<ContentKey>,
}

/// A name that was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Writes under the new term.
    pub projection: Projection,
    /// The new term.
    pub term: u64,
    /// The ledger that last wrote anything under this name; `None` if nobody ever did.
    pub previous: Option<Holder>,
    /// What earlier terms promised: nothing more at or below it. 0 if none did.
    pub closed: Timestamp,
    /// Up to which timestamp earlier terms have uploaded everything.
    pub uploaded: Timestamp,
    /// Which database it is.
    pub database: DatabaseId,
}

/// A writer under its term; clones share its connections.
#[derive(Clone, Debug)]
pub struct Projection {
    pool: PgPool,
    writer: i32,
    term: i64,
    holder: Holder,
    /// Where large bodies lie, if not in the database.
    shelf: Option<Shelf>,
    /// Set once the database knows that this ledger writes now.
    settled: Arc<OnceCell<()>>,
}

impl Projection {
    /// Raises the term of writer `name`, to be held by the ledger `holder` whose wallet has `address`.
    /// Waits for writes of older terms that are in flight; sessions that hold one open (their machine
    /// stopped in the middle of a request) are ended. Claims the database for the wallet in the same transaction, as
    /// [`claim`] does: a standby may have waited for days.
    ///
    /// # Errors
    /// [`ModelError::OtherWallet`]: the term is as it was.
    /// [`ModelError::Unavailable`]: the term may have been raised; take it again.
    pub async fn take(
        url: &DatabaseUrl,
        connections: u32,
        name: &str,
        holder: Holder,
        address: Address,
    ) -> Result<Taken, ModelError> {
        let pool = url.primary(connections);
        let mut session = Session::open(&pool).await?;
        let raised = raise_patiently(&mut session.connection, name, address);
        let raised = timeout(ANSWER_MAX, raised).await;
        let raised = session.finish(raised)??;
        let projection = Self {
            pool,
            writer: raised.writer,
            term: raised.term,
            holder,
            shelf: None,
            settled: Arc::default(),
        };
        Ok(Taken {
            projection,
            term: from_db(raised.term, "a term")?,
            previous: raised
                .holder
                .map(|holder| fixed(&holder, "a holder"))
                .transpose()?
                .map(Holder),
            closed: Timestamp(from_db(raised.closed, "a closed timestamp")?),
            uploaded: Timestamp(from_db(raised.uploaded, "an uploaded timestamp")?),
            database: raised.database,
        })
    }

    /// With the bodies that are too large for their rows in an archive, from now on: they are there before
    /// their batch is committed, or in the database while the archive does not answer. Readers must be given
    /// the same one.
    #[must_use]
    pub fn with_archive(self, archive: Option<Archive>) -> Self {
        Self { shelf: archive.map(Shelf::new), ..self }
    }

    /// Binds a process to this writer, once and for all (RTE-1). True if it is this writer's, now or
    /// already; false if it is another's.
    ///
    /// # Errors
    /// [`ModelError::Stale`]; [`ModelError::Unavailable`]: it may be bound.
    pub async fn bind(&self, process: &ProcessId) -> Result<bool, ModelError> {
        self.settle().await?;
        let mut session = Session::open(&self.pool).await?;
        let bound = timeout(ANSWER_MAX, self.bind_on(&mut session.connection, process)).await;
        session.finish(bound)
    }

    /// Publishes up to which time nothing more will be committed and up to which everything is uploaded
    /// (neither ever goes back), and the block height that this writer knows. Without one, the published
    /// height stays.
    ///
    /// # Errors
    /// [`ModelError::Stale`]; [`ModelError::Unavailable`]: it may be published.
    pub async fn heartbeat(
        &self,
        closed: Timestamp,
        uploaded: Timestamp,
        block_height: Option<u64>,
    ) -> Result<(), ModelError> {
        self.settle().await?;
        let query = sqlx::query(
            "UPDATE writer_progress \
             SET closed_timestamp = greatest(closed_timestamp, $3), \
                 uploaded_timestamp = greatest(uploaded_timestamp, $4), \
                 block_height = coalesce($5, block_height) \
             WHERE writer = $1 AND (SELECT fence($1, $2))",
        )
        .bind(self.writer)
        .bind(self.term)
        .bind(to_db(closed.0, "a timestamp")?)
        .bind(to_db(uploaded.0, "a timestamp")?)
        .bind(block_height.map(|height| to_db(height, "a block height")).transpose()?);
        let mut session = Session::open(&self.pool).await?;
        let beaten = timeout(ANSWER_MAX, query.execute(&mut *session.connection)).await;
        let rows = session.finish(beaten)?.rows_affected();
        if rows == 1 { Ok(()) } else { Err(self.stale()) }
    }

    /// Makes this ledger the one that wrote last. Only before its first write, not when the term is
    /// taken: a ledger that dies before it has caught up has not written, and must find out at its next
    /// start that another did.
    async fn settle(&self) -> Result<(), ModelError> {
        let settle = async || {
            let query = sqlx::query("UPDATE writers SET holder = $3 WHERE id = $1 AND term = $2")
                .bind(self.writer)
                .bind(self.term)
                .bind(&self.holder.0[..]);
            let mut session = Session::open(&self.pool).await?;
            let settled = timeout(ANSWER_MAX, query.execute(&mut *session.connection)).await;
            let rows = session.finish(settled)?.rows_affected();
            if rows == 1 { Ok(()) } else { Err(self.stale()) }
        };
        self.settled.get_or_try_init(settle).await.copied()
    }

    async fn bind_on(
        &self,
        connection: &mut PgConnection,
        process: &ProcessId,
    ) -> Result<bool, ModelError> {
        let bound = sqlx::query(
            "INSERT INTO processes (process, writer) SELECT $3, $1 WHERE fence($1, $2) \
             ON CONFLICT (process) DO NOTHING",
        )
        .bind(self.writer)
        .bind(self.term)
        .bind(&process.as_bytes()[..])
        .execute(&mut *connection)
        .await?;
        if bound.rows_affected() == 1 {
            return Ok(true);
        }
        let (fenced, owner): (bool, Option<i32>) = sqlx::query_as(
            "SELECT fence($1, $2), (SELECT writer FROM processes WHERE process = $3)",
        )
        .bind(self.writer)
        .bind(self.term)
        .bind(&process.as_bytes()[..])
        .fetch_one(connection)
        .await?;
        if fenced { Ok(owner == Some(self.writer)) } else { Err(self.stale()) }
    }

    fn stale(&self) -> ModelError {
        ModelError::Stale { term: self.term.unsigned_abs() }
    }
}

/// What raising a term brings to light.
struct Raised {
    writer: i32,
    term: i64,
    holder: Option<Vec<u8>>,
    closed: i64,
    uploaded: i64,
    database: DatabaseId,
}

/// Raises a term; ends the sessions of an older one that do not let it.
async fn raise_patiently(
    connection: &mut PgConnection,
    name: &str,
    address: Address,
) -> Result<Result<Raised, ModelError>, sqlx::Error> {
    for _ in 1..TAKE_ATTEMPTS_MAX {
        match raise(connection, name, address).await {
            Err(error) if is_lock_timeout(&error) => {
                let ended: i64 =
                    sqlx::query_scalar(END_HOLDERS).bind(name).fetch_one(&mut *connection).await?;
                tracing::warn!(
                    writer.name = name,
                    sessions = ended,
                    "ended sessions of an older term"
                );
            }
            other => return other,
        }
    }
    raise(connection, name, address).await
}

/// Ends the sessions that hold the fence of a writer, and counts them.
const END_HOLDERS: &str = "\
    SELECT count(pg_terminate_backend(pid)) FROM pg_locks \
    WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock' \
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
      AND classid::bigint = fence_class() \
      AND objid::bigint = (SELECT id FROM writers WHERE name = $1)";

/// One attempt. The order matters: the wallet is compared, the new term is written, then everybody who passed the fence before
/// is waited for, then what they left is read.
async fn raise(
    connection: &mut PgConnection,
    name: &str,
    address: Address,
) -> Result<Result<Raised, ModelError>, sqlx::Error> {
    let mut transaction = sqlx::Connection::begin(connection).await?;
    sqlx::query("SET LOCAL lock_timeout = '2s'").execute(&mut *transaction).await?;
    let database = match identity::claim_within(&mut transaction, address).await? {
        Ok(database) => database,
        Err(refused) => {
            transaction.rollback().await?;
            return Ok(Err(refused));
        }
    };
    let taken = sqlx::query(
        "INSERT INTO writers (name, term) VALUES ($1, 1) \
         ON CONFLICT (name) DO UPDATE SET term = writers.term + 1 RETURNING id, term, holder",
    )
    .bind(name)
    .fetch_one(&mut *transaction)
    .await?;
    let (writer, term, holder) = (taken.try_get(0)?, taken.try_get(1)?, taken.try_get(2)?);
    sqlx::query("SELECT pg_advisory_xact_lock(fence_class(), $1)")
        .bind::<i32>(writer)
        .execute(&mut *transaction)
        .await?;
    let (closed, uploaded) = sqlx::query_as(
        "INSERT INTO writer_progress (writer, closed_timestamp, block_height, address) \
         VALUES ($1, 0, 0, $2) \
         ON CONFLICT (writer) DO UPDATE SET address = excluded.address \
         RETURNING closed_timestamp, uploaded_timestamp",
    )
    .bind(writer)
    .bind(&address.as_bytes()[..])
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Ok(Raised { writer, term, holder, closed, uploaded, database }))
}

fn is_lock_timeout(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some("55P03")
}

/// A number as the database has it.
fn to_db(number: u64, what: &'static str) -> Result<i64, ModelError> {
    i64::try_from(number).map_err(|_| ModelError::OutOfRange(what))
}

/// A number from the database.
fn from_db(number: i64, what: &'static str) -> Result<u64, ModelError> {
    u64::try_from(number).map_err(|_| ModelError::Damaged(what))
}

/// Bytes of a known length from the database.
fn fixed<const N: usize>(bytes: &[u8], what: &'static str) -> Result<[u8; N], ModelError> {
    bytes.try_into().map_err(|_| ModelError::Damaged(what))
}
