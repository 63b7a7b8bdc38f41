//! A scheduler with everything around it: a gateway of its own, an empty data directory, a client.

use crate::independent::Checker;
use crate::scheduler::RotaProcess;
use crate::{Client, StubGateway, message, spawn, wallet};
use rota_ans104::{Item, WalletKind};
use rota_schedule::ProcessId;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The height that the gateway tells.
const HEIGHT: u64 = 1_600_000;

/// A running scheduler and its surroundings; all of it ends with this value.
pub struct Site {
    /// The scheduler.
    pub process: RotaProcess,
    /// A client of it.
    pub client: Client,
    /// What it asks.
    pub gateway: StubGateway,
    bin: PathBuf,
    dir: TempDir,
    /// The test's own.
    settings: Vec<(String, String)>,
}

impl Site {
    /// Starts `bin` with the wallet that a first start would make (RSA-4096 of four primes).
    pub async fn start(bin: &str) -> Self {
        Self::with(bin, WalletKind::Rsa4Prime, &[]).await
    }

    /// Starts `bin` with a wallet of another kind, and with settings of the test's own.
    pub async fn with(bin: &str, kind: WalletKind, settings: &[(&str, &str)]) -> Self {
        Self::over(bin, kind, settings, |_| {}).await
    }

    /// The same over a data directory that `prepare` has written to.
    pub async fn over(
        bin: &str,
        kind: WalletKind,
        settings: &[(&str, &str)],
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let dir = TempDir::new().unwrap();
        prepare(dir.path());
        let path = dir.path().join("wallet.json");
        wallet(kind).save_new(&path).unwrap();
        let gateway = StubGateway::start(HEIGHT).await;
        let bin = PathBuf::from(bin);
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let settings: Vec<_> = settings.iter().map(own).collect();
        // On a thread of its own: the start waits for the gateway, which runs in this runtime.
        let start = starting(&bin, dir.path(), &gateway, &settings);
        let process = tokio::task::spawn_blocking(start).await.unwrap();
        Self { client: Client::new(&process.url), process, gateway, bin, dir, settings }
    }

    /// Ends the scheduler at once and starts it again on the same directory, with the same settings.
    pub fn restart(&mut self) {
        self.process.signal("KILL");
        self.process.wait(crate::scheduler::STOP_MAX).unwrap();
        self.process = starting(&self.bin, self.dir.path(), &self.gateway, &self.settings)();
        self.client = Client::new(&self.process.url);
    }

    /// Spawns a process.
    pub async fn spawned(&self) -> ProcessId {
        let item = spawn().sign();
        self.client.post(&item).await.ok();
        item.id().into()
    }

    /// Spawns a process and sends it `count` messages, one after the other.
    pub async fn process_of(&self, count: usize) -> (ProcessId, Vec<Item>) {
        let process = self.spawned().await;
        let items: Vec<Item> = (0..count).map(|_| message(process).sign()).collect();
        for item in &items {
            self.client.post(item).await.ok();
        }
        (process, items)
    }

    /// Reads the whole schedule of a process and holds it to everything that can be checked from
    /// outside. Gives its nodes.
    pub async fn checked(&self, process: ProcessId) -> Vec<Value> {
        let process = process.to_string();
        let nodes = self.client.schedule(&process).await;
        let mut checker = Checker::new(&process);
        for node in &nodes {
            checker.node(node).unwrap_or_else(|wrong| panic!("{wrong}"));
        }
        nodes
    }
}

/// What starts the scheduler.
fn starting(
    bin: &Path,
    dir: &Path,
    gateway: &StubGateway,
    settings: &[(String, String)],
) -> impl FnOnce() -> RotaProcess + Send + use<> {
    let around = gateway.settings().into_iter().map(|(name, value)| (name.to_owned(), value));
    let envs: Vec<(String, String)> = around.chain(settings.iter().cloned()).collect();
    let (bin, dir) = (bin.to_owned(), dir.to_owned());
    move || {
        let envs: Vec<(&str, &str)> =
            envs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        RotaProcess::start(&bin, &dir, &envs)
    }
}
