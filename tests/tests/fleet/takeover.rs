//! LSE-1 and the bounds of a takeover: whoever holds a name may die, stand still or stop; another takes it in
//! time, and no schedule is ever forked.

use crate::town::{Machine, PATIENCE, Town, until};
use rota_ans104::{Wallet, WalletKind};
use rota_ledger::{Ledger, LedgerOptions};
use rota_schedule::{Directory as _, LeaseHolder};
use rota_testkit::{Client, GatewayMode};
use rota_tests::{fast_dir, rounds, scheduler_wallet};
use std::time::Duration;
use tokio::time::sleep;

/// What the gateway tells, as `/timestamp` and assignments have it.
const HEIGHT: &str = "000001600000";
/// From the death of a holder until another writes.
const DEATH_MAX: Duration = Duration::from_secs(15);
/// From the signal to a holder until another writes.
const STOP_MAX: Duration = Duration::from_secs(5);

/// The one of two that writes, and the one that stands by.
async fn one_writes(a: Machine, b: Machine) -> (Machine, Machine) {
    until("one of them writes", async || a.is_ready() || b.is_ready()).await;
    if a.is_ready() { (a, b) } else { (b, a) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_takes_over_from_a_writer_that_is_killed_under_load() {
    let town = Town::new().await;
    let mut writer = town.ready("w").await;
    let processes = town.spawned(&writer, 4).await;
    let clients = town.clients(&processes, 8);
    for _ in 0..rounds(2) {
        let standby = town.machine("w");
        clients.more(100).await;
        assert!(!standby.is_ready(), "two write under one name");
        let url = standby.rota.url.clone();
        writer.kill_9();
        let took = standby.ready_within(DEATH_MAX).await;
        assert!(took > Duration::from_secs(3), "it did not wait for signs of life: {took:?}");
        assert_eq!(town.record("w").await.url, Some(url));
        clients.more(50).await;
        writer = standby;
    }
    clients.finish().await;
    assert!(writer.rota.stop_gently().success());
    assert_eq!(town.check().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_stops_gives_its_name_to_the_standby_at_once() {
    let town = Town::new().await;
    let mut writer = town.ready("w").await;
    let processes = town.spawned(&writer, 2).await;
    let clients = town.clients(&processes, 4);
    for _ in 0..rounds(2) {
        let standby = town.machine("w");
        clients.more(50).await;
        writer.rota.signal("TERM");
        standby.ready_within(STOP_MAX).await;
        let status = writer.rota.wait(STOP_MAX).unwrap();
        assert!(status.success(), "{}", writer.rota.logged());
        writer = standby;
    }
    let slowest = clients.finish().await;
    assert!(slowest < STOP_MAX + Duration::from_secs(2), "an item waited for {slowest:?}");
    town.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_stood_still_and_wakes_under_load_commits_nothing_and_ends() {
    let town = Town::new().await;
    let mut writer = town.ready("w").await;
    let processes = town.spawned(&writer, 4).await;
    let clients = town.clients(&processes, 8);
    clients.more(100).await;
    let standby = town.machine("w");
    writer.rota.signal("STOP");
    standby.ready_within(DEATH_MAX).await;
    clients.more(50).await;
    sleep(Duration::from_secs(rounds(1))).await;
    writer.rota.signal("CONT");
    // It may still be asked: connections to it are open, and it holds items of before.
    writer.gives_up().await;
    clients.more(50).await;
    clients.finish().await;
    town.check();
    let term = town.sql("SELECT term FROM writers WHERE name = 'w'");
    assert_eq!(term, "2", "it has taken the name again without a restart");
}

/// Whoever took the lease may not have come as far as the term.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_whose_lease_was_taken_ends_before_the_fence_stops_it() {
    let town = Town::new().await;
    let mut writer = town.ready("w").await;
    let (name, taker) = ("w".parse().unwrap(), LeaseHolder([7; 16]));
    until("the lease is taken", async || {
        let seen = town.record("w").await.lease;
        town.directory.take_lease(&name, taker, seen).await.unwrap().is_some()
    })
    .await;
    writer.gives_up().await;
    assert!(writer.rota.logged().contains("another machine has taken the lease"));
    assert_eq!(
        town.record("w").await.lease.unwrap().holder,
        taker,
        "it gave back what is not its own"
    );
    assert_eq!(town.sql("SELECT term FROM writers"), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_start_at_once_one_writes_and_the_other_waits() {
    let town = Town::new().await;
    for round in 0..rounds(2) {
        let name = format!("w{round}");
        let (a, b) = (town.machine(&name), town.machine(&name));
        let (writer, standby) = one_writes(a, b).await;
        let processes = town.spawned(&writer, 1).await;
        let clients = town.clients(&processes, 2);
        clients.more(20).await;
        assert!(!standby.is_ready());
        clients.finish().await;
        assert!(standby.rota.stop_gently().success(), "a standby stops as well");
        assert!(writer.rota.stop_gently().success());
    }
    town.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_comes_back_on_its_own_disk_waits_for_nobody() {
    let town = Town::new().await;
    let writer = town.ready("w").await;
    let processes = town.spawned(&writer, 2).await;
    let clients = town.clients(&processes, 4);
    clients.more(50).await;
    let disk = writer.kill_9();
    let writer = town.machine_with("w", disk, &[]);
    let took = writer.ready_within(PATIENCE).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    clients.more(20).await;
    clients.finish().await;
    town.check();
}

/// The standby has followed: what it lacks at the takeover does not grow with the schedules.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_follows_what_the_writer_commits_and_uploads_none_of_it_again() {
    let town = Town::new().await;
    let bundler = rota_testkit::StubBundler::start().await;
    let upload = [("UPLOAD_NODE_URL", bundler.url())];
    let writer = town.machine_with("w", fast_dir(), &upload);
    writer.ready().await;
    let processes = town.spawned(&writer, 2).await;
    let standby = town.machine_with("w", fast_dir(), &upload);
    let items = Town::messages(&processes, 60);
    rota_tests::post_all(&writer.rota.url, items, &town.book).await;
    until("all is uploaded, and the database knows", async || {
        town.sql(
            "SELECT uploaded_timestamp >= (SELECT max(timestamp) FROM entries) FROM writer_progress",
        ) == "t"
    })
    .await;
    let uploaded = bundler.deliveries();
    writer.kill_9();
    standby.ready().await;
    rota_tests::post_all(&standby.rota.url, Town::messages(&processes, 5), &town.book).await;
    until("what is new is uploaded", async || bundler.deliveries() >= uploaded + 10).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(bundler.deliveries(), uploaded + 10, "something was uploaded again");
    town.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_with_another_wallet_is_refused_and_the_writer_goes_on() {
    let town = Town::new().await;
    let writer = town.ready("w").await;
    let processes = town.spawned(&writer, 2).await;
    let other = Wallet::generate(WalletKind::Ed25519).unwrap();
    let key = other.to_jwk().to_string();
    for name in ["w", "v"] {
        let refused = town.try_machine(name, fast_dir(), &[("SU_WALLET", &key)]);
        let why = refused.map(|_| ()).unwrap_err();
        for address in [other.address(), scheduler_wallet().address()] {
            assert!(why.contains(&address.to_string()), "{address}: {why}");
        }
    }
    assert_eq!(town.sql("SELECT name || ' ' || term FROM writers"), "w 1");
    assert_eq!(town.directory.writer(&"v".parse().unwrap()).await.unwrap(), None);
    let clients = town.clients(&processes, 2);
    clients.more(20).await;
    clients.finish().await;
    town.check();
}

/// So it cannot be started alone by mistake, or on another database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_of_a_standby_knows_its_database_and_its_wallet() {
    let town = Town::new().await;
    let writer = town.ready("w").await;
    town.spawned(&writer, 2).await;
    let standby = town.machine("w");
    let _ = standby.rota.printed_with(" as writer w on postgres://");
    assert!(standby.rota.stop_gently().success());
    let ledger = standby.disk.path().join("data/ledger");
    let ledger = Ledger::open(&ledger, LedgerOptions::default()).unwrap();
    assert_eq!(ledger.scheduler_address(), Some(scheduler_wallet().address()));
    assert!(ledger.database().unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_machine_without_a_gateway_knows_the_height_from_the_database() {
    let town = Town::new().await;
    let writer = town.ready("w").await;
    town.spawned(&writer, 1).await;
    let client = Client::new(&writer.rota.url);
    until("the height is published", async || {
        client.get("/timestamp").await.ok()["block_height"] == HEIGHT
    })
    .await;
    town.gateway.behave(GatewayMode::Status(500));
    assert!(writer.rota.stop_gently().success());
    let next = town.ready("w").await;
    let process = town.spawned(&next, 1).await[0];
    let page = Client::new(&next.rota.url).get(&format!("/{process}")).await.text();
    assert!(page.contains(HEIGHT) && !page.contains("000000000000"), "{page}");
}
