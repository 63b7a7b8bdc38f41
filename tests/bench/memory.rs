//! Memory: idle, and what a large item adds.

use crate::client::{self, Connection};
use crate::report::{Report, Target, rounded};
use crate::seed;
use crate::server::Scheduler;
use rota_ans104::{UnsignedItem, Wallet, WalletKind};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const SETTLE: Duration = Duration::from_secs(2);
const LARGE_BYTES: usize = 10_000_000;

/// Reports both.
pub(crate) fn run(report: &mut Report, rota: &Path) -> anyhow::Result<()> {
    if !report.wants("memory") {
        return Ok(());
    }
    let scheduler = Scheduler::fresh(rota, &Wallet::generate(WalletKind::Rsa4Prime)?, &[])?;
    std::thread::sleep(SETTLE);
    let idle = scheduler.memory_mb("VmRSS")?;
    report.judged("memory.idle", json!({}), &[("mb", idle, Target::Max(40.0))]);

    let user = Wallet::generate(WalletKind::Ed25519)?;
    let spawn = seed::spawn(&user, "large")?;
    let mut connection = Connection::open(scheduler.address()?)?;
    connection.ask(&client::post(spawn.bytes()))?;
    connection.ask(&client::post(seed::message(&user, &spawn, 0)?.bytes()))?;
    let tags = [("Data-Protocol", "ao"), ("Type", "Message")];
    let large = UnsignedItem {
        target: Some(*spawn.id().as_bytes()),
        tags: tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        data: vec![b'x'; LARGE_BYTES].into(),
        anchor: None,
    };
    let request = client::post(large.sign(&user)?.bytes());
    let before = scheduler.memory_mb("VmRSS")?;
    scheduler.reset_peak()?;
    connection.ask(&request)?;
    let added = scheduler.memory_mb("VmHWM")? - before;
    let times = added / (LARGE_BYTES as f64 / 1e6);
    let facts = json!({ "before_mb": rounded(before), "added_mb": rounded(added) });
    report.judged("memory.item_of_10_mb", facts, &[("times_its_size", times, Target::Max(4.0))]);
    Ok(())
}
