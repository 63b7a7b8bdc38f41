//! An answer's body on its way back: one that stops coming is given up, so that the client learns it.

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// The longest pause within an answer.
const ANSWER_STALL_MAX: Duration = Duration::from_secs(30);

/// Why an answer does not go on. Its head is sent by then: all that is left is to cut the connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    /// The connection broke.
    #[error("the answer broke off")]
    Broken(#[source] hyper::Error),
    /// Nothing came for too long.
    #[error("the answer stopped coming")]
    Stalled,
}

/// The body.
pub(crate) struct Answering {
    body: Incoming,
    stall: Option<Pin<Box<Sleep>>>,
}

impl Answering {
    pub(crate) const fn new(body: Incoming) -> Self {
        Self { body, stall: None }
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_pending() {
            let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(ANSWER_STALL_MAX)));
            ready!(stall.as_mut().poll(cx));
            return Poll::Ready(Some(Err(AnswerError::Stalled)));
        }
        self.stall = None;
        frame.map_err(AnswerError::Broken)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
