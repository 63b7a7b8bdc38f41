//! The function as it ships, over real databases or none.

use rota_readmodel::{DatabaseUrl, Holder, Projection, Row, migrate};
use rota_schedule::Timestamp;
use rota_testkit::lambda::{Lambda, cold_start};
use rota_testkit::postgres::{PostgresCluster, PostgresOptions, Stop};
use rota_testkit::scheduler::command;
use rota_testkit::{Schedule, schedules, user};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::block_in_place;

/// What the function ships as.
const READ: &str = env!("CARGO_BIN_EXE_read");
/// Nobody listens there.
const NOWHERE: &str = "postgres://rota@127.0.0.1:9/rota";
/// The longest that a client may have to wait for an error, with a store that is away.
const ERROR_MAX: Duration = Duration::from_secs(9);

pub(crate) fn read(settings: &[(&str, &str)]) -> Command {
    let mut command = command(Path::new(READ));
    command.envs(settings.iter().copied());
    command
}

/// Migrates a database and commits schedules to it.
pub(crate) async fn fill(url: &str, schedules: &[Schedule]) {
    let url: DatabaseUrl = url.parse().unwrap();
    migrate(&url).await.unwrap();
    let taken = Projection::take(&url, 2, "test", Holder([1; 16]), user().address()).await.unwrap();
    for schedule in schedules {
        assert!(taken.projection.bind(&schedule.process).await.unwrap());
        for entry in &schedule.entries {
            let row = Row { process: schedule.process, entry: entry.clone(), content: None };
            taken.projection.project(&[row]).await.unwrap();
        }
    }
    taken.projection.heartbeat(Timestamp(20_000), Timestamp(0), Some(42)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_and_the_primary_are_read() {
    let all = schedules();
    let primary = block_in_place(|| PostgresCluster::start(PostgresOptions::default()));
    let url = block_in_place(|| primary.create_database("rota"));
    fill(&url, &all).await;
    let replica = block_in_place(|| primary.replica());
    let replica_url = replica.url("rota");
    let two = format!("{NOWHERE},{replica_url}");
    let function =
        Lambda::start(read(&[("DATABASE_READ_URL", &two), ("DATABASE_URL", &url)]), None).await;
    let process = all[0].process;
    let page = function.get(&format!("/{process}")).await;
    assert_eq!(page.ok()["edges"].as_array().unwrap().len(), 12);
    assert_eq!(page.header("cache-control"), Some("private, no-cache"));
    let closed = format!("/{process}?to=20000");
    let kept = function.get(&closed).await;
    assert_eq!(kept.header("cache-control"), Some("public, max-age=31536000, immutable"));
    let latest = function.get(&format!("/{process}/latest")).await.ok();
    assert_eq!(latest["message"]["id"], all[0].entries[11].message_id.to_string());
    assert_eq!(function.get("/timestamp").await.ok()["block_height"], "000000000042");
    assert_eq!(function.get("/health").await.status, 200);
    let large = &all[3].entries[1];
    let raw = function.get(&format!("/raw/{}", large.message_id)).await;
    assert!(Some(&raw.body) == large.message.as_ref(), "{} bytes", raw.body.len());

    block_in_place(|| primary.stop(Stop::Immediate));
    let history = function.get(&closed).await;
    assert_eq!((history.status, &history.body), (200, &kept.body), "history needs no primary");
    let open = function.get(&format!("/{process}/latest")).await;
    open.error(503);
    assert!(open.header("retry-after").is_some());
    assert_eq!(function.get("/health").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_database_errors_are_quick_and_the_function_lives() {
    let settings = [("DATABASE_READ_URL", NOWHERE), ("DATABASE_URL", NOWHERE)];
    let function = Lambda::start(read(&settings), None).await;
    let id = "A".repeat(43);
    for _ in 0..2 {
        for path in
            [format!("/{id}"), format!("/{id}/latest"), "/timestamp".into(), "/health".into()]
        {
            let asked = std::time::Instant::now();
            let answer = function.get(&path).await;
            answer.error(503);
            assert!(answer.header("retry-after").is_some(), "{path}");
            assert!(asked.elapsed() < ERROR_MAX, "{path} took {:?}", asked.elapsed());
        }
    }
    function.get("/x").await.error(400);
    function.prints(r#""status_5xx":1"#).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_connects_before_a_request_needs_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://rota@{}/rota", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            drop(stream);
        }
    });
    let function =
        Lambda::start(read(&[("DATABASE_READ_URL", &url), ("DATABASE_URL", &url)]), None).await;
    function.idle().await;
    function.get("/x").await.error(400);
    function.get("/no/such/route").await.error(404);
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    function.get("/timestamp").await.error(503);
    assert!(connections.load(Ordering::SeqCst) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_cannot_work_says_why() {
    for (settings, why) in [
        (&[][..], "DATABASE_READ_URL is not set"),
        (&[("DATABASE_READ_URL", "mysql://secret")], "DATABASE_READ_URL is"),
        (&[("DATABASE_URL", NOWHERE), ("LAMBDA_RESPONSE", "x")], "LAMBDA_RESPONSE is \"x\""),
        (&[("DATABASE_URL", NOWHERE), ("RUST_LOG", "=,=")], "log filter"),
        (&[("DATABASE_URL", NOWHERE), ("IP_WHITELIST_URL", "x")], "IP_WHITELIST_URL is set"),
    ] {
        let mut function = Lambda::start(read(settings), None).await;
        let status = function.wait(Duration::from_secs(10)).await.expect("it ends");
        assert!(!status.success());
        let logged = function.logged();
        assert!(logged.contains(why) && !logged.contains("secret"), "{logged}");
    }
    let alone = read(&[("DATABASE_URL", NOWHERE)]).output().unwrap();
    let text = String::from_utf8_lossy(&alone.stderr);
    assert!(!alone.status.success() && text.contains("cargo lambda watch"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cold_start_answers() {
    let (took, answer) = cold_start(read(&[("DATABASE_URL", NOWHERE)]), "/x").await;
    answer.error(400);
    assert!(took < Duration::from_secs(2), "{took:?}");
}
