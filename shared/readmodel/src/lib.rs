//! The read model: schedules in Postgres, as many copies as reading needs.
//!
//! - [`DatabaseUrl`]: where a database is, and sessions named by intent.
//! - [`migrate`]: brings the schema up to date (`migrations/`), safe to run by everybody at once.
//! - [`grant_reading`]: the role of those who only read.
//! - [`identity`], [`claim`]: which database this is, and that one wallet alone signs for it.
//! - [`Projection`]: the writer's side. Batches commit under the writer's term or not at all (LSE-1), each
//!   schedule in the database is a prefix of the ledger's, and projecting again changes nothing (PRJ-1).
//! - [`Operator`]: what a person asks of writers that run.
//! - [`ReadModel`]: the readers' side, over replicas and the primary. It never answers short (RD-1).
//!
//! It must not know HTTP, RocksDB or how a schedule is made: it stores entries that somebody signed.

mod bodies;
mod database;
mod error;
mod migrate;
mod operator;
mod projection;
mod reader;
mod reader_role;
mod removal;

pub use database::{DatabaseUrl, PRIMARY_ACQUIRE_MAX, is_of_the_connection};
pub use error::ModelError;
pub use migrate::migrate;
pub use operator::{MoveProgress, Operator, Ordered};
pub use projection::{
    ANSWER_MAX, BATCH_BYTES_MAX, BATCH_ROWS_MAX, BatchSize, Holder, INLINE_BYTES_MAX, MoveOrder,
    MoveState, Newest, Observed, Ownership, Projection, Row, Signers, Taken, adopt, check, claim,
    identity,
};
pub use reader::{Fallbacks, LeftOut, ReadModel, ReadModelConfig, ReadStats, SourceStats};
pub use reader_role::{ReaderRole, grant_reading};
pub use removal::{Remains, Removed};
