//! Copies: complete as of their moment, and never taken for the ledger that they were copied from.

use crate::support::{Chain, body, check, commit, files, open};
use rota_ledger::{CheckpointInfo, Ledger, LedgerError};
use std::{fs, os::unix::fs::MetadataExt as _, sync::mpsc, thread};
use tempfile::TempDir;

#[test]
fn a_copy_holds_what_was_committed_before_and_nothing_after() {
    let dir = TempDir::new().unwrap();
    let copy = dir.path().join("copy");
    let ledger = open(&dir.path().join("ledger"));
    let (mut one, mut other) = (Chain::new(1), Chain::new(2));
    for time in 1..=20 {
        commit(&ledger, one.next(time, Some(body(time, 90_000)))).unwrap();
    }
    commit(&ledger, other.next(30, None)).unwrap();
    let made = ledger.checkpoint(&copy).unwrap();
    assert_eq!(made, CheckpointInfo { processes: 2 });
    commit(&ledger, one.next(40, None)).unwrap();
    assert_eq!(check(&open(&copy)), 21);
    assert_eq!(check(&ledger), 22);
}

#[test]
fn copies_made_while_appends_go_on_are_all_whole_and_none_is_shorter_than_the_one_before() {
    let dir = TempDir::new().unwrap();
    let ledger = open(&dir.path().join("ledger"));
    let (stop, stopped) = mpsc::channel::<()>();
    let writer = ledger.clone();
    let writing = thread::spawn(move || {
        let mut chain = Chain::new(1);
        let mut committed = 0;
        while matches!(stopped.try_recv(), Err(mpsc::TryRecvError::Empty)) {
            committed += 1;
            commit(&writer, chain.next(committed, Some(body(committed, 3_000)))).unwrap();
        }
        committed
    });
    let mut before = 0;
    for number in 0..8 {
        let copy = dir.path().join(format!("copy-{number}"));
        let least = ledger.metrics().entries;
        ledger.checkpoint(&copy).unwrap();
        let held = check(&open(&copy));
        assert!(held >= least && held >= before, "{held} entries after {least} and {before}");
        before = held;
    }
    drop(stop);
    assert!(writing.join().unwrap() > before, "appends went on");
}

#[test]
fn tables_and_bodies_are_linked_so_that_a_second_copy_shares_them() {
    let dir = TempDir::new().unwrap();
    let ledger = open(&dir.path().join("ledger"));
    let mut chain = Chain::new(1);
    commit(&ledger, chain.next(1, Some(body(1, 500_000)))).unwrap();
    let copies = ["first", "second"].map(|name| dir.path().join(name));
    for copy in &copies {
        ledger.checkpoint(copy).unwrap();
        commit(&ledger, chain.next(2, None)).unwrap();
    }
    let inode = |file: &std::path::PathBuf| fs::metadata(file).unwrap().ino();
    let [first, second] = copies.map(|copy| {
        files(&copy, "blob").iter().chain(&files(&copy, "sst")).map(inode).collect::<Vec<_>>()
    });
    assert!(!first.is_empty() && first.iter().all(|file| second.contains(file)));
}

#[test]
fn an_adopted_copy_is_another_ledger_that_has_settled_with_no_database() {
    let dir = TempDir::new().unwrap();
    let copy = dir.path().join("copy");
    let ledger = open(&dir.path().join("ledger"));
    commit(&ledger, Chain::new(1).next(1, None)).unwrap();
    ledger.settle(Some(7)).unwrap();
    ledger.checkpoint(&copy).unwrap();
    Ledger::adopt_copy(&copy).unwrap();
    let adopted = open(&copy);
    assert_ne!(adopted.id(), ledger.id());
    assert_eq!((adopted.settled_term().unwrap(), check(&adopted)), (None, 1));
    let id = adopted.id();
    drop(adopted);
    assert_eq!(open(&copy).id(), id, "it keeps its new id");
    assert_eq!(ledger.settled_term().unwrap(), Some(7));
}

#[test]
fn what_is_no_copy_is_not_adopted_and_what_is_there_is_not_overwritten() {
    let dir = TempDir::new().unwrap();
    let none = Ledger::adopt_copy(dir.path());
    assert!(matches!(none, Err(LedgerError::NotALedger { .. })), "{none:?}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let ledger = open(&dir.path().join("ledger"));
    assert!(ledger.checkpoint(dir.path()).is_err());
    assert!(Ledger::adopt_copy(&dir.path().join("ledger")).is_err(), "it is open");
}
