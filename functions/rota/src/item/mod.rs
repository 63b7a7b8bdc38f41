//! `rota item`: make and sign an item, and post it or keep it in a file; post one from a file; assign one that
//! exists; look into one.

mod keep;
mod make;
mod post;
mod send;
mod show;

use clap::{Args, Subcommand};
use make::{Message, Payload, Spawn};
use rota_ans104::ItemId;
use rota_schedule::ProcessId;
use std::path::PathBuf;
use std::process::ExitCode;
use url::Url;

use crate::client::URL_DEFAULT;

/// Subcommands of `rota item`.
#[derive(Subcommand)]
pub(crate) enum ItemCommand {
    /// Spawn a process, and show its id.
    ///
    /// Without flags: at the scheduler on this machine, signed by a wallet that is made for you.
    Spawn(SpawnArgs),
    /// Send a message to a process.
    Message(MessageArgs),
    /// Post the item that lies in a file, as it is.
    ///
    /// The same item gets the same answer, however often it is posted.
    Post(PostArgs),
    /// Assign an item that already lies on Arweave to a process.
    Assign(AssignArgs),
    /// Show what is in an item's file, and whether its signature verifies.
    Show(ShowArgs),
}

/// Who signs, and what becomes of the item.
#[derive(Args)]
pub(crate) struct SendArgs {
    /// The scheduler
    #[arg(long, default_value = URL_DEFAULT)]
    url: Url,
    /// The wallet that signs [default: user.json in the data directory, made on first use]
    #[arg(long, value_name = "FILE")]
    wallet: Option<PathBuf>,
    /// Write the signed item to a file instead of posting it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Flags of `rota item spawn`.
#[derive(Args)]
pub(crate) struct SpawnArgs {
    #[command(flatten)]
    send: SendArgs,
    #[command(flatten)]
    spawn: Spawn,
    #[command(flatten)]
    payload: Payload,
}

/// Flags of `rota item message`.
#[derive(Args)]
pub(crate) struct MessageArgs {
    #[command(flatten)]
    send: SendArgs,
    #[command(flatten)]
    message: Message,
    #[command(flatten)]
    payload: Payload,
}

/// Flags of `rota item post`.
#[derive(Args)]
pub(crate) struct PostArgs {
    /// The scheduler
    #[arg(long, default_value = URL_DEFAULT)]
    url: Url,
    /// The item's file
    file: PathBuf,
}

/// Flags of `rota item assign`.
#[derive(Args)]
pub(crate) struct AssignArgs {
    /// The scheduler
    #[arg(long, default_value = URL_DEFAULT)]
    url: Url,
    /// The process
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    process: ProcessId,
    /// The item
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    item: ItemId,
    /// The item is a transaction of the base layer: its confirmations decide
    #[arg(long)]
    base_layer: bool,
    /// Fields that whoever evaluates the message is to leave out, separated by commas
    #[arg(long, value_name = "NAMES")]
    exclude: Option<String>,
}

/// Flags of `rota item show`.
#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The item's file
    file: PathBuf,
}

/// Runs one of them.
pub(crate) fn run(command: ItemCommand) -> anyhow::Result<ExitCode> {
    match command {
        ItemCommand::Spawn(args) => send::spawn(&args)?,
        ItemCommand::Message(args) => send::message(&args)?,
        ItemCommand::Post(args) => send::post_file(&args)?,
        ItemCommand::Assign(args) => send::assign(&args)?,
        ItemCommand::Show(args) => return show::run(&args.file),
    }
    Ok(ExitCode::SUCCESS)
}
