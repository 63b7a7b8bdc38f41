//! A standby: its ledger follows the database while another machine writes, so that little is missing when
//! it takes over.

use super::recovery::Recovery;
use super::{DatabaseConfig, RecoveryError, belongs};
use crate::WriterMetrics;
use rota_ledger::Ledger;
use rota_readmodel::{Observed, Projection, migrate};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Connections of a standby.
const CONNECTIONS: u32 = 1;
/// Between two looks at the database, at the least.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// So many times as long as a look took is the pause after it: looking at every process costs the primary
/// something.
const PAUSE_FACTOR: u32 = 20;
/// How often it is seen that it is to end.
const STOP_POLL: Duration = Duration::from_millis(20);

/// Follows what the writer of that name commits, until `stop` is set; then the ledger is at rest. What goes
/// wrong is logged and tried again: whoever takes over compares everything anyway. `caught_up` is called
/// each time that nothing was missing a moment ago.
pub async fn follow(
    config: &DatabaseConfig,
    ledger: &Ledger,
    metrics: &WriterMetrics,
    stop: &AtomicBool,
    caught_up: impl Fn(),
) {
    let mut is_migrated = false;
    while !stop.load(Ordering::Relaxed) {
        let since = Instant::now();
        match look(config, ledger, stop, &mut is_migrated).await {
            Err(RecoveryError::Stopped) => {}
            Ok(entries) => {
                tracing::debug!(entries, "followed the writer of this name");
                if entries.is_some() {
                    metrics.followed(since);
                }
                caught_up();
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "cannot follow the writer of this name");
            }
        }
        let pause = (since.elapsed() * PAUSE_FACTOR).max(PAUSE_MIN);
        let until = Instant::now() + pause;
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            sleep(STOP_POLL).await;
        }
    }
}

/// Gives how many entries came; `None` if the ledger is not to follow, or there is nothing to follow yet. It reads
/// what this version needs, so it first brings the schema there: the writer may be of the version before.
async fn look(
    config: &DatabaseConfig,
    ledger: &Ledger,
    stop: &AtomicBool,
    is_migrated: &mut bool,
) -> Result<Option<u64>, RecoveryError> {
    if !*is_migrated {
        migrate(&config.url).await?;
        *is_migrated = true;
    }
    if !ledger.provisional_after(None, 1)?.is_empty() {
        return Ok(None); // they may have to be taken back first, which is for whoever has the term
    }
    let seen = Projection::observe(&config.url, CONNECTIONS, &config.name).await?;
    let Some(Observed { projection, uploaded, database }) = seen else { return Ok(None) };
    belongs(ledger, database)?;
    let projection = projection.with_archive(config.archive.clone());
    let recovery = Recovery { ledger, projection: &projection, uploaded, stop };
    recovery.follow().await.map(Some)
}
