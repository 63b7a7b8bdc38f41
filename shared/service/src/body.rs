//! Reading a request body within limits of size, time and memory.
//!
//! A client decides how much it sends and how slowly, so nothing is reserved for what it only promises:
//! the memory held for a body is about the bytes received so far, and all bodies together stay within
//! one [`BodyBudget`]. A body that finds no room is refused at once: bodies that wait for each other,
//! each holding a part, would only all stall.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::budget::{BodyBudget, BodyPermit, Peer};

/// A body that is announced with so many bytes is gathered in one place. In bytes.
const LARGE_BYTES_MIN: usize = 1 << 20;
/// A chunk below this is copied behind its predecessor instead of being kept as it is: each kept chunk
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
    /// The bodies of this peer fill its share of the budget: try again later.
    #[error("too many bytes of request bodies of one address in flight")]
    PeerFull,
}

/// How much of a body is read, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// The largest body, in bytes.
    pub bytes_max: usize,
    /// The longest pause between two chunks.
    pub stall: Duration,
    /// The longest time for the whole.
    pub total: Duration,
}

/// Reads a whole body.
///
/// `announced` is the length that the client names; above the limit nothing is read at all. `peer` is who
/// sends it, if that is known. A body that arrives in one chunk is not copied. One that is announced as large
/// is gathered in one place, which takes memory only as far as it is filled; any other is joined once, during
/// which it is in memory twice. What is returned stays counted in the budget until the last slice of it is
/// dropped.
///
/// # Errors
/// See [`BodyError`]. What was taken from the budget is given back.
pub async fn read_body(
    body: Body,
    announced: Option<u64>,
    limits: BodyLimits,
    budget: &BodyBudget,
    peer: Option<Peer>,
) -> Result<Bytes, BodyError> {
    let announced = announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if announced.is_some_and(|bytes| bytes > limits.bytes_max) {
        return Err(BodyError::TooLarge { max: limits.bytes_max });
    }
    let permit = budget.permit(announced, peer);
    let reading = collect(body, announced, limits, permit);
    timeout(limits.total, reading).await.unwrap_or(Err(BodyError::Stalled))
}

async fn collect(
    mut body: Body,
    announced: Option<usize>,
    BodyLimits { bytes_max, stall, .. }: BodyLimits,
    mut permit: BodyPermit,
) -> Result<Bytes, BodyError> {
    let mut chunks = Chunks::for_body(announced);
    while let Some(frame) = timeout(stall, body.frame()).await.map_err(|_| BodyError::Stalled)? {
        // Trailers are the only other kind of frame; nobody asks for them.
        let Ok(chunk) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        if chunk.len() > bytes_max - permit.bytes() {
            return Err(BodyError::TooLarge { max: bytes_max });
        }
        permit.grow(chunk.len())?;
        chunks.push(chunk);
    }
    let bytes = chunks.join(permit.bytes());
    Ok(permit.hold(bytes))
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
