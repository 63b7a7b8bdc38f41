//! Bodies that nobody reads: the answer arrives, and the connection goes on.

use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::client::{Client, start};

/// More than the sockets between client and server hold.
const LARGE_BYTES: usize = 24 << 20;

fn refusing() -> Router {
    let refuse = post(async || (StatusCode::FORBIDDEN, "no"));
    Router::new().route("/", refuse).route("/hello", get(async || "hello"))
}

#[tokio::test]
async fn who_sends_too_much_is_answered_and_the_connection_goes_on() {
    let server = start(refusing()).await;
    let mut client = Client::connect(server.address).await;
    let body = vec![7; LARGE_BYTES];
    for path in ["/", "/hello", "/nowhere"] {
        let answer = client.post(path, &body).await;
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        assert_eq!(client.get("/hello").await.text(), "hello");
    }
}

#[tokio::test]
async fn who_asks_before_sending_is_not_told_to_send() {
    let server = start(refusing()).await;
    for _ in 0..20 {
        let mut client = Client::connect(server.address).await;
        let head =
            "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9999\r\n\r\n";
        client.send(head).await;
        assert_eq!(client.answer().await.status, 403, "the first answer is the last");
    }
}

#[tokio::test]
async fn who_announces_more_than_comes_is_answered_at_once_and_closed_soon() {
    let server = start(refusing()).await;
    let mut client = Client::connect(server.address).await;
    let asked = Instant::now();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9999\r\n\r\nabc").await;
    assert_eq!(client.answer().await.status, 403);
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert!(client.closed_within(Duration::from_secs(5)).await);
}
