//! What a Lambda has around the routes: limits, metrics, health, CORS, compression, panics.

use crate::growing::{Answer, Fault, Growing, ask};
use axum::Router;
use rota_lambda::Meter;
use rota_read::lambda::router;
use rota_schedule::SystemClock;
use rota_testkit::schedules;
use serde_json::Value;
use std::sync::{Arc, Mutex};

/// The function over a model, and the lines that it writes.
struct Function {
    growing: Growing,
    app: Router,
    lines: Arc<Mutex<Vec<String>>>,
    process: String,
}

impl Function {
    fn new(concurrency: usize) -> Self {
        let schedules = schedules();
        let process = schedules[0].process.to_string();
        let growing = Growing::new(schedules, usize::MAX);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let meter = Meter::new("read", Arc::new(SystemClock), move |line| {
            sink.lock().unwrap().push(line.to_owned());
        });
        Self { app: router(growing.state(), concurrency, meter), growing, lines, process }
    }

    async fn get(&self, path: &str) -> Answer {
        ask(self.app.clone(), "GET", path, &[]).await
    }

    fn lines(&self) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// An error of the contract's form that no cache keeps.
#[track_caller]
fn is_error(answer: &Answer, status: u16) {
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (status, "no-store"));
    assert_eq!(answer.header("content-type"), "application/json");
    let json: Value = serde_json::from_slice(&answer.body).unwrap();
    assert!(json["error"].is_string(), "{json}");
    let trace = answer.header("traceresponse").split('-').nth(1).unwrap();
    assert_eq!(json["trace_id"], trace);
}

#[tokio::test]
async fn each_request_is_one_line_that_cloudwatch_reads() {
    let function = Function::new(8);
    let process = &function.process;
    for path in [format!("/{process}"), "/../../etc".to_owned(), "/health".to_owned()] {
        function.get(&path).await;
    }
    let answer = function.get(&format!("/{process}")).await;
    let lines = function.lines();
    let routes: Vec<_> = lines.iter().map(|line| line["route"].as_str().unwrap()).collect();
    assert_eq!(routes, ["/{id}", "none", "/health", "/{id}"], "never the path");
    let cold: Vec<_> = lines.iter().map(|line| line["cold_start"].as_u64().unwrap()).collect();
    assert_eq!(cold, [1, 0, 0, 0]);
    let line = &lines[3];
    assert_eq!(line["body"].as_u64().unwrap(), answer.body.len() as u64);
    assert_eq!((&line["status"], &line["status_2xx"]), (&200.into(), &1.into()));
    assert_eq!(lines[1]["status_4xx"], 1);
    let metrics = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(
        (&metrics["Namespace"], &metrics["Dimensions"][0][0]),
        (&"rota".into(), &"function".into())
    );
    assert_eq!(line["function"], "read");
    for metric in metrics["Metrics"].as_array().unwrap() {
        assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        assert!(metric["Unit"].is_string());
    }
    assert!(line["_aws"]["Timestamp"].as_u64().unwrap() > 1_700_000_000_000);
}

