//! Connections that break, answers that get lost, and work that is given up half-way.

use crate::house::{Files, House, bytes, content, silent};
use rota_archive::{ArchiveError, Body, BodyHash};
use rota_testkit::aws::Aws;
use rota_testkit::proxy::{Fault, FaultProxy};
use std::time::{Duration, Instant};
use tempfile::TempDir;

fn proxy() -> (FaultProxy, String) {
    let proxy = FaultProxy::start(Aws::shared().port());
    let url = proxy.url(&Aws::shared().endpoint());
    (proxy, url)
}

fn files() -> Files {
    let files = Files::new(&[("large", &bytes(3, 17 << 20)), ("CURRENT", b"1")]);
    for number in 0..30_u8 {
        files.write(&format!("{number}.sst"), &bytes(number, 1 << 20));
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_is_cut_off_anywhere_is_none_and_the_next_one_is_whole() {
    let house = House::new().await;
    let (proxy, url) = proxy();
    let through = house.checkpoints_through(&url).await;
    let files = files();
    let before = files.checkpoint(&house.checkpoints, 1).await.unwrap();
    files.write("CURRENT", b"2");
    files.write("large", &bytes(9, 17 << 20));
    for sent in [0, 900, 3_000, 1 << 20, 9 << 20, 17 << 20] {
        proxy.set(Fault::CutRequestsAfter(sent));
        let cutting = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            proxy.set(Fault::Refuse);
        };
        let (cut, ()) = tokio::join!(files.checkpoint(&through, 1), cutting);
        proxy.heal();
        if cut.is_err() {
            assert_eq!(house.checkpoints.list().await.unwrap(), [before.position], "{sent} bytes");
        }
    }
    let after = files.checkpoint(&through, 1).await.unwrap();
    assert!(after.files_sent <= 2, "{after:?}");
    let dir = TempDir::new().unwrap();
    house.checkpoints.fetch_newest(dir.path(), &silent).await.unwrap();
    assert_eq!(content(dir.path()), files.content());
    let named = after.files + 2;
    assert!(house.keys("files/").await.len() <= named, "what was cut off is cleared up");
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_is_given_up_leaves_what_was_there() {
    let house = House::new().await;
    let files = files();
    for wait in [1, 5, 20, 60, 120, 250] {
        let given_up = tokio::time::timeout(
            Duration::from_millis(wait),
            files.checkpoint(&house.checkpoints, 1),
        );
        let _ = given_up.await;
        let dir = TempDir::new().unwrap();
        match house.checkpoints.fetch_newest(dir.path(), &silent).await {
            Ok(_) => assert_eq!(content(dir.path()), files.content()),
            Err(ArchiveError::NoCheckpoint { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    files.checkpoint(&house.checkpoints, 1).await.unwrap();
    let dir = TempDir::new().unwrap();
    house.checkpoints.fetch_newest(dir.path(), &silent).await.unwrap();
    assert_eq!(content(dir.path()), files.content());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_gets_lost_is_no_conflict() {
    let house = House::new().await;
    let (proxy, url) = proxy();
    let archive = house.through(&url).await;
    let through = house.checkpoints_through(&url).await;
    let files = Files::new(&[("a", b"1"), ("b", &bytes(1, 9 << 20))]);
    for seq in 1..=6 {
        files.write("a", &[seq]);
        files.write("b", &bytes(seq, 9 << 20));
        let losing = async {
            tokio::time::sleep(Duration::from_millis(u64::from(seq) * 15)).await;
            proxy.set(Fault::CutAnswers);
            tokio::time::sleep(Duration::from_millis(100)).await;
            proxy.heal();
        };
        let (taken, ()) = tokio::join!(files.checkpoint(&through, 1), losing);
        match taken {
            Ok(_) | Err(ArchiveError::Unavailable(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    let body = Body::of(vec![7; 200_000].into());
    proxy.set(Fault::CutAnswers);
    let healing = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        proxy.heal();
    };
    let (put, ()) = tokio::join!(archive.put_body(&body), healing);
    assert!(matches!(put, Ok(()) | Err(ArchiveError::Unavailable(_))), "{put:?}");
    archive.put_body(&body).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_cut_off_goes_on_where_it_was() {
    let house = House::new().await;
    let (proxy, url) = proxy();
    let through = house.checkpoints_through(&url).await;
    let files = files();
    files.checkpoint(&house.checkpoints, 1).await.unwrap();
    let dir = TempDir::new().unwrap();
    proxy.set(Fault::Delay(Duration::from_millis(1)));
    let cutting = async {
        for wait in [50, 80] {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            proxy.set(Fault::Refuse);
            tokio::time::sleep(Duration::from_millis(50)).await;
            proxy.set(Fault::Delay(Duration::from_millis(1)));
        }
    };
    let (fetched, ()) = tokio::join!(through.fetch_newest(dir.path(), &silent), cutting);
    fetched.unwrap();
    assert_eq!(content(dir.path()), files.content(), "within one attempt");
    std::fs::remove_file(dir.path().join("large")).unwrap();
    proxy.set(Fault::Refuse);
    let away = through.fetch_newest(dir.path(), &silent).await;
    assert!(matches!(away, Err(ArchiveError::Unavailable(_))), "{away:?}");
    proxy.heal();
    let again = through.fetch_newest(dir.path(), &silent).await.unwrap();
    assert_eq!(again.bytes_fetched, 17 << 20, "in another attempt");
    assert_eq!(content(dir.path()), files.content());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_body_does_not_wait_for_ever() {
    let house = House::new().await;
    let (proxy, url) = proxy();
    let archive = house.through(&url).await;
    proxy.set(Fault::Stall);
    let since = Instant::now();
    let found = archive.body(BodyHash::new([1; 32]), 5).await;
    assert!(matches!(found, Err(ArchiveError::Unavailable(_))), "{found:?}");
    assert!(since.elapsed() < Duration::from_secs(8), "took {:?}", since.elapsed());
}
