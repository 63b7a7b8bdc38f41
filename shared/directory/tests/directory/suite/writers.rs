//! The writers and what is known of them.

use crate::{holder, join, load, name, names, process};
use rota_ans104::Address;
use rota_schedule::{Directory, RoutePolicy, WRITER_NAME_MAX, WriterName, WriterRecord};
use tokio::task::JoinSet;

fn wallets(count: u16) -> Vec<Address> {
    let wallet = |number: u16| {
        let mut bytes = [0xfe; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        Address::new(bytes)
    };
    (0..count).map(wallet).collect()
}

async fn find(directory: &impl Directory, name: &WriterName) -> WriterRecord {
    directory.writer(name).await.unwrap().unwrap()
}

pub(crate) async fn writers_are_listed_by_name_and_found_by_name(
    directory: impl Directory + Clone,
) {
    let longest = "x".repeat(WRITER_NAME_MAX);
    let odd = ["a", "a-b", "a.b", "a_b", "A", "-", "...", "a-", "0", "record", "count", &longest];
    let mut names: Vec<WriterName> = odd.into_iter().map(name).collect();
    join(&directory, &names).await;
    for (number, name) in (0..).zip(&names) {
        for more in 0..=number {
            directory.bind(process(number * 100 + more), name).await.unwrap();
        }
    }
    for (number, name) in (0..).zip(&names) {
        let found = find(&directory, name).await;
        assert_eq!((&found.name, found.processes), (name, number + 1));
    }
    names.sort();
    let listed = directory.writers().await.unwrap();
    assert!(listed.iter().map(|writer| &writer.name).eq(&names), "{listed:?}");
    assert_eq!(listed.iter().map(|writer| writer.processes).sum::<u64>(), 12 * 13 / 2);
    assert_eq!(directory.writer(&name("a-c")).await.unwrap(), None);
}

pub(crate) async fn what_a_holder_says_of_itself_is_known(directory: impl Directory + Clone) {
    let name = name("w");
    let taken = directory.take_lease(&name, holder(1), None).await.unwrap();
    let new = find(&directory, &name).await;
    let policy = RoutePolicy::default();
    let expected = WriterRecord {
        name: name.clone(),
        url: None,
        lease: taken,
        load: load(0, 0),
        processes: 0,
        policy,
    };
    assert_eq!(new, expected);
    for (url, load) in
        [("https://w.example:1/x", load(u16::MAX, u32::MAX)), ("http://[::1]", load(1, 2))]
    {
        let lease = directory.beat(&name, holder(1), url, load).await.unwrap();
        let known = WriterRecord { url: Some(url.to_owned()), lease, load, ..expected.clone() };
        assert_eq!(find(&directory, &name).await, known);
        assert_eq!(directory.writers().await.unwrap(), [known]);
    }
}

pub(crate) async fn a_policy_is_kept_as_it_was_set(directory: impl Directory + Clone) {
    let name = name("w");
    for policy in [
        RoutePolicy { no_route: true, wallets_to_route: wallets(3), wallets_only: true },
        RoutePolicy { no_route: false, wallets_to_route: wallets(1_000), wallets_only: true },
        RoutePolicy::default(),
    ] {
        directory.set_policy(&name, &policy).await.unwrap();
        let found = find(&directory, &name).await;
        assert_eq!((found.policy, found.url, found.lease), (policy, None, None));
    }
    assert_eq!(directory.bind(process(1), &name).await.unwrap(), name, "it is a writer");
    let taken = directory.take_lease(&name, holder(1), None).await.unwrap();
    assert!(taken.is_some(), "a policy is no lease");
}

pub(crate) async fn policies_and_beats_and_spawns_do_not_undo_each_other(
    directory: impl Directory + Clone,
) {
    const ROUNDS: u32 = 60;
    let name = name("w");
    let taken = directory.take_lease(&name, holder(1), None).await.unwrap().unwrap();
    let mut tasks = JoinSet::new();
    for round in 0..ROUNDS {
        let no_route = round.is_multiple_of(2);
        let policy = RoutePolicy { no_route, wallets_to_route: wallets(2), wallets_only: true };
        let (one, two, three) = (directory.clone(), directory.clone(), directory.clone());
        let names = [name.clone(), name.clone(), name.clone()];
        let [a, b, c] = names;
        tasks.spawn(async move { one.set_policy(&a, &policy).await.unwrap() });
        tasks.spawn(async move {
            two.beat(&b, holder(1), "http://w", load(500, 7)).await.unwrap().unwrap();
        });
        tasks.spawn(async move {
            three.bind(process(round), &c).await.unwrap();
        });
    }
    tasks.join_all().await;
    let after = find(&directory, &name).await;
    assert_eq!(after.lease.unwrap().beat, taken.beat + u64::from(ROUNDS));
    assert_eq!((after.url.as_deref(), after.load), (Some("http://w"), load(500, 7)));
    assert_eq!((after.policy.wallets_to_route, after.policy.wallets_only), (wallets(2), true));
    assert_eq!(after.processes, u64::from(ROUNDS));
}

/// More than fits a page of DynamoDB (1 MB).
pub(crate) async fn a_list_of_any_length_is_whole(directory: impl Directory + Clone) {
    let names = names(30);
    let policy = RoutePolicy { wallets_to_route: wallets(1_000), ..RoutePolicy::default() };
    for name in &names {
        directory.set_policy(name, &policy).await.unwrap();
    }
    let listed = directory.writers().await.unwrap();
    assert_eq!(listed.len(), names.len());
    assert!(listed.iter().all(|writer| writer.policy == policy));
}
