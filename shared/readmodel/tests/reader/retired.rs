//! Writers that are dead or retired, and what their rows cost readers.

use crate::house::House;
use rota_readmodel::{Holder, Projection};
use rota_schedule::{Found, PageQuery, ProcessId, ScheduleReader as _, Timestamp};
use rota_testkit::{schedules, user};

/// Up to when the retired writer had promised anything: before every entry.
const RETIRED_AT: u64 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn writer_without_processes_sends_no_lookup_to_the_primary() {
    let house = House::new().await;
    let usual = schedules().swap_remove(0);
    house.commit(std::slice::from_ref(&usual), 100_000).await;
    let (url, holder) = (house.primary_url(), Holder([2; 16]));
    let retired = Projection::take(&url, 1, "retired", holder, user().address()).await.unwrap();
    retired.projection.heartbeat(Timestamp(RETIRED_AT), Timestamp(0), Some(1)).await.unwrap();
    house.replica.caught_up();
    let reader = house.reader();
    let entry = &usual.entries[5];
    let look_up = async || {
        let found = reader.find(*entry.message_id.as_bytes(), None, PageQuery::default()).await;
        assert_eq!(found.unwrap(), Some(Found::Entry(entry.clone())));
        reader.stats().primary.unwrap().queries
    };
    assert_eq!(look_up().await, 0, "the replica has the last word");

    // One that has a process may place the item there, later than it promised and earlier than it is found here.
    assert!(retired.projection.bind(&ProcessId::new([3; 32])).await.unwrap());
    house.replica.caught_up();
    assert_ne!(look_up().await, 0, "only the primary knows");
}
