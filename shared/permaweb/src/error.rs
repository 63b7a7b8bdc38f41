//! What can go wrong when the permaweb is asked: one enum for the gateway side of the crate.
//!
//! Texts name the host, never a whole URL (it may carry credentials), and quote at most
//! [`QUOTE_CHARS_MAX`] characters of what a stranger sent.

/// Characters of a stranger's text that an error may quote.
const QUOTE_CHARS_MAX: usize = 200;

/// Why a gateway could not be asked, or why its answer does not count.
#[derive(Debug, thiserror::Error)]
pub enum PermawebError {
    /// The HTTP client could not be set up: most often the system has no CA certificates.
    #[error("cannot set up the http client")]
    Client(#[source] reqwest::Error),
    /// A configured URL is not an `http` or `https` URL with a host.
    #[error("{url} is not an http(s) url with a host")]
    BadUrl {
        /// The URL without its credentials.
        url: String,
    },
    /// No connection, no answer in time, an answer cut short, or redirects without end.
    #[error("no complete answer from {host}")]
    Unreachable {
        /// Host and port that were asked.
        host: String,
        /// What the transport reports.
        #[source]
        source: reqwest::Error,
    },
    /// The host answered with a status that is neither success nor a defined "no".
    #[error("{host} answered with status {status}")]
    Status {
        /// Host and port that were asked.
        host: String,
        /// The HTTP status.
        status: u16,
    },
    /// The body is longer than the limit of this kind of answer.
    #[error("the answer of {host} is longer than {limit} bytes")]
    TooLong {
        /// Host and port that were asked.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is not what this kind of answer looks like.
    #[error("the answer of {host} makes no sense: {reason}")]
    Malformed {
        /// Host and port that were asked.
        host: String,
        /// The field and what is wrong with it.
        reason: String,
    },
    /// GraphQL answered with `errors`.
    #[error("graphql at {host} reports {message:?}")]
    GraphQl {
        /// Host and port that were asked.
        host: String,
        /// The first error's message, shortened.
        message: String,
    },
    /// A question was dropped half-way: the runtime is shutting down.
    #[error("interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
    /// Every host answered, and none of them has the bytes of this id.
    #[error("no gateway has {id}")]
    NotFound {
        /// The id in base64url.
        id: String,
    },
}

/// The beginning of a stranger's text, short enough for an error.
pub(crate) fn quote(text: &str) -> String {
    text.chars().take(QUOTE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_short_and_keeps_characters_whole() {
        assert_eq!(quote("short"), "short");
        assert_eq!(quote(&"€".repeat(10_000)), "€".repeat(QUOTE_CHARS_MAX));
    }
}
