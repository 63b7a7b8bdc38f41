//! `rota checkpoint now`: for a scheduler that is not running. One that runs takes its own.

use super::{DataDir, Which};
use crate::output::{self, thousands};
use anyhow::{anyhow, bail};
use clap::Args;
use rota_ledger::{Ledger, LedgerError, LedgerOptions};
use rota_schedule::SystemClock;
use rota_writer::Archiver;
use std::path::Path;
use std::sync::Arc;

/// Flags of `rota checkpoint now`.
#[derive(Args)]
pub(crate) struct NowArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    data: DataDir,
}

/// Takes one, under the term in which this ledger was last known to be whole.
pub(super) async fn run(args: &NowArgs) -> anyhow::Result<()> {
    let (env, dir) = args.data.ledger()?;
    let checkpoints = args.which.checkpoints(env).await?;
    let ledger = open(&dir)?;
    let term = ledger.settled_term()?.unwrap_or(0);
    let archiver = Archiver::new(ledger.clone(), checkpoints, &dir, Arc::new(SystemClock));
    let taken = archiver.checkpoint(term).await?;
    drop(archiver);
    tokio::task::spawn_blocking(move || ledger.close()).await??;
    output::line(&format!(
        "checkpoint {}: {} files of {} bytes, of which {} of {} bytes were sent",
        taken.position,
        taken.files,
        thousands(taken.bytes),
        taken.files_sent,
        thousands(taken.bytes_sent),
    ));
    Ok(())
}

/// Opens what is there, and makes nothing.
fn open(dir: &Path) -> anyhow::Result<Ledger> {
    if !dir.is_dir() {
        bail!("there is no ledger in {}", dir.display());
    }
    Ledger::open(dir, LedgerOptions::default()).map_err(|error| match error {
        LedgerError::Locked { .. } => anyhow!(
            "a running scheduler has the ledger {} open: it takes its own checkpoints, every \
             CHECKPOINT_INTERVAL",
            dir.display()
        ),
        other => other.into(),
    })
}
