//! Servers that die, freeze and come back while somebody reads.

use crate::house::{House, NOBODY, eventually};
use rota_readmodel::{LeftOut, ReadModel, ReadModelConfig};
use rota_schedule::{Bounds, Found, PageQuery, ReadError, ScheduleReader};
use rota_testkit::postgres::Stop;
use rota_testkit::{Schedule, schedules};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Longer than a read takes that waits for nothing.
const SOON: Duration = Duration::from_millis(500);
/// How long a read takes at least that waits for a frozen server.
const STALL: Duration = Duration::from_secs(2);
/// How many read at once.
const READERS: usize = 8;

/// Reads of all kinds, whose answers are known.
async fn read_all(reader: &ReadModel, usual: &Schedule) -> Result<(), ReadError> {
    let id = *usual.process.as_bytes();
    let query = PageQuery::default();
    let page = reader.find(id, None, query).await?;
    assert!(matches!(page, Some(Found::Page(page)) if page.entries == usual.entries));
    let message = *usual.entries[5].message_id.as_bytes();
    let found = reader.find(message, Some(usual.process), query).await?;
    assert_eq!(found, Some(Found::Entry(usual.entries[5].clone())));
    assert_eq!(reader.latest(usual.process).await?.as_ref(), usual.entries.last());
    assert_eq!(reader.raw(message).await?, usual.entries[5].message);
    Ok(())
}

