//! CORS and panics, through all layers at once.

use axum::Router;
use axum::routing::get;
use prometheus_client::registry::Registry;
use rota_service::{HttpMetrics, layers, metrics};

use crate::client::{Client, start};

fn app(registry: &mut Registry) -> Router {
    let routes = Router::new()
        .route("/", get(async || "hello"))
        .route("/panic", get(async || -> &'static str { panic!("not a word of this") }));
    layers::apply(routes, &HttpMetrics::register(registry))
}

#[tokio::test]
async fn a_preflight_from_any_origin_is_allowed() {
    let server = start(app(&mut Registry::default())).await;
    let mut client = Client::connect(server.address).await;
    client
        .send(
            "OPTIONS / HTTP/1.1\r\nhost: test\r\norigin: https://app.example\r\n\
             access-control-request-method: POST\r\n\
             access-control-request-headers: content-type\r\n\r\n",
        )
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("*"));
    let methods = answer.header("access-control-allow-methods").unwrap();
    assert!(["GET", "POST", "HEAD"].iter().all(|method| methods.contains(method)), "{methods}");
}

#[tokio::test]
async fn every_answer_is_readable_from_any_origin() {
    let server = start(app(&mut Registry::default())).await;
    let mut client = Client::connect(server.address).await;
    for (path, status) in [("/", 200), ("/panic", 500), ("/missing", 404)] {
        let answer = client.get_with(path, "origin: https://app.example\r\n").await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (status, Some("*"))
        );
        assert_eq!(answer.header("access-control-expose-headers"), Some("*"), "{path}");
        assert_eq!(answer.header("vary"), None, "{path} is the same for every origin");
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_connection_goes_on() {
    let mut registry = Registry::default();
    let server = start(app(&mut registry)).await;
    let mut client = Client::connect(server.address).await;
    let answer = client.get("/panic").await;
    let trace = answer.header("traceresponse").unwrap().split('-').nth(1).unwrap();
    let body = format!(r#"{{"error":"internal error","trace_id":"{trace}"}}"#);
    assert_eq!((answer.status, answer.text()), (500, body.as_str()));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(client.get("/").await.text(), "hello");
    let text = metrics::encode(&registry);
    assert!(text.contains(r#"{method="GET",route="/panic",status="500"} 1"#), "{text}");
}
