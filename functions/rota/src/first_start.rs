//! What a scheduler, or a user of one, finds or makes before the first step: a data directory and a
//! wallet.

use crate::output;
use anyhow::Context as _;
use rota_ans104::{Address, Wallet, WalletKind};
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
    /// `SU_WALLET_PATH`: a file.
    File(PathBuf),
}

/// The wallet that a scheduler signs with.
pub(crate) struct SchedulerWallet {
    pub(crate) wallet: Arc<Wallet>,
    /// What a person is told of where it came from.
    pub(crate) origin: String,
}

/// A scheduler's wallet, or where there is none.
pub(crate) enum MaybeWallet {
    There(SchedulerWallet),
    Absent(PathBuf),
}

impl MaybeWallet {
    /// The wallet of a scheduler that has a database. Others may have it, so it must be there.
    pub(crate) fn shared(&self) -> anyhow::Result<&SchedulerWallet> {
        match self {
            Self::There(found) => Ok(found),
            Self::Absent(path) => Err(anyhow::anyhow!(
                "there is no wallet at {}, and the machines of a database share one\n  \
                 If others write to this database, give this machine their wallet: its file in \
                 SU_WALLET_PATH, or its content in SU_WALLET.\n  \
                 If this is the first machine, make the wallet once: rota wallet new",
                path.display()
            )),
        }
    }
}

/// Looks for the wallet of a scheduler. Makes none.
pub(crate) fn scheduler_wallet(source: &WalletSource) -> anyhow::Result<MaybeWallet> {
    match source {
        WalletSource::Given(GivenWallet(given)) => {
            let origin = "from SU_WALLET".to_owned();
            Ok(MaybeWallet::There(SchedulerWallet { wallet: given.clone(), origin }))
        }
        WalletSource::File(path) => Ok(match existing(path)? {
            Some(wallet) => MaybeWallet::There(SchedulerWallet::of(wallet, "loaded", path)),
            None => MaybeWallet::Absent(path.clone()),
        }),
    }
}

impl SchedulerWallet {
    /// The address of whoever signs with it.
    pub(crate) fn address(&self) -> Address {
        self.wallet.address()
    }

    fn of(wallet: Wallet, made: &str, path: &Path) -> Self {
        Self { wallet: Arc::new(wallet), origin: format!("{made} {}", path.display()) }
    }
}

/// Makes the wallet of a scheduler that has never signed.
pub(crate) fn first_wallet(path: &Path) -> anyhow::Result<SchedulerWallet> {
    let wallet = new_wallet(path, SCHEDULER_WALLET)?;
    Ok(SchedulerWallet::of(wallet, "created", path))
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
    match existing(path)? {
        Some(wallet) => Ok(FoundWallet { wallet, created: false }),
        None => Ok(FoundWallet { wallet: new_wallet(path, kind)?, created: true }),
    }
}

/// Loads the wallet, if there is a file.
fn existing(path: &Path) -> anyhow::Result<Option<Wallet>> {
    let is_there = path.try_exists();
    if !is_there.with_context(|| format!("cannot look for the wallet {}", path.display()))? {
        return Ok(None);
    }
    let wallet = load_wallet(path)?;
    if !Wallet::file_is_private(path)? {
        tracing::warn!(path = %path.display(), "others can read the wallet file; set its mode to 0600");
    }
    Ok(Some(wallet))
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
