//! An update as the stack does it (`infra/writer.yaml`): one machine of a writer is replaced, and once the new one
//! lacks nothing (`/started`) the other. Nobody waits long, and nothing is lost.

use crate::town::{Machine, Town, until};
use rota_testkit::Client;
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_tests::fast_dir;
use std::time::Duration;
use tokio::time::sleep;

/// What the operations guide promises for a POST.
const REFUSED_MAX: Duration = Duration::from_secs(10);

async fn has_started(machine: &Machine) -> bool {
    Client::new(&machine.rota.url).get("/started").await.status == 200
}

/// A new machine with an empty disk, once it is well.
async fn replacement(town: &Town) -> Machine {
    let machine = town.machine("w");
    until("the new machine has started", async || has_started(&machine).await).await;
    machine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_of_both_machines_refuses_no_post_for_ten_seconds() {
    let town = Town::new().await;
    let a = town.ready("w").await;
    let b = replacement(&town).await;
    let router = town.router(&[("ROUTE_MODE", "proxy")]);
    let processes = town.spawned(&a, 3).await;
    let clients = town.clients_of(&router, &processes, 4);
    clients.more(100).await;
    assert!(a.rota.stop_gently().success());
    b.ready().await; // a task takes longer to start than that
    let a = replacement(&town).await;
    assert!(!a.is_ready(), "the other one writes");
    clients.more(50).await;
    assert!(b.rota.stop_gently().success());
    a.ready().await;
    let _b = replacement(&town).await;
    clients.more(50).await;
    let slowest = clients.finish().await;
    assert!(slowest < REFUSED_MAX, "an item waited for {slowest:?}");
    assert_eq!(town.check().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_cannot_follow_has_not_started() {
    let town = Town::new().await;
    let writer = town.ready("w").await;
    town.spawned(&writer, 2).await;
    let proxy = FaultProxy::start(town.cluster.port());
    proxy.set(Fault::Refuse);
    let standby = town.machine_with("w", fast_dir(), &[("DATABASE_URL", &proxy.url(&town.url))]);
    sleep(Duration::from_secs(2)).await;
    let client = Client::new(&standby.rota.url);
    assert!(client.get("/started").await.error(503).contains("still catching up"));
    assert_eq!(client.get("/health").await.status, 200, "nothing ails it");
    proxy.heal();
    until("it has followed", async || has_started(&standby).await).await;
}
