//! Processes that were moved, and writers that are gone: clients behind a proxy see neither.

use crate::site::Site;
use crate::writer::{Arrived, Writer};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use rota_schedule::ProcessId;
use rota_testkit::message;
use std::net::TcpListener;
use std::time::Duration;

/// Larger than what arrives with the head of a request: it cannot be sent a second time.
const LARGE_BYTES: usize = 2_000_000;

async fn proxy() -> Site {
    Site::start(&[("ROUTE_MODE", "proxy")]).await
}

/// Points everything to a URL.
fn points(to: &str) -> impl Fn(&Arrived) -> Response + Send + Sync + 'static {
    let location = format!("{to}/");
    move |_| (StatusCode::TEMPORARY_REDIRECT, [("location", location.clone())]).into_response()
}

fn assign(process: ProcessId) -> String {
    format!("/?process-id={process}&assign={process}")
}

/// Where nobody listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_known_writer_that_points_to_another_is_followed() {
    let site = proxy().await;
    let process = site.process_of("w0");
    let item = message(process).sign();
    site.writers[0].answer(points(&site.writers[1].url));
    assert_eq!(site.post(&item).await.ok()["writer"], "w1", "the directory still says w0");
    assert_eq!(site.writers[1].one().body, item.bytes());
    site.writers[0].arrived();
    assert_eq!(site.post(&item).await.ok()["writer"], "w1");
    assert!(site.writers[0].arrived().is_empty(), "the router has learned it");
    // An assignment has no body to lose, in either mode.
    for mode in ["proxy", "redirect"] {
        let site = Site::start(&[("ROUTE_MODE", mode)]).await;
        let process = site.process_of("w0");
        site.writers[0].answer(points(&site.writers[1].url));
        let answer = site.send("POST", &assign(process), &[], Body::empty()).await;
        assert_eq!(answer.ok()["writer"], "w1", "{mode}");
    }
}

#[tokio::test]
async fn no_answer_of_a_writer_sends_a_client_of_a_proxy_elsewhere() {
    let site = proxy().await;
    let process = site.process_of("w0");
    let item = message(process).sign();
    // Back and forth, to itself, to a stranger, and nowhere at all.
    site.writers[1].answer(points(&site.writers[0].url));
    let strange = Writer::start("strange");
    let [w0, w1] = [site.writers[0].url.as_str(), site.writers[1].url.as_str()];
    for url in [w1, w0, strange.url.as_str(), "http://10.0.0.7", "//x"] {
        site.writers[0].answer(points(url));
        let answer = site.post(&item).await;
        assert!(answer.error(503).contains("on its way"), "{url}: {}", answer.text());
        assert_eq!(answer.header("retry-after"), Some("1"), "{url}");
        assert!(answer.header("location").is_none(), "{url}");
        let answer = site.send("POST", &assign(process), &[], Body::empty()).await;
        answer.error(503);
    }
    assert!(strange.arrived().is_empty(), "only writers of the list are asked");
    site.writers[0].answer(points("http://10.0.0.7"));
    for target in [format!("/{process}"), format!("/?process-id={process}")] {
        let answer = site.get(&target).await;
        assert!(answer.error(502).contains("w0"), "{target}");
        assert!(answer.header("location").is_none(), "{target}");
    }
}

#[tokio::test]
async fn a_large_item_that_cannot_be_sent_again_is_to_come_again_and_finds_the_new_writer() {
    let site = proxy().await;
    let process = site.process_of("w0");
    site.writers[0].answer(points(&site.writers[1].url));
    let item = message(process).data(vec![0; LARGE_BYTES]).sign();
    let answer = site.post(&item).await;
    assert!(answer.error(503).contains("on its way") && answer.header("location").is_none());
    site.writers[0].arrived();
    assert_eq!(site.post(&item).await.ok()["writer"], "w1");
    assert!(site.writers[0].arrived().is_empty());
}

#[tokio::test]
async fn which_writer_has_answered_is_learned_and_not_told() {
    let site = proxy().await;
    let process = site.process_of("w0");
    let passed_on =
        |by: &'static str| move |_: &Arrived| ([("x-rota-writer", by)], "{}").into_response();
    // A name that nobody knows is not believed.
    for (by, next) in [("strange", "w0"), ("w2", "w2")] {
        site.writers[0].answer(passed_on(by));
        let answer = site.post(&message(process).sign()).await;
        assert_eq!((answer.status, answer.header("x-rota-writer")), (200, None));
        site.writers[0].arrived();
        site.post(&message(process).sign()).await;
        let index = usize::from(next == "w2") * 2;
        site.writers[index].one();
    }
}

#[tokio::test]
async fn a_writer_that_is_gone_is_replaced_by_the_one_that_has_the_process_now() {
    let site = proxy().await;
    let process = site.process_of("w0");
    let item = message(process).sign();
    site.post(&item).await.ok();
    // Drained and switched off: only the directory knows.
    site.directory.change("w0", |writer| writer.url = Some(nowhere()));
    let other = Site::over(
        site.directory.clone(),
        Vec::new(),
        &[("ROUTE_MODE", "proxy"), ("ROUTE_CACHE_MAX", "1h")],
    );
    assert!(other.post(&item).await.error(502).contains("w0"), "nobody else has it yet");
    site.directory.set_owner(process, "w1");
    tokio::time::sleep(Duration::from_millis(1_100)).await; // the directory is not asked all the time
    assert_eq!(other.post(&item).await.ok()["writer"], "w1");
}
