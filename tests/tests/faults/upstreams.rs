//! Gateways and bundlers that are down, slow, or lie; and a clock that was wrong before a restart.

use crate::Site;
use rota_ledger::{KeptHeight, Ledger, LedgerOptions};
use rota_permaweb::HeightCache;
use rota_schedule::{Clock, ProcessId, SystemClock, Timestamp};
use rota_testkit::{
    BundlerMode, Client, GatewayMode, RotaProcess, StubBundler, StubGateway, message, spawn,
};
use rota_tests::{Book, InProcess, Posted, http, metric, post};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const POSTS: usize = 60;
/// What nine posts of ten must stay under, in a debug build on a busy machine: one of many may meet a slow fsync
/// or another test. If posts waited for an upstream, all of them would, and for seconds.
const POST_P90: Duration = Duration::from_millis(500);
/// What every one must stay under: a quarter of what waiting for an upstream that hangs would take.
const POST_MAX: Duration = Duration::from_secs(5);
const HANG: Duration = Duration::from_secs(20);
const RECOVERS_WITHIN: Duration = Duration::from_secs(30);
const HOUR_MS: u64 = 3_600_000;
/// What the gateway tells at first.
const HEIGHT: &str = "000001234567";

/// Posts one message after the other, and takes the time of each.
async fn posts_are_quick(site: &Site, rota: &RotaProcess, what: &str) {
    let client = http();
    let mut times = Vec::with_capacity(POSTS);
    for item in site.messages(POSTS / site.processes.len()) {
        let since = Instant::now();
        post(&client, &rota.url, &item, &site.book).await.unwrap();
        times.push(since.elapsed());
    }
    times.sort_unstable();
    let (p90, slowest) = (times[times.len() * 9 / 10], times[times.len() - 1]);
    let is_quick = p90 < POST_P90 && slowest < POST_MAX;
    assert!(is_quick, "with {what}, posts take {p90:?}, the slowest {slowest:?}");
}

