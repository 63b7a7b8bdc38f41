//! The writer's side of the read model against real servers: what commits, what does not, and what is
//! left when anything in between dies.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod archived;
mod demoted;
mod fence;
mod identity;
mod migrations;
mod moves;
mod property;
mod removal;
mod rows;
mod twins;
mod unknown;

use bytes::Bytes;
use rota_ans104::Address;
use rota_readmodel::{DatabaseUrl, Holder, Projection, Row, Taken, adopt, claim, migrate};
use rota_schedule::{AssignmentId, ContentKey, Entry, MessageId, ProcessId, Timestamp};
use rota_testkit::postgres::PostgresCluster;
use std::ops::Range;

/// The name under which the tests write.
const WRITER: &str = "test";
/// Connections of a writer.
const CONNECTIONS: u32 = 4;
/// The one wallet of a database.
const WALLET: Address = Address::new([1; 32]);

/// An empty read model.
async fn database() -> DatabaseUrl {
    let url = tokio::task::spawn_blocking(|| PostgresCluster::shared().fresh_database());
    let url = url.await.unwrap().parse().unwrap();
    migrate(&url).await.unwrap();
    url
}

/// What `psql` prints for a query on a database of [`database`].
fn sql(url: &DatabaseUrl, query: &str) -> String {
    let name = url.to_string().rsplit_once('/').unwrap().1.to_owned();
    PostgresCluster::shared().sql(&name, query)
}

async fn take(url: &DatabaseUrl, holder: u8) -> Taken {
    take_as(url, WRITER, holder).await
}

/// Takes a name.
async fn take_as(url: &DatabaseUrl, name: &str, holder: u8) -> Taken {
    Projection::take(url, CONNECTIONS, name, Holder([holder; 16]), WALLET).await.unwrap()
}

/// A writer to which these processes are bound.
async fn writer_of(url: &DatabaseUrl, processes: &[ProcessId]) -> Projection {
    let projection = take(url, 1).await.projection;
    for process in processes {
        assert!(projection.bind(process).await.unwrap());
    }
    projection
}

fn process(number: u8) -> ProcessId {
    ProcessId::new([number; 32])
}

/// A row whose assignment is told apart by place and `version`.
fn row_of(process: ProcessId, nonce: u64, version: u8) -> Row {
    let mut id = *process.as_bytes();
    id[..8].copy_from_slice(&nonce.to_be_bytes());
    id[8] = version;
    let entry = Entry {
        nonce,
        timestamp: Timestamp(1_000 + nonce),
        assignment_id: AssignmentId::new(id),
        message_id: MessageId::new(id),
        assignment: Bytes::from(vec![version; 1_300]),
        message: Some(Bytes::from(vec![nonce as u8; 1_400])),
    };
    let content = nonce.is_multiple_of(2).then_some(ContentKey([version; 48]));
    Row { process, entry, content }
}

fn rows_of(process: ProcessId, nonces: Range<u64>) -> Vec<Row> {
    nonces.map(|nonce| row_of(process, nonce, 0)).collect()
}

/// Every row of a process that is in the database.
async fn stored(projection: &Projection, process: ProcessId) -> Vec<Row> {
    projection.entries(&process, None, 10_000).await.unwrap()
}
