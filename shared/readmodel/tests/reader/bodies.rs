//! Large bodies by their hash, whoever else has the same id; and rows from before, whose bodies lie under the ids
//! of their messages.

use crate::house::House;
use bytes::Bytes;
use rota_readmodel::{ReadModel, Row};
use rota_schedule::{
    AssignmentId, Entry, Found, MessageId, PageQuery, ProcessId, ScheduleReader, Timestamp,
};
use rota_testkit::{keyless, message, reader_suite, schedules};

const PROCESS: ProcessId = ProcessId::new([9; 32]);

/// Entries whose items have one id, and contents of these lengths.
fn twins(lengths: &[usize]) -> Vec<Entry> {
    let entry = |(nonce, length): (u8, &usize)| {
        let item = message(PROCESS).data(vec![nonce; *length]).sign_as(&keyless());
        Entry {
            nonce: nonce.into(),
            timestamp: Timestamp(1_000 + u64::from(nonce)),
            assignment_id: AssignmentId::new([nonce; 32]),
            message_id: item.id().into(),
            assignment: Bytes::from(vec![nonce; 1_300]),
            message: Some(item.bytes().clone()),
        }
    };
    (0..).zip(lengths).map(entry).collect()
}

async fn commit(house: &House, entries: &[Entry]) {
    assert!(house.writer.bind(&PROCESS).await.unwrap());
    for entry in entries {
        let row = Row { process: PROCESS, entry: entry.clone(), content: None };
        house.writer.project(&[row]).await.unwrap();
    }
    house.close(10_000).await;
    house.replica.caught_up();
}

/// Everything that can be asked of the entries.
async fn assert_all_read(reader: &ReadModel, entries: &[Entry]) {
    let query = PageQuery::default();
    let Some(Found::Page(page)) = reader.find(*PROCESS.as_bytes(), None, query).await.unwrap()
    else {
        panic!("no page");
    };
    assert!(page.entries == entries, "a page with other bytes");
    assert!(reader.latest(PROCESS).await.unwrap().as_ref() == entries.last());
    for entry in entries {
        let id = *entry.assignment_id.as_bytes();
        let found = reader.find(id, Some(PROCESS), query).await.unwrap();
        assert!(found == Some(Found::Entry(entry.clone())), "{} by its assignment", entry.nonce);
    }
    let id: MessageId = entries[0].message_id;
    let first = Some(Found::Entry(entries[0].clone()));
    assert!(reader.find(*id.as_bytes(), None, query).await.unwrap() == first);
    assert!(reader.find(*id.as_bytes(), Some(PROCESS), query).await.unwrap() == first);
    assert!(reader.raw(*id.as_bytes()).await.unwrap() == entries[0].message);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_contents_of_one_id_are_both_shown() {
    let house = House::new().await;
    let entries = twins(&[200_000, 300_000, 200_000, 5]);
    commit(&house, &entries).await;
    assert_all_read(&house.reader(), &entries).await;
    assert_all_read(&house.primary_reader(), &entries).await;
}

/// Puts the bodies of all rows where the release before had them.
fn as_before(house: &House) {
    house.primary.sql(
        "rota",
        "INSERT INTO bodies SELECT message_id, bytes FROM entries \
         JOIN bodies_by_hash ON sha256 = body ON CONFLICT DO NOTHING; \
         UPDATE entries SET body = NULL; DELETE FROM bodies_by_hash",
    );
    house.replica.caught_up();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_from_before_keep_the_contract() {
    let house = House::new().await;
    let schedules = schedules();
    house.commit(&schedules, 10_000).await;
    as_before(&house);
    reader_suite(&house.reader(), &schedules).await;
    reader_suite(&house.primary_reader(), &schedules).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_from_before_keeps_its_content_beside_another_of_its_id() {
    let house = House::new().await;
    let entries = twins(&[200_000, 200_000]);
    commit(&house, &entries[..1]).await;
    as_before(&house);
    commit(&house, &entries).await;
    assert_all_read(&house.reader(), &entries).await;
}
