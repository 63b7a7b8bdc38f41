//! Who is a writer: leases are taken, kept up and given back.

use crate::{holder, load, name};
use rota_schedule::{Directory, Lease, WriterName};
use tokio::task::JoinSet;

/// Where the tests' writers listen.
const URL: &str = "http://127.0.0.1:1";

async fn lease_of(directory: &impl Directory, name: &WriterName) -> Option<Lease> {
    directory.writer(name).await.unwrap().and_then(|writer| writer.lease)
}

pub(crate) async fn of_twenty_who_take_a_lease_one_has_it(directory: impl Directory + Clone) {
    const TAKERS: u8 = 20;
    let mut seen = None;
    for round in 0..50 {
        let mut taking = JoinSet::new();
        for taker in 1..=TAKERS {
            let directory = directory.clone();
            taking.spawn(async move {
                directory.take_lease(&name("w"), holder(taker), seen).await.unwrap()
            });
        }
        let taken: Vec<Lease> = taking.join_all().await.into_iter().flatten().collect();
        assert_eq!(taken.len(), 1, "round {round}: {taken:?}");
        assert_eq!(lease_of(&directory, &name("w")).await, Some(taken[0]));
        assert!(seen.is_none_or(|seen: Lease| taken[0].beat > seen.beat), "{seen:?} {taken:?}");
        // Whoever had it in the last round must not pass for its own retry in this one.
        seen = directory.beat(&name("w"), taken[0].holder, URL, load(0, 0)).await.unwrap();
    }
}

pub(crate) async fn a_lease_that_has_changed_since_it_was_seen_is_not_taken(
    directory: impl Directory + Clone,
) {
    let name = name("w");
    let first = directory.take_lease(&name, holder(1), None).await.unwrap().unwrap();
    assert_eq!(first, Lease { holder: holder(1), beat: first.beat, released: false });
    let beaten = directory.beat(&name, holder(1), URL, load(0, 0)).await.unwrap().unwrap();
    assert_eq!(beaten, Lease { beat: first.beat + 1, ..first });
    for stale in [
        None,
        Some(first),
        Some(Lease { holder: holder(3), ..beaten }),
        Some(Lease { beat: beaten.beat + 1, ..beaten }),
        Some(Lease { released: true, ..beaten }),
    ] {
        assert_eq!(directory.take_lease(&name, holder(2), stale).await.unwrap(), None, "{stale:?}");
        assert_eq!(lease_of(&directory, &name).await, Some(beaten), "{stale:?}");
    }
    let second = directory.take_lease(&name, holder(2), Some(beaten)).await.unwrap().unwrap();
    assert_eq!(second, Lease { holder: holder(2), beat: beaten.beat + 1, released: false });
}

pub(crate) async fn whoever_took_a_lease_and_did_not_hear_of_it_asks_again(
    directory: impl Directory + Clone,
) {
    let name = name("w");
    let first = directory.take_lease(&name, holder(1), None).await.unwrap();
    assert_eq!(directory.take_lease(&name, holder(1), None).await.unwrap(), first);
    let second = directory.take_lease(&name, holder(2), first).await.unwrap();
    assert_eq!(directory.take_lease(&name, holder(2), first).await.unwrap(), second);
    assert_eq!(directory.take_lease(&name, holder(1), None).await.unwrap(), None, "it is lost");
    assert_eq!(lease_of(&directory, &name).await, second);
}

pub(crate) async fn a_beat_by_anybody_but_the_holder_changes_nothing(
    directory: impl Directory + Clone,
) {
    let name = name("w");
    assert_eq!(directory.beat(&name, holder(1), URL, load(1, 1)).await.unwrap(), None);
    assert!(!directory.release_lease(&name, holder(1)).await.unwrap());
    assert_eq!(directory.writer(&name).await.unwrap(), None, "nobody was made known by that");
    directory.take_lease(&name, holder(1), None).await.unwrap().unwrap();
    directory.beat(&name, holder(1), URL, load(1, 1)).await.unwrap().unwrap();
    let before = directory.writer(&name).await.unwrap();
    assert_eq!(directory.beat(&name, holder(2), "http://b", load(9, 9)).await.unwrap(), None);
    assert!(!directory.release_lease(&name, holder(2)).await.unwrap());
    assert_eq!(directory.writer(&name).await.unwrap(), before);
}

pub(crate) async fn a_lease_that_was_given_back_stays_so_until_it_is_taken(
    directory: impl Directory + Clone,
) {
    let name = name("w");
    directory.take_lease(&name, holder(1), None).await.unwrap().unwrap();
    for _ in 0..2 {
        assert!(directory.release_lease(&name, holder(1)).await.unwrap());
        assert!(lease_of(&directory, &name).await.unwrap().released);
    }
    let late = directory.beat(&name, holder(1), URL, load(0, 0)).await.unwrap().unwrap();
    assert!(late.released, "a beat that was on its way does not take it again");
    assert_eq!(lease_of(&directory, &name).await, Some(late));
    let next = directory.take_lease(&name, holder(2), Some(late)).await.unwrap().unwrap();
    assert_eq!(next, Lease { holder: holder(2), beat: late.beat + 1, released: false });
    assert!(!directory.release_lease(&name, holder(1)).await.unwrap(), "it is another's now");
    assert_eq!(lease_of(&directory, &name).await, Some(next));
}
