//! `rota checkpoint restore`: a checkpoint is fetched, made a ledger, and followed link by link.

use super::{DataDir, Which, links};
use crate::output::{self, Progress, thousands};
use clap::Args;
use parking_lot::Mutex;
use rota_archive::{Fetching, Position};
use rota_ledger::Ledger;
use rota_writer::restore;
use std::sync::Arc;
use std::time::Instant;

/// Progress is shown in these.
const MEBIBYTE: u64 = 1 << 20;

/// Flags of `rota checkpoint restore`.
#[derive(Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    data: DataDir,
    /// Not the newest that is whole, but this one, as `rota checkpoint list` shows it
    #[arg(long, value_name = "TERM-NUMBER")]
    checkpoint: Option<Position>,
}

/// Restores and checks. A wrong link is an error, and then there is no ledger.
pub(super) async fn run(args: &RestoreArgs) -> anyhow::Result<()> {
    let since = Instant::now();
    let (env, dir) = args.data.ledger()?;
    let checkpoints = args.which.checkpoints(env).await?;
    let shown = Arc::new(Mutex::new(Shown::default()));
    let fetched = shown.clone();
    let tell = |step: Fetching<'_>| shown.lock().take(&step);
    let check = move |ledger: &Ledger| {
        fetched.lock().progress = None; // what is shown of the check comes after it
        Ok((since.elapsed(), links::check(ledger)?))
    };
    let restored = restore(&checkpoints, args.checkpoint, &dir, &tell, check).await?;
    let (fetched, (fetched_in, checked)) = restored;
    let manifest = fetched.manifest;
    output::line(&format!(
        "checkpoint {}: {} bytes in {:.1} s, {} fetched",
        manifest.position(),
        thousands(manifest.bytes),
        fetched_in.as_secs_f64(),
        thousands(fetched.bytes_fetched),
    ));
    output::line(&format!(
        "{} entries of {} processes, all links verify ({:.1} s)",
        thousands(checked.entries),
        thousands(checked.processes),
        (since.elapsed() - fetched_in).as_secs_f64(),
    ));
    output::line("what came later is filled in from the database when the writer starts");
    Ok(())
}

/// What a person sees of it.
#[derive(Default)]
struct Shown {
    progress: Option<Progress>,
    /// Bytes that are there, and whole mebibytes of them that were shown.
    bytes: u64,
    mebibytes: u64,
}

impl Shown {
    fn take(&mut self, step: &Fetching<'_>) {
        match step {
            Fetching::Begun(manifest) => {
                let total = Some(manifest.bytes / MEBIBYTE);
                let progress = Some(Progress::start("restoring, in MiB", total));
                *self = Self { progress, ..Self::default() };
            }
            Fetching::Bytes(bytes) => self.advance(*bytes),
            Fetching::Damaged(position, error) => {
                self.progress = None;
                let text = format!("checkpoint {position} cannot be restored: {error}");
                output::warn(&format!("{text}; the one before it is tried"));
            }
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.bytes += bytes;
        let whole = self.bytes / MEBIBYTE;
        if let Some(progress) = self.progress.as_mut().filter(|_| whole > self.mebibytes) {
            progress.advance(whole - self.mebibytes);
            self.mebibytes = whole;
        }
    }
}
