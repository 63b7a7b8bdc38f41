//! A real scheduler, killed at the named points of its write path.

use crate::process::{CLIENTS, Site, UPLOADS_MAX, reader};
use rand::RngExt as _;
use rota_testkit::StubBundler;
use rota_tests::{Book, Load, post_all, rounds};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// No acknowledgement for so long means that a failpoint holds the write path.
const STUCK: Duration = Duration::from_millis(250);

async fn until_stuck(book: &Book, load: &Load) {
    let (mut acks, mut since) = (book.acks(), Instant::now());
    while since.elapsed() < STUCK && !load.is_done() {
        sleep(Duration::from_millis(10)).await;
        if book.acks() != acks {
            (acks, since) = (book.acks(), Instant::now());
        }
    }
}

/// Waits until the bundler has taken so many items.
async fn until_delivered(bundler: &StubBundler, count: usize) {
    let until = Instant::now() + UPLOADS_MAX;
    while bundler.items().len() < count {
        assert!(Instant::now() < until, "{} of {count} are delivered", bundler.items().len());
        sleep(Duration::from_millis(10)).await;
    }
}

/// Stops at the failpoint `name` when it is reached for the `count`th time, and dies there.
async fn dies_at(name: &str, count: std::ops::Range<u32>, seed: u64) -> usize {
    dies_in(Site::new(seed).await, name, count).await
}

/// The same, on a site that may have a database.
async fn dies_in(mut site: Site, name: &str, count: std::ops::Range<u32>) -> usize {
    for _ in 0..rounds(2) {
        let count = site.rng.random_range(count.clone());
        let failpoint = format!("{name}={count}*off->sleep(3600000)");
        let delivered = site.bundler.items().len();
        let rota = site.start(&[("FAILPOINTS", &failpoint)]);
        let reader = reader(&site, &rota.url);
        let items = site.items(240);
        let load = Load::start(&rota.url, CLIENTS, items.clone(), &site.book);
        until_stuck(&site.book, &load).await;
        if name.starts_with("uploader") {
            until_delivered(&site.bundler, delivered + count as usize + 1).await;
            sleep(STUCK).await;
        } else {
            assert!(!load.is_done(), "{failpoint} was never reached");
        }
        rota.kill_9();
        reader.abort();
        site.gather(items, load).await;
        let rota = site.start(&[]);
        site.check(&rota).await;
        let again = site.items(0);
        post_all(&rota.url, again.clone(), &site.book).await;
        site.known.extend(again);
        site.check(&rota).await;
        rota.kill_9();
    }
    site.settle().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dies_before_it_signs() {
    dies_at("writer::before_sign", 5..150, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dies_with_a_signature_that_nobody_has_seen() {
    dies_at("writer::signed", 5..150, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dies_before_the_write() {
    dies_at("ledger::before_write", 2..18, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dies_after_the_write_before_anyone_is_told() {
    dies_at("ledger::after_write", 2..18, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dies_before_the_reply() {
    dies_at("writer::before_reply", 5..150, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dies_with_uploads_that_are_not_recorded() {
    let again = dies_at("uploader::delivered", 5..100, 6).await;
    assert!(again > 0, "what was not recorded was not delivered again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dies_before_the_database_commits() {
    dies_in(Site::with_database(7).await, "projector::before_commit", 3..30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dies_when_the_database_has_committed_before_anyone_is_told() {
    dies_in(Site::with_database(8).await, "projector::committed", 3..30).await;
}
