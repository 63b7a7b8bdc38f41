//! Replicas that answer but are behind: what they may say by themselves, and when they are left out.

use crate::house::{House, NOBODY, Stopped, eventually};
use rota_readmodel::{LeftOut, ReadModel, ReadModelConfig};
use rota_schedule::{Bounds, Found, PageQuery, ScheduleReader, Timestamp};
use rota_testkit::schedules;
use std::sync::Arc;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_too_far_behind_is_left_out_until_it_has_caught_up() {
    let house = House::new().await;
    let schedules = schedules();
    let usual = &schedules[0];
    house.commit(&schedules, 5_000).await;
    house.replica.caught_up();
    let lag_max = Duration::from_millis(500);
    let reader = crate::house::reader(ReadModelConfig { lag_max, ..house.config() });
    let read = async || {
        let query = PageQuery::default();
        reader.find(*usual.process.as_bytes(), None, query).await.unwrap().unwrap();
        reader.stats()
    };
    house.replica.pause();
    house.close(5_500).await;
    read().await; // the primary shows 5,500
    assert_eq!(read().await.replicas[0].left_out, None, "500 ms are allowed");
    house.close(5_501).await;
    read().await;
    assert_eq!(read().await.replicas[0].left_out, Some(LeftOut::Lagging));
    let asked = reader.stats().replicas[0].queries;
    assert_eq!(read().await.replicas[0].queries, asked, "it is not asked");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(read().await.replicas[0].left_out, Some(LeftOut::Lagging), "it still lags");
    house.replica.resume();
    eventually("the replica is taken back", async || read().await.replicas[0].left_out.is_none())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lags_still_serves_what_is_closed_when_the_primary_is_gone() {
    let house = House::new().await;
    let schedules = schedules();
    let usual = &schedules[0];
    house.commit(&schedules, 5_000).await;
    house.replica.caught_up();
    let lag_max = Duration::from_millis(1);
    let reader = crate::house::reader(ReadModelConfig { lag_max, ..house.config() });
    house.replica.pause();
    house.close(9_000).await;
    for _ in 0..2 {
        reader.find(*usual.process.as_bytes(), None, PageQuery::default()).await.unwrap();
    }
    assert_eq!(reader.stats().replicas[0].left_out, Some(LeftOut::Lagging));
    house.primary.stop(rota_testkit::postgres::Stop::Immediate);
    let bounds = Bounds { to_nonce: Some(5), ..Bounds::default() };
    let query = PageQuery { bounds, ..PageQuery::default() };
    let found = reader.find(*usual.process.as_bytes(), None, query).await.unwrap();
    assert!(matches!(found, Some(Found::Page(page)) if page.entries == usual.entries[..6]));
    let open = reader.find(*usual.process.as_bytes(), None, PageQuery::default()).await;
    assert!(open.is_err(), "it may be short");
}

/// As after a fail-over to a primary that had not received everything.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_behind_what_was_shown_is_the_truth_all_the_same() {
    let house = House::new().await;
    let schedules = schedules();
    let usual = &schedules[0];
    house.commit(&schedules, 100_000).await;
    house.replica.caught_up();
    let reader = house.reader();
    let read = async || {
        reader.find(*usual.process.as_bytes(), None, PageQuery::default()).await.unwrap();
        let latest = reader.latest(usual.process).await.unwrap();
        assert_eq!(latest.as_ref(), usual.entries.last());
        reader.stats()
    };
    read().await;
    house.primary.sql("rota", "UPDATE writer_progress SET closed_timestamp = 20000");
    read().await;
    house.replica.caught_up();
    eventually("the replica is in", async || read().await.replicas[0].left_out.is_none()).await;
    assert_eq!(reader.stats().primary.unwrap().times_left_out, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_fresh_enough_answers_what_is_open_by_itself() {
    let house = House::new().await;
    let schedules = schedules();
    let usual = &schedules[0];
    house.commit(&schedules, 100_000).await;
    house.replica.caught_up();
    let reader_at = |now, staleness_max| {
        let config = ReadModelConfig { staleness_max, ..house.config() };
        ReadModel::new(config, Arc::new(Stopped(now)))
    };
    let second = Duration::from_secs(1);
    for (now, staleness_max, primary_asked) in
        [(101_000, second, 0), (101_001, second, 3), (100_000, Duration::ZERO, 3)]
    {
        let reader = reader_at(now, staleness_max);
        let page = reader.find(*usual.process.as_bytes(), None, PageQuery::default()).await;
        assert!(matches!(page.unwrap(), Some(Found::Page(page)) if page.entries == usual.entries));
        let latest = reader.latest(usual.process).await.unwrap();
        assert_eq!(latest.as_ref(), usual.entries.last());
        assert_eq!(reader.head(usual.process).await.unwrap(), Some(11));
        assert_eq!(reader.stats().primary.unwrap().queries, primary_asked, "at {now}");
    }
    let reader = reader_at(100_000, second);
    assert_eq!(reader.latest(NOBODY).await.unwrap(), None);
    assert_eq!(reader.stats().fallbacks.not_found, 1, "who is not found may have come since");
}

#[tokio::test(flavor = "multi_thread")]
async fn lagging_replica_without_a_height_does_not_answer_for_the_primary() {
    let house = House::new().await;
    let schedules = schedules();
    house.commit(&schedules, 5_000).await;
    let closed = Timestamp(5_000);
    house.writer.heartbeat(closed, Timestamp(0), Some(0)).await.unwrap();
    house.replica.caught_up();
    house.replica.pause();
    house.close(5_000).await; // tells the primary a height
    let reader = house.reader();
    for process in [None, Some(schedules[0].process), Some(NOBODY)] {
        assert!(
            house.replica_reader().scheduler(process).await.is_err(),
            "no height is known there"
        );
        assert_eq!(reader.scheduler(process).await.unwrap().block_height, 42);
    }
}
