//! Bindings and their counts.

use crate::{counts, join, name, names, process, recount};
use rota_schedule::{Directory, DirectoryError, ProcessId, WriterName};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How many bind at once.
const CONNECTIONS: usize = 64;

pub(crate) async fn of_sixty_four_who_bind_one_process_one_is_right(
    directory: impl Directory + Clone,
) {
    let names = names(8);
    join(&directory, &names).await;
    let mut binding = JoinSet::new();
    for number in 0..64 {
        let (directory, name) = (directory.clone(), names[number % names.len()].clone());
        binding.spawn(async move { directory.bind(process(1), &name).await.unwrap() });
    }
    let owners: HashSet<WriterName> = binding.join_all().await.into_iter().collect();
    assert_eq!(owners.len(), 1, "{owners:?}");
    assert_eq!(directory.owner(process(1)).await.unwrap(), owners.into_iter().next());
    let counted = counts(&directory, &names).await;
    assert_eq!(counted, recount(&directory, &names, [process(1)].into_iter()).await);
}

pub(crate) async fn two_thousand_spawns_at_once_are_each_bound_and_counted_once(
    directory: impl Directory + Clone,
) {
    const SPAWNS: u32 = 2_000;
    let names = names(8);
    join(&directory, &names).await;
    let (mut binding, connections) = (JoinSet::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    for number in 0..SPAWNS {
        for twice in 0..2 {
            let (directory, connections) = (directory.clone(), Arc::clone(&connections));
            let writer = names[(number as usize + twice) % names.len()].clone();
            binding.spawn(async move {
                let _connection = connections.acquire().await.unwrap();
                (number, directory.bind(process(number), &writer).await.unwrap())
            });
        }
    }
    let answers: HashSet<_> = binding.join_all().await.into_iter().collect();
    assert_eq!(answers.len(), SPAWNS as usize, "both who bind a process get the same answer");
    let counted = counts(&directory, &names).await;
    assert_eq!(counted.iter().sum::<u64>(), u64::from(SPAWNS));
    assert_eq!(counted, recount(&directory, &names, (0..SPAWNS).map(process)).await);
}

pub(crate) async fn binding_again_finds_the_first_writer_and_counts_nothing(
    directory: impl Directory + Clone,
) {
    let names = names(2);
    join(&directory, &names).await;
    let ids = [[0; 32], [0xff; 32], *process(5).as_bytes()].map(ProcessId::new);
    for id in ids {
        assert_eq!(directory.owner(id).await.unwrap(), None);
        for asked in [&names[0], &names[0], &names[1]] {
            assert_eq!(directory.bind(id, asked).await.unwrap(), names[0]);
        }
        assert_eq!(directory.owner(id).await.unwrap().as_ref(), Some(&names[0]));
    }
    assert_eq!(counts(&directory, &names).await, [3, 0]);
}

pub(crate) async fn nothing_is_bound_to_a_writer_that_nobody_knows(
    directory: impl Directory + Clone,
) {
    let (known, unknown) = (name("known"), name("unknown"));
    join(&directory, std::slice::from_ref(&known)).await;
    let refused = directory.bind(process(1), &unknown).await.unwrap_err();
    assert!(matches!(&refused, DirectoryError::NoWriter(name) if *name == unknown), "{refused}");
    assert_eq!(directory.owner(process(1)).await.unwrap(), None);
    assert_eq!(directory.bind(process(2), &known).await.unwrap(), known);
    assert_eq!(directory.bind(process(2), &unknown).await.unwrap(), known, "it is bound already");
    let refused = directory.rebind(process(2), &known, &unknown).await.unwrap_err();
    assert!(matches!(&refused, DirectoryError::NoWriter(name) if *name == unknown), "{refused}");
    assert_eq!(directory.owner(process(2)).await.unwrap(), Some(known.clone()));
    assert_eq!(counts(&directory, &[known]).await, [1]);
    assert_eq!(directory.writers().await.unwrap().len(), 1);
}

pub(crate) async fn a_process_moves_once_and_its_count_with_it(directory: impl Directory + Clone) {
    let names = names(3);
    let [a, b, c] = &names[..] else { unreachable!() };
    join(&directory, &names).await;
    let id = process(9);
    assert_eq!(directory.rebind(id, a, b).await.unwrap(), None, "it is not bound");
    directory.bind(id, a).await.unwrap();
    for (from, to, owner, counted) in [
        (b, c, a, [1, 0, 0]),
        (a, a, a, [1, 0, 0]),
        (a, b, b, [0, 1, 0]),
        (a, b, b, [0, 1, 0]),
        (a, c, b, [0, 1, 0]),
        (b, c, c, [0, 0, 1]),
    ] {
        assert_eq!(directory.rebind(id, from, to).await.unwrap().as_ref(), Some(owner));
        assert_eq!(directory.owner(id).await.unwrap().as_ref(), Some(owner));
        assert_eq!(counts(&directory, &names).await, counted, "{from} to {to}");
    }
}

pub(crate) async fn processes_that_many_move_to_and_fro_are_counted_once(
    directory: impl Directory + Clone,
) {
    const PROCESSES: u32 = 6;
    let names = names(3);
    join(&directory, &names).await;
    for number in 0..PROCESSES {
        directory.bind(process(number * 256), &names[0]).await.unwrap(); // all in one counter
    }
    let mut moving = JoinSet::new();
    for mover in 0..8 {
        let (directory, names) = (directory.clone(), names.clone());
        moving.spawn(async move {
            for step in 0..30 {
                let (from, to) = (&names[(mover + step) % 3], &names[(mover * 2 + step + 1) % 3]);
                let id = process((step as u32 + mover as u32) % PROCESSES * 256);
                let owner = directory.rebind(id, from, to).await.unwrap().unwrap();
                assert!(owner == *to || owner != *from || from == to, "{from} to {to}: {owner}");
            }
        });
    }
    moving.join_all().await;
    let ids = (0..PROCESSES).map(|number| process(number * 256));
    assert_eq!(counts(&directory, &names).await, recount(&directory, &names, ids).await);
}

pub(crate) async fn moves_in_opposite_directions_do_not_wait_in_a_circle(
    directory: impl Directory + Clone,
) {
    const MOVERS: u32 = 8;
    let names = names(2);
    join(&directory, &names).await;
    let mut moving = JoinSet::new();
    for mover in 0..MOVERS {
        let (directory, names) = (directory.clone(), names.clone());
        moving.spawn(async move {
            let id = process(mover * 256); // all in one counter
            directory.bind(id, &names[mover as usize % 2]).await.unwrap();
            for step in mover as usize..40 + mover as usize {
                let (from, to) = (&names[step % 2], &names[(step + 1) % 2]);
                assert_eq!(directory.rebind(id, from, to).await.unwrap().as_ref(), Some(to));
            }
        });
    }
    moving.join_all().await;
    assert_eq!(counts(&directory, &names).await, [u64::from(MOVERS) / 2; 2]);
}
