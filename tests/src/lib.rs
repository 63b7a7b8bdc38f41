//! What the tests that cross crates share: a writer in this process, clients that post until the
//! scheduler dies, and the book of what the world outside was told, which no crash may betray.
//!
//! As in the testkit, a helper that cannot go on is a failed test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a helper that cannot go on is a failed test"
)]

mod book;
mod follow;
mod follow_database;
mod in_process;
mod load;
mod power;
mod rounds;
mod stored;

pub use book::{Book, Place, Schedule};
pub use follow::{follow_http, follow_ledger};
pub use follow_database::follow_database;
pub use in_process::{InProcess, Posted};
pub use load::{Load, http, metric, post, post_all};
pub use power::PowerCut;
pub use rounds::{fast_dir, rounds, scheduler_wallet};
pub use stored::append_schedules;
