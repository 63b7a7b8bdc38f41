//! Bodies within limits: of size, of time, and of the memory that all of them share.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::routing::post;
use axum::{Extension, Router};
use hyper::body::Frame;
use rota_service::{BodyBudget, BodyError, BodyLimits, Peer, SMALL_BODY_BYTES_MAX, read_body};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::client::{Client, start};

const MAX: usize = 100_000;
const STALL: Duration = Duration::from_millis(150);
const TOTAL: Duration = Duration::from_millis(500);
const LIMITS: BodyLimits = BodyLimits { bytes_max: MAX, stall: STALL, total: TOTAL };

async fn read(body: Body, budget: &BodyBudget) -> Result<Bytes, BodyError> {
    read_body(body, None, LIMITS, budget, None).await
}

/// A body of exactly these chunks.
struct Chunks(VecDeque<Bytes>);

impl Chunks {
    fn of(chunks: impl IntoIterator<Item = Vec<u8>>) -> Body {
        Body::new(Self(chunks.into_iter().map(Bytes::from).collect()))
    }
}

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// A body that must not be read.
struct Untouchable;

impl HttpBody for Untouchable {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        panic!("a body announced as too large was read")
    }
}

#[tokio::test]
async fn chunks_of_any_size_join_to_what_was_sent() {
    let sent: Vec<u8> = (0..MAX).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let patterns: [&[usize]; 6] =
        [&[1], &[4095, 4096], &[1, 70_000], &[9000, 3, 3, 0], &[MAX], &[5000]];
    for sizes in patterns {
        let mut rest = sent.as_slice();
        let mut chunks = Vec::new();
        for size in sizes.iter().cycle() {
            let (chunk, behind) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk.to_vec());
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        let budget = BodyBudget::new(MAX, MAX);
        let body = read(Chunks::of(chunks), &budget).await.unwrap();
        assert!(body == sent, "chunks of {sizes:?}");
        assert_eq!(budget.free(), (MAX, 0));
        drop(body);
        assert_eq!(budget.free(), (MAX, MAX));
    }
}

#[tokio::test]
async fn a_single_chunk_is_not_copied_and_nothing_is_nothing() {
    let budget = BodyBudget::new(MAX, MAX);
    let sent = Bytes::from(vec![1; 100]);
    let body = read(Body::from(sent.clone()), &budget).await.unwrap();
    assert_eq!(body.as_ptr(), sent.as_ptr());
    let body = read(Body::empty(), &budget).await.unwrap();
    assert!(body.is_empty());
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let budget = BodyBudget::new(MAX, 10 * MAX);
    let announced = Some(MAX as u64 + 1);
    let refused = read_body(Body::new(Untouchable), announced, LIMITS, &budget, None).await;
    assert!(matches!(refused, Err(BodyError::TooLarge { max: MAX })));

    let exact = Chunks::of([vec![0; MAX]]);
    let length = Some(MAX as u64);
    assert!(read_body(exact, length, LIMITS, &budget, None).await.is_ok());

    let refused = read(Chunks::of([vec![0; MAX], vec![0; 1]]), &budget).await;
    assert!(matches!(refused, Err(BodyError::TooLarge { max: MAX })));
    assert_eq!(budget.free(), (MAX, 10 * MAX), "a refused body gives back what it took");
}

#[tokio::test]
async fn bodies_share_one_budget() {
    let budget = BodyBudget::new(150, 0);
    let first = read(Chunks::of([vec![0; 100]]), &budget.clone()).await.unwrap();
    let refused = read(Chunks::of([vec![0; 40], vec![0; 40]]), &budget).await;
    assert!(matches!(refused, Err(BodyError::NoRoom)));
    assert_eq!(budget.free(), (50, 0), "a refused body gives back what it took");
    drop(first);
    assert!(read(Chunks::of([vec![0; 100]]), &budget).await.is_ok());
}

