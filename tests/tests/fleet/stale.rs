//! Routers that are behind: what they believe of a process was true before it moved. No client is to notice.

use crate::town::{Machine, Town};
use reqwest::redirect::Policy;
use rota_schedule::{Directory as _, ProcessId};
use rota_testkit::{RotaProcess, message, spawn};
use rota_tests::{Book, post, rounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What a router with this setting learns by itself is never out of date for long enough.
const STALE: (&str, &str) = ("ROUTE_CACHE_MAX", "1h");
/// How long a post may take while its process moves.
const MOMENT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(4);

/// How a client treats redirects.
#[derive(Clone, Copy)]
enum Follows {
    /// None: behind a proxy there must be none.
    Nothing,
    /// One, as message units do; a second one is an error.
    One,
}

impl Follows {
    fn client(self) -> reqwest::Client {
        let policy = match self {
            Self::Nothing => Policy::none(),
            Self::One => Policy::limited(1),
        };
        reqwest::Client::builder().redirect(policy).timeout(MOMENT).build().unwrap()
    }
}

/// Clients that post without a second try.
struct Strict {
    tasks: JoinSet<()>,
    enough: Arc<AtomicBool>,
    acks: Arc<AtomicUsize>,
}

impl Strict {
    fn start(
        routers: &[(&RotaProcess, Follows)],
        processes: &[ProcessId],
        book: &Arc<Book>,
    ) -> Self {
        let (enough, acks) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        for (router, follows) in routers {
            for process in processes.iter().copied() {
                let (url, client, book) = (router.url.clone(), follows.client(), book.clone());
                let (enough, acks) = (enough.clone(), acks.clone());
                tasks.spawn(async move {
                    while !enough.load(Ordering::Relaxed) {
                        let item = message(process).sign();
                        post(&client, &url, &item, &book).await.unwrap();
                        acks.fetch_add(1, Ordering::Relaxed);
                        sleep(PAUSE).await;
                    }
                });
            }
        }
        Self { tasks, enough, acks }
    }

    /// Waits for so many more acknowledgements.
    async fn more(&mut self, count: usize) {
        let (until, since) = (self.acks.load(Ordering::Relaxed) + count, Instant::now());
        while self.acks.load(Ordering::Relaxed) < until {
            assert!(since.elapsed() < MOMENT * 4, "no acknowledgements come any more");
            if let Some(ended) = self.tasks.try_join_next() {
                ended.unwrap(); // it has not been told to end
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn finish(mut self) {
        self.enough.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

async fn two(town: &Town) -> (Machine, Machine) {
    (town.ready("a").await, town.ready("b").await)
}

/// Two routers, which know the processes where they are now.
async fn routers(
    town: &Town,
    processes: &[ProcessId],
    more: &[(&str, &str)],
) -> (RotaProcess, RotaProcess) {
    let with = |mode| town.router(&[&[("ROUTE_MODE", mode)], more].concat());
    let (proxy, redirect) = (with("proxy"), with("redirect"));
    for (router, follows) in [(&proxy, Follows::Nothing), (&redirect, Follows::One)] {
        for process in processes {
            let item = message(*process).sign();
            post(&follows.client(), &router.url, &item, &town.book).await.unwrap();
        }
    }
    (proxy, redirect)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_stale_routers_no_client_notices_that_processes_move_to_and_fro() {
    let town = Town::new().await;
    let (a, b) = two(&town).await;
    let processes = town.spawned(&a, 3).await;
    let (proxy, redirect) = routers(&town, &processes, &[STALE]).await;
    let mut clients = Strict::start(
        &[(&proxy, Follows::Nothing), (&redirect, Follows::One)],
        &processes,
        &town.book,
    );
    clients.more(50).await;
    for _ in 0..rounds(2) {
        for to in ["b", "a", "b"] {
            for process in &processes[..2] {
                town.moved(*process, to).await;
            }
            clients.more(50).await;
        }
        for process in &processes[..2] {
            town.moved(*process, "a").await;
        }
    }
    clients.finish().await;
    town.check();
    drop((a, b));
}

#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn post_to_a_writer_that_gets_the_process_back_meanwhile_is_placed() {
    let town = Town::new().await;
    let slow = [("FAILPOINTS", "writer::whereabouts=1*sleep(3000)")];
    let a = town.machine_with("a", rota_tests::fast_dir(), &slow);
    a.ready().await;
    let b = town.ready("b").await;
    let process = town.spawned(&a, 1).await[0];
    town.moved(process, "b").await;
    let (url, book, item) = (a.rota.url.clone(), town.book.clone(), message(process).sign());
    let client = Follows::Nothing.client();
    let posted = tokio::spawn(async move { post(&client, &url, &item, &book).await });
    sleep(Duration::from_millis(300)).await; // it has learned that the process is not here
    town.moved(process, "a").await;
    posted.await.unwrap().unwrap();
    town.check();
    drop((a, b));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_former_writer_answers_for_the_new_one_by_passing_on() {
    let town = Town::new().await;
    let (a, b) = two(&town).await;
    let process = town.spawned(&a, 1).await[0];
    let (proxy, redirect) = routers(&town, &[process], &[STALE]).await;
    town.moved(process, "b").await;
    let bytes = message(process).data(vec![7; 3_000_000]).sign();
    for (url, follows) in [
        (&a.rota.url, Follows::Nothing),
        (&proxy.url, Follows::Nothing),
        (&redirect.url, Follows::One),
    ] {
        post(&follows.client(), url, &bytes, &town.book).await.unwrap();
        let elsewhere = town.elsewhere();
        let assign = format!("{url}/?process-id={process}&assign={}", elsewhere.id());
        // An MU follows no redirect here.
        let answer = Follows::Nothing.client().post(assign).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{url}");
    }
    // A spawn that came to the wrong writer.
    let spawned = spawn().sign();
    town.directory.bind(spawned.id().into(), &"b".parse().unwrap()).await.unwrap();
    post(&Follows::Nothing.client(), &a.rota.url, &spawned, &town.book).await.unwrap();
    // The new writer is away: nobody is pointed there, and it is worth to come again.
    drop(b.kill_9());
    let answer = Follows::Nothing.client();
    let answer = answer.post(&a.rota.url).body(message(process).sign().bytes().clone());
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    town.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_was_drained_can_be_switched_off_and_no_client_notices() {
    let town = Town::new().await;
    let (a, _b) = two(&town).await;
    let processes = town.spawned(&a, 4).await;
    let (proxy, redirect) = routers(&town, &processes, &[]).await;
    let mut clients = Strict::start(
        &[(&proxy, Follows::Nothing), (&redirect, Follows::One)],
        &processes,
        &town.book,
    );
    clients.more(50).await;
    let said = town.command(&["drain", "a"]).await.unwrap();
    assert!(said.contains("has no processes any more (4 moved)"), "{said}");
    assert!(a.rota.stop_gently().success());
    clients.more(200).await;
    clients.finish().await;
    town.check();
}
