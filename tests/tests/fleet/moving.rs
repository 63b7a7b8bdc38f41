//! Moving processes under load: no item is lost, refused for more than a moment, or placed twice.

use crate::town::{Machine, PATIENCE, Town, until};
use rota_readmodel::{Operator, Ordered};
use rota_schedule::{Directory as _, ProcessId};
use rota_testkit::spawn;
use rota_tests::{http, post, rounds};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// For how long an item may wait because its process moves.
const MOMENT: Duration = Duration::from_secs(2);

impl Town {
    pub(crate) fn operator(&self) -> Operator {
        Operator::new(&self.url.parse().unwrap())
    }

    /// Moves a process and waits until the move is over; gives how long it took.
    pub(crate) async fn moved(&self, process: ProcessId, to: &str) -> Duration {
        let (operator, since) = (self.operator(), Instant::now());
        let ordered = operator.order_move(&process, &to.parse().unwrap()).await.unwrap();
        assert_eq!(ordered, Ordered::Yes);
        loop {
            let progress = operator.progress(&process).await.unwrap().unwrap();
            if progress.state.is_none() {
                assert_eq!(progress.owner, to);
                return since.elapsed();
            }
            assert!(since.elapsed() < PATIENCE, "the move hangs: {progress:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn two(town: &Town) -> (Machine, Machine) {
    (town.ready("a").await, town.ready("b").await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_goes_to_another_writer_and_back_while_clients_send() {
    let town = Town::new().await;
    let (a, b) = two(&town).await;
    let processes = town.spawned(&a, 2).await;
    let clients = town.clients(&processes, 8);
    clients.more(100).await;
    for _ in 0..rounds(3) {
        for to in ["b", "a"] {
            let took = town.moved(processes[0], to).await;
            assert!(took < Duration::from_secs(5), "{took:?}");
            let owner = town.directory.owner(processes[0]).await.unwrap().unwrap();
            assert_eq!(owner.as_str(), to);
            clients.more(60).await;
        }
    }
    let slowest = clients.finish().await;
    assert!(slowest < MOMENT, "an item waited for {slowest:?}");
    let counts = [town.record("a").await.processes, town.record("b").await.processes];
    assert_eq!(counts, [2, 0]);
    town.check();
    for machine in [a, b] {
        assert!(machine.rota.stop_gently().success());
    }
}

/// A client that does not ask the directory gets its answer all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_former_writer_passes_posts_on_and_a_restart_changes_nothing() {
    let town = Town::new().await;
    let (a, b) = two(&town).await;
    let process = town.spawned(&a, 1).await[0];
    town.moved(process, "b").await;
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let item = Town::messages(&[process], 1).remove(0);
    town.book.posted(&item);
    let sent = client.post(format!("{}/?x=1", a.rota.url)).body(item.bytes().clone());
    let answer = sent.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-rota-writer"], "b");
    let a = town.machine_with("a", a.kill_9(), &[]);
    a.ready().await;
    let b = town.machine_with("b", b.kill_9(), &[]);
    b.ready().await;
    rota_tests::post_all(&a.rota.url, Town::messages(&[process], 5), &town.book).await;
    let elsewhere = town.elsewhere();
    let assign = format!("{}/?process-id={process}&assign={}", a.rota.url, elsewhere.id());
    assert_eq!(client.post(assign).send().await.unwrap().status(), 200);
    assert_eq!(town.check()[0].places.len(), 8);
}

/// A disk that was away while another machine wrote under its name holds schedules that have left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_with_processes_that_have_left_is_taken_back() {
    let town = Town::new().await;
    let (a, _b) = two(&town).await;
    let processes = town.spawned(&a, 2).await;
    rota_tests::post_all(&a.rota.url, Town::messages(&processes, 10), &town.book).await;
    town.moved(processes[0], "b").await;
    let disk = a.kill_9();
    let other = town.ready("a").await;
    rota_tests::post_all(&other.rota.url, Town::messages(&processes, 10), &town.book).await;
    assert!(other.rota.stop_gently().success());
    let a = town.machine_with("a", disk, &[]);
    a.ready().await;
    rota_tests::post_all(&a.rota.url, Town::messages(&processes, 10), &town.book).await;
    town.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawn_belongs_to_the_writer_that_the_directory_has_bound_it_to() {
    let town = Town::new().await;
    let (a, b) = two(&town).await;
    let item = spawn().sign();
    let process: ProcessId = item.id().into();
    town.directory.bind(process, &"b".parse().unwrap()).await.unwrap();
    // Twice at the wrong one: passed on to the right one, and the first answer again.
    for _ in 0..2 {
        post(&http(), &a.rota.url, &item, &town.book).await.unwrap();
    }
    post(&http(), &b.rota.url, &item, &town.book).await.unwrap();
    let counts = [town.record("a").await.processes, town.record("b").await.processes];
    assert_eq!(counts, [0, 1]);
    town.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_go_at_once() {
    let town = Town::new().await;
    let (a, _b) = two(&town).await;
    let processes = town.spawned(&a, 120).await;
    let clients = town.clients(&processes[..8], 8);
    let (operator, to) = (town.operator(), "b".parse().unwrap());
    for process in &processes {
        assert_eq!(operator.order_move(process, &to).await.unwrap(), Ordered::Yes);
    }
    let a_name = "a".parse().unwrap();
    until("all have gone", async || operator.count_of(&a_name).await.unwrap() == 0).await;
    until("all moves are over", async || town.sql("SELECT count(*) FROM moves") == "0").await;
    clients.more(30).await;
    let slowest = clients.finish().await;
    assert!(slowest < MOMENT, "an item waited for {slowest:?}");
    assert_eq!(town.record("b").await.processes, 120);
    town.check();
}
