//! The read function from the start of its process to its first answer over the Runtime API: without the
//! database, and with the first connection to it.

use crate::report::{Report, Target, rounded};
use rota_readmodel::{DatabaseUrl, migrate};
use rota_testkit::lambda::cold_start;
use rota_testkit::postgres::{PostgresCluster, PostgresOptions};
use serde_json::json;
use std::process::Command;

const STARTS: usize = 20;
/// No route: answered without asking anybody.
const NOWHERE: &str = "/no/such/route";
/// A process that is not there: the database says so.
const NOBODY: &str = "/processes/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Measures both.
pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    let wanted = [("cold_start.alone", NOWHERE, 40.0), ("cold_start.with_database", NOBODY, 80.0)];
    if !wanted.iter().any(|(name, ..)| report.wants(name)) {
        return Ok(());
    }
    let read = crate::binary("read")?;
    let cluster = PostgresCluster::start(PostgresOptions { fsync: true });
    let url = cluster.fresh_database();
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(migrate(&url.parse::<DatabaseUrl>()?))?;
    for (name, target, limit_ms) in wanted {
        let mut times = Vec::new();
        for _ in 0..STARTS {
            let mut command = Command::new(&read);
            command.env("DATABASE_READ_URL", &url).env("DATABASE_URL", &url);
            let (took, answer) = runtime.block_on(cold_start(command, target));
            anyhow::ensure!(answer.status == 404, "not 404 but {}", answer.status);
            times.push(took.as_secs_f64() * 1e3);
        }
        times.sort_unstable_by(f64::total_cmp);
        let median = times[STARTS / 2];
        let facts = json!({ "starts": STARTS, "max_ms": rounded(times[STARTS - 1]) });
        report.judged(name, facts, &[("p50_ms", median, Target::Max(limit_ms))]);
    }
    Ok(())
}
