//! A writer starts: on the disk it had, on an older one, on none; and on a database it never saw.

use crate::house::{House, until};
use rota_ledger::{Ledger, LedgerOptions, Provisional};
use rota_permaweb::HeightCache;
use rota_schedule::SystemClock;
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_tests::{InProcess, Posted, fast_dir};
use rota_writer::{AckAfter, RecoveryError};
use std::sync::Arc;
use tempfile::TempDir;

/// What the machine had in flight when it died.
const UNCOMMITTED: usize = 1_000;

/// A writer that has stored a thousand entries which the database never saw: it is gone, its disk is not.
async fn died_with_uncommitted(house: &mut House) -> (TempDir, Vec<Provisional>) {
    let proxy = FaultProxy::start(house.cluster.port());
    let direct = std::mem::take(&mut house.url);
    house.url = proxy.url(&direct);
    let (disk, writer) = house.settled().await;
    house.post_all(&writer, house.messages(40)).await;
    proxy.set(Fault::Refuse);
    let posts: Vec<_> =
        house.messages(UNCOMMITTED).into_iter().map(|item| house.post(&writer, item)).collect();
    let stored = || writer.ledger.provisional_after(None, 2 * UNCOMMITTED).unwrap().len();
    until("all of them are on the disk", || stored() == UNCOMMITTED).await;
    for post in posts {
        post.abort();
        let _ = post.await; // it holds the ledger until then
    }
    let ledger = writer.stop().await;
    let uncommitted = ledger.provisional_after(None, 2 * UNCOMMITTED).unwrap();
    assert_eq!(uncommitted.len(), UNCOMMITTED);
    house.url = direct;
    assert_eq!(house.rows(), 44);
    (disk, uncommitted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_its_own_disk_it_sends_the_same_bytes_again() {
    let mut house = House::new();
    let (disk, uncommitted) = died_with_uncommitted(&mut house).await;
    let writer = house.writer(&disk).await;
    assert_eq!(house.rows(), 44 + UNCOMMITTED, "before it takes anything");
    for Provisional { process, entry, .. } in &uncommitted {
        house.book.seen(*process, entry.nonce, entry.assignment_id);
    }
    house.check();
    house.post_all(&writer, house.messages(20)).await;
    let ledger = writer.stop().await;
    house.check_same(&ledger);
    assert_eq!(ledger.provisional_after(None, 9).unwrap(), []);
    assert_eq!(ledger.outbox_stats().depth as usize, 2 * house.rows());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_disk_it_goes_on_from_the_database() {
    let mut house = House::new();
    let (disk, uncommitted) = died_with_uncommitted(&mut house).await;
    drop(disk);
    let empty = fast_dir();
    let writer = house.writer(&empty).await;
    let ledger = writer.ledger.clone();
    house.check_same(&ledger);
    // Their posters, who were never answered, post them again.
    let items = uncommitted.iter().map(|lost| lost.entry.message.clone().unwrap());
    let items = items.map(|bytes| rota_ans104::Item::parse(bytes).unwrap()).collect();
    house.post_all(&writer, items).await;
    drop(ledger);
    let ledger = writer.stop().await;
    house.check_same(&ledger);
    assert_eq!(house.rows(), 44 + UNCOMMITTED);
    assert_eq!(ledger.outbox_stats().depth as usize, 2 * house.rows(), "DUR-2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_another_writer_it_drops_what_fits_no_more() {
    let mut house = House::new();
    let (disk, uncommitted) = died_with_uncommitted(&mut house).await;
    let other = fast_dir();
    let writer = house.writer(&other).await;
    house.post_all(&writer, house.messages(60)).await;
    drop(writer.stop().await);

    let writer = house.writer(&disk).await;
    assert_eq!(house.rows(), 104, "nothing of it was committed");
    house.check_same(&writer.ledger);
    let items = uncommitted.iter().map(|lost| lost.entry.message.clone().unwrap());
    let items = items.map(|bytes| rota_ans104::Item::parse(bytes).unwrap()).collect();
    house.post_all(&writer, items).await;
    house.check_same(&writer.stop().await);
    assert_eq!(house.rows(), 104 + UNCOMMITTED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_never_had_a_database_is_brought_there_whole() {
    let house = House::new();
    let disk = fast_dir();
    let start = |ledger| {
        InProcess::over(ledger, Arc::new(SystemClock), HeightCache::starting_at(Some(7)), 3)
    };
    let writer = start(Ledger::open(disk.path(), LedgerOptions::default()).unwrap());
    house.post_all(&writer, house.processes.clone()).await;
    house.post_all(&writer, house.messages(700)).await;
    let process = house.processes[0].id().into();
    let push = |cause| {
        let item = rota_testkit::pushed(process, "a process").data("the same");
        item.tag("Pushed-For", cause).sign()
    };
    house.post_all(&writer, vec![push("one")]).await;
    let uploads = writer.stop().await.outbox_stats().depth;

    let writer = house.writer(&disk).await;
    assert_eq!(house.rows(), 705);
    assert_eq!(writer.ledger.outbox_stats().depth, uploads, "nothing is uploaded twice");
    drop(writer.stop().await);
    drop(disk);
    let empty = fast_dir();
    let writer = house.writer(&empty).await;
    let duplicate = house.post(&writer, push("another")).await.unwrap();
    let is_known = matches!(duplicate, Posted::Refused(status, _) if status == 409);
    assert!(is_known, "DUP-2: its contents went to the database and came back: {duplicate:?}");
    house.check_same(&writer.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_of_another_history_is_refused_and_left_alone() {
    let house = House::new();
    let (disk, writer) = house.settled().await;
    house.post_all(&writer, house.messages(8)).await;
    drop(writer.stop().await);
    // The same processes, spawned on a machine of their own.
    let fork = fast_dir();
    let ledger = Ledger::open(fork.path(), LedgerOptions::default()).unwrap();
    let writer = InProcess::over(ledger, Arc::new(SystemClock), HeightCache::starting_at(None), 9);
    for item in &house.processes {
        assert!(matches!(writer.post(item).await, Posted::Acked(_)));
    }
    let mut alone = writer.stop().await.processes().unwrap().count();
    for _ in 0..2 {
        let refused = house.try_writer(&fork, AckAfter::Database).await;
        let refused = refused.map(|_| ()).unwrap_err();
        let forked = matches!(refused, RecoveryError::Diverged { .. } | RecoveryError::Schedule(_));
        assert!(forked, "{refused}");
        let ledger = Ledger::open(fork.path(), LedgerOptions::default()).unwrap();
        alone = alone.min(ledger.processes().unwrap().count());
    }
    assert_eq!((alone, house.rows()), (4, 12));
    let writer = house.writer(&disk).await;
    house.post_all(&writer, house.messages(8)).await;
    house.check_same(&writer.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_lost_its_newest_rows_gets_them_again() {
    let house = House::new();
    let (disk, writer) = house.settled().await;
    house.post_all(&writer, house.messages(80)).await;
    drop(writer.stop().await);
    house.sql("DELETE FROM entries WHERE nonce > 9");
    assert!(house.rows() < 84);
    // It finds out when an entry has nothing to follow, and compares everything at the next start.
    let writer = house.writer(&disk).await;
    let refused = house.post(&writer, house.messages(1).remove(0)).await.unwrap();
    assert!(matches!(refused, Posted::Refused(status, _) if status == 503), "{refused:?}");
    assert!(writer.refuses().is_some_and(|why| why.contains("disagree")), "{:?}", writer.refuses());
    drop(writer.stop().await);
    let writer = house.writer(&disk).await;
    house.post_all(&writer, house.messages(8)).await;
    house.check_same(&writer.stop().await);
}
