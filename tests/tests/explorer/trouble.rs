//! What people see when there is nothing to see: not found, not available, offline, no cryptography.

use crate::page::Page;
use crate::scene::Scene;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use rota_testkit::MODULE;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test]
async fn what_is_not_known_is_said_to_be_so() {
    let scene = Scene::new().await;
    let page = scene.open(&format!("process/{MODULE}")).await;
    page.shows("knows no process with this id").await;
    page.hash(&format!("/message/{MODULE}")).await;
    page.shows("knows no message or assignment").await;
    assert_eq!(page.eval("document.querySelector('[role=alert]') !== null").await, true);
}

/// A server of which only the page works until it is `back`.
async fn recovering(back: Arc<AtomicBool>) -> String {
    let answer = move || {
        let back = back.clone();
        async move {
            if !back.load(Ordering::Relaxed) {
                let body = r#"{"error": "the store does not answer", "trace_id": "0123456789abcdef0123456789abcdef"}"#;
                return (
                    StatusCode::SERVICE_UNAVAILABLE,
                    [("retry-after", "1"), ("content-type", "application/json")],
                    body,
                );
            }
            (
                StatusCode::OK,
                [("retry-after", "0"), ("content-type", "application/json")],
                r#"{"timestamp": "1", "address": "back"}"#,
            )
        }
    };
    let time = async || {
        (
            [("content-type", "application/json")],
            r#"{"timestamp": "1", "block_height": "000000000001"}"#,
        )
    };
    let app = Router::new()
        .route("/", get(answer))
        .route("/timestamp", get(time))
        .merge(rota_explorer::router());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn who_is_not_available_is_asked_again_when_it_says() {
    let back = Arc::new(AtomicBool::new(false));
    let url = recovering(back.clone()).await;
    let page = Page::open(&format!("{url}/explorer")).await;
    page.shows("the store does not answer").await;
    page.shows("Trying again in 1 second").await;
    page.shows("0123456789abcdef0123456789abcdef").await;
    back.store(true, Ordering::Relaxed);
    page.shows("Wallet address").await;
}

#[tokio::test]
async fn a_device_without_a_network_is_told_so_and_goes_on_with_it() {
    let scene = Scene::new().await;
    let page = scene.open("").await;
    page.shows("Wallet address").await;
    page.offline(true).await;
    page.hash(&format!("/process/{}", scene.process)).await;
    page.shows("This device is offline").await;
    page.offline(false).await;
    page.wait("document.querySelectorAll('.schedule .badge.ok').length === 1").await;
}

/// Browsers have cryptography only over https and on localhost.
#[tokio::test]
async fn where_nothing_can_be_verified_the_page_says_so_and_shows_the_rest() {
    let scene = Scene::with(2).await;
    let elsewhere = scene.open_process().await;
    let url =
        scene.url(&format!("process/{}", scene.process)).replace("127.0.0.1", "plain.example");
    elsewhere.go(&url).await;
    elsewhere.shows("only over https and on localhost").await;
    elsewhere.wait("document.querySelectorAll('.schedule tbody tr').length === 3").await;
    assert_eq!(elsewhere.count(".badge").await, 0);
    assert_eq!(elsewhere.eval("document.getElementById('verify').disabled").await, true);
    elsewhere.click(".schedule tbody tr:nth-child(2) a").await;
    elsewhere.shows("Act-0").await;
    assert_eq!(elsewhere.complaints(), [""; 0]);
}
