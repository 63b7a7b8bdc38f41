//! A primary with one database, ledgers to write it from, and the book of what was told.

use rota_ans104::Item;
use rota_ledger::{Ledger, LedgerOptions};
use rota_readmodel::DatabaseUrl;
use rota_schedule::MessageId;
use rota_testkit::postgres::PostgresCluster;
use rota_testkit::{message, spawn};
use rota_tests::{Book, InProcess, Posted, Schedule, fast_dir, follow_database, follow_ledger};
use rota_writer::{AckAfter, DatabaseConfig, RecoveryError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct House {
    pub(crate) cluster: &'static PostgresCluster,
    database: String,
    /// Where writers connect to: the primary, or a proxy in front of it.
    pub(crate) url: String,
    pub(crate) book: Arc<Book>,
    pub(crate) processes: Vec<Item>,
}

impl House {
    /// An empty database on the primary that all tests share.
    pub(crate) fn new() -> Self {
        Self::on(PostgresCluster::shared())
    }

    pub(crate) fn on(cluster: &'static PostgresCluster) -> Self {
        let url = cluster.fresh_database();
        let database = url.rsplit('/').next().unwrap();
        let database = database.split('?').next().unwrap().to_owned();
        let processes = (0..4).map(|_| spawn().sign()).collect();
        Self { cluster, database, url, book: Arc::default(), processes }
    }

    pub(crate) fn config(&self, ack_after: AckAfter) -> DatabaseConfig {
        let url: DatabaseUrl = self.url.parse().unwrap();
        DatabaseConfig { url, name: "main".to_owned(), ack_after, archive: None, reader_role: None }
    }

    pub(crate) async fn try_writer(
        &self,
        disk: &TempDir,
        ack_after: AckAfter,
    ) -> Result<InProcess, RecoveryError> {
        let ledger = Ledger::open(disk.path(), LedgerOptions::default()).unwrap();
        InProcess::over_database(ledger, self.config(ack_after), 1).await
    }

    pub(crate) async fn writer(&self, disk: &TempDir) -> InProcess {
        self.try_writer(disk, AckAfter::Database).await.unwrap()
    }

    /// A writer on a new disk that has spawned all processes.
    pub(crate) async fn settled(&self) -> (TempDir, InProcess) {
        let disk = fast_dir();
        let writer = self.writer(&disk).await;
        self.post_all(&writer, self.processes.clone()).await;
        (disk, writer)
    }

    pub(crate) fn messages(&self, count: usize) -> Vec<Item> {
        let process = |index: usize| self.processes[index % self.processes.len()].id().into();
        (0..count).map(|index| message(process(index)).sign()).collect()
    }

    /// Posts an item; an acknowledgement goes into the book.
    pub(crate) fn post(&self, writer: &InProcess, item: Item) -> JoinHandle<Posted> {
        let (writer, book) = (writer.clone(), self.book.clone());
        tokio::spawn(async move {
            book.posted(&item);
            let posted = writer.post(&item).await;
            if let Posted::Acked(timestamp) = posted {
                book.acked(MessageId::from(item.id()), timestamp);
            }
            posted
        })
    }

    /// Posts items, all at once, each of which must be acknowledged.
    pub(crate) async fn post_all(&self, writer: &InProcess, items: Vec<Item>) {
        for posted in items.into_iter().map(|item| self.post(writer, item)).collect::<Vec<_>>() {
            let posted = posted.await.unwrap();
            assert!(matches!(posted, Posted::Acked(_)), "{posted:?}");
        }
    }

    pub(crate) fn sql(&self, statements: &str) -> String {
        self.cluster.sql(&self.database, statements)
    }

    pub(crate) fn rows(&self) -> usize {
        self.sql("SELECT count(*) FROM entries").parse().unwrap()
    }

    /// The database holds whole schedules, with everything that anybody was told.
    #[track_caller]
    pub(crate) fn check(&self) -> Vec<Schedule> {
        let schedules = follow_database(self.cluster, &self.database).unwrap();
        self.book.check(&schedules).unwrap();
        schedules
    }

    /// The database and a ledger hold the same.
    #[track_caller]
    pub(crate) fn check_same(&self, ledger: &Ledger) {
        let (theirs, mut ours) = (self.check(), follow_ledger(ledger).unwrap());
        ours.sort_by_key(|schedule| *schedule.process.as_bytes());
        assert_eq!(theirs.len(), ours.len());
        for (theirs, ours) in theirs.iter().zip(&ours) {
            assert_eq!((theirs.process, &theirs.places), (ours.process, &ours.places));
        }
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) -> impl Future<Output = ()> {
    let what = what.to_owned();
    async move {
        let since = Instant::now();
        while !is_so() {
            assert!(since.elapsed() < PATIENCE, "it never came about that {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}
