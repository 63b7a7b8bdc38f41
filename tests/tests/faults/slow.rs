//! Two hundred clients that take their time.

use crate::Site;
use rota_testkit::Client;
use rota_tests::{http, post_all};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::sleep;

const CLIENTS: usize = 200;
const LASTS: Duration = Duration::from_secs(4);
/// So little fits between the scheduler and a client that does not read.
const RECEIVE_BYTES: u32 = 4_096;
const HEALTH_MAX: Duration = Duration::from_millis(100);

/// One that sends a body byte by byte, never reads its answer, or says nothing at all.
async fn dawdle(address: SocketAddr, page: String, kind: usize) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BYTES).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    match kind {
        0 => {
            let head = "POST / HTTP/1.1\r\nhost: rota\r\ncontent-length: 50000\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            while stream.write_all(b"x").await.is_ok() {
                sleep(Duration::from_millis(100)).await;
            }
        }
        1 => {
            let request = format!("GET {page} HTTP/1.1\r\nhost: rota\r\n\r\n").repeat(2);
            stream.write_all(request.as_bytes()).await.unwrap();
            sleep(2 * LASTS).await;
        }
        _ => {
            // Until the scheduler hangs up.
            let _ = stream.read(&mut [0]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_slow_nobody_else_down() {
    let mut site = Site::new();
    let rota = site.start(&[]);
    site.fill(&rota, 2, 60).await;
    let address: SocketAddr = rota.url.trim_start_matches("http://").parse().unwrap();
    let page = format!("/{}?limit=100", site.processes[0]);
    let mut clients = JoinSet::new();
    for index in 0..CLIENTS {
        clients.spawn(dawdle(address, page.clone(), index % 3));
    }
    let over = Arc::new(AtomicBool::new(false));
    let health = probe(rota.url.clone(), over.clone());
    let (client, since) = (Client::new(&rota.url), Instant::now());
    while since.elapsed() < LASTS {
        post_all(&rota.url, site.messages(1), &site.book).await;
        client.get(&format!("/{}/latest", site.processes[1])).await.ok();
    }
    over.store(true, Ordering::Relaxed);
    let mut times = health.join().unwrap();
    times.sort_unstable();
    let (p95, worst) = (times[times.len() * 95 / 100], times[times.len() - 1]);
    // The tests themselves are busy on the same cores: a single late one may be theirs.
    assert!(p95 < HEALTH_MAX && worst < 5 * HEALTH_MAX, "health took {p95:?}, at worst {worst:?}");
    clients.shutdown().await;
    site.check(&rota).await;
    assert!(rota.stop_gently().success());
}

/// On a thread of its own, so that what the test does besides is not measured.
fn probe(url: String, over: Arc<AtomicBool>) -> JoinHandle<Vec<Duration>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime.block_on(health_times(url, over)))
}

async fn health_times(url: String, over: Arc<AtomicBool>) -> Vec<Duration> {
    let (client, mut times) = (http(), Vec::new());
    while !over.load(Ordering::Relaxed) {
        let since = Instant::now();
        let answer = client.get(format!("{url}/health")).send().await.unwrap();
        assert!(answer.status().is_success());
        times.push(since.elapsed());
        sleep(Duration::from_millis(10)).await;
    }
    times
}
