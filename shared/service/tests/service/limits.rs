//! What a client cannot do to the others: hold connections, send heads slowly, never read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use rota_service::ServerLimits;
use rota_service::server::HEAD_BYTES_MAX;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::client::{Client, PATIENCE, Running, start, start_with};

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[tokio::test]
async fn hundreds_who_come_at_once_find_room_in_the_queue() {
    let address = "127.0.0.1:0".parse().unwrap();
    // Bound and not running: nobody is accepted.
    let server = rota_service::Server::bind(address, ServerLimits::default()).unwrap();
    let mut waiting = Vec::new();
    for number in 0..400 {
        let connect = tokio::net::TcpStream::connect(server.local_addr());
        let connected = timeout(Duration::from_millis(500), connect).await;
        waiting.push(connected.unwrap_or_else(|_| panic!("no room for {number}")).unwrap());
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = start(hello()).await;
    let mut client = Client::connect(server.address).await;
    for _ in 0..3 {
        let answer = client.get("/").await;
        assert_eq!((answer.status, answer.text()), (200, "hello"));
    }
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_eq!(client.answer().await.text(), "hello");
    assert_eq!(client.answer().await.text(), "hello");
}

/// Sends a head a byte at a time; returns how long the server bore it.
async fn drip(mut client: Client, started: Instant) -> Duration {
    for byte in b"GET / HTTP/1.1\r\nx-slow: ".iter().chain(std::iter::repeat(&b'a')) {
        let closed = client.closed_within(Duration::from_millis(100)).await;
        if closed || client.stream.write_all(&[*byte]).await.is_err() {
            break;
        }
    }
    started.elapsed()
}

#[tokio::test]
async fn slow_heads_stop_nobody_and_are_closed() {
    let header_timeout = Duration::from_secs(1);
    let limits = ServerLimits { header_timeout, ..ServerLimits::default() };
    let server = start_with(hello(), limits).await;
    let mut slow = JoinSet::new();
    for _ in 0..100 {
        let started = Instant::now(); // before the server can begin to count
        slow.spawn(drip(Client::connect(server.address).await, started));
    }
    for _ in 0..5 {
        let asked = Instant::now();
        let mut client = Client::connect(server.address).await;
        assert_eq!(client.get("/").await.text(), "hello");
        assert!(asked.elapsed() < Duration::from_millis(500), "took {:?}", asked.elapsed());
        sleep(Duration::from_millis(100)).await;
    }
    for borne in timeout(PATIENCE, slow.join_all()).await.unwrap() {
        assert!(borne >= header_timeout, "closed early, after {borne:?}");
        assert!(borne < header_timeout * 3, "closed late, after {borne:?}");
    }
}

#[tokio::test]
async fn who_asked_may_idle_longer_than_who_never_did() {
    let (header_timeout, idle_timeout) = (Duration::from_millis(200), Duration::from_secs(3));
    let limits = ServerLimits { header_timeout, idle_timeout, ..ServerLimits::default() };
    let server = start_with(hello(), limits).await;
    let mut client = Client::connect(server.address).await;
    let mut silent = Client::connect(server.address).await;
    client.get("/").await;
    assert!(silent.closed_within(idle_timeout / 2).await);
    assert!(!client.closed_within(Duration::from_millis(200)).await);
    client.get("/").await;
    assert!(client.closed_within(PATIENCE).await);
}

#[tokio::test]
async fn a_head_above_the_limit_is_refused() {
    let server = start(hello()).await;
    let long = |bytes| format!("x-long: {}\r\n", "a".repeat(bytes));
    let mut client = Client::connect(server.address).await;
    assert_eq!(client.get_with("/", &long(HEAD_BYTES_MAX / 2)).await.status, 200);
    assert_eq!(client.get_with("/", &long(HEAD_BYTES_MAX)).await.status, 431);
}

/// Two slots; a request for `/slow` takes a while.
async fn two_slots() -> Running {
    let slow = async || {
        sleep(Duration::from_millis(400)).await;
        "slow"
    };
    let limits = ServerLimits { connections_max: 2, ..ServerLimits::default() };
    start_with(hello().route("/slow", get(slow)), limits).await
}

#[tokio::test]
async fn a_connection_above_the_limit_takes_the_place_of_the_one_that_idled_longest() {
    let server = two_slots().await;
    let mut first = Client::connect(server.address).await;
    let mut second = Client::connect(server.address).await;
    first.get("/").await;
    second.get("/").await;
    first.get("/").await;
    let mut third = Client::connect(server.address).await;
    assert_eq!(third.get("/").await.text(), "hello");
    assert!(second.closed_within(PATIENCE).await);
    assert_eq!(first.get("/").await.text(), "hello", "it was of use since");
}

#[tokio::test]
async fn a_connection_above_the_limit_waits_for_those_that_are_at_work() {
    let server = two_slots().await;
    let mut busy = [Client::connect(server.address).await, Client::connect(server.address).await];
    for client in &mut busy {
        client.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
    }
    sleep(Duration::from_millis(100)).await;
    let mut third = Client::connect(server.address).await;
    third.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let mut byte = [0; 1];
    let waiting = timeout(Duration::from_millis(100), third.stream.peek(&mut byte)).await;
    assert!(waiting.is_err(), "served above the limit");
    for client in &mut busy {
        assert_eq!(client.answer().await.text(), "slow", "no answer is cut short");
    }
    assert_eq!(third.answer().await.text(), "hello");
}

#[tokio::test]
async fn clients_that_only_connect_keep_nobody_away() {
    let limits = ServerLimits { connections_max: 50, ..ServerLimits::default() };
    let server = start_with(hello(), limits).await;
    let mut client = Client::connect(server.address).await;
    let mut idle = Vec::new();
    for _ in 0..10 {
        for _ in 0..40 {
            idle.push(Client::connect(server.address).await);
        }
        assert_eq!(client.get("/").await.text(), "hello", "it is in use");
    }
    let mut late = Client::connect(server.address).await;
    let asked = Instant::now();
    assert_eq!(late.get("/").await.text(), "hello");
    assert!(asked.elapsed() < Duration::from_secs(2), "took {:?}", asked.elapsed());
}

/// More than the socket buffers of both sides hold, with a flag that tells when it is let go.
struct Large {
    bytes: Vec<u8>,
    freed: Arc<AtomicBool>,
}

const LARGE_BYTES: usize = 32 * 1024 * 1024;

impl AsRef<[u8]> for Large {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Large {
    fn drop(&mut self) {
        self.freed.store(true, Ordering::SeqCst);
    }
}

fn large(freed: &Arc<AtomicBool>) -> Router {
    let freed = Arc::clone(freed);
    let answer = async move || {
        Body::from(Bytes::from_owner(Large { bytes: vec![7; LARGE_BYTES], freed: freed.clone() }))
    };
    Router::new().route("/", get(answer))
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_let_go() {
    let freed = Arc::new(AtomicBool::new(false));
    let limits =
        ServerLimits { write_stall: Duration::from_millis(300), ..ServerLimits::default() };
    let server = start_with(large(&freed), limits).await;
    let mut client = Client::connect(server.address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    sleep(Duration::from_millis(150)).await;
    assert!(!freed.load(Ordering::SeqCst), "let go before the limit");
    let gone = async {
        while !freed.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(3), gone).await.expect("the answer is let go");
}

#[tokio::test]
async fn an_answer_that_is_read_slowly_arrives_whole() {
    let freed = Arc::new(AtomicBool::new(false));
    let write_stall = Duration::from_millis(400);
    let server =
        start_with(large(&freed), ServerLimits { write_stall, ..ServerLimits::default() }).await;
    let mut client = Client::connect(server.address).await;
    client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let started = Instant::now();
    let mut part = vec![0; LARGE_BYTES / 10];
    for _ in 0..10 {
        sleep(write_stall / 4).await;
        timeout(PATIENCE, client.stream.read_exact(&mut part)).await.unwrap().unwrap();
    }
    assert!(started.elapsed() > write_stall * 2, "not slow enough to prove anything");
}
