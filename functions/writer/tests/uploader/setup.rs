//! A ledger with entries in its outbox, and an uploader that works it off.

use crate::stub::Stub;
use bytes::Bytes;
use prometheus_client::registry::Registry;
use rota_ans104::{Item, ItemId, SignatureType, Signer, UnsignedItem, Wallet, WalletKind};
use rota_ledger::{Append, Ledger, LedgerOptions, Upload};
use rota_permaweb::{Bundler, BundlerConfig, Gateway, GatewayConfig};
use rota_schedule::{Entry, Head, ProcessId, Timestamp, next_slot};
use rota_service::Stop;
use rota_writer::{UploadMode, Uploader, UploaderParts, WriterMetrics};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, mpsc};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use url::Url;

/// Longer than anything here takes; then the test has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9";
const PROCESS: ProcessId = ProcessId::new([7; 32]);

pub(crate) static WALLET: LazyLock<Arc<Wallet>> =
    LazyLock::new(|| Arc::new(Wallet::generate(WalletKind::Ed25519).unwrap()));

/// A ledger in a directory of its own.
pub(crate) struct Shelf {
    dir: TempDir,
    ledger: Option<Ledger>,
    head: Option<Head>,
    items: u64,
    /// Who is asked for items without a receipt.
    pub(crate) gateway: Url,
    /// Every item that was committed.
    pub(crate) committed: BTreeMap<ItemId, Bytes>,
}

impl Shelf {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Some(Ledger::open(dir.path(), LedgerOptions::default()).unwrap());
        let gateway = NOWHERE.parse().unwrap();
        Self { dir, ledger, head: None, items: 0, gateway, committed: BTreeMap::new() }
    }

    /// A shelf with entries of small messages.
    pub(crate) fn with(entries: usize) -> Self {
        let mut shelf = Self::new();
        shelf.append(entries, 100);
        shelf
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.ledger.as_ref().unwrap()
    }

    /// Commits entries whose messages carry `bytes` bytes of data; gives the ids of the messages.
    pub(crate) fn append(&mut self, entries: usize, bytes: usize) -> Vec<ItemId> {
        let (told, outcomes) = mpsc::channel();
        let mut messages = Vec::new();
        for _ in 0..entries {
            let (message, assignment) = (self.item(bytes), self.item(0));
            let slot =
                next_slot(PROCESS, self.head.as_ref(), Timestamp(1), Timestamp(0), 0).unwrap();
            let head = slot.head(assignment.id().into());
            messages.push(message.id());
            let entry = Entry {
                nonce: slot.nonce,
                timestamp: slot.timestamp,
                assignment_id: assignment.id().into(),
                message_id: message.id().into(),
                assignment: assignment.bytes().clone(),
                message: Some(message.bytes().clone()),
            };
            let told = told.clone();
            let queued_at = slot.timestamp;
            let append = Append {
                process: PROCESS,
                entry,
                head,
                content: None,
                queued_at,
                upload: Upload::Now,
            };
            let done = Box::new(move |outcome: Result<_, _>| told.send(outcome.is_ok()).unwrap());
            self.ledger().append(append, done);
            self.head = Some(head);
        }
        drop(told);
        assert_eq!(outcomes.iter().filter(|committed| *committed).count(), entries);
        messages
    }

    /// An item that nobody signed.
    fn item(&mut self, bytes: usize) -> Item {
        self.items += 1;
        let signature: Vec<u8> = self.items.to_be_bytes().repeat(8);
        let item = UnsignedItem { data: vec![7; bytes].into(), ..UnsignedItem::default() };
        let item = item.with_signature(SignatureType::Ed25519, &[1; 32], &signature).unwrap();
        self.committed.insert(item.id(), item.bytes().clone());
        item
    }

    pub(crate) fn depth(&self) -> u64 {
        self.ledger().outbox_stats().depth
    }

    /// Waits until no more than `depth` rows are left to upload.
    pub(crate) async fn uploaded_to(&self, depth: u64) {
        until("the outbox is worked off", || self.depth() <= depth).await;
    }

    /// Opens the ledger again, once nobody has it open any more.
    pub(crate) async fn reopen(&mut self) {
        drop(self.ledger.take());
        let dir = self.dir.path();
        let mut opened = None;
        until("the ledger is free", || {
            opened = Ledger::open(dir, LedgerOptions::default()).ok();
            opened.is_some()
        })
        .await;
        self.ledger = opened;
    }

    fn gateway(&self) -> GatewayConfig {
        GatewayConfig {
            gateway_url: self.gateway.clone(),
            arweave_url: self.gateway.clone(),
            graphql_url: None,
            arweave_url_list: Vec::new(),
            timeout: Duration::from_secs(2),
        }
    }

    /// Starts an uploader.
    pub(crate) fn upload(&self, url: &Url, mode: UploadMode) -> Running {
        self.upload_signed(url, mode, Arc::clone(&*WALLET) as Arc<dyn Signer>)
    }

    /// Starts an uploader whose bundles another key signs.
    pub(crate) fn upload_signed(
        &self,
        url: &Url,
        mode: UploadMode,
        signer: Arc<dyn Signer>,
    ) -> Running {
        let mut registry = Registry::default();
        let config = BundlerConfig { url: url.clone(), timeout: Duration::from_secs(5) };
        let uploader = Uploader::new(UploaderParts {
            ledger: self.ledger().clone(),
            bundler: Bundler::new(config).unwrap(),
            gateway: Gateway::new(self.gateway()).unwrap(),
            mode,
            signer,
            metrics: WriterMetrics::register(&mut registry),
            seed: 1,
        });
        let stop = Stop::new();
        Running { task: tokio::spawn(uploader.run(stop.clone())), stop, registry }
    }

    /// Asserts that what the bundler took is what was committed, byte for byte, each item once.
    pub(crate) fn assert_taken_once(&self, stub: &Stub) {
        assert_eq!(stub.taken().len(), self.committed.len());
        self.assert_taken(stub.taken());
    }

    /// Asserts that what was taken is what was committed, byte for byte.
    pub(crate) fn assert_taken(&self, items: Vec<Item>) {
        let taken: BTreeMap<_, _> =
            items.into_iter().map(|item| (item.id(), item.bytes().clone())).collect();
        assert!(taken == self.committed, "{} of {}", taken.len(), self.committed.len());
    }
}

/// An uploader at work; it is cut off when this is dropped.
pub(crate) struct Running {
    task: JoinHandle<()>,
    stop: Stop,
    registry: Registry,
}

impl Running {
    /// Stops it in an orderly way.
    pub(crate) async fn stop(mut self) {
        self.stop.trigger();
        tokio::time::timeout(PATIENCE, &mut self.task).await.unwrap().unwrap();
    }

    /// The value of a counter.
    pub(crate) fn counter(&self, name: &str) -> usize {
        let text = rota_service::metrics::encode(&self.registry);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("_total "));
        line.unwrap().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until `done`.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
