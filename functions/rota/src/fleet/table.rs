//! `rota writers`: who they are, how they are, what they get.

use super::Fleet;
use super::alive::{self, Seen};
use super::removing;
use crate::output::{self, Progress, thousands};
use anyhow::Context as _;
use clap::Subcommand;
use rota_ans104::Address;
use rota_directory::AnyDirectory;
use rota_schedule::{Directory as _, RoutePolicy, WriterName};
use serde::Serialize;
use std::process::ExitCode;
use std::str::FromStr;

/// Processes that are read at once.
const PROCESSES: u32 = 512;

/// What to do with the writers.
#[derive(Subcommand)]
pub(crate) enum WritersCommand {
    /// List them; takes some seconds, to see who lives
    List {
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Decide what new processes a writer gets; what is not given stays as it is
    Set {
        /// The writer
        #[arg(allow_hyphen_values = true)]
        writer: WriterName,
        /// Whether it gets no new processes
        #[arg(long)]
        no_route: Option<bool>,
        /// Wallets whose new processes it gets, separated by commas; an empty text for none any more
        #[arg(long, allow_hyphen_values = true)]
        wallets_to_route: Option<Wallets>,
        /// Whether it gets new processes of those wallets only
        #[arg(long)]
        wallets_only: Option<bool>,
    },
    /// Take a writer out for good; refused while it runs or has processes
    Remove {
        /// The writer
        #[arg(allow_hyphen_values = true)]
        writer: WriterName,
    },
    /// Make the directory's table in DynamoDB, if it is not there
    CreateTable,
    /// Enter all processes of a writer into the directory: once, if the writer is older than that
    Register {
        /// The writer
        #[arg(allow_hyphen_values = true)]
        writer: WriterName,
    },
}

/// Wallets as an argument has them.
#[derive(Clone)]
pub(crate) struct Wallets(Vec<Address>);

impl FromStr for Wallets {
    type Err = <Address as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wallets = text.split(',').filter(|wallet| !wallet.is_empty());
        wallets.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

pub(super) async fn run(fleet: &Fleet, command: &WritersCommand) -> anyhow::Result<ExitCode> {
    match command {
        WritersCommand::List { json } => list(fleet, *json).await?,
        WritersCommand::Set { writer, no_route, wallets_to_route, wallets_only } => {
            let directory = fleet.directory()?;
            let record = directory.writer(writer).await?;
            let before = record.with_context(|| format!("there is no writer {writer}"))?.policy;
            let policy = RoutePolicy {
                no_route: no_route.unwrap_or(before.no_route),
                wallets_to_route: wallets_to_route
                    .clone()
                    .map_or(before.wallets_to_route, |wallets| wallets.0),
                wallets_only: wallets_only.unwrap_or(before.wallets_only),
            };
            directory.set_policy(writer, &policy).await?;
            output::line(&format!("writer {writer}: {}", policy_text(&policy)));
        }
        WritersCommand::Remove { writer } => removing::run(fleet, writer).await?,
        WritersCommand::CreateTable => create_table(fleet.directory()?).await?,
        WritersCommand::Register { writer } => register(fleet, writer).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn create_table(directory: &AnyDirectory) -> anyhow::Result<()> {
    match directory {
        AnyDirectory::Dynamo(dynamo) => dynamo.create_table().await?,
        // Its tables came with the connection.
        AnyDirectory::Postgres(_) => {}
    }
    output::line("the directory can be used");
    Ok(())
}

/// One writer, for programs.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    state: &'static str,
    url: Option<&'a str>,
    processes: u64,
    signing_permille: u16,
    waiting: u32,
    no_route: bool,
    wallets_to_route: Vec<String>,
    wallets_only: bool,
}

impl<'a> Row<'a> {
    fn of(Seen { record, state }: &'a Seen) -> Self {
        let policy = &record.policy;
        Self {
            name: record.name.as_str(),
            state: state.as_str(),
            url: record.url.as_deref(),
            processes: record.processes,
            signing_permille: record.load.signing_permille,
            waiting: record.load.waiting,
            no_route: policy.no_route,
            wallets_to_route: policy.wallets_to_route.iter().map(Address::to_string).collect(),
            wallets_only: policy.wallets_only,
        }
    }
}

async fn list(fleet: &Fleet, json: bool) -> anyhow::Result<()> {
    let writers = alive::writers(fleet.directory()?).await?;
    if !json {
        output::line("writer               state     processes   signing   waiting  url");
    }
    for seen in &writers {
        let row = Row::of(seen);
        if json {
            output::line(&serde_json::to_string(&row)?);
            continue;
        }
        let Row { name, state, url, processes, signing_permille, waiting, .. } = row;
        let signing = format!("{} %", signing_permille / 10);
        let (processes, url) = (thousands(processes), url.unwrap_or("-"));
        let policy = policy_text(&seen.record.policy);
        output::line(&format!(
            "{name:<20} {state:<9} {processes:>9} {signing:>9} {waiting:>9}  {url}  {policy}"
        ));
    }
    Ok(())
}

fn policy_text(policy: &RoutePolicy) -> String {
    let wallets = policy.wallets_to_route.len();
    match (policy.no_route, policy.wallets_only) {
        (true, _) => "gets no new processes".to_owned(),
        (false, true) => format!("gets new processes of {wallets} wallets only"),
        (false, false) if wallets > 0 => {
            format!("gets new processes, and all those of {wallets} wallets")
        }
        (false, false) => "gets new processes".to_owned(),
    }
}

async fn register(fleet: &Fleet, writer: &WriterName) -> anyhow::Result<()> {
    let (operator, directory) = (fleet.operator()?, fleet.directory()?);
    let total = operator.count_of(writer).await?;
    let mut progress = Progress::start("entering processes", Some(total));
    let (mut after, mut elsewhere) = (None, 0_u64);
    loop {
        let processes = operator.processes_of(writer, after, PROCESSES).await?;
        let Some(last) = processes.last() else { break };
        after = Some(*last);
        for process in &processes {
            if directory.bind(*process, writer).await? != *writer {
                elsewhere += 1;
            }
        }
        progress.advance(processes.len() as u64);
    }
    drop(progress);
    if elsewhere > 0 {
        output::warn(&format!("{elsewhere} are bound to other writers in the directory"));
    }
    output::line(&format!("{} processes of writer {writer} are entered", thousands(total)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_writer_gets_is_told_in_words() {
        let text = |no_route, wallets, wallets_only| {
            let wallets_to_route = vec![Address::new([1; 32]); wallets];
            policy_text(&RoutePolicy { no_route, wallets_to_route, wallets_only })
        };
        assert_eq!(text(true, 3, true), "gets no new processes");
        assert_eq!(text(false, 2, true), "gets new processes of 2 wallets only");
        assert_eq!(text(false, 2, false), "gets new processes, and all those of 2 wallets");
        assert_eq!(text(false, 0, false), "gets new processes");
    }

    #[test]
    fn wallets_can_be_given_and_taken_away() {
        let wallets = |text: &str| text.parse::<Wallets>().map(|wallets| wallets.0);
        let (one, other) = (Address::new([251; 32]), Address::new([2; 32]));
        assert_eq!(wallets(&format!("{one},{other}")), Ok(vec![one, other]));
        assert_eq!(wallets(""), Ok(vec![]));
        assert!(wallets(&format!("{one} {other}")).is_err());
    }
}
