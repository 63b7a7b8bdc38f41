//! One contract for every reader: the suite, and every combination of bounds, over all sources.

use crate::house::{House, NOBODY};
use bytes::Bytes;
use rota_readmodel::ReadModel;
use rota_schedule::{
    Bounds, Cursor, Entry, Found, MessageId, Page, PageQuery, ProcessId, ReadError, ScheduleReader,
    SchedulerInfo, Timestamp,
};
use rota_testkit::{Model, Schedule, reader_suite, schedules, user, whole_page};

/// Later than everything in the suite's schedules.
const AFTER_ALL: u64 = 10_000;
/// How many entries of each schedule a replica has that has half of everything. The imported one is cut
/// between equal timestamps; of the last one the place is missing where an item of the first lies earliest.
const HALVES: [usize; 6] = [7, 6, 1, 4, 1, 2];

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_alone_and_replicas_in_any_state_keep_the_contract() {
    let house = House::new().await;
    let schedules = schedules();
    house.replica.caught_up();
    house.replica.pause();
    reader_with_an_empty_replica_keeps_it(&house, &schedules).await;
    reader_suite(&house.primary_reader(), &schedules).await;
    house.replica.resume();
    house.replica.caught_up();
    let reader = house.reader();
    reader_suite(&reader, &schedules).await;
    let stats = reader.stats();
    let of_primary = stats.primary.as_ref().unwrap().queries;
    assert!(stats.replicas[0].queries > of_primary, "{stats:?}");
    assert_eq!((stats.fallbacks.behind, stats.fallbacks.no_replica), (0, 0));
}

