//! The commit point: nothing leaves before the database has it, and what it promises is kept.

use crate::house::{House, until};
use rota_schedule::MessageId;
use rota_testkit::postgres::{PostgresCluster, PostgresOptions};
use rota_testkit::{pushed, spawn};
use rota_tests::{Posted, fast_dir};
use rota_writer::AckAfter;
use std::time::Duration;
use tokio::time::timeout;

/// Longer than any commit here takes.
const A_WHILE: Duration = Duration::from_millis(400);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_in_the_database_and_only_then_in_the_outbox() {
    let house = House::new();
    let (_disk, writer) = house.settled().await;
    house.post_all(&writer, house.messages(40)).await;
    assert_eq!(house.rows(), 44);
    let ledger = writer.stop().await;
    house.check_same(&ledger);
    assert_eq!(ledger.provisional_after(None, 9).unwrap(), []);
    assert_eq!(ledger.outbox_stats().depth, 88);
}

/// A cluster of its own, which a test may freeze.
fn own_cluster() -> &'static PostgresCluster {
    Box::leak(Box::new(PostgresCluster::start(PostgresOptions::default())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_stands_still_nothing_leaves() {
    let house = House::on(own_cluster());
    let (_disk, writer) = house.settled().await;
    until("all may be uploaded", || writer.ledger.outbox_stats().depth == 8).await;
    house.cluster.freeze();
    let item = house.messages(1).remove(0);
    let process = house.processes[0].id().into();
    let mut posted = house.post(&writer, item.clone());
    let mut again = house.post(&writer, item.clone());
    let id = MessageId::from(item.id());
    until("the ledger has it", || writer.ledger.place_of(&process, &id).unwrap().is_some()).await;
    assert!(timeout(A_WHILE, &mut posted).await.is_err(), "acknowledged before the commit");
    assert!(timeout(A_WHILE, &mut again).await.is_err(), "DUR-1, DUP-1: nor is a repeated one");
    assert_eq!(writer.ledger.outbox_stats().depth, 8, "uploaded before the commit");
    house.cluster.thaw();
    let posted = posted.await.unwrap();
    assert!(matches!(posted, Posted::Acked(_)));
    assert_eq!(again.await.unwrap(), posted);
    house.check_same(&writer.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_that_is_not_committed_yet_refuses_no_other() {
    let house = House::on(own_cluster());
    let (_disk, writer) = house.settled().await;
    let process = house.processes[0].id().into();
    let push = |cause| pushed(process, "a process").data("the same").tag("Pushed-For", cause);
    let [first, second] = ["one", "another"].map(|cause| push(cause).sign());
    house.cluster.freeze();
    let id = MessageId::from(first.id());
    let first = house.post(&writer, first);
    until("the ledger has it", || writer.ledger.place_of(&process, &id).unwrap().is_some()).await;
    let mut second = house.post(&writer, second);
    assert!(timeout(A_WHILE, &mut second).await.is_err(), "409 told of what is not committed");
    house.cluster.thaw();
    assert!(matches!(first.await.unwrap(), Posted::Acked(_)));
    let Posted::Refused(status, _) = second.await.unwrap() else { panic!("DUP-2") };
    assert_eq!(status, 409);
    house.check_same(&writer.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_after_the_disk_is_sooner_but_not_uploaded_sooner() {
    let house = House::on(own_cluster());
    let disk = fast_dir();
    let writer = house.try_writer(&disk, AckAfter::Disk).await.unwrap();
    house.post_all(&writer, house.processes.clone()).await;
    until("all is committed", || house.rows() == 4).await;
    until("all may be uploaded", || writer.ledger.outbox_stats().depth == 8).await;
    house.cluster.freeze();
    house.post_all(&writer, house.messages(20)).await;
    assert_eq!(writer.ledger.outbox_stats().depth, 8);
    house.cluster.thaw();
    until("all is committed", || house.rows() == 24).await;
    house.check_same(&writer.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_another_writer_is_refused() {
    let house = House::new();
    let (_disk, writer) = house.settled().await;
    let elsewhere = spawn().sign();
    house.sql(&format!(
        "INSERT INTO writers (name, term) VALUES ('other', 1); \
         INSERT INTO processes SELECT decode('{}', 'hex'), id FROM writers WHERE name = 'other'",
        elsewhere.id().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    ));
    let refused = house.post(&writer, elsewhere).await.unwrap();
    let Posted::Refused(status, why) = refused else { panic!("RTE-1") };
    assert!(status == 403 && why.contains("another writer"), "{status} {why}");
    house.post_all(&writer, house.messages(4)).await;
    house.check_same(&writer.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_closed_timestamp_moves_and_keeps_under_what_is_in_flight() {
    let house = House::on(own_cluster());
    let (_disk, writer) = house.settled().await;
    let closed =
        || house.sql("SELECT closed_timestamp FROM writer_progress").parse::<u64>().unwrap();
    let before = closed();
    until("a heartbeat moves it", || closed() > before).await;
    let height = house.sql("SELECT block_height FROM writer_progress");
    assert_eq!(height, "1600000");
    for _ in 0..20 {
        house.post_all(&writer, house.messages(8)).await;
        let published = closed();
        let late = house.sql(&format!(
            "SELECT count(*) FROM entries WHERE xmin::text::bigint > \
             (SELECT xmin::text::bigint FROM writer_progress) AND timestamp <= {published}"
        ));
        assert_eq!(late, "0", "RD-1: an entry came at or below the closed timestamp");
    }
    house.check_same(&writer.stop().await);
}
