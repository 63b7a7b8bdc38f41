//! The head of an item, read off the front of a body.
//!
//! Only as many chunks are taken as the head needs, nearly always one, and that one is not copied: it goes
//! on in front of the rest. What the writer would refuse for its tags is refused here, so a head is short.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use rota_ans104::{Item, ParseError, TAGS_BYTES_MAX};
use rota_schedule::{ProcessId, Refusal};
use rota_wire::ApiError;
use std::time::Duration;
use tokio::time::timeout;

/// A body that brings nothing for this long is given up.
pub(crate) const BODY_STALL_MAX: Duration = Duration::from_secs(10);
/// A head that is not there after this long is given up.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes of all fields before the tags, at the most: the longest signature and owner (RSA-4096), and flags,
/// target, anchor and counts.
const FIXED_BYTES_MAX: usize = 2 + 512 + 512 + 33 + 33 + 16;
/// The most bytes of an item's head. A head that is longer breaks the limit of all tags.
const HEAD_BYTES_MAX: usize = FIXED_BYTES_MAX + TAGS_BYTES_MAX;

/// What the head says about where the item belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It spawns the process whose id is its own.
    Spawn(ProcessId),
    /// It is a message for a process.
    Message(ProcessId),
}

impl Kind {
    /// Reads target and `Type` (contract §3; the rest is for the writer to judge).
    fn of(item: &Item) -> Result<Self, Refusal> {
        match item.tag("Type").or_else(|| item.tag("type")) {
            Some("Process") => Ok(Self::Spawn(item.id().into())),
            Some("Message") => {
                Ok(Self::Message(ProcessId::new(*item.target().ok_or(Refusal::NoTarget)?)))
            }
            Some(other) => Err(Refusal::TypeUnknown(other.to_owned())),
            None => Err(Refusal::TagMissing("Type")),
        }
    }
}

/// A body whose first bytes have been looked at.
#[derive(Debug)]
pub(crate) struct Peeked {
    /// What they say.
    pub(crate) kind: Kind,
    /// Those bytes.
    pub(crate) first: Bytes,
    /// What follows them.
    pub(crate) rest: Body,
}

/// Reads the head of the item that `body` begins with.
///
/// # Errors
/// It is no item, belongs nowhere, or does not arrive.
pub(crate) async fn peek(body: Body) -> Result<Peeked, ApiError> {
    let late = |_| Err(ApiError::Body("it was sent too slowly"));
    timeout(HEAD_TIME_MAX, head(body)).await.unwrap_or_else(late)
}

async fn head(mut rest: Body) -> Result<Peeked, ApiError> {
    let mut first = Bytes::new();
    loop {
        let chunk = next_chunk(&mut rest).await?;
        let ended = chunk.is_none();
        first = joined(first, chunk.unwrap_or_default());
        // Cheap while the head is cut short: tags are only read when all are there.
        match Item::parse_new(first.clone()) {
            Ok(item) => return Ok(Peeked { kind: Kind::of(&item)?, first, rest }),
            Err(error) if ended || !may_go_on(&error, first.len()) => {
                return Err(ApiError::Item(error.to_string()));
            }
            Err(_) => {}
        }
    }
}

/// Whether more bytes could make the head whole.
const fn may_go_on(error: &ParseError, len: usize) -> bool {
    matches!(error, ParseError::Truncated { .. }) && len < HEAD_BYTES_MAX
}

async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    let stalled = |_| ApiError::Body("it was sent too slowly");
    while let Some(frame) = timeout(BODY_STALL_MAX, body.frame()).await.map_err(stalled)? {
        let frame = frame.map_err(|_| ApiError::Body("the connection broke"))?;
        if let Ok(chunk) = frame.into_data() {
            return Ok(Some(chunk));
        }
    }
    Ok(None)
}

