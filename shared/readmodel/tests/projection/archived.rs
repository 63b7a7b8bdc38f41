//! Large bodies on their way into the archive: they are there before the batch is.

use super::*;
use rota_archive::{Archive, BodyHash};
use rota_readmodel::{INLINE_BYTES_MAX, ModelError};
use rota_testkit::aws::Aws;
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_testkit::{Refused, S3Refusals, message};
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
    let data = "x".repeat(INLINE_BYTES_MAX) + &nonce.to_string();
    let item = message(process).data(data).sign();
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
    assert_eq!(sql(&url, "SELECT count(*) FROM bodies_by_hash"), "0");
    let body = rows[1].entry.message.clone().unwrap();
    let found = archive.body(BodyHash::of(&body), body.len()).await.unwrap();
    assert_eq!(found, body);
    let without = projection.with_archive(None).entries(&id, None, 9).await;
    assert!(matches!(without, Err(ModelError::Damaged(_))), "{without:?}");
}

#[tokio::test]
async fn while_the_archive_is_away_bodies_go_into_the_database_and_nobody_waits() {
    let (url, id) = (database().await, process(1));
    let (archive, line) = archive().await;
    for (nonce, fault) in (0..).zip([Fault::Refuse, Fault::Stall, Fault::CutRequestsAfter(9_000)]) {
        // A new writer each time: one that was let down does not ask again at once.
        let writer =
            if nonce == 0 { writer_of(&url, &[id]).await } else { take(&url, 1).await.projection };
        let projection = writer.with_archive(Some(archive.clone()));
        line.set(fault);
        let (row, since) = (large(id, nonce), Instant::now());
        projection.project(std::slice::from_ref(&row)).await.unwrap();
        assert!(since.elapsed() < Duration::from_secs(9), "took {:?}", since.elapsed());
        assert_eq!(
            sql(&url, "SELECT count(*) FROM bodies_by_hash"),
            (nonce + 1).to_string(),
            "{fault:?}"
        );
        assert_eq!(projection.entries(&id, nonce.checked_sub(1), 9).await.unwrap(), [row]);
        line.heal();
    }
    let projection = take(&url, 1).await.projection.with_archive(Some(archive));
    projection.project(&[large(id, 3)]).await.unwrap();
    assert_eq!(sql(&url, "SELECT count(*) FROM bodies_by_hash"), "3", "it answers again");
    assert_eq!(stored(&projection, id).await.len(), 4);
}

/// One let-down is enough: batches behind it do not each wait for the archive.
#[tokio::test]
async fn an_archive_that_did_not_answer_is_left_alone_for_a_while() {
    let (url, id) = (database().await, process(1));
    let (archive, line) = archive().await;
    let projection = writer_of(&url, &[id]).await.with_archive(Some(archive));
    line.set(Fault::Stall);
    projection.project(&[large(id, 0)]).await.unwrap();
    let since = Instant::now();
    for nonce in 1..6 {
        projection.project(&[large(id, nonce)]).await.unwrap();
    }
    assert!(since.elapsed() < Duration::from_secs(2), "took {:?}", since.elapsed());
}

/// S3 answers 409 while another write of the same key is under way, and may have stored nothing.
#[tokio::test(flavor = "multi_thread")]
async fn body_that_s3_refuses_with_conflicts_goes_into_the_database() {
    let (url, id) = (database().await, process(1));
    let s3 = S3Refusals::before(tokio::task::block_in_place(Aws::shared)).await;
    let bucket = tokio::task::block_in_place(|| Aws::shared().fresh_bucket());
    let config = rota_aws::stand_in(s3.url()).await;
    let archive = Archive::new(&config, &bucket, "");
    let projection = writer_of(&url, &[id]).await.with_archive(Some(archive));
    let rows = [large(id, 0), large(id, 1)];
    s3.refuse(Refused::ConditionalWrites, 409, "ConditionalRequestConflict", 2);
    projection.project(&rows[..1]).await.unwrap();
    assert_eq!(sql(&url, "SELECT count(*) FROM bodies_by_hash"), "0", "it is stored in the end");
    s3.refuse(Refused::ConditionalWrites, 409, "ConditionalRequestConflict", 1_000);
    projection.project(&rows[1..]).await.unwrap();
    assert_eq!(sql(&url, "SELECT count(*) FROM bodies_by_hash"), "1", "after the last try");
    assert_eq!(projection.archive_fallbacks(), 1);
    assert_eq!(stored(&projection, id).await, rows);
}
