//! A writer under a clock that does what it likes, with clients that come twice, go away, and replay.
//!
//! Everything is drawn from a seed: the items and their order, who posts what again, who goes away and
//! when, what the clock says, which height the gateways tell, and when the writer is started anew. At
//! the end the schedules are followed (ORD-1 to ORD-3) and compared with every answer (DUP-1, DUP-2).
//! Threads run as they like, so a seed is a story and not a schedule of the CPU. A seed that failed
//! once is pinned.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_macros,
    reason = "in a test a panic is the report, and what it prints is shown when it fails"
)]

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rota_ans104::Item;
use rota_ledger::Ledger;
use rota_permaweb::HeightCache;
use rota_schedule::{Assignment, Clock, MessageId, ProcessId, Timestamp};
use rota_testkit::{message, pushed, spawn};
use rota_tests::{Book, InProcess, Posted, Schedule, fast_dir, follow_ledger, rounds};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::task::JoinSet;

const SEEDS: u64 = 100;
/// Seeds that failed once.
const PINNED: [u64; 0] = [];
const PROCESSES: usize = 6;
/// How often the writer is stopped and started on the same ledger.
const LIVES: u64 = 3;
/// Posts in one life.
const POSTS: usize = 45;
const HOUR_MS: u64 = 3_600_000;
/// In the reach of every clock here.
const BEGINNING: Timestamp = Timestamp(1_700_000_000_000);

/// Stands still, steps back an hour, jumps ahead, or goes on a little.
struct WildClock(Mutex<(StdRng, u64)>);

impl Clock for WildClock {
    fn now(&self) -> Timestamp {
        let (rng, now) = &mut *self.0.lock();
        *now = match rng.random_range(0..20) {
            0 => *now - HOUR_MS,
            1 => *now + rng.random_range(0..HOUR_MS),
            2..8 => *now,
            _ => *now + rng.random_range(0..3),
        };
        Timestamp(*now)
    }
}

/// What can be posted. Signed once, for all seeds.
struct Stock {
    spawns: Vec<Item>,
    messages: Vec<Item>,
    /// Each group has one content; only one of it may be placed (DUP-2).
    pushed: Vec<Vec<Item>>,
}

fn stock() -> &'static Stock {
    static STOCK: OnceLock<Stock> = OnceLock::new();
    STOCK.get_or_init(|| {
        let spawns: Vec<Item> = (0..PROCESSES).map(|_| spawn().sign()).collect();
        let processes = spawns.iter().map(|item| ProcessId::from(item.id()));
        let messages =
            processes.clone().flat_map(|process| (0..12).map(move |_| message(process).sign()));
        let pushes = processes.flat_map(|process| (0..4).map(move |_| pushed(process, "from")));
        let pushed = pushes.map(|push| {
            let copy = |index: usize| {
                let push = push.clone().tag("Pushed-For", &index.to_string());
                if index == 0 { push.sign() } else { push.reversed().sign() }
            };
            (0..3).map(copy).collect()
        });
        Stock { messages: messages.collect(), pushed: pushed.collect(), spawns }
    })
}

impl Stock {
    fn draw(&self, rng: &mut StdRng) -> Item {
        match rng.random_range(0..10) {
            0 => self.spawns[rng.random_range(0..self.spawns.len())].clone(),
            1..4 => {
                let group = &self.pushed[rng.random_range(0..self.pushed.len())];
                group[rng.random_range(0..group.len())].clone()
            }
            _ => self.messages[rng.random_range(0..self.messages.len())].clone(),
        }
    }
}

/// One answer, or none if the client went away.
type Answers = Vec<(Item, Option<Posted>)>;

