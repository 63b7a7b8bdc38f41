//! The read function: every GET route of the contract (§3), over whatever store implements
//! [`ScheduleReader`](rota_schedule::ScheduleReader).
//!
//! It shows what the reader gives it and nothing else, so DUR-1 and RD-1 are the reader's to keep. What
//! can never change is marked so that every cache on the way keeps it. The routes must not know RocksDB,
//! Postgres, or any key: the same router runs in `rota local` and, with the feature `lambda`, in a Lambda.

mod answer;
#[cfg(feature = "lambda")]
pub mod lambda;
mod page;
mod question;
mod routes;
mod settings;

pub use routes::{ReadState, router};
pub use settings::read_model;
