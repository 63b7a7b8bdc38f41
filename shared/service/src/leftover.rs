//! What is left of a request's body once nobody wants it.
//!
//! A connection that is closed while bytes of the client lie unread is reset, and the reset overtakes the
//! answer: whoever sent too much would not learn so. So the rest is read and thrown away, within limits,
//! while the answer is on its way; then the connection can even go on.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Bytes that are thrown away for one request; one that brings more is cut off.
const LEFTOVER_BYTES_MAX: usize = 64 << 20;
/// The longest pause between two chunks of it.
const LEFTOVER_STALL_MAX: Duration = Duration::from_secs(2);
/// The longest time for all of it.
const LEFTOVER_TIME_MAX: Duration = Duration::from_secs(15);

/// A request's body that reads itself to its end when it is dropped before.
pub(crate) struct WholeBody {
    /// `None` once it has ended.
    body: Option<Incoming>,
    /// The client sends nothing before it is told to (`Expect: 100-continue`), which reading does.
    waits: bool,
}

impl WholeBody {
    /// The request with its body wrapped.
    pub(crate) fn of(request: Request<Incoming>) -> Request<Self> {
        let waits = request.headers().contains_key(EXPECT);
        request.map(|body| Self { body: Some(body), waits })
    }
}

impl Body for WholeBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.waits = false;
        let Some(body) = &mut self.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for WholeBody {
    fn drop(&mut self) {
        let left = self.body.take().filter(|body| !self.waits && !body.is_end_stream());
        // Outside a runtime the connection is gone anyway.
        if let (Some(body), Ok(runtime)) = (left, Handle::try_current()) {
            runtime.spawn(timeout(LEFTOVER_TIME_MAX, throw_away(body)));
        }
    }
}

async fn throw_away(mut body: Incoming) {
    let mut left = LEFTOVER_BYTES_MAX;
    while let Ok(Some(Ok(frame))) = timeout(LEFTOVER_STALL_MAX, body.frame()).await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(bytes) else { return };
        left = rest;
    }
}
