//! A body counts as in memory for as long as it is, also when nobody waits for it any more.

use super::submit;
use crate::{WithoutHeight, Writer, WriterConfig, WriterMetrics, WriterParts};
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use prometheus_client::registry::Registry;
use rota_ans104::{SignError, SignatureType, Signer};
use rota_ledger::{Ledger, LedgerOptions};
use rota_permaweb::{Gateway, GatewayConfig, HeightCache};
use rota_schedule::SystemClock;
use rota_testkit::{spawn, user};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Bytes of the item's data.
const LARGE_BYTES: usize = 300_000;
/// No test waits longer for what should come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A key that signs once its gate is open.
#[derive(Default)]
struct Gated {
    open: AtomicBool,
    asked: AtomicBool,
}

impl Signer for Gated {
    fn signature_type(&self) -> SignatureType {
        user().signature_type()
    }

    fn owner(&self) -> &[u8] {
        user().owner()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.asked.store(true, Ordering::SeqCst);
        while !self.open.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        user().sign(message)
    }
}

fn writer(dir: &TempDir, signer: Arc<Gated>) -> Writer {
    let nowhere: url::Url = "http://127.0.0.1:9".parse().unwrap();
    let gateway = GatewayConfig {
        gateway_url: nowhere.clone(),
        arweave_url: nowhere,
        graphql_url: None,
        arweave_url_list: Vec::new(),
        timeout: Duration::from_secs(1),
    };
    let parts = WriterParts {
        ledger: Ledger::open(dir.path(), LedgerOptions::default()).unwrap(),
        database: None,
        cache: None,
        membership: None,
        signer,
        clock: Arc::new(SystemClock),
        gateway: Gateway::new(gateway).unwrap(),
        height: HeightCache::starting_at(Some(1)),
        metrics: WriterMetrics::register(&mut Registry::default()),
        anchor_seed: [1; 32],
        retry_seed: [2; 32],
    };
    let config = WriterConfig {
        item_bytes_max: 1 << 20,
        deep_hash_checks: true,
        process_assignment: true,
        without_height: WithoutHeight::SignZero,
        cpus: 1,
    };
    Writer::start(config, parts).unwrap()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect(what);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_stays_counted_after_disconnect_until_its_entry_is_committed() {
    let (dir, signer) = (TempDir::new().unwrap(), Arc::new(Gated::default()));
    let writer = writer(&dir, signer.clone());
    let free = writer.bodies().free();
    let item = spawn().data(vec![b'x'; LARGE_BYTES]).sign();
    let body = Body::from(item.bytes().clone());
    let request = submit(State(writer.clone()), RawQuery(None), None, HeaderMap::new(), body);
    let client = tokio::spawn(request);
    until("the item is in its lane", || signer.asked.load(Ordering::SeqCst)).await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    let held = (free.0, free.1 - item.bytes().len());
    assert_eq!(writer.bodies().free(), held, "the lane holds the bytes");
    signer.open.store(true, Ordering::SeqCst);
    until("all bytes are given back", || writer.bodies().free() == free).await;
    writer.finish().await.unwrap();
}
