//! The directory over real servers: one suite for every store, and what only one of them can do wrong.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod dynamo;
mod faults;
mod postgres;
mod refusals;
mod stores;
mod suite;

use rota_schedule::{Directory, LeaseHolder, Load, ProcessId, WriterName};

fn name(text: &str) -> WriterName {
    text.parse().unwrap()
}

/// A process whose id begins with the low byte of its number, which is what counters go by.
fn process(number: u32) -> ProcessId {
    let mut id = [7; 32];
    id[..4].copy_from_slice(&number.to_le_bytes());
    ProcessId::new(id)
}

fn holder(number: u8) -> LeaseHolder {
    LeaseHolder([number; 16])
}

fn load(signing_permille: u16, waiting: u32) -> Load {
    Load { signing_permille, waiting }
}

/// Writers that take part in leases, by these names.
async fn join(directory: &impl Directory, names: &[WriterName]) {
    for (number, name) in (1..).zip(names) {
        directory.take_lease(name, holder(number), None).await.unwrap().unwrap();
    }
}

/// How many processes each of these writers is said to have.
async fn counts(directory: &impl Directory, names: &[WriterName]) -> Vec<u64> {
    let writers = directory.writers().await.unwrap();
    let of =
        |name: &WriterName| writers.iter().find(|writer| writer.name == *name).unwrap().processes;
    names.iter().map(of).collect()
}

/// How many of these processes each of these writers has.
async fn recount(
    directory: &impl Directory,
    names: &[WriterName],
    processes: impl Iterator<Item = ProcessId>,
) -> Vec<u64> {
    let mut counts = vec![0; names.len()];
    for process in processes {
        let owner = directory.owner(process).await.unwrap().unwrap();
        counts[names.iter().position(|name| *name == owner).unwrap()] += 1;
    }
    counts
}

fn names(count: usize) -> Vec<WriterName> {
    (0..count).map(|number| name(&format!("w-{number}"))).collect()
}
