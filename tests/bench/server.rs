//! A release scheduler under load: its process, its CPU time, its memory.

use rota_ans104::Wallet;
use rota_testkit::RotaProcess;
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;

/// A port that nobody listens on: the bench's scheduler asks no gateway.
const NOBODY: &str = "http://127.0.0.1:9";

/// The kernel shows CPU times in these: `USER_HZ`, 100 on every Linux.
const TICKS_A_SECOND: f64 = 100.0;

/// A running scheduler, or a router.
pub(crate) struct Scheduler {
    /// The process.
    pub process: RotaProcess,
    _own: Option<TempDir>,
}

impl Scheduler {
    /// On an empty directory that goes away with it, with this wallet and these settings.
    pub(crate) fn fresh(
        rota: &Path,
        wallet: &Wallet,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        wallet.save_new(&dir.path().join("wallet.json"))?;
        let mut scheduler = Self::on(rota, dir.path(), settings)?;
        scheduler._own = Some(dir);
        Ok(scheduler)
    }

    /// On a directory that stays.
    pub(crate) fn on(rota: &Path, dir: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let environment = [("ARWEAVE_URL_LIST", NOBODY), ("RUST_LOG", "error")];
        let process = RotaProcess::try_start(rota, dir, &[&environment, settings].concat())
            .map_err(anyhow::Error::msg)?;
        Ok(Self { process, _own: None })
    }

    /// A router over a directory in Postgres, with a list of writers.
    pub(crate) fn router(rota: &Path, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let args = ["router", "--port", "0"];
        let settings = [&[("RUST_LOG", "error")], settings].concat();
        let process = RotaProcess::try_start_as(rota, &args, &settings, "rota is ready at ")
            .map_err(anyhow::Error::msg)?;
        Ok(Self { process, _own: None })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.process.url.trim_start_matches("http://").trim_end_matches('/').parse()?)
    }

    /// CPU seconds of all its threads so far, in user and kernel mode.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.pid()))?;
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: u64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(ticks as f64 / TICKS_A_SECOND)
    }

    /// A line of `/proc/PID/status`, in MB.
    pub(crate) fn memory_mb(&self, line: &str) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid()))?;
        let value = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
        let kilobytes =
            value.and_then(|value| value.split_whitespace().next()?.parse::<f64>().ok());
        kilobytes
            .map(|kilobytes| kilobytes * 1024.0 / 1e6)
            .ok_or_else(|| anyhow::anyhow!("no {line}"))
    }

    /// Starts the peak of memory anew.
    pub(crate) fn reset_peak(&self) -> anyhow::Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.process.pid()), "5")?)
    }
}
