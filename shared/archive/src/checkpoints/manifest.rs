//! What a checkpoint is made of, as it is written down in the bucket.

use crate::ArchiveError;
use bytes::Bytes;
use rota_ans104::id32;
use rota_schedule::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

/// The layout of a manifest.
const FORMAT: u32 = 1;
/// How many digits a number has in a key: as many as the largest.
const DIGITS: usize = 20;

id32! {
    /// The SHA-256 of a file.
    FileHash
}

impl FileHash {
    /// The hash of a file with this content.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::new(Sha256::digest(bytes).into())
    }
}

/// Which checkpoint of a writer: later ones are greater, whatever any clock says. Shown as `3-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The term under which it was taken; 0 without a database.
    pub term: u64,
    /// Its number within the term.
    pub seq: u64,
}

/// Not the name of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a checkpoint: expected two numbers, as in 3-17")]
pub struct UnknownPosition;

impl Position {
    /// As keys have it.
    pub(super) fn padded(self) -> String {
        format!("{:0DIGITS$}-{:0DIGITS$}", self.term, self.seq)
    }

    /// How the keys of all checkpoints of a term begin.
    pub(super) fn padded_term(term: u64) -> String {
        format!("{term:0DIGITS$}-")
    }

    /// Reads the beginning of a key, and gives the rest of it.
    pub(super) fn take_padded(key: &str) -> Option<(Self, &str)> {
        let (position, rest) = key.split_at_checked(2 * DIGITS + 1)?;
        let position: Self = position.parse().ok()?;
        Some((position, rest))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.term, self.seq)
    }
}

impl FromStr for Position {
    type Err = UnknownPosition;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| digits).ok_or(UnknownPosition)
        };
        let (term, seq) = text.split_once('-').ok_or(UnknownPosition)?;
        Ok(Self { term: number(term)?, seq: number(seq)? })
    }
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout of this record.
    pub format: u32,
    /// The id of the ledger that it was taken of, in hexadecimal digits.
    pub ledger: String,
    /// The term under which it was taken; 0 without a database.
    pub term: u64,
    /// Its number within the term.
    pub seq: u64,
    /// When it was begun, in milliseconds since the Unix epoch. For people: nothing is decided by it.
    pub created: u64,
    /// How many processes the ledger held.
    pub processes: u64,
    /// How many bytes all files have.
    pub bytes: u64,
    /// Everything that belongs into the directory.
    pub files: Vec<ManifestFile>,
}

/// A file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its name in the directory.
    pub name: String,
    /// Where it lies in the bucket, without the prefix: an older checkpoint may have sent it.
    pub key: String,
    /// How many bytes it has.
    pub size: u64,
    /// The SHA-256 of its bytes.
    pub sha256: FileHash,
}

impl Manifest {
    pub(super) fn new(
        position: Position,
        ledger: [u8; 16],
        created: Timestamp,
        processes: u64,
        files: Vec<ManifestFile>,
    ) -> Self {
        Self {
            format: FORMAT,
            ledger: format!("{:032x}", u128::from_be_bytes(ledger)),
            term: position.term,
            seq: position.seq,
            created: created.0,
            processes,
            bytes: files.iter().map(|file| file.size).sum(),
            files,
        }
    }

    /// Which checkpoint it is.
    #[must_use]
    pub const fn position(&self) -> Position {
        Position { term: self.term, seq: self.seq }
    }

    pub(super) fn to_json(&self) -> Bytes {
        // Numbers and text in named fields: there is nothing that could not be written.
        serde_json::to_vec_pretty(self).unwrap_or_default().into()
    }

    /// Reads what lies under `key`, which says that it is the checkpoint at `position`.
    ///
    /// # Errors
    /// [`ArchiveError::TooNew`], [`ArchiveError::Damaged`].
    pub(super) fn read(json: &[u8], key: &str, position: Position) -> Result<Self, ArchiveError> {
        let damaged = |what| ArchiveError::damaged(key, what);
        let Format { format } =
            serde_json::from_slice(json).map_err(|_| damaged("it is not a manifest"))?;
        if format != FORMAT {
            return Err(ArchiveError::TooNew { position, found: format, supported: FORMAT });
        }
        let manifest: Self =
            serde_json::from_slice(json).map_err(|_| damaged("it is not a manifest"))?;
        if manifest.position() != position {
            return Err(damaged("it is another checkpoint"));
        }
        let mut names = HashSet::new();
        if !manifest.files.iter().all(|file| is_plain(&file.name) && names.insert(&file.name)) {
            return Err(damaged("a file has no plain name of its own"));
        }
        Ok(manifest)
    }
}

