//! A request's body on its way to another server: bounded in size and in time, in memory only chunk by
//! chunk, and always able to tell who broke it.

use crate::peek::BODY_STALL_MAX;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

/// What a client did wrong with its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It is larger than allowed.
    #[error("the body is too large")]
    TooLarge,
    /// Nothing came for too long.
    #[error("the body was sent too slowly")]
    Stalled,
    /// The client is gone.
    #[error("the connection broke")]
    Broken,
}

/// What a [`Passing`] body has come to, for whoever waits for the answer.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    fault: OnceLock<Fault>,
    waits_for_client: AtomicBool,
    over: Notify,
}

impl Fate {
    /// What the client did wrong, if it did.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.get().copied()
    }

    /// Whether it is the client that is waited for.
    pub(crate) fn stalled(&self) -> Option<Fault> {
        self.waits_for_client.load(Ordering::Relaxed).then_some(Fault::Stalled)
    }

    /// Waits until no more of it will be sent.
    pub(crate) async fn over(&self) {
        self.over.notified().await;
    }
}

/// A body that is passed on.
pub(crate) struct Passing {
    first: Option<Bytes>,
    rest: Body,
    /// Bytes that may still come.
    left: u64,
    stall: Option<Pin<Box<Sleep>>>,
    fate: Arc<Fate>,
}

impl Passing {
    /// `first` and then the `rest`, at most `max` bytes together.
    pub(crate) fn new(first: Bytes, rest: Body, max: u64) -> Self {
        let first = Some(first).filter(|first| !first.is_empty());
        Self { first, rest, left: max, stall: None, fate: Arc::default() }
    }

    /// A body that is all there.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        let max = bytes.len() as u64;
        Self::new(bytes, Body::empty(), max)
    }

    /// No body.
    pub(crate) fn none() -> Self {
        Self::new(Bytes::new(), Body::empty(), 0)
    }

    /// What it will have come to.
    pub(crate) fn fate(&self) -> Arc<Fate> {
        Arc::clone(&self.fate)
    }

    fn fail<T>(&self, fault: Fault) -> Poll<Option<Result<T, Fault>>> {
        // The first one counts.
        let _ = self.fate.fault.set(fault);
        Poll::Ready(Some(Err(fault)))
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let frame = Pin::new(&mut self.rest).poll_frame(cx);
        self.fate.waits_for_client.store(frame.is_pending(), Ordering::Relaxed);
        if frame.is_pending() {
            let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(BODY_STALL_MAX)));
            ready!(stall.as_mut().poll(cx));
            return self.fail(Fault::Stalled);
        }
        self.stall = None;
        match ready!(frame) {
            Some(Ok(frame)) => Poll::Ready(Some(Ok(frame))),
            Some(Err(_)) => self.fail(Fault::Broken),
            None => Poll::Ready(None),
        }
    }
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let frame = match self.first.take() {
            Some(first) => Some(Ok(Frame::data(first))),
            None => ready!(self.poll_rest(cx)),
        };
        let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
        match self.left.checked_sub(bytes.map_or(0, |bytes| bytes.len() as u64)) {
            Some(left) => self.left = left,
            None => return self.fail(Fault::TooLarge),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        let mut hint = self.rest.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(first));
        }
        hint.set_lower(hint.lower().saturating_add(first));
        hint
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.fate.waits_for_client.store(false, Ordering::Relaxed);
        self.fate.over.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt as _, stream};
    use http_body_util::BodyExt as _;
    use std::io;

    fn rest(chunks: &[&'static str]) -> Body {
        let chunks: Vec<io::Result<_>> = chunks.iter().map(|text| Ok(Bytes::from(*text))).collect();
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn what_was_read_comes_before_the_rest_and_the_end_is_told() {
        let body = Passing::new("first".into(), rest(&["and", "last"]), 12);
        let fate = body.fate();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "firstandlast");
        fate.over().await;
        assert_eq!((fate.fault(), fate.stalled()), (None, None));
        let whole = Passing::new("first".into(), "rest".into(), 9);
        assert_eq!(whole.size_hint().exact(), Some(9), "so its length can be announced");
        assert!(Passing::none().is_end_stream());
    }

    #[tokio::test]
    async fn one_byte_too_many_is_the_client_s_fault() {
        let body = Passing::new("first".into(), rest(&["and", "last"]), 11);
        let fate = body.fate();
        assert!(body.collect().await.is_err());
        assert_eq!(fate.fault(), Some(Fault::TooLarge));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_silent_is_not_waited_for() {
        let silent = stream::iter([io::Result::Ok(Bytes::from("a"))]).chain(stream::pending());
        let body = Passing::new(Bytes::new(), Body::from_stream(silent), 9);
        let fate = body.fate();
        let reading = tokio::spawn(body.collect());
        sleep(BODY_STALL_MAX / 2).await;
        assert_eq!((fate.fault(), fate.stalled()), (None, Some(Fault::Stalled)));
        assert!(reading.await.unwrap().is_err());
        assert_eq!((fate.fault(), fate.stalled()), (Some(Fault::Stalled), None));
    }

    #[tokio::test]
    async fn a_client_that_is_gone_is_told_apart() {
        let gone = Body::from_stream(stream::iter([Err::<Bytes, _>(io::Error::other("gone"))]));
        let body = Passing::new("first".into(), gone, 9);
        let fate = body.fate();
        assert!(body.collect().await.is_err());
        assert_eq!(fate.fault(), Some(Fault::Broken));
    }
}
