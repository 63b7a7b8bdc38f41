//! Files on their way to S3: small ones in one request, others in parts, one part in memory at a time.

use crate::ArchiveError;
use crate::bucket::{Bucket, HASH, NOTHING_THERE, Put, settled};
use crate::checkpoints::LocalFile;
use crate::error::Refusal;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

/// A part, in bytes: what one request carries, and what is sent again if it fails.
const PART_BYTES: u64 = 8 << 20;
/// Parts of an object (a limit of S3).
const PARTS_MAX: u64 = 10_000;

impl Bucket {
    /// Writes a file unless the key is taken by another content.
    ///
    /// # Errors
    /// [`ArchiveError::Conflict`]; [`ArchiveError::Unavailable`]: it may be written.
    pub(crate) async fn put_file(&self, key: &str, file: &LocalFile) -> Result<(), ArchiveError> {
        if file.size > PART_BYTES * PARTS_MAX {
            return Err(ArchiveError::TooLarge { path: file.path.clone() });
        }
        let put = if file.size <= PART_BYTES {
            self.put_whole(key, file).await?
        } else {
            self.put_parts(key, file).await?
        };
        match put {
            Put::New => Ok(()),
            Put::Exists => self.expect_there(key, file).await,
        }
    }

    async fn put_whole(&self, key: &str, file: &LocalFile) -> Result<Put, ArchiveError> {
        let bytes = Parts::of(file).await?.next().await?.unwrap_or_default();
        self.put_new(key, bytes, file.sha256).await
    }

    /// S3 wants all parts anew after a conflict (`CompleteMultipartUpload`, 409).
    async fn put_parts(&self, key: &str, file: &LocalFile) -> Result<Put, ArchiveError> {
        settled(key, || self.upload(key, file)).await
    }

    /// One upload in parts.
    async fn upload(&self, key: &str, file: &LocalFile) -> Result<(), Refusal> {
        let request = self.client().create_multipart_upload().bucket(self.name());
        let request = request.key(self.full(key)).metadata(HASH, file.sha256.to_string());
        let begun = request.send().await?;
        let id = begun.upload_id().unwrap_or_default();
        let sent = self.send_parts(key, file, id).await;
        if sent.is_ok() {
            return Ok(());
        }
        let abort = self.client().abort_multipart_upload().bucket(self.name());
        if let Err(error) = abort.key(self.full(key)).upload_id(id).send().await {
            let error = &error as &dyn std::error::Error;
            tracing::debug!(key, error, "what was sent of a file is left to the lifecycle rule");
        }
        match sent {
            // There is no such upload any more: an attempt whose answer was lost may have completed it.
            Err(Refusal::NotFound) => Err(Refusal::Busy(ArchiveError::Unavailable(
                "the upload in parts is over before it was completed".into(),
            ))),
            sent => sent,
        }
    }

    async fn send_parts(&self, key: &str, file: &LocalFile, id: &str) -> Result<(), Refusal> {
        let mut parts = Parts::of(file).await?;
        let mut sent = Vec::new();
        for number in 1.. {
            let Some(part) = parts.next().await? else {
                break;
            };
            let request = self.client().upload_part().bucket(self.name()).key(self.full(key));
            let request = request.upload_id(id).part_number(number).body(part.into());
            let answer = request.send().await?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag);
            sent.push(part.set_checksum_crc32(answer.checksum_crc32).build());
        }
        let all = CompletedMultipartUpload::builder().set_parts(Some(sent)).build();
        let request = self.client().complete_multipart_upload().bucket(self.name());
        let request = request.key(self.full(key)).upload_id(id).if_none_match(NOTHING_THERE);
        Ok(request.multipart_upload(all).send().await.map(drop)?)
    }

    /// Makes sure that what has the key is this file: an earlier attempt whose answer was lost.
    async fn expect_there(&self, key: &str, file: &LocalFile) -> Result<(), ArchiveError> {
        let request = self.client().head_object().bucket(self.name()).key(self.full(key));
        let found = request.send().await;
        let found = found.map_err(|error| Refusal::from(error).into_error(key))?;
        let size = found.content_length().and_then(|size| u64::try_from(size).ok());
        let hash = found.metadata().and_then(|metadata| metadata.get(HASH));
        if size == Some(file.size) && hash == Some(&file.sha256.to_string()) {
            return Ok(());
        }
        Err(ArchiveError::Conflict { key: key.to_owned() })
    }
}

/// A file, cut.
struct Parts<'a> {
    source: &'a LocalFile,
    file: File,
    left: u64,
}

impl<'a> Parts<'a> {
    async fn of(source: &'a LocalFile) -> Result<Self, ArchiveError> {
        let file = File::open(&source.path).await.map_err(ArchiveError::io(&source.path))?;
        Ok(Self { source, file, left: source.size })
    }

    /// The next part; `None` after the last.
    ///
    /// # Errors
    /// The file cannot be read, or has become shorter.
    async fn next(&mut self) -> Result<Option<Bytes>, ArchiveError> {
        let length = self.left.min(PART_BYTES);
        if length == 0 {
            return Ok(None);
        }
        let mut part = BytesMut::zeroed(usize::try_from(length).unwrap_or(usize::MAX));
        let read = self.file.read_exact(&mut part).await;
        read.map_err(ArchiveError::io(&self.source.path))?;
        self.left -= length;
        Ok(Some(part.freeze()))
    }
}
