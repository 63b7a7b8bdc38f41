//! The `rota` command: a complete scheduler on one machine, and the operator's tools.
//!
//! This file only says which subcommands there are; each is a module. It is a library so that the
//! workspace's tests can build the same command with failpoints, beside the one that ships.

mod checkpoint;
mod client;
mod config;
mod first_start;
mod fleet;
mod health;
mod height;
mod identity;
mod item;
mod local;
mod notices;
mod output;
mod read_metrics;
mod router;
mod scheduler;
mod server;
mod settings;
mod shortage;
mod status;
mod verify;
mod vitals;
mod wallet;
mod writer;

use clap::error::Error as UsageError;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// An ao Scheduler Unit: orders the messages of processes, signs, keeps and serves their schedules.
#[derive(Parser)]
#[command(name = "rota", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run a complete scheduler on this machine (the default).
    Local(local::StartArgs),
    /// Run one of several writers, or stand by for one.
    Writer(writer::WriterArgs),
    /// Run the one address of many writers.
    Router(router::RouterArgs),
    /// Move a process to another writer, while both run.
    Move(fleet::MoveArgs),
    /// Move every process of a writer to others, and send it no new ones.
    Drain(fleet::DrainArgs),
    /// Show the writers, and decide what they get.
    #[command(subcommand)]
    Writers(fleet::WritersCommand),
    /// Create a wallet, or show one.
    #[command(subcommand)]
    Wallet(wallet::WalletCommand),
    /// Make and sign an item, and post it.
    #[command(subcommand)]
    Item(item::ItemCommand),
    /// Check every link, signature and nonce of a process's schedule.
    Verify(verify::VerifyArgs),
    /// Take, list and restore copies of a writer's ledger.
    #[command(subcommand)]
    Checkpoint(checkpoint::CheckpointCommand),
    /// Show how a scheduler is doing.
    Status(status::StatusArgs),
    /// Ask whether the scheduler on this machine has started and answers, as a container's health check.
    ///
    /// Fails only where a restart helps, or while what is on the disk is still brought up to date: a
    /// scheduler that has started and says in `/health` what ails it (the database is away, say) passes.
    Health(health::HealthArgs),
    /// Show which settings are in force, and where each comes from.
    Config(local::LocalArgs),
}

/// The status of a command line that makes no sense, as shells have it.
const EXIT_USAGE: u8 = 2;

/// Runs the command that the arguments of this process name, and gives the code to exit with.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let outcome = match cli.command.unwrap_or(Command::Local(local::StartArgs::default())) {
        Command::Local(args) => local::run(&args),
        Command::Writer(args) => writer::run(&args),
        Command::Router(args) => router::run(&args),
        Command::Move(args) => fleet::run_move(&args),
        Command::Drain(args) => fleet::run_drain(&args),
        Command::Writers(command) => fleet::run_writers(&command),
        Command::Wallet(command) => wallet::run(command),
        Command::Item(command) => item::run(command),
        Command::Verify(args) => verify::run(&args),
        Command::Checkpoint(command) => checkpoint::run(command),
        Command::Status(args) => status::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Config(args) => config::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        output::fail(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

/// Help where it was asked for; else the first paragraph of what clap says, as one line.
fn usage(error: &UsageError) -> ExitCode {
    let text = error.to_string();
    if !error.use_stderr() {
        output::line(text.trim_end());
        return ExitCode::SUCCESS;
    }
    let reason = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    output::fail(&format!("{reason}; --help tells more"));
    ExitCode::from(EXIT_USAGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use clap::builder::ValueParser;
    use rota_ans104::{Address, ItemId};
    use rota_schedule::{ProcessId, WriterName};
    use std::any::TypeId;

    /// One id in 64 begins with a hyphen, and so do names that are made of an IPv6 address.
    #[test]
    fn an_id_or_name_that_begins_with_a_hyphen_is_no_flag() {
        let (mut commands, mut ids) = (vec![Cli::command()], 0);
        while let Some(command) = commands.pop() {
            for arg in command.get_arguments().filter(|arg| is_id(arg.get_value_parser())) {
                assert!(arg.is_allow_hyphen_values_set(), "{} {arg}", command.get_name());
                ids += 1;
            }
            commands.extend(command.get_subcommands().cloned());
        }
        assert!(ids > 5, "{ids}");
        let id = format!("-V{}", "x".repeat(40) + "A");
        for args in [["move", &id, "--to", "-b"], ["move", "--to", "b", &id]] {
            assert!(Cli::try_parse_from(["rota"].into_iter().chain(args)).is_ok(), "{args:?}");
        }
    }

    fn is_id(parser: &ValueParser) -> bool {
        [
            TypeId::of::<ItemId>(),
            TypeId::of::<ProcessId>(),
            TypeId::of::<Address>(),
            TypeId::of::<WriterName>(),
        ]
        .into_iter()
        .any(|id| parser.type_id() == id)
    }
}