/// The block height that it tells.
async fn height(rota: &RotaProcess) -> String {
    let answer = Client::new(&rota.url).get("/timestamp").await.ok();
    answer["block_height"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_fail_in_any_way_hold_no_post() {
    let gateway = StubGateway::start(1_234_567).await;
    let settings = gateway.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut site = Site::new();
    let rota = site.start(&settings);
    site.fill(&rota, 3, 1).await;
    let until = Instant::now() + RECOVERS_WITHIN;
    while height(&rota).await != HEIGHT {
        assert!(Instant::now() < until, "the height never came");
        sleep(Duration::from_millis(10)).await;
    }
    for mode in [GatewayMode::Hang, GatewayMode::Garbage, GatewayMode::Status(500)] {
        gateway.behave(mode);
        posts_are_quick(&site, &rota, &format!("gateway {mode:?}")).await;
    }
    rota.kill_9();
    let rota = site.start(&settings);
    posts_are_quick(&site, &rota, "a gateway that failed from the start").await;
    assert_eq!(height(&rota).await, HEIGHT, "the last known height stays");
    site.check(&rota).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_wait_for_a_block_height_and_none_is_signed_without() {
    let gateway = StubGateway::start(1_234_567).await;
    gateway.behave(GatewayMode::Status(500));
    let settings = gateway.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let site = Site::new();
    let rota = site.start(&settings);
    let client = Client::new(&rota.url);
    let process = spawn().sign();
    for answer in [client.post(&process).await, client.get("/health").await] {
        assert_eq!(answer.header("retry-after"), Some("10"));
        assert!(answer.error(503).contains("the block height is not known yet"));
    }
    let id = process.id().to_string();
    client.assign(&id, &id, "").await.error(503);
    gateway.behave(GatewayMode::Good);
    let until = Instant::now() + RECOVERS_WITHIN;
    while client.get("/health").await.status != 200 {
        assert!(Instant::now() < until, "the height never came");
        sleep(Duration::from_millis(10)).await;
    }
    client.post(&process).await.ok();
    let page = client.get(&format!("/{}", process.id())).await.text();
    assert!(page.contains(HEIGHT) && !page.contains("000000000000"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn height_that_leaps_is_neither_signed_nor_kept() {
    let gateway = StubGateway::start(999_999_999_999).await;
    let settings = gateway.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let site = Site::new();
    let rota = site.start(&settings);
    let reason = Client::new(&rota.url).post(&spawn().sign()).await.error(503);
    assert!(reason.contains("the block height is not known yet"), "{reason}");
    let logged = rota.logged_with("too high to believe it alone");
    assert!(logged.contains("ARWEAVE_URL_LIST"), "{logged}");
    rota.kill_9();
    gateway.set_height(1_234_567);
    let rota = site.start(&settings);
    assert_eq!(height(&rota).await, HEIGHT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absurd_height_in_an_old_ledger_is_replaced_by_the_next_one() {
    let gateway = StubGateway::start(1_234_567).await;
    let settings = gateway.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let site = Site::new();
    let ledger = Ledger::open(&site.home.join("ledger"), LedgerOptions::default()).unwrap();
    ledger.set_block_height(KeptHeight { height: 999_999_999_999, told: None });
    ledger.close().unwrap();
    let rota = site.start(&settings);
    assert_eq!(height(&rota).await, HEIGHT);
    assert!(rota.logged_with("kept block height is above").contains("999999999999"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bundlers_that_fail_in_any_way_hold_no_post_and_get_everything_in_the_end() {
    let bundler = StubBundler::start().await;
    let mut site = Site::new();
    let rota = site.start(&[("UPLOAD_NODE_URL", bundler.url()), ("UPLOAD_TIMEOUT", "1s")]);
    site.fill(&rota, 3, 1).await;
    let depth = async || metric(&http(), &rota.url, "rota_outbox_depth").await.unwrap();
    for mode in [BundlerMode::Failing, BundlerMode::Liar, BundlerMode::Slow(HANG)] {
        bundler.behave(mode);
        let before = depth().await;
        posts_are_quick(&site, &rota, &format!("bundler {mode:?}")).await;
        let after = depth().await;
        let risen = 2.0 * POSTS as f64 - 16.0;
        assert!(
            after >= before + risen,
            "with bundler {mode:?} the outbox went {before} to {after}"
        );
    }
    bundler.behave(BundlerMode::Good);
    let until = Instant::now() + RECOVERS_WITHIN;
    while depth().await > 0.0 {
        assert!(Instant::now() < until, "the outbox still holds {}", depth().await);
        sleep(Duration::from_millis(50)).await;
    }
    for item in bundler.items() {
        site.book.seen_item(&item);
    }
    site.check(&rota).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundler_that_is_not_there_holds_no_post() {
    let bundler = StubBundler::start().await;
    bundler.go_down();
    let mut site = Site::new();
    let rota = site.start(&[("UPLOAD_NODE_URL", bundler.url())]);
    site.fill(&rota, 3, 1).await;
    posts_are_quick(&site, &rota, "a bundler whose port is closed").await;
    let entries =
        site.check(&rota).await.iter().map(|schedule| schedule.places.len()).sum::<usize>();
    let depth = metric(&http(), &rota.url, "rota_outbox_depth").await;
    assert_eq!(depth, Some(2.0 * entries as f64));
}

/// A clock that was an hour ahead.
struct Ahead;

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + HOUR_MS)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_by_an_hour_between_starts_does_not_set_schedules_back() {
    let mut site = Site::new();
    let writer = InProcess::start(
        &site.home.join("ledger"),
        Arc::new(Ahead),
        HeightCache::starting_at(None),
        1,
    );
    let process = spawn().sign();
    site.processes.push(ProcessId::from(process.id()));
    for item in [process, message(site.processes[0]).sign()] {
        answered(&writer, &site.book, &item).await;
    }
    drop(writer.stop().await);
    let rota = site.start(&[]);
    let now = SystemClock.now();
    for item in site.messages(5) {
        let timestamp = post(&http(), &rota.url, &item, &site.book).await.unwrap();
        assert!(timestamp.0 > now.0 + HOUR_MS / 2, "{timestamp} is behind what came before");
    }
    assert_eq!(site.check(&rota).await[0].places.len(), 7);
}

async fn answered(writer: &InProcess, book: &Book, item: &rota_ans104::Item) {
    book.posted(item);
    match writer.post(item).await {
        Posted::Acked(timestamp) => book.acked(item.id().into(), timestamp),
        refused => panic!("{refused:?}"),
    }
}
