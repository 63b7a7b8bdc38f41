//! Which rows are taken, which are refused, and how they come back.

use super::*;
use rota_readmodel::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, INLINE_BYTES_MAX, ModelError, Newest};

#[tokio::test]
async fn rows_come_back_as_they_went_in() {
    let (url, id) = (database().await, process(1));
    let projection = writer_of(&url, &[id]).await;
    let mut rows = rows_of(id, 0..5);
    rows[1].entry.message = None;
    rows[2].entry.message = Some(Bytes::from(vec![1; INLINE_BYTES_MAX]));
    rows[3].entry.message = Some(Bytes::from(vec![2; INLINE_BYTES_MAX + 1]));
    rows[4].entry.message = Some(Bytes::new());
    projection.project(&rows).await.unwrap();
    assert_eq!(stored(&projection, id).await, rows);
    assert_eq!(sql(&url, "SELECT octet_length(bytes) FROM bodies_by_hash"), "131073");
    assert_eq!(projection.entries(&id, Some(0), 2).await.unwrap(), rows[1..3]);
    assert_eq!(projection.entries(&id, Some(4), 9).await.unwrap(), []);
    assert_eq!(projection.assignment_at(&id, 3).await.unwrap(), Some(rows[3].entry.assignment_id));
    assert_eq!(projection.assignment_at(&id, 5).await.unwrap(), None);
}

#[tokio::test]
async fn history_is_cut_by_bytes_but_always_goes_on() {
    let (url, id) = (database().await, process(1));
    let projection = writer_of(&url, &[id]).await;
    let mut rows = rows_of(id, 0..4);
    for (row, bytes) in rows.iter_mut().zip([BATCH_BYTES_MAX + 1, 10, BATCH_BYTES_MAX, 10]) {
        row.entry.message = Some(Bytes::from(vec![3; bytes]));
        projection.project(std::slice::from_ref(row)).await.unwrap();
    }
    let nonces = async |after| {
        let rows = projection.entries(&id, after, 10).await.unwrap();
        rows.iter().map(|row| row.entry.nonce).collect::<Vec<_>>()
    };
    assert_eq!(nonces(None).await, [0]);
    assert_eq!(nonces(Some(0)).await, [1], "what comes next has the size of a batch");
    assert_eq!(nonces(Some(1)).await, [2]);
    assert_eq!(nonces(Some(2)).await, [3]);
}

#[tokio::test]
async fn a_body_that_is_gone_is_damage() {
    let (url, id) = (database().await, process(1));
    let projection = writer_of(&url, &[id]).await;
    let mut rows = rows_of(id, 0..1);
    rows[0].entry.message = Some(Bytes::from(vec![2; INLINE_BYTES_MAX + 1]));
    projection.project(&rows).await.unwrap();
    sql(&url, "DELETE FROM bodies_by_hash");
    let found = projection.entries(&id, None, 1).await;
    assert!(matches!(found, Err(ModelError::Damaged(_))), "{found:?}");
}

#[tokio::test]
async fn heads_are_the_newest_places_of_ones_own_processes() {
    let url = database().await;
    let ids = [process(1), process(2), process(3), process(4)];
    let projection = writer_of(&url, &ids).await;
    let (other, theirs) = (take_as(&url, "other", 9).await.projection, process(9));
    assert!(other.bind(&theirs).await.unwrap());
    other.project(&rows_of(theirs, 0..2)).await.unwrap();
    for (id, length) in [(ids[0], 3), (ids[1], 1), (ids[3], 7)] {
        projection.project(&rows_of(id, 0..length)).await.unwrap();
    }
    let head = |process, nonce| {
        let assignment = row_of(process, nonce, 0).entry.assignment_id;
        Newest { process, nonce, assignment, moved: false }
    };
    let expected = [head(ids[0], 2), head(ids[1], 0), head(ids[3], 6)];
    assert_eq!(projection.heads(None, 10).await.unwrap(), expected);
    assert_eq!(projection.heads(None, 2).await.unwrap(), expected[..2]);
    assert_eq!(projection.heads(Some(ids[1]), 2).await.unwrap(), expected[2..]);
    assert_eq!(other.heads(None, 2).await.unwrap(), [head(theirs, 1)]);
}

