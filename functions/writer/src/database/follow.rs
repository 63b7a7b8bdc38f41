//! A standby: its ledger follows the database while another machine writes, so that little is missing when
//! it takes over.

use super::recovery::Recovery;
use super::{DatabaseConfig, RecoveryError};
use rota_ledger::Ledger;
use rota_readmodel::Projection;
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
/// wrong is logged and tried again: whoever takes over compares everything anyway.
pub async fn follow(config: &DatabaseConfig, ledger: &Ledger, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let since = Instant::now();
        match look(config, ledger, stop).await {
            Ok(0) | Err(RecoveryError::Stopped) => {}
            Ok(entries) => tracing::debug!(entries, "followed the writer of this name"),
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

async fn look(
    config: &DatabaseConfig,
    ledger: &Ledger,
    stop: &AtomicBool,
) -> Result<u64, RecoveryError> {
    if !ledger.provisional_after(None, 1)?.is_empty() {
        return Ok(0); // they may have to be taken back first, which is for whoever has the term
    }
    let seen = Projection::observe(&config.url, CONNECTIONS, &config.name).await?;
    let Some((projection, uploaded)) = seen else { return Ok(0) };
    let projection = projection.with_archive(config.archive.clone());
    Recovery { ledger, projection: &projection, uploaded, stop }.follow().await
}
