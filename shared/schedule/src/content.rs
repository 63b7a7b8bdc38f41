//! The hash by which pushed messages are deduplicated (DUP-2; contract §3).
//!
//! A Messenger Unit that pushes a result again signs a new item with the same content, so its id says
//! nothing. What stays the same is hashed: target, anchor, data, and the tags in sorted order without
//! `Pushed-For`, which differs between pushes.

use rota_ans104::{Chunk, Item, deep_hash, tags};
use std::fmt;

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
