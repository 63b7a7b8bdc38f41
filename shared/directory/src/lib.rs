//! Which writer a process belongs to, and who the writers are: the stores of
//! [`Directory`](rota_schedule::Directory), and where a new process goes.
//!
//! - [`DynamoDirectory`]: one DynamoDB table, for writers and routers on AWS.
//! - `PostgresDirectory` (feature `postgres`): tables beside the read model, for people without AWS; a
//!   [`StaticList`] fills it with the reference's list of writers.
//! - [`AnyDirectory`]: whichever of them [`DirectorySettings`] names.
//! - [`place`] and [`View`]: the choice of a writer for a new process.
//!
//! A process is bound once (RTE-1), counts are exact because they change in the same atomic step as the
//! binding, and every change may be asked for twice. That a writer which lost its lease commits nothing is
//! not this crate's business (LSE-1): the database's fence sees to it. It must not know HTTP or how a
//! schedule is made.

mod any;
mod dynamo;
mod list;
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod settings;
mod view;

use rota_schedule::{DirectoryError, DirectoryResult, Lease, LeaseHolder, ProcessId};
use std::time::Duration;
use tokio::time::timeout;

pub use any::AnyDirectory;
pub use dynamo::DynamoDirectory;
pub use list::{LIST_BYTES_MAX, LIST_WALLETS_MAX, LIST_WRITERS_MAX, ListError, Listed, StaticList};
pub use place::place;
#[cfg(feature = "postgres")]
pub use postgres::PostgresDirectory;
pub use settings::{DirectorySettings, OpenError};
pub use view::{REFRESH_EVERY, SILENCE_MAX, View};

/// How long any answer of a directory is waited for, attempts included.
pub const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Over how many counters the processes of a writer are counted: whoever changes one makes others wait, or
/// try again, until it is done. A process is counted in the one that its id names. Stored: never changes.
const COUNTERS: u8 = 8;

/// In which counter of its writer a process is counted.
fn counter(process: ProcessId) -> u8 {
    let [first, ..] = process.as_bytes();
    first % COUNTERS
}

/// What a lease becomes when `holder` takes it.
fn taken(holder: LeaseHolder, seen: Option<Lease>) -> DirectoryResult<Lease> {
    let beat = seen.map_or(0, |seen| seen.beat).checked_add(1);
    Ok(Lease { holder, beat: beat.ok_or(DirectoryError::Damaged("a beat"))?, released: false })
}

/// An answer, within [`ANSWER_MAX`].
async fn within<T>(answer: impl Future<Output = DirectoryResult<T>>) -> DirectoryResult<T> {
    let late = |elapsed| Err(DirectoryError::Unavailable(Box::new(elapsed)));
    timeout(ANSWER_MAX, answer).await.unwrap_or_else(late)
}