/// Posts at random until the life is over.
async fn live(writer: &InProcess, book: &Arc<Book>, rng: &mut StdRng) -> Answers {
    let mut answers = Vec::new();
    let mut clients = JoinSet::new();
    for _ in 0..POSTS {
        let item = stock().draw(rng);
        let copies = if rng.random_ratio(1, 4) { rng.random_range(2..6) } else { 1 };
        for _ in 0..copies {
            let patience = rng.random_ratio(1, 4).then(|| rng.random_range(0..1_500));
            let (writer, book, item) = (writer.clone(), book.clone(), item.clone());
            clients.spawn(async move {
                book.posted(&item);
                let answer = match patience.map(Duration::from_micros) {
                    None => Some(writer.post(&item).await),
                    Some(patience) => tokio::time::timeout(patience, writer.post(&item)).await.ok(),
                };
                if let Some(Posted::Acked(timestamp)) = answer {
                    book.acked(MessageId::from(item.id()), timestamp);
                }
                (item, answer)
            });
        }
        while clients.len() > 24 {
            answers.push(clients.join_next().await.unwrap().unwrap());
        }
    }
    while let Some(answer) = clients.join_next().await {
        answers.push(answer.unwrap());
    }
    answers
}

async fn simulate(seed: u64) -> Result<(), String> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (dir, book) = (fast_dir(), Arc::<Book>::default());
    let clock = Arc::new(WildClock(Mutex::new((StdRng::seed_from_u64(!seed), BEGINNING.0))));
    let mut answers = Vec::new();
    for _ in 0..LIVES {
        let height = HeightCache::starting_at(Some(rng.random_range(1_000..2_000)));
        let writer = InProcess::start(dir.path(), clock.clone(), height, rng.random());
        if rng.random() {
            // Some are there before anyone asks for them, the others are spawned on the way.
            for item in &stock().spawns[..PROCESSES / 2] {
                book.posted(item);
                writer.post(item).await;
            }
        }
        answers.extend(live(&writer, &book, &mut rng).await);
        let ledger = writer.stop().await;
        let schedules = follow_ledger(&ledger)?;
        check_answers(&answers, &schedules)?;
        check_heights(&ledger)?;
        book.check(&schedules)?;
    }
    Ok(())
}

/// Every refusal has its reason: an unknown process, or a content that is there already (DUP-2).
fn check_answers(answers: &Answers, schedules: &[Schedule]) -> Result<(), String> {
    let places = schedules.iter().flat_map(|schedule| &schedule.places);
    let placed: HashMap<_, _> = places.map(|place| (place.message, place.nonce)).collect();
    for group in &stock().pushed {
        let there = group.iter().filter(|item| placed.contains_key(&item.id().into())).count();
        if there > 1 {
            return Err(format!("DUP-2: {there} pushes of one content, as {}", group[0].id()));
        }
    }
    for (item, answer) in answers {
        let Some(Posted::Refused(status, why)) = answer else { continue };
        let twin = stock().pushed.iter().find(|group| group.iter().any(|i| i.id() == item.id()));
        let allowed = match status.as_u16() {
            404 => true, // it came before the spawn was placed
            409 => twin.is_some_and(|twin| {
                twin.iter().any(|i| i.id() != item.id() && placed.contains_key(&i.id().into()))
            }),
            _ => false,
        };
        if !allowed {
            return Err(format!("{} was refused: {status} {why}", item.id()));
        }
    }
    Ok(())
}

/// Block heights never go back within a process, whatever the gateways say after a restart.
fn check_heights(ledger: &Ledger) -> Result<(), String> {
    let text = |error: rota_ledger::LedgerError| error.to_string();
    for row in ledger.processes().map_err(text)? {
        let (process, mut highest) = (row.map_err(text)?.0, 0);
        for entry in ledger.entries(&process, 0).map_err(text)? {
            let item = Item::parse(entry.map_err(text)?.assignment).map_err(|e| e.to_string())?;
            let slot = Assignment::read(&item).map_err(|error| error.to_string())?.slot;
            if slot.block_height < highest {
                return Err(format!("{process}: height {} after {highest}", slot.block_height));
            }
            highest = slot.block_height;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_hold_whatever_the_clock_and_the_clients_do() {
    for seed in PINNED.into_iter().chain(0..rounds(SEEDS)) {
        println!("seed {seed}");
        if let Err(why) = simulate(seed).await {
            panic!("seed {seed}: {why}");
        }
    }
}
