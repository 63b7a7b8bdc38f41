//! Checkpoints of the ledgers of one writer.
//!
//! A checkpoint is a directory of files that no longer change, and a manifest that names them. The manifest
//! is written last: without it there is no checkpoint, whatever else was sent. The newest checkpoint is
//! that with the greatest term, then the greatest number, so whoever lost the writer's name can never come
//! before its successor, whatever the clocks say.
//!
//! A file that is in the newest checkpoint already is named again instead of sent. Two may do all this at
//! once, one of them with a term that is over. What keeps the newer one whole:
//!
//! - A manifest counts once it was written, is still the newest, and the one that it was based on is still
//!   listed; else its ledger takes it back.
//! - Whoever clears up deletes old manifests first, then lists what is left, and only then deletes files that
//!   none of these names. So whoever finds its base listed after its own manifest was written knows that
//!   each later clearing sees that manifest.
//! - Nobody deletes what was sent for a newer checkpoint than its own: it may be under way.

mod fetch;
mod hashes;
mod manifest;
mod sweep;
mod take;

pub use fetch::{Fetched, Fetching};
pub use manifest::{FileHash, Manifest, ManifestFile, Position, UnknownPosition};
pub use take::{Snapshot, Taken};

pub(crate) use hashes::LocalFile;

use crate::ArchiveError;
use crate::bucket::Bucket;
use std::fmt::Write as _;
use std::num::NonZero;

/// How many checkpoints are kept, if nothing is configured.
pub const CHECKPOINTS_KEEP_DEFAULT: NonZero<usize> = NonZero::new(3).unwrap();
/// How large a manifest may be, in bytes: two hundred thousand files.
const MANIFEST_BYTES_MAX: usize = 64 << 20;
/// Files that travel at once, each with a part in memory.
const FILES_AT_ONCE: usize = 8;
/// How the name of a file ends that is not complete.
const PARTIAL: &str = ".partial";

/// The checkpoints of the ledgers of a writer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    bucket: Bucket,
    writer: String,
    keep: NonZero<usize>,
}

impl Checkpoints {
    pub(crate) fn new(bucket: Bucket, writer: &str, keep: NonZero<usize>) -> Self {
        Self { bucket, writer: writer.to_owned(), keep }
    }

    /// Which there are, the newest first.
    ///
    /// # Errors
    /// [`ArchiveError::Unavailable`].
    pub async fn list(&self) -> Result<Vec<Position>, ArchiveError> {
        let folder = self.manifests();
        let keys = self.bucket.list(&folder).await?;
        let position = |key: &String| {
            let (position, rest) = Position::take_padded(key.strip_prefix(&folder)?)?;
            (rest == ".json").then_some(position)
        };
        let mut found: Vec<_> = keys.iter().filter_map(position).collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        Ok(found)
    }

    /// What a checkpoint is made of.
    ///
    /// # Errors
    /// [`ArchiveError::Unavailable`], [`ArchiveError::Missing`], [`ArchiveError::Damaged`],
    /// [`ArchiveError::TooNew`].
    pub async fn manifest(&self, position: Position) -> Result<Manifest, ArchiveError> {
        let key = self.manifest_key(position);
        let json = self.bucket.get(&key, MANIFEST_BYTES_MAX).await?;
        Manifest::read(&json, &key, position)
    }

    fn manifests(&self) -> String {
        format!("ledgers/{}/manifests/", escaped(&self.writer))
    }

    fn files(&self) -> String {
        format!("ledgers/{}/files/", escaped(&self.writer))
    }

    fn manifest_key(&self, position: Position) -> String {
        format!("{}{}.json", self.manifests(), position.padded())
    }

    fn file_key(&self, position: Position, name: &str) -> String {
        format!("{}{}-{name}", self.files(), position.padded())
    }

    /// For which checkpoint the file with this key was sent.
    fn position_of_file(&self, key: &str) -> Option<Position> {
        let (position, _) = Position::take_padded(key.strip_prefix(&self.files())?)?;
        Some(position)
    }
}

/// The name of a writer as one part of a key, whatever is in it.
fn escaped(writer: &str) -> String {
    writer.bytes().fold(String::with_capacity(writer.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}"); // text takes everything
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_writer_is_one_part_of_a_key() {
        for (name, part) in
            [("w-1_A", "w-1_A"), ("a/files", "a%2Ffiles"), ("..", "%2E%2E"), ("ä%", "%C3%A4%25")]
        {
            assert_eq!(escaped(name), part);
        }
    }
}
