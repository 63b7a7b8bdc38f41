//! Many writers behind one address: clients know the router's URL and nothing else.

use crate::town::{Machine, Town};
use rota_ans104::Item;
use rota_schedule::ProcessId;
use rota_testkit::{Client, RotaProcess, spawn};
use std::time::Duration;

/// Spawns processes by way of the router.
async fn spawned(town: &Town, router: &RotaProcess, count: usize) -> Vec<ProcessId> {
    let items: Vec<Item> = (0..count).map(|_| spawn().sign()).collect();
    let processes = items.iter().map(|item| item.id().into()).collect();
    rota_tests::post_all(&router.url, items, &town.book).await;
    processes
}

async fn fleet(town: &Town) -> (Machine, Machine) {
    (town.ready("a").await, town.ready("b").await)
}

async fn counts(town: &Town) -> [u64; 2] {
    [town.record("a").await.processes, town.record("b").await.processes]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_router_that_proxies_nothing_is_lost_when_writers_die_and_processes_move() {
    let town = Town::new().await;
    let (a, _b) = fleet(&town).await;
    let router = town.router(&[("ROUTE_MODE", "proxy")]);
    let processes = spawned(&town, &router, 40).await;
    let [at_a, at_b] = counts(&town).await;
    assert_eq!(at_a + at_b, 40);
    assert!((16..=24).contains(&at_a), "{at_a} and {at_b}");
    let clients = town.clients_of(&router, &processes, 8);
    clients.more(60).await;
    let to = if at_a > 0 { "b" } else { "a" };
    for process in &processes[..4] {
        let there = town.operator().progress(process).await.unwrap().unwrap().owner == to;
        if !there {
            town.moved(*process, to).await;
        }
    }
    clients.more(60).await;
    let standby = town.machine("a");
    drop(a.kill_9());
    standby.ready().await;
    clients.more(60).await;
    let slowest = clients.finish().await;
    assert!(slowest < Duration::from_secs(25), "an item waited for {slowest:?}");
    // Reading by way of the same address.
    let client = Client::new(&router.url);
    for schedule in town.check() {
        let nodes = client.schedule(&schedule.process.to_string()).await;
        assert_eq!(nodes.len(), schedule.places.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_points_sends_clients_to_the_writer_even_after_a_move() {
    let town = Town::new().await;
    let _machines = fleet(&town).await;
    let router = town.router(&[]);
    let processes = spawned(&town, &router, 10).await;
    let clients = town.clients_of(&router, &processes, 4);
    clients.more(40).await;
    for process in &processes[..4] {
        let owner = town.operator().progress(process).await.unwrap().unwrap().owner;
        town.moved(*process, if owner == "a" { "b" } else { "a" }).await;
        clients.more(20).await;
    }
    let slowest = clients.finish().await;
    assert!(slowest < Duration::from_secs(3), "an item waited for {slowest:?}");
    town.check();
}
