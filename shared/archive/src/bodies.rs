//! The bytes of large items, by their hash.
//!
//! Whoever finds the key taken has nothing left to do, and what a writer without its term puts here harms
//! nobody. Not by the item's id: that is the hash of its signature, and some keys have signatures that fit any
//! content. Bodies from before lie under their message's id, and are read from there.

use crate::{Archive, ArchiveError, FileHash};
use bytes::Bytes;
use rota_ans104::{Item, id32};
use rota_schedule::MessageId;
use sha2::{Digest as _, Sha256};

id32! {
    /// The SHA-256 of an item's bytes.
    BodyHash
}

impl BodyHash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::new(Sha256::digest(bytes).into())
    }
}

impl From<BodyHash> for FileHash {
    fn from(hash: BodyHash) -> Self {
        Self::new(*hash.as_bytes())
    }
}

/// The bytes of an item, hashed once.
#[derive(Clone, Debug)]
pub struct Body {
    hash: BodyHash,
    bytes: Bytes,
}

impl Body {
    /// Hashes the bytes.
    #[must_use]
    pub fn of(bytes: Bytes) -> Self {
        Self { hash: BodyHash::of(&bytes), bytes }
    }

    /// Under which it lies.
    #[must_use]
    pub const fn hash(&self) -> &BodyHash {
        &self.hash
    }

    /// The item, byte for byte as received.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl Archive {
    /// Stores a body, durably once this returns. To store it again changes nothing.
    ///
    /// # Errors
    /// [`ArchiveError::Unavailable`]: it may be there; store it again.
    pub async fn put_body(&self, body: &Body) -> Result<(), ArchiveError> {
        let key = key(&body.hash);
        self.bodies.put_new(&key, body.bytes.clone(), body.hash.into()).await.map(drop)
    }

    /// The body with this hash, which is `length` bytes long.
    ///
    /// # Errors
    /// [`ArchiveError::Unavailable`]; [`ArchiveError::Missing`]; [`ArchiveError::Damaged`] if what is there
    /// has another length or another hash.
    pub async fn body(&self, hash: BodyHash, length: usize) -> Result<Bytes, ArchiveError> {
        let key = key(&hash);
        let bytes = self.bodies.get_hashed(&key, length, hash.into()).await?;
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(ArchiveError::damaged(&key, "it has another length"))
        }
    }

    /// The body of a message, `length` bytes long, that was stored before bodies lay under their hash.
    ///
    /// # Errors
    /// [`ArchiveError::Unavailable`]; [`ArchiveError::Missing`]; [`ArchiveError::Damaged`] if what is there
    /// has another length or is not the item with this id.
    pub async fn body_by_id(&self, id: MessageId, length: usize) -> Result<Bytes, ArchiveError> {
        let key = format!("bodies/{id}");
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

fn key(hash: &BodyHash) -> String {
    format!("bodies/sha256/{hash}")
}
