//! `rota checkpoint now`: of a scheduler that is not running, from its ledger; of one that runs, by a wish
//! in the database that it finds there.

use super::{DataDir, Which};
use crate::output;
use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use rota_ledger::{Ledger, LedgerError, LedgerOptions};
use rota_readmodel::Operator;
use rota_schedule::{SystemClock, WriterName};
use rota_service::Env;
use rota_writer::Archiver;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How often it is looked what has come of a wish.
const LOOK: Duration = Duration::from_millis(200);

/// Flags of `rota checkpoint now`.
#[derive(Args)]
pub(crate) struct NowArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    data: DataDir,
    /// How many seconds to wait for a writer that runs
    #[arg(long, default_value_t = 600)]
    wait: u64,
}

/// Takes one, or has it taken.
pub(super) async fn run(args: &NowArgs) -> anyhow::Result<()> {
    let (mut env, dir) = args.data.ledger()?;
    let database = rota_read::read_model(&mut env)?.primary;
    match (open(&dir), database) {
        (Ok(ledger), _) => take(args, env, ledger, &dir).await,
        (Err(_), Some(url)) => {
            let name = args.which.name(&mut env)?;
            ask(&Operator::new(&url), &name, Duration::from_secs(args.wait)).await
        }
        (Err(error), None) => Err(error),
    }
}

/// Asks the writer that runs, wherever it does.
async fn ask(operator: &Operator, name: &WriterName, wait: Duration) -> anyhow::Result<()> {
    let number = operator.order_checkpoint(name).await?;
    let number = number.with_context(|| format!("no writer ever ran as {name}"))?;
    let until = Instant::now() + wait;
    loop {
        if let Some(outcome) = operator.checkpoint_outcome(name, number).await? {
            anyhow::ensure!(!outcome.starts_with("failed"), "{outcome}");
            output::line(&outcome);
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < until,
            "writer {name} has not taken it: does it run, with ARCHIVE_BUCKET set?"
        );
        sleep(LOOK).await;
    }
}

/// Takes one, under the term in which this ledger was last known to be whole.
async fn take(args: &NowArgs, env: Env, ledger: Ledger, dir: &Path) -> anyhow::Result<()> {
    let checkpoints = args.which.checkpoints(env).await?;
    let term = ledger.settled_term()?.unwrap_or(0);
    let archiver = Archiver::new(ledger.clone(), checkpoints, dir, Arc::new(SystemClock));
    let taken = archiver.checkpoint(term).await?;
    drop(archiver);
    tokio::task::spawn_blocking(move || ledger.close()).await??;
    output::line(&taken.to_string());
    Ok(())
}

/// Opens what is there, and makes nothing.
fn open(dir: &Path) -> anyhow::Result<Ledger> {
    if !dir.is_dir() {
        bail!("there is no ledger in {}", dir.display());
    }
    Ledger::open(dir, LedgerOptions::default()).map_err(|error| match error {
        LedgerError::Locked { .. } => anyhow!(
            "a running scheduler has the ledger {} open: with DATABASE_URL set it is asked for a \
             checkpoint, else it takes its own, every CHECKPOINT_INTERVAL",
            dir.display()
        ),
        other => other.into(),
    })
}
