//! DUR-2: what is committed stays in the outbox until its delivery is reported.

use crate::support::{Chain, body, check, commit, open};
use rota_ledger::{Append, Ledger, OutboxStats, Part, Upload};
use rota_schedule::Timestamp;
use std::{path::Path, time::Duration};
use tempfile::TempDir;

/// Five entries, the third without a message: nine rows.
fn filled(dir: &Path) -> (Ledger, Chain) {
    let ledger = open(dir);
    let mut chain = Chain::new(1);
    for time in 1..=5 {
        let message = (time != 3).then(|| body(time, 40));
        commit(&ledger, chain.next(time * 100, message)).unwrap();
    }
    (ledger, chain)
}

fn seqs(ledger: &Ledger) -> Vec<u64> {
    ledger.outbox_after(None, 100).unwrap().iter().map(|row| row.seq).collect()
}

/// Reports deliveries and waits until they are written: an append behind them is.
fn deliver(ledger: &Ledger, chain: &mut Chain, seqs: Vec<u64>) {
    ledger.outbox_delivered(seqs);
    commit(ledger, chain.next(10_000, None)).unwrap();
}

#[test]
fn every_part_has_a_row_in_the_order_of_commits() {
    let dir = TempDir::new().unwrap();
    let (ledger, chain) = filled(dir.path());
    let rows = ledger.outbox_after(None, 100).unwrap();
    let parts: Vec<_> = rows.iter().map(|row| (row.nonce, row.part)).collect();
    let (message, assignment) = (Part::Message, Part::Assignment);
    let expected = [
        (0, message),
        (0, assignment),
        (1, message),
        (1, assignment),
        (2, assignment),
        (3, message),
        (3, assignment),
        (4, message),
        (4, assignment),
    ];
    assert_eq!(parts, expected);
    for row in &rows {
        let entry = ledger.entry(&chain.process, row.nonce).unwrap().unwrap();
        let expected = match row.part {
            Part::Message => (entry.message_id.into(), entry.message.unwrap()),
            Part::Assignment => (entry.assignment_id.into(), entry.assignment),
        };
        assert_eq!(ledger.outbox_item(row).unwrap(), Some(expected));
        assert_eq!(
            (row.process, row.queued_at),
            (chain.process, Timestamp((row.nonce + 1) * 100 + 1))
        );
    }
    assert_eq!(
        ledger.outbox_stats(),
        OutboxStats { depth: 9, oldest: Some(Timestamp(101)), low: 0 }
    );
    assert_eq!(ledger.outbox_after(Some(4), 3).unwrap(), rows[5..8]);
    assert_eq!(ledger.outbox_after(Some(8), 3).unwrap(), []);
}

#[test]
fn delivered_rows_go_in_any_order_and_the_counters_stay_exact() {
    let dir = TempDir::new().unwrap();
    let (ledger, mut chain) = filled(dir.path());
    deliver(&ledger, &mut chain, vec![3, 5, 3, 99]);
    assert_eq!(seqs(&ledger), [0, 1, 2, 4, 6, 7, 8, 9]);
    assert_eq!(
        ledger.outbox_stats(),
        OutboxStats { depth: 8, oldest: Some(Timestamp(101)), low: 0 }
    );
    deliver(&ledger, &mut chain, vec![0, 1, 2, 3]);
    assert_eq!(seqs(&ledger), [4, 6, 7, 8, 9, 10]);
    assert_eq!(
        ledger.outbox_stats(),
        OutboxStats { depth: 6, oldest: Some(Timestamp(301)), low: 4 }
    );
    assert_eq!(check(&ledger), 7);
}

#[test]
fn counters_and_low_mark_survive_restarts() {
    let dir = TempDir::new().unwrap();
    let (ledger, mut chain) = filled(dir.path());
    deliver(&ledger, &mut chain, vec![0, 1, 3]);
    let (before, rows) = (ledger.outbox_stats(), ledger.outbox_after(None, 100).unwrap());
    drop(ledger);
    let ledger = open(dir.path());
    assert_eq!((ledger.outbox_stats(), ledger.outbox_after(None, 100).unwrap()), (before, rows));
    check(&ledger);
    deliver(&ledger, &mut chain, (0..100).collect());
    assert_eq!(seqs(&ledger), [10], "numbers go on where they were");
    deliver(&ledger, &mut chain, vec![10, 11]);
    ledger.outbox_delivered(vec![11]);
    ledger.close().unwrap();
    let none = OutboxStats { depth: 0, oldest: None, low: 12 };
    assert_eq!(open(dir.path()).outbox_stats(), none);
}

#[tokio::test]
async fn what_is_uploaded_elsewhere_stays_out_and_the_end_counts_all_that_was_confirmed() {
    let dir = TempDir::new().unwrap();
    let (ledger, mut chain) = filled(dir.path());
    assert_eq!(ledger.outbox_end().await.unwrap(), 9);
    commit(&ledger, Append { upload: Upload::Elsewhere, ..chain.next(9_000, None) }).unwrap();
    assert_eq!(ledger.outbox_end().await.unwrap(), 9);
    let waiting = Append { upload: Upload::OnceConfirmed, ..chain.next(9_001, None) };
    let place = (chain.process, commit(&ledger, waiting).unwrap().nonce);
    assert_eq!(ledger.outbox_end().await.unwrap(), 9);
    ledger.confirm([place]);
    assert_eq!(ledger.outbox_end().await.unwrap(), 10, "asked for after the confirmation");
    ledger.outbox_delivered((0..10).collect());
    ledger.outbox_end().await.unwrap();
    assert_eq!(ledger.outbox_stats().low, 10);
    assert_eq!(check(&ledger), 7);
    let other = ledger.clone();
    ledger.close().unwrap();
    assert!(other.outbox_end().await.is_err());
}

#[tokio::test]
async fn a_waiter_learns_of_new_rows_even_if_they_came_before_it_waited() {
    let dir = TempDir::new().unwrap();
    let (ledger, mut chain) = filled(dir.path());
    let wait = || tokio::time::timeout(Duration::from_secs(5), ledger.outbox_changed());
    wait().await.expect("rows were added before");
    let early = tokio::time::timeout(Duration::from_millis(20), ledger.outbox_changed()).await;
    assert!(early.is_err(), "nothing was added since");
    commit(&ledger, chain.next(9_000, None)).unwrap();
    wait().await.expect("a row was added");
}
