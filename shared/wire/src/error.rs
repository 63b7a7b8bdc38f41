//! The one table from errors to status codes (contract §5).

use crate::QueryError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rota_schedule::{ReadError, Refusal};
use std::time::Duration;

/// Everything that a client can be told instead of an answer. The texts are for the client; what must
/// stay inside is logged where it is turned into one of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// A query parameter.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The body is no item, or its signature does not verify.
    #[error("the body is not a valid ANS-104 item: {0}")]
    Item(String),
    /// The rules of the schedule refuse the item.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The body did not arrive whole, or not in time.
    #[error("the body did not arrive: {0}")]
    Body(&'static str),
    /// There is no such thing here.
    #[error("{0} is not known to this scheduler")]
    Unknown(String),
    /// No route of the contract.
    #[error("there is no such route")]
    NoRoute,
    /// The route knows other methods.
    #[error("this route does not take that method")]
    Method,
    /// The item is larger than is accepted here.
    #[error("the item is larger than {max} bytes")]
    TooLarge {
        /// The configured limit.
        max: u64,
    },
    /// The item is larger than the router takes; where it can be posted instead.
    #[error("the body is larger than the {max} bytes that this address takes: post it to {url}")]
    TooLargeHere {
        /// The router's limit.
        max: u64,
        /// The URL of the writer.
        url: String,
    },
    /// A bounded queue is full.
    #[error("{0}, try again soon")]
    Busy(&'static str),
    /// Something that the answer depends on does not answer.
    #[error("{0} does not answer, try again soon")]
    Upstream(&'static str),
    /// The writer of a process shows no sign of life.
    #[error("writer {0}, which this process belongs to, does not answer, try again soon")]
    WriterSilent(String),
    /// The server that a request is passed on to could not be reached, or what came back is no answer.
    /// Nothing has happened there.
    #[error("{0} could not be reached or gave no valid answer, try again soon")]
    BadGateway(String),
    /// The server that a request was passed on to gave no answer to a question.
    #[error("{0} did not answer in time")]
    GatewayTimeout(String),
    /// A write was passed on, and what became of it did not come back.
    #[error(
        "{0} gave no answer: the outcome is unknown, post it again: the same item gets the same answer"
    )]
    OutcomeUnknownThere(String),
    /// This writer takes nothing (any more).
    #[error("not accepting writes: {0}")]
    NotAccepting(&'static str),
    /// The process goes from one writer to another, and that takes longer than anybody should wait.
    #[error("the process is on its way to another writer, try again soon")]
    Moving,
    /// The entry may or may not be committed.
    #[error("the outcome is unknown, post it again: the same item gets the same answer")]
    OutcomeUnknown,
    /// A fault of ours. The cause is in the log.
    #[error("internal error")]
    Internal,
}

impl ApiError {
    /// The status code of contract §5.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Query(_) | Self::Item(_) | Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Refused(refusal) => refusal_status(refusal),
            Self::Unknown(_) | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } | Self::TooLargeHere { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Upstream(_)
            | Self::WriterSilent(_)
            | Self::NotAccepting(_)
            | Self::Moving
            | Self::OutcomeUnknown => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadGateway(_) => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout(_) | Self::OutcomeUnknownThere(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// When it is worth trying again.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy(_)
            | Self::Moving
            | Self::OutcomeUnknown
            | Self::OutcomeUnknownThere(_)
            | Self::BadGateway(_)
            | Self::GatewayTimeout(_) => Some(Duration::from_secs(1)),
            Self::Upstream(_) | Self::WriterSilent(_) => Some(Duration::from_secs(5)),
            Self::NotAccepting(_) => Some(Duration::from_secs(10)),
            _ => None,
        }
    }
}

const fn refusal_status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::TagMissing(_)
        | Refusal::TypeUnknown(_)
        | Refusal::Link(_)
        | Refusal::NoTarget
        | Refusal::OnBootMalformed(_)
        | Refusal::OnBootNotFound(_)
        | Refusal::Exclude(_) => StatusCode::BAD_REQUEST,
        Refusal::AssignOff | Refusal::NotSettled { .. } | Refusal::BoundElsewhere(_) => {
            StatusCode::FORBIDDEN
        }
        Refusal::ProcessUnknown(_) | Refusal::ItemUnknown(_) => StatusCode::NOT_FOUND,
        Refusal::Duplicate { .. } => StatusCode::CONFLICT,
    }
}

impl From<ReadError> for ApiError {
    /// Logs the cause: the client learns only what it can act on.
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(cause) => {
                tracing::error!(error = %cause, "the store did not answer a read");
                Self::Upstream("the store")
            }
            ReadError::Damaged(cause) => {
                tracing::error!(error = %cause, "a stored record is damaged");
                Self::Internal
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = rota_service::trace::error_body(&self.to_string());
        let mut response =
            (self.status(), [(header::CONTENT_TYPE, "application/json")], body).into_response();
        // A 404 too: the next message may make it untrue.
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_s_own_errors_are_no_writer_s() {
        let there = || "writer w1".to_owned();
        for (error, status, text) in [
            (ApiError::WriterSilent("w1".to_owned()), 503, "writer w1, which"),
            (ApiError::BadGateway(there()), 502, "writer w1 could not be reached"),
            (ApiError::GatewayTimeout(there()), 504, "writer w1 did not answer in time"),
            (ApiError::OutcomeUnknownThere(there()), 504, "post it again"),
        ] {
            assert_eq!(error.status().as_u16(), status, "{error}");
            assert!(error.to_string().contains(text), "{error}");
            assert!(error.retry_after().is_some(), "{error}");
        }
        let large = ApiError::TooLargeHere { max: 7, url: "https://w1.example".to_owned() };
        assert_eq!((large.status().as_u16(), large.retry_after()), (413, None));
        assert!(large.to_string().ends_with("post it to https://w1.example"), "{large}");
    }
}
