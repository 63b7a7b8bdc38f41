//! A move whose writers die, stand still, or have clocks that differ.

use crate::town::{Town, until};
#[cfg(feature = "failpoints")]
use rota_readmodel::Ordered;
#[cfg(feature = "failpoints")]
use rota_tests::fast_dir;
use std::time::Duration;
use tokio::time::sleep;

/// The source dies at a failpoint, comes back, and the move goes on.
#[cfg(feature = "failpoints")]
async fn source_dies_at(failpoint: &str) {
    let town = Town::new().await;
    let setting = format!("{failpoint}=1*sleep(3600000)");
    let a = town.machine_with("a", fast_dir(), &[("FAILPOINTS", &setting)]);
    a.ready().await;
    let b = town.ready("b").await;
    let processes = town.spawned(&a, 2).await;
    let clients = town.clients(&processes, 4);
    clients.more(40).await;
    let operator = town.operator();
    let ordered = operator.order_move(&processes[0], &"b".parse().unwrap()).await.unwrap();
    assert_eq!(ordered, Ordered::Yes);
    sleep(Duration::from_secs(1)).await;
    let a = town.machine_with("a", a.kill_9(), &[]);
    a.ready().await;
    until("the move is over", async || {
        operator.progress(&processes[0]).await.unwrap().unwrap().state.is_none()
    })
    .await;
    clients.more(40).await;
    clients.finish().await;
    town.check();
    assert!(b.rota.stop_gently().success());
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_dies_before_the_switch() {
    source_dies_at("moves::before_switch").await;
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_dies_right_after_the_switch() {
    source_dies_at("moves::switched").await;
}

/// What was admitted just before its process left finds that out at the lane, not at the commit.
#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_that_was_admitted_before_its_process_left_enters_no_lane() {
    let town = Town::new().await;
    let slow = [("FAILPOINTS", "writer::before_place=50%sleep(60)")];
    let a = town.machine_with("a", fast_dir(), &slow);
    a.ready().await;
    let b = town.machine_with("b", fast_dir(), &slow);
    b.ready().await;
    let processes = town.spawned(&a, 2).await;
    let clients = town.clients(&processes, 6);
    for _ in 0..4 {
        for to in ["b", "a"] {
            town.moved(processes[0], to).await;
            clients.more(12).await;
        }
    }
    clients.finish().await;
    town.check();
    assert!(a.rota.stop_gently().success() && b.rota.stop_gently().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_gone_gets_nothing_and_the_move_can_be_withdrawn() {
    let town = Town::new().await;
    let a = town.ready("a").await;
    let b = town.ready("b").await;
    let processes = town.spawned(&a, 1).await;
    let operator = town.operator();
    // It copies while the source does not look, and is gone when that does.
    a.rota.signal("STOP");
    operator.order_move(&processes[0], &"b".parse().unwrap()).await.unwrap();
    until("it is copied", async || {
        operator.progress(&processes[0]).await.unwrap().unwrap().state.as_deref() == Some("copied")
    })
    .await;
    b.rota.signal("STOP");
    sleep(Duration::from_millis(3_500)).await;
    a.rota.signal("CONT");
    let clients = town.clients(&processes, 2);
    sleep(Duration::from_secs(1)).await;
    clients.more(20).await;
    let slowest = clients.finish().await;
    assert!(slowest < Duration::from_secs(1), "items waited for a dead target: {slowest:?}");
    assert!(operator.withdraw_move(&processes[0]).await.unwrap());
    assert!(!operator.withdraw_move(&processes[0]).await.unwrap());
    assert_eq!(operator.progress(&processes[0]).await.unwrap().unwrap().owner, "a");
    town.check();
}

/// What the target has copied of a process that did not come after all is not taken for its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_process_that_stayed_takes_no_items() {
    let town = Town::new().await;
    let a = town.ready("a").await;
    let b = town.ready("b").await;
    let processes = town.spawned(&a, 1).await;
    rota_tests::post_all(&a.rota.url, Town::messages(&processes, 5), &town.book).await;
    a.rota.signal("STOP");
    let operator = town.operator();
    operator.order_move(&processes[0], &"b".parse().unwrap()).await.unwrap();
    until("it is copied", async || {
        operator.progress(&processes[0]).await.unwrap().unwrap().state.as_deref() == Some("copied")
    })
    .await;
    assert!(operator.withdraw_move(&processes[0]).await.unwrap());
    a.rota.signal("CONT");
    let b = town.machine_with("b", b.kill_9(), &[]);
    b.ready().await;
    // Sent on to the writer that still has it.
    rota_tests::post_all(&b.rota.url, Town::messages(&processes, 5), &town.book).await;
    assert_eq!(town.check()[0].places.len(), 11);
    assert!(a.rota.stop_gently().success() && b.rota.stop_gently().success());
}

/// RD-1 over a move: what the source has promised readers, the target keeps, though its clock is behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_source_has_promised_readers_the_target_keeps() {
    let town = Town::new().await;
    let a = town.ready("a").await;
    let _b = town.ready("b").await;
    let processes = town.spawned(&a, 1).await;
    // As if the clock of the source were fast: it has promised half a minute ahead.
    let ahead = "UPDATE writer_progress SET closed_timestamp = closed_timestamp + 30000 \
         WHERE writer = (SELECT id FROM writers WHERE name = 'a') RETURNING closed_timestamp";
    let promised: u64 = town.sql(ahead).lines().next().unwrap().parse().unwrap();
    town.moved(processes[0], "b").await;
    let clients = town.clients(&processes, 1);
    clients.more(3).await;
    clients.finish().await;
    let places = &town.check()[0].places;
    assert!(places[1].timestamp.0 > promised, "{:?} is not above {promised}", places[1]);
}
