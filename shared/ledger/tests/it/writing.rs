//! What the committer takes, what it refuses, and how it ends.

use crate::support::{Chain, body, check, commit, open, try_open};
use rota_ledger::{Append, CommitObservation, Ledger, LedgerError, LedgerOptions};
use rota_schedule::{AssignmentId, Timestamp};
use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
};
use tempfile::TempDir;

/// A refused append stops the ledger, is never seen, and leaves what was there.
fn refused(append: impl FnOnce(&mut Chain) -> Append) -> Arc<LedgerError> {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    let mut chain = Chain::new(1);
    for time in [5, 6] {
        commit(&ledger, chain.next(time, None)).unwrap();
    }
    let error = commit(&ledger, append(&mut chain)).unwrap_err();
    let later = commit(&ledger, Chain::new(2).next(9, None)).unwrap_err();
    assert!(Arc::ptr_eq(&error, &later), "the first failure is told to all that come later");
    assert!(Arc::ptr_eq(&error, &ledger.failure().unwrap()));
    assert_eq!(check(&ledger), 2, "reads go on");
    drop(ledger);
    let ledger = open(dir.path());
    assert!(ledger.failure().is_none());
    assert_eq!(check(&ledger), 2);
    error
}

#[test]
fn a_nonce_that_leaves_a_gap_is_refused() {
    let error = refused(|chain| {
        chain.next(7, None);
        chain.next(8, None)
    });
    assert!(matches!(*error, LedgerError::OutOfOrder { expected: 2, found: 3, .. }), "{error:?}");
}

#[test]
fn a_nonce_that_is_taken_is_refused() {
    let error = refused(|_| Chain::new(1).next(7, None));
    assert!(matches!(*error, LedgerError::OutOfOrder { expected: 2, found: 0, .. }), "{error:?}");
}

#[test]
fn a_time_that_steps_back_is_refused() {
    let error = refused(|chain| chain.next(5, None));
    assert!(matches!(*error, LedgerError::Inconsistent { nonce: 2, .. }), "{error:?}");
}

#[test]
fn a_head_that_is_not_of_its_entry_is_refused() {
    let other = |append: &mut Append| append.head.assignment = AssignmentId::new([0; 32]);
    let error = refused(|chain| {
        let mut append = chain.next(7, None);
        other(&mut append);
        append
    });
    assert!(matches!(*error, LedgerError::Inconsistent { nonce: 2, .. }), "{error:?}");
}

#[test]
fn many_writers_share_commits_and_each_learns_its_own_outcome_in_order() {
    const PER_PROCESS: u64 = 200;
    let dir = TempDir::new().unwrap();
    let seen: Arc<Mutex<Vec<CommitObservation>>> = Arc::default();
    let observed = Arc::clone(&seen);
    let observe = Arc::new(move |observation| observed.lock().unwrap().push(observation));
    let options =
        LedgerOptions { commit_queue: 16, observe: Some(observe), ..LedgerOptions::default() };
    let ledger = Ledger::open(dir.path(), options).unwrap();
    thread::scope(|scope| {
        for number in 0..4 {
            let ledger = &ledger;
            scope.spawn(move || {
                let mut chain = Chain::new(number);
                let (sender, outcomes) = mpsc::channel();
                for time in 1..=PER_PROCESS {
                    let sender = sender.clone();
                    let append = chain.next(time, Some(body(time, 300)));
                    ledger.append(append, Box::new(move |outcome| sender.send(outcome).unwrap()));
                }
                let nonces = outcomes
                    .iter()
                    .take(PER_PROCESS as usize)
                    .map(|outcome| outcome.unwrap().nonce);
                assert!(nonces.eq(0..PER_PROCESS));
            });
        }
    });
    assert_eq!(check(&ledger), 4 * PER_PROCESS);
    let metrics = ledger.metrics();
    let seen = seen.lock().unwrap();
    assert_eq!(metrics.entries, 4 * PER_PROCESS);
    assert_eq!(metrics.commits, seen.len() as u64);
    assert!(metrics.commits < metrics.entries, "appends that wait are committed together");
    assert_eq!(metrics.bytes, seen.iter().map(|observation| observation.bytes as u64).sum::<u64>());
    assert!(metrics.memtable_bytes > 0);
}

#[test]
fn a_closed_ledger_reads_but_takes_no_more() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    let mut chain = Chain::new(1);
    commit(&ledger, chain.next(5, Some(body(1, 100_000)))).unwrap();
    let clone = ledger.clone();
    ledger.close().unwrap();
    assert!(matches!(*commit(&clone, chain.next(6, None)).unwrap_err(), LedgerError::Closed));
    assert_eq!(check(&clone), 1);
    let metrics = clone.metrics();
    assert!(
        metrics.sst_bytes > 0 && metrics.blob_bytes >= 100_000,
        "{metrics:?}: all was written to tables"
    );
    assert!(
        matches!(try_open(dir.path()), Err(LedgerError::Locked { .. })),
        "a clone is still there"
    );
    drop(clone);
    assert_eq!(check(&open(dir.path())), 1);
}

#[test]
fn the_last_handle_may_go_on_the_committers_own_thread() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    let (sender, gone) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let last = ledger.clone();
    let append = Chain::new(1).next(5, None);
    ledger.append(
        append,
        Box::new(move |outcome| {
            wait.recv().unwrap();
            drop(last);
            sender.send(outcome.is_ok()).unwrap();
        }),
    );
    drop(ledger);
    go.send(()).unwrap();
    assert!(gone.recv().unwrap());
}

#[test]
fn what_was_told_is_what_was_asked_for() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    let append = Chain::new(1).next(5, Some(body(1, 10)));
    let told = commit(&ledger, append.clone()).unwrap();
    assert_eq!(told, append.entry);
    assert_eq!(ledger.entry(&append.process, 0).unwrap(), Some(told));
    assert_eq!(append.queued_at, Timestamp(6));
}
