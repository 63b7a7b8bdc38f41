//! Checkpoints of a ledger of 1 GB: what is sent, and how fast it is back compared with copying the same
//! objects to the disk and doing nothing else with them.

use crate::report::{Report, Target, rounded};
use crate::seed::Seeder;
use anyhow::Context as _;
use aws_sdk_s3::Client;
use futures_util::{TryStreamExt as _, stream};
use rota_ans104::Address;
use rota_archive::{Archive, Checkpoints, Manifest, ManifestFile, Taken};
use rota_aws::SdkConfig;
use rota_ledger::Ledger;
use rota_schedule::SystemClock;
use rota_testkit::aws::{Aws, settings_at};
use rota_writer::{Archiver, restore};
use serde_json::{Value, json};
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncWriteExt as _;

/// How large the ledger is on the disk at the least, in bytes; `ROTA_BENCH_LEDGER_BYTES` overrides it.
const LEDGER_BYTES: u64 = 1_000_000_000;
const PROCESS_ENTRIES: usize = 20_000;
/// How often each of the two is measured, in turn.
const ROUNDS: usize = 3;
/// Objects that are fetched at once, by either.
const AT_ONCE: usize = 8;
const WRITER: &str = "bench";
const KEEP: NonZero<usize> = NonZero::new(3).unwrap();
const RESTORE_MIN: f64 = 0.7;

/// Runs them all.
pub(crate) fn run(report: &mut Report, rota: &Path) -> anyhow::Result<()> {
    if !report.wants("checkpoint") {
        return Ok(());
    }
    let aws = Aws::start();
    let bucket = aws.fresh_bucket();
    let dir = tempfile::tempdir()?;
    let mut seeder = Seeder::new(&dir.path().join("ledger"), Address::new([7; 32]))?;
    let seeded = seed(&mut seeder, &dir.path().join("ledger"))?;
    report.fact("checkpoint.seed", json!({ "entries": seeded }));
    let runtime = tokio::runtime::Runtime::new()?;
    let bench = runtime.block_on(Bench::new(&aws, &bucket, dir.path()));
    runtime.block_on(bench.take(report, &mut seeder))?;
    seeder.finish()?;
    runtime.block_on(bench.restore(report))?;
    verified(report, rota, &aws, &bucket, dir.path())
}

/// Fills a ledger, and gives how many entries that took.
fn seed(seeder: &mut Seeder, dir: &Path) -> anyhow::Result<usize> {
    let wanted = match std::env::var("ROTA_BENCH_LEDGER_BYTES") {
        Ok(bytes) => bytes.parse().context("ROTA_BENCH_LEDGER_BYTES")?,
        Err(_) => LEDGER_BYTES,
    };
    let mut entries = 0;
    while size(dir)? < wanted {
        seeder.process(PROCESS_ENTRIES)?;
        entries += PROCESS_ENTRIES;
    }
    Ok(entries)
}

fn size(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for file in std::fs::read_dir(dir)? {
        bytes += file?.metadata()?.len();
    }
    Ok(bytes)
}

/// A ledger and where its checkpoints go.
struct Bench<'a> {
    config: SdkConfig,
    bucket: &'a str,
    checkpoints: Checkpoints,
    dir: &'a Path,
}

impl<'a> Bench<'a> {
    async fn new(aws: &Aws, bucket: &'a str, dir: &'a Path) -> Self {
        let config = rota_aws::stand_in(&aws.endpoint()).await;
        let checkpoints = Archive::new(&config, bucket, "").checkpoints(WRITER, KEEP);
        Self { config, bucket, checkpoints, dir }
    }

