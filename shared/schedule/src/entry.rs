//! One entry of a schedule, and what may be said of it once it is committed.

use crate::{AssignmentId, MessageId, Timestamp};
use bytes::Bytes;

/// One place of a schedule: the signed assignment and the item that it places there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub nonce: u64,
    /// When it was placed.
    pub timestamp: Timestamp,
    /// The id of the assignment.
    pub assignment_id: AssignmentId,
    /// The id of the item that is placed: the process itself at its own assignment.
    pub message_id: MessageId,
    /// The assignment, byte for byte as signed.
    pub assignment: Bytes,
    /// The item, byte for byte as received; `None` if it lies elsewhere and was only assigned.
    pub message: Option<Bytes>,
}

impl Entry {
    /// How many bytes of items it holds.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        self.assignment.len() + self.message.as_ref().map_or(0, Bytes::len)
    }
}

/// A thing that a store has made durable. Nothing leaves the writer that is not wrapped in this (DUR-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed<T>(T);

impl<T> Committed<T> {
    /// To be called where the commit point is (the ledger's sync, or the database's commit), and on
    /// reading back what is committed; nowhere else.
    pub const fn by_store(value: T) -> Self {
        Self(value)
    }

    /// What was committed.
    pub const fn get(&self) -> &T {
        &self.0
    }

    /// What was committed.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// What a client is told of its item: only a committed entry has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The id that the client asked about: of the item it posted, or of the assignment it had made.
    pub id: [u8; 32],
    /// When the entry was placed.
    pub timestamp: Timestamp,
}

impl Receipt {
    /// The answer to a posted item: its own id.
    #[must_use]
    pub const fn of_item(entry: &Committed<Entry>) -> Self {
        Self { id: *entry.0.message_id.as_bytes(), timestamp: entry.0.timestamp }
    }

    /// The answer to an assignment of an item that lies elsewhere: the assignment's id.
    #[must_use]
    pub const fn of_assignment(entry: &Committed<Entry>) -> Self {
        Self { id: *entry.0.assignment_id.as_bytes(), timestamp: entry.0.timestamp }
    }
}
