//! Bodies within limits: of size, of time, and of the memory that all of them share.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::routing::post;
use hyper::body::Frame;
use rota_service::{BodyBudget, BodyError, BodyPermit, read_body};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::client::{Client, start};

const MAX: usize = 100_000;
const STALL: Duration = Duration::from_millis(150);
const TOTAL: Duration = Duration::from_millis(500);

async fn read(body: Body, budget: &BodyBudget) -> Result<(Bytes, BodyPermit), BodyError> {
    read_body(body, None, MAX, budget, STALL, TOTAL).await
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
        let budget = BodyBudget::new(MAX);
        let (body, permit) = read(Chunks::of(chunks), &budget).await.unwrap();
        assert!(body == sent, "chunks of {sizes:?}");
        assert_eq!(budget.free(), 0);
        drop(permit);
        assert_eq!(budget.free(), MAX);
    }
}

#[tokio::test]
async fn a_single_chunk_is_not_copied_and_nothing_is_nothing() {
    let budget = BodyBudget::new(MAX);
    let sent = Bytes::from(vec![1; 100]);
    let (body, _permit) = read(Body::from(sent.clone()), &budget).await.unwrap();
    assert_eq!(body.as_ptr(), sent.as_ptr());
    let (body, _permit) = read(Body::empty(), &budget).await.unwrap();
    assert!(body.is_empty());
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let budget = BodyBudget::new(10 * MAX);
    let announced = Some(MAX as u64 + 1);
    let refused = read_body(Body::new(Untouchable), announced, MAX, &budget, STALL, TOTAL).await;
    assert!(matches!(refused, Err(BodyError::TooLarge { max: MAX })));

    let exact = Chunks::of([vec![0; MAX]]);
    let length = Some(MAX as u64);
    assert!(read_body(exact, length, MAX, &budget, STALL, TOTAL).await.is_ok());

    let refused = read(Chunks::of([vec![0; MAX], vec![0; 1]]), &budget).await;
    assert!(matches!(refused, Err(BodyError::TooLarge { max: MAX })));
    assert_eq!(budget.free(), 10 * MAX, "a refused body gives back what it took");
}

#[tokio::test]
async fn bodies_share_one_budget() {
    let budget = BodyBudget::new(150);
    let (_, first) = read(Chunks::of([vec![0; 100]]), &budget.clone()).await.unwrap();
    let refused = read(Chunks::of([vec![0; 40], vec![0; 40]]), &budget).await;
    assert!(matches!(refused, Err(BodyError::NoRoom)));
    assert_eq!(budget.free(), 50, "a refused body gives back what it took");
    drop(first);
    assert!(read(Chunks::of([vec![0; 100]]), &budget).await.is_ok());
}

/// A server that reads bodies and tells what came of each.
fn reader(budget: &BodyBudget) -> (Router, mpsc::UnboundedReceiver<String>) {
    let (tell, told) = mpsc::unbounded_channel();
    let budget = budget.clone();
    let handler = async move |body: Body| {
        let outcome = match read(body, &budget).await {
            Ok((body, _permit)) => format!("{} bytes", body.len()),
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
    let (app, _told) = reader(&BodyBudget::new(MAX));
    let server = start(app).await;
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.post("/", &[0; 50_000]).await.text(), "50000 bytes");
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.send("3\r\nabc\r\n".repeat(1000) + "0\r\n\r\n").await;
    assert_eq!(client.answer().await.text(), "3000 bytes");
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_given_up() {
    let budget = BodyBudget::new(MAX);
    let (app, _told) = reader(&budget);
    let server = start(app).await;
    let mut client = Client::connect(server.address).await;
    client.send(HEAD).await;
    client.send([0; 500]).await;
    sleep(STALL / 3).await;
    assert_eq!(budget.free(), MAX - 500, "the budget holds what arrived, not what was announced");
    assert_eq!(client.answer().await.text(), "body did not arrive in time");
    assert_eq!(budget.free(), MAX);
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up() {
    let (app, mut told) = reader(&BodyBudget::new(MAX));
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
    let (app, mut told) = reader(&BodyBudget::new(MAX));
    let server = start(app).await;
    let mut client = Client::connect(server.address).await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n").await;
    assert_eq!(told.recv().await.unwrap(), "body ended early");
}