/// What every layout of a manifest has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// Whether a name stays within its directory, and is not one of those that fetching makes up.
fn is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty()
        && !name.starts_with('.')
        && !name.ends_with(super::PARTIAL)
        && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Position = Position { term: 3, seq: 17 };

    fn manifest(names: &[&str]) -> Manifest {
        let file = |name: &&str| ManifestFile {
            name: (*name).to_owned(),
            key: format!("files/{name}"),
            size: 5,
            sha256: FileHash::new([7; 32]),
        };
        let files = names.iter().map(file).collect();
        Manifest::new(AT, [0xab; 16], Timestamp(1_700_000_000_000), 2, files)
    }

    fn read(json: &[u8]) -> Result<Manifest, ArchiveError> {
        Manifest::read(json, "key", AT)
    }

    #[test]
    fn a_manifest_comes_back_as_it_was_written() {
        let written = manifest(&["CURRENT", "000012.sst"]);
        assert_eq!(read(&written.to_json()).unwrap(), written);
        assert_eq!((written.bytes, written.position()), (10, AT));
        assert_eq!(written.ledger, "ab".repeat(16));
    }

    #[test]
    fn the_record_of_format_1_is_this() {
        let golden = r#"{"format":1,"ledger":"abababababababababababababababab","term":3,"seq":17,
            "created":1700000000000,"processes":2,"bytes":5,"files":[{"name":"CURRENT",
            "key":"files/CURRENT","size":5,"sha256":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}]}"#;
        assert_eq!(read(golden.as_bytes()).unwrap(), manifest(&["CURRENT"]));
    }

    #[test]
    fn what_is_no_manifest_of_this_checkpoint_is_not_taken_for_one() {
        let good = manifest(&["CURRENT"]);
        let text = String::from_utf8(good.to_json().to_vec()).unwrap();
        for end in [0, 1, text.len() / 2, text.len() - 1] {
            assert!(matches!(read(&text.as_bytes()[..end]), Err(ArchiveError::Damaged { .. })));
        }
        let newer = text.replace("\"format\": 1", "\"format\": 2");
        assert!(matches!(read(newer.as_bytes()), Err(ArchiveError::TooNew { found: 2, .. })));
        let other = text.replace("\"seq\": 17", "\"seq\": 18");
        assert!(matches!(read(other.as_bytes()), Err(ArchiveError::Damaged { .. })));
    }

    #[test]
    fn names_stay_within_the_directory() {
        for bad in
            ["", ".", "..", "../up", "/etc/passwd", "a/b", "a\\b", "a b", ".hidden", "a.partial"]
        {
            let found = read(&manifest(&[bad]).to_json());
            assert!(matches!(found, Err(ArchiveError::Damaged { .. })), "{bad:?}");
        }
        let twice = read(&manifest(&["CURRENT", "CURRENT"]).to_json());
        assert!(matches!(twice, Err(ArchiveError::Damaged { .. })));
        for good in ["CURRENT", "MANIFEST-000005", "OPTIONS-000007", "000012.sst", "000013.blob"] {
            assert!(read(&manifest(&[good]).to_json()).is_ok(), "{good}");
        }
    }

    #[test]
    fn positions_sort_as_their_keys_do_and_are_read_back() {
        let positions = [(0, 1), (0, 2), (0, 10), (1, 1), (9, 99), (10, 0), (u64::MAX, u64::MAX)];
        let positions = positions.map(|(term, seq)| Position { term, seq });
        assert!(positions.is_sorted());
        assert!(positions.map(Position::padded).is_sorted());
        for position in positions {
            let key = position.padded() + "-000012.sst";
            assert_eq!(Position::take_padded(&key), Some((position, "-000012.sst")));
            assert_eq!(position.to_string().parse(), Ok(position));
            assert_eq!(position.padded().parse(), Ok(position));
        }
        for bad in ["", "3", "3-", "-3", "+3-4", "a-b", "3-4-5"] {
            assert_eq!(bad.parse::<Position>(), Err(UnknownPosition), "{bad:?}");
        }
    }
}
