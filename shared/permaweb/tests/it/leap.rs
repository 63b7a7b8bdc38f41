//! Heights that leap: what one gateway says is not believed, two that agree are.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rota_permaweb::{
    Gateway, GatewayConfig, HEIGHT_MAX, HeightCache, KnownHeight, highest_plausible,
    run_height_poller,
};
use url::Url;

use crate::server::{Stub, reply};

const EVERY: Duration = Duration::from_millis(5);
/// 2024-09-04T19:45:16Z: block 1,500,000 was mined.
const NOW_MS: u64 = 1_725_479_116_000;
const NOW: u64 = 1_500_000;

/// A gateway whose height a test can set.
struct Node {
    stub: Stub,
    height: Arc<Mutex<u64>>,
}

impl Node {
    async fn at(height: u64) -> Self {
        let height = Arc::new(Mutex::new(height));
        let told = Arc::clone(&height);
        let answer = move |_: &_| reply(200, format!(r#"{{"height":{}}}"#, told.lock().unwrap()));
        Self { stub: Stub::with(answer).await, height }
    }

    fn url(&self) -> Url {
        self.stub.url.clone()
    }

    fn tells(&self, height: u64) {
        *self.height.lock().unwrap() = height;
    }

    /// Waits until it was asked twice more: what it told by then is judged.
    async fn asked_twice(&self) {
        let (before, asked) = (self.stub.lines().len(), || self.stub.lines().len());
        while asked() < before + 3 {
            tokio::time::sleep(EVERY).await;
        }
    }
}

/// A poller over a node, a gateway and a list; it ends with the value.
struct Polling {
    cache: HeightCache,
    kept: Arc<Mutex<Vec<u64>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn poll(node: &Url, gateway: &Url, list: &[Url], known: Option<KnownHeight>) -> Polling {
    let gateway = Gateway::new(GatewayConfig {
        gateway_url: gateway.clone(),
        arweave_url: node.clone(),
        graphql_url: None,
        arweave_url_list: list.to_vec(),
        timeout: Duration::from_secs(10),
    });
    let cache = HeightCache::starting_at(known.map(|known| known.height));
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    let on_change = move |height, _| keep.lock().unwrap().push(height);
    let (gateway, shown) = (gateway.unwrap(), cache.clone());
    let stop = std::future::pending::<()>();
    let poller = run_height_poller(gateway, shown, known, EVERY, || NOW_MS, on_change, stop);
    Polling { cache, kept, task: tokio::spawn(poller) }
}

fn known(height: u64) -> Option<KnownHeight> {
    Some(KnownHeight { height, told_ms: Some(NOW_MS) })
}

#[tokio::test]
async fn one_gateway_that_leaps_is_not_believed_and_the_last_height_stays() {
    let node = Node::at(NOW).await;
    let polling = poll(&node.url(), &node.url(), &[], None);
    polling.cache.first_poll().await;
    assert_eq!(polling.cache.get(), Some(NOW));
    for leap in [HEIGHT_MAX, highest_plausible(NOW_MS), NOW + 1_000] {
        node.tells(leap);
        node.asked_twice().await;
        assert_eq!(polling.cache.get(), Some(NOW), "after {leap}");
    }
    node.tells(NOW + 2);
    node.asked_twice().await;
    assert_eq!(polling.cache.get(), Some(NOW + 2));
    assert_eq!(*polling.kept.lock().unwrap(), [NOW, NOW + 2], "only what is believed is kept");
}

#[tokio::test]
async fn absurd_first_height_of_one_gateway_leaves_the_height_unknown() {
    let node = Node::at(HEIGHT_MAX).await;
    let polling = poll(&node.url(), &node.url(), &[node.url()], None);
    polling.cache.first_poll().await;
    assert_eq!(polling.cache.get(), None);
    node.tells(highest_plausible(NOW_MS) + 1);
    node.asked_twice().await;
    assert_eq!(polling.cache.get(), None);
    node.tells(NOW);
    node.asked_twice().await;
    assert_eq!(polling.cache.get(), Some(NOW));
}

#[tokio::test]
async fn second_gateway_that_agrees_makes_a_leap_believed() {
    for listed in [false, true] {
        let (node, other) = (Node::at(NOW).await, Node::at(NOW - 2).await);
        let (gateway, list) = match listed {
            false => (other.url(), vec![]),
            true => (node.url(), vec![other.url()]),
        };
        let polling = poll(&node.url(), &gateway, &list, known(12));
        polling.cache.first_poll().await;
        node.asked_twice().await;
        let kept = polling.kept.lock().unwrap().clone();
        assert_eq!(kept, [NOW - 2, NOW], "the lower of the two, then what one gateway may say");
    }
}

#[tokio::test]
async fn same_gateway_under_two_paths_is_one_gateway() {
    let node = Node::at(HEIGHT_MAX).await;
    let (path, query) = (node.url().join("/a/").unwrap(), node.url().join("/?b").unwrap());
    let polling = poll(&node.url(), &path, &[path.clone(), query], known(NOW));
    node.asked_twice().await;
    assert_eq!(polling.cache.get(), Some(NOW));
}

#[tokio::test]
async fn another_gateway_with_a_plausible_height_is_taken_when_the_first_lies() {
    let (liar, honest) = (Node::at(HEIGHT_MAX).await, Node::at(NOW + 1).await);
    let polling = poll(&liar.url(), &honest.url(), &[], known(NOW));
    liar.asked_twice().await;
    assert_eq!(polling.cache.get(), Some(NOW + 1));
    let silent = Url::parse("http://127.0.0.1:9").unwrap();
    let polling = poll(&liar.url(), &silent, &[], known(NOW));
    liar.asked_twice().await;
    assert_eq!(polling.cache.get(), Some(NOW), "nobody else answers");
}

#[tokio::test]
async fn gateways_that_disagree_do_not_make_a_leap_believed() {
    let (one, two) = (Node::at(HEIGHT_MAX).await, Node::at(HEIGHT_MAX - 1_000).await);
    let polling = poll(&one.url(), &two.url(), &[], known(NOW));
    one.asked_twice().await;
    assert_eq!(polling.cache.get(), Some(NOW));
}
