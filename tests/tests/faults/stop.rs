//! The scheduler is told to stop while it is busy; and two of them want one directory.

use crate::{Site, binary};
use rota_testkit::RotaProcess;
use rota_testkit::postgres::PostgresCluster;
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_testkit::scheduler::STOP_MAX;
use rota_tests::Load;
use std::time::Duration;
use tokio::time::sleep;

const CLIENTS: usize = 32;
/// More messages for each process than are done when the signal comes.
const MESSAGES: usize = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_under_load_is_orderly_and_loses_no_acknowledgement() {
    let mut site = Site::new();
    let mut rota = site.start(&[]);
    site.fill(&rota, 4, 1).await;
    let load = Load::start(&rota.url, CLIENTS, site.messages(MESSAGES), &site.book);
    sleep(Duration::from_millis(400)).await;
    // Asked before the signal: after it every item that is left is refused within moments.
    assert!(!load.is_done(), "the load was over before the signal");
    rota.signal("TERM");
    let status = rota.wait(STOP_MAX).unwrap_or_else(|| panic!("no end: {}", rota.logged()));
    assert!(status.success(), "{status}: {}", rota.logged());
    for (item, why) in load.finish().await {
        let clean = why.starts_with("503") || why.contains("ConnectionRefused") || cut(&why);
        assert!(clean, "{} was left with {why}", item.id());
    }
    let rota = site.start(&[]);
    site.check(&rota).await;
}

/// A stop waits for a database that does not answer only as long as it may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_while_the_database_stands_still_is_orderly_too() {
    let primary = PostgresCluster::shared();
    let proxy = FaultProxy::start(primary.port());
    let url = proxy.url(&primary.fresh_database());
    let settings = [("DATABASE_URL", url.as_str())];
    let mut site = Site::new();
    let mut rota = site.start(&settings);
    site.fill(&rota, 4, 1).await;
    proxy.set(Fault::Stall);
    let load = Load::start(&rota.url, CLIENTS, site.messages(20), &site.book);
    sleep(Duration::from_millis(300)).await;
    rota.signal("TERM");
    let status = rota.wait(STOP_MAX).unwrap_or_else(|| panic!("no end: {}", rota.logged()));
    assert!(status.success(), "{status}: {}", rota.logged());
    assert!(!load.finish().await.is_empty(), "the database has answered");
    proxy.heal();
    let rota = site.start(&settings);
    site.check(&rota).await;
}

/// A connection that was kept open and closed before the request was read: clients send it again.
fn cut(why: &str) -> bool {
    ["IncompleteMessage", "ConnectionReset", "BrokenPipe", "Canceled", "SendRequest"]
        .iter()
        .any(|end| why.contains(end))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_scheduler_on_the_same_directory_says_that_it_is_in_use() {
    let mut site = Site::new();
    let rota = site.start(&[]);
    site.fill(&rota, 1, 1).await;
    let second = RotaProcess::try_start(&binary(), &site.home, &[]);
    let why = second.map(|_| ()).unwrap_err();
    assert!(why.contains("is open elsewhere") && !why.contains("panicked"), "{why}");
    rota_tests::post_all(&rota.url, site.messages(2), &site.book).await;
    site.check(&rota).await;
}