async fn reader_with_an_empty_replica_keeps_it(house: &House, schedules: &[Schedule]) {
    house.commit(schedules, AFTER_ALL).await;
    let reader = house.reader();
    reader_suite(&reader, schedules).await;
    assert!(reader.stats().fallbacks.not_found > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_has_half_of_everything_changes_no_answer() {
    let house = House::new().await;
    let schedules = schedules();
    for (schedule, half) in schedules.iter().zip(HALVES) {
        house.commit_part(schedule, 0, half).await;
    }
    house.replica.caught_up();
    house.replica.pause();
    for (schedule, half) in schedules.iter().zip(HALVES) {
        house.commit_part(schedule, half, schedule.entries.len()).await;
    }
    house.close(AFTER_ALL).await;
    let reader = house.reader();
    reader_suite(&WithNewestHead(reader.clone()), &schedules).await;
    compare_with_model(&reader, &schedules, AFTER_ALL).await;
    let stats = reader.stats();
    assert!(stats.fallbacks.behind > 0 && stats.replicas[0].queries > 0, "{stats:?}");
}

/// A replica that is behind shows what is closed with its own, older head. The suite wants the newest.
struct WithNewestHead(ReadModel);

impl ScheduleReader for WithNewestHead {
    async fn find(
        &self,
        id: [u8; 32],
        process: Option<ProcessId>,
        query: PageQuery,
    ) -> Result<Option<Found>, ReadError> {
        let mut found = self.0.find(id, process, query).await?;
        if let Some(Found::Page(page)) = &mut found
            && page.closed
        {
            let head = self.0.head(ProcessId::new(id)).await?.unwrap();
            assert!(page.head <= head);
            page.head = head;
        }
        Ok(found)
    }

    async fn latest(&self, process: ProcessId) -> Result<Option<Entry>, ReadError> {
        self.0.latest(process).await
    }

    async fn head(&self, process: ProcessId) -> Result<Option<u64>, ReadError> {
        self.0.head(process).await
    }

    async fn process(&self, process: ProcessId) -> Result<Option<Entry>, ReadError> {
        self.0.process(process).await
    }

    async fn raw(&self, id: [u8; 32]) -> Result<Option<Bytes>, ReadError> {
        self.0.raw(id).await
    }

    async fn scheduler(&self, process: Option<ProcessId>) -> Result<SchedulerInfo, ReadError> {
        self.0.scheduler(process).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_combination_of_bounds_gets_the_models_answer() {
    let house = House::new().await;
    let schedules = schedules();
    house.commit(&schedules, 0).await;
    house.replica.caught_up();
    compare_with_model(&house.primary_reader(), &schedules, 0).await;
    compare_with_model(&house.reader(), &schedules, 0).await;
}

/// Few values, so that every combination can be tried: absent, before all, between, on one, after all.
fn bounds(of: &Schedule) -> Vec<Bounds> {
    let times: Vec<u64> = of.entries.iter().map(|entry| entry.timestamp.0).collect();
    let nonces = [None, Some(0), Some(3), Some(times.len() as u64 - 1), Some(u64::MAX)];
    let middle = times[times.len() / 2];
    let last = times[times.len() - 1];
    let times = [None, Some(0), Some(times[0]), Some(middle - 1), Some(middle), Some(last)];
    let mut all = Vec::new();
    for (after_nonce, to_nonce) in nonces.into_iter().flat_map(|a| nonces.map(|b| (a, b))) {
        for (after_time, to_time) in times.into_iter().flat_map(|a| times.map(|b| (a, b))) {
            all.push(Bounds { after_nonce, to_nonce, after_time, to_time });
        }
    }
    all
}

/// `promised`: nothing more comes at or below it.
async fn compare_with_model(reader: &impl ScheduleReader, schedules: &[Schedule], promised: u64) {
    let model = Model::new(schedules.to_vec(), user().address(), 42);
    for schedule in schedules.iter().take(3) {
        for bounds in bounds(schedule) {
            for (cursor, limit) in
                [(Cursor::Nonce, 1), (Cursor::Timestamp, 2), (Cursor::Timestamp, 100)]
            {
                let query = PageQuery { bounds, cursor, limit, ..PageQuery::default() };
                let expected = whole_page(&model, schedule.process, query).await.unwrap();
                let found = whole_page(reader, schedule.process, query).await.unwrap();
                // A replica that is behind may show what is closed with its own, older head.
                let head = if found.closed { found.head } else { expected.head };
                // The model knows of no promise of the writer's: that may close more, and nothing less.
                let is_promised = bounds.to_time.is_some_and(|to| to <= promised);
                let closed = expected.closed || (is_promised && found.closed);
                let expected = Page { head, closed, ..expected };
                assert_eq!(found, expected, "{query:?} of {}", schedule.process);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_writer_closes_can_be_cached_before_a_later_entry_exists() {
    let house = House::new().await;
    let schedules = schedules();
    let usual = &schedules[0];
    house.commit(&schedules[..1], 5_000).await;
    house.replica.caught_up();
    let reader = house.reader();
    let until = |time| Bounds { to_time: Some(time), ..Bounds::default() };
    for (time, closed) in [(5_000, true), (5_001, false)] {
        let query = PageQuery { bounds: until(time), ..PageQuery::default() };
        let found = reader.find(*usual.process.as_bytes(), None, query).await.unwrap();
        let Some(Found::Page(page)) = found else { panic!("no page but {found:?}") };
        assert_eq!((page.entries.len(), page.closed), (12, closed), "up to {time}");
    }
    let stats = reader.stats();
    assert_eq!(stats.primary.unwrap().queries, 1, "only the open page needs the primary");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_database_or_any_writer_nothing_is_known_and_nothing_hangs() {
    let house = House::new().await;
    let closed_port = "postgres://postgres@127.0.0.1:1/rota".parse().unwrap();
    let mut config = house.config();
    (config.replicas, config.primary) = (Vec::new(), None);
    let none = crate::house::reader(config.clone());
    config.primary = Some(closed_port);
    let nobody_there = crate::house::reader(config);
    for reader in [none, nobody_there] {
        assert!(matches!(reader.latest(NOBODY).await, Err(ReadError::Unavailable(_))));
        assert!(matches!(reader.raw([1; 32]).await, Err(ReadError::Unavailable(_))));
    }
    house.primary.sql("rota", "DELETE FROM writer_progress");
    let reader = house.primary_reader();
    assert!(matches!(reader.scheduler(None).await, Err(ReadError::Unavailable(_))));
}

/// The largest bodies lie in a table of their own; what fits a page is counted with them.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_missing_is_damage_and_not_an_entry_without_message() {
    let house = House::new().await;
    let schedules = schedules();
    let large = &schedules[3];
    house.commit(&schedules, 0).await;
    house.primary.sql("rota", "DELETE FROM bodies_by_hash");
    let reader = house.primary_reader();
    let id = |message: MessageId| *message.as_bytes();
    let entry = &large.entries[2];
    let damaged = |error: ReadError| matches!(error, ReadError::Damaged(_));
    let query = PageQuery::default();
    let page = reader.find(*large.process.as_bytes(), None, query).await;
    assert!(damaged(page.unwrap_err()));
    assert!(damaged(reader.find(id(entry.message_id), None, query).await.unwrap_err()));
    assert!(damaged(reader.latest(large.process).await.unwrap_err()));
    assert!(damaged(reader.raw(id(entry.message_id)).await.unwrap_err()));
    assert_eq!(reader.head(large.process).await.unwrap(), Some(5));
    assert_eq!(large.entries[5].timestamp, Timestamp(4_050));
}
