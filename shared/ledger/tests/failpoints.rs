//! Crashes and failures at the points where they hurt most. A binary of its own, since fail points
//! are global: `cargo test -p rota-ledger --features failpoints`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/mod.rs"]
mod support;

use fail::FailScenario;
use rota_ledger::{Ledger, LedgerError};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};
use support::{Chain, body, check, commit, copy_dir, open};
use tempfile::TempDir;

/// Copies the ledger each time the committer passes `point`, as a crash there would leave it.
fn image_at(point: &str, dir: &Path, images: &Path) -> Arc<AtomicUsize> {
    let (from, to): (PathBuf, PathBuf) = (dir.to_owned(), images.to_owned());
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let copy = move || copy_dir(&from, &to.join(count.fetch_add(1, Ordering::SeqCst).to_string()));
    fail::cfg_callback(point, copy).unwrap();
    taken
}

/// Commits in groups while a crash image is taken at each pass of `point`; gives how many entries had
/// been told when each image was taken, and how many each image holds.
fn crash_at(point: &str) -> Vec<(u64, u64)> {
    let scenario = FailScenario::setup();
    let (dir, images) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let ledger = open(dir.path());
    let mut chains = [Chain::new(1), Chain::new(2)];
    let taken = image_at(point, dir.path(), images.path());
    let told_at: Arc<Mutex<Vec<usize>>> = Arc::default();
    let (sender, outcomes) = mpsc::channel();
    for time in 1..=12 {
        for chain in &mut chains {
            let (sender, told_at, taken) =
                (sender.clone(), Arc::clone(&told_at), Arc::clone(&taken));
            let append = chain.next(time, Some(body(time, 3_000)));
            let done = move |outcome: Result<_, _>| {
                told_at.lock().unwrap().push(taken.load(Ordering::SeqCst));
                sender.send(outcome.is_ok()).unwrap();
            };
            ledger.append(append, Box::new(done));
        }
        if time % 4 == 0 {
            ledger.outbox_delivered(vec![time, time + 1]);
            assert!(outcomes.iter().take(8).all(|ok| ok));
        }
    }
    ledger.close().unwrap();
    let told_at = told_at.lock().unwrap();
    let image = |number: usize| {
        let told = told_at.iter().filter(|taken| **taken <= number).count() as u64;
        (told, check(&open(&images.path().join(number.to_string()))))
    };
    let result = (0..taken.load(Ordering::SeqCst)).map(image).collect();
    scenario.teardown();
    result
}

#[test]
fn before_the_write_exactly_what_was_told_is_there() {
    let images = crash_at("ledger::before_write");
    assert!(images.len() >= 3);
    for (told, found) in images {
        assert_eq!(found, told, "what was told is there, and nothing more");
    }
}

#[test]
fn after_the_write_more_is_there_than_was_told_but_never_less() {
    let images = crash_at("ledger::after_write");
    assert!(images.iter().any(|(told, found)| found > told), "durable, and nobody was told");
    for (told, found) in images {
        assert!(found >= told, "{found} of {told}");
    }
}

/// An append whose outcome comes later.
fn queue(
    ledger: &Ledger,
    chain: &mut Chain,
    time: u64,
) -> mpsc::Receiver<Result<u64, Arc<LedgerError>>> {
    let (sender, outcome) = mpsc::channel();
    let done = move |result: Result<rota_schedule::Entry, _>| {
        sender.send(result.map(|entry| entry.nonce)).unwrap();
    };
    ledger.append(chain.next(time, None), Box::new(done));
    outcome
}

#[test]
fn a_failed_write_stops_writing_but_not_reading() {
    let scenario = FailScenario::setup();
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    let mut chain = Chain::new(1);
    commit(&ledger, chain.next(1, Some(body(1, 10)))).unwrap();
    fail::cfg("ledger::write_error", "1*return").unwrap();
    let outcomes: Vec<_> = (2..10).map(|time| queue(&ledger, &mut chain, time)).collect();
    let failed: Vec<_> =
        outcomes.iter().map(|outcome| outcome.recv().unwrap().unwrap_err()).collect();
    let failure = ledger.failure().expect("the failure is remembered");
    assert!(failed.iter().all(|error| Arc::ptr_eq(error, &failure)), "all behind it fail with it");
    assert!(Arc::ptr_eq(&commit(&ledger, Chain::new(2).next(9, None)).unwrap_err(), &failure));
    ledger.outbox_delivered(vec![0]);
    assert_eq!(check(&ledger), 1);
    ledger.close().unwrap();
    let ledger = open(dir.path());
    assert!(ledger.failure().is_none());
    assert_eq!(ledger.outbox_stats().depth, 2, "nothing was written after the failure");
    assert_eq!(check(&ledger), 1);
    scenario.teardown();
}

#[test]
fn a_committer_that_panics_is_a_failure_that_can_be_seen() {
    let scenario = FailScenario::setup();
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    let mut chain = Chain::new(1);
    commit(&ledger, chain.next(1, Some(body(1, 10)))).unwrap();
    fail::cfg("ledger::before_write", "1*panic").unwrap();
    assert!(queue(&ledger, &mut chain, 2).recv().is_err(), "nobody answers for it");
    while ledger.failure().is_none() {
        std::thread::yield_now();
    }
    assert!(queue(&ledger, &mut chain, 3).recv().unwrap().is_err());
    assert_eq!(check(&ledger), 1);
    scenario.teardown();
}

#[test]
fn nobody_sees_or_hears_of_an_entry_before_it_is_durable() {
    let scenario = FailScenario::setup();
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    let mut chain = Chain::new(1);
    let (reached, at_point) = mpsc::sync_channel(0);
    let (go, wait) = mpsc::channel::<()>();
    let (reached, wait) = (Mutex::new(reached), Mutex::new(wait));
    let stop = move || {
        reached.lock().unwrap().send(()).unwrap();
        wait.lock().unwrap().recv().unwrap();
    };
    fail::cfg_callback("ledger::before_write", stop).unwrap();
    let outcome = queue(&ledger, &mut chain, 1);
    at_point.recv().unwrap();
    assert!(outcome.try_recv().is_err());
    assert_eq!(ledger.head(&chain.process).unwrap(), None);
    assert_eq!(ledger.outbox_stats().depth, 0);
    go.send(()).unwrap();
    assert_eq!(outcome.recv().unwrap().unwrap(), 0);
    assert_eq!(ledger.head(&chain.process).unwrap().unwrap().nonce, 0);
    fail::remove("ledger::before_write");
    scenario.teardown();
}
