//! Writers and directories that are not there, and what clients are told of it.

use crate::memory::Memory;
use crate::site::Site;
use crate::writer::{Writer, raw, write};
use axum::body::Body;
use rota_schedule::ProcessId;
use rota_testkit::{message, spawn};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// A router in proxy mode before one upstream, and a process of that.
fn before(url: &str, settings: &[(&str, &str)]) -> (Site, ProcessId) {
    let directory = Memory::default();
    directory.add("w0", url, false);
    let proxy = [&[("ROUTE_MODE", "proxy")], settings].concat();
    let site = Site::over(directory, Vec::new(), &proxy);
    let process = site.process_of("w0");
    (site, process)
}

#[tokio::test]
async fn a_writer_that_gave_its_lease_back_gets_no_posts_and_others_answer_for_it() {
    let site = Site::start(&[]).await;
    let process = site.process_of("w1");
    let release = |writer: &mut rota_schedule::WriterRecord| {
        writer.lease.as_mut().unwrap().released = true;
    };
    site.directory.change("w1", release);
    let answer = site.post(&message(process).sign()).await;
    assert!(answer.error(503).contains("w1"), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    let assign = format!("/?process-id={process}&assign={process}");
    site.send("POST", &assign, &[], Body::empty()).await.error(503);
    assert_ne!(site.named(&site.get(&format!("/{process}")).await), 1);
    // Clients would post to the origin of this answer: another writer's is not named.
    let address = site.get(&format!("/?process-id={process}")).await;
    assert_ne!(address.ok()["writer"], "w1");
    for _ in 0..20 {
        assert_ne!(site.named(&site.post(&spawn().sign()).await), 1);
    }
}

#[tokio::test]
async fn a_url_that_is_none_is_nobody_s_address() {
    let site = Site::start(&[]).await;
    let process = site.process_of("w1");
    for url in ["", "javascript:alert(1)", "http://a@b", "http://w\r\nx: y", "/"] {
        site.directory.change("w1", |writer| writer.url = Some(url.to_owned()));
        tokio::time::sleep(Duration::from_millis(1)).await;
        let site = Site::over(site.directory.clone(), Vec::new(), &[]);
        site.post(&message(process).sign()).await.error(503);
    }
}

#[tokio::test]
async fn a_directory_that_is_away_stops_only_what_is_not_known() {
    let site = Site::start(&[("ROUTE_CACHE_MAX", "1ms")]).await;
    let process = site.process_of("w2");
    let item = message(process).sign();
    assert_eq!(site.named(&site.post(&item).await), 2);
    assert_eq!(site.get("/health").await.status, 200);
    site.directory.set_away(true);
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(site.named(&site.post(&item).await), 2, "what was known is still true");
    assert_eq!(site.get(&format!("/{}", "A".repeat(43))).await.status, 307);
    for unknown in [message(spawn().sign().id().into()).sign(), spawn().sign()] {
        let answer = site.post(&unknown).await;
        assert!(answer.error(503).contains("the directory"));
        assert!(answer.header("retry-after").is_some());
    }
    let fresh = Site::over(site.directory.clone(), Vec::new(), &[]);
    for target in ["/health", "/timestamp"] {
        assert!(fresh.get(target).await.error(503).contains("the directory"), "{target}");
    }
    let ((_, asked), since) = (fresh.directory.asked(), Instant::now());
    for _ in 0..50 {
        fresh.get("/timestamp").await.error(503);
    }
    let again = usize::try_from(since.elapsed().as_secs()).unwrap(); // it is asked again after one
    assert!(fresh.directory.asked().1 <= asked + 2 + again, "it is left alone for a while");
}

#[tokio::test]
async fn nobody_there_is_told_apart_and_the_writer_is_left_alone() {
    let (site, process) = before("http://127.0.0.1:9", &[]);
    let answer = site.post(&message(process).sign()).await;
    assert!(answer.error(502).contains("writer w0"), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    assert!(site.post(&message(process).sign()).await.error(503).contains("w0"));
    site.get(&format!("/{process}")).await.error(503);
    site.post(&spawn().sign()).await.error(503);
    assert_eq!(site.directory.bound(), 1, "nothing is bound to it");
}

#[tokio::test]
async fn a_suspect_is_trusted_again_once_its_lease_shows_life() {
    let directory = Memory::default();
    directory.add("w0", "http://127.0.0.1:9", true);
    let site = Site::over(directory, Vec::new(), &[("ROUTE_MODE", "proxy")]);
    let process = site.process_of("w0");
    site.get(&format!("/{process}")).await.error(502);
    site.get(&format!("/{process}")).await.error(503);
    let writer = Writer::start("w0");
    site.directory.change("w0", |record| {
        record.url = Some(writer.url.clone());
        record.lease.as_mut().unwrap().beat += 1;
    });
    let until = Instant::now() + Duration::from_secs(5);
    while site.get(&format!("/{process}")).await.status != 200 {
        assert!(Instant::now() < until, "it stays suspect");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_became_of_a_write_that_was_cut_off_is_not_known() {
    let garbage = raw(|mut stream| write(&mut stream, b"\x00\xffgarbage\r\n\r\n"));
    let silent = raw(drop);
    let endless_head = raw(|mut stream| {
        write(&mut stream, b"HTTP/1.1 200 OK\r\n");
        for _ in 0..10_000 {
            write(&mut stream, b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n");
        }
    });
    for url in [garbage, silent, endless_head] {
        let (site, process) = before(&url, &[]);
        let text = site.post(&message(process).sign()).await.error(504);
        assert!(text.contains("outcome is unknown, post it again"), "{text}");
        let assign = format!("/?process-id={process}&assign={process}");
        site.send("POST", &assign, &[], Body::empty()).await.error(504);
        let text = site.get(&format!("/{process}")).await.error(502);
        assert!(text.contains("writer w0"), "{text}");
    }
}

#[tokio::test]
async fn who_takes_too_long_is_not_waited_for() {
    let url = raw(|stream| {
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(10));
            drop(stream);
        });
    });
    let (site, process) = before(&url, &[("PROXY_TIMEOUT", "200ms")]);
    let since = Instant::now();
    assert!(site.get(&format!("/{process}")).await.error(504).contains("in time"));
    let text = site.post(&message(process).sign()).await.error(504);
    assert!(text.contains("post it again"), "{text}");
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

#[tokio::test]
async fn an_answer_that_breaks_off_does_so_for_the_client_too() {
    let cut = raw(|mut stream| {
        write(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf");
    });
    let unended = raw(|mut stream| {
        write(&mut stream, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    });
    for url in [cut, unended] {
        let (site, process) = before(&url, &[]);
        let head = site.head("GET", &format!("/{process}"), &[], Body::empty()).await;
        assert_eq!(head.status(), 200);
        assert!(axum::body::to_bytes(head.into_body(), 2_000).await.is_err(), "it seems whole");
    }
}

#[tokio::test]
async fn a_client_that_breaks_off_is_not_the_writer_s_fault() {
    let site = Site::start(&[("ROUTE_MODE", "proxy")]).await;
    let process = site.process_of("w0");
    let item = message(process).data(vec![0; 200_000]).sign();
    let half = item.bytes().slice(..100_000);
    let chunks = futures_util::stream::iter([Ok(half), Err(io::Error::other("gone"))]);
    let request = axum::http::Request::post(format!("{}/", site.url));
    let request = request.body(Body::from_stream(chunks)).unwrap();
    assert!(site.client.request(request).await.is_err(), "nobody is there to be answered");
    let answer = site.post(&message(process).sign()).await;
    assert_eq!(answer.ok()["writer"], "w0", "the writer is trusted as before");
}
