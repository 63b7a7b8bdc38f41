//! Files that may be open are short: clients take all that they can get, or the system gives no more.

use crate::{Site, binary};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rota_ans104::Item;
use rota_service::OpenFiles;
use rota_testkit::{Client, RotaProcess, message};
use rota_tests::{http, post};
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// What many systems allow without being asked.
const FILES_MAX: u64 = 1_024;
const IDLE: usize = 1_000;
const MESSAGE_BYTES: usize = 1 << 20;
/// More than the ledger takes in without a new file.
const MESSAGES_MAX: usize = 200;
/// How long a post may take, in a debug build on a busy machine. Clients that never ask are closed after 10 s.
const POST_MAX: Duration = Duration::from_secs(5);
const RECOVERS_WITHIN: Duration = Duration::from_secs(30);

/// The command under a limit that it cannot raise.
fn limited(dir: &Path) -> PathBuf {
    let script = dir.join("rota-limited");
    let text = format!("#!/bin/sh\nulimit -n {FILES_MAX}\nexec {} \"$@\"\n", binary().display());
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    script
}

fn large(site: &Site, noise: &mut StdRng) -> Item {
    let mut data = vec![0; MESSAGE_BYTES];
    noise.fill_bytes(&mut data);
    message(site.processes[0]).data(data).sign()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_hold_no_post() {
    OpenFiles::raise().unwrap(); // the clients are in this process
    let mut site = Site::new();
    let rota = RotaProcess::start(&limited(&site.home), &site.home, &[]);
    site.fill(&rota, 2, 5).await;
    let address = rota.url.strip_prefix("http://").unwrap();
    let idle: Vec<TcpStream> = (0..IDLE)
        .map(|index| {
            let mut stream = TcpStream::connect(address).unwrap();
            if index % 2 == 0 {
                // It may have been closed already, for another one.
                let _ = stream.write_all(b"GET /timestamp HTTP/1.1\r\nhost: a\r\n\r\n");
            }
            stream
        })
        .collect();
    let mut noise = StdRng::seed_from_u64(1);
    for _ in 0..60 {
        let (item, since) = (large(&site, &mut noise), Instant::now());
        post(&http(), &rota.url, &item, &site.book).await.unwrap();
        assert!(since.elapsed() < POST_MAX, "{:?}", since.elapsed());
    }
    let client = Client::new(&rota.url);
    assert_eq!(client.metric("rota_open_files_max").await, FILES_MAX as f64);
    let open = client.metric("rota_open_files").await;
    assert!(open < FILES_MAX as f64 - 100.0, "{open}");
    assert_eq!(client.get("/health").await.status, 200);
    drop(idle);
    site.check(&rota).await;
    let _ = rota.logged_with("files that may be open");
    assert!(rota.stop_gently().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_is_too_low_ends_the_start_and_says_what_to_do() {
    let site = Site::new();
    let script = site.home.join("rota-limited");
    let text = format!("#!/bin/sh\nulimit -n 100\nexec {} \"$@\"\n", binary().display());
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    let why = RotaProcess::try_start(&script, &site.home, &[]).err().unwrap();
    assert!(why.contains("100 files open") && why.contains("ulimit -n"), "{why}");
}

/// The lowest number that no open file of a process has.
fn lowest_free(pid: u32) -> u64 {
    let taken = |number: &u64| Path::new(&format!("/proc/{pid}/fd/{number}")).is_symlink();
    (0..).find(|number| !taken(number)).unwrap()
}

fn allow(pid: u32, files: u64) {
    let pid = pid.to_string();
    let limit = format!("--nofile={files}:");
    let set = Command::new("prlimit").args(["--pid", &pid, &limit]).status().unwrap();
    assert!(set.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shortage_of_files_that_ends_is_left_without_a_restart() {
    let mut site = Site::new();
    let rota = site.start(&[]);
    site.fill(&rota, 2, 5).await;
    let (client, mut noise) = (http(), StdRng::seed_from_u64(2));
    let first = large(&site, &mut noise);
    post(&client, &rota.url, &first, &site.book).await.unwrap(); // by a connection that stays
    allow(rota.pid(), lowest_free(rota.pid()));
    let mut refused = None;
    for _ in 0..MESSAGES_MAX {
        let item = large(&site, &mut noise);
        if let Err(why) = post(&client, &rota.url, &item, &site.book).await {
            refused = Some((item, why));
            break;
        }
    }
    let (item, why) = refused.expect("the ledger needs a new file now and then");
    assert!(why.starts_with("503"), "{why}");
    allow(rota.pid(), FILES_MAX);
    let since = Instant::now();
    // What was not answered is posted again.
    while let Err(why) = post(&http(), &rota.url, &item, &site.book).await {
        assert!(since.elapsed() < RECOVERS_WITHIN, "{why}");
        sleep(Duration::from_millis(100)).await;
    }
    rota_tests::post_all(&rota.url, site.messages(3), &site.book).await;
    let health = Client::new(&rota.url);
    assert_eq!(health.get("/health").await.status, 200);
    assert_eq!(health.metric("rota_ledger_failed").await, 0.0);
    let _ = rota.logged_with("no file is left to open");
    let _ = rota.logged_with("the ledger is open again");
    site.check(&rota).await;
    assert!(rota.stop_gently().success());
}
