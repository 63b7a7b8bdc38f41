//! The bytes of large items, by the item's id.
//!
//! An id is the hash of the signature over all the rest, so there is one content for each: whoever finds
//! the key taken has nothing left to do, and what a writer without its term puts here harms nobody.

use crate::{Archive, ArchiveError, FileHash};
use bytes::Bytes;
use rota_ans104::Item;
use rota_schedule::MessageId;

impl Archive {
    /// Stores the bytes of an item, durably once this returns. To store them again changes nothing.
    ///
    /// # Errors
    /// [`ArchiveError::Unavailable`]: they may be there; store them again.
    pub async fn put_body(&self, id: MessageId, bytes: Bytes) -> Result<(), ArchiveError> {
        let sha256 = FileHash::of(&bytes);
        self.bodies.put_new(&key(&id), bytes, sha256).await.map(drop)
    }

    /// The bytes of an item that is `length` bytes long.
    ///
    /// # Errors
    /// [`ArchiveError::Unavailable`]; [`ArchiveError::Missing`]; [`ArchiveError::Damaged`] if what is there
    /// has another length or is not the item with this id.
    pub async fn body(&self, id: MessageId, length: usize) -> Result<Bytes, ArchiveError> {
        let key = key(&id);
        let bytes = self.bodies.get(&key, length).await?;
        if bytes.len() != length {
            return Err(ArchiveError::damaged(&key, "it has another length"));
        }
        match Item::parse(bytes.clone()) {
            Ok(item) if MessageId::from(item.id()) == id => Ok(bytes),
            _ => Err(ArchiveError::damaged(&key, "it is another item, or none")),
        }
    }
}

fn key(id: &MessageId) -> String {
    format!("bodies/{id}")
}
