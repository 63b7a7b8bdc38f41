//! A ledger remembers which database it works with, also in copies.

use crate::support::{Chain, commit, open};
use rota_ans104::Address;
use rota_ledger::Ledger;
use rota_schedule::DatabaseId;
use tempfile::TempDir;

const DATABASE: DatabaseId = DatabaseId([7; 16]);

#[test]
fn the_database_survives_a_restart_and_a_copy_and_is_forgotten_on_purpose() {
    let dir = TempDir::new().unwrap();
    let (path, copy) = (dir.path().join("ledger"), dir.path().join("copy"));
    let ledger = open(&path);
    assert_eq!((ledger.database().unwrap(), ledger.has_had_database().unwrap()), (None, false));
    ledger.set_database(Some(DATABASE)).unwrap();
    ledger.settle(Some(3)).unwrap();
    ledger.set_database(Some(DATABASE)).unwrap();
    assert_eq!(ledger.settled_term().unwrap(), Some(3), "the same database changes nothing");
    ledger.close().unwrap();

    let ledger = open(&path);
    assert_eq!(ledger.database().unwrap(), Some(DATABASE));
    ledger.checkpoint(&copy).unwrap();
    Ledger::adopt_copy(&copy).unwrap();
    let copied = open(&copy);
    assert_eq!(
        (copied.database().unwrap(), copied.settled_term().unwrap()),
        (Some(DATABASE), None)
    );

    ledger.set_database(Some(DatabaseId([8; 16]))).unwrap();
    assert_eq!(
        ledger.settled_term().unwrap(),
        None,
        "what held for the other database is forgotten"
    );
    ledger.settle(Some(1)).unwrap();
    ledger.set_database(None).unwrap();
    assert_eq!((ledger.database().unwrap(), ledger.has_had_database().unwrap()), (None, false));
}

#[test]
fn a_ledger_of_an_earlier_release_is_known_to_have_a_database() {
    let dir = TempDir::new().unwrap();
    let (path, copy) = (dir.path().join("ledger"), dir.path().join("copy"));
    let ledger = open(&path);
    ledger.set_scheduler(Address::new([1; 32])).unwrap();
    commit(&ledger, Chain::new(1).next(1, None)).unwrap();
    assert!(!ledger.has_had_database().unwrap(), "it always worked alone");
    ledger.settle(Some(3)).unwrap();
    assert!(ledger.has_had_database().unwrap());
    ledger.checkpoint(&copy).unwrap();
    Ledger::adopt_copy(&copy).unwrap();
    assert!(open(&copy).has_had_database().unwrap(), "a copy of it has one, too");
    ledger.set_database(Some(DATABASE)).unwrap();
    assert_eq!(
        ledger.settled_term().unwrap(),
        Some(3),
        "an update compares nothing that was compared"
    );
}

#[test]
fn entries_without_a_scheduler_are_a_standbys() {
    let dir = TempDir::new().unwrap();
    let ledger = open(dir.path());
    commit(&ledger, Chain::new(1).next(1, None)).unwrap();
    assert!(ledger.has_had_database().unwrap());
}