#[tokio::test]
async fn a_client_that_leaves_is_counted_too() {
    let function = Function::new(8);
    let path = format!("/{}", function.process);
    let request = axum::http::Request::get(&path).body(axum::body::Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(function.app.clone(), request).await.unwrap();
    assert!(function.lines().is_empty(), "the body is still to be sent");
    drop(answer);
    assert_eq!((function.lines().len(), &function.lines()[0]["body"]), (1, &0.into()));
}

#[tokio::test]
async fn what_is_too_much_at_once_is_refused_at_once() {
    let function = Function::new(1);
    function.growing.fail(Fault::Hang);
    let (app, path) = (function.app.clone(), format!("/{}", function.process));
    let first = tokio::spawn({
        let path = path.clone();
        async move { ask(app, "GET", &path, &[]).await }
    });
    tokio::task::yield_now().await;
    let second = function.get(&path).await;
    is_error(&second, 429);
    assert_eq!(second.header("retry-after"), "1");
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    function.growing.fail(Fault::Unavailable);
    is_error(&function.get(&path).await, 503);
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_503_with_a_time_to_come_back() {
    let function = Function::new(1);
    function.growing.fail(Fault::Hang);
    let answer = function.get(&format!("/{}", function.process)).await;
    is_error(&answer, 503);
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn health_is_whether_a_source_answers() {
    let function = Function::new(1);
    let healthy = function.get("/health").await;
    assert_eq!((healthy.status.as_u16(), healthy.body.len()), (200, 0));
    assert_eq!(healthy.header("cache-control"), "no-store");
    function.growing.fail(Fault::Unavailable);
    is_error(&function.get("/health").await, 503);
}

#[tokio::test]
async fn a_panic_is_a_500_and_counted() {
    let function = Function::new(1);
    function.growing.fail(Fault::Panic);
    let answer = function.get(&format!("/{}", function.process)).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status.as_u16(), &body["error"]), (500, &"internal error".into()));
    assert_eq!(body["trace_id"].as_str().unwrap().len(), 32);
    assert_eq!(function.lines()[0]["status_5xx"], 1);
}

#[tokio::test]
async fn other_methods_and_routes_are_errors_in_json() {
    let function = Function::new(1);
    let process = &function.process;
    for path in [&format!("/{process}"), "/", "/timestamp", "/health"] {
        for method in ["POST", "PUT", "DELETE", "BREW"] {
            is_error(&ask(function.app.clone(), method, path, &[]).await, 405);
        }
    }
    for path in ["/metrics/x/y", "/a/b/c", "/raw/a/b"] {
        is_error(&function.get(path).await, 404);
    }
}

#[tokio::test]
async fn any_origin_may_ask_and_a_304_stays_empty_when_compression_is_wished() {
    let function = Function::new(1);
    let path = format!("/{}?limit=5", function.process);
    let wish = [("origin", "https://a.example"), ("accept-encoding", "gzip")];
    let answer = ask(function.app.clone(), "GET", &path, &wish).await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(
        (answer.header("content-encoding"), answer.header("vary")),
        ("gzip", "accept, accept-encoding")
    );
    assert_eq!(answer.headers.get_all("vary").iter().count(), 1);
    let known = [wish[0], wish[1], ("if-none-match", answer.header("etag"))];
    let again = ask(function.app.clone(), "GET", &path, &known).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    assert_eq!(again.header("content-encoding"), "");
    assert_eq!(again.header("etag"), answer.header("etag"));
}

/// `cargo lambda watch` goes by a table in the workspace's manifest: it has every route, and no other.
#[tokio::test]
async fn every_route_is_in_the_table_of_the_local_emulator() {
    let manifest = include_str!("../../../../Cargo.toml");
    let (_, table) = manifest.split_once("[workspace.metadata.lambda.watch.router]\n").unwrap();
    let lines = table.lines().take_while(|line| !line.is_empty());
    let mut routes: Vec<_> = lines.map(|line| line.split('"').nth(1).unwrap()).collect();
    routes.sort_unstable();
    let expected = [
        "/",
        "/explorer",
        "/explorer/{version}/{file}",
        "/health",
        "/openapi.json",
        "/processes/{id}",
        "/raw/{id}",
        "/timestamp",
        "/{id}",
        "/{id}/latest",
    ];
    assert_eq!(routes, expected);
    let function = Function::new(8);
    let page = String::from_utf8(function.get("/explorer").await.body.to_vec()).unwrap();
    let (_, rest) = page.split_once("href=\"explorer/").unwrap();
    let style = rest.split('"').next().unwrap();
    for route in routes {
        let path = route.replace("{id}", &function.process).replace("{version}/{file}", style);
        let answer = function.get(&path).await;
        assert_ne!(answer.status.as_u16(), 404, "{route}");
    }
}
