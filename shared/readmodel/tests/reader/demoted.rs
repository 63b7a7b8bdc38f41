//! A server that is asked as the primary, and is a standby: after a fail-over, or by a stale name of a cluster.

use crate::house::{House, NOBODY, eventually, reader};
use rota_readmodel::{ReadModel, ReadModelConfig};
use rota_schedule::{Bounds, Found, PageQuery, ReadError, ScheduleReader};
use rota_testkit::postgres::Stop;
use rota_testkit::proxy::FaultProxy;
use rota_testkit::{Schedule, schedules};

/// How many entries the standby has.
const HALF: usize = 6;

/// Servers whose replica lacks the later half of a schedule for good.
async fn torn() -> (House, Schedule) {
    let house = House::new().await;
    let usual = schedules().swap_remove(0);
    house.commit_part(&usual, 0, HALF).await;
    house.close(usual.entries[HALF - 1].timestamp.0).await;
    house.replica.caught_up();
    house.replica.pause();
    house.commit_part(&usual, HALF, usual.entries.len()).await;
    (house, usual)
}

/// Reads that only the newest state can answer: all that the standby lacks, and what nobody has.
async fn newest(reader: &ReadModel, usual: &Schedule) -> Vec<Result<(), ReadError>> {
    let (id, query) = (*usual.process.as_bytes(), PageQuery::default());
    let last = usual.entries.last().unwrap();
    let message = *last.message_id.as_bytes();
    let whole = |found: Option<Found>| {
        assert!(matches!(found, Some(Found::Page(page)) if page.entries == usual.entries));
    };
    let found = |found: Option<Found>| assert_eq!(found, Some(Found::Entry(last.clone())));
    vec![
        reader.find(id, None, query).await.map(whole),
        reader.find(id, Some(usual.process), query).await.map(whole),
        reader.find(message, None, query).await.map(found),
        reader.find(message, Some(usual.process), query).await.map(found),
        reader.latest(usual.process).await.map(|latest| assert_eq!(latest.as_ref(), Some(last))),
        reader.head(usual.process).await.map(|head| assert_eq!(head, Some(last.nonce))),
        reader.raw(message).await.map(|raw| assert_eq!(raw, last.message)),
        reader.process(NOBODY).await.map(|process| assert_eq!(process, None)),
        reader.find(*NOBODY.as_bytes(), None, query).await.map(|found| assert_eq!(found, None)),
    ]
}

fn are_unavailable(answers: &[Result<(), ReadError>]) -> bool {
    answers.iter().all(|answer| matches!(answer, Err(ReadError::Unavailable(_))))
}

#[tokio::test(flavor = "multi_thread")]
async fn standby_that_is_asked_as_the_primary_never_has_the_last_word() {
    let (house, usual) = torn().await;
    let standby = Some(house.replica_url());
    let alone = ReadModelConfig { replicas: vec![], primary: standby.clone(), ..house.config() };
    let both = ReadModelConfig { primary: standby, ..house.config() };
    let (alone, both) = (reader(alone), reader(both));
    for _ in 0..3 {
        for reader in [&alone, &both] {
            let answers = newest(reader, &usual).await;
            assert!(are_unavailable(&answers), "{answers:?}");
        }
    }
    // What can never change is served all the same.
    let to_nonce = Some(u64::try_from(HALF - 1).unwrap());
    let query =
        PageQuery { bounds: Bounds { to_nonce, ..Bounds::default() }, ..PageQuery::default() };
    let found = both.find(*usual.process.as_bytes(), None, query).await.unwrap();
    assert!(matches!(found, Some(Found::Page(page)) if page.entries == usual.entries[..HALF]));

    house.replica.resume();
    house.replica.caught_up();
    house.primary.stop(Stop::Immediate);
    house.replica.promote();
    eventually("the promoted standby answers", async || {
        newest(&alone, &usual).await.iter().all(Result::is_ok)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_unavailable_while_the_primary_s_address_leads_to_a_standby() {
    let (house, usual) = torn().await;
    let proxy = FaultProxy::start(house.primary.port());
    let primary = proxy.url(&house.primary.url("rota")).parse().unwrap();
    let reader = reader(ReadModelConfig { primary: Some(primary), ..house.config() });
    let answers = newest(&reader, &usual).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    for _ in 0..3 {
        proxy.lead_to(house.replica.port());
        for _ in 0..5 {
            let answers = newest(&reader, &usual).await;
            assert!(are_unavailable(&answers), "{answers:?}");
        }
        proxy.lead_to(house.primary.port());
        eventually("the primary is believed again", async || {
            newest(&reader, &usual).await.iter().all(Result::is_ok)
        })
        .await;
    }
}
