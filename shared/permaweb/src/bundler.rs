//! Delivery of one item or bundle to a bundler, which puts it on Arweave.
//!
//! Serves DUR-2: "delivered" is only what the bundler confirms with the very id that was sent. A page of
//! HTML with status 200, another id or no id is an error, so the outbox keeps the item. Delivering twice
//! is harmless: the id is the hash of the item's signature. This module neither retries nor counts.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use rota_ans104::ItemId;
use serde::Deserialize;
use url::Url;

use crate::{
    PermawebError,
    error::quote,
    http::{self, BodyError},
};

/// The time one delivery may take unless configured otherwise.
pub const DELIVERY_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Bytes of a bundler's answer: a receipt has less than 4 KiB.
const RECEIPT_BYTES_MAX: usize = 64 * 1024;

/// The longest wait that a bundler's `Retry-After` can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// Which bundler, and how long it may take.
#[derive(Debug, Clone)]
pub struct BundlerConfig {
    /// `UPLOAD_NODE_URL`: items go to `{url}/tx/arweave`; a path prefix stays.
    pub url: Url,
    /// One delivery, from the connection to the last byte of the answer.
    pub timeout: Duration,
}

/// Why an item does not count as delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// No connection, no answer in time, or an answer cut short. The bundler may have the item.
    #[error("no complete answer from the bundler")]
    Unreachable(#[source] reqwest::Error),
    /// The bundler answered with something other than success.
    #[error("the bundler refused with status {status}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// How long it asks to be left alone: `Retry-After` in seconds, at most an hour.
        retry_after: Option<Duration>,
    },
    /// The bundler answered with success, but not with the id that was sent. Turbo does so (202, no
    /// id) for an item that it has already seen: it may have it, but has not said that it keeps it.
    #[error("the bundler answered with status {status} but no receipt: {reason}")]
    WrongAnswer {
        /// The HTTP status, a 2xx.
        status: u16,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl DeliveryError {
    /// Whether the bundler does not want this very item, so that sending it again as it is will not
    /// help: any 4xx but 408, 425 and 429, which are about the moment.
    pub fn is_rejection(&self) -> bool {
        match self {
            Self::Refused { status, .. } => {
                (400..500).contains(status) && !matches!(status, 408 | 425 | 429)
            }
            Self::Unreachable(_) | Self::WrongAnswer { .. } => false,
        }
    }
}

/// A client of one bundler. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Bundler {
    client: Client,
    endpoint: Url,
}

impl Bundler {
    /// A client for the bundler in `config`. Asks nobody yet.
    ///
    /// # Errors
    /// [`PermawebError::BadUrl`] or [`PermawebError::Client`].
    pub fn new(config: BundlerConfig) -> Result<Self, PermawebError> {
        let endpoint = http::join(&http::base(config.url)?, &["tx", "arweave"]);
        // Only these two keep method and body; after another redirect a GET would be answered.
        let followed = |status| {
            matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
        };
        let client = http::client(config.timeout, followed).map_err(PermawebError::Client)?;
        Ok(Self { client, endpoint })
    }

    /// Posts the item `id`, whose bytes are `bytes`. `Ok` means: the bundler has it.
    ///
    /// # Errors
    /// [`DeliveryError`]: the item is to be sent again, after a pause, unless
    /// [`DeliveryError::is_rejection`].
    pub async fn deliver(&self, id: &ItemId, bytes: Bytes) -> Result<(), DeliveryError> {
        let answer = self
            .client
            .post(self.endpoint.clone())
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(bytes)
            .send()
            .await
            .map_err(|error| DeliveryError::Unreachable(error.without_url()))?;
        if !answer.status().is_success() {
            return Err(DeliveryError::Refused {
                status: answer.status().as_u16(),
                retry_after: retry_after(answer.headers()),
            });
        }
        check_receipt(id, answer).await
    }
}

/// The part of a bundler's receipt that counts.
#[derive(Deserialize)]
struct Receipt {
    id: String,
}

async fn check_receipt(id: &ItemId, answer: Response) -> Result<(), DeliveryError> {
    let status = answer.status().as_u16();
    let wrong = |reason: String| DeliveryError::WrongAnswer { status, reason };
    let body = match http::read_body(answer, RECEIPT_BYTES_MAX).await {
        Ok(body) => body,
        Err(BodyError::Transport(error)) => {
            return Err(DeliveryError::Unreachable(error.without_url()));
        }
        Err(BodyError::TooLong { limit }) => return Err(wrong(format!("over {limit} bytes"))),
    };
    let receipt: Receipt = serde_json::from_slice(&body)
        .map_err(|error| wrong(format!("no id: {}", quote(&error.to_string()))))?;
    if receipt.id != id.to_string() {
        return Err(wrong(format!("another id: {:?}", quote(&receipt.id))));
    }
    Ok(())
}

/// `Retry-After` in its form of seconds. A date is not read: that would need a clock, and the caller
/// has its own back-off.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}
