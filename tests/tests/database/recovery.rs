//! A writer starts: on the disk it had, on an older one, on none; and on a database it never saw.

use crate::house::{House, until};
use prometheus_client::registry::Registry;
use rota_ans104::Item;
use rota_ledger::{Ledger, LedgerOptions, Provisional};
use rota_permaweb::HeightCache;
use rota_readmodel::{Holder, Projection, Row, migrate};
use rota_schedule::{ContentHash, Entry, ProcessId, SystemClock};
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_testkit::{Schedule, keyless, message, pushed, spawn, typed_ethereum};
use rota_tests::{InProcess, Posted, fast_dir, scheduler_wallet};
use rota_writer::{AckAfter, ITEM_BYTES_MAX_DEFAULT, RecoveryError, WriterMetrics, follow};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The largest item that a writer takes, in bytes.
const LARGEST: usize = ITEM_BYTES_MAX_DEFAULT as usize;
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
    let items = items.map(|bytes| Item::parse(bytes).unwrap()).collect();
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
    let items = items.map(|bytes| Item::parse(bytes).unwrap()).collect();
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

/// Small items before and behind items of every size up to the limit.
fn items_of_all_sizes(process: ProcessId) -> Vec<Item> {
    let head = message(process).data("").sign().bytes().len();
    let sized = |(fill, bytes): (u8, usize)| message(process).data(vec![fill; bytes - head]).sign();
    let sizes = [9 << 20, 4 << 20, 5 << 20, LARGEST, 3 << 20, LARGEST];
    let mut items: Vec<Item> = (b'a'..).zip(sizes).map(sized).collect();
    items.insert(2, message(process).data("small").sign());
    items.push(message(process).data("last").sign());
    items
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ledger_with_items_of_any_size_is_brought_to_the_database() {
    let house = House::new();
    let disk = fast_dir();
    let ledger = Ledger::open(disk.path(), LedgerOptions::default()).unwrap();
    let writer =
        InProcess::over(ledger, Arc::new(SystemClock), HeightCache::starting_at(Some(7)), 3);
    house.post_all(&writer, house.processes.clone()).await;
    let process = house.processes[0].id().into();
    for item in items_of_all_sizes(process) {
        house.post_all(&writer, vec![item]).await;
    }
    drop(writer.stop().await);

    let writer = house.writer(&disk).await;
    house.check_same(&writer.ledger);
    drop(writer.stop().await);
    // And back, onto an empty disk.
    let empty = fast_dir();
    let writer = house.writer(&empty).await;
    house.check_same(&writer.stop().await);
    assert_eq!(house.rows(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_of_any_size_are_sent_again_at_the_next_start() {
    let mut house = House::new();
    let proxy = FaultProxy::start(house.cluster.port());
    let direct = std::mem::take(&mut house.url);
    house.url = proxy.url(&direct);
    let (disk, writer) = house.settled().await;
    proxy.set(Fault::Refuse);
    let items = items_of_all_sizes(house.processes[0].id().into());
    let count = items.len();
    let posts: Vec<_> = items.into_iter().map(|item| house.post(&writer, item)).collect();
    let stored = || writer.ledger.provisional_after(None, 2 * count).unwrap().len();
    until("all of them are on the disk", || stored() == count).await;
    for post in posts {
        post.abort();
        let _ = post.await; // it holds the ledger until then
    }
    drop(writer.stop().await);
    house.url = direct;
    assert_eq!(house.rows(), 4);

    let writer = house.writer(&disk).await;
    assert_eq!(house.rows(), 4 + count);
    house.check_same(&writer.stop().await);
}

/// No server takes such items any more; databases may hold them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer_without_its_disk_fills_in_two_contents_of_one_id() {
    let house = House::new();
    let mut schedule = Schedule::spawned(&spawn().sign(), 1_000);
    for (time, length) in [(2_000, 200_000), (3_000, 300_000), (4_000, 200_000)] {
        let data = vec![u8::try_from(time / 1_000).unwrap(); length];
        schedule.push(&message(schedule.process).data(data).sign_as(&keyless()), time);
    }
    let config = house.config(AckAfter::Database);
    migrate(&config.url).await.unwrap();
    let (holder, address) = (Holder([1; 16]), scheduler_wallet().address());
    let taken = Projection::take(&config.url, 2, &config.name, holder, address).await;
    let projection = taken.unwrap().projection;
    let process = schedule.process;
    assert!(projection.bind(&process).await.unwrap());
    let row = |entry: &Entry| Row { process, entry: entry.clone(), content: None };
    projection.project(&schedule.entries.iter().map(row).collect::<Vec<_>>()).await.unwrap();

    let empty = fast_dir();
    let ledger = house.writer(&empty).await.stop().await;
    for entry in &schedule.entries {
        assert!(ledger.entry(&process, entry.nonce).unwrap().as_ref() == Some(entry));
    }
}

/// Its schema may be that of the release before: the writer that it stands by is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standby_brings_the_schema_up_to_date_and_follows() {
    let house = House::new();
    let (disk, writer) = house.settled().await;
    drop((writer.stop().await, disk));
    house.sql("ALTER TABLE entries DROP COLUMN body CASCADE; DROP TABLE bodies_by_hash");
    house.sql("DELETE FROM _sqlx_migrations WHERE version = 5");
    let standby = fast_dir();
    let ledger = Ledger::open(standby.path(), LedgerOptions::default()).unwrap();
    let (metrics, stop) =
        (WriterMetrics::register(&mut Registry::default()), AtomicBool::new(false));
    let config = house.config(AckAfter::Database);
    let caught_up = || stop.store(true, Ordering::Relaxed);
    let following = follow(&config, &ledger, &metrics, &stop, caught_up);
    tokio::time::timeout(Duration::from_secs(60), following).await.unwrap();
    house.check_same(&ledger);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_of_an_earlier_release_is_known_by_its_signer() {
    let house = House::new();
    let (disk, writer) = house.settled().await;
    let process = house.processes[0].id().into();
    let push = |cause| pushed(process, "a process").data("the same").tag("Pushed-For", cause);
    let first = push("one").sign();
    house.post_all(&writer, vec![first.clone()]).await;
    drop(writer.stop().await);
    drop(disk);
    // Earlier releases kept the hash of the content alone.
    let hash = ContentHash::of_item(&first).0.map(|byte| format!("{byte:02x}")).concat();
    let set = format!("UPDATE entries SET content = '\\x{hash}' WHERE content IS NOT NULL");
    let changed = format!("WITH changed AS ({set} RETURNING 1) SELECT count(*) FROM changed");
    assert_eq!(house.sql(&changed), "1");

    let is_known = async |writer: &InProcess, item| {
        let posted = house.post(writer, item).await.unwrap();
        assert!(matches!(posted, Posted::Refused(status, _) if status == 409), "{posted:?}");
    };
    let other = typed_ethereum();
    for (life, causes) in [["two", "three"], ["four", "five"]].iter().enumerate() {
        let empty = fast_dir();
        let writer = house.writer(&empty).await;
        if life == 0 {
            house.post_all(&writer, vec![push("another signer").sign_as(&other)]).await;
        }
        is_known(&writer, push(causes[0]).sign()).await;
        is_known(&writer, push(causes[1]).sign_as(&other)).await;
        house.check_same(&writer.stop().await);
    }
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
        assert!(matches!(refused, RecoveryError::Diverged { nonce: 0, .. }), "{refused}");
        let ledger = Ledger::open(fork.path(), LedgerOptions::default()).unwrap();
        alone = alone.min(ledger.processes().unwrap().count());
    }
    assert_eq!((alone, house.rows()), (4, 12));
    let writer = house.writer(&disk).await;
    house.post_all(&writer, house.messages(8)).await;
    house.check_same(&writer.stop().await);
}

/// The ledger is made to forget its database, as an operator may do on purpose.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_went_on_alone_is_told_the_first_nonce_that_differs_and_what_to_do() {
    let house = House::new();
    let (disk, writer) = house.settled().await;
    house.post_all(&writer, house.messages(40)).await;
    let ledger = writer.stop().await;
    let head = ledger.head(&house.processes[0].id().into()).unwrap().unwrap();
    ledger.set_database(None).unwrap();
    drop(ledger);
    let ledger = Ledger::open(disk.path(), LedgerOptions::default()).unwrap();
    let alone = InProcess::over(ledger, Arc::new(SystemClock), HeightCache::starting_at(None), 9);
    for item in house.messages(24) {
        assert!(matches!(alone.post(&item).await, Posted::Acked(_)));
    }
    drop(alone.stop().await);
    let other = fast_dir();
    let writer = house.writer(&other).await;
    house.post_all(&writer, house.messages(80)).await;
    drop(writer.stop().await);

    let refused = house.try_writer(&disk, AckAfter::Database).await.map(|_| ()).unwrap_err();
    let RecoveryError::Diverged { process, nonce } = refused else { panic!("{refused}") };
    assert_eq!(nonce, head.nonce + 1, "of process {process}");
    let (text, verify) = (refused.to_string(), format!("rota verify {process} --data-dir"));
    for part in [verify.as_str(), "--url", "--detach-database"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(house.rows(), 124);
    house.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_of_another_database_is_refused_before_it_takes_the_name() {
    let (house, other) = (House::new(), House::new());
    let (disk, writer) = house.settled().await;
    drop(writer.stop().await);
    let (_disk, writer) = other.settled().await;
    let refused = other.try_writer(&disk, AckAfter::Database).await.map(|_| ()).unwrap_err();
    assert!(matches!(refused, RecoveryError::OtherDatabase { .. }), "{refused}");
    other.post_all(&writer, other.messages(8)).await;
    assert_eq!(writer.refuses(), None, "it keeps its name");
    drop(writer.stop().await);
    assert_eq!((house.rows(), other.rows()), (4, 12));
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