/// Both behind each other. Copies nothing if one is empty, and the first at most once over all calls.
fn joined(first: Bytes, chunk: Bytes) -> Bytes {
    if first.is_empty() || chunk.is_empty() {
        return if first.is_empty() { chunk } else { first };
    }
    let mut all = first.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
    all.extend_from_slice(&chunk);
    all.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt as _, stream};
    use rota_ans104::{SignatureType, UnsignedItem};
    use rota_testkit::{message, spawn};
    use std::io;

    fn in_chunks(bytes: &Bytes, size: usize) -> Body {
        let chunks: Vec<io::Result<_>> =
            bytes.chunks(size).map(Bytes::copy_from_slice).map(Ok).collect();
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn an_item_is_known_by_its_head_however_it_is_cut() {
        let process = ProcessId::new([7; 32]);
        let item = message(process).data(vec![b'x'; 100_000]).sign();
        for size in [1, 7, 64, 1_000, 65_536, 200_000] {
            let peeked = peek(in_chunks(item.bytes(), size)).await.unwrap();
            assert_eq!(peeked.kind, Kind::Message(process), "{size}");
            let taken = peeked.first.len();
            assert!(taken < 1_000 + size, "{taken} bytes are taken in chunks of {size}");
            let rest = peeked.rest.collect().await.unwrap().to_bytes();
            assert!([&peeked.first[..], &rest].concat() == *item.bytes(), "{size}");
        }
    }

    #[tokio::test]
    async fn a_spawn_is_the_process_of_its_own_id() {
        let item = spawn().rename("Type", "type").sign();
        let peeked = peek(item.bytes().clone().into()).await.unwrap();
        assert_eq!(peeked.kind, Kind::Spawn(item.id().into()));
        assert_eq!(peeked.first.as_ptr(), item.bytes().as_ptr(), "nothing is copied");
    }

    #[tokio::test]
    async fn what_belongs_nowhere_is_refused_as_the_writer_would() {
        let process = ProcessId::new([7; 32]);
        for (item, error) in [
            (message(process).without("Type").sign(), Refusal::TagMissing("Type")),
            (
                message(process).without("Type").tag("Type", "process").sign(),
                Refusal::TypeUnknown("process".to_owned()),
            ),
            (spawn().without("Type").tag("Type", "Message").sign(), Refusal::NoTarget),
        ] {
            let refused = peek(item.bytes().clone().into()).await.unwrap_err();
            assert_eq!(refused, ApiError::Refused(error));
        }
    }

    #[tokio::test]
    async fn what_is_no_item_is_refused_without_reading_it_all() {
        let item = spawn().sign();
        for end in [0, 1, 2, 100, item.bytes().len() - item.data().len() - 1] {
            let error = peek(item.bytes().slice(..end).into()).await.unwrap_err();
            assert!(matches!(&error, ApiError::Item(text) if text.contains("cut short")), "{end}");
        }
        // A tag length that no item may have, and bytes without end behind it.
        let tag_length = item.bytes().len() - item.data().len() - item.tag_bytes().len() - 8;
        let mut endless = item.bytes().to_vec();
        endless[tag_length..tag_length + 8].fill(0x7f);
        let chunk = Bytes::from(vec![0; 60_000]);
        let first = stream::iter([io::Result::Ok(Bytes::from(endless))]);
        let endless = first.chain(stream::repeat_with(move || Ok(chunk.clone())));
        let error = peek(Body::from_stream(endless)).await.unwrap_err();
        assert!(matches!(error, ApiError::Item(_)), "{error}");
    }

    /// A message whose tags have `len` bytes in all, between 4,000 and 7,000. Nobody signed it.
    fn with_tag_bytes(len: usize) -> Item {
        let tag = |value| ("n".to_owned(), "v".repeat(value));
        let kind = ("Type".to_owned(), "Message".to_owned());
        let mut tags = vec![kind, tag(2_000), tag(2_000), tag(0)];
        let sized = |tags: Vec<(String, String)>| {
            let target = Some([7; 32]);
            let unsigned = UnsignedItem { target, tags, ..UnsignedItem::default() };
            unsigned.with_signature(SignatureType::Ed25519, &[0; 32], &[0; 64]).unwrap()
        };
        // The length of the last value takes one byte more once it is not 0.
        let missing = len - sized(tags.clone()).tag_bytes().len() - 1;
        tags[3] = tag(missing);
        sized(tags)
    }

    #[tokio::test]
    async fn tags_above_the_limit_are_refused_before_they_arrive() {
        let largest = with_tag_bytes(TAGS_BYTES_MAX);
        assert_eq!(largest.tag_bytes().len(), TAGS_BYTES_MAX);
        for size in [1, 100, 60_000] {
            let peeked = peek(in_chunks(largest.bytes(), size)).await.unwrap();
            assert_eq!(peeked.kind, Kind::Message(ProcessId::new([7; 32])), "{size}");
        }
        let larger = with_tag_bytes(6_000);
        let head = larger.bytes().len() - 6_000;
        let stalled = stream::iter([io::Result::Ok(larger.bytes().slice(..head))]);
        let error = peek(Body::from_stream(stalled.chain(stream::pending()))).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("6000 bytes") && text.contains("4096"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stalls_is_given_up() {
        let never = Body::from_stream(stream::pending::<io::Result<Bytes>>());
        let error = peek(never).await.unwrap_err();
        assert_eq!(error, ApiError::Body("it was sent too slowly"));
    }

    #[test]
    fn the_longest_head_that_is_allowed_fits() {
        for scheme in SignatureType::ALL {
            let fixed = 2 + scheme.signature_len() + scheme.owner_len() + 33 + 33 + 16;
            assert!(fixed <= FIXED_BYTES_MAX, "{scheme}");
        }
    }
}
