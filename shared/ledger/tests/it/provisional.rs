//! Entries on which a database has the last word: outside of the outbox until confirmed, and taken back
//! without a trace if they have to be.

use crate::support::{Chain, body, check, commit, content, open};
use rota_ledger::{Append, Ledger, LedgerError, Provisional, Upload};
use rota_schedule::ProcessId;
use std::{fs, path::Path};
use tempfile::TempDir;

fn provisional(append: Append) -> Append {
    Append { upload: Upload::OnceConfirmed, ..append }
}

/// Two final entries of a process, then four provisional ones: with and without bytes, with content, and
/// one that places an item again.
fn filled(dir: &Path) -> (Ledger, Chain) {
    let (ledger, mut chain) = (open(dir), Chain::new(1));
    for time in [10, 20] {
        commit(&ledger, chain.next(time, Some(body(time, 40)))).unwrap();
    }
    commit(&ledger, provisional(chain.next(30, Some(body(30, 40))))).unwrap();
    commit(&ledger, provisional(chain.next(40, None))).unwrap();
    let pushed = Append { content: Some(content(7)), ..chain.next(50, Some(body(50, 70_000))) };
    let again = pushed.entry.message_id;
    commit(&ledger, provisional(pushed)).unwrap();
    commit(&ledger, provisional(chain.place(60, again, None))).unwrap();
    (ledger, chain)
}

fn places(ledger: &Ledger) -> Vec<(ProcessId, u64)> {
    let rows = ledger.provisional_after(None, 100).unwrap();
    rows.iter().map(|row| (row.process, row.entry.nonce)).collect()
}

fn outbox(ledger: &Ledger) -> Vec<u64> {
    ledger.outbox_after(None, 100).unwrap().iter().map(|row| row.nonce).collect()
}

#[test]
fn they_are_in_the_schedule_and_not_in_the_outbox() {
    let dir = TempDir::new().unwrap();
    let (ledger, chain) = filled(dir.path());
    assert_eq!(check(&ledger), 6);
    assert_eq!(outbox(&ledger), [0, 0, 1, 1]);
    let rows = ledger.provisional_after(None, 100).unwrap();
    for (nonce, Provisional { process, entry, content: hash }) in (2..).zip(&rows) {
        let stored = ledger.entry(process, nonce).unwrap().unwrap();
        assert_eq!((*process, entry), (chain.process, &stored));
        assert_eq!(*hash, (nonce == 4).then_some(content(7)));
    }
    assert_eq!(rows.len(), 4);
    let after = ledger.provisional_after(Some((chain.process, 3)), 1).unwrap();
    assert_eq!(after, rows[2..3]);
}

#[test]
fn confirmed_ones_go_to_the_outbox_once() {
    let dir = TempDir::new().unwrap();
    let (ledger, mut chain) = filled(dir.path());
    let process = chain.process;
    ledger.confirm([(process, 3), (process, 2), (process, 0), (ProcessId::new([9; 32]), 2)]);
    ledger.confirm([(process, 2)]);
    commit(&ledger, chain.next(70, None)).unwrap();
    ledger.confirm([(process, 2)]);
    commit(&ledger, chain.next(80, None)).unwrap();
    let mut nonces = outbox(&ledger);
    nonces.sort_unstable();
    assert_eq!(nonces, [0, 0, 1, 1, 2, 2, 3, 6, 7]);
    assert_eq!(places(&ledger), [(process, 4), (process, 5)]);
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(places(&ledger), [(process, 4), (process, 5)]);
    assert_eq!(check(&ledger), 8);
}

#[tokio::test]
async fn whoever_waits_for_the_outbox_learns_of_a_confirmation() {
    let dir = TempDir::new().unwrap();
    let (ledger, chain) = filled(dir.path());
    ledger.outbox_changed().await;
    ledger.confirm([(chain.process, 2)]);
    let wait = tokio::time::timeout(std::time::Duration::from_secs(5), ledger.outbox_changed());
    wait.await.expect("rows were added");
    assert_eq!(outbox(&ledger), [0, 0, 1, 1, 2, 2]);
}

#[test]
fn discarded_ones_leave_no_trace() {
    let dir = TempDir::new().unwrap();
    let (ledger, mut chain) = filled(dir.path());
    let process = chain.process;
    let untouched = TempDir::new().unwrap();
    let mut short = Chain::new(1);
    let other = open(untouched.path());
    for time in [10, 20] {
        commit(&other, short.next(time, Some(body(time, 40)))).unwrap();
    }
    let third = provisional(short.clone().next(30, Some(body(30, 40))));
    commit(&other, third).unwrap();

    let gone: Vec<_> =
        (3..6).map(|nonce| ledger.entry(&process, nonce).unwrap().unwrap()).collect();
    assert_eq!(ledger.discard(&process, 3).unwrap(), 3);
    for entry in &gone {
        let id = &entry.message_id;
        assert_eq!(ledger.place_of(&process, id).unwrap(), None);
        assert_eq!(ledger.entry(&process, entry.nonce).unwrap(), None);
    }
    assert_eq!(ledger.place_of_content(&process, &content(7)).unwrap(), None);
    assert_eq!(ledger.head(&process).unwrap(), other.head(&process).unwrap());
    assert_eq!(places(&ledger), [(process, 2)]);
    assert_eq!(check(&ledger), 3);
    assert_eq!(ledger.discard(&process, 3).unwrap(), 0, "there is nothing more");

    let mut again = short.clone();
    let _ = again.next(30, None);
    commit(&ledger, again.next(99, Some(body(99, 10)))).unwrap();
    assert_eq!(check(&ledger), 4, "the schedule goes on where it was cut");
    let _ = chain.next(70, None);
}

#[test]
fn a_process_of_which_all_is_discarded_is_unknown() {
    let dir = TempDir::new().unwrap();
    let (ledger, mut chain) = (open(dir.path()), Chain::new(2));
    for time in [10, 20] {
        commit(&ledger, provisional(chain.next(time, Some(body(time, 40))))).unwrap();
    }
    assert_eq!(ledger.discard(&chain.process, 0).unwrap(), 2);
    assert_eq!(ledger.head(&chain.process).unwrap(), None);
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!((check(&ledger), ledger.processes().unwrap().count()), (0, 0));
}

#[test]
fn contents_and_the_settled_term_can_be_asked_for() {
    let dir = TempDir::new().unwrap();
    let (ledger, chain) = filled(dir.path());
    let mut other = Chain::new(2);
    let pushed = Append { content: Some(content(255)), ..other.next(5, None) };
    commit(&ledger, pushed).unwrap();
    assert_eq!(ledger.contents(&chain.process).unwrap(), [(4, content(7))].into());
    assert_eq!(ledger.contents(&ProcessId::new([9; 32])).unwrap(), [].into());
    assert_eq!(ledger.settled_term().unwrap(), None);
    ledger.settle(Some(7)).unwrap();
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!(ledger.settled_term().unwrap(), Some(7));
    ledger.settle(None).unwrap();
    assert_eq!(ledger.settled_term().unwrap(), None);
}

#[test]
fn what_is_final_cannot_be_discarded() {
    let dir = TempDir::new().unwrap();
    let (ledger, chain) = filled(dir.path());
    let refused = ledger.discard(&chain.process, 1);
    assert!(matches!(refused, Err(LedgerError::Damaged { .. })), "{refused:?}");
    assert_eq!(check(&ledger), 6, "and nothing was");
    assert!(fs::read_dir(dir.path()).unwrap().count() > 0);
}
