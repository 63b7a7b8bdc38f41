//! `rota verify`: checks a whole schedule as an outsider can: every link, nonce and timestamp, every
//! signature, that ids and parts belong together, and that one key signed all assignments.
//!
//! A schedule is read batch by batch from one of two places ([`http`], [`local`]). The signatures of a
//! batch are checked on all cores ([`check`]), then its entries are followed in order ([`audit`]). The
//! first bad entry ends it.

mod audit;
mod check;
mod http;
mod local;
mod raw;

use crate::client::{URL_DEFAULT, block_on};
use crate::output;
use audit::Audit;
use clap::Args;
use rota_schedule::ProcessId;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use url::Url;

/// Flags of `rota verify`.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The process
    #[arg(allow_hyphen_values = true)]
    process: ProcessId,
    /// The scheduler that serves its schedule; any scheduler of ao will do
    #[arg(long, default_value = URL_DEFAULT)]
    url: Url,
    /// Read the ledger of a scheduler that is not running instead
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data_dir: Option<PathBuf>,
}

/// Verifies, and prints the result; the first bad entry is an error.
pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let since = Instant::now();
    let mut audit = Audit::new(args.process);
    match &args.data_dir {
        Some(dir) => local::follow(&mut audit, dir)?,
        None => block_on(http::follow(&mut audit, &args.url))?,
    }
    output::line(&format!("{} ({:.1} s)", audit.summary(), since.elapsed().as_secs_f64()));
    Ok(ExitCode::SUCCESS)
}
