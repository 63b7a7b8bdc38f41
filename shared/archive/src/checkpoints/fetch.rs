//! Fetching a checkpoint into a directory. What is there already and right is not fetched again, so
//! whatever cut it off, it goes on where it was.

use super::{Checkpoints, FILES_AT_ONCE, Manifest, ManifestFile, PARTIAL, Position, hashes};
use crate::ArchiveError;
use crate::download::Download;
use futures_util::{TryStreamExt as _, stream};
use std::io;
use std::path::{Path, PathBuf};
use tokio::fs;

/// A checkpoint that is in a directory now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Which.
    pub manifest: Manifest,
    /// How many bytes came from the bucket; the others were there.
    pub bytes_fetched: u64,
}

/// How far fetching has come.
#[derive(Debug)]
pub enum Fetching<'a> {
    /// This checkpoint is fetched.
    Begun(&'a Manifest),
    /// Bytes of it that are in the directory now, further ones.
    Bytes(u64),
    /// This checkpoint cannot be had: the one before it is tried.
    Damaged(Position, &'a ArchiveError),
}

impl Checkpoints {
    /// Fetches the newest checkpoint that is whole into `dir`, which is made if it is not there. Whatever else
    /// is in there goes.
    ///
    /// # Errors
    /// [`ArchiveError::NoCheckpoint`]; if none is whole, what is wrong with the oldest;
    /// [`ArchiveError::Unavailable`], [`ArchiveError::Io`].
    pub async fn fetch_newest(
        &self,
        dir: &Path,
        tell: &(dyn Fn(Fetching<'_>) + Sync),
    ) -> Result<Fetched, ArchiveError> {
        let mut last = ArchiveError::NoCheckpoint { writer: self.writer.clone() };
        for position in self.list().await? {
            match self.fetch(position, dir, tell).await {
                Err(error) if error.is_of_the_object() => {
                    tell(Fetching::Damaged(position, &error));
                    last = error;
                }
                done => return done,
            }
        }
        Err(last)
    }

    /// Fetches one checkpoint, as [`Self::fetch_newest`] does.
    ///
    /// # Errors
    /// [`ArchiveError::Missing`], [`ArchiveError::Damaged`], [`ArchiveError::TooNew`]: another one may do;
    /// [`ArchiveError::Unavailable`], [`ArchiveError::Io`].
    pub async fn fetch(
        &self,
        position: Position,
        dir: &Path,
        tell: &(dyn Fn(Fetching<'_>) + Sync),
    ) -> Result<Fetched, ArchiveError> {
        let manifest = self.manifest(position).await?;
        tell(Fetching::Begun(&manifest));
        fs::create_dir_all(dir).await.map_err(ArchiveError::io(dir))?;
        clear_foreign(&manifest, dir).await?;
        let fetched = stream::iter(manifest.files.iter().map(Ok))
            .map_ok(|file| self.fetch_file(file, dir, tell))
            .try_buffer_unordered(FILES_AT_ONCE)
            .try_fold(0, async |total, bytes| Ok(total + bytes))
            .await?;
        sync_dir(dir).await?;
        Ok(Fetched { manifest, bytes_fetched: fetched })
    }

    /// Gives how many bytes came.
    async fn fetch_file(
        &self,
        file: &ManifestFile,
        dir: &Path,
        tell: &(dyn Fn(Fetching<'_>) + Sync),
    ) -> Result<u64, ArchiveError> {
        let path = dir.join(&file.name);
        if is_there(file, &path).await? {
            tell(Fetching::Bytes(file.size));
            return Ok(0);
        }
        let partial = dir.join(format!("{}{PARTIAL}", file.name));
        let download = Download::to(&self.bucket, file, &partial).await?;
        download.run(&|bytes| tell(Fetching::Bytes(bytes))).await?;
        fs::rename(&partial, &path).await.map_err(ArchiveError::io(&path))?;
        Ok(file.size)
    }
}

/// Removes from a directory what does not belong to a checkpoint.
async fn clear_foreign(manifest: &Manifest, dir: &Path) -> Result<(), ArchiveError> {
    let mut found = fs::read_dir(dir).await.map_err(ArchiveError::io(dir))?;
    while let Some(found) = found.next_entry().await.map_err(ArchiveError::io(dir))? {
        let (name, path) = (found.file_name(), found.path());
        if manifest.files.iter().any(|file| *file.name == *name) {
            continue;
        }
        let is_dir = found.file_type().await.map_err(ArchiveError::io(&path))?.is_dir();
        let removed =
            if is_dir { fs::remove_dir_all(&path).await } else { fs::remove_file(&path).await };
        removed.map_err(ArchiveError::io(&path))?;
    }
    Ok(())
}

/// Whether a file is there as the manifest has it.
async fn is_there(file: &ManifestFile, path: &Path) -> Result<bool, ArchiveError> {
    match fs::metadata(path).await {
        Ok(found) if found.len() == file.size => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(ArchiveError::io(path)(error)),
    }
    let hash = on_blocking_thread(path, hashes::hash).await?;
    Ok(hash == file.sha256)
}

/// Makes the names in a directory durable.
async fn sync_dir(dir: &Path) -> Result<(), ArchiveError> {
    on_blocking_thread(dir, |dir| std::fs::File::open(dir)?.sync_all()).await
}

async fn on_blocking_thread<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, ArchiveError> {
    let owned: PathBuf = path.to_owned();
    let done = tokio::task::spawn_blocking(move || work(&owned)).await;
    done.map_err(io::Error::other).and_then(|done| done).map_err(ArchiveError::io(path))
}
