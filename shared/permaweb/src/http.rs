//! The HTTP ground rules all clients here share: one way to build a client, to join a URL, and to read
//! a body under a byte limit.
//!
//! A redirect may not leave TLS, nor lead from a named host to a bare address (a gateway has no business
//! sending us to a cloud's metadata service), and at most [`REDIRECTS_MAX`] are followed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use serde::de::DeserializeOwned;
use url::{Host, Url};

use crate::{PermawebError, error::quote};

/// Redirects followed for one request. Gateways send raw data to a sandbox subdomain: one or two.
pub(crate) const REDIRECTS_MAX: usize = 5;

/// Idle connections kept to one host.
const IDLE_CONNECTIONS_MAX: usize = 32;

/// Why a body could not be read to its end.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The transport broke, or the time-out passed.
    Transport(reqwest::Error),
    /// More than `limit` bytes.
    TooLong { limit: usize },
}

/// A client whose every request, redirects and body included, ends within `timeout`.
/// `followed` says which redirect statuses it may follow.
///
/// # Errors
/// When TLS cannot be set up, for instance because the system has no CA certificates.
pub(crate) fn client(
    timeout: Duration,
    followed: fn(StatusCode) -> bool,
) -> Result<Client, reqwest::Error> {
    install_crypto_provider();
    let policy = redirect::Policy::custom(move |attempt| {
        if !followed(attempt.status()) {
            return attempt.stop();
        }
        match refused_redirect(attempt.previous(), attempt.url()) {
            Some(reason) => attempt.error(reason),
            None => attempt.follow(),
        }
    });
    Client::builder()
        .timeout(timeout)
        .redirect(policy)
        .referer(false)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .user_agent(concat!("rota/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Makes ring the process's TLS provider unless there is one already. Losing the race to another
/// thread is fine: then that thread's provider is in place.
fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Why a redirect along `previous` (never empty, oldest first) to `next` is not followed.
fn refused_redirect(previous: &[Url], next: &Url) -> Option<&'static str> {
    let last = previous.last()?;
    let to_address = !matches!(next.host(), Some(Host::Domain(_))) && next.host() != last.host();
    match () {
        () if previous.len() > REDIRECTS_MAX => Some("too many redirects"),
        () if last.scheme() == "https" && next.scheme() != "https" => Some("redirect out of tls"),
        () if to_address => Some("redirect to a bare address"),
        () => None,
    }
}

/// Checks that requests can be sent to `url`: http or https, with a host.
///
/// # Errors
/// [`PermawebError::BadUrl`].
pub(crate) fn base(mut url: Url) -> Result<Url, PermawebError> {
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        return Ok(url);
    }
    // Both fail only where there are no credentials to remove.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Err(PermawebError::BadUrl { url: url.into() })
}

/// `base` with `segments` appended to its path; a path prefix stays, a query does not.
pub(crate) fn join(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    url.set_query(None);
    // An http(s) url always has path segments.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Host and port of `url`, for errors and logs: never its path, query or credentials.
pub(crate) fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

/// A successful answer, read to its end.
pub(crate) struct Answer {
    pub(crate) host: String,
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON of the shape `T`.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, PermawebError> {
        serde_json::from_slice(&self.body).map_err(|error| self.malformed(&error.to_string()))
    }

    /// The error that says what is wrong with this answer.
    pub(crate) fn malformed(&self, reason: &str) -> PermawebError {
        PermawebError::Malformed { host: self.host.clone(), reason: quote(reason) }
    }
}

/// Sends `request` to `host` and reads an answer of at most `limit` bytes.
///
/// # Errors
/// `Unreachable`, `TooLong`, or `Status` for anything but a 2xx.
pub(crate) async fn ask(
    request: RequestBuilder,
    host: String,
    limit: usize,
) -> Result<Answer, PermawebError> {
    let response = match request.send().await {
        Ok(response) => response,
        Err(source) => return Err(unreachable(host, source)),
    };
    let status = response.status();
    if !status.is_success() {
        return Err(PermawebError::Status { host, status: status.as_u16() });
    }
    match read_body(response, limit).await {
        Ok(body) => Ok(Answer { host, status, body }),
        Err(BodyError::Transport(source)) => Err(unreachable(host, source)),
        Err(BodyError::TooLong { limit }) => Err(PermawebError::TooLong { host, limit }),
    }
}

fn unreachable(host: String, source: reqwest::Error) -> PermawebError {
    PermawebError::Unreachable { host, source: source.without_url() }
}

/// Reads a body of at most `limit` bytes. One that announces more is not read at all.
///
/// # Errors
/// [`BodyError`]; a body cut short is a transport error.
pub(crate) async fn read_body(mut answer: Response, limit: usize) -> Result<Bytes, BodyError> {
    let announced = answer.content_length().unwrap_or(0);
    if usize::try_from(announced).map_or(true, |length| length > limit) {
        return Err(BodyError::TooLong { limit });
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(BodyError::Transport)? {
        if chunk.len() > limit - body.len() {
            return Err(BodyError::TooLong { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn joining_keeps_a_path_prefix_and_needs_no_final_slash() {
        for (base, joined) in [
            ("http://a.b", "http://a.b/tx/x"),
            ("http://a.b/", "http://a.b/tx/x"),
            ("http://a.b:1/pre/fix", "http://a.b:1/pre/fix/tx/x"),
            ("http://a.b/pre/?q=1", "http://a.b/pre/tx/x"),
        ] {
            assert_eq!(join(&url(base), &["tx", "x"]).as_str(), joined);
        }
    }

    #[test]
    fn a_base_is_http_with_a_host() {
        assert_eq!(base(url("https://a.b/p?q=1")).unwrap().as_str(), "https://a.b/p?q=1");
        for bad in ["ftp://u:secret@a.b", "mailto:a@b.c", "file:///etc/passwd"] {
            let error = base(url(bad)).unwrap_err();
            assert!(matches!(error, PermawebError::BadUrl { .. }), "{bad}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_host_is_shown_without_credentials_and_path() {
        assert_eq!(host(&url("https://u:secret@a.b:8443/p?q")), "a.b:8443");
        assert_eq!(host(&url("https://a.b/p")), "a.b");
    }

    #[test]
    fn redirects_stay_in_tls_and_away_from_bare_addresses() {
        let refused = |from: &str, to: &str| refused_redirect(&[url(from)], &url(to));
        assert_eq!(refused("https://a.b/raw/x", "https://sandbox.a.b/x"), None);
        assert_eq!(refused("http://a.b", "https://a.b"), None);
        assert_eq!(refused("http://127.0.0.1:1", "http://127.0.0.1:2"), None);
        assert_eq!(refused("https://a.b", "http://a.b"), Some("redirect out of tls"));
        for address in ["http://169.254.169.254/", "http://[::1]/", "http://2130706433/"] {
            assert_eq!(refused("http://a.b", address), Some("redirect to a bare address"));
        }
    }

    #[test]
    fn the_sixth_redirect_is_refused() {
        let hops = vec![url("http://a.b"); REDIRECTS_MAX + 1];
        assert_eq!(refused_redirect(&hops[1..], &url("http://a.b")), None);
        assert_eq!(refused_redirect(&hops, &url("http://a.b")), Some("too many redirects"));
    }
}