#[tokio::test]
async fn projecting_again_changes_nothing() {
    let (url, ids) = (database().await, [process(1), process(2)]);
    let projection = writer_of(&url, &ids).await;
    let rows = rows_of(ids[0], 0..6);
    projection.project(&rows[..4]).await.unwrap();
    for again in [&rows[..4], &rows[..1], &rows[2..6], &rows[..], &rows[5..]] {
        projection.project(again).await.unwrap();
        projection.project(&[]).await.unwrap();
    }
    let both = [&rows[3..], &rows_of(ids[1], 0..2)].concat();
    projection.project(&both).await.unwrap();
    assert_eq!(stored(&projection, ids[0]).await, rows);
    assert_eq!(stored(&projection, ids[1]).await.len(), 2);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_all_that_comes_along() {
    let (url, ids) = (database().await, [process(1), process(2)]);
    let projection = writer_of(&url, &ids).await;
    projection.project(&rows_of(ids[0], 0..3)).await.unwrap();
    let good = rows_of(ids[1], 0..2);
    let mut elsewhere = row_of(ids[0], 3, 0);
    elsewhere.entry.assignment_id = row_of(ids[0], 1, 0).entry.assignment_id;
    let large = |mut row: Row| {
        row.entry.message = Some(Bytes::from(vec![2; INLINE_BYTES_MAX + 1]));
        row
    };
    let cases = [
        (vec![large(row_of(ids[0], 4, 0))], "Gap 4"),
        (vec![row_of(ids[0], 3, 0), row_of(ids[0], 5, 0)], "Gap 5"),
        (vec![row_of(ids[0], 4, 0), row_of(ids[0], 3, 0)], "Gap 3"),
        (vec![row_of(ids[0], 3, 0), row_of(ids[0], 3, 0)], "Gap 3"),
        (vec![row_of(ids[0], 2, 1), row_of(ids[0], 3, 1)], "Conflict 2"),
        (vec![row_of(ids[0], 2, 0), row_of(ids[0], 3, 0), elsewhere.clone()], "Gap 3"),
        (vec![elsewhere], "Conflict 3"),
        (rows_of(process(3), 0..1), "Foreign"),
        (vec![row_of(ids[0], 1 << 63, 0)], "OutOfRange"),
    ];
    for (bad, expected) in cases {
        let batch = [&good[..1], &bad, &good[1..]].concat();
        let said = match projection.project(&batch).await {
            Err(ModelError::Gap { process, nonce }) if process == ids[0] => format!("Gap {nonce}"),
            Err(ModelError::Conflict { process, nonce }) if process == ids[0] => {
                format!("Conflict {nonce}")
            }
            Err(ModelError::Foreign { process: id }) if id == process(3) => "Foreign".to_owned(),
            Err(ModelError::OutOfRange(_)) => "OutOfRange".to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(said, expected);
        assert_eq!(sql(&url, "SELECT count(*) FROM entries"), "3", "after {expected}");
        assert_eq!(sql(&url, "SELECT count(*) FROM bodies_by_hash"), "0", "after {expected}");
    }
}

#[tokio::test]
async fn a_batch_has_a_size() {
    let (url, id) = (database().await, process(1));
    let projection = writer_of(&url, &[id]).await;
    let most = rows_of(id, 0..BATCH_ROWS_MAX as u64);
    projection.project(&most).await.unwrap();
    let more = rows_of(id, 0..BATCH_ROWS_MAX as u64 + 1);
    assert!(matches!(projection.project(&more).await, Err(ModelError::OutOfRange(_))));
    let mut heavy = rows_of(id, 512..514);
    heavy[0].entry.message = Some(Bytes::from(vec![0; BATCH_BYTES_MAX]));
    assert!(matches!(projection.project(&heavy).await, Err(ModelError::OutOfRange(_))));
    projection.project(&heavy[..1]).await.unwrap();
}

#[tokio::test]
async fn a_process_is_bound_once() {
    let url = database().await;
    let ours = take(&url, 1).await.projection;
    let other = take_as(&url, "other", 2).await.projection;
    assert!(ours.bind(&process(1)).await.unwrap());
    assert!(ours.bind(&process(1)).await.unwrap());
    assert!(!other.bind(&process(1)).await.unwrap());
    for number in 2..50 {
        let id = process(number);
        let (ours, theirs) = tokio::join!(ours.bind(&id), other.bind(&id));
        assert_ne!(ours.unwrap(), theirs.unwrap(), "process {number}");
    }
}

#[tokio::test]
async fn heartbeats_do_not_go_back_over_terms() {
    let url = database().await;
    let first = take(&url, 1).await;
    assert_eq!((first.term, first.closed), (1, Timestamp(0)));
    first.projection.heartbeat(Timestamp(50), Timestamp(0), Some(7)).await.unwrap();
    first.projection.heartbeat(Timestamp(40), Timestamp(0), Some(8)).await.unwrap();
    let shown =
        "SELECT closed_timestamp, block_height, encode(address, 'hex') FROM writer_progress";
    assert_eq!(sql(&url, shown), format!("50|8|{}", "01".repeat(32)));
    adopt(&url, Address::new([2; 32])).await.unwrap();
    let holder = Holder([2; 16]);
    let second = Projection::take(&url, CONNECTIONS, WRITER, holder, Address::new([2; 32])).await;
    let second = second.unwrap();
    assert_eq!((second.term, second.closed), (2, Timestamp(50)));
    assert_eq!(sql(&url, shown), format!("50|8|{}", "02".repeat(32)));
    adopt(&url, WALLET).await.unwrap();
    let late = first.projection.heartbeat(Timestamp(60), Timestamp(0), Some(9)).await;
    assert!(matches!(late, Err(ModelError::Stale { term: 1 })), "{late:?}");
    assert_eq!(take(&url, 2).await.closed, Timestamp(50));
}

#[tokio::test]
async fn the_previous_holder_is_the_one_that_wrote_last() {
    let url = database().await;
    assert_eq!(take(&url, 1).await.previous, None);
    let first = take(&url, 1).await;
    assert_eq!(first.previous, None);
    first.projection.heartbeat(Timestamp(1), Timestamp(0), None).await.unwrap();
    assert_eq!(take(&url, 2).await.previous, Some(Holder([1; 16])));
    let second = take(&url, 2).await;
    assert_eq!(second.previous, Some(Holder([1; 16])), "nobody has written in between");
    assert!(matches!(first.projection.bind(&process(1)).await, Err(ModelError::Stale { term: 2 })));
    assert!(second.projection.bind(&process(1)).await.unwrap());
    assert_eq!(take(&url, 1).await.previous, Some(Holder([2; 16])));
}
