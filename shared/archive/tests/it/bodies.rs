//! Bodies by their hash, and those from before by the id of their message.

use crate::house::{House, bytes};
use bytes::Bytes;
use rota_archive::{ArchiveError, Body, BodyHash};
use rota_schedule::{MessageId, ProcessId};
use rota_testkit::aws::Aws;
use rota_testkit::message;
use std::num::NonZero;

/// How long a body is that does not lie in its row.
const LARGE_BYTES: usize = 300_000;

fn body(seed: u8) -> Body {
    Body::of(bytes(seed, LARGE_BYTES).into())
}

fn key(body: &Body) -> String {
    format!("bodies/sha256/{}", body.hash())
}

#[tokio::test]
async fn a_body_comes_back_as_it_went_in_and_may_be_stored_again() {
    let house = House::new().await;
    let (one, other) = (body(1), body(2));
    for _ in 0..2 {
        for body in [&one, &other] {
            house.archive.put_body(body).await.unwrap();
            let found = house.archive.body(*body.hash(), LARGE_BYTES).await.unwrap();
            assert_eq!(found, body.bytes());
        }
    }
    let mut keys = [key(&one), key(&other)];
    keys.sort();
    assert_eq!(house.keys("").await, keys);
}

#[tokio::test]
async fn a_body_that_is_not_there_is_missing() {
    let house = House::new().await;
    let found = house.archive.body(BodyHash::new([1; 32]), 5).await;
    assert!(matches!(found, Err(ArchiveError::Missing { .. })), "{found:?}");
    let found = house.archive.body_by_id(MessageId::new([1; 32]), 5).await;
    assert!(matches!(found, Err(ArchiveError::Missing { .. })), "{found:?}");
}

/// Bytes that are not those of a body: one is changed, one is missing, none is right, there are none.
fn wrongs(bytes: &Bytes) -> [Vec<u8>; 4] {
    let mut flipped = bytes.to_vec();
    flipped[200_000] ^= 1;
    [flipped, bytes[..bytes.len() - 1].to_vec(), vec![0; bytes.len()], Vec::new()]
}

#[tokio::test]
async fn a_body_that_was_cut_or_changed_is_damaged() {
    let house = House::new().await;
    let body = body(1);
    for wrong in wrongs(body.bytes()) {
        house.put(&key(&body), wrong).await;
        let found = house.archive.body(*body.hash(), LARGE_BYTES).await.map(|body| body.len());
        assert!(matches!(found, Err(ArchiveError::Damaged { .. })), "{found:?}");
    }
    house.put(&key(&body), body.bytes().to_vec()).await;
    for length in [LARGE_BYTES - 1, LARGE_BYTES + 1] {
        let found = house.archive.body(*body.hash(), length).await.map(|body| body.len());
        assert!(matches!(found, Err(ArchiveError::Damaged { .. })), "{length}: {found:?}");
    }
}

/// Copied by a tool that keeps no metadata, a body is still known by its key.
#[tokio::test]
async fn body_without_metadata_is_read_by_its_hash() {
    let house = House::new().await;
    let body = body(1);
    house.put(&key(&body), body.bytes().to_vec()).await;
    let found = house.archive.body(*body.hash(), LARGE_BYTES).await.unwrap();
    assert_eq!(found, body.bytes());
}

#[tokio::test]
async fn body_from_before_is_read_by_the_id_of_its_message() {
    let house = House::new().await;
    let item = message(ProcessId::new([1; 32])).data(vec![b'x'; LARGE_BYTES]).sign();
    let (id, bytes) = (MessageId::from(item.id()), item.bytes().clone());
    let (key, hash) = (format!("bodies/{id}"), BodyHash::of(&bytes).to_string());
    let put = |bytes: Vec<u8>| {
        let (bucket, key, hash) = (house.bucket.clone(), key.clone(), hash.clone());
        tokio::task::spawn_blocking(move || {
            Aws::shared().put_object(&bucket, &House::full(&key), &bytes, &hash);
        })
    };
    for wrong in wrongs(&bytes) {
        put(wrong).await.unwrap();
        let found = house.archive.body_by_id(id, bytes.len()).await.map(|body| body.len());
        assert!(matches!(found, Err(ArchiveError::Damaged { .. })), "{found:?}");
    }
    put(bytes.to_vec()).await.unwrap();
    assert_eq!(house.archive.body_by_id(id, bytes.len()).await.unwrap(), bytes);
    let longer = house.archive.body_by_id(id, bytes.len() + 1).await;
    assert!(matches!(longer, Err(ArchiveError::Damaged { .. })), "{longer:?}");
}

/// A name that is spelt wrong is no reason to take bodies for lost.
#[tokio::test]
async fn a_bucket_that_is_not_there_is_not_a_body_that_is_missing() {
    let mut house = House::new().await;
    house.bucket.push_str("-not-there");
    let archive = house.through(&Aws::shared().endpoint()).await;
    let body = body(1);
    let put = archive.put_body(&body).await;
    assert!(matches!(put, Err(ArchiveError::Unavailable(_))), "{put:?}");
    let found = archive.body(*body.hash(), LARGE_BYTES).await;
    assert!(matches!(found, Err(ArchiveError::Unavailable(_))), "{found:?}");
    let listed = archive.checkpoints("w", NonZero::<usize>::MIN).list().await;
    assert!(matches!(listed, Err(ArchiveError::Unavailable(_))), "{listed:?}");
}
