//! What is passed on: all of it, as it comes, and nothing that is only between two neighbours.

use crate::site::{Site, whole};
use crate::writer::{raw, write};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::BodyExt as _;
use rota_testkit::{message, spawn};
use std::io::{self, Read as _};
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

/// Less than any time-out of the router.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_assignment_is_always_passed_on() {
    let site = Site::start(&[]).await;
    let process = site.process_of("w1");
    let target = format!("/?process-id={process}&assign={process}&exclude=Data&x=%20//y");
    let answer = site.send("POST", &target, &[], "ignored").await;
    assert_eq!(answer.ok()["writer"], "w1");
    let arrived = site.writers[1].one();
    assert_eq!((arrived.uri.to_string(), arrived.body.len()), (target, 0));
    for incomplete in [format!("/?process-id={process}"), format!("/?assign={process}")] {
        site.send("POST", &incomplete, &[], Body::empty()).await.error(400);
    }
}

#[tokio::test]
async fn in_proxy_mode_everything_is() {
    let site = Site::start(&[("ROUTE_MODE", "proxy")]).await;
    let spawned = spawn().sign();
    let owner = site.post(&spawned).await.ok()["writer"].as_str().unwrap().to_owned();
    let writer = &site.writers[owner[1..].parse::<usize>().unwrap()];
    assert_eq!(writer.one().body, spawned.bytes());
    let item = message(spawned.id().into()).data(vec![7; 300_000]).sign();
    assert_eq!(site.post(&item).await.ok()["writer"], owner.as_str());
    let arrived = writer.one();
    assert_eq!(arrived.headers["content-length"], item.bytes().len().to_string());
    assert!(arrived.body == *item.bytes());
    for target in [format!("/{}?from=1", spawned.id()), format!("/?process-id={}", spawned.id())] {
        assert_eq!(site.get(&target).await.ok()["writer"], owner.as_str());
        assert_eq!(writer.one().uri.to_string(), target);
    }
    let head = site.send("HEAD", &format!("/{}", spawned.id()), &[], Body::empty()).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(writer.one().method, "HEAD");
}

