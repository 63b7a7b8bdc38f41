//! Large bodies on their way into the archive: they are there before the batch is.

use super::*;
use rota_archive::Archive;
use rota_readmodel::{INLINE_BYTES_MAX, ModelError};
use rota_testkit::aws::Aws;
use rota_testkit::message;
use rota_testkit::proxy::{Fault, FaultProxy};
use std::time::{Duration, Instant};

/// An empty archive behind a line that can be cut.
async fn archive() -> (Archive, FaultProxy) {
    let started = tokio::task::spawn_blocking(|| (Aws::shared(), Aws::shared().fresh_bucket()));
    let (aws, bucket) = started.await.unwrap();
    let line = FaultProxy::start(aws.port());
    let config = rota_aws::stand_in(&line.url(&aws.endpoint())).await;
    (Archive::new(&config, &bucket, "prefix"), line)
}

/// A row with a real item whose body is too large for it.
fn large(process: ProcessId, nonce: u64) -> Row {
    let item = message(process).data(vec![b'x'; INLINE_BYTES_MAX]).sign();
    let mut row = row_of(process, nonce, 0);
    row.entry.message_id = item.id().into();
    row.entry.message = Some(item.bytes().clone());
    row
}

#[tokio::test]
async fn large_bodies_go_to_the_archive_and_come_back_with_their_rows() {
    let (url, id) = (database().await, process(1));
    let (archive, _line) = archive().await;
    let projection = writer_of(&url, &[id]).await.with_archive(Some(archive.clone()));
    let mut rows = rows_of(id, 0..30);
    for nonce in [1, 2, 4, 9, 10, 11, 12, 13, 14, 15, 16, 20] {
        rows[nonce] = large(id, nonce as u64);
    }
    rows[3].entry.message = None;
    projection.project(&rows).await.unwrap();
    projection.project(&rows).await.unwrap();
    assert_eq!(stored(&projection, id).await, rows);
    assert_eq!(sql(&url, "SELECT count(*) FROM bodies"), "0");
    let body = rows[1].entry.message.clone().unwrap();
    let found = archive.body(rows[1].entry.message_id, body.len()).await.unwrap();
    assert_eq!(found, body);
    let without = projection.with_archive(None).entries(&id, None, 9).await;
    assert!(matches!(without, Err(ModelError::Damaged(_))), "{without:?}");
}

#[tokio::test]
async fn while_the_archive_is_away_nothing_is_committed_and_nothing_waits_for_ever() {
    let (url, id) = (database().await, process(1));
    let (archive, line) = archive().await;
    let projection = writer_of(&url, &[id]).await.with_archive(Some(archive));
    let rows = [row_of(id, 0, 0), large(id, 1)];
    for fault in [Fault::Refuse, Fault::Stall, Fault::CutAnswers, Fault::CutRequestsAfter(9_000)] {
        line.set(fault);
        let since = Instant::now();
        let answer = projection.project(&rows).await;
        assert!(matches!(answer, Err(ModelError::Unavailable(_))), "{fault:?}: {answer:?}");
        assert!(since.elapsed() < Duration::from_secs(11), "took {:?}", since.elapsed());
        assert_eq!(sql(&url, "SELECT count(*) FROM entries"), "0", "{fault:?}");
    }
    line.set(Fault::Refuse);
    projection.project(&rows[..1]).await.unwrap();
    line.heal();
    projection.project(&rows).await.unwrap();
    assert_eq!(stored(&projection, id).await, rows);
}
