//! Reading: CPU a request, at 1,000 and at 1,000,000 entries, among 100,000 processes; and how long a
//! start takes on a ledger of that size.

use crate::client::{self, Connection, Request};
use crate::report::{Report, Target, rounded};
use crate::seed::Seeder;
use crate::server::Scheduler;
use rota_ans104::{Address, Wallet, WalletKind};
use rota_schedule::ProcessId;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

const RUN_FOR: Duration = Duration::from_secs(4);
const CONNECTIONS: usize = 16;
const PROCESSES: usize = 100_000;
const SHORT: usize = 1_000;
const LONG: usize = 1_000_000;

struct Process {
    id: ProcessId,
    message: String,
    entries: usize,
}

/// Seeds one ledger and measures all reads on it.
pub(crate) fn run(report: &mut Report, rota: &Path) -> anyhow::Result<()> {
    if !["read", "start"].iter().any(|name| report.wants(name)) {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let wallet = Wallet::generate(WalletKind::Ed25519)?;
    wallet.save_new(&dir.path().join("wallet.json"))?;
    let processes = seeded(&dir.path().join("ledger"), wallet.address(), report)?;
    let start = Instant::now();
    let scheduler = Scheduler::on(rota, dir.path(), &[])?;
    Connection::open(scheduler.address()?)?.ask(&client::get("/timestamp"))?;
    let ready = start.elapsed().as_secs_f64();
    let facts = json!({ "entries": LONG + SHORT + PROCESSES });
    report.judged("start.ready", facts, &[("seconds", ready, Target::Max(1.0))]);
    for (name, limit_ms, path) in [
        ("read.page_of_100", 0.6, page as fn(&Process) -> String),
        ("read.message", 0.06, |process| format!("/{}?process-id={}", process.message, process.id)),
        ("read.latest", 0.06, |process| format!("/{}/latest", process.id)),
    ] {
        let mut cpu = Vec::new();
        for process in &processes {
            cpu.push(measure(report, &scheduler, name, limit_ms, process, &path(process))?);
        }
        let flat = cpu.iter().copied().fold(f64::MIN, f64::max)
            / cpu.iter().copied().fold(f64::MAX, f64::min);
        report.judged(
            &format!("{name}.flat"),
            json!({}),
            &[("longest_to_shortest", flat, Target::Max(1.2))],
        );
    }
    Ok(())
}

/// A page from the middle of the schedule.
fn page(process: &Process) -> String {
    format!("/{}?from-nonce={}&limit=100", process.id, process.entries / 2)
}

fn seeded(dir: &Path, scheduler: Address, report: &Report) -> anyhow::Result<[Process; 2]> {
    let start = Instant::now();
    let mut seeder = Seeder::new(dir, scheduler)?;
    let mut process = |entries| {
        let (id, message) = seeder.process(entries)?;
        anyhow::Ok(Process { id, message, entries })
    };
    let (short, long) = (process(SHORT)?, process(LONG)?);
    for _ in 0..PROCESSES {
        process(1)?;
    }
    seeder.finish()?;
    report.fact("read.seeded", json!({ "seconds": rounded(start.elapsed().as_secs_f64()) }));
    Ok([short, long])
}

fn measure(
    report: &mut Report,
    scheduler: &Scheduler,
    name: &str,
    limit_ms: f64,
    process: &Process,
    path: &str,
) -> anyhow::Result<f64> {
    let requests: Vec<Vec<Request>> = vec![vec![client::get(path)]; CONNECTIONS];
    client::run(scheduler.address()?, &requests, RUN_FOR / 8, true)?;
    let before = scheduler.cpu_seconds()?;
    let load = client::run(scheduler.address()?, &requests, RUN_FOR, true)?;
    let cpu_ms = (scheduler.cpu_seconds()? - before) * 1e3 / load.answers as f64;
    let facts = json!({
        "entries": process.entries,
        "per_second": rounded(load.rate()),
        "p50_ms": rounded(load.percentile_ms(50)),
        "p99_ms": rounded(load.percentile_ms(99)),
        "body_bytes": load.body_bytes,
    });
    let name = format!("{name}.of_{}", process.entries);
    report.judged(&name, facts, &[("cpu_ms", cpu_ms, Target::Max(limit_ms))]);
    Ok(cpu_ms)
}
