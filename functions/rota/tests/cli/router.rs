//! `rota router`, over the list of writers that people without AWS have.

use crate::command::{rota, rota_with};
use reqwest::redirect::Policy;
use rota_testkit::postgres::PostgresCluster;
use rota_testkit::{Client, RotaProcess, message, spawn};
use std::path::Path;
use tempfile::TempDir;

/// Nobody listens there: the router only points to it.
const LIST: &str = r#"[{"url": "http://127.0.0.1:9", "name": "w0"}]"#;

fn start(dir: &Path, settings: &[(&str, &str)]) -> RotaProcess {
    let list = dir.join("writers.json");
    std::fs::write(&list, LIST).unwrap();
    let database = PostgresCluster::shared().fresh_database();
    let around =
        [("SCHEDULER_LIST_PATH", list.to_str().unwrap()), ("DATABASE_URL", database.as_str())];
    let bin = Path::new(env!("CARGO_BIN_EXE_rota"));
    let args = ["router", "--port", "0"];
    let settings = [&around[..], settings].concat();
    RotaProcess::try_start_as(bin, &args, &settings, "rota is ready at ").unwrap()
}

#[tokio::test]
async fn clients_are_pointed_to_the_writers_of_a_list() {
    let dir = TempDir::new().unwrap();
    let router = start(dir.path(), &[]);
    let client = Client::new(&router.url); // its ring provider is needed below
    let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    let item = spawn().sign();
    for item in [&item, &message(item.id().into()).sign()] {
        let request = http.post(format!("{}/", router.url)).body(item.bytes().clone());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 307);
        assert_eq!(answer.headers()["location"], "http://127.0.0.1:9/");
    }
    assert_eq!(client.get("/health").await.status, 200);
    client.get("/no/such/route").await.error(404);
    assert!((client.metric("rota_route_binds_total").await - 1.0).abs() < f64::EPSILON);
    assert!(router.stop_gently().success());
}

#[tokio::test]
async fn what_cannot_be_passed_on_is_told_in_json() {
    let dir = TempDir::new().unwrap();
    let router = start(dir.path(), &[("ROUTE_MODE", "proxy")]);
    let client = Client::new(&router.url);
    let answer = client.post(&spawn().sign()).await;
    assert!(answer.error(502).contains("writer w0"), "{}", answer.text());
    assert!(client.metric("rota_route_upstream_failures_total{why=\"unreachable\"}").await > 0.0);
}

#[test]
fn a_router_needs_a_directory_and_shows_its_settings() {
    let dir = TempDir::new().unwrap();
    let missing = rota(dir.path(), &["router"]).fails(1);
    assert!(missing.contains("DIRECTORY_TABLE"), "{missing}");
    let wrong = rota_with(dir.path(), ("ROUTE_MODE", "sideways"), &["router"]).fails(1);
    assert!(wrong.contains("ROUTE_MODE") && wrong.contains("redirect or proxy"), "{wrong}");
    let table = ("DIRECTORY_TABLE", "rota");
    let shown = rota_with(dir.path(), table, &["router", "--show-config", "--port", "81"]).ok();
    let line = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("PORT").contains("81") && line("DIRECTORY_TABLE").contains("rota"));
    assert!(line("ROUTE_BODY_MAX").contains("10MiB") && line("ROUTE_MODE").contains("redirect"));
}
