//! Outcomes that nobody was told of: whatever broke, the same asked again has the effect of once.

use super::*;
use rota_readmodel::{ANSWER_MAX, ModelError};
use rota_testkit::postgres::{PostgresOptions, Stop};
use rota_testkit::proxy::{Fault, FaultProxy};
use std::time::{Duration, Instant};

/// A read model behind a proxy, and the way around it.
async fn behind_proxy() -> (FaultProxy, DatabaseUrl, DatabaseUrl) {
    let direct = database().await;
    let name = direct.to_string().rsplit_once('/').unwrap().1.to_owned();
    let proxy = FaultProxy::start(PostgresCluster::shared().port());
    let through = proxy.url(&PostgresCluster::shared().url(&name)).parse().unwrap();
    (proxy, direct, through)
}

fn is_unknown<T: std::fmt::Debug>(answer: &Result<T, ModelError>) -> bool {
    matches!(answer, Err(ModelError::Unavailable(_)))
}

/// From now on answers are lost, but not the one that the pool waits for when it takes a connection back.
async fn answers_are_lost(proxy: &FaultProxy) {
    tokio::time::sleep(Duration::from_millis(200)).await;
    proxy.set(Fault::CutAnswers);
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_there_once() {
    let (proxy, direct, through) = behind_proxy().await;
    let id = process(1);
    // One connection, so that each request goes over one that is open and knows its statements.
    let taken = Projection::take(&through, 1, WRITER, Holder([1; 16]), WALLET).await.unwrap();
    let projection = taken.projection;
    assert!(projection.bind(&id).await.unwrap());
    projection.project(&rows_of(id, 0..1)).await.unwrap();
    answers_are_lost(&proxy).await;
    let rows = rows_of(id, 1..4);
    assert!(is_unknown(&projection.project(&rows).await));
    proxy.heal();
    let there = || sql(&direct, "SELECT count(*), max(nonce) FROM entries");
    assert_eq!(there(), "4|3", "the answer was lost, not the commit");
    projection.project(&rows).await.unwrap();
    projection.project(&rows_of(id, 3..5)).await.unwrap();
    assert_eq!(there(), "5|4");
}

#[tokio::test]
async fn a_binding_and_a_heartbeat_whose_answers_are_lost_can_be_asked_again() {
    let (proxy, direct, through) = behind_proxy().await;
    let taken = Projection::take(&through, 1, WRITER, Holder([1; 16]), WALLET).await.unwrap();
    let (projection, id) = (taken.projection, process(2));
    projection.bind(&process(1)).await.unwrap();
    answers_are_lost(&proxy).await;
    assert!(is_unknown(&projection.bind(&id).await));
    proxy.heal();
    assert_eq!(sql(&direct, "SELECT count(*) FROM processes"), "2");
    assert!(projection.bind(&id).await.unwrap());
    projection.heartbeat(Timestamp(1), Timestamp(0), None).await.unwrap();
    answers_are_lost(&proxy).await;
    assert!(is_unknown(&projection.heartbeat(Timestamp(2), Timestamp(0), Some(3)).await));
    proxy.heal();
    projection.heartbeat(Timestamp(2), Timestamp(0), Some(3)).await.unwrap();
    let shown = sql(&direct, "SELECT closed_timestamp, block_height FROM writer_progress");
    assert_eq!(shown, "2|3");
}

#[tokio::test]
async fn a_request_that_is_cut_anywhere_commits_all_or_nothing() {
    let (proxy, direct, through) = behind_proxy().await;
    let id = process(1);
    let projection = take(&through, 1).await.projection;
    projection.bind(&id).await.unwrap();
    let (mut next, mut committed) = (0, 0);
    for cut in (0..40_000).step_by(1_777) {
        let rows = rows_of(id, next..next + 10);
        proxy.set(Fault::CutRequestsAfter(cut));
        let answer = projection.project(&rows).await;
        proxy.heal();
        assert!(answer.is_ok() || is_unknown(&answer), "{answer:?}");
        let there = sql(&direct, "SELECT count(*) FROM entries").parse::<u64>().unwrap();
        assert!(there == next || there == next + 10, "{there} rows of {next} + 10");
        committed += u32::from(answer.is_ok());
        while let Err(error) = projection.project(&rows).await {
            assert!(matches!(error, ModelError::Unavailable(_)), "{error:?}");
        }
        next += 10;
    }
    assert!(committed > 0, "no request was small enough");
    assert_eq!(stored(&projection, id).await, rows_of(id, 0..next));
}

#[tokio::test]
async fn a_term_that_was_taken_unheard_is_nobodys() {
    let (proxy, direct, through) = behind_proxy().await;
    let before = take(&direct, 7).await.projection;
    before.bind(&process(1)).await.unwrap();
    proxy.set(Fault::CutAnswers);
    for _ in 0..3 {
        let taken = Projection::take(&through, 2, WRITER, Holder([1; 16]), WALLET).await;
        assert!(matches!(taken, Err(ModelError::Unavailable(_))));
    }
    proxy.heal();
    let taken = take(&through, 1).await;
    assert_eq!(taken.previous, Some(Holder([7; 16])), "what came before is not forgotten");
}

#[tokio::test]
async fn silence_ends_and_leaves_no_connection_behind() {
    let (proxy, _, through) = behind_proxy().await;
    let taken = Projection::take(&through, 1, WRITER, Holder([1; 16]), WALLET).await.unwrap();
    let (projection, id) = (taken.projection, process(1));
    projection.bind(&id).await.unwrap();
    proxy.set(Fault::Stall);
    let began = Instant::now();
    assert!(is_unknown(&projection.project(&rows_of(id, 0..3)).await));
    assert!(began.elapsed() < ANSWER_MAX + Duration::from_secs(2));
    proxy.heal();
    while let Err(error) = projection.project(&rows_of(id, 0..3)).await {
        assert!(matches!(error, ModelError::Unavailable(_)), "{error:?}");
        assert!(began.elapsed() < ANSWER_MAX * 3, "the one connection never came back");
    }
    assert_eq!(stored(&projection, id).await.len(), 3);
}

#[tokio::test]
async fn a_request_that_is_given_up_leaves_no_connection_behind() {
    let (proxy, _, through) = behind_proxy().await;
    let taken = Projection::take(&through, 1, WRITER, Holder([1; 16]), WALLET).await.unwrap();
    let (projection, id) = (taken.projection, process(1));
    projection.bind(&id).await.unwrap();
    proxy.set(Fault::Stall);
    let rows = rows_of(id, 0..3);
    for _ in 0..2 {
        let given_up = tokio::time::timeout(Duration::from_millis(300), projection.project(&rows));
        assert!(given_up.await.is_err());
    }
    proxy.heal();
    projection.project(&rows).await.unwrap();
    assert_eq!(stored(&projection, id).await, rows);
}

#[tokio::test]
async fn an_attempt_that_was_given_up_may_still_commit() {
    let (url, ids) = (database().await, [process(1), process(2)]);
    let projection = writer_of(&url, &ids).await;
    projection.project(&rows_of(ids[0], 0..1)).await.unwrap();
    let mut gate = url.primary(1).begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(fence_class(), 1)")
        .execute(&mut *gate)
        .await
        .unwrap();
    let rows = [rows_of(ids[0], 1..9), rows_of(ids[1], 0..9)].concat();
    for _ in 0..2 {
        let given_up = tokio::time::timeout(Duration::from_millis(300), projection.project(&rows));
        assert!(given_up.await.is_err());
    }
    let again = tokio::spawn({
        let (projection, rows) = (projection.clone(), rows.clone());
        async move { projection.project(&rows).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    gate.commit().await.unwrap(); // now three sessions insert the same rows
    again.await.unwrap().unwrap();
    assert_eq!(sql(&url, "SELECT count(*) FROM entries"), "18");
    assert_eq!(stored(&projection, ids[1]).await, rows_of(ids[1], 0..9));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_restarts_in_mid_batch_loses_and_doubles_nothing() {
    let cluster = PostgresCluster::start(PostgresOptions { fsync: false });
    let url: DatabaseUrl = cluster.create_database("rota").parse().unwrap();
    migrate(&url).await.unwrap();
    let id = process(1);
    let projection = writer_of(&url, &[id]).await;
    let writing = tokio::spawn({
        let projection = projection.clone();
        async move {
            let (mut next, mut unknown) = (0, 0);
            loop {
                match projection.project(&rows_of(id, next..next + 20)).await {
                    Ok(()) if unknown >= 3 && next >= 600 => return next + 20,
                    Ok(()) => next += 20,
                    Err(ModelError::Unavailable(_)) => {
                        unknown += 1;
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
    });
    tokio::task::block_in_place(|| {
        for how in [Stop::Immediate, Stop::Kill, Stop::Fast] {
            std::thread::sleep(Duration::from_millis(150));
            cluster.restart(how);
        }
    });
    let length = tokio::time::timeout(Duration::from_secs(60), writing).await.unwrap().unwrap();
    let there = cluster.sql("rota", "SELECT count(*), max(nonce) FROM entries");
    assert_eq!(there, format!("{length}|{}", length - 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_between_batches_goes_unnoticed() {
    let cluster = PostgresCluster::start(PostgresOptions { fsync: false });
    let url: DatabaseUrl = cluster.create_database("rota").parse().unwrap();
    migrate(&url).await.unwrap();
    let id = process(1);
    let projection = writer_of(&url, &[id]).await;
    projection.project(&rows_of(id, 0..2)).await.unwrap();
    tokio::task::block_in_place(|| cluster.restart(Stop::Kill));
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    projection.project(&rows_of(id, 2..4)).await.unwrap();
    assert_eq!(stored(&projection, id).await, rows_of(id, 0..4));
}
