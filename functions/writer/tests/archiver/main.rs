//! Checkpoints of real ledgers in a real server of S3, and ledgers that come out of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

use rota_archive::{Archive, ArchiveError, Checkpoints, Fetching};
use rota_ledger::{Append, Ledger, LedgerOptions, Upload};
use rota_schedule::SystemClock;
use rota_testkit::aws::Aws;
use rota_testkit::{Schedule, schedules};
use rota_writer::{Archiver, ArchiverError, Unsound, restore};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tempfile::TempDir;

const KEEP: NonZero<usize> = NonZero::new(3).unwrap();

/// An empty bucket's checkpoints.
async fn checkpoints() -> Checkpoints {
    let started = tokio::task::spawn_blocking(|| (Aws::shared(), Aws::shared().fresh_bucket()));
    let (aws, bucket) = started.await.unwrap();
    let config = rota_aws::stand_in(&aws.endpoint()).await;
    Archive::new(&config, &bucket, "").checkpoints("w", KEEP)
}

/// A data directory with a ledger.
struct Data(TempDir);

impl Data {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn ledger_dir(&self) -> PathBuf {
        self.0.path().join("ledger")
    }

    fn open(&self) -> Ledger {
        Ledger::open(&self.ledger_dir(), LedgerOptions::default()).unwrap()
    }

    /// What lies beside the ledger.
    fn names(&self) -> Vec<String> {
        let name = |found: std::fs::DirEntry| found.file_name().into_string().unwrap();
        let found = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = found.map(|found| name(found.unwrap())).collect();
        names.sort();
        names
    }
}

fn archiver(ledger: &Ledger, checkpoints: &Checkpoints, dir: &Path) -> Archiver {
    Archiver::new(ledger.clone(), checkpoints.clone(), dir, Arc::new(SystemClock))
}

/// Appends a part of a schedule.
fn fill(ledger: &Ledger, schedule: &Schedule, from: usize, to: usize) {
    let (sender, done) = mpsc::channel();
    for (entry, head) in schedule.entries.iter().zip(&schedule.heads).take(to).skip(from) {
        let sender = sender.clone();
        let append = Append {
            process: schedule.process,
            entry: entry.clone(),
            head: *head,
            content: None,
            queued_at: entry.timestamp,
            upload: Upload::Now,
        };
        ledger.append(append, Box::new(move |outcome| sender.send(outcome.map(drop)).unwrap()));
    }
    drop(sender);
    assert!(done.iter().all(|outcome| outcome.is_ok()));
}

fn holds(ledger: &Ledger, schedule: &Schedule, length: usize) {
    let found: Vec<_> = ledger.entries(&schedule.process, 0).unwrap().map(Result::unwrap).collect();
    assert_eq!(found, schedule.entries[..length]);
}

