//! What comes back, and what does not pass for it.

use crate::house::{Files, House, bytes, content, silent};
use parking_lot::Mutex;
use rota_archive::{ArchiveError, Fetching, Position};
use tempfile::TempDir;

const FIRST: Position = Position { term: 1, seq: 1 };
const SECOND: Position = Position { term: 1, seq: 2 };

/// Two checkpoints that share a file.
async fn two(house: &House) -> Files {
    let files = Files::new(&[("shared", &bytes(1, 9 << 20)), ("CURRENT", b"1"), ("1.sst", b"one")]);
    files.checkpoint(&house.checkpoints, 1).await.unwrap();
    files.write("CURRENT", b"2");
    files.remove("1.sst");
    files.write("2.sst", &bytes(2, 100_000));
    files.checkpoint(&house.checkpoints, 1).await.unwrap();
    files
}

/// Fetches the newest; gives which it was, how many bytes came, and which could not be had.
async fn newest(
    house: &House,
    dir: &TempDir,
) -> Result<(Position, u64, Vec<Position>), ArchiveError> {
    let skipped = Mutex::new(Vec::new());
    let told = Mutex::new(0);
    let tell = |step: Fetching<'_>| match step {
        Fetching::Begun(_) => *told.lock() = 0,
        Fetching::Bytes(bytes) => *told.lock() += bytes,
        Fetching::Damaged(position, _) => skipped.lock().push(position),
    };
    let fetched = house.checkpoints.fetch_newest(dir.path(), &tell).await?;
    assert_eq!(told.into_inner(), fetched.manifest.bytes, "progress ends where the work does");
    Ok((fetched.manifest.position(), fetched.bytes_fetched, skipped.into_inner()))
}

#[tokio::test]
async fn the_newest_checkpoint_comes_back_byte_for_byte() {
    let house = House::new().await;
    let (files, dir) = (two(&house).await, TempDir::new().unwrap());
    let total = (9 << 20) + 1 + 100_000;
    assert_eq!(newest(&house, &dir).await.unwrap(), (SECOND, total, vec![]));
    assert_eq!(content(dir.path()), files.content());
}

#[tokio::test]
async fn what_is_there_is_not_fetched_again_and_what_is_foreign_goes() {
    let house = House::new().await;
    let (files, dir) = (two(&house).await, TempDir::new().unwrap());
    house.checkpoints.fetch(FIRST, dir.path(), &silent).await.unwrap();
    std::fs::write(dir.path().join("000009.log"), "written by whoever opened it").unwrap();
    std::fs::create_dir(dir.path().join("lost+found")).unwrap();
    std::fs::write(dir.path().join("2.sst.partial"), "cut off").unwrap();
    assert_eq!(newest(&house, &dir).await.unwrap(), (SECOND, 1 + 100_000, vec![]));
    assert_eq!(content(dir.path()), files.content());
    let mut changed = files.content()["shared"].clone();
    changed[5] ^= 1;
    std::fs::write(dir.path().join("shared"), changed).unwrap();
    assert_eq!(newest(&house, &dir).await.unwrap(), (SECOND, 9 << 20, vec![]));
    assert_eq!(content(dir.path()), files.content());
}

#[tokio::test]
async fn what_is_damaged_makes_way_for_the_checkpoint_before_it() {
    let house = House::new().await;
    two(&house).await;
    let file = house.keys("2.sst").await.remove(0);
    let manifest = house.keys("manifests/").await.remove(1);
    let (whole, json) = (house.get(&file).await, house.get(&manifest).await);
    let mut flipped = whole.clone();
    flipped[50_000] ^= 1;
    let longer = [whole.as_slice(), &[0]].concat();
    let newer = String::from_utf8(json.clone()).unwrap().replace("\"format\": 1", "\"format\": 2");
    for (key, wrong) in [
        (&file, Some(flipped)),
        (&file, Some(whole[1..].to_vec())),
        (&file, Some(longer)),
        (&file, Some(Vec::new())),
        (&file, None),
        (&manifest, Some(json[1..].to_vec())),
        (&manifest, Some(newer.into_bytes())),
    ] {
        match wrong {
            Some(wrong) => house.put(key, wrong).await,
            None => house.remove(key).await,
        }
        let dir = TempDir::new().unwrap();
        let (position, _, skipped) = newest(&house, &dir).await.unwrap();
        assert_eq!((position, skipped), (FIRST, vec![SECOND]));
        assert_eq!(content(dir.path())["1.sst"], b"one");
        house.put(&file, whole.clone()).await;
        house.put(&manifest, json.clone()).await;
    }
    let shared = house.keys("shared").await.remove(0);
    house.remove(&shared).await;
    let none = newest(&house, &TempDir::new().unwrap()).await;
    assert!(matches!(none, Err(ArchiveError::Missing { ref key }) if *key == shared), "{none:?}");
}

#[tokio::test]
async fn without_any_checkpoint_the_error_says_so() {
    let house = House::new().await;
    let found = newest(&house, &TempDir::new().unwrap()).await;
    assert_eq!(found.unwrap_err().to_string(), "there is no checkpoint of writer \"w1\"");
    let found = house.checkpoints.manifest(FIRST).await;
    assert!(matches!(found, Err(ArchiveError::Missing { .. })), "{found:?}");
}
