//! `rota move`: one process, from the writer it has to another.

use super::Fleet;
use crate::output;
use clap::Args;
use rota_readmodel::Ordered;
use rota_schedule::{ProcessId, WriterName};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How often the state of a move is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Flags of `rota move`.
#[derive(Args)]
pub(crate) struct MoveArgs {
    /// The process
    #[arg(allow_hyphen_values = true)]
    process: ProcessId,
    /// The writer that is to have it
    #[arg(long, required_unless_present = "withdraw", allow_hyphen_values = true)]
    to: Option<WriterName>,
    /// Withdraw a move that has not happened yet
    #[arg(long, conflicts_with = "to")]
    withdraw: bool,
    /// How many seconds to wait for it; the move goes on without this command
    #[arg(long, default_value_t = 60)]
    wait: u64,
}

pub(super) async fn run(fleet: &Fleet, args: &MoveArgs) -> anyhow::Result<ExitCode> {
    let operator = fleet.operator()?;
    let process = &args.process;
    let Some(to) = &args.to else {
        anyhow::ensure!(operator.withdraw_move(process).await?, "there is no move to withdraw");
        output::line("withdrawn");
        return Ok(ExitCode::SUCCESS);
    };
    match operator.order_move(process, to).await? {
        Ordered::Yes => {}
        Ordered::There => output::warn("it is there already"),
        Ordered::Underway(other) => anyhow::bail!("it is on its way to writer {other}"),
        Ordered::NoProcess => anyhow::bail!("no writer has process {process}"),
        Ordered::NoWriter => anyhow::bail!("no writer ever ran as {to}"),
    }
    let until = Instant::now() + Duration::from_secs(args.wait);
    let mut shown = None;
    loop {
        let Some(progress) = operator.progress(process).await? else {
            anyhow::bail!("process {process} has vanished from the database");
        };
        if progress.state.is_none() {
            anyhow::ensure!(progress.owner == to.as_str(), "the move was withdrawn");
            output::line(&format!("process {process} belongs to writer {to}"));
            return Ok(ExitCode::SUCCESS);
        }
        if shown != progress.state {
            output::line(progress.state.as_deref().unwrap_or_default());
            shown = progress.state;
        }
        anyhow::ensure!(
            Instant::now() < until,
            "it is not done yet (the move is {}); run the same again to go on waiting, or with \
             --withdraw to give it up. Both writers must be running",
            shown.unwrap_or_default()
        );
        sleep(LOOK).await;
    }
}
