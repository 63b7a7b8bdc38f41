//! A writer that commits in a real Postgres, whatever becomes of the database, the connection to it, the
//! writer's disk, or another writer of its name (DUR-1, DUR-3, PRJ-1, LSE-1).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod commit;
mod faults;
mod house;
mod read_your_write;
mod recovery;
mod terms;
