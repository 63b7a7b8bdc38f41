//! Which processes this writer may place entries in, as it knows by now (RTE-1).
//!
//! With a database a process has to be *held* first: whoever finds that it is not asks the database to whom
//! it belongs. One that goes to another writer is *leaving*: what is in its lane goes on, nothing new
//! enters, and whoever comes waits for how it ends. Without a database every process is this writer's.

use super::Lanes;
use rota_schedule::ProcessId;
use std::collections::HashMap;
use tokio::sync::watch;

/// Why nothing may enter the lane of a process.
#[derive(Clone, Debug)]
pub(crate) enum NotHeld {
    /// It is not known to be this writer's.
    Unknown,
    /// It is on its way to another writer; the receiver ends when that is decided.
    Leaving(watch::Receiver<()>),
}

enum Hold {
    Held,
    Leaving(watch::Sender<()>),
}

/// The processes of this writer.
pub(super) struct Holds(Option<HashMap<ProcessId, Hold>>);

impl Holds {
    /// Of a writer that shares its database with others: it holds nothing yet.
    pub(super) fn none() -> Self {
        Self(Some(HashMap::new()))
    }

    /// Of the only writer.
    pub(super) const fn all() -> Self {
        Self(None)
    }

    /// Whether entries may be placed in a process.
    pub(super) fn check(&self, process: &ProcessId) -> Result<(), NotHeld> {
        let Some(holds) = &self.0 else { return Ok(()) };
        match holds.get(process) {
            Some(Hold::Held) => Ok(()),
            Some(Hold::Leaving(decided)) => Err(NotHeld::Leaving(decided.subscribe())),
            None => Err(NotHeld::Unknown),
        }
    }

    /// It is this writer's, and not leaving (any more). Whoever waited for that goes on.
    pub(super) fn hold(&mut self, process: ProcessId) {
        if let Some(holds) = &mut self.0 {
            holds.insert(process, Hold::Held);
        }
    }

    /// From now on nothing enters its lane.
    pub(super) fn leave(&mut self, process: ProcessId) {
        if let Some(holds) = &mut self.0 {
            let entry = holds.entry(process).or_insert(Hold::Held);
            if matches!(entry, Hold::Held) {
                *entry = Hold::Leaving(watch::channel(()).0);
            }
        }
    }

    /// Whose it is must be asked again.
    pub(super) fn forget(&mut self, process: &ProcessId) {
        if let Some(holds) = &mut self.0 {
            holds.remove(process);
        }
    }
}

impl Lanes {
    /// Whether entries may be placed in a process.
    pub(crate) fn check(&self, process: &ProcessId) -> Result<(), NotHeld> {
        self.shared.table.lock().holds.check(process)
    }

    /// Whether it is known that entries may be placed in a process.
    pub(crate) fn is_held(&self, process: &ProcessId) -> bool {
        self.check(process).is_ok()
    }

    /// Lets items into the lane of a process, which is this writer's.
    pub(crate) fn hold(&self, process: ProcessId) {
        self.shared.table.lock().holds.hold(process);
    }

    /// Lets nothing new into the lane of a process, until [`Self::hold`] or [`Self::forget`].
    pub(crate) fn leave(&self, process: ProcessId) {
        self.shared.table.lock().holds.leave(process);
    }

    /// Has it asked again whose a process is.
    pub(crate) fn forget(&self, process: &ProcessId) {
        self.shared.table.lock().holds.forget(process);
    }

    /// Whether nothing of a process is waiting or in flight.
    pub(crate) fn is_empty(&self, process: &ProcessId) -> bool {
        !self.shared.table.lock().lanes.contains_key(process)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ProcessId = ProcessId::new([1; 32]);

    #[test]
    fn the_only_writer_holds_everything() {
        let mut holds = Holds::all();
        holds.leave(A);
        assert!(holds.check(&A).is_ok());
    }

    #[tokio::test]
    async fn whoever_comes_while_a_process_leaves_waits_for_how_it_ends() {
        let mut holds = Holds::none();
        assert!(matches!(holds.check(&A), Err(NotHeld::Unknown)));
        holds.hold(A);
        assert!(holds.check(&A).is_ok());
        for stays in [true, false] {
            holds.leave(A);
            let Err(NotHeld::Leaving(mut waiting)) = holds.check(&A) else { panic!("it enters") };
            holds.leave(A);
            assert!(waiting.has_changed().is_ok(), "leaving twice decides nothing");
            if stays {
                holds.hold(A);
            } else {
                holds.forget(&A);
            }
            assert!(waiting.changed().await.is_err(), "the sender is gone: it is decided");
            assert_eq!(holds.check(&A).is_ok(), stays);
        }
    }
}
