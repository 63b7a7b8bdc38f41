//! What a scheduler, or a user of one, finds or makes before the first step: a data directory and a
//! wallet.

use crate::output;
use anyhow::Context as _;
use rota_ans104::{Wallet, WalletKind};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// The wallet that a first start makes for a scheduler: other nodes see an RSA-4096 key like any other, and it signs
/// three times as fast as one of two primes.
pub(crate) const SCHEDULER_WALLET: WalletKind = WalletKind::Rsa4Prime;
/// The wallet that a first `rota item` makes for a user: it is there at once.
pub(crate) const USER_WALLET: WalletKind = WalletKind::Ed25519;
/// The data directory is nobody else's business: it holds the wallet.
const DATA_DIR_MODE: u32 = 0o700;

/// A wallet, and whether it was made just now.
pub(crate) struct FoundWallet {
    pub(crate) wallet: Wallet,
    pub(crate) created: bool,
}

/// Makes the data directory unless it is there.
pub(crate) fn data_dir(dir: &Path) -> anyhow::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(DATA_DIR_MODE);
    builder
        .create(dir)
        .with_context(|| format!("cannot create the data directory {}", dir.display()))
}

/// Loads the wallet, or makes one of this kind where there is no file.
pub(crate) fn wallet(path: &Path, kind: WalletKind) -> anyhow::Result<FoundWallet> {
    if !path
        .try_exists()
        .with_context(|| format!("cannot look for the wallet {}", path.display()))?
    {
        return Ok(FoundWallet { wallet: new_wallet(path, kind)?, created: true });
    }
    let wallet = load_wallet(path)?;
    if !Wallet::file_is_private(path)? {
        tracing::warn!(path = %path.display(), "others can read the wallet file; set its mode to 0600");
    }
    Ok(FoundWallet { wallet, created: false })
}

/// Loads a wallet that must be there.
pub(crate) fn load_wallet(path: &Path) -> anyhow::Result<Wallet> {
    Wallet::load(path).with_context(|| format!("cannot load the wallet {}", path.display()))
}

/// Makes a wallet and saves it in a new file.
pub(crate) fn new_wallet(path: &Path, kind: WalletKind) -> anyhow::Result<Wallet> {
    let made = output::while_busy("creating a wallet", || Wallet::generate(kind));
    let wallet = made.context("cannot create a wallet")?;
    wallet
        .save_new(path)
        .with_context(|| format!("cannot save a new wallet as {}", path.display()))?;
    Ok(wallet)
}
