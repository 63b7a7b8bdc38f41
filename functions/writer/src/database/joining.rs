//! The first process of a writer: from then on readers wait for what the writer promises.
//!
//! A reader that looks an item up in all schedules trusts a replica up to the least closed timestamp of all writers
//! that have processes (`search.sql`). A writer without any does not count there. So when it gets its first process, it
//! first promises at least what every other has promised: what it places then lies above what readers were told
//! is complete (RD-1). The others' promises are read after the process is bound. Before that, a replica may still
//! show this writer without a process; after it, readers count this one.

use super::{Moves, RecoveryError};
use rota_schedule::{ProcessId, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// How far ahead of this writer's clock it follows the others, in milliseconds. One whose clock is minutes fast must not
/// take all others with it.
const AHEAD_MAX: u64 = 5_000;

/// Whether this run has joined those that readers wait for. A process that leaves may have been the last one.
#[derive(Default)]
pub(crate) struct Joining {
    /// How many processes began to leave.
    left: AtomicU64,
    /// One more than `left` was when the writer began to join last; 0 if it never did.
    joined: AtomicU64,
}

impl Joining {
    /// To be called before a process leaves.
    pub(super) fn leaves(&self) {
        self.left.fetch_add(1, SeqCst);
    }

    /// What [`Self::join`] is to be told. To be called before a process is bound.
    fn round(&self) -> u64 {
        self.left.load(SeqCst)
    }

    fn has_joined(&self) -> bool {
        self.joined.load(SeqCst) == self.left.load(SeqCst) + 1
    }

    fn join(&self, round: u64) {
        self.joined.fetch_max(round + 1, SeqCst);
    }
}

impl Moves {
    /// Binds a new process to this writer, unless it is another's already (RTE-1).
    pub(crate) async fn bind(&self, process: ProcessId) -> Result<bool, RecoveryError> {
        let joining = &self.database.joining;
        let round = joining.round();
        let bound = self.database.projection.bind(&process).await?;
        if bound && !joining.has_joined() {
            self.promise_as_others().await?;
            joining.join(round);
        }
        Ok(bound)
    }

    async fn promise_as_others(&self) -> Result<(), RecoveryError> {
        let floor = self.database.projection.closed_by_others().await?;
        let most = Timestamp(self.lanes.now().0.saturating_add(AHEAD_MAX));
        if floor > most {
            tracing::warn!(closed = floor.0, "the clock of another writer is fast: not followed");
            return Ok(());
        }
        self.lanes.aim(floor);
        self.database.pulse.reaches(floor).await.ok_or(RecoveryError::Floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writer_joins_once_and_again_after_a_process_began_to_leave() {
        let joining = Joining::default();
        assert!(!joining.has_joined());
        joining.join(joining.round());
        assert!(joining.has_joined());
        joining.leaves();
        assert!(!joining.has_joined(), "it may have been the last one");
        let before = joining.round();
        joining.leaves();
        joining.join(before);
        assert!(!joining.has_joined(), "another began to leave meanwhile");
        joining.join(joining.round());
        joining.join(before);
        assert!(joining.has_joined(), "who joins late undoes nothing");
    }
}