#[tokio::test]
async fn fields_of_one_hop_stay_and_all_others_go() {
    let site = Site::start(&[("ROUTE_MODE", "proxy")]).await;
    let process = site.process_of("w0");
    site.writers[0].answer(|_| {
        let fields = [
            ("keep-alive", "timeout=7"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("etag", "\"a\""),
            ("access-control-allow-origin", "*"),
        ];
        (StatusCode::IM_A_TEAPOT, fields, "answer").into_response()
    });
    let sent = [
        ("connection", "x-mine"),
        ("x-mine", "1"),
        ("te", "trailers"),
        ("x-theirs", "2"),
        ("host", "router.example"),
        ("accept-encoding", "zstd"),
    ];
    let answer = site.send("GET", &format!("/{process}"), &sent, Body::empty()).await;
    let arrived = site.writers[0].one().headers;
    assert_eq!(arrived["host"], site.writers[0].url.trim_start_matches("http://"));
    assert_eq!(arrived["x-forwarded-host"], "router.example");
    assert_eq!(
        (&arrived["via"], &arrived["x-theirs"]),
        (&"1.1 rota-router".parse().unwrap(), &"2".parse().unwrap())
    );
    assert_eq!(arrived["accept-encoding"], "zstd");
    assert!(!arrived.contains_key("x-mine") && !arrived.contains_key("te"));
    assert_eq!((answer.status, answer.text().as_str()), (418, "answer"));
    assert_eq!(
        (answer.header("etag"), answer.header("via")),
        (Some("\"a\""), Some("1.1 rota-router"))
    );
    assert!(answer.header("x-hop").is_none() && answer.header("keep-alive").is_none());
    assert_eq!(answer.headers.get_all("access-control-allow-origin").iter().count(), 1);
}

#[tokio::test]
async fn a_writer_whose_url_is_the_router_s_own_ends_no_router() {
    let site = Site::start(&[("ROUTE_MODE", "proxy")]).await;
    let process = site.process_of("w0");
    let url = site.url.clone();
    site.directory.change("w0", |writer| writer.url = Some(url));
    let text = timeout(SOON, site.get(&format!("/{process}"))).await.unwrap().error(502);
    assert!(text.contains("w0"), "{text}");
}

#[tokio::test]
async fn the_first_bytes_arrive_before_the_last_are_sent() {
    let (first, mut arrived) = unbounded_channel();
    let url = raw(move |mut stream| {
        let mut some = [0; 1_000];
        stream.read_exact(&mut some).unwrap();
        first.send(()).unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"end") {
            let mut more = [0; 4_096];
            let read = stream.read(&mut more).unwrap();
            seen.extend_from_slice(&more[..read]);
        }
        write(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    let site = Site::start(&[("ROUTE_MODE", "proxy")]).await;
    site.directory.change("w0", |writer| writer.url = Some(url));
    let process = site.process_of("w0");
    let item = message(process).data([&vec![b'x'; 50_000][..], b"end"].concat()).sign();
    let bytes = item.bytes().clone();
    let (chunks, body) = unbounded_channel::<io::Result<Bytes>>();
    let body = stream::unfold(body, |mut body| async { Some((body.recv().await?, body)) });
    let length = bytes.len().to_string();
    let headers = [("content-length", length.as_str())];
    let answer = site.send("POST", "/", &headers, Body::from_stream(body));
    let feeding = async {
        chunks.send(Ok(bytes.slice(..20_000))).unwrap();
        arrived.recv().await.unwrap();
        chunks.send(Ok(bytes.slice(20_000..))).unwrap();
        drop(chunks);
    };
    let (answer, ()) = timeout(SOON, async { tokio::join!(answer, feeding) }).await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_read_while_it_is_written() {
    let site = Site::start(&[("ROUTE_MODE", "proxy")]).await;
    let process = site.process_of("w0");
    let (go_on, wait) = mpsc::channel::<()>();
    let url = raw({
        let wait = std::sync::Mutex::new(wait);
        move |mut stream| {
            write(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst");
            wait.lock().unwrap().recv_timeout(SOON).unwrap();
            write(&mut stream, b"after");
        }
    });
    site.directory.change("w0", |writer| writer.url = Some(url));
    let head = site.head("GET", &format!("/{process}"), &[], Body::empty()).await;
    let mut body = head.into_body();
    let first = timeout(SOON, body.frame()).await.unwrap().unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "first");
    go_on.send(()).unwrap();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "after");
}

#[tokio::test]
async fn an_answer_of_any_size_arrives_whole() {
    let site = Site::start(&[("ROUTE_MODE", "proxy")]).await;
    let process = site.process_of("w0");
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    site.writers[0].answer(move |_| {
        let chunks: Vec<_> = (0..64).map(|_| io::Result::Ok(chunk.clone())).collect();
        Body::from_stream(stream::iter(chunks)).into_response()
    });
    let answer = site.get(&format!("/{process}")).await;
    assert_eq!((answer.status, answer.body.len()), (200, 64 << 20));
}

#[tokio::test]
async fn a_body_that_turns_out_too_large_is_refused_on_its_way() {
    let site = Site::start(&[("ROUTE_MODE", "proxy"), ("ROUTE_BODY_MAX", "100KB")]).await;
    let process = site.process_of("w1");
    let item = message(process).data(vec![0; 300_000]).sign();
    let chunks: Vec<_> =
        item.bytes().chunks(10_000).map(Bytes::copy_from_slice).map(io::Result::Ok).collect();
    let answer = site.head("POST", "/", &[], Body::from_stream(stream::iter(chunks))).await;
    let text = whole(answer).await.error(413);
    assert!(text.ends_with(&site.writers[1].url), "{text}");
    assert!(site.writers[1].arrived().is_empty(), "it never was whole there");
}
