//! An object on its way to a file: as a stream, hashed as it comes, and taken up where it broke off.

use crate::ArchiveError;
use crate::bucket::Bucket;
use crate::checkpoints::{FileHash, ManifestFile};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{sleep, timeout};

/// How long the next bytes may take.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// How often it is taken up again without a single byte more.
const ATTEMPTS_MAX: u32 = 4;
/// How long it rests before it is taken up again; twice as long each time.
const REST: Duration = Duration::from_millis(200);

/// A file in the making.
pub(crate) struct Download<'a> {
    bucket: &'a Bucket,
    source: &'a ManifestFile,
    path: &'a Path,
    file: File,
    hasher: Sha256,
    done: u64,
}

impl<'a> Download<'a> {
    /// Begins a file at `path`. What was there goes, and is another file: an attempt that was given up may
    /// still write to it.
    pub(crate) async fn to(
        bucket: &'a Bucket,
        source: &'a ManifestFile,
        path: &'a Path,
    ) -> Result<Self, ArchiveError> {
        match fs::remove_file(path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(ArchiveError::io(path)(error));
            }
            _ => {}
        }
        let file = File::create_new(path).await.map_err(ArchiveError::io(path))?;
        Ok(Self { bucket, source, path, file, hasher: Sha256::new(), done: 0 })
    }

    /// Brings all of it to the disk. `progress` is told of bytes as they come.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] if it is not what the manifest says; [`ArchiveError::Missing`],
    /// [`ArchiveError::Unavailable`], [`ArchiveError::Io`].
    pub(crate) async fn run(mut self, progress: &(dyn Fn(u64) + Sync)) -> Result<(), ArchiveError> {
        let mut attempt = 0;
        loop {
            let before = self.done;
            match self.stream(progress).await {
                Ok(()) => break,
                Err(ArchiveError::Unavailable(error)) if attempt < ATTEMPTS_MAX => {
                    attempt = if self.done > before { 0 } else { attempt + 1 };
                    tracing::debug!(key = self.source.key, error, "taken up again");
                    sleep(REST * 2_u32.pow(attempt)).await;
                }
                Err(error) => return Err(error),
            }
        }
        if FileHash::new(self.hasher.finalize().into()) != self.source.sha256 {
            return Err(ArchiveError::damaged(&self.source.key, "it has another content"));
        }
        self.file.sync_all().await.map_err(ArchiveError::io(self.path))
    }

    /// Reads on from where it is, to the end.
    async fn stream(&mut self, progress: &(dyn Fn(u64) + Sync)) -> Result<(), ArchiveError> {
        let mut object = self.bucket.open(&self.source.key, self.done).await?;
        self.expect_length(&object)?;
        while let Some(chunk) = timeout(SILENCE_MAX, object.body.next()).await? {
            let chunk = chunk?;
            self.done += chunk.len() as u64;
            if self.done > self.source.size {
                return Err(ArchiveError::damaged(&self.source.key, "it is longer"));
            }
            self.hasher.update(&chunk);
            self.file.write_all(&chunk).await.map_err(ArchiveError::io(self.path))?;
            progress(chunk.len() as u64);
        }
        if self.done < self.source.size {
            return Err(ArchiveError::Unavailable("the answer ended early".into()));
        }
        self.file.flush().await.map_err(ArchiveError::io(self.path))
    }

    fn expect_length(&self, object: &GetObjectOutput) -> Result<(), ArchiveError> {
        let left = self.source.size - self.done;
        if object.content_length().and_then(|length| u64::try_from(length).ok()) == Some(left) {
            return Ok(());
        }
        Err(ArchiveError::damaged(&self.source.key, "it has another length"))
    }
}
