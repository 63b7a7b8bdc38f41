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
use tokio::time::timeout;

/// The condition that nothing has the key.
pub(crate) const NOTHING_THERE: &str = "*";
/// Under which name an object knows the SHA-256 of its content.
pub(crate) const HASH: &str = "sha256";
/// Objects that one request deletes (a limit of S3).
const DELETE_MAX: usize = 1_000;
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

impl Put {
    /// Reads it off the answer to a conditional write.
    pub(crate) fn of<T>(answer: Result<T, Refusal>, key: &str) -> Result<Self, ArchiveError> {
        match answer {
            Ok(_) => Ok(Self::New),
            Err(Refusal::Exists) => Ok(Self::Exists),
            Err(refusal) => Err(refusal.into_error(key)),
        }
    }
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
        let request = self.client.put_object().bucket(&self.name).key(self.full(key));
        let request = request.metadata(HASH, sha256.to_string()).if_none_match(NOTHING_THERE);
        let put = request.body(bytes.into()).send().await;
        Put::of(put.map_err(Refusal::from), key)
    }

    /// An object of at most `length_max` bytes, whole.
    ///
    /// # Errors
    /// [`ArchiveError::Damaged`] if it is larger, or is not what was put there; [`ArchiveError::Missing`],
    /// [`ArchiveError::Unavailable`].
    pub(crate) async fn get(&self, key: &str, length_max: usize) -> Result<Bytes, ArchiveError> {
        let object = self.open(key, 0).await?;
        let length = object.content_length().and_then(|length| usize::try_from(length).ok());
        if length.is_none_or(|length| length > length_max) {
            return Err(ArchiveError::damaged(key, "it is too large"));
        }
        let hash = object.metadata().and_then(|metadata| metadata.get(HASH)).cloned();
        let body = timeout(self.patience.request_max(), object.body.collect()).await??;
        let bytes = body.into_bytes();
        if hash != Some(FileHash::of(&bytes).to_string()) {
            return Err(ArchiveError::damaged(key, "it is not what was put there"));
        }
        Ok(bytes)
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

/// What the SDK says before it asks.
fn invalid(error: aws_sdk_s3::error::BuildError) -> ArchiveError {
    ArchiveError::Unavailable(Box::new(error))
}
