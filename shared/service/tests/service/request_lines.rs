//! The log has one line for each request that failed or was slow, under the trace that its answer names.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use prometheus_client::registry::Registry;

use rota_service::trace::error_body;
use rota_service::{HttpMetrics, LogFormat, Server, ServerLimits, layers, logs};
use tokio::time::sleep;

use crate::child::{self, Child};
use crate::client::{Answer, Client};

/// Which format the second process writes, and what it leaves out.
const FORMAT: &str = "TEST_LOG_FORMAT";
const FILTER: &str = "TEST_LOG_FILTER";

#[tokio::test]
#[ignore = "the second process of this module's tests"]
async fn child() {
    if !child::is_child() {
        return;
    }
    let is_text = std::env::var(FORMAT).is_ok_and(|format| format == "text");
    let format = if is_text { LogFormat::Text } else { LogFormat::Json };
    logs::init(format, &std::env::var(FILTER).unwrap()).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(address, ServerLimits::default()).unwrap();
    tracing::info!("listening at :{}:", server.local_addr().port());
    let app = Router::new()
        .route("/well", get(async || "well"))
        .route("/refused", get(async || (StatusCode::BAD_REQUEST, error_body("refused"))))
        .route("/failed", get(async || (StatusCode::SERVICE_UNAVAILABLE, error_body("failed"))))
        .route("/slow", get(async || sleep(Duration::from_millis(1_100)).await));
    let app = layers::apply(app, &HttpMetrics::register(&mut Registry::default()));
    server.run(app, std::future::pending()).await.unwrap();
}

fn start(format: &str, filter: &str) -> (Child, SocketAddr) {
    let setup = format!("export {FORMAT}={format} {FILTER}={filter}");
    let mut child = Child::start("request_lines::child", &setup);
    let line = child.line();
    let port = line.split("listening at :").nth(1).unwrap().split(':').next().unwrap();
    (child, SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap())))
}

fn trace(answer: &Answer) -> &str {
    answer.header("traceresponse").unwrap().split('-').nth(1).unwrap()
}

#[tokio::test]
async fn failed_refused_and_slow_requests_are_found_by_their_trace_in_both_formats() {
    for format in ["text", "json"] {
        let (mut child, address) = start(format, "info");
        let mut client = Client::connect(address).await;
        for (path, level, said) in [
            ("/failed?a=b", "WARN", "a request failed"),
            ("/refused", "INFO", "a request was refused"),
            ("/none", "INFO", "a request was refused"),
            ("/slow", "WARN", "a request was slow"),
        ] {
            client.get("/well").await;
            let answer = client.get(path).await;
            let line = child.line();
            let status = answer.status.to_string();
            for part in [level, said, path, "GET", &status, "duration_ms", trace(&answer)] {
                assert!(line.contains(part), "{format}: {part} is not in {line}");
            }
            let told = answer.text().is_empty() || path == "/none";
            assert!(told || answer.text().contains(trace(&answer)), "the client knows the id");
        }
    }
}

#[tokio::test]
async fn every_request_has_a_line_at_debug() {
    let (mut child, address) = start("json", "rota_service=debug,info");
    let answer = Client::connect(address).await.get("/well").await;
    let line = child.line();
    for part in ["DEBUG", "a request was answered", "/well", "200", trace(&answer)] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[tokio::test]
async fn a_hostile_path_stays_within_its_line_and_a_flood_is_counted() {
    let (mut child, address) = start("text", "info");
    let mut client = Client::connect(address).await;
    let hostile = format!("/failed?{}", "x".repeat(10_000));
    client.get(&hostile).await;
    let line = child.line();
    assert!(line.len() < 700 && line.is_ascii() && line.contains("a request failed"), "{line}");
    // More than one second's lines, all at once; then one line that tells of the rest.
    sleep(Duration::from_millis(1_100)).await;
    for _ in 0..100 {
        client.get("/failed").await;
    }
    sleep(Duration::from_millis(1_100)).await;
    client.get("/failed").await;
    let (mut lines, mut unlogged) = (0, 0);
    while lines + unlogged < 101 {
        let line = child.line();
        let count = line.split("unlogged=").nth(1).map(|rest| rest.split(' ').next().unwrap());
        unlogged += count.map_or(0, |count| count.parse().unwrap());
        lines += 1;
    }
    assert!(lines <= 40, "{lines} lines were written");
    assert_eq!(lines + unlogged, 101, "none is forgotten");
}
