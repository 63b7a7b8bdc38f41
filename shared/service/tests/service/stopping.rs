//! What a stop does to running requests, idle connections and new ones.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use rota_service::ServerLimits;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::client::{Client, PATIENCE, start, start_with};

const REQUEST: &str = "GET /slow HTTP/1.1\r\nhost: test\r\n\r\n";

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/slow", get(async || sleep(Duration::from_millis(300)).await))
        .route("/hung", get(async || std::future::pending::<()>().await))
}

#[tokio::test]
async fn a_running_request_finishes_and_a_hung_one_is_cut() {
    let drain = Duration::from_millis(800);
    let server = start_with(app(), ServerLimits { drain, ..ServerLimits::default() }).await;
    let mut slow = Client::connect(server.address).await;
    let mut hung = Client::connect(server.address).await;
    slow.send(REQUEST).await;
    hung.send("GET /hung HTTP/1.1\r\nhost: test\r\n\r\n").await;
    sleep(Duration::from_millis(100)).await;

    let stopped = Instant::now();
    server.stop.trigger();
    let answer = slow.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(!hung.closed_within(Duration::from_millis(50)).await, "cut before the drain time");
    timeout(PATIENCE, server.task).await.unwrap().unwrap().unwrap();
    assert!(stopped.elapsed() >= drain && stopped.elapsed() < drain * 2);
    assert!(hung.closed_within(PATIENCE).await);
}

#[tokio::test]
async fn idle_and_fresh_connections_do_not_hold_up_a_stop() {
    let server = start(app()).await;
    let mut idle = Client::connect(server.address).await;
    idle.get("/").await;
    let mut fresh = Client::connect(server.address).await;
    sleep(Duration::from_millis(50)).await;

    let (stopped, address) = (Instant::now(), server.address);
    server.stop.trigger();
    timeout(PATIENCE, server.task).await.unwrap().unwrap().unwrap();
    assert!(stopped.elapsed() < Duration::from_secs(1), "took {:?}", stopped.elapsed());
    assert!(idle.closed_within(PATIENCE).await && fresh.closed_within(PATIENCE).await);
    assert!(TcpStream::connect(address).await.is_err(), "still listening");
}

#[tokio::test]
async fn a_dropped_server_cuts_everything() {
    let server = start(app()).await;
    let mut client = Client::connect(server.address).await;
    client.send(REQUEST).await;
    sleep(Duration::from_millis(50)).await;
    server.task.abort();
    assert!(client.closed_within(Duration::from_millis(200)).await);
}
