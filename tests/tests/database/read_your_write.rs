//! RD-1: whoever was told of an entry reads it, however far the replica is behind, by every question.

use crate::house::House;
use rota_ans104::Item;
use rota_readmodel::{DatabaseUrl, ReadModel, ReadModelConfig};
use rota_schedule::{Bounds, Entry, Found, PageQuery, ProcessId, ScheduleReader as _, SystemClock};
use rota_testkit::postgres::{PostgresCluster, PostgresOptions, Replica};
use rota_tests::{Book, InProcess, Posted, rounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// Clients, each with a process of its own.
const CLIENTS: usize = 4;
/// Reads of all of them, times `ROTA_TEST_ROUNDS`: 25 makes the 100,000.
const READS: usize = 4_000;
/// Reads after each write.
const QUESTIONS: usize = 10;

/// What one client knows of its process, since nobody else writes there.
struct Client {
    book: Arc<Book>,
    reader: ReadModel,
    process: ProcessId,
    /// Ids and timestamps by nonce.
    told: Vec<(Item, u64)>,
}

impl Client {
    /// Writes a message and asks everything about it.
    async fn turn(&mut self, writer: &InProcess) {
        let item = rota_testkit::message(self.process).sign();
        self.book.posted(&item);
        let Posted::Acked(timestamp) = writer.post(&item).await else { panic!("not acknowledged") };
        self.told.push((item, timestamp.0));
        let (newest, time) = (self.told.len() as u64 - 1, timestamp.0);
        let id = *self.told[self.told.len() - 1].0.id().as_bytes();

        for process in [None, Some(self.process)] {
            let found = self.reader.find(id, process, PageQuery::default()).await.unwrap();
            let Some(Found::Entry(entry)) = found else { panic!("{newest} is not found") };
            self.is_told(&entry, newest);
        }
        let raw = self.reader.raw(id).await.unwrap();
        assert_eq!(raw.as_ref(), Some(self.told[self.told.len() - 1].0.bytes()));
        let latest = self.reader.latest(self.process).await.unwrap().unwrap();
        self.is_told(&latest, newest);
        assert_eq!(self.reader.head(self.process).await.unwrap(), Some(newest));
        let after = newest.saturating_sub(5);
        let after_time = self.told[usize::try_from(after).unwrap()].1;
        let tail = Bounds { after_nonce: Some(after), ..Bounds::default() };
        for bounds in [
            tail,
            Bounds { to_nonce: Some(newest), ..tail },
            Bounds { to_nonce: Some(newest + 9), ..tail },
            Bounds { after_time: Some(after_time), ..Bounds::default() },
            Bounds { after_time: Some(after_time), to_time: Some(time), ..Bounds::default() },
        ] {
            self.page(bounds, after + 1..=newest).await;
        }
    }

    async fn page(&self, bounds: Bounds, expected: std::ops::RangeInclusive<u64>) {
        let query = PageQuery { bounds, ..PageQuery::default() };
        let found = self.reader.find(*self.process.as_bytes(), None, query).await.unwrap();
        let Some(Found::Page(page)) = found else { panic!("the process is not found") };
        let nonces: Vec<u64> = page.entries.iter().map(|entry| entry.nonce).collect();
        assert_eq!(nonces, expected.collect::<Vec<_>>(), "{query:?}");
        assert!(!page.has_next);
        page.entries.iter().for_each(|entry| self.is_told(entry, entry.nonce));
    }

    fn is_told(&self, entry: &Entry, nonce: u64) {
        let (item, time) = &self.told[usize::try_from(nonce).unwrap()];
        assert_eq!((entry.nonce, entry.timestamp.0), (nonce, *time));
        assert_eq!(entry.message_id, item.id().into());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn through_a_replica_that_stands_still_every_answer_is_right() {
    let cluster = PostgresCluster::start(PostgresOptions::default());
    let house = House::on(Box::leak(Box::new(cluster)));
    let replica = Arc::new(house.cluster.replica());
    let (_disk, writer) = house.settled().await;
    let reader = reader(&house, &replica);
    let total = READS * usize::try_from(rounds(1)).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for item in house.processes.iter().take(CLIENTS) {
        let (reader, writer, asked) = (reader.clone(), writer.clone(), asked.clone());
        let process: ProcessId = item.id().into();
        let spawned = reader.latest(process).await.unwrap().unwrap();
        let told = vec![(item.clone(), spawned.timestamp.0)];
        let mut client = Client { book: house.book.clone(), reader, process, told };
        clients.spawn(async move {
            while asked.fetch_add(QUESTIONS, Ordering::Relaxed) < total {
                client.turn(&writer).await;
            }
        });
    }
    let stutter = tokio::task::spawn_blocking({
        let (replica, asked) = (replica.clone(), asked.clone());
        move || stutter(&replica, &asked, total)
    });
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    stutter.await.unwrap();
    let stats = reader.stats();
    assert!(stats.replicas[0].queries > 0 && stats.primary.unwrap().queries > 0, "both were asked");
    house.check_same(&writer.stop().await);
}

fn reader(house: &House, replica: &Replica) -> ReadModel {
    let name = house.url.rsplit('/').next().unwrap().split('?').next().unwrap();
    let replica: DatabaseUrl = replica.url(name).parse().unwrap();
    let primary: DatabaseUrl = house.url.parse().unwrap();
    let config = ReadModelConfig {
        replicas: vec![replica],
        primary: Some(primary),
        ..ReadModelConfig::default()
    };
    ReadModel::new(config, Arc::new(SystemClock))
}

/// The replica stands still most of the time, and now and then catches up.
fn stutter(replica: &Replica, asked: &AtomicUsize, total: usize) {
    replica.caught_up();
    while asked.load(Ordering::Relaxed) < total {
        replica.pause();
        std::thread::sleep(std::time::Duration::from_millis(400));
        replica.resume();
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
}
