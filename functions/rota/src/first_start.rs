//! What a scheduler finds or makes before it can run: its data directory and its wallet.

use anyhow::Context as _;
use rota_ans104::{Wallet, WalletKind};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// The wallet that a first start makes: other nodes see an RSA-4096 key like any other, and it signs
/// three times as fast as one of two primes.
const WALLET_KIND: WalletKind = WalletKind::Rsa4Prime;
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
    builder.create(dir).with_context(|| format!("cannot create the data directory {}", dir.display()))
}

/// Loads the wallet, or makes one where there is no file.
pub(crate) fn wallet(path: &Path) -> anyhow::Result<FoundWallet> {
    if path.try_exists().with_context(|| format!("cannot look for the wallet {}", path.display()))? {
        let wallet = Wallet::load(path).with_context(|| format!("cannot load the wallet {}", path.display()))?;
        if !Wallet::file_is_private(path)? {
            tracing::warn!(path = %path.display(), "others can read the wallet file; set its mode to 0600");
        }
        return Ok(FoundWallet { wallet, created: false });
    }
    let wallet = Wallet::generate(WALLET_KIND).context("cannot create a wallet")?;
    wallet.save_new(path).with_context(|| format!("cannot save a new wallet as {}", path.display()))?;
    Ok(FoundWallet { wallet, created: true })
}
