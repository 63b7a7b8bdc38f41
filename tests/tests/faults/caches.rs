//! The cache node (`CACHE_URL`): everything is shown to it, and nothing waits for it.

use crate::Site;
use rota_testkit::{BundlerMode, CacheMode, RotaProcess, StubBundler, StubCache, spawn};
use rota_tests::{http, metric, post_all};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// What the reference asks for.
const REQUEST: &str = "POST /id?codec-device=ans104@1.0";
const PATIENCE: Duration = Duration::from_secs(20);
/// For so many entries, with a cache or a bundler that hangs.
const QUICK: Duration = Duration::from_secs(5);

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let since = Instant::now();
    while !is_so().await {
        assert!(since.elapsed() < PATIENCE, "it never came about that {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

async fn number(rota: &RotaProcess, name: &str) -> f64 {
    metric(&http(), &rota.url, name).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_item_is_shown_to_the_cache_once_though_the_bundler_is_away() {
    let (bundler, cache) = (StubBundler::start().await, StubCache::start().await);
    bundler.behave(BundlerMode::Failing);
    for mode in ["items", "bundle"] {
        let before = cache.shown().len();
        let mut site = Site::new();
        let settings = [("UPLOAD_NODE_URL", bundler.url()), ("CACHE_URL", cache.url())];
        let rota = site.start(&[&settings[..], &[("UPLOAD_MODE", mode)]].concat());
        site.fill(&rota, 2, 5).await;
        let entries: usize =
            site.check(&rota).await.iter().map(|schedule| schedule.places.len()).sum();
        until("all is shown", async || cache.shown().len() == before + 2 * entries).await;
        let shown = cache.shown().split_off(before);
        assert!(shown.iter().all(|shown| shown.request == REQUEST), "{shown:?}");
        let ids: BTreeSet<_> = shown.iter().map(|shown| shown.item.unwrap()).collect();
        assert_eq!(ids.len(), 2 * entries, "each once");
        for process in &site.processes {
            assert!(ids.contains(&(*process).into()), "{process}");
        }
        assert_eq!(number(&rota, "rota_cache_items_total").await, 2.0 * entries as f64);
        rota.kill_9();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cache_that_fails_or_hangs_holds_no_post_and_no_upload() {
    let (bundler, cache) = (StubBundler::start().await, StubCache::start().await);
    let mut site = Site::new();
    let rota = site.start(&[("UPLOAD_NODE_URL", bundler.url()), ("CACHE_URL", cache.url())]);
    site.fill(&rota, 2, 1).await;
    for mode in [Some(CacheMode::Failing), Some(CacheMode::Hang), None] {
        match mode {
            Some(mode) => cache.behave(mode),
            None => cache.go_down(),
        }
        let since = Instant::now();
        post_all(&rota.url, site.messages(20), &site.book).await;
        until("all is uploaded", async || number(&rota, "rota_outbox_depth").await == 0.0).await;
        assert!(since.elapsed() < QUICK, "{mode:?}: {:?}", since.elapsed());
    }
    until("failures count", async || number(&rota, "rota_cache_failures_total").await > 20.0).await;
    let shown = cache.shown();
    let ids: BTreeSet<_> = shown.iter().map(|shown| shown.item).collect();
    assert_eq!(ids.len(), shown.len(), "nothing is shown a second time");
    let said = rota.logged_with("the cache did not take an item");
    assert!(said.matches("the cache did not take an item").count() < 12, "{said}");
    site.check(&rota).await;
    assert!(rota.stop_gently().success(), "a cache that hangs holds no stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_bundles_a_new_process_does_not_wait_for_company() {
    let bundler = StubBundler::start().await;
    let site = Site::new();
    let rota = site.start(&[("UPLOAD_NODE_URL", bundler.url()), ("UPLOAD_MODE", "bundle")]);
    let mut quickest = PATIENCE;
    for count in 1..=5 {
        let item = spawn().sign();
        post_all(&rota.url, vec![item], &site.book).await;
        let since = Instant::now();
        until("it is uploaded", async || bundler.items().len() == count).await;
        quickest = quickest.min(since.elapsed());
    }
    // Others wait for 250 ms.
    assert!(quickest < Duration::from_millis(150), "{quickest:?}");
}
