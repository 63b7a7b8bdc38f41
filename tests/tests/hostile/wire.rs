//! Bytes that are hardly HTTP, on raw connections.

use crate::prober::Prober;
use crate::site;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rota_testkit::message;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest that a whole exchange may take: bodies that stall are given up after 10 s.
const EXCHANGE_MAX: Duration = Duration::from_secs(25);

/// Sends `request` and reads until the server closes or `answers` answers have begun.
async fn exchange(url: &str, request: &[u8], answers: usize) -> String {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    // The server may answer and close before all is sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let reading = async {
        let mut part = [0; 4_096];
        while let Ok(count @ 1..) = stream.read(&mut part).await {
            answer.extend_from_slice(&part[..count]);
            if String::from_utf8_lossy(&answer).matches("HTTP/1.1 ").count() >= answers {
                break;
            }
        }
    };
    let end = tokio::time::timeout(EXCHANGE_MAX, reading).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(end.is_ok(), "no end after {text:?}");
    text
}

/// Statuses of all answers in a text.
fn statuses(text: &str) -> Vec<u16> {
    let parts = text.split("HTTP/1.1 ").skip(1);
    parts.filter_map(|part| part.get(..3)?.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_requests_are_4xx_or_a_closed_connection() {
    let site = site().await;
    let process = site.spawned().await;
    let prober = Prober::start(&site.process.url);
    let many = "X: y\r\n".repeat(50_000);
    let long = "a".repeat(400_000);
    for request in [
        "\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost x\r\n\r\n".to_owned(),
        "GET /\0 HTTP/1.1\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\n{many}\r\n"),
        format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n"),
        format!("GET /{long} HTTP/1.1\r\n\r\n"),
        "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!".to_owned(),
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n".to_owned(),
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nab\r\n0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcdef\r\n0\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n2\r\nab\r\n0\r\n\r\n".to_owned(),
    ] {
        let text = exchange(&site.process.url, request.as_bytes(), 1).await;
        let wrong = statuses(&text).into_iter().find(|status| !(400..500).contains(status));
        assert_eq!(wrong, None, "{request:.80}: {text}");
    }
    prober.finish();
    assert_eq!(site.checked(process).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_requests_before_garbage_are_answered() {
    let site = site().await;
    let process = site.spawned().await;
    let get = format!("GET /{process}/latest HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut pipelined = get.repeat(5).into_bytes();
    let item = message(process).sign();
    pipelined.extend(
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", item.bytes().len())
            .into_bytes(),
    );
    pipelined.extend_from_slice(item.bytes());
    pipelined.extend_from_slice(b"\xff\xfe garbage \r\n\r\n");
    let text = exchange(&site.process.url, &pipelined, 7).await;
    let statuses = statuses(&text);
    assert_eq!(statuses[..6], [200; 6], "{text}");
    assert!(statuses[6..].iter().all(|status| *status == 400));
    assert_eq!(site.checked(process).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_close_the_connection_and_nothing_else() {
    let site = site().await;
    let process = site.spawned().await;
    let prober = Prober::start(&site.process.url);
    for seed in 0..200 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut bytes: Vec<u8> =
            (0..random.random_range(1..4_000)).map(|_| random.random()).collect();
        bytes.extend_from_slice(b"\r\n\r\n");
        let text = exchange(&site.process.url, &bytes, 1).await;
        assert!(
            statuses(&text).iter().all(|status| (400..500).contains(status)),
            "seed {seed}: {text}"
        );
    }
    prober.finish();
    assert_eq!(site.checked(process).await.len(), 1);
}