/// Reads from several tasks until told to stop; gives how many rounds were read, and the slowest.
async fn load(reader: &ReadModel, usual: &Schedule, during: impl AsyncFnOnce()) -> (u64, Duration) {
    let stop = Arc::new(AtomicBool::new(false));
    let tasks = (0..READERS).map(|_| {
        let (reader, usual, stop) = (reader.clone(), usual.clone(), Arc::clone(&stop));
        tokio::spawn(async move {
            let (mut rounds, mut slowest) = (0, Duration::ZERO);
            while !stop.load(Relaxed) {
                let begun = Instant::now();
                read_all(&reader, &usual).await.unwrap();
                slowest = slowest.max(begun.elapsed());
                rounds += 1;
            }
            (rounds, slowest)
        })
    });
    let tasks: Vec<_> = tasks.collect();
    during().await;
    stop.store(true, Relaxed);
    let mut all = (0, Duration::ZERO);
    for task in tasks {
        let (rounds, slowest) = task.await.unwrap();
        all = (all.0 + rounds, all.1.max(slowest));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_fails_when_a_replica_is_killed_and_it_is_taken_back() {
    let house = House::new().await;
    let schedules = schedules();
    house.commit(&schedules, 10_000).await;
    house.replica.caught_up();
    let reader = house.reader();
    let (rounds, slowest) = load(&reader, &schedules[0], async || {
        tokio::time::sleep(SOON).await;
        tokio::task::block_in_place(|| house.replica.kill());
        eventually("it is left out", async || {
            reader.stats().replicas[0].left_out == Some(LeftOut::Failing)
        })
        .await;
        tokio::time::sleep(SOON).await;
        tokio::task::block_in_place(|| house.replica.boot());
        eventually("it is taken back", async || reader.stats().replicas[0].left_out.is_none())
            .await;
    })
    .await;
    assert!(rounds > 50, "{rounds} rounds");
    assert!(slowest < Duration::from_secs(3), "the slowest round took {slowest:?}");
    assert!(reader.stats().fallbacks.no_replica > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_replica_holds_up_few_and_those_not_for_long() {
    let house = House::new().await;
    let schedules = schedules();
    house.commit(&schedules, 10_000).await;
    house.replica.caught_up();
    let reader = house.reader();
    read_all(&reader, &schedules[0]).await.unwrap();
    house.replica.freeze();
    let begun = Instant::now();
    read_all(&reader, &schedules[0]).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "took {:?}", begun.elapsed());
    let (rounds, slowest) = load(&reader, &schedules[0], async || {
        tokio::time::sleep(Duration::from_secs(4)).await;
    })
    .await;
    assert!(rounds > 50 && slowest < STALL, "{rounds} rounds, the slowest took {slowest:?}");
    house.replica.thaw();
    eventually("it is taken back", async || {
        read_all(&reader, &schedules[0]).await.unwrap();
        reader.stats().replicas[0].left_out.is_none()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_primary_what_is_closed_is_served_and_the_rest_is_no_guess() {
    let house = House::new().await;
    let schedules = schedules();
    let usual = &schedules[0];
    house.commit(&schedules, 10_000).await;
    house.replica.caught_up();
    let reader = house.reader();
    read_all(&reader, usual).await.unwrap();
    house.primary.stop(Stop::Immediate);
    let id = *usual.process.as_bytes();
    let until = |time| PageQuery {
        bounds: Bounds { to_time: Some(time), ..Bounds::default() },
        ..PageQuery::default()
    };
    let page = reader.find(id, None, until(10_000)).await.unwrap();
    assert!(matches!(page, Some(Found::Page(page)) if page.entries == usual.entries));
    let message = *usual.entries[5].message_id.as_bytes();
    for process in [None, Some(usual.process)] {
        let found = reader.find(message, process, PageQuery::default()).await.unwrap();
        assert_eq!(found, Some(Found::Entry(usual.entries[5].clone())));
    }
    assert_eq!(reader.process(usual.process).await.unwrap().as_ref(), usual.entries.first());
    assert_eq!(reader.scheduler(Some(usual.process)).await.unwrap().block_height, 42);
    let begun = Instant::now();
    for _ in 0..3 {
        assert!(reader.find(id, None, until(10_001)).await.is_err());
        assert!(reader.latest(usual.process).await.is_err());
        assert!(reader.head(usual.process).await.is_err());
        assert!(reader.process(NOBODY).await.is_err());
        assert!(reader.raw(*NOBODY.as_bytes()).await.is_err());
        assert!(reader.find(*NOBODY.as_bytes(), None, until(1)).await.is_err());
    }
    assert!(begun.elapsed() < SOON, "took {:?}", begun.elapsed());
    house.primary.boot();
    eventually("all is answered", async || read_all(&reader, usual).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_holds_up_one_read_and_what_is_closed_not_at_all() {
    let house = House::new().await;
    let schedules = schedules();
    let usual = &schedules[0];
    house.commit(&schedules, 10_000).await;
    house.replica.caught_up();
    let reader = house.reader();
    read_all(&reader, usual).await.unwrap();
    house.primary.freeze();
    let begun = Instant::now();
    assert!(reader.latest(usual.process).await.is_err());
    let first = begun.elapsed();
    assert!(first > STALL && first < Duration::from_secs(7), "took {first:?}");
    let begun = Instant::now();
    assert!(reader.latest(usual.process).await.is_err(), "it is left out");
    let message = *usual.entries[5].message_id.as_bytes();
    assert_eq!(reader.raw(message).await.unwrap(), usual.entries[5].message);
    assert!(begun.elapsed() < SOON, "took {:?}", begun.elapsed());
    house.primary.thaw();
    eventually("all is answered", async || read_all(&reader, usual).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_a_restart_has_closed_cost_no_read() {
    let house = House::new().await;
    let schedules = schedules();
    house.commit(&schedules, 10_000).await;
    let reader = house.primary_reader();
    for how in [Stop::Fast, Stop::Immediate, Stop::Kill] {
        read_all(&reader, &schedules[0]).await.unwrap();
        house.primary.restart(how);
        read_all(&reader, &schedules[0]).await.unwrap();
    }
    assert_eq!(reader.stats().primary.unwrap().failures, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_never_was_there_is_as_good_as_none() {
    let house = House::new().await;
    let schedules = schedules();
    house.commit(&schedules, 10_000).await;
    house.replica.caught_up();
    let mut config = house.config();
    config.replicas.insert(0, "postgres://postgres@127.0.0.1:1/rota".parse().unwrap());
    let reader = crate::house::reader(config);
    for _ in 0..5 {
        read_all(&reader, &schedules[0]).await.unwrap();
    }
    let stats = reader.stats();
    assert_eq!(stats.replicas[0].left_out, Some(LeftOut::Failing));
    assert_eq!(stats.fallbacks.no_replica, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_work() {
    let house = House::new().await;
    let schedules = schedules();
    house.commit(&schedules, 10_000).await;
    house.replica.caught_up();
    let replicas = vec![house.replica_url(); 3];
    let config = ReadModelConfig { replicas, ..house.config() };
    let reader = crate::house::reader(config);
    for _ in 0..20 {
        read_all(&reader, &schedules[0]).await.unwrap();
    }
    for replica in reader.stats().replicas {
        assert!((15..=25).contains(&replica.queries), "{replica:?}");
    }
}
