//! Reading a request body within limits of size, time and memory.
//!
//! A client decides how much it sends and how slowly, so nothing is reserved for what it only promises:
//! the memory held for a body is about the bytes received so far, and all bodies together stay within
//! one [`BodyBudget`]. A body that finds no room is refused at once: bodies that wait for each other,
//! each holding a part, would only all stall.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::timeout;

/// A chunk below this is copied behind its predecessor instead of being kept as it is: each kept chunk
/// A body that is announced with so many bytes is gathered in one place. In bytes.
const LARGE_BYTES_MIN: usize = 1 << 20;
/// costs a handle and pins the read buffer it lies in, which one-byte chunks would multiply.
const CHUNK_BYTES_MIN: usize = 4 * 1024;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is, or says it is, larger than allowed.
    #[error("body is larger than {max} bytes")]
    TooLarge {
        /// The limit in bytes.
        max: usize,
    },
    /// Nothing came for too long, or the whole took too long.
    #[error("body did not arrive in time")]
    Stalled,
    /// The connection broke, or the body is not valid HTTP.
    #[error("body ended early")]
    Broken(#[source] axum::Error),
    /// The bodies being read at this moment fill the budget: try again later.
    #[error("too many bytes of request bodies in flight")]
    NoRoom,
}

/// How many bytes of bodies may be in memory at once, over all requests. Clones share it.
#[derive(Clone, Debug)]
pub struct BodyBudget(Arc<AtomicUsize>);

impl BodyBudget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// How many bytes are free at this moment.
    #[must_use]
    pub fn free(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> Result<(), BodyError> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(bytes))
            .map_or(Err(BodyError::NoRoom), |_| Ok(()))
    }
}

/// The bytes that one body takes from the budget; dropping it gives them back. Keep it as long as the
/// body.
#[derive(Debug)]
#[must_use = "dropping it frees the budget while the body is still in memory"]
pub struct BodyPermit {
    budget: BodyBudget,
    bytes: usize,
}

impl BodyPermit {
    fn grow(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.budget.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// Reads a whole body of at most `max` bytes.
///
/// `content_length` is what the client announces; above `max` nothing is read at all. `stall` is the
/// longest pause between two chunks, `total` the longest time for the whole. A body that arrives in one
/// chunk is not copied. One that is announced as large is gathered in one place, which takes memory only
/// as far as it is filled; any other is joined once, during which it is in memory twice.
///
/// # Errors
/// See [`BodyError`]. What was taken from the budget is given back.
pub async fn read_body(
    body: Body,
    content_length: Option<u64>,
    max: usize,
    budget: &BodyBudget,
    stall: Duration,
    total: Duration,
) -> Result<(Bytes, BodyPermit), BodyError> {
    let announced = content_length.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|bytes| bytes > max) {
        return Err(BodyError::TooLarge { max });
    }
    let reading = collect(body, announced, max, budget, stall);
    timeout(total, reading).await.unwrap_or(Err(BodyError::Stalled))
}

async fn collect(
    mut body: Body,
    announced: Option<usize>,
    max: usize,
    budget: &BodyBudget,
    stall: Duration,
) -> Result<(Bytes, BodyPermit), BodyError> {
    let mut permit = BodyPermit { budget: budget.clone(), bytes: 0 };
    let mut chunks = Chunks::for_body(announced);
    while let Some(frame) = timeout(stall, body.frame()).await.map_err(|_| BodyError::Stalled)? {
        // Trailers are the only other kind of frame; nobody asks for them.
        let Ok(chunk) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        if chunk.len() > max - permit.bytes {
            return Err(BodyError::TooLarge { max });
        }
        permit.grow(chunk.len())?;
        chunks.push(chunk);
    }
    Ok((chunks.join(permit.bytes), permit))
}

/// The chunks received so far: `kept` as they came, and behind them the copied ones.
#[derive(Default)]
struct Chunks {
    kept: Vec<Bytes>,
    copied: BytesMut,
    /// All are copied: there is room for the whole.
    in_one_place: bool,
}

impl Chunks {
    fn for_body(announced: Option<usize>) -> Self {
        let room = announced.filter(|bytes| *bytes >= LARGE_BYTES_MIN);
        let copied = BytesMut::with_capacity(room.unwrap_or(0));
        Self { kept: Vec::new(), copied, in_one_place: room.is_some() }
    }

    fn push(&mut self, chunk: Bytes) {
        let small = !self.kept.is_empty() && chunk.len() < CHUNK_BYTES_MIN;
        if self.in_one_place || small {
            self.copied.extend_from_slice(&chunk);
        } else if !chunk.is_empty() {
            self.keep_copied();
            self.kept.push(chunk);
        }
    }

    fn keep_copied(&mut self) {
        if !self.copied.is_empty() {
            self.kept.push(self.copied.split().freeze());
        }
    }

    fn join(mut self, bytes: usize) -> Bytes {
        self.keep_copied();
        if self.kept.len() <= 1 {
            return self.kept.pop().unwrap_or_default();
        }
        let mut joined = Vec::with_capacity(bytes);
        for chunk in self.kept {
            joined.extend_from_slice(&chunk);
        }
        joined.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_chunks_do_not_cost_a_handle_each() {
        let mut chunks = Chunks::default();
        for _ in 0..10_000 {
            chunks.push(Bytes::from_static(b"a"));
        }
        assert_eq!((chunks.kept.len(), chunks.copied.len()), (1, 9_999));
        chunks.push(Bytes::from(vec![b'b'; CHUNK_BYTES_MIN]));
        assert_eq!((chunks.kept.len(), chunks.copied.len()), (3, 0));
        assert_eq!(chunks.join(10_000 + CHUNK_BYTES_MIN).len(), 10_000 + CHUNK_BYTES_MIN);
    }

    #[test]
    fn a_large_body_is_gathered_where_it_stays() {
        let mut chunks = Chunks::for_body(Some(LARGE_BYTES_MIN));
        let place = chunks.copied.as_ptr();
        for byte in 0..16 {
            chunks.push(Bytes::from(vec![byte; LARGE_BYTES_MIN / 16]));
        }
        let body = chunks.join(LARGE_BYTES_MIN);
        assert_eq!((body.len(), body.as_ptr()), (LARGE_BYTES_MIN, place));
        assert!(body.chunks(LARGE_BYTES_MIN / 16).zip(0..).all(|(part, byte)| part[0] == byte));
        assert!(!Chunks::for_body(Some(LARGE_BYTES_MIN - 1)).in_one_place);
        assert!(!Chunks::for_body(None).in_one_place);
    }
}
