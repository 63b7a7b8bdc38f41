//! What happens to the database under load, and what clients must not notice: nothing is lost, nothing
//! comes twice, and it goes on by itself.

use crate::house::{House, until};
use rota_testkit::message;
use rota_testkit::postgres::{PostgresCluster, PostgresOptions, Stop};
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_tests::Posted;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

fn own_cluster() -> &'static PostgresCluster {
    Box::leak(Box::new(PostgresCluster::start(PostgresOptions::default())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_restarts_in_the_middle_of_batches() {
    let house = House::on(own_cluster());
    let (_disk, writer) = house.settled().await;
    for (round, how) in [Stop::Immediate, Stop::Fast, Stop::Immediate].into_iter().enumerate() {
        let load: Vec<_> =
            house.messages(400).into_iter().map(|item| house.post(&writer, item)).collect();
        sleep(Duration::from_millis(15 * (1 + round as u64))).await;
        let cluster = house.cluster;
        tokio::task::spawn_blocking(move || cluster.restart(how)).await.unwrap();
        for posted in load {
            let posted = posted.await.unwrap();
            assert!(matches!(posted, Posted::Acked(_)), "{posted:?}");
        }
        house.check();
    }
    house.check_same(&writer.stop().await);
}

/// The unknown outcome: the database has committed, and nobody hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_between_commit_and_acknowledgement() {
    let mut house = House::new();
    let proxy = FaultProxy::start(house.cluster.port());
    house.url = proxy.url(&house.url);
    let (_disk, writer) = house.settled().await;
    for _ in 0..12 {
        let load: Vec<_> =
            house.messages(60).into_iter().map(|item| house.post(&writer, item)).collect();
        proxy.set(Fault::CutAnswers);
        sleep(Duration::from_millis(30)).await;
        proxy.heal();
        for posted in load {
            let posted = posted.await.unwrap();
            assert!(matches!(posted, Posted::Acked(_)), "{posted:?}");
        }
    }
    assert_eq!(house.rows(), 4 + 12 * 60);
    house.check_same(&writer.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_in_the_middle_of_a_batch() {
    let mut house = House::new();
    let proxy = FaultProxy::start(house.cluster.port());
    house.url = proxy.url(&house.url);
    let (_disk, writer) = house.settled().await;
    for bytes in [0, 1, 700, 5_000, 20_000, 60_000] {
        let load: Vec<_> =
            house.messages(60).into_iter().map(|item| house.post(&writer, item)).collect();
        proxy.set(Fault::CutRequestsAfter(bytes));
        sleep(Duration::from_millis(20)).await;
        proxy.heal();
        for posted in load {
            let posted = posted.await.unwrap();
            assert!(matches!(posted, Posted::Acked(_)), "{posted:?}");
        }
    }
    house.check_same(&writer.stop().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_said_to_be_and_comes_back() {
    let mut house = House::new();
    let proxy = FaultProxy::start(house.cluster.port());
    house.url = proxy.url(&house.url);
    let (_disk, writer) = house.settled().await;
    proxy.set(Fault::Refuse);
    let posted = house.post(&writer, house.messages(1).remove(0));
    until("it ails", || writer.ails().is_some()).await;
    assert_eq!((writer.ails(), writer.refuses()), (Some("the database does not answer"), None));
    assert!(!posted.is_finished());
    proxy.heal();
    assert!(matches!(posted.await.unwrap(), Posted::Acked(_)));
    assert_eq!(writer.ails(), None);
    house.check_same(&writer.stop().await);
}

/// What waits for the database is bounded: beyond that items are refused, and nothing is signed for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stays_away_fills_no_memory() {
    let mut house = House::new();
    let proxy = FaultProxy::start(house.cluster.port());
    house.url = proxy.url(&house.url);
    let (_disk, writer) = house.settled().await;
    proxy.set(Fault::Refuse);
    let process = house.processes[0].id().into();
    let large = |number: usize| {
        let data = [number.to_string().into_bytes(), vec![b'x'; 1_000_000]].concat();
        message(process).data(data).sign()
    };
    let mut posts = Vec::new();
    while !posts.iter().any(JoinHandle::is_finished) {
        assert!(posts.len() < 200, "200 MB wait for the database");
        posts.push(house.post(&writer, large(posts.len())));
        let stored = || writer.ledger.head(&process).unwrap().unwrap().nonce as usize;
        until("it is stored or refused", || {
            stored() == posts.len() || posts.iter().any(JoinHandle::is_finished)
        })
        .await;
    }
    proxy.heal();
    let mut acked = 0;
    for post in posts {
        match post.await.unwrap() {
            Posted::Acked(_) => acked += 1,
            Posted::Refused(status, why) => {
                assert!(status == 503 && why.contains("the database"), "{status} {why}");
            }
        }
    }
    assert!((100..200).contains(&acked), "{acked} MB waited for the database");
    house.post_all(&writer, vec![large(999)]).await;
    house.check_same(&writer.stop().await);
}

/// No write waits for a replica, whatever becomes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_stand_still_or_die_hold_no_post() {
    let house = House::on(own_cluster());
    let (_disk, writer) = house.settled().await;
    let replica = house.cluster.replica();
    replica.pause();
    house.post_all(&writer, house.messages(40)).await;
    replica.freeze();
    house.post_all(&writer, house.messages(40)).await;
    replica.kill();
    house.post_all(&writer, house.messages(40)).await;
    house.check_same(&writer.stop().await);
}
