//! The height poller: rises, never falls, survives outages without a flood of logs, stops at once.

use std::{
    cell::RefCell,
    future::pending,
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rota_permaweb::{Gateway, GatewayConfig, HeightCache, run_height_poller};
use url::Url;

use crate::server::{Fault, Stub, reply};

const EVERY: Duration = Duration::from_millis(5);
/// 2024-09-04T19:45:16Z: block 1,500,000 was mined.
const NOW_MS: u64 = 1_725_479_116_000;

fn gateway(url: &Url) -> Gateway {
    Gateway::new(GatewayConfig {
        gateway_url: url.clone(),
        arweave_url: url.clone(),
        graphql_url: None,
        arweave_url_list: vec![],
        timeout: Duration::from_secs(10),
    })
    .unwrap()
}

/// A node that answers with these bodies in turn, and with the last one for ever.
async fn node(bodies: &'static [&'static str]) -> Stub {
    let turn = Arc::new(AtomicUsize::new(0));
    Stub::with(move |_| {
        let turn = turn.fetch_add(1, Ordering::Relaxed).min(bodies.len() - 1);
        reply(200, bodies[turn])
    })
    .await
}

/// Polls until the cache shows `height`, and returns what was told to `on_change`.
async fn poll_until(stub: &Stub, cache: &HeightCache, height: u64) -> Vec<u64> {
    let changes = Mutex::new(vec![]);
    let seen = async {
        while cache.get() != Some(height) {
            tokio::time::sleep(EVERY).await;
        }
    };
    let on_change = |height, at_ms| {
        assert_eq!(at_ms, NOW_MS);
        changes.lock().unwrap().push(height);
    };
    let gateway = gateway(&stub.url);
    let polling =
        run_height_poller(gateway, cache.clone(), None, EVERY, || NOW_MS, on_change, seen);
    tokio::time::timeout(Duration::from_secs(10), polling).await.unwrap();
    changes.into_inner().unwrap()
}

#[tokio::test]
async fn the_cache_follows_rises_only() {
    let bodies = &[r#"{"height":10}"#, r#"{"height":9}"#, r#"{"height":12}"#, r#"{"height":13}"#];
    let stub = node(bodies).await;
    let cache = HeightCache::starting_at(Some(10));
    assert_eq!(poll_until(&stub, &cache, 13).await, [12, 13]);
}

#[tokio::test]
async fn an_absurd_height_does_not_stick() {
    let stub = node(&[r#"{"height":1000000000000}"#, "x", r#"{"height":7}"#]).await;
    let cache = HeightCache::starting_at(None);
    assert_eq!(poll_until(&stub, &cache, 7).await, [7]);
}

#[tokio::test]
async fn it_stops_in_the_middle_of_a_request() {
    let gateway = gateway(&Fault::Silent.serve().await);
    let stop = tokio::time::sleep(Duration::from_millis(50));
    let begin = Instant::now();
    let cache = HeightCache::starting_at(None);
    run_height_poller(gateway, cache, None, EVERY, || NOW_MS, |_, _| (), stop).await;
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn it_can_run_as_a_task_of_its_own() {
    let stub = node(&[r#"{"height":5}"#]).await;
    let cache = HeightCache::starting_at(None);
    let (gateway, stop) = (gateway(&stub.url), pending::<()>());
    let poller = run_height_poller(gateway, cache.clone(), None, EVERY, || NOW_MS, |_, _| (), stop);
    let task = tokio::spawn(poller);
    cache.first_poll().await;
    assert_eq!(cache.get(), Some(5));
    task.abort();
}

thread_local! {
    /// What this thread logged. A test's runtime has one thread, so this is what the test logged.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(vec![]) };
}

struct ThreadLog;

impl Write for ThreadLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn an_outage_is_logged_once_and_so_is_its_end() {
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(|| ThreadLog)
        .finish();
    // Not a thread's default: tracing caches "nobody listens" when another test is first at a callsite.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tracing::callsite::rebuild_interest_cache();
    // Node and gateway are one host here, so each failed poll takes two of these.
    let stub = node(&["x", "x", "x", "x", r#"{"height":1}"#, r#"{"height":2}"#]).await;
    poll_until(&stub, &HeightCache::starting_at(None), 2).await;

    let text = String::from_utf8(LOG.take()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("WARN") && lines[0].contains("makes no sense"), "{text}");
    assert!(lines[1].contains("INFO") && lines[1].contains("failures=2"), "{text}");
}
