//! Reads while somebody writes, over a replica that is always a little behind.

use crate::house::House;
use rota_schedule::{Bounds, Found, PageQuery, ScheduleReader};
use rota_testkit::{Model, Schedule, schedules};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// How many read at once.
const READERS: usize = 6;

/// What was committed before a read began is in its answer, and nothing that is not a schedule's prefix.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_shows_everything_that_was_committed_before_it() {
    let house = House::new().await;
    let usual = Arc::new(long_schedule());
    house.commit_part(&usual, 0, 2).await;
    house.replica.caught_up();
    let reader = house.reader();
    let committed = Arc::new(AtomicUsize::new(2));
    let readers = (0..READERS).map(|number| {
        let (reader, usual) = (reader.clone(), Arc::clone(&usual));
        let committed = Arc::clone(&committed);
        tokio::spawn(async move {
            while committed.load(SeqCst) < usual.entries.len() {
                let before = committed.load(SeqCst);
                check(&reader, &usual, before, number).await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for count in 2..usual.entries.len() {
        house.commit_part(&usual, count, count + 1).await;
        committed.store(count + 1, SeqCst);
    }
    for reader in readers {
        reader.await.unwrap();
    }
    let fallbacks = reader.stats().fallbacks;
    assert!(fallbacks.behind > 0 && fallbacks.open_page > fallbacks.behind, "{fallbacks:?}");
}

/// Reads in one of several ways while at least `before` entries are committed.
async fn check(reader: &impl ScheduleReader, usual: &Schedule, before: usize, number: usize) {
    let id = *usual.process.as_bytes();
    let newest = &usual.entries[before - 1];
    match number % 3 {
        0 => {
            let bounds = Bounds {
                after_nonce: (newest.nonce > 3).then(|| newest.nonce - 3),
                ..Bounds::default()
            };
            let query = PageQuery { bounds, ..PageQuery::default() };
            let found = reader.find(id, None, query).await.unwrap();
            let Some(Found::Page(page)) = found else { panic!("no page but {found:?}") };
            let until = usize::try_from(page.head).unwrap() + 1;
            assert!(until >= before || page.has_next, "{until} of {before}");
            let model = Model::page(&usual.entries[..until], &query);
            assert_eq!(page, model);
        }
        1 => {
            let message = *newest.message_id.as_bytes();
            let process = before.is_multiple_of(2).then_some(usual.process);
            let found = reader.find(message, process, PageQuery::default()).await.unwrap();
            assert_eq!(found, Some(Found::Entry(newest.clone())));
        }
        _ => {
            let latest = reader.latest(usual.process).await.unwrap().unwrap();
            assert!(latest.nonce >= newest.nonce, "{} of {}", latest.nonce, newest.nonce);
            assert_eq!(latest, usual.entries[usize::try_from(latest.nonce).unwrap()]);
        }
    }
}

/// The usual schedule, continued with entries that nobody has signed.
fn long_schedule() -> Schedule {
    let mut usual = schedules().swap_remove(0);
    while usual.entries.len() < 600 {
        let mut entry = usual.entries[usual.entries.len() - 1].clone();
        entry.nonce += 1;
        entry.timestamp.0 += 1;
        let mut id = [7; 32];
        id[..8].copy_from_slice(&entry.nonce.to_be_bytes());
        entry.assignment_id = rota_schedule::AssignmentId::new(id);
        entry.message_id = rota_schedule::MessageId::new(id);
        usual.entries.push(entry);
    }
    usual
}
