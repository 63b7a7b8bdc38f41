//! A cache node of the permaweb, which shows an item before any gateway has it.
//!
//! The request is that of the reference SU: `POST {CACHE_URL}/id?codec-device=ans104@1.0` with the bytes of
//! the item. A cache keeps nothing for good, so its answer never counts as a delivery (DUR-2). This module
//! neither retries nor counts.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, StatusCode};
use url::Url;

use crate::{PermawebError, http};

/// The time that one item may take: the item is worth nothing there once the gateways have it.
pub const CACHE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(5);

/// Bytes of a cache's answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Which cache node, and how long it may take.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// `CACHE_URL`: items go to `{url}/id`; a path prefix stays.
    pub url: Url,
    /// One item, from the connection to the last byte of the answer.
    pub timeout: Duration,
}

/// A client of one cache node. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Cache {
    client: Client,
    endpoint: Url,
    host: String,
}

impl Cache {
    /// A client for the node in `config`. Asks nobody yet.
    ///
    /// # Errors
    /// [`PermawebError::BadUrl`] or [`PermawebError::Client`].
    pub fn new(config: CacheConfig) -> Result<Self, PermawebError> {
        let mut endpoint = http::join(&http::base(config.url)?, &["id"]);
        endpoint.set_query(Some("codec-device=ans104@1.0"));
        // Only these two keep method and body.
        let followed = |status| {
            matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
        };
        let client = http::client(config.timeout, followed).map_err(PermawebError::Client)?;
        let host = http::host(&endpoint);
        Ok(Self { client, endpoint, host })
    }

    /// Shows the node an item.
    ///
    /// # Errors
    /// It does not answer in time, or not with success.
    pub async fn show(&self, item: Bytes) -> Result<(), PermawebError> {
        let request = self.client.post(self.endpoint.clone()).body(item);
        match http::ask(request, self.host.clone(), ANSWER_BYTES_MAX).await {
            // The answer is of no use, so a long one is as good as a short one.
            Ok(_) | Err(PermawebError::TooLong { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
