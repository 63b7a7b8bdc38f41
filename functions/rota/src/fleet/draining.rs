//! `rota drain`: every process of a writer goes to others, and no new one comes.

use super::Fleet;
use super::alive::{self, Seen, State};
use crate::output::{self, Progress};
use anyhow::Context as _;
use clap::Args;
use rota_directory::AnyDirectory;
use rota_readmodel::{Operator, Ordered};
use rota_route::OWNER_AGE_MAX_DEFAULT;
use rota_schedule::{Directory as _, RoutePolicy, WriterName};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Processes that are ordered at once.
const ORDERS: u32 = 256;
/// Moves that are under way together, at most: each keeps its items waiting for a moment.
const UNDERWAY_MAX: u64 = 512;
/// How often it is looked how far they are.
const LOOK: Duration = Duration::from_millis(200);
/// How long the directory may take to know of the last moves.
const BIND_MAX: Duration = Duration::from_secs(5);
/// How long nothing may happen before the command gives up waiting.
const STANDSTILL_MAX: Duration = Duration::from_secs(60);

/// Flags of `rota drain`.
#[derive(Args)]
pub(crate) struct DrainArgs {
    /// The writer
    #[arg(allow_hyphen_values = true)]
    writer: WriterName,
    /// The writer that gets them all; else those that are alive, evenly
    #[arg(long, allow_hyphen_values = true)]
    to: Option<WriterName>,
    /// Only let it have new processes again
    #[arg(long, conflicts_with = "to")]
    undo: bool,
    /// How many seconds to wait at the end: as long as routers believe an owner (ROUTE_CACHE_MAX)
    #[arg(long, default_value_t = OWNER_AGE_MAX_DEFAULT.as_secs())]
    settle: u64,
}

pub(super) async fn run(fleet: &Fleet, args: &DrainArgs) -> anyhow::Result<ExitCode> {
    let directory = fleet.directory()?;
    let record = directory.writer(&args.writer).await?;
    let policy = record.with_context(|| format!("there is no writer {}", args.writer))?.policy;
    let policy = RoutePolicy { no_route: !args.undo, ..policy };
    directory.set_policy(&args.writer, &policy).await?;
    if args.undo {
        output::line(&format!("writer {} gets new processes again", args.writer));
        return Ok(ExitCode::SUCCESS);
    }
    let mut targets = match &args.to {
        Some(to) => vec![(to.clone(), 0)],
        None => targets(&args.writer, &alive::writers(directory).await?),
    };
    anyhow::ensure!(!targets.is_empty(), "no other writer is alive and takes processes");
    let moved = move_all(fleet.operator()?, &args.writer, &mut targets).await?;
    if moved > 0 {
        settle(directory, &args.writer, args.settle).await?;
    }
    output::line(&format!("writer {} has no processes any more ({moved} moved)", args.writer));
    Ok(ExitCode::SUCCESS)
}

/// Waits until no router points to the writer any more: then its machine can be switched off.
async fn settle(directory: &AnyDirectory, from: &WriterName, seconds: u64) -> anyhow::Result<()> {
    let until = Instant::now() + BIND_MAX;
    // The last moves may be over in the database, and not yet in the directory. A process that was bound
    // and never spawned stays.
    while directory.writer(from).await?.is_some_and(|record| record.processes > 0)
        && Instant::now() < until
    {
        sleep(LOOK).await;
    }
    let _waiting = Progress::start("waiting until every router has asked again", None);
    sleep(Duration::from_secs(seconds)).await;
    Ok(())
}

/// Who may get what the writer has, with how many processes each has.
fn targets(from: &WriterName, writers: &[Seen]) -> Vec<(WriterName, u64)> {
    let fit = |seen: &&Seen| {
        let policy = &seen.record.policy;
        let open = !policy.no_route && !policy.wallets_only;
        seen.state == State::Alive && open && seen.record.name != *from
    };
    let counted = |seen: &Seen| (seen.record.name.clone(), seen.record.processes);
    writers.iter().filter(fit).map(counted).collect()
}

/// Orders moves as long as there is something to move, and waits for them; gives how many there were.
async fn move_all(
    operator: &Operator,
    from: &WriterName,
    targets: &mut [(WriterName, u64)],
) -> anyhow::Result<u64> {
    let total = operator.count_of(from).await?;
    let mut progress = Progress::start("moving processes", Some(total));
    let (mut left, mut ordered, mut since) = (total, 0, Instant::now());
    while left > 0 {
        let arrived = total.saturating_sub(left);
        if ordered < arrived + UNDERWAY_MAX {
            for process in operator.processes_of(from, None, ORDERS).await? {
                let Some((to, count)) = targets.iter_mut().min_by_key(|(_, count)| *count) else {
                    break;
                };
                match operator.order_move(&process, to).await? {
                    Ordered::NoWriter => anyhow::bail!("no writer ever ran as {to}"),
                    _ => *count += 1,
                }
                ordered += 1;
            }
        }
        sleep(LOOK).await;
        let now = operator.count_of(from).await?;
        if now < left {
            progress.advance(left - now);
            since = Instant::now();
        }
        left = now;
        anyhow::ensure!(
            since.elapsed() < STANDSTILL_MAX,
            "{left} processes are still there and nothing moves: are all writers running? Run the \
             same again to go on"
        );
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rota_schedule::{Load, WriterRecord};

    fn seen(name: &str, state: State, no_route: bool) -> Seen {
        let record = WriterRecord {
            name: name.parse().unwrap(),
            url: None,
            lease: None,
            load: Load::default(),
            processes: 7,
            policy: RoutePolicy { no_route, ..RoutePolicy::default() },
        };
        Seen { record, state }
    }

    #[test]
    fn only_others_that_live_and_are_open_get_anything() {
        let writers = [
            seen("from", State::Alive, false),
            seen("dead", State::Silent, false),
            seen("shut", State::Alive, true),
            seen("good", State::Alive, false),
        ];
        let from = "from".parse().unwrap();
        assert_eq!(targets(&from, &writers), [("good".parse().unwrap(), 7)]);
    }
}
