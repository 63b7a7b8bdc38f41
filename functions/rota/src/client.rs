//! How the command talks to a scheduler: one client, bounded answers, errors that say what went wrong
//! where.
//!
//! It must not know what an answer means.

use anyhow::{Context as _, anyhow, bail};
use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::time::Duration;
use url::Url;

/// Where `rota local` listens unless told otherwise.
pub(crate) const URL_DEFAULT: &str = "http://127.0.0.1:9000";
/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a scheduler may send nothing. A POST waits for gateways, which have 10 s each.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The largest answer, in bytes. Other schedulers serve pages of a thousand entries of any size.
const ANSWER_BYTES_MAX: usize = 512 << 20;
/// How much of an answer that is no JSON is shown in an error, in characters.
const QUOTE_CHARS_MAX: usize = 200;
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A scheduler (or a router in front of some), as its clients see it.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
}

/// What it answered, with whatever status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The answer is an item or a bundle, and no text about one.
    pub(crate) is_octets: bool,
    /// When it is worth trying again.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// Why there is no answer.
pub(crate) struct NoAnswer {
    /// Nobody was reached, so nothing was done.
    pub(crate) is_unsent: bool,
    pub(crate) error: anyhow::Error,
}

/// The body of every error (contract §3).
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
}

impl Client {
    /// A client of the scheduler at `base`.
    pub(crate) fn new(base: &Url) -> anyhow::Result<Self> {
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            bail!("{base} is not the URL of a scheduler: it must begin with http:// or https://");
        }
        // Losing the race to another thread is fine: then that thread's provider is in place.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .read_timeout(SILENCE_MAX)
            .user_agent(concat!("rota/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("cannot set up an HTTP client")?;
        Ok(Self { http, base: base.clone() })
    }

    /// The URL it was made for, as a person types it.
    pub(crate) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// `GET` of a path below the base, with query parameters.
    pub(crate) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        self.send(self.http.get(self.join(path, query))).await
    }

    /// `POST` to the base.
    pub(crate) async fn try_post(
        &self,
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, NoAnswer> {
        let request = self.http.post(self.join(&[], query)).header(CONTENT_TYPE, OCTETS);
        self.try_send(request.body(body)).await
    }

    fn join(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        // An http(s) URL always has path segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Answer> {
        self.try_send(request).await.map_err(|no_answer| no_answer.error)
    }

    async fn try_send(&self, request: RequestBuilder) -> Result<Answer, NoAnswer> {
        let response = request.send().await.map_err(|error| NoAnswer {
            is_unsent: error.is_connect(),
            error: self.no_answer(error),
        })?;
        self.read(response).await.map_err(|error| NoAnswer { is_unsent: false, error })
    }

    async fn read(&self, mut response: Response) -> anyhow::Result<Answer> {
        let status = response.status();
        let is_octets = response.headers().get(CONTENT_TYPE) == Some(&OCTETS);
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.no_answer(error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                bail!("{} answers more than {ANSWER_BYTES_MAX} bytes", self.url());
            }
            body.extend_from_slice(&chunk);
        }
        let retry_after = retry_after.map(Duration::from_secs);
        Ok(Answer { status, is_octets, retry_after, body: body.freeze() })
    }

    fn no_answer(&self, error: reqwest::Error) -> anyhow::Error {
        let url = self.url();
        if error.is_connect() {
            return anyhow!("nothing answers at {url}: is a scheduler running there?");
        }
        if error.is_timeout() {
            return anyhow!("{url} does not answer in time");
        }
        anyhow::Error::from(error.without_url()).context(format!("no answer from {url}"))
    }
}

impl Answer {
    /// The body, if the status is one of success.
    pub(crate) fn success(self) -> anyhow::Result<Bytes> {
        if self.status.is_success() { Ok(self.body) } else { Err(anyhow!(self.reason())) }
    }

    /// The body as JSON, if the status is one of success.
    pub(crate) fn json<T: DeserializeOwned>(self) -> anyhow::Result<T> {
        let body = self.success()?;
        serde_json::from_slice(&body).context("the scheduler's answer is not what it must be")
    }

    /// Status and text of an error.
    pub(crate) fn reason(&self) -> String {
        let text = match serde_json::from_slice::<ErrorBody>(&self.body) {
            Ok(body) => body.error,
            Err(_) => String::from_utf8_lossy(&self.body).chars().take(QUOTE_CHARS_MAX).collect(),
        };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        format!("the scheduler answers {}: {text}", self.status)
    }
}

/// Runs what has to wait for the network.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}
