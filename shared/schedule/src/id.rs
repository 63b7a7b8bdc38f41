//! The ids a schedule speaks of. All are 32 bytes and shown as base64url; they are types of their
//! own so that a message's id cannot be handed in where a process's belongs.

use rota_ans104::{ItemId, id32};

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
