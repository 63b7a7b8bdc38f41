//! Writers with an archive: a machine that has nothing starts from the newest checkpoint and the database, and
//! large bodies lie in S3, whoever can reach it.

use crate::town::{BIN, Machine, PATIENCE, Town, until};
use rota_ledger::{Ledger, LedgerOptions};
use rota_schedule::ProcessId;
use rota_testkit::port::free_port;
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_testkit::scheduler::command;
use rota_testkit::{Client, message};
use rota_tests::{fast_dir, follow_ledger};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The size from which bodies lie in the archive, and something more.
const LARGE: usize = 300 << 10;

fn with_bucket(town: &Town, name: &str, bucket: &str) -> Machine {
    town.machine_with(name, fast_dir(), &[("ARCHIVE_BUCKET", bucket)])
}

async fn checkpoint(town: &Town, name: &str) -> String {
    let (operator, name) = (town.operator(), name.parse().unwrap());
    let number = operator.order_checkpoint(&name).await.unwrap().unwrap();
    until("the checkpoint is taken", async || {
        operator.checkpoint_outcome(&name, number).await.unwrap().is_some()
    })
    .await;
    operator.checkpoint_outcome(&name, number).await.unwrap().unwrap()
}

/// A writer that has entries and a checkpoint of them, its bucket, and the processes.
async fn with_checkpoint(town: &Town) -> (String, Vec<ProcessId>, Machine) {
    let bucket = town.aws.fresh_bucket();
    let writer = with_bucket(town, "w", &bucket);
    writer.ready().await;
    let processes = town.spawned(&writer, 2).await;
    rota_tests::post_all(&writer.rota.url, Town::messages(&processes, 40), &town.book).await;
    checkpoint(town, "w").await;
    (bucket, processes, writer)
}

async fn post_large(town: &Town, at: &Machine, process: ProcessId, mark: &str) -> String {
    let item = message(process).data("x".repeat(LARGE) + mark).sign();
    let id = item.id().to_string();
    rota_tests::post_all(&at.rota.url, vec![item], &town.book).await;
    id
}

