//! LSE-1: two writers of one name, and only the newer one commits.

use crate::house::{House, until};
use rota_tests::{Posted, fast_dir};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_whose_name_was_taken_commits_nothing_more_and_says_so() {
    let house = House::new();
    let (_disk, zombie) = house.settled().await;
    house.post_all(&zombie, house.messages(20)).await;
    let disk = fast_dir();
    let writer = house.writer(&disk).await;
    let rows = house.rows();
    let refused = house.post(&zombie, house.messages(1).remove(0)).await.unwrap();
    assert!(matches!(refused, Posted::Refused(status, _) if status == 503), "{refused:?}");
    until("the zombie knows", || zombie.refuses().is_some()).await;
    assert_eq!(zombie.refuses(), Some("another writer runs under this name"));
    assert_eq!(house.rows(), rows);
    house.post_all(&writer, house.messages(20)).await;
    drop(zombie.stop().await);
    house.check_same(&writer.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_zombie_learns_it_from_its_heartbeat() {
    let house = House::new();
    let (_disk, zombie) = house.settled().await;
    let disk = fast_dir();
    let writer = house.writer(&disk).await;
    until("the zombie knows", || zombie.refuses().is_some()).await;
    assert_eq!(writer.refuses(), None);
    drop(zombie.stop().await);
    house.check_same(&writer.stop().await);
}

/// Both under load while the name goes from one to the other and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_changes_hands_under_load_never_forks_a_schedule() {
    let house = House::new();
    let (first_disk, mut writer) = house.settled().await;
    let disks = [first_disk, fast_dir()];
    for round in 1..7 {
        let load: Vec<_> =
            house.messages(200).into_iter().map(|item| house.post(&writer, item)).collect();
        tokio::time::sleep(Duration::from_millis(10 * round)).await;
        // The machine of the next one comes up while this one works.
        let disk = &disks[usize::try_from(round % 2).unwrap()];
        let next = house.writer(disk).await;
        house.check();
        for posted in load {
            let posted = posted.await.unwrap();
            let fair = match &posted {
                Posted::Acked(_) => true,
                Posted::Refused(status, _) => *status == 503,
            };
            assert!(fair, "{posted:?}");
        }
        drop(writer.stop().await);
        writer = next;
        house.post_all(&writer, house.messages(40)).await;
    }
    house.check_same(&writer.stop().await);
}
