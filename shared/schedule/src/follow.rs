//! Checks a schedule from outside, entry by entry, as a Compute Unit does.
//!
//! Used by `rota verify`, by recovery and by the tests. Signatures are the caller's to verify: this
//! sees only what the items say.

use crate::{
    Assignment, AssignmentError, Head, Invariant, ProcessId, Subject, Timestamp, next_slot,
};
use rota_ans104::Item;

/// A schedule that is not what a schedule must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An assignment that cannot be read.
    #[error("after nonce {after:?}: {source}")]
    Unreadable {
        /// The last good nonce.
        after: Option<u64>,
        /// What is wrong with it.
        source: AssignmentError,
    },
    /// An invariant is broken.
    #[error("{invariant} is broken at nonce {nonce}: {detail}")]
    Broken {
        /// Which one.
        invariant: Invariant,
        /// The nonce that the assignment shows.
        nonce: u64,
        /// What was expected and what was found.
        detail: String,
    },
    /// The entry is of another process, or its two parts do not belong together.
    #[error("the entry at nonce {nonce} does not belong there: {detail}")]
    Foreign {
        /// The nonce that the assignment shows.
        nonce: u64,
        /// What was expected and what was found.
        detail: String,
    },
}

/// Follows the schedule of one process from its first entry.
#[derive(Clone, Debug)]
pub struct Follower {
    process: ProcessId,
    head: Option<Head>,
}

impl Follower {
    /// Starts before the first entry.
    #[must_use]
    pub const fn new(process: ProcessId) -> Self {
        Self::after(process, None)
    }

    /// Starts after an entry that is known to be right.
    #[must_use]
    pub const fn after(process: ProcessId, head: Option<Head>) -> Self {
        Self { process, head }
    }

    /// The newest entry that was followed.
    #[must_use]
    pub const fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Follows the next entry: ORD-1, ORD-2, ORD-3, and that the message is the one assigned.
    ///
    /// # Errors
    /// The first thing that is wrong; the follower then stays where it was.
    pub fn follow(&mut self, assignment: &Item, message: Option<&Item>) -> Result<(), Violation> {
        let read = Assignment::read(assignment).map_err(|source| Violation::Unreadable {
            after: self.head.map(|head| head.nonce),
            source,
        })?;
        let slot = read.slot;
        self.same_process(&read, message)?;
        let Ok(expected) =
            next_slot(self.process, self.head.as_ref(), Timestamp(0), Timestamp(0), 0)
        else {
            return Err(broken(Invariant::Ord1, slot.nonce, "the schedule was full".to_owned()));
        };
        if slot.nonce != expected.nonce {
            let detail = format!("expected nonce {}", expected.nonce);
            return Err(broken(Invariant::Ord1, slot.nonce, detail));
        }
        if slot.hash_chain != expected.hash_chain {
            let detail = "the hash chain does not follow from the entry before".to_owned();
            return Err(broken(Invariant::Ord2, slot.nonce, detail));
        }
        if let Some(head) = self.head.filter(|head| slot.timestamp <= head.timestamp) {
            let detail = format!("timestamp {} after {}", slot.timestamp, head.timestamp);
            return Err(broken(Invariant::Ord3, slot.nonce, detail));
        }
        self.head = Some(slot.head(assignment.id().into()));
        Ok(())
    }

    fn same_process(&self, read: &Assignment, message: Option<&Item>) -> Result<(), Violation> {
        let foreign = |detail: String| Violation::Foreign { nonce: read.slot.nonce, detail };
        if read.slot.process != self.process {
            return Err(foreign(format!("it is assigned to process {}", read.slot.process)));
        }
        let assigned = match read.subject {
            Subject::Process => self.process.into(),
            Subject::Message(id) => id,
        };
        match message.map(Item::id) {
            Some(id) if assigned != id.into() => {
                Err(foreign(format!("item {id} is not the one assigned")))
            }
            _ => Ok(()),
        }
    }
}

const fn broken(invariant: Invariant, nonce: u64, detail: String) -> Violation {
    Violation::Broken { invariant, nonce, detail }
}
