//! Writing with the commit in Postgres, against the same load on the ledger alone in the same run.

use crate::limits::signatures_a_second;
use crate::report::{Report, Target, rounded};
use crate::writes::{Case, Measured, measure};
use rota_ans104::{Wallet, WalletKind};
use rota_testkit::postgres::{PostgresCluster, PostgresOptions};
use serde_json::json;
use std::path::Path;

const MANY: Case = Case {
    name: "database.write.64_processes.rsa",
    wallet: WalletKind::Rsa,
    user: WalletKind::Rsa4Prime,
    processes: 64,
    connections: 64,
    items: 3_200,
};
const FAST: Case = Case {
    name: "database.write.one_process.ed25519",
    wallet: WalletKind::Ed25519,
    user: WalletKind::Ed25519,
    processes: 1,
    connections: 32,
    items: 60_000,
};
const ALONE: Case = Case {
    name: "database.write.one_connection.rsa",
    wallet: WalletKind::Rsa,
    user: WalletKind::Rsa4Prime,
    processes: 1,
    connections: 1,
    items: 1_200,
};

/// Runs all of them.
pub(crate) fn run(report: &mut Report, rota: &Path) -> anyhow::Result<()> {
    let wanted = [MANY, FAST, ALONE].into_iter().filter(|case| report.wants(case.name));
    let wanted: Vec<Case> = wanted.collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let cluster = PostgresCluster::start(PostgresOptions { fsync: true });
    let replica = cluster.replica();
    for case in wanted {
        let wallet = Wallet::generate(case.wallet)?;
        let url = cluster.fresh_database();
        let alone = measure(&case, rota, &wallet, &[])?;
        let before = (cluster.cpu_seconds(), replica.cpu_seconds());
        let measured = measure(&case, rota, &wallet, &[("DATABASE_URL", &url)])?;
        let after = (cluster.cpu_seconds(), replica.cpu_seconds());
        let cpu = Cpu { primary: after.0 - before.0, replica: after.1 - before.1 };
        judge(report, &case, &alone, &measured, &cpu, signatures_a_second(&wallet)?);
    }
    Ok(())
}

/// CPU seconds of the two servers.
struct Cpu {
    primary: f64,
    replica: f64,
}

fn judge(
    report: &mut Report,
    case: &Case,
    alone: &Measured,
    measured: &Measured,
    cpu: &Cpu,
    limit: f64,
) {
    let load = &measured.load;
    let each = |seconds: f64| rounded(seconds * 1e3 / load.answers as f64);
    let facts = json!({
        "per_second": rounded(load.rate()),
        "per_second_ledger_only": rounded(alone.load.rate()),
        "limit_signatures_per_second": rounded(limit),
        "p50_ms": rounded(load.percentile_ms(50)),
        "p99_ms": rounded(load.percentile_ms(99)),
        "p50_ms_ledger_only": rounded(alone.load.percentile_ms(50)),
        "cpu_ms_per_write": each(measured.cpu),
        "cpu_ms_per_write_primary": each(cpu.primary),
        "cpu_ms_per_write_replica": each(cpu.replica),
        "cpu_cores_used": rounded((measured.cpu + cpu.primary + cpu.replica) / load.seconds),
    });
    let (number, value, target) = match case.name {
        name if name == MANY.name => {
            ("ratio_to_ledger_only", load.rate() / alone.load.rate(), Target::Min(0.9))
        }
        name if name == FAST.name => ("rate", load.rate(), Target::Min(2_000.0)),
        _ => ("p50", load.percentile_ms(50), Target::Max(1e3 / limit + 8.0)),
    };
    report.judged(case.name, facts, &[(number, value, target)]);
}
