//! Reading from a hot standby: CPU a request of reader and servers together, with schedules of a thousand
//! and of millions of entries in one table.

use super::seed::{Seeded, Seeder};
use crate::client::{self, Connection, Request};
use crate::report::{Report, Target, rounded};
use crate::server::Scheduler;
use rota_ans104::{Address, Wallet, WalletKind};
use rota_testkit::postgres::{PostgresCluster, PostgresOptions, Replica};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

const RUN_FOR: Duration = Duration::from_secs(4);
const CONNECTIONS: usize = 16;
const DATABASE: &str = "reads";
const EMPTY: &str = "empty";
/// What writing a row may cost the primary, in milliseconds of CPU: little against a signature (2 to 5 ms),
/// however large the table is. Beyond that the table would have to be partitioned.
const ROW_MS_MAX: f64 = 0.1;
/// Rows that are written to see what one costs.
const GROWTH: u64 = 8_000;
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

/// What a client has already: name, limit in milliseconds of the databases' CPU, path. A closed page asks
/// them nothing, the end of a schedule one index probe.
const UNCHANGED: [Case; 2] = [
    ("database.read.unchanged_closed_page", 0.005, page),
    ("database.read.unchanged_open_page", 0.06, |seeded| {
        format!("/{}?from-nonce={}", seeded.process, seeded.entries - 2)
    }),
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
    let wanted = |cases: &[Case]| -> Vec<Case> {
        cases.iter().filter(|(name, ..)| report.wants(name)).copied().collect()
    };
    let (cases, unchanged) = (wanted(&CASES), wanted(&UNCHANGED));
    if cases.is_empty() && unchanged.is_empty() {
        return Ok(());
    }
    let cluster = PostgresCluster::start(PostgresOptions { fsync: true });
    let runtime = tokio::runtime::Runtime::new()?;
    let (dir, wallet) = (tempfile::tempdir()?, Wallet::generate(WalletKind::Ed25519)?);
    wallet.save_new(&dir.path().join("wallet.json"))?;
    let (seeded, mut seeder) = runtime.block_on(seed(&cluster, wallet.address(), report))?;
    let replica = cluster.replica();
    let urls =
        [("DATABASE_URL", cluster.url(DATABASE)), ("DATABASE_READ_URL", replica.url(DATABASE))];
    let settings = urls.each_ref().map(|(name, url)| (*name, url.as_str()));
    let scheduler = Scheduler::on(rota, dir.path(), &settings)?;
    let bench = Bench { cluster: &cluster, replica: &replica, scheduler: &scheduler };
    for (name, database_ms, path) in unchanged {
        let path = path(&seeded[1]);
        let etag = Connection::open(scheduler.address()?)?.etag(&path)?;
        let request = client::get_if_changed(&path, &etag);
        let (facts, cpu) = bench.measure(request)?;
        report.judged(name, facts, &[("database_ms", cpu[1] + cpu[2], Target::Max(database_ms))]);
    }
    for (name, limit_ms, path) in cases {
        let mut cpu = Vec::new();
        for seeded in &seeded {
            let name = format!("{name}.of_{}", seeded.entries);
            let (facts, parts) = bench.measure(client::get(&path(seeded)))?;
            let cpu_ms = parts.iter().sum();
            report.judged(&name, facts, &[("cpu_ms", cpu_ms, Target::Max(limit_ms))]);
            cpu.push(cpu_ms);
        }
        let flat = cpu.iter().copied().fold(f64::MIN, f64::max)
            / cpu.iter().copied().fold(f64::MAX, f64::min);
        let judged = [("longest_to_shortest", flat, Target::Max(1.25))];
        report.judged(&format!("{name}.flat"), json!({}), &judged);
    }
    runtime.block_on(growth(report, &cluster, &mut seeder, &seeded[1]))
}

/// What a row costs the primary in a table of this size, against an empty one.
async fn growth(
    report: &mut Report,
    cluster: &PostgresCluster,
    seeder: &mut Seeder<'_>,
    seeded: &Seeded,
) -> anyhow::Result<()> {
    cluster.create_database(EMPTY);
    let mut empty = Seeder::new(cluster, EMPTY, Address::new([7; 32])).await?;
    let short = empty.process(SHORT).await?;
    empty.finish();
    let first = empty.write_cost(&short, GROWTH).await?;
    let last = seeder.write_cost(seeded, GROWTH).await?;
    let facts = json!({ "cpu_ms_empty": rounded(first) });
    report.judged("database.read.row_written", facts, &[("cpu_ms", last, Target::Max(ROW_MS_MAX))]);
    Ok(())
}

async fn seed<'a>(
    cluster: &'a PostgresCluster,
    scheduler: Address,
    report: &Report,
) -> anyhow::Result<([Seeded; 2], Seeder<'a>)> {
    let start = Instant::now();
    cluster.create_database(DATABASE);
    let mut seeder = Seeder::new(cluster, DATABASE, scheduler).await?;
    let seeded = [seeder.process(SHORT).await?, seeder.process(LONG).await?];
    seeder.finish();
    report.fact(
        "database.read.seeded",
        json!({ "rows": SHORT + LONG, "seconds": rounded(start.elapsed().as_secs_f64()) }),
    );
    Ok((seeded, seeder))
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

    /// Facts, and milliseconds of CPU a request: of the reader, the primary, the replica.
    fn measure(&self, request: Request) -> anyhow::Result<(Value, [f64; 3])> {
        let address = self.scheduler.address()?;
        let requests: Vec<Vec<Request>> = vec![vec![request]; CONNECTIONS];
        client::run(address, &requests, RUN_FOR / 8, true)?;
        let before = self.cpu_seconds()?;
        let load = client::run(address, &requests, RUN_FOR, true)?;
        let after = self.cpu_seconds()?;
        let each = |part: usize| (after[part] - before[part]) * 1e3 / load.answers as f64;
        let parts = [each(0), each(1), each(2)];
        let facts = json!({
            "per_second": rounded(load.rate()),
            "p50_ms": rounded(load.percentile_ms(50)),
            "p99_ms": rounded(load.percentile_ms(99)),
            "cpu_ms_reader": rounded(parts[0]),
            "cpu_ms_primary": rounded(parts[1]),
            "cpu_ms_replica": rounded(parts[2]),
            "body_bytes": load.body_bytes,
        });
        Ok((facts, parts))
    }
}
