//! `POST /` refused: which status, and that the text says why.

use crate::site_with;
use bytes::Bytes;
use rota_ans104::Item;
use rota_schedule::ProcessId;
use rota_testkit::{Client, ItemBuilder, message, spawn};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is wrong with an item, the status and a word of the answer.
fn cases(process: ProcessId) -> Vec<(ItemBuilder, u16, &'static str)> {
    let nobody = ProcessId::new([9; 32]);
    vec![
        (message(process).without("Data-Protocol"), 400, "Data-Protocol"),
        (spawn().without("Data-Protocol"), 400, "Data-Protocol"),
        (message(process).without("Type"), 400, "Type"),
        (message(process).without("Type").tag("Type", "Assignment"), 400, "Assignment"),
        (message(process).without("Type").tag("Type", "process"), 400, "process"),
        (ItemBuilder::new(None), 400, "Data-Protocol"),
        (spawn().without("Module"), 400, "Module"),
        (spawn().without("Scheduler"), 400, "Scheduler"),
        (spawn().rename("Module", "module"), 400, "Module"),
        (spawn().without("Type").tag("Type", "Message"), 400, "target"),
        (message(nobody), 404, "not known"),
        (message(process).tag("data+link", "x"), 400, "+link"),
        (message(process).tag("Data", "abc+link"), 400, "+link"),
        (spawn().tag("x+link", ""), 400, "+link"),
        (spawn().tag("On-Boot", ""), 400, "On-Boot"),
        (spawn().tag("On-Boot", "data"), 400, "On-Boot"),
    ]
}

#[tokio::test]
async fn every_rule_that_an_item_breaks_is_named() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    for (builder, status, word) in cases(process) {
        let why = site.client.post(&builder.sign()).await.error(status);
        assert!(why.contains(word), "{builder:?}: {why}");
    }
    assert_eq!(site.checked(process).await.len(), 1, "nothing of it entered the schedule");
}

#[tokio::test]
async fn a_link_in_the_middle_is_no_link() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    site.client.post(&message(process).tag("a+link-b", "x+linked").sign()).await.ok();
}

/// An item with one byte changed.
fn changed(item: &Item, at: usize) -> Bytes {
    let mut bytes = item.bytes().to_vec();
    bytes[at] ^= 1;
    bytes.into()
}

#[tokio::test]
async fn what_is_no_valid_item_is_400() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let item = message(process).sign();
    let last = item.bytes().len() - 1;
    let typed = |number: u8| {
        let mut bytes = item.bytes().to_vec();
        bytes[0] = number;
        Bytes::from(bytes)
    };
    let bodies = [
        (Bytes::new(), "signature type"),
        (Bytes::from_static(b"{\"hello\":1}"), "signature type"),
        (changed(&item, 10), "signature"),
        (changed(&item, 70), ""),
        (changed(&item, last), "signature"),
        (typed(5), "not supported"),
        (typed(6), "not supported"),
        (typed(200), "signature type"),
        (item.bytes().slice(..last - 40), ""),
    ];
    for (body, word) in bodies {
        let why = site.client.post_bytes(body.clone()).await.error(400);
        assert!(why.contains(word), "{body:?}: {why}");
    }
    assert_eq!(site.checked(process).await.len(), 1);
}

#[tokio::test]
async fn too_large_is_413_before_any_cryptography() {
    let site = site_with(&[("MAX_MESSAGE_SIZE_BYTES", "5000")]).await;
    let process = site.spawned().await;
    let empty = message(process).data("").sign().bytes().len();
    let of_size = |bytes: usize| message(process).data(vec![b'x'; bytes - empty]).sign();
    let verified = site.client.metric("rota_write_stage_seconds_count{stage=\"verify\"}").await;
    for body in [
        of_size(5_001).bytes().clone(),
        Bytes::from(vec![b'{'; 5_001]),
        Bytes::from(vec![1; 1 << 20]),
    ] {
        let why = site.client.post_bytes(body).await.error(413);
        assert!(why.contains("5000"), "{why}");
    }
    let after = site.client.metric("rota_write_stage_seconds_count{stage=\"verify\"}").await;
    assert!((after - verified).abs() < 0.5, "something was verified");
    site.client.post(&of_size(5_000)).await.ok();
}

#[tokio::test]
async fn whoever_sends_far_too_much_is_told_and_not_cut_off() {
    let site = site_with(&[]).await;
    let process = site.spawned().await;
    let large = Bytes::from(vec![7; 48 << 20]);
    for _ in 0..3 {
        site.client.post_bytes(large.clone()).await.error(413);
        let half = format!("/?process-id={process}");
        site.client.send("POST", &half, &[], large.clone()).await.error(400);
        site.client.send("POST", "/timestamp", &[], large.clone()).await.error(405);
        site.client.send("POST", "/no/route", &[], large.clone()).await.error(404);
    }
}

/// Sends a raw request and reads what comes until the other side is silent.
async fn raw(client_url: &str, request: &[u8]) -> String {
    let address = client_url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = vec![0; 4_096];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut answer)).await;
    let count = read.expect("an answer in time").expect("an answer and no reset");
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

#[tokio::test]
async fn lies_about_the_length_are_answered() {
    let site = site_with(&[("MAX_MESSAGE_SIZE_BYTES", "5000")]).await;
    let url = &site.process.url;
    let announced = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\nab";
    assert!(raw(url, announced).await.starts_with("HTTP/1.1 413"));
    let mut chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..6 {
        chunked.extend_from_slice(b"3e8\r\n");
        chunked.extend_from_slice(&[b'z'; 1_000]);
        chunked.extend_from_slice(b"\r\n");
    }
    assert!(raw(url, &chunked).await.starts_with("HTTP/1.1 413"));
    let both = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\nab";
    assert!(raw(url, both).await.starts_with("HTTP/1.1 400"));
    let stalled = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc";
    let answer = raw(url, stalled).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("too slowly"), "{answer}");
    assert_eq!(Client::new(url).get("/health").await.status, 200);
}
