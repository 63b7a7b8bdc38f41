//! One contract for every store that is read from: the suite over the ledger and over the model, and
//! the two held against each other over every combination of bounds.
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on is a failed test")]

use rota_ledger::{KeptHeight, Ledger, LedgerOptions};
use rota_schedule::{Bounds, Cursor, Found, PageQuery, ScheduleReader};
use rota_testkit::{Model, Schedule, reader_suite, schedules, user};
use rota_tests::append_schedules;
use tempfile::TempDir;

/// A ledger that holds `schedules`.
fn ledger(dir: &TempDir, schedules: &[Schedule]) -> Ledger {
    let ledger = Ledger::open(dir.path(), LedgerOptions::default()).unwrap();
    append_schedules(&ledger, schedules);
    ledger.set_scheduler(user().address()).unwrap();
    ledger.set_block_height(KeptHeight { height: 42, told: None });
    ledger
}

fn model(schedules: &[Schedule]) -> Model {
    Model::new(schedules.to_vec(), user().address(), 42)
}

#[tokio::test]
async fn the_ledger_keeps_the_contract_of_a_reader() {
    let (dir, schedules) = (TempDir::new().unwrap(), schedules());
    reader_suite(&ledger(&dir, &schedules), &schedules).await;
}

#[tokio::test]
async fn the_model_keeps_the_contract_of_a_reader() {
    let schedules = schedules();
    reader_suite(&model(&schedules), &schedules).await;
}

/// Few values, so that every combination can be tried: absent, before all, between, on one, after all.
fn bounds(of: &Schedule) -> Vec<Bounds> {
    let times: Vec<u64> = of.entries.iter().map(|entry| entry.timestamp.0).collect();
    let nonces = [None, Some(0), Some(3), Some(times.len() as u64 - 1), Some(u64::MAX)];
    let middle = times[times.len() / 2];
    let times = [
        None,
        Some(0),
        Some(times[0]),
        Some(middle - 1),
        Some(middle),
        Some(times[times.len() - 1]),
    ];
    let mut all = Vec::new();
    for (after_nonce, to_nonce) in nonces.into_iter().flat_map(|a| nonces.map(|b| (a, b))) {
        for (after_time, to_time) in times.into_iter().flat_map(|a| times.map(|b| (a, b))) {
            all.push(Bounds { after_nonce, to_nonce, after_time, to_time });
        }
    }
    all
}

#[tokio::test]
async fn ledger_and_model_answer_the_same_to_every_combination_of_bounds() {
    let (dir, schedules) = (TempDir::new().unwrap(), schedules());
    let (ledger, model) = (ledger(&dir, &schedules), model(&schedules));
    for schedule in schedules.iter().take(3) {
        let id = *schedule.process.as_bytes();
        for bounds in bounds(schedule) {
            for (cursor, limit) in
                [(Cursor::Nonce, 1), (Cursor::Timestamp, 2), (Cursor::Timestamp, 100)]
            {
                let query = PageQuery { bounds, cursor, limit, ..PageQuery::default() };
                let expected = model.find(id, None, query).await.unwrap().unwrap();
                let found = ledger.find(id, None, query).await.unwrap().unwrap();
                assert_eq!(found, expected, "{query:?} of {}", schedule.process);
                let Found::Page(page) = found else { panic!("not a page") };
                assert!(!page.entries.is_empty() || !page.has_next, "{query:?}");
            }
        }
    }
}
