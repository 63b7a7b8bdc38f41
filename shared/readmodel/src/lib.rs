//! The read model: schedules in Postgres, as many copies as reading needs.
//!
//! - [`DatabaseUrl`]: where a database is, and sessions named by intent.
//! - [`migrate`]: brings the schema up to date (`migrations/`), safe to run by everybody at once.
//!
//! It must not know HTTP, RocksDB or how a schedule is made: it stores entries that somebody signed.

mod database;
mod error;
mod migrate;

pub use database::{DatabaseUrl, PRIMARY_ACQUIRE_MAX, READ_ACQUIRE_MAX};
pub use error::ModelError;
pub use migrate::migrate;