/// What a reader gets as the data of a message.
async fn data_of(at: &Machine, process: ProcessId, id: &str) -> String {
    let answer = Client::new(&at.rota.url).get(&format!("/{id}?process-id={process}")).await;
    answer.ok()["message"]["data"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_with_nothing_starts_from_the_newest_checkpoint_and_the_database() {
    let town = Town::new().await;
    let bucket = town.aws.fresh_bucket();
    let writer = with_bucket(&town, "w", &bucket);
    writer.ready().await;
    let processes = town.spawned(&writer, 3).await;
    rota_tests::post_all(&writer.rota.url, Town::messages(&processes, 100), &town.book).await;
    let large = post_large(&town, &writer, processes[0], "before").await;
    let first = checkpoint(&town, "w").await;
    rota_tests::post_all(&writer.rota.url, Town::messages(&processes, 100), &town.book).await;
    let second = checkpoint(&town, "w").await;
    assert!(first.contains("files") && second != first, "{first} {second}");
    rota_tests::post_all(&writer.rota.url, Town::messages(&processes, 50), &town.book).await;
    let after = post_large(&town, &writer, processes[1], "after").await;
    drop(writer.kill_9());

    let writer = with_bucket(&town, "w", &bucket);
    writer.ready().await;
    let _ = writer.rota.logged_with("restored a checkpoint: all links verify");
    rota_tests::post_all(&writer.rota.url, Town::messages(&processes, 20), &town.book).await;
    assert!(data_of(&writer, processes[0], &large).await.ends_with("before"));
    assert!(data_of(&writer, processes[1], &after).await.ends_with("after"));
    let Machine { disk, rota } = writer;
    assert!(rota.stop_gently().success());
    // All of it is in the ledger, too, and the database has no large body.
    let ledger = Ledger::open(&disk.path().join("data/ledger"), LedgerOptions::default()).unwrap();
    let mut ours = follow_ledger(&ledger).unwrap();
    ours.sort_by_key(|schedule| *schedule.process.as_bytes());
    town.book.check(&ours).unwrap();
    assert_eq!(ours.iter().map(|schedule| schedule.places.len()).sum::<usize>(), 275);
    assert_eq!(town.sql("SELECT count(*) FROM bodies_by_hash"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_off_from_the_archive_a_writer_takes_items_of_any_size() {
    let town = Town::new().await;
    let bucket = town.aws.fresh_bucket();
    let line = FaultProxy::start(town.aws.port());
    let s3 = line.url(&town.aws.endpoint());
    let settings = [("ARCHIVE_BUCKET", bucket.as_str()), ("AWS_ENDPOINT_URL_S3", s3.as_str())];
    let writer = town.machine_with("w", fast_dir(), &settings);
    writer.ready().await;
    let processes = town.spawned(&writer, 2).await;
    let kept = post_large(&town, &writer, processes[0], "kept").await;
    let clients = town.clients(&processes[1..], 2);
    line.set(Fault::Stall);
    let since = Instant::now();
    let other = post_large(&town, &writer, processes[0], "other").await;
    assert!(since.elapsed() < Duration::from_secs(9), "took {:?}", since.elapsed());
    clients.more(20).await;
    assert!(data_of(&writer, processes[0], &other).await.ends_with("other"));
    assert_eq!(town.sql("SELECT count(*) FROM bodies_by_hash"), "1");
    let unreadable = Client::new(&writer.rota.url).get(&format!("/{kept}")).await;
    assert_eq!(unreadable.status, 503, "never an entry without its body");
    line.heal();
    assert!(data_of(&writer, processes[0], &kept).await.ends_with("kept"));
    let slowest = clients.finish().await;
    assert!(slowest < Duration::from_secs(9), "{slowest:?}");
}

/// A writer that may not have said yet that it stands by. Killed when it is dropped.
struct Running(Option<Child>);

impl Running {
    /// Has it stop by itself, and gives what it logged.
    fn stop(mut self) -> String {
        let mut child = self.0.take().unwrap();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        let until = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() >= until {
                child.kill().unwrap();
            }
            thread::sleep(Duration::from_millis(10));
        }
        let ended = child.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{}: {log}", ended.status);
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill(); // fails only if it has ended
            let _ = child.wait();
        }
    }
}

/// A supervisor must know it from a machine that hangs, and be able to stop it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_fills_its_disk_says_so_is_waited_for_and_can_be_stopped() {
    let town = Town::new().await;
    let (bucket, _, writer) = with_checkpoint(&town).await;
    assert!(writer.rota.stop_gently().success());
    let line = FaultProxy::start(town.aws.port());
    line.set(Fault::Delay(Duration::from_secs(1)));
    let s3 = line.url(&town.aws.endpoint());
    let (disk, port) = (fast_dir(), free_port().to_string());
    let start = || {
        let mut command = command(Path::new(BIN));
        command.args(["writer", "--name", "w", "--port", &port, "--data-dir"]).arg(disk.path());
        command.envs(town.settings());
        command.envs([("ARCHIVE_BUCKET", &bucket), ("AWS_ENDPOINT_URL_S3", &s3)]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(Some(command.spawn().unwrap()))
    };
    let health = async |wait| town.command(&["health", "--port", &port, "--wait", wait]).await;
    for is_stopped in [true, false] {
        let child = start();
        until("it says that it fills its disk", async || {
            health("0").await.is_err_and(|said| said.contains("filling its disk"))
        })
        .await;
        if !is_stopped {
            health("120").await.unwrap();
        }
        let restored = child.stop().contains("restored a checkpoint: all links verify");
        assert_eq!(restored, !is_stopped);
    }
    town.check();
}

/// A standby in a bucket's way of things: what the archive cannot give, the database has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_archive_a_machine_with_nothing_starts_from_the_database_alone() {
    let town = Town::new().await;
    let (bucket, processes, writer) = with_checkpoint(&town).await;
    drop(writer.kill_9());
    let line = FaultProxy::start(town.aws.port());
    line.set(Fault::Refuse);
    let s3 = line.url(&town.aws.endpoint());
    let settings = [("ARCHIVE_BUCKET", bucket.as_str()), ("AWS_ENDPOINT_URL_S3", s3.as_str())];
    let writer = town.machine_with("w", fast_dir(), &settings);
    writer.ready().await;
    let _ = writer.rota.logged_with("no checkpoint was restored");
    rota_tests::post_all(&writer.rota.url, Town::messages(&processes, 10), &town.book).await;
    town.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkpoint_of_another_database_is_not_restored() {
    let (town, other) = (Town::new().await, Town::new().await);
    let (bucket, _, writer) = with_checkpoint(&town).await;
    assert!(writer.rota.stop_gently().success());
    let started = other.ready("v").await; // so the other database has an identity
    let settings = [("ARCHIVE_BUCKET", bucket.as_str())];
    let refused = other.try_machine("w", fast_dir(), &settings).map(|_| ()).unwrap_err();
    assert!(refused.contains("checkpoints of this name belong to another database"), "{refused}");
    assert_eq!(other.sql("SELECT string_agg(name, ' ') FROM writers"), "v");
    assert!(started.rota.stop_gently().success());
}