    /// A checkpoint of everything, then one of a little more.
    async fn take(&self, report: &Report, seeder: &mut Seeder) -> anyhow::Result<()> {
        for name in ["checkpoint.first", "checkpoint.second"] {
            let (taken, seconds) = self.checkpoint(seeder.ledger()).await?;
            let megabytes = taken.bytes_sent as f64 / 1e6;
            report.fact(
                name,
                json!({
                    "bytes": taken.bytes,
                    "files": taken.files,
                    "bytes_sent": taken.bytes_sent,
                    "files_sent": taken.files_sent,
                    "seconds": rounded(seconds),
                    "mb_per_second": rounded(megabytes / seconds),
                }),
            );
            seeder.process(PROCESS_ENTRIES / 10)?;
        }
        Ok(())
    }

    async fn checkpoint(&self, ledger: &Ledger) -> anyhow::Result<(Taken, f64)> {
        let (dir, clock) = (self.dir.join("ledger"), Arc::new(SystemClock));
        let archiver = Archiver::new(ledger.clone(), self.checkpoints.clone(), &dir, clock);
        let since = Instant::now();
        let taken = archiver.checkpoint(1).await?;
        Ok((taken, since.elapsed().as_secs_f64()))
    }

    /// A restore against a plain copy of the same objects.
    async fn restore(&self, report: &mut Report) -> anyhow::Result<()> {
        let newest = self.checkpoints.list().await?.into_iter().next();
        let manifest = self.checkpoints.manifest(newest.context("no checkpoint")?).await?;
        let (mut copies, mut restores) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let since = Instant::now();
            self.copy(&manifest, &self.dir.join(format!("copy-{round}"))).await?;
            copies.push(since.elapsed().as_secs_f64());
            let since = Instant::now();
            let to = self.dir.join(format!("restored-{round}")).join("ledger");
            restore(&self.checkpoints, None, &to, &|_| (), |_| Ok(())).await?;
            restores.push(since.elapsed().as_secs_f64());
        }
        let rate = |seconds: &[f64]| manifest.bytes as f64 / 1e6 / median(seconds);
        let (copied, restored) = (rate(&copies), rate(&restores));
        report.judged(
            "checkpoint.restore",
            json!({
                "bytes": manifest.bytes,
                "mb_per_second": rounded(restored),
                "copy_mb_per_second": rounded(copied),
            }),
            &[("of_copy", restored / copied, Target::Min(RESTORE_MIN))],
        );
        Ok(())
    }

    /// The objects of a checkpoint, on the disk.
    async fn copy(&self, manifest: &Manifest, dir: &Path) -> anyhow::Result<()> {
        std::fs::create_dir(dir)?;
        let client = Client::new(&self.config);
        stream::iter(manifest.files.iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |file| copy(&client, self.bucket, file, dir))
            .await
    }
}

async fn copy(
    client: &Client,
    bucket: &str,
    file: &ManifestFile,
    dir: &Path,
) -> anyhow::Result<()> {
    let object = client.get_object().bucket(bucket).key(&file.key).send().await;
    let mut body = object.context("an object of the checkpoint")?.body;
    let mut to = tokio::fs::File::create(dir.join(&file.name)).await?;
    while let Some(chunk) = body.next().await {
        to.write_all(&chunk?).await?;
    }
    to.flush().await?;
    Ok(to.sync_all().await?)
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The command, which also follows every link.
fn verified(
    report: &Report,
    rota: &Path,
    aws: &Aws,
    bucket: &str,
    dir: &Path,
) -> anyhow::Result<()> {
    let since = Instant::now();
    let output = Command::new(rota)
        .args(["checkpoint", "restore", "--name", WRITER, "--data-dir", "command"])
        .current_dir(dir)
        .envs(settings_at(&aws.endpoint()))
        .env("ARCHIVE_BUCKET", bucket)
        .output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Vec<Value> =
        String::from_utf8_lossy(&output.stdout).lines().map(|line| json!(line)).collect();
    let seconds = rounded(since.elapsed().as_secs_f64());
    report.fact("checkpoint.command", json!({ "seconds": seconds, "said": said }));
    Ok(())
}
