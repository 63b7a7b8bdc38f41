//! The functions and the writer, used through what the stack made; then what they asked AWS for is compared with what they
//! are granted.

use crate::policy::compare;
use crate::stack::NAME;
use crate::town::{Machine, Town, WRITER_KEY};
use rota_ans104::Item;
use rota_schedule::ProcessId;
use rota_testkit::{Answer, Client, message, spawn};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// From here on a body lies in S3, and something more.
const LARGE: usize = 300 << 10;
/// More than one part of an upload.
const HUGE: usize = 9 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stack_serves_and_is_granted_what_it_asks_for_and_nothing_else() {
    let town = Town::new().await;
    let machine = town.machine();
    town.recorder.take_but(WRITER_KEY);
    let settings = town.task["containerDefinitions"][0]["environment"].as_array().unwrap();
    assert!(
        settings.contains(&json!({"name": "METRICS_NAMESPACE", "value": NAME})),
        "{settings:?}"
    );
    assert_eq!(town.api.watched().await, ["AWS/Lambda", NAME].map(str::to_owned).into());
    let (process, large) = posted(&town).await;
    let policy = town.api.policy(&town.api.function_role("-Route-").await, "route").await;
    compare("the route function", &policy, &town.recorder.take_but(WRITER_KEY));
    read(&town, process, &large).await;
    let policy = town.api.policy(&town.api.function_role("-Read-").await, "read").await;
    compare("the read function", &policy, &town.recorder.take_but(WRITER_KEY));
    asked_of(&town, &machine, &large).await;
    kept(&town, machine, process).await;
    assert_eq!(town.remove_writer("retired").await, "writer retired is removed\n");
    let role = town.task["taskRoleArn"].as_str().unwrap();
    let policy = town.api.policy(role, "writer").await;
    compare("the writer", &policy, &town.recorder.asked_by(WRITER_KEY));
}

async fn send(town: &Town, item: &Item) -> Answer {
    town.route("POST", "/", item.bytes().to_vec()).await
}

/// Through the router: a spawn, messages, a large body, who schedules, and what it refuses.
async fn posted(town: &Town) -> (ProcessId, String) {
    let item = spawn().sign();
    let process: ProcessId = item.id().into();
    assert_eq!(send(town, &item).await.ok()["id"], item.id().to_string());
    for _ in 0..2 {
        send(town, &message(process).sign()).await.ok();
    }
    let large = message(process).data("x".repeat(LARGE)).sign();
    send(town, &large).await.ok();
    let who = town.route("GET", &format!("/?process-id={process}"), Vec::new()).await.ok();
    assert!(who["address"].is_string(), "{who}");
    let stranger: ProcessId = spawn().sign().id().into();
    assert_eq!(send(town, &message(stranger).sign()).await.status, 404);
    assert_eq!(town.route("POST", "/", b"no item".to_vec()).await.status, 400);
    (process, large.id().to_string())
}

/// Through the read function: pages, messages, a body out of S3, and what is not there.
async fn read(town: &Town, process: ProcessId, large: &str) {
    let page = town.read(&format!("/{process}?from-nonce=-1&to-nonce=3")).await;
    let cached = page.header("cache-control").unwrap_or_default().to_owned();
    let page = page.ok();
    assert_eq!(page["edges"].as_array().unwrap().len(), 4, "{page}");
    assert!(cached.contains("immutable"), "{cached}");
    let body = town.read(&format!("/{large}?process-id={process}")).await.ok();
    assert_eq!(body["message"]["data"].as_str().unwrap().len(), LARGE);
    let latest = town.read(&format!("/{process}/latest")).await.ok();
    assert_eq!(latest["message"]["id"], large);
    assert_eq!(town.read("/health").await.status, 200);
    let stranger = spawn().sign().id().to_string();
    assert_eq!(town.read(&format!("/{stranger}")).await.status, 404);
    assert_eq!(town.read_unsigned(&format!("/{process}")).await.status, 403);
}

/// What others ask the writer itself: a body out of S3, and to spawn what the directory gave to another writer.
async fn asked_of(town: &Town, machine: &Machine, large: &str) {
    let writer = Client::new(&machine.rota.url);
    let whole = writer.get(&format!("/{large}")).await.ok();
    assert_eq!(whole["message"]["data"].as_str().unwrap().len(), LARGE);
    let spawned = spawn().sign();
    town.bind_elsewhere(spawned.id().into()).await;
    assert!(!matches!(writer.post(&spawned).await.status, 200 | 500));
}

/// What the writer keeps in S3: checkpoints with a file in parts, one of which somebody else is said to have sent; clearing
/// up; and the way back onto an empty disk.
async fn kept(town: &Town, machine: Machine, process: ProcessId) {
    let writer = Client::new(&machine.rota.url);
    town.recorder.refuse_one_completion();
    // Noise, which no disk format makes smaller.
    let noise: Vec<u8> = (0..HUGE).map(|_| rand::random()).collect();
    writer.post(&message(process).data(noise).sign()).await.ok();
    let manifests = "ledgers/su-1/manifests/";
    let until = Instant::now() + PATIENCE;
    let deleted = || {
        let asked = town.recorder.asked_by(WRITER_KEY);
        ["s3:DeleteObject", "s3:AbortMultipartUpload"]
            .iter()
            .all(|action| asked.iter().any(|a| a.action == *action))
    };
    while !deleted() || town.archived(manifests).await == 0 {
        assert!(Instant::now() < until, "no checkpoints: {}", machine.rota.logged());
        writer.post(&message(process).sign()).await.ok();
        sleep(Duration::from_millis(500)).await;
    }
    assert!(machine.rota.stop_gently().success());
    let again = town.machine();
    let _ = again.rota.logged_with("restored a checkpoint");
    Client::new(&again.rota.url).post(&message(process).sign()).await.ok();
}
