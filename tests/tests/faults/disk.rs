//! The disk is full, or a file cannot grow.

use crate::{Site, binary};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rota_ans104::Item;
use rota_testkit::alarm::{Alarm, Minute, metrics_lines};
use rota_testkit::{Client, RotaProcess, message};
use rota_tests::post;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::sleep;

/// The whole disk. In memory, so only what is written takes memory.
const DISK: &str = "size=160m";
/// What somebody else has put there, in bytes. The rest is more than RocksDB takes in advance for a new
/// log, and freeing this much is enough to write out what lies in the logs.
const FILLER_BYTES: usize = 112 << 20;
const MESSAGE_BYTES: usize = 1 << 20;
const MESSAGES_MAX: usize = 200;
const RECOVERS_WITHIN: Duration = Duration::from_secs(30);
/// The most a file may have, in blocks of 512 bytes as `ulimit -f` counts in `sh`.
const FILE_BLOCKS_MAX: u32 = 8 * 2_048;

/// A file system of its own; gone with this value.
struct Disk(TempDir);

impl Disk {
    fn mount() -> Result<Self, String> {
        let dir = TempDir::new().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", DISK, "tmpfs"])
            .arg(dir.path())
            .output();
        match mount {
            Ok(output) if output.status.success() => Ok(Self(dir)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily, because the scheduler that was just killed may still hold it for a moment.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Posts until the first post that is refused; gives it and why.
async fn fill_up(site: &Site, rota: &RotaProcess) -> (Item, String) {
    let client = rota_tests::http();
    let mut noise = StdRng::seed_from_u64(1);
    for _ in 0..MESSAGES_MAX {
        let mut data = vec![0; MESSAGE_BYTES];
        noise.fill_bytes(&mut data);
        let item = message(site.processes[0]).data(data).sign();
        if let Err(why) = post(&client, &rota.url, &item, &site.book).await {
            return (item, why);
        }
    }
    panic!("the disk is never full");
}

/// What must hold once a write has failed: no post, a reason, and reads.
async fn refuses_and_reads(site: &Site, rota: &RotaProcess, first: &str) {
    assert!(first.starts_with("503"), "{first}");
    let client = Client::new(&rota.url);
    let answer = client.post(&message(site.processes[0]).sign()).await;
    assert!(answer.error(503).contains("not accepting writes"), "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    let health = client.get("/health").await;
    assert!(health.error(503).contains("write to the ledger failed"), "{}", health.text());
    assert_eq!(client.metric("rota_ledger_failed").await, 1.0);
    client.get(&format!("/{}/latest", site.processes[0])).await.ok();
    site.check(rota).await;
}

async fn goes_on(site: &Site) {
    let rota = site.start(&[]);
    site.check(&rota).await;
    rota_tests::post_all(&rota.url, site.messages(3), &site.book).await;
    site.check(&rota).await;
    assert!(rota.stop_gently().success());
}

/// A small disk, if this machine lets one be mounted.
fn small_disk() -> Option<Disk> {
    match Disk::mount() {
        Ok(disk) => Some(disk),
        Err(why) => {
            println!("skipped, cannot mount a small disk: {why}");
            None
        }
    }
}

/// A scheduler with some entries on a disk with little room left, and the file that takes the rest of it.
async fn nearly_full(disk: &Disk) -> (Site, RotaProcess, PathBuf) {
    let mut site = Site::in_dir(disk.0.path());
    let filler = disk.0.path().join("filler");
    let rota = site.start(&[]);
    site.fill(&rota, 2, 5).await;
    fs::write(&filler, vec![0; FILLER_BYTES]).unwrap();
    (site, rota, filler)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_posts_and_nothing_else() {
    let Some(disk) = small_disk() else { return };
    let (site, rota, filler) = nearly_full(&disk).await;
    let (_, refused) = fill_up(&site, &rota).await;
    refuses_and_reads(&site, &rota, &refused).await;
    let _ = rota.logged_with("no space is left");
    rota.kill_9();
    fs::remove_file(filler).unwrap();
    goes_on(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_that_gets_room_again_needs_no_restart() {
    let Some(disk) = small_disk() else { return };
    let (site, rota, filler) = nearly_full(&disk).await;
    let (item, refused) = fill_up(&site, &rota).await;
    refuses_and_reads(&site, &rota, &refused).await;
    // A moment of a little room is not enough, and changes nothing.
    fs::OpenOptions::new()
        .write(true)
        .open(&filler)
        .unwrap()
        .set_len(FILLER_BYTES as u64 - 4_096)
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    refuses_and_reads(&site, &rota, &refused).await;
    fs::remove_file(&filler).unwrap();
    let since = Instant::now();
    // What was not answered is posted again; whoever comes while the ledger is opened waits for that.
    while let Err(why) = post(&rota_tests::http(), &rota.url, &item, &site.book).await {
        assert!(why.starts_with("503"), "{why}");
        assert!(since.elapsed() < RECOVERS_WITHIN, "{why}");
        sleep(Duration::from_millis(100)).await;
    }
    rota_tests::post_all(&rota.url, site.messages(5), &site.book).await;
    let client = Client::new(&rota.url);
    assert_eq!(client.get("/health").await.status, 200);
    assert_eq!(client.metric("rota_ledger_failed").await, 0.0);
    site.check(&rota).await;
    rota.kill_9();
    goes_on(&site).await;
}

/// The alarm that comes before: `infra/alarms-writer.yaml`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_is_alarmed() {
    let disk = match Disk::mount() {
        Ok(disk) => disk,
        Err(why) => return println!("skipped, cannot mount a small disk: {why}"),
    };
    // Between what is free before and after.
    let limits =
        [("WriterName", "main"), ("MetricsNamespace", "rota"), ("DiskFreePercentMin", "35")];
    let alarm = Alarm::all("alarms-writer.yaml", &limits)["Disk"].clone();
    let mut site = Site::in_dir(disk.0.path());
    let rota = site.start(&[("METRICS_LOG_INTERVAL", "100ms")]);
    site.fill(&rota, 1, 1).await;
    let minutes = || -> Vec<Minute> {
        metrics_lines(&rota.printed()).into_iter().map(|line| vec![line]).collect()
    };
    let enough = async |lines| {
        while minutes().len() < lines {
            sleep(Duration::from_millis(20)).await;
        }
    };
    enough(alarm.minutes()).await;
    assert!(!alarm.fires(&minutes()), "{:?}", alarm.sees(&minutes()));
    fs::write(disk.0.path().join("filler"), vec![0; FILLER_BYTES]).unwrap();
    enough(minutes().len() + alarm.minutes() + 1).await;
    assert!(alarm.fires(&minutes()), "{:?}", alarm.sees(&minutes()));
    rota.kill_9();
}

/// Works without privileges: a wrapper that lets no file grow beyond some size.
fn limited(dir: &Path) -> PathBuf {
    let script = dir.join("rota-limited");
    let text = format!(
        "#!/bin/sh\ntrap '' XFSZ\nulimit -f {FILE_BLOCKS_MAX}\nexec {} \"$@\"\n",
        binary().display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    script
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_cannot_grow_stops_posts_and_nothing_else() {
    let mut site = Site::new();
    let rota = RotaProcess::start(&limited(&site.home), &site.home, &[]);
    site.fill(&rota, 2, 5).await;
    let (_, refused) = fill_up(&site, &rota).await;
    refuses_and_reads(&site, &rota, &refused).await;
    rota.kill_9();
    goes_on(&site).await;
}
