//! Writing: rates against the signing limit, CPU a write, latency.

use crate::client::{self, Load, Request};
use crate::limits::signatures_a_second;
use crate::report::{Report, Target, rounded};
use crate::seed;
use crate::server::Scheduler;
use rota_ans104::{Item, Wallet, WalletKind};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const WARM_UP: Duration = Duration::from_millis(500);
const RUN_FOR: Duration = Duration::from_secs(6);

/// One write bench.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Who signs the assignments.
    pub(crate) wallet: WalletKind,
    /// Who signs the items.
    pub(crate) user: WalletKind,
    pub(crate) processes: usize,
    pub(crate) connections: usize,
    /// Items that are made beforehand: more than can be written in the time.
    pub(crate) items: usize,
}

/// What a case came to.
pub(crate) struct Measured {
    pub(crate) load: Load,
    /// CPU seconds of the scheduler.
    pub(crate) cpu: f64,
    peak_mb: f64,
}

const CASES: [Case; 5] = [
    Case {
        name: "write.one_process.rsa",
        wallet: WalletKind::Rsa,
        user: WalletKind::Rsa4Prime,
        processes: 1,
        connections: 32,
        items: 1_600,
    },
    Case {
        name: "write.64_processes.rsa",
        wallet: WalletKind::Rsa,
        user: WalletKind::Rsa4Prime,
        processes: 64,
        connections: 64,
        items: 3_200,
    },
    Case {
        name: "write.one_process.rsa-4prime",
        wallet: WalletKind::Rsa4Prime,
        user: WalletKind::Rsa4Prime,
        processes: 1,
        connections: 32,
        items: 5_000,
    },
    Case {
        name: "write.one_process.ed25519",
        wallet: WalletKind::Ed25519,
        user: WalletKind::Ed25519,
        processes: 1,
        connections: 32,
        items: 120_000,
    },
    Case {
        name: "write.one_connection.rsa",
        wallet: WalletKind::Rsa,
        user: WalletKind::Rsa4Prime,
        processes: 1,
        connections: 1,
        items: 1_200,
    },
];

/// Runs all of them.
pub(crate) fn run(report: &mut Report, rota: &Path) -> anyhow::Result<()> {
    for case in CASES.iter().filter(|case| report.wants(case.name)).collect::<Vec<_>>() {
        let wallet = Wallet::generate(case.wallet)?;
        let before = signatures_a_second(&wallet)?;
        let measured = measure(case, rota, &wallet, &[])?;
        let limit = f64::midpoint(before, signatures_a_second(&wallet)?);
        judge(report, case, &measured, limit);
    }
    Ok(())
}

/// Measures a case on a scheduler with these settings.
pub(crate) fn measure(
    case: &Case,
    rota: &Path,
    wallet: &Wallet,
    settings: &[(&str, &str)],
) -> anyhow::Result<Measured> {
    let scheduler = Scheduler::fresh(rota, wallet, settings)?;
    let address = scheduler.address()?;
    let user = Wallet::generate(case.user)?;
    let spawns = (0..case.processes)
        .map(|number| seed::spawn(&user, &number.to_string()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    client::run(
        address,
        &[spawns.iter().map(|spawn| client::post(spawn.bytes())).collect()],
        RUN_FOR,
        false,
    )?;
    let connections = requests(case, &user, &spawns)?;
    let warm = connections.iter().map(|requests| requests[..1].to_vec()).collect::<Vec<_>>();
    client::run(address, &warm, WARM_UP, false)?;
    let rest =
        connections.into_iter().map(|mut requests| requests.split_off(1)).collect::<Vec<_>>();
    let cpu_before = scheduler.cpu_seconds()?;
    let load = client::run(address, &rest, RUN_FOR, false)?;
    let cpu = scheduler.cpu_seconds()? - cpu_before;
    Ok(Measured { load, cpu, peak_mb: scheduler.memory_mb("VmHWM")? })
}

/// For each connection its own messages, each for the process whose turn it is.
fn requests(case: &Case, user: &Wallet, spawns: &[Item]) -> anyhow::Result<Vec<Vec<Request>>> {
    let share = case.items / case.connections;
    (0..case.connections)
        .map(|connection| {
            let process = &spawns[connection % spawns.len()];
            let numbers = connection * share..(connection + 1) * share;
            let items = seed::messages(user, process, numbers)?;
            Ok(items.iter().map(|item| client::post(item.bytes())).collect())
        })
        .collect()
}

fn judge(report: &mut Report, case: &Case, measured: &Measured, limit: f64) {
    let Measured { load, cpu, peak_mb } = measured;
    let (rate, cpu_ms) = (load.rate(), cpu * 1e3 / load.answers as f64);
    let sign_ms = 1e3 / limit;
    let facts = json!({
        "per_second": rounded(rate),
        "limit_signatures_per_second": rounded(limit),
        "p50_ms": rounded(load.percentile_ms(50)),
        "p99_ms": rounded(load.percentile_ms(99)),
        "cpu_cores_used": rounded(cpu / load.seconds),
        "peak_mb": rounded(*peak_mb),
    });
    let ratio = rate / limit;
    let cpu_judged = ("cpu_ms_per_write", cpu_ms, Target::Max(sign_ms + 0.8));
    match case.name {
        "write.one_process.rsa" => {
            report.judged(case.name, facts, &[("ratio", ratio, Target::Min(0.90)), cpu_judged]);
        }
        "write.64_processes.rsa" => report.judged(
            case.name,
            facts,
            &[
                ("ratio", ratio / 2.0, Target::Min(0.85)),
                cpu_judged,
                ("peak", *peak_mb, Target::Max(200.0)),
            ],
        ),
        "write.one_process.rsa-4prime" => {
            report.judged(case.name, facts, &[("ratio", ratio, Target::Min(0.80)), cpu_judged]);
        }
        "write.one_process.ed25519" => {
            report.judged(case.name, facts, &[("rate", rate, Target::Min(2_500.0))]);
        }
        _ => report.judged(
            case.name,
            facts,
            &[("p50", load.percentile_ms(50), Target::Max(sign_ms + 3.0))],
        ),
    }
}
