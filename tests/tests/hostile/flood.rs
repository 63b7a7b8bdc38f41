//! Large bodies that are sent slowly, from one address and from many. They hold the room for large ones, and
//! small items are placed all the while.

use crate::site;
use rota_schedule::ProcessId;
use rota_testkit::{Site, message};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Bytes that each body is announced with, and those of them that arrive at once: as many as are allowed.
const ANNOUNCED: usize = 10 << 20;
const ARRIVES: usize = ANNOUNCED - 1_000;
/// How many there are. All together are more than may be in memory.
const SLOW: u8 = 40;
/// Small items that are posted meanwhile, and the longest that each may take.
const POSTS: usize = 40;
const POST_MAX: Duration = Duration::from_secs(2);
/// Bytes of a large item that is sent as it should be.
const LARGE_BYTES: usize = 3 << 20;
/// Bytes of a body that asks whether there is room: more than slow ones may leave, each having found none.
const PROBE_BYTES: usize = 9 << 20;
/// Until the slow bodies have arrived as far as they will.
const ARRIVED_MAX: Duration = Duration::from_secs(30);

/// Whoever shares no address with the usual client, which has the first.
fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, number)
}

async fn connect(from: Ipv4Addr, to: &Site) -> TcpStream {
    let address: SocketAddr = to.process.url.strip_prefix("http://").unwrap().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(address).await.unwrap()
}

fn head(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
}

/// Sends nearly all of a body, and then the rest byte by byte, until it is refused.
async fn send_slowly(mut stream: TcpStream) {
    let chunk = vec![b'x'; ARRIVES];
    stream.write_all(head(ANNOUNCED).as_bytes()).await.unwrap();
    while stream.write_all(&chunk).await.is_ok() {
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Posts a body from an address. Gives the status.
async fn post_from(from: Ipv4Addr, site: &Site, body: &[u8]) -> u16 {
    let mut stream = connect(from, site).await;
    stream.write_all(head(body.len()).as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    std::str::from_utf8(&answer).unwrap().rsplit(' ').next().unwrap().parse().unwrap()
}

/// Waits until an address finds no room for a large body.
async fn until_full_for(from: Ipv4Addr, site: &Site) {
    let (since, no_item) = (Instant::now(), vec![0; PROBE_BYTES]);
    loop {
        match post_from(from, site, &no_item).await {
            429 => return,
            status => assert_eq!(status, 400, "it had room, and is no item"),
        }
        assert!(since.elapsed() < ARRIVED_MAX, "there is always room");
    }
}

/// Posts small items from an address: all of them are placed, and soon.
async fn post_small(from: Ipv4Addr, site: &Site, process: ProcessId) {
    for _ in 0..POSTS {
        let since = Instant::now();
        let status = post_from(from, site, message(process).sign().bytes()).await;
        assert_eq!(status, 200, "a small item is denied");
        assert!(since.elapsed() < POST_MAX, "{:?} for a small item", since.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_large_bodies_of_one_address_deny_only_its_own_large_ones() {
    let site = site().await;
    let process = site.spawned().await;
    let (slow, usual) = (address(2), address(1));
    let mut bodies = JoinSet::new();
    for _ in 0..SLOW {
        bodies.spawn(send_slowly(connect(slow, &site).await));
    }
    until_full_for(slow, &site).await;
    post_small(slow, &site, process).await;
    post_small(usual, &site, process).await;
    let large = message(process).data(vec![b'x'; LARGE_BYTES]).sign();
    assert_eq!(post_from(usual, &site, large.bytes()).await, 200);
    bodies.shutdown().await;
    assert_eq!(site.checked(process).await.len(), 2 + 2 * POSTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_large_bodies_of_many_addresses_deny_no_small_one() {
    let site = site().await;
    let process = site.spawned().await;
    let mut bodies = JoinSet::new();
    for number in 0..SLOW {
        bodies.spawn(send_slowly(connect(address(2 + number), &site).await));
    }
    let usual = address(1);
    until_full_for(usual, &site).await;
    post_small(usual, &site, process).await;
    bodies.shutdown().await;
    assert_eq!(site.checked(process).await.len(), 1 + POSTS);
}
