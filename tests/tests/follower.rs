//! Many writers on many processes at once; afterwards every schedule is followed from its first entry
//! (ORD-1 to ORD-3, DUP-1), by rota's own follower and by the checker that shares nothing with it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rota_ans104::{Bundle, Item};
use rota_schedule::{Follower, ProcessId};
use rota_testkit::{Client, Site, message};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const ROTA: &str = env!("CARGO_BIN_EXE_rota-under-test");
/// Connections that post at once.
const WRITERS: u64 = 64;
/// Processes they post to; the first is posted to by half of them.
const PROCESSES: usize = 12;
/// How long they post.
const LASTS: Duration = Duration::from_secs(5);
/// The largest data of a usual item, and of one in fifty.
const DATA_BYTES_MAX: [usize; 2] = [4 << 10, 300 << 10];

/// What one writer was told: process, item, and the answer's time.
type Told = Vec<(ProcessId, Item, u64)>;

async fn post_for_a_while(client: Client, processes: Vec<ProcessId>, seed: u64) -> Told {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut told, until) = (Told::new(), Instant::now() + LASTS);
    while Instant::now() < until {
        let hot = random.random_bool(0.5);
        let process = processes[if hot { 0 } else { random.random_range(0..processes.len()) }];
        let max = DATA_BYTES_MAX[usize::from(random.random_ratio(1, 50))];
        let data = format!("{seed} {} {}", told.len(), "é".repeat(random.random_range(0..max / 2)));
        let item = message(process).data(data).sign();
        let answer = client.post(&item).await.ok();
        let time = answer["timestamp"].as_u64().unwrap();
        if random.random_ratio(1, 10) {
            assert_eq!(client.post(&item).await.ok(), answer, "a retry, seed {seed}");
        }
        told.push((process, item, time));
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_written_by_many_at_once_follow() {
    let site = Site::start(ROTA).await;
    let mut processes = Vec::new();
    for _ in 0..PROCESSES {
        processes.push(site.spawned().await);
    }
    let writers: Vec<_> = (0..WRITERS)
        .map(|seed| tokio::spawn(post_for_a_while(site.client.clone(), processes.clone(), seed)))
        .collect();
    let mut told: HashMap<ProcessId, Vec<(Item, u64)>> = HashMap::new();
    for writer in writers {
        for (process, item, time) in writer.await.unwrap() {
            told.entry(process).or_default().push((item, time));
        }
    }
    let posted: usize = told.values().map(Vec::len).sum();
    assert!(posted > 200, "only {posted} items in {LASTS:?}");
    for process in processes {
        check(&site, process, told.remove(&process).unwrap_or_default()).await;
    }
}

/// Everything told is there once, at the time told, and nothing else is.
async fn check(site: &Site, process: ProcessId, told: Vec<(Item, u64)>) {
    let nodes = site.checked(process).await;
    assert_eq!(nodes.len(), told.len() + 1);
    let mut times: HashMap<String, u64> = HashMap::new();
    let mut follower = Follower::new(process);
    for node in &nodes {
        let shown = node["message"]["id"].as_str().unwrap();
        let (assignment, item) =
            signed(&site.client, node["assignment"]["id"].as_str().unwrap()).await;
        assert_eq!(item.id().to_string(), shown);
        follower.follow(&assignment, Some(&item)).unwrap();
        let time = assignment.tag("Timestamp").unwrap().parse().unwrap();
        assert_eq!(times.insert(shown.to_owned(), time), None, "{shown} is there twice");
    }
    for (item, time) in told {
        assert_eq!(times.get(&item.id().to_string()), Some(&time));
    }
}

/// The two items of an entry, as signed.
async fn signed(client: &Client, id: &str) -> (Item, Item) {
    let accept = [("accept", "application/octet-stream")];
    let answer = client.send("GET", &format!("/{id}"), &accept, Bytes::new()).await;
    let bundle = Bundle::parse(answer.body).unwrap();
    let [assignment, item] = bundle.items() else { panic!("not two items") };
    (assignment.clone(), item.clone())
}
