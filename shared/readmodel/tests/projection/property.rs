//! PRJ-1 by example: whatever parts of schedules are projected, in whatever order and how often, each
//! schedule in the database is a prefix of its whole, and a batch is there entirely or not at all.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rota_readmodel::ModelError;
use std::sync::atomic::{AtomicU8, Ordering};

/// Processes in a case.
const PROCESSES: usize = 3;

/// A part of each schedule: where it begins, how many rows.
type Batch = [(u64, u64); PROCESSES];

fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let part = (0..8u64, 0..4u64);
    vec([part.clone(), part.clone(), part], 1..12)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_is_a_prefix_whatever_is_projected() {
    let url = database().await;
    let projection = take(&url, 1).await.projection;
    let (cases, runtime) = (AtomicU8::new(0), tokio::runtime::Handle::current());
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    tokio::task::block_in_place(|| {
        let case = |batches: Vec<Batch>| {
            let first = cases.fetch_add(1, Ordering::Relaxed) * PROCESSES as u8;
            runtime.block_on(hold_to_model(&projection, first, &batches))
        };
        TestRunner::new(config).run(&batches(), case).unwrap();
    });
}

/// Runs the batches on processes `first`, `first + 1`, … that nothing was projected of yet.
async fn hold_to_model(
    projection: &Projection,
    first: u8,
    batches: &[Batch],
) -> Result<(), TestCaseError> {
    let ids: [ProcessId; PROCESSES] = std::array::from_fn(|index| process(first + index as u8));
    for id in &ids {
        prop_assert!(projection.bind(id).await.unwrap());
    }
    let mut lengths = [0; PROCESSES];
    for batch in batches {
        let parts = || batch.iter().enumerate().filter(|(_, (_, length))| *length > 0);
        let rows = parts().flat_map(|(i, (from, length))| rows_of(ids[i], *from..from + length));
        let fits = parts().all(|(i, (from, _))| *from <= lengths[i]);
        match projection.project(&rows.collect::<Vec<_>>()).await {
            Ok(()) => {
                prop_assert!(fits);
                for (i, (from, length)) in parts() {
                    lengths[i] = lengths[i].max(from + length);
                }
            }
            Err(ModelError::Gap { .. }) => prop_assert!(!fits),
            Err(error) => prop_assert!(false, "{error:?}"),
        }
        for (id, length) in ids.iter().zip(lengths) {
            prop_assert_eq!(stored(projection, *id).await, rows_of(*id, 0..length));
        }
    }
    Ok(())
}
