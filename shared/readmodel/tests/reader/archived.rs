//! Bodies in the archive: the contract is the same, and where the archive is away there is no answer rather
//! than one without them.

use crate::house::{House, reader};
use rota_archive::Archive;
use rota_readmodel::{ReadModel, ReadModelConfig};
use rota_schedule::{Entry, Found, PageQuery, ReadError, ScheduleReader};
use rota_testkit::aws::Aws;
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_testkit::{Schedule, reader_suite, schedules};
use tokio::task::block_in_place;

/// A house whose writer has an archive, and the proxy through which its readers reach that.
struct Archived {
    house: House,
    archive: Archive,
    line: FaultProxy,
}

impl Archived {
    async fn new() -> Self {
        let aws = block_in_place(Aws::shared);
        let bucket = block_in_place(|| aws.fresh_bucket());
        let line = FaultProxy::start(aws.port());
        let archive =
            async |endpoint: &str| Archive::new(&rota_aws::stand_in(endpoint).await, &bucket, "");
        let mut house = House::new().await;
        house.writer = house.writer.with_archive(Some(archive(&aws.endpoint()).await));
        let archive = archive(&line.url(&aws.endpoint())).await;
        Self { house, archive, line }
    }

    fn config(&self) -> ReadModelConfig {
        ReadModelConfig { archive: Some(self.archive.clone()), ..self.house.config() }
    }

    fn reader(&self) -> ReadModel {
        reader(self.config())
    }
}

/// What there is to know of an entry: its page, itself by both ids, and its item's bytes.
async fn ask(
    reader: &ReadModel,
    schedule: &Schedule,
    entry: &Entry,
) -> Vec<Result<bool, ReadError>> {
    let query = PageQuery::default();
    let page = reader.find(*schedule.process.as_bytes(), None, query).await;
    let holds = |page: &[Entry]| page.iter().all(|entry| schedule.entries.contains(entry));
    let page = page.map(|found| matches!(found, Some(Found::Page(page)) if holds(&page.entries)));
    let is = |found| found == Some(Found::Entry(entry.clone()));
    let (message, assignment) = (*entry.message_id.as_bytes(), *entry.assignment_id.as_bytes());
    vec![
        page,
        reader.find(message, None, query).await.map(is),
        reader.find(message, Some(schedule.process), query).await.map(is),
        reader.find(assignment, None, query).await.map(is),
        reader
            .latest(schedule.process)
            .await
            .map(|found| found.as_ref() == schedule.entries.last()),
        reader.raw(message).await.map(|bytes| bytes == entry.message),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_is_kept_with_bodies_in_the_archive() {
    let archived = Archived::new().await;
    let (house, schedules) = (&archived.house, schedules());
    house.commit(&schedules, 10_000).await;
    assert_eq!(house.primary.sql("rota", "SELECT count(*) FROM bodies_by_hash"), "0");
    house.replica.caught_up();
    reader_suite(&archived.reader(), &schedules).await;
    let alone = ReadModelConfig { replicas: Vec::new(), ..archived.config() };
    reader_suite(&reader(alone), &schedules).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_from_before_there_was_an_archive_are_read_from_where_they_are() {
    let mut archived = Archived::new().await;
    archived.house.writer = archived.house.writer.with_archive(None);
    let (house, schedules) = (&archived.house, schedules());
    house.commit(&schedules[3..4], 10_000).await;
    assert_eq!(house.primary.sql("rota", "SELECT count(*) FROM bodies_by_hash"), "1");
    house.replica.caught_up();
    archived.line.set(Fault::Refuse);
    let (reader, large) = (archived.reader(), &schedules[3]);
    for answer in ask(&reader, large, &large.entries[1]).await {
        assert!(matches!(answer, Ok(true)), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_archive_is_away_only_what_needs_it_is_not_answered() {
    let archived = Archived::new().await;
    let (house, schedules) = (&archived.house, schedules());
    house.commit(&schedules, 10_000).await;
    house.replica.caught_up();
    let (usual, large) = (&schedules[0], &schedules[3]);
    let reader = archived.reader();
    archived.line.set(Fault::Refuse);
    for answer in ask(&reader, large, &large.entries[1]).await {
        assert!(matches!(answer, Err(ReadError::Unavailable(_))), "{answer:?}");
    }
    assert_eq!(reader.head(large.process).await.unwrap(), Some(5));
    for answer in ask(&reader, usual, &usual.entries[5]).await {
        assert!(matches!(answer, Ok(true)), "{answer:?}");
    }
    archived.line.heal();
    for answer in ask(&reader, large, &large.entries[1]).await {
        assert!(matches!(answer, Ok(true)), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_without_the_archive_says_that_a_body_is_missing() {
    let archived = Archived::new().await;
    let (house, schedules) = (&archived.house, schedules());
    house.commit(&schedules[3..4], 10_000).await;
    let large = &schedules[3];
    for answer in ask(&house.primary_reader(), large, &large.entries[1]).await {
        assert!(matches!(answer, Err(ReadError::Damaged(_))), "{answer:?}");
    }
}
