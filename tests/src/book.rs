//! The book: what the world outside was told. Whatever crashes, the schedules must agree with it.

use parking_lot::Mutex;
use rota_ans104::Item;
use rota_schedule::{Assignment, AssignmentId, MessageId, ProcessId, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet};

/// One place of a schedule, as somebody outside sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The nonce.
    pub nonce: u64,
    /// When it was placed.
    pub timestamp: Timestamp,
    /// The assignment.
    pub assignment: AssignmentId,
    /// What is placed.
    pub message: MessageId,
}

/// A schedule that was followed from its first entry, so ORD-1 to ORD-3 hold in it.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Whose.
    pub process: ProcessId,
    /// Its places, in order.
    pub places: Vec<Place>,
}

#[derive(Clone, Default)]
struct Told {
    posted: HashSet<MessageId>,
    acked: HashMap<MessageId, Timestamp>,
    seen: BTreeMap<(ProcessId, u64), AssignmentId>,
}

/// What was posted, what was acknowledged, and what anyone has seen.
#[derive(Default)]
pub struct Book(Mutex<Told>);

impl Book {
    /// An item is about to be posted: from now on it may be in a schedule.
    pub fn posted(&self, item: &Item) {
        self.0.lock().posted.insert(item.id().into());
    }

    /// An item was acknowledged.
    ///
    /// # Panics
    /// If it was acknowledged before with another timestamp (DUP-1).
    pub fn acked(&self, id: MessageId, timestamp: Timestamp) {
        let before = self.0.lock().acked.insert(id, timestamp);
        assert!(
            before.is_none_or(|before| before == timestamp),
            "DUP-1: {id} was answered {before:?}, now {timestamp}"
        );
    }

    /// Somebody has seen an assignment: in a page, or at the bundler.
    ///
    /// # Panics
    /// If another one was seen at this place (DUR-3).
    pub fn seen(&self, process: ProcessId, nonce: u64, id: AssignmentId) {
        let before = self.0.lock().seen.insert((process, nonce), id);
        assert!(
            before.is_none_or(|before| before == id),
            "DUR-3: {before:?} was seen at nonce {nonce} of {process}, now {id}"
        );
    }

    /// Somebody has seen this item; only assignments count.
    pub fn seen_item(&self, item: &Item) {
        if let Ok(Assignment { slot, .. }) = Assignment::read(item) {
            self.seen(slot.process, slot.nonce, item.id().into());
        }
    }

    /// Whether an item was acknowledged.
    #[must_use]
    pub fn is_acked(&self, id: MessageId) -> bool {
        self.0.lock().acked.contains_key(&id)
    }

    /// How many items were acknowledged.
    #[must_use]
    pub fn acks(&self) -> usize {
        self.0.lock().acked.len()
    }

    /// The book as it is now.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self(Mutex::new(self.0.lock().clone()))
    }

    /// Compares it with the schedules, all of them.
    ///
    /// # Errors
    /// The invariant that is broken, and where.
    pub fn check(&self, schedules: &[Schedule]) -> Result<(), String> {
        let told = self.0.lock();
        let mut placed: HashMap<MessageId, Place> = HashMap::new();
        let mut shown: HashMap<(ProcessId, u64), AssignmentId> = HashMap::new();
        for Schedule { process, places } in schedules {
            for place in places {
                if !told.posted.contains(&place.message) {
                    return Err(format!("nobody posted {place:?} of {process}"));
                }
                if let Some(first) = placed.insert(place.message, *place) {
                    return Err(format!("DUP-1: {first:?} and {place:?} of {process}"));
                }
                shown.insert((*process, place.nonce), place.assignment);
            }
        }
        for (id, timestamp) in &told.acked {
            match placed.get(id) {
                Some(place) if place.timestamp == *timestamp => {}
                other => return Err(format!("DUR: {id} was told {timestamp}, is {other:?}")),
            }
        }
        for ((process, nonce), id) in &told.seen {
            let now = shown.get(&(*process, *nonce));
            if now != Some(id) {
                return Err(format!(
                    "DUR-1, DUR-3: {id} was seen at nonce {nonce} of {process}, now there is {now:?}"
                ));
            }
        }
        Ok(())
    }
}
