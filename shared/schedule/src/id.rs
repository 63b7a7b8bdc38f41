//! The ids a schedule speaks of. All are 32 bytes and shown as base64url; they are types of their
//! own so that a message's id cannot be handed in where a process's belongs. The id of a database is shorter:
//! it never leaves the schedulers that use it.

use rota_ans104::{ItemId, b64, id32};
use std::fmt;

id32! {
    /// The id of a process: the id of the item that spawned it.
    ProcessId
}
id32! {
    /// The id of a message: the id of the item that was posted or assigned.
    MessageId
}
id32! {
    /// The id of an assignment: the id of the item that the scheduler signed.
    AssignmentId
}

/// Which database: random, made by the first writer that starts there. A ledger works with one database only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseId(pub [u8; 16]);

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&b64::encode(&self.0))
    }
}

macro_rules! is_an_item_id {
    ($($name:ident),*) => {$(
        impl From<ItemId> for $name {
            fn from(id: ItemId) -> Self {
                Self::new(*id.as_bytes())
            }
        }
        impl From<$name> for ItemId {
            fn from(id: $name) -> Self {
                Self::new(*id.as_bytes())
            }
        }
    )*};
}
is_an_item_id!(ProcessId, MessageId, AssignmentId);

impl From<ProcessId> for MessageId {
    /// A process is the message that its own assignment places at nonce 0.
    fn from(id: ProcessId) -> Self {
        Self::new(*id.as_bytes())
    }
}
