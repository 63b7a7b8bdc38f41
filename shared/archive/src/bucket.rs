//! The few requests that are made of S3. Keys come and go without the operator's prefix.
//!
//! Every request has an end: the SDK gives an attempt up and tries again, a bounded number of times, and a
//! body that stops coming is given up here.

use crate::error::Refusal;
use crate::{ArchiveError, FileHash};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use rota_aws::SdkConfig;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The condition that nothing has the key.
pub(crate) const NOTHING_THERE: &str = "*";
/// Under which name an object knows the SHA-256 of its content.
pub(crate) const HASH: &str = "sha256";
/// Objects that one request deletes (a limit of S3).
const DELETE_MAX: usize = 1_000;
/// How often a write is tried while another of the same key is under way.
const PUT_ATTEMPTS_MAX: u32 = 5;
/// The pause before the second of these attempts; it doubles with each.
const PUT_PAUSE: Duration = Duration::from_millis(50);
/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// How long answers are waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Somebody waits: a reader, or the projector.
    Request,
    /// Nobody waits: parts of files over a line that may be slow.
    Transfer,
}

impl Patience {
    /// For one attempt, until the answer begins; a request's own bytes travel in that time.
    const fn attempt_max(self) -> Duration {
        match self {
            Self::Request => Duration::from_secs(3),
            Self::Transfer => Duration::from_secs(60),
        }
    }

    /// For all attempts, and, counted again, for the bytes of a small answer.
    const fn request_max(self) -> Duration {
        match self {
            Self::Request => Duration::from_secs(7),
            Self::Transfer => Duration::from_secs(180),
        }
    }
}

/// A bucket.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    client: Client,
    name: String,
    prefix: String,
    patience: Patience,
}

/// What became of a write that nothing may be overwritten by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It was written.
    New,
    /// Something is there already: perhaps this very write, whose first answer was lost.
    Exists,
}