#[tokio::test]
async fn large_bodies_leave_small_ones_their_room_whether_announced_or_grown() {
    let large = SMALL_BODY_BYTES_MAX + 1;
    let budget = BodyBudget::new(100, large);
    let announced = Some(large as u64);
    let held = read_body(vec![0; large].into(), announced, LIMITS, &budget, None).await.unwrap();
    assert_eq!(budget.free(), (100, 0));
    let announced = read_body(vec![0; large].into(), announced, LIMITS, &budget, None).await;
    assert!(matches!(announced, Err(BodyError::NoRoom)));
    let budget_of_grown = BodyBudget::new(SMALL_BODY_BYTES_MAX, 0);
    let grown = Chunks::of([vec![0; SMALL_BODY_BYTES_MAX], vec![0; 1]]);
    assert!(matches!(read(grown, &budget_of_grown).await, Err(BodyError::NoRoom)));
    assert!(read(Chunks::of([vec![0; 100]]), &budget).await.is_ok());
    drop(held);
    assert_eq!(budget.free(), (100, large));
}

/// A server that reads bodies and tells what came of each.
fn reader(budget: &BodyBudget) -> (Router, mpsc::UnboundedReceiver<String>) {
    let (tell, told) = mpsc::unbounded_channel();
    let budget = budget.clone();
    let handler = async move |peer: Option<Extension<Peer>>, body: Body| {
        let peer = peer.map(|Extension(peer)| peer);
        let outcome = match read_body(body, None, LIMITS, &budget, peer).await {
            Ok(body) => format!("{} bytes", body.len()),
            Err(error) => error.to_string(),
        };
        tell.send(outcome.clone()).unwrap();
        outcome
    };
    (Router::new().route("/", post(handler)), told)
}

const HEAD: &str = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000\r\n\r\n";

#[tokio::test]
async fn a_body_over_a_socket_arrives_whole_or_chunked() {
    let (app, _told) = reader(&BodyBudget::new(MAX, MAX));
    let server = start(app).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.post("/", &[0; 50_000]).await.text(), "50000 bytes");
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.send("3\r\nabc\r\n".repeat(1000) + "0\r\n\r\n").await;
    assert_eq!(client.answer().await.text(), "3000 bytes");
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_given_up() {
    let budget = BodyBudget::new(MAX, MAX);
    let (app, _told) = reader(&budget);
    let server = start(app).await;
    let mut client = Client::connect(server.address).await;
    client.send(HEAD).await;
    client.send([0; 500]).await;
    sleep(STALL / 3).await;
    let left = (MAX - 500, MAX);
    assert_eq!(budget.free(), left, "the budget holds what arrived, not what was announced");
    assert_eq!(client.answer().await.text(), "body did not arrive in time");
    assert_eq!(budget.free(), (MAX, MAX));
}

#[tokio::test]
async fn one_address_gets_half_and_another_the_other_half() {
    let budget = BodyBudget::new(2_000, 0);
    let (app, _told) = reader(&budget);
    let server = start(app).await;
    let mut slow = Client::connect_from("127.0.0.2", server.address).await;
    slow.send(HEAD).await;
    slow.send([0; 900]).await;
    sleep(STALL / 3).await;
    let mut same = Client::connect_from("127.0.0.2", server.address).await;
    let refused = same.post("/", &[0; 200]).await;
    let why = "too many bytes of request bodies of one address in flight";
    assert_eq!(refused.text(), why);
    let mut other = Client::connect_from("127.0.0.3", server.address).await;
    assert_eq!(other.post("/", &[0; 1_000]).await.text(), "1000 bytes");
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    let (app, mut told) = reader(&BodyBudget::new(MAX, MAX));
    let server = start(app).await;
    let mut client = Client::connect(server.address).await;
    client.send(HEAD).await;
    let mut trickled = Duration::ZERO;
    while told.is_empty() && trickled < TOTAL * 3 {
        client.send([0; 1]).await;
        sleep(STALL / 5).await;
        trickled += STALL / 5;
    }
    assert!(trickled > STALL * 2, "each pause was shorter than the longest allowed one");
    assert_eq!(told.recv().await.unwrap(), "body did not arrive in time");
}

#[tokio::test]
async fn a_body_that_is_not_http_is_broken() {
    let (app, mut told) = reader(&BodyBudget::new(MAX, MAX));
    let server = start(app).await;
    let mut client = Client::connect(server.address).await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n").await;
    assert_eq!(told.recv().await.unwrap(), "body ended early");
}
