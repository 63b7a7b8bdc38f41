//! What a scheduler, or a user of one, finds or makes before the first step: a data directory and a
//! wallet.

use crate::output;
use anyhow::Context as _;
use rota_ans104::{Wallet, WalletKind};
use rota_service::Setting;
use rota_service::config::MASK;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The wallet that a first start makes for a scheduler: other nodes see an RSA-4096 key like any other, and it signs
/// three times as fast as one of two primes.
const SCHEDULER_WALLET: WalletKind = WalletKind::Rsa4Prime;
/// The wallet that a first `rota item` makes for a user: it is there at once.
pub(crate) const USER_WALLET: WalletKind = WalletKind::Ed25519;
/// The data directory is nobody else's business: it holds the wallet.
const DATA_DIR_MODE: u32 = 0o700;

/// A wallet, and whether it was made just now.
pub(crate) struct FoundWallet {
    pub(crate) wallet: Wallet,
    pub(crate) created: bool,
}

/// A wallet that a setting holds, as secret stores hand it to containers.
#[derive(Clone, Debug)]
pub(crate) struct GivenWallet(Arc<Wallet>);

impl Setting for GivenWallet {
    const EXPECTS: &'static str = "a JSON Web Key, the content of a file of `rota wallet new`";

    fn parse(text: &str) -> Option<Self> {
        Wallet::from_jwk(text).ok().map(|wallet| Self(Arc::new(wallet)))
    }

    fn show(&self) -> String {
        MASK.to_owned()
    }
}

/// Where a scheduler's wallet comes from.
#[derive(Clone, Debug)]
pub(crate) enum WalletSource {
    /// `SU_WALLET`: nothing is read or written.
    Given(GivenWallet),
    /// `SU_WALLET_PATH`: a file, which a first start makes.
    File(PathBuf),
}

/// The wallet that a scheduler signs with.
pub(crate) struct SchedulerWallet {
    pub(crate) wallet: Arc<Wallet>,
    /// What a person is told of where it came from.
    pub(crate) origin: String,
}

/// Finds or makes the wallet of a scheduler.
pub(crate) fn scheduler_wallet(source: &WalletSource) -> anyhow::Result<SchedulerWallet> {
    match source {
        WalletSource::Given(GivenWallet(given)) => {
            Ok(SchedulerWallet { wallet: given.clone(), origin: "from SU_WALLET".to_owned() })
        }
        WalletSource::File(path) => {
            let found = wallet(path, SCHEDULER_WALLET)?;
            let made = if found.created { "created" } else { "loaded" };
            let origin = format!("{made} {}", path.display());
            Ok(SchedulerWallet { wallet: Arc::new(found.wallet), origin })
        }
    }
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
