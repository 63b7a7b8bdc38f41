//! A primary, a replica, a writer and readers: what every test here lives in.

use rota_readmodel::{DatabaseUrl, Holder, Projection, ReadModel, ReadModelConfig, Row, migrate};
use rota_schedule::{Clock, ProcessId, SystemClock, Timestamp};
use rota_testkit::postgres::{PostgresCluster, PostgresOptions, Replica};
use rota_testkit::{Schedule, user};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::block_in_place;

const DATABASE: &str = "rota";
/// The block height that the suite expects.
const HEIGHT: u64 = 42;

/// Servers of one test, with an empty read model.
pub(crate) struct House {
    pub(crate) primary: PostgresCluster,
    pub(crate) replica: Replica,
    pub(crate) writer: Projection,
}

impl House {
    pub(crate) async fn new() -> Self {
        let primary = block_in_place(|| PostgresCluster::start(PostgresOptions::default()));
        let url = primary.create_database(DATABASE).parse().unwrap();
        migrate(&url).await.unwrap();
        let taken = Projection::take(&url, 2, "test", Holder([1; 16]), user().address()).await;
        let writer = taken.unwrap().projection;
        writer.heartbeat(Timestamp(0), Timestamp(0), Some(HEIGHT)).await.unwrap();
        let replica = block_in_place(|| primary.replica());
        Self { primary, replica, writer }
    }

    pub(crate) fn primary_url(&self) -> DatabaseUrl {
        self.primary.url(DATABASE).parse().unwrap()
    }

    pub(crate) fn replica_url(&self) -> DatabaseUrl {
        self.replica.url(DATABASE).parse().unwrap()
    }

    /// How a reader of both is set up, strict.
    pub(crate) fn config(&self) -> ReadModelConfig {
        ReadModelConfig {
            replicas: vec![self.replica_url()],
            primary: Some(self.primary_url()),
            ..ReadModelConfig::default()
        }
    }

    pub(crate) fn reader(&self) -> ReadModel {
        reader(self.config())
    }

    /// A reader of the replica alone.
    pub(crate) fn replica_reader(&self) -> ReadModel {
        reader(ReadModelConfig { primary: None, ..self.config() })
    }

    /// A reader of the primary alone.
    pub(crate) fn primary_reader(&self) -> ReadModel {
        reader(ReadModelConfig { replicas: Vec::new(), ..self.config() })
    }

    /// Commits all of these schedules, and that nothing comes at or below `closed`.
    pub(crate) async fn commit(&self, schedules: &[Schedule], closed: u64) {
        for schedule in schedules {
            self.commit_part(schedule, 0, schedule.entries.len()).await;
        }
        self.close(closed).await;
    }

    /// Commits some entries of a schedule, one batch each.
    pub(crate) async fn commit_part(&self, schedule: &Schedule, from: usize, to: usize) {
        assert!(self.writer.bind(&schedule.process).await.unwrap());
        for entry in &schedule.entries[from..to] {
            let row = Row { process: schedule.process, entry: entry.clone(), content: None };
            self.writer.project(&[row]).await.unwrap();
        }
    }

    pub(crate) async fn close(&self, closed: u64) {
        self.writer.heartbeat(Timestamp(closed), Timestamp(0), Some(HEIGHT)).await.unwrap();
    }
}

pub(crate) fn reader(config: ReadModelConfig) -> ReadModel {
    ReadModel::new(config, Arc::new(SystemClock))
}

/// A clock that stands still.
pub(crate) struct Stopped(pub(crate) u64);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp(self.0)
    }
}

/// Waits until something holds, and says what did not.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

/// An id that nobody has.
pub(crate) const NOBODY: ProcessId = ProcessId::new([9; 32]);
