//! Bodies by id.

use crate::house::House;
use bytes::Bytes;
use rota_archive::ArchiveError;
use rota_schedule::{MessageId, ProcessId};
use rota_testkit::aws::Aws;
use rota_testkit::message;
use std::num::NonZero;

/// A signed item with a large body.
fn item() -> (MessageId, Bytes) {
    let process = ProcessId::new([1; 32]);
    let item = message(process).data(vec![b'x'; 300_000]).sign();
    (item.id().into(), item.bytes().clone())
}

#[tokio::test]
async fn a_body_comes_back_as_it_went_in_and_may_be_stored_again() {
    let house = House::new().await;
    let (id, bytes) = item();
    for _ in 0..2 {
        house.archive.put_body(id, bytes.clone()).await.unwrap();
        assert_eq!(house.archive.body(id, bytes.len()).await.unwrap(), bytes);
    }
    assert_eq!(house.keys("").await, [format!("bodies/{id}")]);
}

#[tokio::test]
async fn a_body_that_is_not_there_is_missing() {
    let house = House::new().await;
    let found = house.archive.body(MessageId::new([1; 32]), 5).await;
    assert!(matches!(found, Err(ArchiveError::Missing { .. })), "{found:?}");
}

#[tokio::test]
async fn a_body_that_was_cut_or_changed_is_damaged() {
    let house = House::new().await;
    let (id, bytes) = item();
    let key = format!("bodies/{id}");
    let mut flipped = bytes.to_vec();
    flipped[200_000] ^= 1;
    let cut = bytes[..bytes.len() - 1].to_vec();
    let none = vec![0; bytes.len()];
    for wrong in [flipped, cut, none, Vec::new()] {
        house.put(&key, wrong).await;
        let found = house.archive.body(id, bytes.len()).await.map(|body| body.len());
        assert!(matches!(found, Err(ArchiveError::Damaged { .. })), "{found:?}");
    }
    house.put(&key, bytes.to_vec()).await;
    for length in [bytes.len() - 1, bytes.len() + 1] {
        let found = house.archive.body(id, length).await.map(|body| body.len());
        assert!(matches!(found, Err(ArchiveError::Damaged { .. })), "{length}: {found:?}");
    }
}

/// A name that is spelt wrong is no reason to take bodies for lost.
#[tokio::test]
async fn a_bucket_that_is_not_there_is_not_a_body_that_is_missing() {
    let mut house = House::new().await;
    house.bucket.push_str("-not-there");
    let archive = house.through(&Aws::shared().endpoint()).await;
    let (id, bytes) = item();
    let put = archive.put_body(id, bytes.clone()).await;
    assert!(matches!(put, Err(ArchiveError::Unavailable(_))), "{put:?}");
    let found = archive.body(id, bytes.len()).await;
    assert!(matches!(found, Err(ArchiveError::Unavailable(_))), "{found:?}");
    let listed = archive.checkpoints("w", NonZero::<usize>::MIN).list().await;
    assert!(matches!(listed, Err(ArchiveError::Unavailable(_))), "{listed:?}");
}
