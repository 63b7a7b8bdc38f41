//! By what pushed messages are deduplicated (DUP-2; contract §3): their content and their signer.
//!
//! A Messenger Unit that pushes a result again signs a new item with the same content, so its id says
//! nothing. What stays the same is hashed: target, anchor, data, and the tags in sorted order without
//! `Pushed-For`, which differs between pushes. The signer's address is part of the key. Otherwise a
//! stranger who posts the content first would block the push.
//!
//! Entries of earlier releases are stored under their content alone. Such a key says nothing of the
//! signer: [`Content::may_repeat`] decides by the entry itself.

use bytes::Bytes;
use rota_ans104::{Address, Chunk, Item, deep_hash, tags};
use sha2::{Digest as _, Sha384};
use std::fmt;

/// Keeps the hashes of keys apart from all other hashes.
const KEY_DOMAIN: &[u8] = b"rota: content and signer";

/// SHA-384 deep hash over the content of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 48]);

impl ContentHash {
    /// Hashes the content of an item that was posted.
    #[must_use]
    pub fn of_item(item: &Item) -> Self {
        let tags = item.tags().map(|tag| (tag.name, tag.value));
        Self::of_fields(
            item.target().map_or(&[], |target| target.as_slice()),
            item.anchor().map_or(&[], |anchor| anchor.as_slice()),
            tags,
            item.data(),
        )
    }

    /// Hashes content that a gateway told; `target` and `anchor` are empty when absent.
    #[must_use]
    pub fn of_fields<'a>(
        target: &[u8],
        anchor: &[u8],
        tags: impl Iterator<Item = (&'a str, &'a str)>,
        data: &[u8],
    ) -> Self {
        let mut kept: Vec<(&str, &str)> = tags.filter(|(name, _)| *name != "Pushed-For").collect();
        kept.sort_unstable();
        let tag_bytes = tags::encode(&kept);
        Self(deep_hash(&Chunk::List(&[
            Chunk::Blob(b"dataitem"),
            Chunk::Blob(b"1"),
            Chunk::Blob(b"1"),
            Chunk::Blob(b""),
            Chunk::Blob(target),
            Chunk::Blob(anchor),
            Chunk::Blob(&tag_bytes),
            Chunk::Blob(data),
        ])))
    }
}

/// Under what an entry is found by its content, in ledger and database.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentKey(pub [u8; 48]);

/// The content of a pushed message, and who signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    hash: ContentHash,
    signer: Address,
    key: ContentKey,
}

impl Content {
    /// Content that `signer` signed.
    #[must_use]
    pub fn new(hash: ContentHash, signer: Address) -> Self {
        let digest = Sha384::new()
            .chain_update(KEY_DOMAIN)
            .chain_update(hash.0)
            .chain_update(signer.as_bytes())
            .finalize();
        Self { hash, signer, key: ContentKey(digest.into()) }
    }

    /// The content of an item that was posted.
    #[must_use]
    pub fn of_item(item: &Item) -> Self {
        Self::new(ContentHash::of_item(item), item.owner_address())
    }

    /// The key that its entry is stored under.
    #[must_use]
    pub const fn key(&self) -> &ContentKey {
        &self.key
    }

    /// The key that earlier releases stored it under, whoever had signed it.
    #[must_use]
    pub const fn key_without_signer(&self) -> ContentKey {
        ContentKey(self.hash.0)
    }

    /// Whether the entry under [`Self::key_without_signer`] may be of the same signer; `message` is the
    /// item that it placed. Where the item's bytes lie elsewhere its signer is unknown. It then counts as the
    /// same one: a place that is given twice can never be taken back, a refusal harms no schedule.
    #[must_use]
    pub fn may_repeat(&self, message: Option<&Bytes>) -> bool {
        let item = message.and_then(|bytes| Item::parse(bytes.clone()).ok());
        item.is_none_or(|item| item.owner_address() == self.signer)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rota_ans104::b64::encode(&self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rota_ans104::b64::encode(&self.0))
    }
}
