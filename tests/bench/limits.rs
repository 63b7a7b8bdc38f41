//! The machine's own limits: signatures of one core, and the disk's sync.

use crate::report::{Report, rounded};
use rota_ans104::{Signer as _, Wallet, WalletKind};
use serde_json::json;
use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

const SIGN_FOR: Duration = Duration::from_millis(1_500);
const SYNCS: usize = 200;

/// Signatures a second of one core, with the library that the scheduler uses.
pub(crate) fn signatures_a_second(wallet: &Wallet) -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut count = 0u32;
    while start.elapsed() < SIGN_FOR {
        wallet.sign(&[7; 48])?;
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

/// Reports all limits.
pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    if !report.wants("limit") {
        return Ok(());
    }
    for kind in WalletKind::ALL {
        let rate = signatures_a_second(&Wallet::generate(kind)?)?;
        report.fact(&format!("limit.sign.{kind}"), json!({ "per_second": rounded(rate) }));
    }
    let mut seconds = sync_seconds()?;
    seconds.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| rounded(seconds[seconds.len() * share / 100] * 1e3);
    report.fact("limit.fdatasync", json!({ "p50_ms": at(50), "p99_ms": at(99) }));
    Ok(())
}

fn sync_seconds() -> anyhow::Result<Vec<f64>> {
    let dir = tempfile::tempdir()?;
    let mut file = File::create(dir.path().join("log"))?;
    let mut seconds = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[7; 4096])?;
        let start = Instant::now();
        file.sync_data()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok(seconds)
}
