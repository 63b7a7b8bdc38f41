//! The `rota` command: a complete scheduler on one machine, and the operator's tools.
//!
//! This file only says which subcommands there are; each is a module. It is a library so that the
//! workspace's tests can build the same command with failpoints, beside the one that ships.

mod config;
mod first_start;
mod item;
mod local;
mod output;
mod server;
mod settings;
mod status;
mod verify;
mod wallet;

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
    Local(local::LocalArgs),
    /// Create a wallet, or show one.
    #[command(subcommand)]
    Wallet(wallet::WalletCommand),
    /// Make and sign an item, and post it.
    #[command(subcommand)]
    Item(item::ItemCommand),
    /// Check every link, signature and nonce of a process's schedule.
    Verify(verify::VerifyArgs),
    /// Show how a scheduler is doing.
    Status(status::StatusArgs),
    /// Show which settings are in force, and where each comes from.
    Config(local::LocalArgs),
}

/// Runs the command that the arguments of this process name, and gives the code to exit with.
#[must_use]
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command.unwrap_or(Command::Local(local::LocalArgs::default())) {
        Command::Local(args) => local::run(&args),
        Command::Wallet(command) => wallet::run(command),
        Command::Item(command) => item::run(command),
        Command::Verify(args) => verify::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Config(args) => config::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        output::fail(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}
