//! Conditional writes that S3 refuses: 412 says that the key is taken, 409 that another write of it is under way
//! and that nothing may have been stored.

use crate::house::{Files, House, bytes, content, silent};
use rota_archive::{ArchiveError, Body};
use rota_testkit::aws::Aws;
use rota_testkit::{Refused, S3Refusals};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CONFLICT: &str = "ConditionalRequestConflict";
const EXISTS: &str = "PreconditionFailed";
/// More often than anybody tries.
const FOR_EVER: usize = 1_000;
/// Larger than a part.
const IN_PARTS: usize = (9 << 20) + 17;

fn body() -> Body {
    Body::of(bytes(1, 200_000).into())
}

/// The files of a checkpoint, one of which is sent in parts.
fn files() -> Files {
    Files::new(&[("CURRENT", b"1"), ("large", &bytes(2, IN_PARTS))])
}

async fn refusals() -> S3Refusals {
    S3Refusals::before(Aws::shared()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn body_is_stored_after_conflicts() {
    let (house, s3) = (House::new().await, refusals().await);
    let (archive, body) = (house.through(s3.url()).await, body());
    s3.refuse(Refused::ConditionalWrites, 409, CONFLICT, 3);
    archive.put_body(&body).await.unwrap();
    assert_eq!(s3.left(), 0);
    let found = house.archive.body(*body.hash(), body.bytes().len()).await.unwrap();
    assert_eq!(found, body.bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_always_meets_conflicts_is_not_taken_for_stored() {
    let (house, s3) = (House::new().await, refusals().await);
    let archive = house.through(s3.url()).await;
    for code in [CONFLICT, "OperationAborted", ""] {
        s3.refuse(Refused::ConditionalWrites, 409, code, FOR_EVER);
        let since = Instant::now();
        let put = archive.put_body(&body()).await;
        assert!(matches!(put, Err(ArchiveError::Unavailable(_))), "{code}: {put:?}");
        assert!(since.elapsed() < Duration::from_secs(3), "{code}: took {:?}", since.elapsed());
        assert!(s3.left() >= FOR_EVER - 10, "{code}: {} left", s3.left());
        s3.pass_all();
    }
    assert_eq!(house.keys("").await, [""; 0], "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_exists_is_asked_for_once() {
    let (house, s3) = (House::new().await, refusals().await);
    let archive = house.through(s3.url()).await;
    s3.refuse(Refused::ConditionalWrites, 412, EXISTS, FOR_EVER);
    archive.put_body(&body()).await.unwrap();
    assert_eq!(s3.left(), FOR_EVER - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_is_whole_after_conflicts() {
    let (house, s3) = (House::new().await, refusals().await);
    let (through, files) = (house.checkpoints_through(s3.url()).await, files());
    s3.refuse(Refused::ConditionalWrites, 409, CONFLICT, 4);
    files.checkpoint(&through, 1).await.unwrap();
    assert_eq!(s3.left(), 0, "the small file, the parts and the manifest share them");
    let dir = TempDir::new().unwrap();
    house.checkpoints.fetch_newest(dir.path(), &silent).await.unwrap();
    assert_eq!(content(dir.path()), files.content());
    assert_eq!(house.keys("files/").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_that_always_meets_conflicts_is_none() {
    let (house, s3) = (House::new().await, refusals().await);
    let (through, files) = (house.checkpoints_through(s3.url()).await, files());
    s3.refuse(Refused::ConditionalWrites, 409, CONFLICT, FOR_EVER);
    let taken = files.checkpoint(&through, 1).await;
    assert!(matches!(taken, Err(ArchiveError::Unavailable(_))), "{taken:?}");
    assert_eq!(house.checkpoints.list().await.unwrap(), []);
    s3.pass_all();
    files.checkpoint(&through, 1).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn manifest_that_cannot_be_read_back_is_no_conflict() {
    let (house, s3) = (House::new().await, refusals().await);
    let (through, files) = (house.checkpoints_through(s3.url()).await, Files::new(&[]));
    s3.refuse(Refused::ConditionalWrites, 412, EXISTS, 1);
    let overtaken = files.checkpoint(&through, 1).await;
    let gone = matches!(overtaken, Err(ArchiveError::Overtaken { .. }));
    assert!(gone, "it was there and is gone: {overtaken:?}");
    s3.refuse(Refused::ConditionalWrites, 412, EXISTS, 1);
    s3.refuse(Refused::Reads, 503, "SlowDown", FOR_EVER);
    let unknown = files.checkpoint(&through, 1).await;
    assert!(matches!(unknown, Err(ArchiveError::Unavailable(_))), "{unknown:?}");
}
