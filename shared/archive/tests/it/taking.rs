//! What a checkpoint sends, what it refuses, and what is cleared up after it.

use crate::house::{Files, House, bytes, content, silent};
use rota_archive::{ArchiveError, Position};
use std::time::Duration;
use tempfile::TempDir;

const LARGE: usize = (20 << 20) + 17;

fn at(term: u64, seq: u64) -> Position {
    Position { term, seq }
}

#[tokio::test]
async fn only_new_files_travel() {
    let house = House::new().await;
    let large = bytes(1, LARGE);
    let files = Files::new(&[("1.sst", &large), ("CURRENT", b"M-1\n"), ("empty", b"")]);
    let first = files.checkpoint(&house.checkpoints, 4).await.unwrap();
    assert_eq!(first.position, at(4, 1));
    assert_eq!((first.files, first.files_sent), (3, 3));
    assert_eq!((first.bytes, first.bytes_sent), (LARGE as u64 + 4, LARGE as u64 + 4));
    files.write("2.sst", b"new");
    files.write("CURRENT", b"M-2\n");
    let second = files.checkpoint(&house.checkpoints, 4).await.unwrap();
    assert_eq!(second.position, at(4, 2));
    assert_eq!((second.files, second.files_sent, second.bytes_sent), (4, 2, 7));
    std::fs::remove_file(files.snapshot().hashes).unwrap();
    let third = files.checkpoint(&house.checkpoints, 9).await.unwrap();
    assert_eq!((third.position, third.files_sent), (at(9, 1), 0), "in another term, hashed anew");
    assert_eq!(house.keys("1.sst").await.len(), 1);
}

#[tokio::test]
async fn the_newest_few_are_kept_and_every_file_that_they_name() {
    let house = House::new().await;
    let files = Files::new(&[("old", b"in all"), ("0", b"first")]);
    for number in 0..5_u8 {
        files.checkpoint(&house.checkpoints, 1).await.unwrap();
        files.remove(&number.to_string());
        files.write(&(number + 1).to_string(), &[number]);
    }
    assert_eq!(house.checkpoints.list().await.unwrap(), [at(1, 5), at(1, 4)]);
    let sent: Vec<_> = house.keys("files/").await;
    let names: Vec<_> = sent.iter().map(|key| key.rsplit_once('-').unwrap().1).collect();
    assert_eq!(names, ["old", "3", "4"]);
    let dir = TempDir::new().unwrap();
    house.checkpoints.fetch(at(1, 4), dir.path(), &silent).await.unwrap();
    assert_eq!(content(dir.path()).keys().collect::<Vec<_>>(), ["3", "old"]);
}

#[tokio::test]
async fn who_has_lost_the_name_takes_no_checkpoint_and_deletes_nothing() {
    let house = House::new().await;
    let (old, new) = (Files::new(&[("a", b"old")]), Files::new(&[("a", b"new")]));
    old.checkpoint(&house.checkpoints, 1).await.unwrap();
    new.checkpoint(&house.checkpoints, 2).await.unwrap();
    let before = house.objects().await;
    let refused = old.checkpoint(&house.checkpoints, 1).await;
    assert!(matches!(refused, Err(ArchiveError::Overtaken { .. })), "{refused:?}");
    assert_eq!(house.objects().await, before);
}

/// Files that take a while to send.
fn many() -> Files {
    let files = Files::new(&[("shared", b"in both")]);
    for number in 0..400_u16 {
        files.write(&format!("{number}.sst"), &number.to_be_bytes());
    }
    files
}