fn silent(_: Fetching<'_>) {}

fn sound(_: &Ledger) -> Result<(), Unsound> {
    Ok(())
}

#[tokio::test]
async fn a_ledger_comes_back_as_another_one_with_the_same_entries() {
    let (checkpoints, data, schedules) = (checkpoints().await, Data::new(), schedules());
    let ledger = data.open();
    ledger.settle(Some(5)).unwrap();
    fill(&ledger, &schedules[0], 0, 6);
    fill(&ledger, &schedules[3], 0, 6);
    let archiver = archiver(&ledger, &checkpoints, &data.ledger_dir());
    let first = archiver.checkpoint(5).await.unwrap();
    assert_eq!(first.files_sent, first.files);
    fill(&ledger, &schedules[0], 6, 12);
    let second = archiver.checkpoint(5).await.unwrap();
    assert!(second.bytes_sent * 3 < second.bytes, "only what is new travels: {second:?}");
    assert_eq!(data.names(), ["ledger", "ledger.hashes"]);

    let other = Data::new();
    let (fetched, ()) =
        restore(&checkpoints, None, &other.ledger_dir(), &silent, sound).await.unwrap();
    assert_eq!((fetched.manifest.position(), fetched.manifest.processes), (second.position, 2));
    let restored = other.open();
    holds(&restored, &schedules[0], 12);
    holds(&restored, &schedules[3], 6);
    assert_ne!(restored.id(), ledger.id(), "the database must not take it for the same disk");
    assert_eq!(restored.settled_term().unwrap(), None);
    assert_eq!(other.names(), ["ledger", "ledger.lock"]);

    fill(&restored, &schedules[2], 0, 1);
    let third = self::archiver(&restored, &checkpoints, &other.ledger_dir()).checkpoint(6).await;
    let third = third.unwrap();
    assert!(third.files_sent < third.files, "it shares what it came from: {third:?}");
    let late = archiver.checkpoint(5).await;
    let overtaken = matches!(late, Err(ArchiverError::Archive(ArchiveError::Overtaken { .. })));
    assert!(overtaken, "{late:?}");

    let earlier = Data::new();
    restore(&checkpoints, Some(first.position), &earlier.ledger_dir(), &silent, sound)
        .await
        .unwrap();
    holds(&earlier.open(), &schedules[0], 6);
}

#[tokio::test]
async fn a_ledger_is_restored_only_where_there_is_none_and_by_one_at_a_time() {
    let (checkpoints, data, schedules) = (checkpoints().await, Data::new(), schedules());
    let nothing = restore(&checkpoints, None, &data.ledger_dir(), &silent, sound).await;
    let none = ArchiveError::NoCheckpoint { writer: "w".to_owned() }.to_string();
    assert_eq!(nothing.unwrap_err().to_string(), none);
    let ledger = data.open();
    fill(&ledger, &schedules[3], 0, 6);
    archiver(&ledger, &checkpoints, &data.ledger_dir()).checkpoint(1).await.unwrap();
    let occupied = restore(&checkpoints, None, &data.ledger_dir(), &silent, sound).await;
    assert!(matches!(occupied, Err(ArchiverError::Occupied { .. })), "{occupied:?}");
    holds(&ledger, &schedules[3], 6);
    let other = Data::new();
    let dir = other.ledger_dir();
    let both = tokio::join!(
        restore(&checkpoints, None, &dir, &silent, sound),
        restore(&checkpoints, None, &dir, &silent, sound)
    );
    assert!(matches!(both, (Ok(_), Err(ArchiverError::Busy { .. }))), "{both:?}");
    holds(&other.open(), &schedules[3], 6);
}

/// What follows a ledger may find a link that is wrong, and then a supervisor starts the writer again.
#[tokio::test]
async fn a_ledger_that_is_not_to_be_used_never_comes_to_its_place() {
    let (checkpoints, data, schedules) = (checkpoints().await, Data::new(), schedules());
    let ledger = data.open();
    fill(&ledger, &schedules[3], 0, 6);
    archiver(&ledger, &checkpoints, &data.ledger_dir()).checkpoint(1).await.unwrap();
    let other = Data::new();
    let dir = other.ledger_dir();
    for _ in 0..2 {
        let unsound = |ledger: &Ledger| {
            assert_eq!(ledger.processes().unwrap().count(), 1);
            Err::<(), Unsound>("a link is wrong".into())
        };
        let refused = restore(&checkpoints, None, &dir, &silent, unsound).await;
        assert!(matches!(&refused, Err(ArchiverError::Unsound(_))), "{refused:?}");
        assert!(!dir.exists());
    }
    restore(&checkpoints, None, &dir, &silent, sound).await.unwrap();
    holds(&other.open(), &schedules[3], 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_up_is_taken_up() {
    let (checkpoints, data, schedules) = (checkpoints().await, Data::new(), schedules());
    let ledger = data.open();
    fill(&ledger, &schedules[3], 0, 6);
    let archiver = archiver(&ledger, &checkpoints, &data.ledger_dir());
    for wait in [0, 1, 3, 9, 27] {
        let _ = tokio::time::timeout(Duration::from_millis(wait), archiver.checkpoint(1)).await;
    }
    std::fs::create_dir_all(data.0.path().join("ledger.checkpoint/left")).unwrap();
    std::fs::create_dir_all(data.0.path().join("ledger.checkpoint.tmp")).unwrap();
    archiver.checkpoint(1).await.unwrap();
    assert_eq!(data.names(), ["ledger", "ledger.hashes"]);
    let other = Data::new();
    let dir = other.ledger_dir();
    for wait in [0, 1, 3, 9, 27] {
        let work = restore(&checkpoints, None, &dir, &silent, sound);
        let _ = tokio::time::timeout(Duration::from_millis(wait), work).await;
    }
    loop {
        match restore(&checkpoints, None, &dir, &silent, sound).await {
            Ok(_) | Err(ArchiverError::Occupied { .. }) => break,
            Err(ArchiverError::Busy { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            Err(other) => panic!("{other:?}"),
        }
    }
    holds(&other.open(), &schedules[3], 6);
}
