//! Reading from a hot standby: CPU a request of reader and servers together, with schedules of a thousand
//! and of millions of entries in one table.

use super::seed::{Seeded, Seeder};
use crate::client::{self, Request};
use crate::report::{Report, Target, rounded};
use crate::server::Scheduler;
use rota_ans104::{Wallet, WalletKind};
use rota_testkit::postgres::{PostgresCluster, PostgresOptions, Replica};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

const RUN_FOR: Duration = Duration::from_secs(4);
const CONNECTIONS: usize = 16;
const DATABASE: &str = "reads";
const SHORT: u64 = 1_000;
const LONG: u64 = 10_000_000;

/// What is measured: name, limit in milliseconds of CPU, path.
type Case = (&'static str, f64, fn(&Seeded) -> String);

const CASES: [Case; 4] = [
    ("database.read.page_of_100", 1.5, page),
    ("database.read.page_by_time", 1.5, page_by_time),
    ("database.read.message", 0.25, |seeded| {
        format!("/{}?process-id={}", seeded.message.id(), seeded.process)
    }),
    ("database.read.latest", 0.25, |seeded| format!("/{}/latest", seeded.process)),
];

/// A page from the middle of the schedule.
fn page(seeded: &Seeded) -> String {
    format!("/{}?from-nonce={}&limit=100", seeded.process, seeded.before_real())
}

/// The same page, as Compute Units ask for it.
fn page_by_time(seeded: &Seeded) -> String {
    let from = 1_700_000_000_000 + seeded.before_real();
    format!("/{}?from={from}&to={}&limit=100", seeded.process, from + 300)
}

/// Seeds one database and measures all reads on it.
pub(crate) fn run(report: &mut Report, rota: &Path) -> anyhow::Result<()> {
    let wanted: Vec<Case> = CASES.into_iter().filter(|(name, ..)| report.wants(name)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let cluster = PostgresCluster::start(PostgresOptions { fsync: true });
    let seeded = seed(&cluster, report)?;
    let replica = cluster.replica();
    let dir = tempfile::tempdir()?;
    Wallet::generate(WalletKind::Ed25519)?.save_new(&dir.path().join("wallet.json"))?;
    let urls =
        [("DATABASE_URL", cluster.url(DATABASE)), ("DATABASE_READ_URL", replica.url(DATABASE))];
    let settings = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let scheduler = Scheduler::on(rota, dir.path(), &settings)?;
    let bench = Bench { cluster: &cluster, replica: &replica, scheduler: &scheduler };
    for (name, limit_ms, path) in wanted {
        let mut cpu = Vec::new();
        for seeded in &seeded {
            let name = format!("{name}.of_{}", seeded.entries);
            cpu.push(bench.measure(report, &name, limit_ms, &path(seeded))?);
        }
        let flat = cpu.iter().copied().fold(f64::MIN, f64::max)
            / cpu.iter().copied().fold(f64::MAX, f64::min);
        let judged = [("longest_to_shortest", flat, Target::Max(1.25))];
        report.judged(&format!("{name}.flat"), json!({}), &judged);
    }
    Ok(())
}

fn seed(cluster: &PostgresCluster, report: &Report) -> anyhow::Result<[Seeded; 2]> {
    let start = Instant::now();
    cluster.create_database(DATABASE);
    let runtime = tokio::runtime::Runtime::new()?;
    let seeded = runtime.block_on(async {
        let mut seeder = Seeder::new(cluster, DATABASE).await?;
        anyhow::Ok([seeder.process(SHORT).await?, seeder.process(LONG).await?])
    })?;
    cluster.sql(DATABASE, "VACUUM (FREEZE, ANALYZE) entries");
    cluster.sql(DATABASE, "CHECKPOINT");
    report.fact(
        "database.read.seeded",
        json!({ "rows": SHORT + LONG, "seconds": rounded(start.elapsed().as_secs_f64()) }),
    );
    Ok(seeded)
}

struct Bench<'a> {
    cluster: &'a PostgresCluster,
    replica: &'a Replica,
    scheduler: &'a Scheduler,
}

impl Bench<'_> {
    fn cpu_seconds(&self) -> anyhow::Result<[f64; 3]> {
        let servers = [self.cluster.cpu_seconds(), self.replica.cpu_seconds()];
        Ok([self.scheduler.cpu_seconds()?, servers[0], servers[1]])
    }

    fn measure(
        &self,
        report: &mut Report,
        name: &str,
        limit_ms: f64,
        path: &str,
    ) -> anyhow::Result<f64> {
        let address = self.scheduler.address()?;
        let requests: Vec<Vec<Request>> = vec![vec![client::get(path)]; CONNECTIONS];
        client::run(address, &requests, RUN_FOR / 8, true)?;
        let before = self.cpu_seconds()?;
        let load = client::run(address, &requests, RUN_FOR, true)?;
        let after = self.cpu_seconds()?;
        let each = |part: usize| (after[part] - before[part]) * 1e3 / load.answers as f64;
        let cpu_ms = each(0) + each(1) + each(2);
        let facts = json!({
            "per_second": rounded(load.rate()),
            "p50_ms": rounded(load.percentile_ms(50)),
            "p99_ms": rounded(load.percentile_ms(99)),
            "cpu_ms_reader": rounded(each(0)),
            "cpu_ms_primary": rounded(each(1)),
            "cpu_ms_replica": rounded(each(2)),
            "body_bytes": load.body_bytes,
        });
        report.judged(name, facts, &[("cpu_ms", cpu_ms, Target::Max(limit_ms))]);
        Ok(cpu_ms)
    }
}
