//! `just bench`: what the scheduler does against what the machine can do, measured in the same run.
//!
//! Each line of output is one JSON object: the measurement, the machine's own limit where there is
//! one, their ratio, the target, and whether it is met. Wall times are noisy on a shared machine; CPU
//! times and ratios hold. With a word as argument only the benches whose name contains it run; with
//! `--check` a missed target makes the exit code 1. It talks to loopback only and ends by itself.

mod checkpoint;
mod client;
mod database;
mod limits;
mod memory;
mod reads;
mod report;
mod route;
mod seed;
mod server;
mod writes;

use clap::Parser;
use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;

/// What the scheduler does against what this machine can do; one JSON object a line.
#[derive(Parser)]
struct Cli {
    /// Only the benches whose name contains it, as in `read` or `database.write`
    filter: Option<String>,
    /// Fail if a target is missed
    #[arg(long)]
    check: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let Cli { filter, check } = Cli::parse();
    let mut report = Report::new(filter);
    let rota = binary("rota")?;
    limits::run(&mut report)?;
    writes::run(&mut report, &rota)?;
    database::writes::run(&mut report, &rota)?;
    memory::run(&mut report, &rota)?;
    reads::run(&mut report, &rota)?;
    database::reads::run(&mut report, &rota)?;
    database::cold_start::run(&mut report)?;
    route::run(&mut report, &rota)?;
    checkpoint::run(&mut report, &rota)?;
    Ok(ExitCode::from(u8::from(check && report.missed() > 0)))
}

/// A program that was built beside this bench.
fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(path.exists(), "{} is not built: run `just bench`", path.display());
    Ok(path)
}
