//! `rota wallet`: create a wallet, or show one. Never shows key material.

use crate::local::LocalArgs;
use crate::{first_start, output, settings};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use rota_ans104::{Signer as _, Wallet, WalletKind, b64};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Subcommands of `rota wallet`.
#[derive(Subcommand)]
pub(crate) enum WalletCommand {
    /// Create a wallet in a new file that only you can read.
    ///
    /// A scheduler signs every entry of every schedule, one after the other for each process, so the
    /// kind of its key decides how many messages a second one process can take:
    ///
    /// rsa: RSA-4096 with two primes, about 180 signatures a second on a core. What every Arweave
    /// wallet is; every tool reads it.
    ///
    /// rsa-4prime: RSA-4096 with four primes, about 3 times as many. Its address and its signatures
    /// look like any other's, but not every tool can load the key file.
    ///
    /// ed25519, secp256k1: tens of thousands a second. Items and addresses are those of a Solana or
    /// an Ethereum key: right for clients, and for a scheduler whose clients accept such items.
    #[command(verbatim_doc_comment)]
    New(NewArgs),
    /// Show kind, address and owner (the public key) of a wallet.
    Show(ShowArgs),
}

/// Flags of `rota wallet new`.
#[derive(Args)]
pub(crate) struct NewArgs {
    /// rsa, rsa-4prime, secp256k1 or ed25519
    #[arg(long, default_value_t = WalletKind::Rsa4Prime)]
    kind: WalletKind,
    /// The new file [default: the scheduler's, SU_WALLET_PATH or rota-data/wallet.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Flags of `rota wallet show`.
#[derive(Args)]
pub(crate) struct ShowArgs {
    /// The wallet's file [default: the scheduler's, SU_WALLET_PATH or rota-data/wallet.json]
    #[arg(long, value_name = "FILE")]
    path: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs one of them.
pub(crate) fn run(command: WalletCommand) -> anyhow::Result<ExitCode> {
    match command {
        WalletCommand::New(args) => new(args)?,
        WalletCommand::Show(args) => show(args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn new(args: NewArgs) -> anyhow::Result<()> {
    let path = match args.out {
        Some(path) => path,
        None => scheduler_wallet(true)?,
    };
    if path.try_exists().with_context(|| format!("cannot look for {}", path.display()))? {
        bail!("{} exists, and a wallet is never overwritten: choose another --out", path.display());
    }
    let wallet = first_start::new_wallet(&path, args.kind)?;
    output::field("wallet", path.display());
    output::field("kind", format_args!("{} ({})", args.kind, good_for(args.kind)));
    output::field("address", wallet.address());
    Ok(())
}

fn show(args: ShowArgs) -> anyhow::Result<()> {
    let path = match args.path {
        Some(path) => path,
        None => scheduler_wallet(false)?,
    };
    let wallet = first_start::load_wallet(&path)?;
    if !Wallet::file_is_private(&path)? {
        output::warn(&format!("others can read {}; set its mode to 0600", path.display()));
    }
    let owner = b64::encode(wallet.owner());
    if args.json {
        output::line(&as_json(&path, &wallet, &owner));
        return Ok(());
    }
    output::field("wallet", path.display());
    output::field("kind", wallet.kind());
    output::field("address", wallet.address());
    output::field("owner", owner);
    Ok(())
}

fn as_json(path: &Path, wallet: &Wallet, owner: &str) -> String {
    serde_json::json!({
        "path": path.display().to_string(),
        "kind": wallet.kind().to_string(),
        "address": wallet.address(),
        "owner": owner,
    })
    .to_string()
}

/// The wallet that a scheduler started here would use; `create` makes its data directory.
fn scheduler_wallet(create: bool) -> anyhow::Result<PathBuf> {
    let mut env = settings::environment(&LocalArgs::default())?;
    let data_dir = settings::data_dir(&mut env)?;
    if create {
        first_start::data_dir(&data_dir)?;
    }
    Ok(settings::wallet_path(&mut env, &data_dir)?)
}

const fn good_for(kind: WalletKind) -> &'static str {
    match kind {
        WalletKind::Rsa => "any tool reads it; the slowest to sign",
        WalletKind::Rsa4Prime => {
            "signs 3 times as fast as rsa and looks the same; not every tool loads the file"
        }
        WalletKind::Secp256k1 => "signs tens of thousands a second; an Ethereum key",
        WalletKind::Ed25519 => "signs tens of thousands a second; the key of a Solana wallet",
    }
}
