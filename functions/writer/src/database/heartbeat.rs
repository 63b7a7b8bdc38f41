//! The heartbeat: tells readers, several times a second, up to which time nothing more will come.
//!
//! Entries at or below the published time are in the database before it is published: the lanes keep it
//! under everything in flight and place everything later above it (RD-1). When a write has failed nothing
//! is published any more: what became of it shows at the next start.

use super::Database;
use crate::lanes::Lanes;
use rota_ledger::Ledger;
use rota_permaweb::HeightCache;
use rota_readmodel::ModelError;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Between two heartbeats.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(250);

/// Beats until the task is dropped or the term is over.
pub(crate) async fn beat(
    database: Database,
    ledger: Ledger,
    lanes: Arc<Lanes>,
    height: HeightCache,
) {
    let mut ticks = interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (closed, height) = (lanes.close(), height.get().unwrap_or(0));
        // Looked at afterwards: what has failed is in flight no more, and a failure is known before that.
        if ledger.failure().is_some() || database.projector.failure().is_some() {
            return;
        }
        match database.projection.heartbeat(closed, height).await {
            Ok(()) => {}
            Err(ModelError::Unavailable(error)) => {
                tracing::debug!(%error, "a heartbeat was not answered");
            }
            Err(error) => return database.projector.fail(&error),
        }
    }
}
