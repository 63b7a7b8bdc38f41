//! What HTTP leaves in the metrics: labels with few values whatever clients send.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use prometheus_client::registry::Registry;
use rota_service::HttpMetrics;
use rota_service::histogram::StageTimes;
use rota_service::metrics::encode;
use tokio::time::sleep;

use crate::client::{Client, start};

#[tokio::test]
async fn routes_are_counted_by_pattern() {
    let mut registry = Registry::default();
    let app = Router::new()
        .route("/item/{id}", get(async || "item"))
        .layer(HttpMetrics::register(&mut registry));
    let server = start(app).await;
    let mut client = Client::connect(server.address).await;
    for id in 0..50 {
        client.get(&format!("/item/{id}")).await;
        client.get(&format!("/made/up/{id}")).await;
        client.send(format!("BREW{id} /item/1 HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        client.answer().await;
    }
    let text = encode(&registry);
    let counted = |labels: &str| {
        let line = format!("rota_http_requests_total{{{labels}}} 50\n");
        assert!(text.contains(&line), "{line} is not in\n{text}");
    };
    counted(r#"method="GET",route="/item/{id}",status="200""#);
    counted(r#"method="GET",route="none",status="404""#);
    counted(r#"method="other",route="/item/{id}",status="405""#);
    assert_eq!(text.matches("\nrota_http_requests_total{").count(), 3);
    assert!(
        text.contains("rota_http_request_seconds_count{method=\"GET\",route=\"/item/{id}\"} 50\n")
    );
    assert!(text.contains("\nrota_http_requests_in_flight 0\n"));
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_request_in_flight_shows_and_a_client_that_leaves_is_counted() {
    let mut registry = Registry::default();
    let app = Router::new()
        .route("/hung", get(async || std::future::pending::<()>().await))
        .layer(HttpMetrics::register(&mut registry));
    let server = start(app).await;
    let mut client = Client::connect(server.address).await;
    client.send("GET /hung HTTP/1.1\r\nhost: test\r\n\r\n").await;
    sleep(Duration::from_millis(100)).await;
    assert!(encode(&registry).contains("\nrota_http_requests_in_flight 1\n"));
    drop(client);
    sleep(Duration::from_millis(100)).await;
    let text = encode(&registry);
    assert!(text.contains("\nrota_http_requests_in_flight 0\n"));
    assert!(text.contains(r#"{method="GET",route="/hung",status="499"} 1"#), "{text}");
}

#[test]
fn stages_are_told_in_buckets_from_10_microseconds_to_10_seconds() {
    let mut registry = Registry::default();
    let times = StageTimes::default();
    registry.register("stage", "A stage", times.clone());
    for micros in [9, 3_000, 11_000_000] {
        times.observe(Duration::from_micros(micros));
    }
    let text = encode(&registry);
    for (bound, count) in [("0.00001", 1), ("0.002", 1), ("0.005", 2), ("10.0", 2), ("+Inf", 3)] {
        assert!(text.contains(&format!("stage_bucket{{le=\"{bound}\"}} {count}\n")), "{text}");
    }
    assert!(text.contains("stage_count 3\n") && text.contains("stage_sum 11.003009\n"), "{text}");
}

#[tokio::test]
async fn posts_and_errors_are_summed_over_all_routes() {
    let mut registry = Registry::default();
    let metrics = HttpMetrics::register(&mut registry);
    let app = Router::new()
        .route("/", post(async || StatusCode::SERVICE_UNAVAILABLE))
        .layer(metrics.clone());
    let server = start(app).await;
    let mut client = Client::connect(server.address).await;
    for _ in 0..3 {
        client.get("/nowhere").await;
        client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n").await;
        client.answer().await;
    }
    client.get("/nowhere").await;
    let totals = metrics.totals();
    assert_eq!((totals.status_4xx, totals.status_5xx, totals.posts.total()), (4, 3, 3));
}