impl Bucket {
    pub(crate) fn new(config: &SdkConfig, name: &str, prefix: &str, patience: Patience) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_MAX)
            .read_timeout(patience.attempt_max())
            .operation_attempt_timeout(patience.attempt_max())
            .operation_timeout(patience.request_max())
            .build();
        // Stand-ins know buckets by path only; S3 itself takes either way.
        let path_style = config.endpoint_url().is_some();
        let config = Builder::from(config).timeout_config(timeouts).force_path_style(path_style);
        let mut prefix = prefix.trim_matches('/').to_owned();
        if !prefix.is_empty() {
            prefix.push('/');
        }
        Self { client: Client::from_conf(config.build()), name: name.to_owned(), prefix, patience }
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The key as S3 has it.
    pub(crate) fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Writes an object unless the key is taken. It knows the hash of its content.
    ///
    /// # Errors
    /// [`ArchiveError::Unavailable`]: it may be written.
    pub(crate) async fn put_new(
        &self,
        key: &str,
        bytes: Bytes,
        sha256: FileHash,
    ) -> Result<Put, ArchiveError> {
        let write = || async {
            let request = self.client.put_object().bucket(&self.name).key(self.full(key));
            let request = request.metadata(HASH, sha256.to_string()).if_none_match(NOTHING_THERE);
            request.body(bytes.clone().into()).send().await.map(drop).map_err(Refusal::from)
        };
        settled(key, write).await
    }

    /// An object of at most `length_max` bytes, whole, with the hash that it was put there with.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] if it is larger, or is not what was put there; [`ArchiveError::Missing`],
    /// [`ArchiveError::Unavailable`].
    pub(crate) async fn get(&self, key: &str, length_max: usize) -> Result<Bytes, ArchiveError> {
        let (bytes, hash) = self.read(key, length_max).await?;
        if hash != Some(FileHash::of(&bytes).to_string()) {
            return Err(ArchiveError::damaged(key, "it is not what was put there"));
        }
        Ok(bytes)
    }

    /// The same, for whoever knows the hash, whatever the object says of itself.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn get_hashed(
        &self,
        key: &str,
        length_max: usize,
        sha256: FileHash,
    ) -> Result<Bytes, ArchiveError> {
        let (bytes, _) = self.read(key, length_max).await?;
        if FileHash::of(&bytes) != sha256 {
            return Err(ArchiveError::damaged(key, "it has another hash"));
        }
        Ok(bytes)
    }

    /// An object of at most `length_max` bytes, and the hash that it says it has.
    async fn read(
        &self,
        key: &str,
        length_max: usize,
    ) -> Result<(Bytes, Option<String>), ArchiveError> {
        let object = self.open(key, 0).await?;
        let length = object.content_length().and_then(|length| usize::try_from(length).ok());
        if length.is_none_or(|length| length > length_max) {
            return Err(ArchiveError::damaged(key, "it is too large"));
        }
        let hash = object.metadata().and_then(|metadata| metadata.get(HASH)).cloned();
        let body = timeout(self.patience.request_max(), object.body.collect()).await??;
        Ok((body.into_bytes(), hash))
    }

    /// Begins to read an object from a byte on.
    ///
    /// # Errors
    /// [`ArchiveError::Missing`], [`ArchiveError::Unavailable`].
    pub(crate) async fn open(&self, key: &str, from: u64) -> Result<GetObjectOutput, ArchiveError> {
        let range = (from > 0).then(|| format!("bytes={from}-"));
        let request = self.client.get_object().bucket(&self.name).key(self.full(key));
        let object = request.set_range(range).send().await;
        object.map_err(|error| Refusal::from(error).into_error(key))
    }

    /// Every key that begins so, in order.
    pub(crate) async fn list(&self, beginning: &str) -> Result<Vec<String>, ArchiveError> {
        let beginning = self.full(beginning);
        let request = self.client.list_objects_v2().bucket(&self.name).prefix(&beginning);
        let mut pages = request.into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Refusal::from(error).into_error(&beginning))?;
            let found = page.contents().iter().filter_map(|object| object.key());
            keys.extend(found.filter_map(|key| key.strip_prefix(&self.prefix)).map(str::to_owned));
        }
        Ok(keys)
    }

    /// Deletes objects; those that are not there are fine.
    pub(crate) async fn delete(&self, keys: &[String]) -> Result<(), ArchiveError> {
        for keys in keys.chunks(DELETE_MAX) {
            let objects =
                keys.iter().map(|key| ObjectIdentifier::builder().key(self.full(key)).build());
            let objects = objects.collect::<Result<_, _>>().map_err(invalid)?;
            let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
            let request = self.client.delete_objects().bucket(&self.name);
            let answer = request.delete(delete.map_err(invalid)?).send().await;
            let answer = answer.map_err(|error| Refusal::from(error).into_error(&keys[0]))?;
            if let Some(error) = answer.errors().first() {
                let why = error.message().unwrap_or("S3 does not say why").to_owned();
                return Err(ArchiveError::Unavailable(why.into()));
            }
        }
        Ok(())
    }
}

/// Makes a conditional write until S3 says what has become of it: it was made, or the key is taken. While
/// another write of the same key is under way S3 says neither, and may have stored nothing.
///
/// # Errors
/// [`ArchiveError::Unavailable`] if it is still so after the last attempt, and whatever else went wrong.
pub(crate) async fn settled<F: Future<Output = Result<(), Refusal>>>(
    key: &str,
    write: impl Fn() -> F,
) -> Result<Put, ArchiveError> {
    let mut attempt = 1;
    loop {
        match write().await {
            Ok(()) => return Ok(Put::New),
            Err(Refusal::Exists) => return Ok(Put::Exists),
            Err(Refusal::Busy(error)) if attempt < PUT_ATTEMPTS_MAX => {
                tracing::debug!(key, attempt, %error, "another write of this key is under way");
                sleep(PUT_PAUSE * 2_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
            Err(refusal) => return Err(refusal.into_error(key)),
        }
    }
}

/// What the SDK says before it asks.
fn invalid(error: aws_sdk_s3::error::BuildError) -> ArchiveError {
    ArchiveError::Unavailable(Box::new(error))
}
