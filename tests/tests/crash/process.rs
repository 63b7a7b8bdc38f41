//! A real scheduler, killed.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rota_ans104::{Item, ItemId};
use rota_schedule::ProcessId;
use rota_testkit::postgres::PostgresCluster;
use rota_testkit::scheduler::command;
use rota_testkit::{BundlerMode, RotaProcess, StubBundler, message, spawn};
use rota_tests::{
    Book, Load, PowerCut, Schedule, follow_http, http, metric, post_all, rounds, scheduler_wallet,
};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::sleep;

pub(crate) const CLIENTS: usize = 16;
const PROCESSES: usize = 4;
/// How long the uploader may take to work off what a test left it.
pub(crate) const UPLOADS_MAX: Duration = Duration::from_secs(120);

/// A data directory, and everything that outlives the schedulers that die in it.
pub(crate) struct Site {
    dir: TempDir,
    /// Where entries are committed; without one, in the ledger.
    database: Option<String>,
    pub(crate) rng: StdRng,
    seed: u64,
    pub(crate) book: Arc<Book>,
    pub(crate) bundler: StubBundler,
    processes: Vec<ProcessId>,
    /// Posted and not acknowledged.
    unanswered: Vec<Item>,
    /// Acknowledged, and posted again now and then.
    pub(crate) known: Vec<Item>,
}

impl Site {
    pub(crate) async fn new(seed: u64) -> Self {
        Self::with(seed, None).await
    }

    /// One whose schedulers commit in a database.
    pub(crate) async fn with_database(seed: u64) -> Self {
        Self::with(seed, Some(PostgresCluster::shared().fresh_database())).await
    }

    async fn with(seed: u64, database: Option<String>) -> Self {
        println!("seed {seed}");
        let dir = TempDir::new().unwrap();
        scheduler_wallet().save_new(&dir.path().join("wallet.json")).unwrap();
        let book = Arc::default();
        let bundler = StubBundler::start().await;
        let rng = StdRng::seed_from_u64(seed);
        let (processes, unanswered, known) = (Vec::new(), Vec::new(), Vec::new());
        let mut site =
            Self { dir, database, rng, seed, book, bundler, processes, unanswered, known };
        let rota = site.start(&[]);
        for _ in 0..PROCESSES {
            let item = spawn().sign();
            site.processes.push(item.id().into());
            site.known.push(item);
        }
        post_all(&rota.url, site.known.clone(), &site.book).await;
        rota.kill_9();
        site
    }

    pub(crate) fn start(&self, envs: &[(&str, &str)]) -> RotaProcess {
        let mut own = vec![("UPLOAD_NODE_URL", self.bundler.url())];
        own.extend(self.database.as_deref().map(|url| ("DATABASE_URL", url)));
        RotaProcess::start(&binary(), self.dir.path(), &[&own, envs].concat())
    }

    fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger")
    }

    /// What the clients post next: new messages, what was never answered, and some of what was.
    pub(crate) fn items(&mut self, fresh: usize) -> Vec<Item> {
        let mut items = std::mem::take(&mut self.unanswered);
        for _ in 0..fresh {
            let process = self.processes[self.rng.random_range(0..self.processes.len())];
            let padding = if self.rng.random_ratio(1, 24) { 40_000 } else { 100 };
            items.push(message(process).data(self.noise(padding)).sign());
        }
        for _ in 0..fresh / 8 {
            items.push(self.known[self.rng.random_range(0..self.known.len())].clone());
        }
        let len = items.len();
        for index in 1..len {
            items.swap(index, self.rng.random_range(0..=index));
        }
        items
    }

    fn noise(&mut self, len: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.rng.random_range(b' '..b'~')).take(len).collect()
    }

    /// Takes in what became of the items of a load once the scheduler is dead, and what the bundler saw.
    pub(crate) async fn gather(&mut self, items: Vec<Item>, load: Load) {
        let unanswered = load.finish().await;
        for (item, why) in &unanswered {
            let lost = !why.starts_with(|c: char| c.is_ascii_digit()) || why.starts_with("503");
            assert!(lost, "seed {}: {} was refused: {why}", self.seed, item.id());
        }
        self.unanswered = unanswered.into_iter().map(|(item, _)| item).collect();
        self.known.extend(items.into_iter().filter(|item| self.book.is_acked(item.id().into())));
        for item in self.bundler.items() {
            self.book.seen_item(&item);
        }
    }

    /// Follows every schedule and compares it with the book.
    pub(crate) async fn check(&self, rota: &RotaProcess) -> Vec<Schedule> {
        let client = http();
        let mut schedules = Vec::new();
        for process in &self.processes {
            let followed = follow_http(&client, &rota.url, *process, &self.book).await;
            schedules.push(followed.unwrap_or_else(|why| panic!("seed {}: {why}", self.seed)));
        }
        if let Err(why) = self.book.check(&schedules) {
            panic!("seed {}: {why}", self.seed);
        }
        schedules
    }

    /// The last start: everything is posted until it is acknowledged, and uploaded in the end (DUR-2).
    /// Gives how many deliveries were of something that the bundler had already.
    pub(crate) async fn settle(mut self) -> usize {
        let rota = self.start(&[]);
        self.check(&rota).await;
        let items = self.items(0);
        post_all(&rota.url, items, &self.book).await;
        post_all(&rota.url, self.known.clone(), &self.book).await;
        let schedules = self.check(&rota).await;
        let until = Instant::now() + UPLOADS_MAX;
        while metric(&http(), &rota.url, "rota_outbox_depth").await != Some(0.0) {
            assert!(Instant::now() < until, "seed {}: DUR-2: the outbox is not empty", self.seed);
            sleep(Duration::from_millis(50)).await;
        }
        let there: HashSet<ItemId> = self.bundler.items().iter().map(Item::id).collect();
        for place in schedules.iter().flat_map(|schedule| &schedule.places) {
            let uploaded =
                there.contains(&place.assignment.into()) && there.contains(&place.message.into());
            assert!(uploaded, "seed {}: DUR-2: {place:?} is not at the bundler", self.seed);
        }
        for item in self.bundler.items() {
            self.book.seen_item(&item);
        }
        assert_eq!(self.bundler.refused(), Vec::<String>::new());
        self.check(&rota).await;
        assert!(rota.stop_gently().success());
        self.bundler.items().len() - there.len()
    }
}

