//! `rota checkpoint list`.

use super::{Which, dotenv};
use crate::output::{self, thousands};
use clap::Args;
use rota_archive::{ArchiveError, Manifest, Position};
use rota_schedule::{Clock as _, SystemClock, Timestamp};
use serde::Serialize;

/// A second, a minute, an hour and a day, in seconds.
const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];

/// Flags of `rota checkpoint list`.
#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    which: Which,
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// What is shown of a checkpoint.
#[derive(Serialize)]
struct Row {
    /// What `--checkpoint` takes.
    checkpoint: String,
    /// When it was begun, in milliseconds since the Unix epoch.
    created: Option<u64>,
    ledger: Option<String>,
    processes: Option<u64>,
    files: Option<usize>,
    bytes: Option<u64>,
    /// Why it cannot be restored, as far as its manifest tells.
    damaged: Option<String>,
}

impl Row {
    fn of(position: Position, manifest: Result<Manifest, ArchiveError>) -> Self {
        let (known, damaged) = match manifest {
            Ok(manifest) => (Some(manifest), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let known = known.as_ref();
        Self {
            checkpoint: position.to_string(),
            created: known.map(|manifest| manifest.created),
            ledger: known.map(|manifest| manifest.ledger.clone()),
            processes: known.map(|manifest| manifest.processes),
            files: known.map(|manifest| manifest.files.len()),
            bytes: known.map(|manifest| manifest.bytes),
            damaged,
        }
    }

    fn line(&self, now: Timestamp) -> String {
        let shown = |number: Option<u64>| number.map_or_else(|| "?".to_owned(), thousands);
        let age = self.created.map_or_else(|| "?".to_owned(), |created| age(now, created));
        let (processes, bytes) = (shown(self.processes), shown(self.bytes));
        let files = shown(self.files.map(|files| files as u64));
        let damaged = self.damaged.as_ref().map(|why| format!("  {why}")).unwrap_or_default();
        format!("{:<12} {age:>8} {processes:>12} {files:>8} {bytes:>16}{damaged}", self.checkpoint)
    }
}

/// Prints them.
pub(super) async fn run(args: &ListArgs) -> anyhow::Result<()> {
    let checkpoints = args.which.checkpoints(dotenv()?).await?;
    let mut rows = Vec::new();
    for position in checkpoints.list().await? {
        match checkpoints.manifest(position).await {
            Err(error @ ArchiveError::Unavailable(_)) => return Err(error.into()),
            manifest => rows.push(Row::of(position, manifest)),
        }
    }
    if args.json {
        output::line(&serde_json::to_string(&rows)?);
        return Ok(());
    }
    let header = ("checkpoint", "age", "processes", "files", "bytes");
    let (checkpoint, age, processes, files, bytes) = header;
    output::line(&format!("{checkpoint:<12} {age:>8} {processes:>12} {files:>8} {bytes:>16}"));
    let now = SystemClock.now();
    rows.iter().for_each(|row| output::line(&row.line(now)));
    Ok(())
}

/// How long ago, in the largest unit that fits.
fn age(now: Timestamp, created: u64) -> String {
    let seconds = now.0.saturating_sub(created) / 1_000;
    let unit = UNITS.iter().find(|(length, _)| seconds >= *length);
    unit.map_or_else(|| "0 s".to_owned(), |(length, name)| format!("{} {name}", seconds / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_shown_in_the_largest_unit_that_fits() {
        let cases =
            [(0, "0 s"), (999, "0 s"), (59_000, "59 s"), (60_000, "1 min"), (7_300_000, "2 h")];
        for (ago, shown) in cases.into_iter().chain([(200_000_000, "2 d")]) {
            assert_eq!(age(Timestamp(1_700_000_000_000), 1_700_000_000_000 - ago), shown);
        }
        assert_eq!(age(Timestamp(5), 9), "0 s", "a clock that is ahead");
    }
}