/// Waits until some of them were sent.
async fn under_way(house: &House) {
    while house.keys(".sst").await.len() < 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_checkpoint_that_is_overtaken_while_it_sends_is_taken_back() {
    let house = House::new().await;
    let (old, new) = (many(), Files::new(&[("b", b"new")]));
    let slow = old.checkpoint(&house.checkpoints, 1);
    let quick = async {
        under_way(&house).await;
        new.checkpoint(&house.checkpoints, 2).await
    };
    let (slow, quick) = tokio::join!(slow, quick);
    assert!(matches!(slow, Err(ArchiveError::Overtaken { .. })), "{slow:?}");
    assert_eq!(house.checkpoints.list().await.unwrap(), [quick.unwrap().position]);
    let third = new.checkpoint(&house.checkpoints, 2).await.unwrap();
    assert_eq!(third.files_sent, 0);
    assert_eq!(house.keys(".sst").await, [""; 0], "what the older one sent is cleared up");
}

/// Who has lost the name clears up what the newer one counts on, before it can see that.
#[tokio::test]
async fn a_checkpoint_whose_base_goes_while_it_sends_is_taken_back_and_the_next_one_is_whole() {
    let house = House::new().await;
    let (old, new) = (Files::new(&[("shared", b"in both"), ("b", b"0")]), many());
    old.checkpoint(&house.checkpoints, 1).await.unwrap();
    let slow = new.checkpoint(&house.checkpoints, 2);
    let quick = async {
        under_way(&house).await;
        old.remove("shared");
        for number in 1..3 {
            old.write("b", &[number]);
            old.checkpoint(&house.checkpoints, 1).await.unwrap();
        }
    };
    let (slow, ()) = tokio::join!(slow, quick);
    assert!(matches!(slow, Err(ArchiveError::Overtaken { .. })), "{slow:?}");
    assert_eq!(house.keys("-shared").await, [""; 0], "its base's file is gone");
    assert_eq!(house.checkpoints.list().await.unwrap(), [at(1, 3), at(1, 2)]);
    let whole = new.checkpoint(&house.checkpoints, 2).await.unwrap();
    assert_eq!((whole.position.term, whole.files_sent), (2, 401));
    let dir = TempDir::new().unwrap();
    house.checkpoints.fetch_newest(dir.path(), &silent).await.unwrap();
    assert_eq!(content(dir.path()), new.content());
}

#[tokio::test]
async fn what_is_being_sent_for_a_newer_checkpoint_is_not_cleared_up() {
    let house = House::new().await;
    let files = Files::new(&[("a", b"1")]);
    let folder = "ledgers/w1/files";
    let (older, newer) =
        (format!("{folder}/{:020}-{:020}-x", 3, 0), format!("{folder}/{:020}-{:020}-x", 4, 1));
    house.put(&older, vec![1]).await;
    house.put(&newer, vec![1]).await;
    let taken = files.checkpoint(&house.checkpoints, 3).await.unwrap();
    assert_eq!(taken.position, at(3, 1));
    assert_eq!(house.keys("-x").await, [newer], "the newer one may be under way");
}

#[tokio::test]
async fn a_number_is_never_used_again_even_if_its_checkpoint_was_cut_off() {
    let house = House::new().await;
    let files = Files::new(&[("a", b"1")]);
    let first = files.checkpoint(&house.checkpoints, 3).await.unwrap();
    let manifest = house.keys("manifests/").await.remove(0);
    house.remove(&manifest).await;
    files.write("a", b"2");
    let second = files.checkpoint(&house.checkpoints, 3).await.unwrap();
    assert_eq!((first.position, second.position), (at(3, 1), at(3, 2)));
    assert_eq!(house.keys("files/").await.len(), 1, "what was cut off is cleared up");
}

#[tokio::test]
async fn nothing_is_cleared_up_while_a_manifest_cannot_be_read() {
    let house = House::new().await;
    let files = Files::new(&[("a", b"1")]);
    files.checkpoint(&house.checkpoints, 1).await.unwrap();
    let first = house.keys("manifests/").await.remove(0);
    house.put(&first, b"{\"format\":99}".to_vec()).await;
    files.write("a", b"2");
    files.checkpoint(&house.checkpoints, 1).await.unwrap();
    assert_eq!(house.keys("files/").await.len(), 2, "the first may need its file");
    for number in 3..6 {
        files.write("a", &[number]);
        files.checkpoint(&house.checkpoints, 1).await.unwrap();
    }
    assert_eq!(house.keys("files/").await.len(), 2, "it was old enough to go");
}

#[tokio::test]
async fn two_under_one_term_cannot_mix() {
    let house = House::new().await;
    let (one, other) = (Files::new(&[("a", b"one")]), Files::new(&[("a", b"other")]));
    for _ in 0..5 {
        one.write("b", format!("{:?}", std::time::Instant::now()).as_bytes());
        other.write("b", format!("{:?}", std::time::Instant::now()).as_bytes());
        let both = tokio::join!(
            one.checkpoint(&house.checkpoints, 1),
            other.checkpoint(&house.checkpoints, 1)
        );
        for (files, taken) in [(&one, both.0), (&other, both.1)] {
            let dir = TempDir::new().unwrap();
            match taken {
                Ok(taken) if house.checkpoints.list().await.unwrap().contains(&taken.position) => {
                    house.checkpoints.fetch(taken.position, dir.path(), &silent).await.unwrap();
                    assert_eq!(content(dir.path()), files.content());
                }
                Ok(_) | Err(ArchiveError::Conflict { .. } | ArchiveError::Overtaken { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}
