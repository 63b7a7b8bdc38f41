//! Writers that are taken out.

use crate::{holder, load, name, process};
use rota_schedule::{Directory, DirectoryError, Removal, RoutePolicy, WriterName};
use tokio::task::JoinSet;

pub(crate) async fn writer_that_is_removed_is_gone_until_it_comes_back(
    directory: impl Directory + Clone,
) {
    let (name, policy) = (name("w"), RoutePolicy { no_route: true, ..RoutePolicy::default() });
    assert_eq!(directory.remove_writer(&name, None).await.unwrap(), Removal::Unknown);
    let lease = directory.take_lease(&name, holder(1), None).await.unwrap();
    directory.set_policy(&name, &policy).await.unwrap();
    assert_eq!(directory.remove_writer(&name, lease).await.unwrap(), Removal::Done);
    assert_eq!(directory.writer(&name).await.unwrap(), None);
    assert_eq!(directory.writers().await.unwrap(), []);
    let unbound = directory.bind(process(1), &name).await;
    assert!(matches!(unbound, Err(DirectoryError::NoWriter(_))), "{unbound:?}");
    assert_eq!(directory.owner(process(1)).await.unwrap(), None);
    assert_eq!(directory.beat(&name, holder(1), "http://w", load(0, 0)).await.unwrap(), None);
    assert_eq!(directory.take_lease(&name, holder(2), lease).await.unwrap(), None);
    assert_eq!(directory.remove_writer(&name, lease).await.unwrap(), Removal::Unknown);

    writer_comes_back_anew(&directory, &name).await;
    one_without_a_lease_is_removed(&directory, &policy).await;
}

async fn writer_comes_back_anew(directory: &impl Directory, name: &WriterName) {
    directory.take_lease(name, holder(3), None).await.unwrap().unwrap();
    let back = directory.writer(name).await.unwrap().unwrap();
    assert_eq!((back.policy, back.processes), (RoutePolicy::default(), 0));
    assert_eq!(directory.bind(process(1), name).await.unwrap(), *name);
}

async fn one_without_a_lease_is_removed(directory: &impl Directory, policy: &RoutePolicy) {
    let listed = name("listed");
    directory.set_policy(&listed, policy).await.unwrap();
    assert_eq!(directory.remove_writer(&listed, None).await.unwrap(), Removal::Done);
    assert_eq!(directory.writer(&listed).await.unwrap(), None);
}

pub(crate) async fn writer_that_lives_or_has_processes_is_not_removed(
    directory: impl Directory + Clone,
) {
    let name = name("w");
    let seen = directory.take_lease(&name, holder(1), None).await.unwrap();
    let beaten = directory.beat(&name, holder(1), "http://w", load(0, 0)).await.unwrap();
    for stale in [None, seen] {
        assert_eq!(directory.remove_writer(&name, stale).await.unwrap(), Removal::Changed);
    }
    for number in [1, 2, 8] {
        directory.bind(process(number), &name).await.unwrap();
    }
    assert_eq!(directory.remove_writer(&name, beaten).await.unwrap(), Removal::Owns(3));
    let record = directory.writer(&name).await.unwrap().unwrap();
    assert_eq!((record.lease, record.processes), (beaten, 3));
    assert_eq!(directory.bind(process(3), &name).await.unwrap(), name, "it can be bound to");
}

pub(crate) async fn nothing_is_bound_to_a_writer_that_is_removed_at_the_same_time(
    directory: impl Directory + Clone,
) {
    let mut removed = 0;
    for round in 0..30 {
        let name = name(&format!("w-{round}"));
        let lease = directory.take_lease(&name, holder(1), None).await.unwrap();
        let mut binding = JoinSet::new();
        for number in 0..6 {
            let (directory, name) = (directory.clone(), name.clone());
            binding.spawn(async move {
                let id = process(round * 100 + number);
                match directory.bind(id, &name).await {
                    Ok(owner) => assert_eq!(owner, name),
                    Err(error) => {
                        assert!(matches!(error, DirectoryError::NoWriter(_)), "{error:?}");
                    }
                }
                directory.owner(id).await.unwrap()
            });
        }
        tokio::time::sleep(std::time::Duration::from_micros(u64::from(round) * 100)).await;
        let removal = directory.remove_writer(&name, lease).await.unwrap();
        let bound = binding.join_all().await.into_iter().flatten().count();
        let record = directory.writer(&name).await.unwrap();
        match removal {
            Removal::Done => {
                assert_eq!((record, bound), (None, 0), "round {round}");
                removed += 1;
            }
            Removal::Owns(_) => {
                assert_eq!(record.unwrap().processes, bound as u64, "round {round}");
            }
            other => panic!("round {round}: {other:?}"),
        }
    }
    assert!(removed < 30, "no round raced");
}

pub(crate) async fn writer_that_starts_while_it_is_removed_can_be_bound_to(
    directory: impl Directory + Clone,
) {
    for round in 0..20_u8 {
        let name = name(&format!("w-{round}"));
        directory.set_policy(&name, &RoutePolicy::default()).await.unwrap();
        let (starting, starter) = (directory.clone(), name.clone());
        let started = tokio::spawn(async move {
            loop {
                let seen = starting.writer(&starter).await.unwrap().and_then(|it| it.lease);
                if let Some(lease) = starting.take_lease(&starter, holder(1), seen).await.unwrap() {
                    return lease;
                }
            }
        });
        let removal = directory.remove_writer(&name, None).await.unwrap();
        let lease = started.await.unwrap();
        assert!(matches!(removal, Removal::Done | Removal::Changed), "{removal:?}");
        let record = directory.writer(&name).await.unwrap().unwrap();
        assert_eq!(record.lease, Some(lease), "round {round}, {removal:?}");
        assert_eq!(directory.bind(process(u32::from(round)), &name).await.unwrap(), name);
    }
}
