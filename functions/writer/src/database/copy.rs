//! Copies schedules from the database into the ledger, each entry checked against the one before: after a
//! lost disk, behind another machine, or because a process comes from another writer.

use super::RecoveryError;
use rota_ans104::Item;
use rota_ledger::{Append, Ledger, LedgerError, Upload};
use rota_readmodel::{ModelError, Projection, Row};
use rota_schedule::{Entry, Follower, Head, ProcessId, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Rows that are read at once.
pub(super) const ROWS: u32 = 512;
/// Between attempts at what the database did not answer.
const RETRY: Duration = Duration::from_millis(500);
/// How long it may not answer before the work is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Nothing stops it.
pub(super) static UNSTOPPED: AtomicBool = AtomicBool::new(false);

/// Copies; `progress` is told of every piece.
pub(super) struct Copier<'a, P: FnMut(usize)> {
    pub(super) ledger: &'a Ledger,
    pub(super) projection: &'a Projection,
    /// What is later than this is queued for upload: nobody may have uploaded it.
    pub(super) uploaded: Timestamp,
    /// Once this is set, no further piece is begun.
    pub(super) stop: &'a AtomicBool,
    pub(super) progress: P,
}

impl<P: FnMut(usize)> Copier<'_, P> {
    /// Copies what the ledger lacks of a process, up to a nonce that the database has.
    pub(super) async fn up_to(
        &mut self,
        process: ProcessId,
        nonce: u64,
    ) -> Result<(), RecoveryError> {
        let mut head = self.ledger.head(&process)?;
        while head.is_none_or(|head| head.nonce < nonce) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(RecoveryError::Stopped);
            }
            let after = head.map(|head| head.nonce);
            let rows = patiently(|| self.projection.entries(&process, after, ROWS)).await?;
            (self.progress)(rows.len());
            head = Some(self.append(process, head, rows).await?);
        }
        Ok(())
    }

    /// Appends rows of the database to a process.
    async fn append(
        &self,
        process: ProcessId,
        head: Option<Head>,
        rows: Vec<Row>,
    ) -> Result<Head, RecoveryError> {
        let mut follower = Follower::after(process, head);
        let mut appends = Vec::with_capacity(rows.len());
        for Row { entry, content, .. } in rows {
            let head = follow(&mut follower, process, &entry)?;
            let queued_at = entry.timestamp;
            let upload = if queued_at > self.uploaded { Upload::Now } else { Upload::Elsewhere };
            appends.push(Append { process, entry, head, content, queued_at, upload });
        }
        let newest = follower.head().copied().ok_or(RecoveryError::Vanished(process))?;
        let (sender, committed) = oneshot::channel();
        let ledger = self.ledger.clone();
        // The ledger lets whoever appends wait, so not on an async thread. It answers in order: the
        // last outcome stands for all.
        tokio::task::spawn_blocking(move || append_all(&ledger, appends, sender)).await?;
        committed.await.map_err(|_| LedgerError::Closed)?.map_err(RecoveryError::Append)?;
        Ok(newest)
    }
}

/// Follows an entry of the database; what does not follow is damage there, or a fork.
fn follow(
    follower: &mut Follower,
    process: ProcessId,
    entry: &Entry,
) -> Result<Head, RecoveryError> {
    let assignment = Item::parse(entry.assignment.clone())?;
    let message = entry.message.clone().map(Item::parse).transpose()?;
    follower.follow(&assignment, message.as_ref())?;
    follower.head().copied().ok_or(RecoveryError::Vanished(process))
}

fn append_all(
    ledger: &Ledger,
    appends: Vec<Append>,
    sender: oneshot::Sender<Result<(), Arc<LedgerError>>>,
) {
    let last = appends.len().saturating_sub(1);
    let mut sender = Some(sender);
    for (index, append) in appends.into_iter().enumerate() {
        let sender = if index == last { sender.take() } else { None };
        let done = move |outcome: Result<Entry, Arc<LedgerError>>| {
            if let Some(sender) = sender {
                let _ = sender.send(outcome.map(drop)); // whoever copies waits
            }
        };
        ledger.append(append, Box::new(done));
    }
}

/// Asks again while the database does not answer, but not for ever: nobody waits for work that hangs.
pub(super) async fn patiently<T, F: Future<Output = Result<T, ModelError>>>(
    ask: impl Fn() -> F,
) -> Result<T, ModelError> {
    let since = Instant::now();
    loop {
        match ask().await {
            Err(error @ ModelError::Unavailable(_)) if since.elapsed() < SILENCE_MAX => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "asking the database again"
                );
                tokio::time::sleep(RETRY).await;
            }
            answer => return answer,
        }
    }
}
