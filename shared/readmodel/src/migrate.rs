//! Brings the schema up to date. What a migration may do is written down in `migrations/README.md`.
//!
//! Everybody who starts may call this, at the same time and while others write: one applies what is
//! missing, the rest wait for it, and where nothing is missing nobody is disturbed. A database that is
//! newer than this version is fine: what a running version uses is only taken away a release later.

use crate::{DatabaseUrl, ModelError};
use sqlx::migrate::MigrateError;
use sqlx::{Connection, PgConnection};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The advisory lock of those who migrate.
const LOCK: i64 = i64::from_be_bytes(*b"rotaschm");
/// How long to wait for another who migrates; what takes longer (an index over everything) is waited
/// for by starting again.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(300);
/// How often the lock is tried.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// Applies what is missing, one after the other.
///
/// # Errors
/// [`ModelError::Unavailable`] if the database cannot be reached or somebody else migrates for too
/// long; [`ModelError::Standby`]; [`ModelError::Migrate`] if a migration fails, or was changed after it was applied.
pub async fn migrate(url: &DatabaseUrl) -> Result<(), ModelError> {
    let mut connection = url.migration().await?;
    timeout(LOCK_WAIT_MAX, lock(&mut connection)).await??;
    let mut migrator = sqlx::migrate!("../../migrations");
    migrator.set_ignore_missing(true).set_locking(false);
    // `run` makes a future that is not `Send` (rust-lang/rust#100013); this is what it calls.
    let migrated = migrator.run_direct(None, &mut connection, false).await;
    migrated.map_err(|error| match error {
        MigrateError::Execute(error) => ModelError::from(error),
        other => ModelError::Migrate(other),
    })?;
    connection.close().await?; // with it goes the lock
    Ok(())
}

/// Waits for the lock by asking again. To wait inside the server, as sqlx does, would be to hold a
/// snapshot that an index built concurrently by the lock's holder has to wait for: a deadlock.
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<(), ModelError> {
    let ask = || sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK);
    while !ask().fetch_one(&mut *connection).await? {
        sleep(LOCK_POLL).await;
    }
    Ok(())
}
