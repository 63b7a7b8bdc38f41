//! A database, a directory and machines that writers start on; the book of what clients were told.

use crate::clients::{Address, Clients};
use rota_ans104::Item;
use rota_directory::DynamoDirectory;
use rota_schedule::{Directory as _, ProcessId, WriterName, WriterRecord};
use rota_testkit::aws::{self, Aws};
use rota_testkit::postgres::PostgresCluster;
use rota_testkit::scheduler::{READY, command};
use rota_testkit::{RotaProcess, StubGateway, message, spawn};
use rota_tests::{Book, Schedule, fast_dir, follow_database, scheduler_wallet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::sleep;

/// The command, with failpoints if the feature is on.
pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_rota-under-test");
/// What a writer says first.
const STANDS_BY: &str = "rota stands by at ";
/// How long anything may take that is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(10);

pub(crate) struct Town {
    pub(crate) cluster: &'static PostgresCluster,
    pub(crate) aws: &'static Aws,
    pub(crate) directory: DynamoDirectory,
    pub(crate) book: Arc<Book>,
    pub(crate) url: String,
    table: String,
    database: String,
    pub(crate) gateway: StubGateway,
    wallet: TempDir,
}

/// A machine: its disk, and the writer that runs on it.
pub(crate) struct Machine {
    pub(crate) disk: TempDir,
    pub(crate) rota: RotaProcess,
}

impl Town {
    pub(crate) async fn new() -> Self {
        let (cluster, aws) = (PostgresCluster::shared(), Aws::shared());
        let url = cluster.fresh_database();
        let database = url.rsplit('/').next().unwrap().split('?').next().unwrap().to_owned();
        let (table, directory) = directory(aws).await;
        directory.create_table().await.unwrap();
        let wallet = fast_dir();
        scheduler_wallet().save_new(&wallet.path().join("wallet.json")).unwrap();
        let gateway = StubGateway::start(1_600_000).await;
        let book = Arc::default();
        Self { cluster, aws, directory, book, url, table, database, gateway, wallet }
    }

    /// Starts a writer on a new machine; it stands by.
    pub(crate) fn machine(&self, name: &str) -> Machine {
        self.machine_with(name, fast_dir(), &[])
    }

    /// Starts a writer on a disk, with settings of the test's own.
    pub(crate) fn machine_with(
        &self,
        name: &str,
        disk: TempDir,
        settings: &[(&str, &str)],
    ) -> Machine {
        self.try_machine(name, disk, settings).unwrap()
    }

    /// The same, of a start that may be refused.
    pub(crate) fn try_machine(
        &self,
        name: &str,
        disk: TempDir,
        settings: &[(&str, &str)],
    ) -> Result<Machine, String> {
        let all = self.settings();
        let mut all: Vec<(&str, &str)> =
            all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend(settings);
        let data = disk.path().join("data");
        let args = ["writer", "--name", name, "--port", "0", "--data-dir", data.to_str().unwrap()];
        let rota = RotaProcess::try_start_as(Path::new(BIN), &args, &all, STANDS_BY)?;
        Ok(Machine { disk, rota })
    }

    /// An empty directory in the place of the one that there was, as an operator makes it.
    pub(crate) async fn new_directory(&mut self) {
        (self.table, self.directory) = directory(self.aws).await;
        for _ in 0..2 {
            let said = self.command(&["writers", "create-table"]).await.unwrap();
            assert_eq!(said, "the directory can be used\n");
        }
    }

    /// What everything that runs here is told.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let wallet = self.wallet.path().join("wallet.json");
        let mut all = self.gateway.settings();
        all.extend(aws::settings_at(&self.aws.endpoint()));
        all.extend([
            ("DATABASE_URL", self.url.clone()),
            ("DIRECTORY_TABLE", self.table.clone()),
            ("SU_WALLET_PATH", wallet.to_str().unwrap().to_owned()),
        ]);
        all
    }

    /// Starts the router.
    pub(crate) fn router(&self, settings: &[(&str, &str)]) -> RotaProcess {
        let all = self.settings();
        let mut all: Vec<(&str, &str)> =
            all.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend(settings);
        let args = ["router", "--port", "0"];
        RotaProcess::try_start_as(Path::new(BIN), &args, &all, READY).unwrap()
    }

    /// Runs a command of an operator; gives what it prints, or how it complains.
    pub(crate) async fn command(&self, args: &[&str]) -> Result<String, String> {
        let mut command = command(Path::new(BIN));
        command.args(args).envs(self.settings());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// A machine whose writer writes.
    pub(crate) async fn ready(&self, name: &str) -> Machine {
        let machine = self.machine(name);
        machine.ready().await;
        machine
    }

    pub(crate) async fn record(&self, name: &str) -> WriterRecord {
        let name: WriterName = name.parse().unwrap();
        self.directory.writer(&name).await.unwrap().unwrap()
    }

    /// Spawns processes at a writer.
    pub(crate) async fn spawned(&self, at: &Machine, count: usize) -> Vec<ProcessId> {
        let items: Vec<Item> = (0..count).map(|_| spawn().sign()).collect();
        let processes = items.iter().map(|item| item.id().into()).collect();
        rota_tests::post_all(&at.rota.url, items, &self.book).await;
        processes
    }

    /// Clients that send messages to processes, wherever those are, until they are told to end.
    pub(crate) fn clients(&self, processes: &[ProcessId], count: usize) -> Clients {
        Clients::start(&Address::Directory(self.directory.clone()), processes, count, &self.book)
    }

    /// The same, by way of a router.
    pub(crate) fn clients_of(
        &self,
        router: &RotaProcess,
        processes: &[ProcessId],
        count: usize,
    ) -> Clients {
        Clients::start(&Address::Router(router.url.clone()), processes, count, &self.book)
    }

    /// An item that lies at the gateway, to be assigned.
    pub(crate) fn elsewhere(&self) -> Item {
        let item = message(ProcessId::new([8; 32])).sign();
        self.gateway.hold(&item);
        self.book.posted(&item);
        item
    }

    pub(crate) fn messages(processes: &[ProcessId], count: usize) -> Vec<Item> {
        let of = |index: usize| processes[index % processes.len()];
        (0..count).map(|index| message(of(index)).sign()).collect()
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.cluster.sql(&self.database, statements)
    }

    /// The database holds whole schedules, with everything that anybody was told.
    #[track_caller]
    pub(crate) fn check(&self) -> Vec<Schedule> {
        let schedules = follow_database(self.cluster, &self.database).unwrap();
        self.book.check(&schedules).unwrap();
        schedules
    }
}

async fn directory(aws: &Aws) -> (String, DynamoDirectory) {
    let table = aws.fresh_table();
    let config = rota_aws::stand_in(&aws.endpoint()).await;
    (table.clone(), DynamoDirectory::new(&config, table))
}

impl Machine {
    /// Waits until its writer writes.
    pub(crate) async fn ready(&self) {
        self.ready_within(PATIENCE).await;
    }

    /// The same, and how long it took.
    pub(crate) async fn ready_within(&self, max: Duration) -> Duration {
        let since = Instant::now();
        while !self.is_ready() {
            assert!(since.elapsed() < max, "it never writes: {}", self.rota.logged());
            sleep(POLL).await;
        }
        since.elapsed()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.rota.printed().lines().any(|line| line.starts_with(READY))
    }

    /// Kills its writer as a crash would, and keeps the disk.
    pub(crate) fn kill_9(self) -> TempDir {
        self.rota.kill_9();
        self.disk
    }

    /// Waits until its writer ends by itself, with a failure.
    pub(crate) async fn gives_up(&mut self) {
        let since = Instant::now();
        loop {
            if let Some(status) = self.rota.wait(Duration::ZERO) {
                assert!(!status.success(), "{}", self.rota.logged());
                return;
            }
            assert!(since.elapsed() < PATIENCE, "it goes on: {}", self.rota.logged());
            sleep(POLL).await;
        }
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until<F: Future<Output = bool>>(
    what: &str,
    is_so: impl Fn() -> F,
) -> impl Future<Output = ()> {
    let what = what.to_owned();
    async move {
        let since = Instant::now();
        while !is_so().await {
            assert!(since.elapsed() < PATIENCE, "it never came about that {what}");
            sleep(POLL).await;
        }
    }
}
