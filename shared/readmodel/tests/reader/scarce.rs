//! Many readers, and a role that may have few connections.

use crate::house::{House, eventually, reader};
use rota_readmodel::{DatabaseUrl, ReadModel, ReadModelConfig, ReaderRole, grant_reading};
use rota_schedule::{PageQuery, ScheduleReader as _};
use rota_service::Setting as _;
use rota_testkit::{Schedule, schedules};
use std::time::Duration;

const ROLE: &str = "few";
const READERS: usize = 60;
/// How many connections to a server the role may have.
const LIMIT: usize = 8;
/// Longer than a session may be idle.
const IDLE: Duration = Duration::from_millis(2_500);

/// The same server and database, as the role.
fn as_role(url: &str) -> DatabaseUrl {
    let (_, server) = url.split_once('@').unwrap();
    format!("postgres://{ROLE}@{server}").parse().unwrap()
}

/// Servers with a schedule, and a reader's configuration as the role.
async fn scarce() -> (House, Schedule, ReadModelConfig) {
    let house = House::new().await;
    let usual = schedules().swap_remove(0);
    house.commit(std::slice::from_ref(&usual), 100_000).await;
    house.primary.sql("rota", &format!("CREATE ROLE {ROLE} LOGIN CONNECTION LIMIT {LIMIT}"));
    grant_reading(&house.primary_url(), &ReaderRole::parse(ROLE).unwrap()).await.unwrap();
    house.replica.caught_up();
    let config = ReadModelConfig {
        replicas: vec![as_role(&house.replica.url("rota"))],
        primary: Some(as_role(&house.primary.url("rota"))),
        ..ReadModelConfig::default()
    };
    (house, usual, config)
}

/// A read for which a replica and the primary are asked.
async fn read(reader: &ReadModel, usual: &Schedule) {
    let found = reader.find(*usual.process.as_bytes(), None, PageQuery::default()).await;
    assert!(found.is_ok(), "{found:?}");
    let latest = reader.latest(usual.process).await.unwrap();
    assert_eq!(latest.as_ref(), usual.entries.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_readers_all_get_answers_from_a_role_with_eight_connections() {
    let (_house, usual, config) = scarce().await;
    let readers: Vec<_> = (0..READERS).map(|_| reader(config.clone())).collect();
    // The first hold all connections, and ask nothing more.
    for reader in &readers[..LIMIT] {
        read(reader, &usual).await;
    }
    let reading = readers.iter().map(|reader| {
        let (reader, usual) = (reader.clone(), usual.clone());
        tokio::spawn(async move { read(&reader, &usual).await })
    });
    for reading in reading.collect::<Vec<_>>() {
        reading.await.unwrap();
    }
    for reader in readers {
        let stats = reader.stats();
        let all = stats.replicas.iter().chain(&stats.primary);
        assert!(all.clone().all(|source| source.times_left_out == 0), "{stats:?}");
        assert!(all.clone().all(|source| source.failures == 0), "{stats:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn session_that_the_server_ended_for_idleness_costs_no_read() {
    let (house, usual, config) = scarce().await;
    let reader = reader(config);
    read(&reader, &usual).await;
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{ROLE}'");
    assert_ne!(house.primary.sql("rota", &sessions), "0");
    let none_is_left = async || {
        house.primary.sql("rota", &sessions) == "0" && house.replica.sql("rota", &sessions) == "0"
    };
    // As a frozen Lambda finds it: its clock stood still, and the server has ended the session.
    let end =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{ROLE}'");
    house.primary.sql("rota", &end);
    house.replica.sql("rota", &end);
    read(&reader, &usual).await;
    tokio::time::sleep(IDLE).await;
    eventually("the server ends idle sessions", none_is_left).await;
    read(&reader, &usual).await;
    let stats = reader.stats();
    for source in stats.replicas.iter().chain(&stats.primary) {
        assert_eq!((source.failures, source.times_left_out), (0, 0), "{source:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_start_together_do_not_all_ask_the_same_replica_first() {
    let (house, usual, config) = scarce().await;
    let config = ReadModelConfig { replicas: vec![house.replica_url(); 3], ..config };
    let mut first = [0; 3];
    for _ in 0..40 {
        let reader = reader(config.clone());
        reader.raw(*usual.entries[5].message_id.as_bytes()).await.unwrap();
        for (count, replica) in first.iter_mut().zip(reader.stats().replicas) {
            *count += replica.queries;
        }
    }
    assert_eq!(first.iter().sum::<u64>(), 40);
    assert!(first.iter().all(|count| *count > 0), "{first:?}");
}
