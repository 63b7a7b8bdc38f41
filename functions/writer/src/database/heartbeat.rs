//! The heartbeat: tells readers, several times a second, up to which time nothing more will come.
//!
//! Entries at or below the published time are in the database before it is published: the lanes keep it
//! under everything in flight and place everything later above it (RD-1). When a write has failed nothing
//! is published any more: what became of it shows at the next start.

use super::Database;
use super::uploaded::Uploaded;
use crate::lanes::Lanes;
use rota_ledger::Ledger;
use rota_permaweb::HeightCache;
use rota_readmodel::ModelError;
use rota_schedule::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Between two heartbeats.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(250);
/// How long a timestamp is waited for. A beat follows a clock that is ahead by 10 s, so this is enough for
/// one that is minutes ahead.
const REACH_MAX: Duration = Duration::from_secs(10);

/// What was published last, and how to have it published soon.
pub(crate) struct Pulse {
    published: watch::Sender<Timestamp>,
    wanted: Notify,
}

impl Pulse {
    /// Of a term that begins with this promise.
    pub(super) fn of(closed: Timestamp) -> Self {
        Self { published: watch::Sender::new(closed), wanted: Notify::new() }
    }

    /// Waits until at least `floor` is published; `None` if that takes too long.
    pub(super) async fn reaches(&self, floor: Timestamp) -> Option<()> {
        let mut published = self.published.subscribe();
        if *published.borrow() < floor {
            self.wanted.notify_one();
            let reached = published.wait_for(|published| *published >= floor);
            timeout(REACH_MAX, reached).await.ok()?.ok()?;
        }
        Some(())
    }
}

/// Beats until the task is dropped or the term is over.
pub(crate) async fn beat(
    database: Database,
    ledger: Ledger,
    lanes: Arc<Lanes>,
    height: HeightCache,
) {
    let mut ticks = interval(HEARTBEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut uploaded = Uploaded::since(database.uploaded);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = database.pulse.wanted.notified() => {}
        }
        let (closed, height) = (lanes.close(), height.get());
        // Looked at afterwards: what has failed is in flight no more, and a failure is known before that.
        if ledger.failure().is_some() || database.projector.failure().is_some() {
            return;
        }
        let until = uploaded.delivered(ledger.outbox_stats().low);
        match database.projection.heartbeat(closed, until, height).await {
            Ok(()) => drop(database.pulse.published.send_replace(closed)),
            Err(ModelError::Unavailable(error)) => {
                tracing::debug!(%error, "a heartbeat was not answered");
            }
            Err(error) => return database.projector.fail(&error),
        }
        if let Ok(Ok(end)) = timeout(HEARTBEAT, ledger.outbox_end()).await {
            uploaded.closed(closed, end);
        }
    }
}
