//! One at a time: two who copied the same process would both append its next entry.

use rota_schedule::ProcessId;
use tokio::sync::{Mutex, MutexGuard};

/// Locks, each for the processes whose ids begin alike: a large copy holds up few others.
const LOCKS: usize = 256;

/// Who copies a process into the ledger holds its lock.
pub(crate) struct Taking([Mutex<()>; LOCKS]);

impl Default for Taking {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(())))
    }
}

impl Taking {
    /// Waits until nobody else copies this process.
    pub(crate) async fn lock(&self, process: &ProcessId) -> MutexGuard<'_, ()> {
        let [first, ..] = process.as_bytes();
        self.0[usize::from(*first)].lock().await
    }
}
