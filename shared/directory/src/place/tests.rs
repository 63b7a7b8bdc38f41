//! Where new processes go: the rules as tables, and how even the choice is while many choose from stale views.
//! Must not know a store.

use super::*;
use crate::View;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rota_schedule::{RoutePolicy, WriterName};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn wallet(number: u8) -> Address {
    Address::new([number; 32])
}

fn writer(number: usize) -> WriterRecord {
    WriterRecord {
        name: format!("w-{number}").parse().unwrap(),
        url: Some(format!("http://w-{number}")),
        lease: None,
        load: Load::default(),
        processes: 0,
        policy: RoutePolicy::default(),
    }
}

fn any_writer() -> impl Strategy<Value = WriterRecord> {
    let policy = (any::<bool>(), prop::collection::vec(0u8..4, 0..3), any::<bool>());
    let load = (0u16..=1_200, 0u32..2_000);
    (prop::option::weighted(0.8, Just("http://w")), load, 0u64..50, policy).prop_map(
        |(url, (signing_permille, waiting), processes, (no_route, wallets, wallets_only))| {
            let wallets_to_route = wallets.into_iter().map(wallet).collect();
            WriterRecord {
                url: url.map(str::to_owned),
                load: Load { signing_permille, waiting },
                processes,
                policy: RoutePolicy { no_route, wallets_to_route, wallets_only },
                ..writer(0)
            }
        },
    )
}

proptest! {
    #[test]
    fn a_process_goes_only_where_it_may(
        writers in prop::collection::vec(any_writer(), 0..6),
        dead in any::<u8>(),
        seed in any::<u64>(),
    ) {
        let mut writers = writers;
        for (number, writer) in writers.iter_mut().enumerate() {
            writer.name = format!("w-{number}").parse().unwrap();
        }
        let alive = |writer: &WriterRecord| {
            let at = writers.iter().position(|other| other.name == writer.name).unwrap();
            dead >> at & 1 == 0
        };
        let open = |w: &&WriterRecord| !w.policy.no_route && w.url.is_some() && alive(w);
        let pinned = |w: &&WriterRecord| w.policy.wallets_to_route.contains(&wallet(1));
        let any_pinned = writers.iter().filter(open).any(|w| pinned(&w));
        let may = |w: &&WriterRecord| {
            open(w) && if any_pinned { pinned(w) } else { !w.policy.wallets_only }
        };
        let placed = place(&writers, alive, wallet(1), &mut StdRng::seed_from_u64(seed));
        match placed {
            Some(placed) => prop_assert!(may(&placed), "{placed:?}"),
            None => prop_assert_eq!(writers.iter().filter(may).count(), 0),
        }
    }

    #[test]
    fn the_worst_of_several_is_never_taken(load in (0u16..=1_000, 0u32..2_000), seed in any::<u64>()) {
        let mut writers = [writer(0), writer(1), writer(2)];
        writers[1].load = Load { signing_permille: load.0, waiting: load.1 };
        writers[1].processes = 1;
        let placed = place(&writers, |_| true, wallet(1), &mut StdRng::seed_from_u64(seed));
        prop_assert_ne!(&placed.unwrap().name, &writers[1].name);
    }
}

#[test]
fn room_comes_before_the_number_of_processes() {
    let mut writers = [writer(0), writer(1)];
    let mut random = StdRng::seed_from_u64(1);
    for (load, processes, better) in
        [((799, 999), 7, 1), ((0, 0), 9, 0), ((800, 0), 7, 0), ((950, 0), 7, 0), ((0, 1_000), 7, 0)]
    {
        writers[0].processes = 8;
        writers[1].processes = processes;
        writers[1].load = Load { signing_permille: load.0, waiting: load.1 };
        for _ in 0..20 {
            let placed = place(&writers, |_| true, wallet(1), &mut random).unwrap();
            assert_eq!(placed.name, writers[better].name, "{load:?}, {processes} processes");
        }
    }
    writers[0].load.signing_permille = 900;
    writers[1].load = Load { signing_permille: 960, waiting: 0 };
    let placed = place(&writers, |_| true, wallet(1), &mut random).unwrap();
    assert_eq!(placed.name, writers[0].name, "little room is more than none");
}

/// Spawns by routers with views of their own that are refreshed, each at its own time, after it has placed
/// `stale` more. Gives how many processes each writer has then.
fn simulate(routers: usize, spawns: usize, stale: usize, seed: u64) -> Vec<u64> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut table: BTreeMap<WriterName, WriterRecord> =
        (0..8).map(writer).map(|writer| (writer.name.clone(), writer)).collect();
    let now = Instant::now();
    let mut views: Vec<(View, usize)> =
        (0..routers).map(|router| (View::default(), router * stale / routers)).collect();
    for (view, _) in &mut views {
        view.refresh(table.values().cloned().collect(), now);
    }
    for _ in 0..spawns {
        let router = random.random_range(0..routers);
        let (view, since) = &mut views[router];
        if *since >= stale {
            view.refresh(table.values().cloned().collect(), now + Duration::from_secs(1));
            *since = 0;
        }
        *since += 1;
        let placed = view.place(wallet(1), &mut random).unwrap();
        table.get_mut(&placed).unwrap().processes += 1;
    }
    table.into_values().map(|writer| writer.processes).collect()
}

/// How far the fullest and the emptiest writer are from the mean, as a part of it.
fn spread(processes: &[u64]) -> f64 {
    let mean = processes.iter().sum::<u64>() as f64 / processes.len() as f64;
    let far = processes.iter().map(|&count| (count as f64 - mean).abs());
    far.fold(0.0, f64::max) / mean
}

/// The bound holds for views as stale as 20 spawns of each of 64 routers: 1,280 spawns over all of them, an
/// eighth of what is placed. At [`REFRESH_EVERY`](crate::REFRESH_EVERY) that is 640 spawns a second.
#[test]
fn ten_thousand_spawns_by_sixty_four_routers_spread_within_ten_percent() {
    for stale in [1, 5, 20] {
        for seed in 0..20 {
            let processes = simulate(64, 10_000, stale, seed);
            assert_eq!(processes.iter().sum::<u64>(), 10_000);
            assert!(spread(&processes) < 0.1, "seed {seed}, {stale} stale: {processes:?}");
        }
    }
}

#[test]
fn a_new_writer_is_not_run_over() {
    let mut random = StdRng::seed_from_u64(7);
    let mut view = View::default();
    let mut writers: Vec<_> = (0..8).map(writer).collect();
    for full in &mut writers[1..] {
        full.processes = 10_000;
    }
    view.refresh(writers, Instant::now());
    let name: WriterName = "w-0".parse().unwrap();
    let placed = (0..8_000).filter(|_| view.place(wallet(1), &mut random).unwrap() == name).count();
    assert!((1_500..2_500).contains(&placed), "two draws of eight: a quarter, not all: {placed}");
}