fn binary() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_rota-under-test")).to_owned()
}

/// Reads schedules while they grow, as Compute Units do: what it has seen must stay.
pub(crate) fn reader(site: &Site, url: &str) -> tokio::task::JoinHandle<()> {
    let (book, processes, url) = (site.book.clone(), site.processes.clone(), url.to_owned());
    tokio::spawn(async move {
        let client = http();
        for process in processes.iter().cycle() {
            // It fails when the scheduler dies; what it has seen by then is in the book.
            let _ = follow_http(&client, &url, *process, &book).await;
            sleep(Duration::from_millis(40)).await;
        }
    })
}

/// `kill -9`, and the power with it, at any time of the first start: the next one begins as if there had
/// been none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dies_while_it_starts() {
    let mut rng = StdRng::seed_from_u64(40);
    for round in 0..rounds(8) {
        let dir = TempDir::new().unwrap();
        scheduler_wallet().save_new(&dir.path().join("wallet.json")).unwrap();
        let mut power = PowerCut::new(&dir.path().join("ledger")).ok();
        let watch = power.as_mut().map(PowerCut::watch);
        let mut child = command(&binary())
            .args(["local", "--port", "0", "--data-dir"])
            .arg(dir.path())
            .envs(watch.into_iter().flatten())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let alive = Duration::from_millis(rng.random_range(0..120));
        sleep(alive).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let gone = power.map_or(0, |power| power.cut(&mut rng));
        println!("round {round}: killed after {alive:?}, {gone} bytes lost");
        let rota = RotaProcess::start(&binary(), dir.path(), &[]);
        let book = Arc::default();
        post_all(&rota.url, vec![spawn().sign()], &book).await;
    }
}

/// `kill -9` at any time, on one data directory, with a bundler that is slow enough to lag behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dies_at_any_time() {
    keeps_dying(Site::new(20).await, rounds(20), |_| ()).await;
}

/// The same, with entries that are committed in a database.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dies_at_any_time_before_a_database() {
    keeps_dying(Site::with_database(21).await, rounds(12), |_| ()).await;
}

/// Its disk dies with it: the database has everything that anybody was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn loses_its_disk_at_any_time() {
    let lose = |site: &mut Site| {
        if site.rng.random() {
            std::fs::remove_dir_all(site.ledger()).unwrap();
        }
    };
    keeps_dying(Site::with_database(22).await, rounds(8), lose).await;
}

async fn keeps_dying(mut site: Site, rounds: u64, afterwards: impl Fn(&mut Site)) {
    site.bundler.behave(BundlerMode::Slow(Duration::from_millis(15)));
    for _ in 0..rounds {
        let rota = site.start(&[]);
        site.check(&rota).await;
        let reader = reader(&site, &rota.url);
        let items = site.items(160);
        let load = Load::start(&rota.url, CLIENTS, items.clone(), &site.book);
        sleep(Duration::from_millis(site.rng.random_range(5..250))).await;
        rota.kill_9();
        reader.abort();
        site.gather(items, load).await;
        afterwards(&mut site);
    }
    site.bundler.behave(BundlerMode::Good);
    site.settle().await;
}

/// The same, and what was not synced is gone. Only this can tell an fsync that is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn loses_its_power_at_any_time() {
    let mut site = Site::new(30).await;
    let mut power = match PowerCut::new(&site.ledger()) {
        Ok(power) => power,
        Err(why) => return println!("skipped: no C compiler here: {why}"),
    };
    let mut gone = 0;
    for _ in 0..rounds(8) {
        let watch = power.watch();
        let envs = watch.each_ref().map(|(name, value)| (*name, value.as_str()));
        let rota = site.start(&envs);
        site.check(&rota).await;
        let reader = reader(&site, &rota.url);
        let items = site.items(160);
        let load = Load::start(&rota.url, CLIENTS, items.clone(), &site.book);
        sleep(Duration::from_millis(site.rng.random_range(20..400))).await;
        rota.kill_9();
        reader.abort();
        site.gather(items, load).await;
        gone += power.cut(&mut site.rng);
    }
    println!("{gone} bytes were lost with the power");
    assert!(power.was_watched(), "the library that notes syncs was not loaded");
    site.settle().await;
}
