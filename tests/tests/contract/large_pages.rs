//! Pages of more bytes than a server holds at once: whole, and in little memory.

use crate::site_with;
use rota_schedule::ProcessId;
use rota_testkit::{Site, message};
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// What readers that do not read may cost the server together, in bytes: for each a part of a page and a piece
/// of JSON, and what RocksDB and the allocator keep of the work. Each page has 104 MB.
const ADDED_BYTES_MAX: u64 = 64 << 20;

/// Posts messages of so many bytes.
async fn process_with(site: &Site, sizes: impl IntoIterator<Item = usize>) -> ProcessId {
    let process = site.spawned().await;
    for (number, size) in sizes.into_iter().enumerate() {
        // Equal ones would be one message.
        let mut data = vec![b'x'; size];
        data[..8].copy_from_slice(format!("{number:08}").as_bytes());
        site.client.post(&message(process).data(data).sign()).await.ok();
    }
    process
}

fn shape(page: &Value) -> (usize, &Value) {
    (page["edges"].as_array().unwrap().len(), &page["page_info"]["has_next_page"])
}

/// aoconnect's `getLastSlot` reads one page and ignores `has_next_page`.
#[tokio::test]
async fn eighty_messages_of_60_kb_are_on_one_page() {
    let site = site_with(&[]).await;
    let process = process_with(&site, [60_000; 80]).await;
    let page = site.client.get(&format!("/{process}?from-nonce=0&limit=1000")).await;
    assert!(page.header("cache-control").unwrap().contains("no-cache"), "the schedule goes on");
    let page = page.ok();
    assert_eq!(shape(&page), (80, &Value::Bool(false)));
    assert_eq!(page["edges"][79]["cursor"], "80");
    let whole = site.client.get(&format!("/{process}?from-nonce=0&to-nonce=80&limit=1000")).await;
    assert!(whole.header("cache-control").unwrap().contains("immutable"));
    assert_eq!(whole.ok()["edges"], page["edges"]);
    let bounded = site.client.get(&format!("/{process}?from-nonce=0&bytes-max=4194304")).await;
    assert_eq!(shape(&bounded.ok()).1, &Value::Bool(true));
    let compressed = [("accept-encoding", "gzip")];
    let path = format!("/{process}?from-nonce=0");
    let gzip = site.client.send("GET", &path, &compressed, Vec::new().into()).await;
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    assert!(gzip.body.len() < 4_000_000, "{}", gzip.body.len());
}

#[tokio::test]
async fn slow_readers_of_large_pages_cost_little_memory() {
    let site = site_with(&[]).await;
    let process = process_with(&site, [1_000_000; 104]).await;
    // What it keeps of any work is there before.
    site.client.get(&format!("/{process}?limit=4")).await.ok();
    let before = memory(&site);
    let mut readers = Vec::new();
    for _ in 0..4 {
        readers.push(slow_reader(&site, process).await);
    }
    sleep(Duration::from_millis(500)).await;
    let waiting = memory(&site);
    let mut body = Vec::new();
    readers[0].read_to_end(&mut body).await.unwrap();
    let after = memory(&site);
    let added = waiting.max(after).saturating_sub(before);
    assert!(body.len() > 104_000_000, "{}", body.len());
    assert!(body.ends_with(b"]}\r\n0\r\n\r\n"), "the page is whole");
    assert!(added < ADDED_BYTES_MAX, "{added} bytes");
}

/// Asks for a whole page, and reads nothing.
async fn slow_reader(site: &Site, process: ProcessId) -> TcpStream {
    let address = site.process.url.trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET /{process}?limit=1000 HTTP/1.1\r\nhost: rota\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// What the scheduler has in memory, in bytes.
fn memory(site: &Site) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", site.process.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
