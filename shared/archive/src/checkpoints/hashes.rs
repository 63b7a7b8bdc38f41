//! The hashes of files, remembered between checkpoints: a ledger's tables never change once they are
//! written, and to read all of them again each time would cost more than to send what is new.
//!
//! A file is taken for the one that was hashed if name, length, inode and time of change are the same. The
//! record is a convenience: without it, everything is hashed again.

use super::FileHash;
use crate::ArchiveError;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What is read at once, in bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// A file on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalFile {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) size: u64,
    pub(crate) sha256: FileHash,
}

/// What a file was when it was hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    size: u64,
    inode: u64,
    changed_ns: i128,
    sha256: FileHash,
}

impl Seen {
    fn is(&self, metadata: &Metadata) -> bool {
        let known = (self.size, self.inode, self.changed_ns);
        known == (metadata.len(), metadata.ino(), changed_ns(metadata))
    }
}

/// The hashes of the files of a checkpoint, by name.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
struct Hashes(HashMap<String, Seen>);

impl Hashes {
    /// What was remembered; nothing if that cannot be read.
    fn load(record: &Path) -> Self {
        let json = std::fs::read(record).unwrap_or_default();
        serde_json::from_slice(&json).unwrap_or_default()
    }

    /// Whether it could be remembered matters only to the time the next checkpoint takes.
    fn save(&self, record: &Path) {
        let saved = serde_json::to_vec(self).map_err(io::Error::from);
        if let Err(error) = saved.and_then(|json| std::fs::write(record, json)) {
            tracing::warn!(%error, "the hashes of a checkpoint's files are not remembered");
        }
    }
}

/// Every file in a directory with its hash, in the order of names. Blocks.
///
/// # Errors
/// [`ArchiveError::Io`]; what is in the directory and not a file is one.
pub(crate) fn hash_all(dir: &Path, record: &Path) -> Result<Vec<LocalFile>, ArchiveError> {
    let known = Hashes::load(record);
    let mut hashes = Hashes::default();
    let mut files = Vec::new();
    for found in std::fs::read_dir(dir).map_err(ArchiveError::io(dir))? {
        let path = found.map_err(ArchiveError::io(dir))?.path();
        let seen = look(&path, &known).map_err(ArchiveError::io(&path))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push(LocalFile { path, name: name.clone(), size: seen.size, sha256: seen.sha256 });
        hashes.0.insert(name, seen);
    }
    hashes.save(record);
    files.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

fn look(path: &Path, known: &Hashes) -> io::Result<Seen> {
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(seen) = known.0.get(&*name).filter(|seen| seen.is(&metadata)) {
        return Ok(seen.clone());
    }
    let (size, inode, changed_ns) = (metadata.len(), metadata.ino(), changed_ns(&metadata));
    Ok(Seen { size, inode, changed_ns, sha256: hash(path)? })
}

/// When the bytes of a file last changed, in nanoseconds.
fn changed_ns(metadata: &Metadata) -> i128 {
    i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())
}

/// The hash of a file. Blocks.
pub(crate) fn hash(path: &Path) -> io::Result<FileHash> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(FileHash::new(hasher.finalize().into())),
            read => hasher.update(&chunk[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_file_is_hashed_again_only_if_it_may_be_another() {
        let (dir, record) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (file, record) = (dir.path().join("1.sst"), record.path().join("hashes"));
        let hashed = || hash_all(dir.path(), &record).unwrap()[0].sha256;
        std::fs::write(&file, "one").unwrap();
        let one = hashed();
        let forged = std::fs::read_to_string(&record).unwrap();
        let forged = forged.replace(&one.to_string(), &FileHash::new([9; 32]).to_string());
        std::fs::write(&record, forged).unwrap();
        assert_eq!(hashed(), FileHash::new([9; 32]), "the record is believed");
        std::fs::remove_file(&file).unwrap();
        std::fs::write(dir.path().join("other"), "in between").unwrap();
        std::fs::rename(dir.path().join("other"), &file).unwrap();
        std::fs::write(&file, "two").unwrap();
        assert_eq!(hashed(), hash(&file).unwrap(), "another file under the same name");
        std::fs::write(&record, "no record").unwrap();
        assert_eq!(hashed(), hash(&file).unwrap());
        assert_ne!(hashed(), one);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        let found = hash_all(dir.path(), &dir.path().join("hashes"));
        assert!(matches!(found, Err(ArchiveError::Io { path, .. }) if path.ends_with("folder")));
    }
}
