//! Two hundred slow clients, while a usual one posts and reads as if they were not there.

use crate::prober::Prober;
use crate::site;
use rota_testkit::message;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Clients that send a body byte by byte.
const DRIPPING: usize = 160;
/// Clients that read no answer.
const IGNORING: usize = 40;
/// Answers that each of those asks for, of [`LARGE_BYTES`]: more than the sockets' buffers hold.
const ANSWERS_IGNORED: usize = 4;
/// Bytes of the item that they ask for.
const LARGE_BYTES: usize = 3 << 20;
/// Until the slow clients have what they can get.
const SETTLES: Duration = Duration::from_secs(2);
/// How long the usual client works among them at the least, and how much it gets done.
const LASTS: Duration = Duration::from_secs(4);
const POSTS_MIN: usize = 50;
/// The longest that one of its requests may take.
const REQUEST_MAX: Duration = Duration::from_secs(1);

/// Sends a body one byte at a time.
async fn drip(address: String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
        .await
        .unwrap();
    while stream.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Asks for more than the sockets between can hold, and never reads any of it.
async fn ignore(address: String, item: String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /raw/{item} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.repeat(ANSWERS_IGNORED).as_bytes()).await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_slow_nobody_else() {
    let site = site().await;
    let process = site.spawned().await;
    let large = message(process).data(vec![b'x'; LARGE_BYTES]).sign();
    site.client.post(&large).await.ok();
    let address = site.process.url.strip_prefix("http://").unwrap().to_owned();
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..DRIPPING {
        slow.spawn(drip(address.clone()));
    }
    for _ in 0..IGNORING {
        slow.spawn(ignore(address.clone(), large.id().to_string()));
    }
    tokio::time::sleep(SETTLES).await;
    let prober = Prober::start(&site.process.url);
    let (until, mut posted) = (Instant::now() + LASTS, 0);
    while Instant::now() < until || posted < POSTS_MIN {
        let since = Instant::now();
        let item = message(process).sign();
        site.client.post(&item).await.ok();
        site.client.get(&format!("/{}", item.id())).await.ok();
        assert!(since.elapsed() < REQUEST_MAX, "{:?} among slow clients", since.elapsed());
        posted += 1;
    }
    prober.finish();
    slow.shutdown().await;
    assert_eq!(site.checked(process).await.len(), 2 + posted);
}
