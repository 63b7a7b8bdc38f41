//! Who signs, and for which database. Wallet, ledger and database agree on both before a name is taken, an entry is
//! signed, or the ledger follows anything.
//!
//! Nobody can take an entry back that was signed by the wrong key, or a second time at one nonce. So what differs is
//! refused, with both sides named, and a flag is needed to go on.

use crate::first_start::{self, MaybeWallet, SchedulerWallet};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use rota_ans104::Address;
use rota_ledger::Ledger;
use rota_readmodel::{DatabaseUrl, adopt, check, claim, identity, migrate};
use rota_schedule::DatabaseId;
use rota_writer::RecoveryError;

/// What an operator says on purpose, for one start.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct IdentityArgs {
    /// Sign with the wallet of this address from now on, though another one has signed so far
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    adopt_wallet: Option<Address>,
    /// Let the ledger leave its database: for the one in DATABASE_URL, or to work alone. For one start
    #[arg(long)]
    detach_database: bool,
}

impl IdentityArgs {
    /// Whether this wallet may replace another one.
    fn adopts(&self, wallet: Address) -> anyhow::Result<bool> {
        let Some(named) = self.adopt_wallet else { return Ok(false) };
        ensure!(
            named == wallet,
            "--adopt-wallet names another wallet than this machine has\n  \
             named: {named}\n  \
             this machine's wallet: {wallet}\n  \
             Name this machine's wallet, or start with the one that is named"
        );
        Ok(true)
    }
}

/// Makes sure that this wallet may sign for the database, and gives the database's identity, if it has one. Changes
/// nothing but the schema.
pub(crate) async fn of_database(
    url: &DatabaseUrl,
    wallet: Address,
    said: &IdentityArgs,
) -> anyhow::Result<Option<DatabaseId>> {
    let adopts = said.adopts(wallet)?;
    let known = async {
        migrate(url).await?;
        if adopts { identity(url).await } else { check(url, wallet).await }
    };
    known.await.with_context(|| format!("cannot start on the database {url}"))
}

/// The wallet that was found, or a new one: for a scheduler that has never signed, and that has no database.
pub(crate) fn wallet_for(ledger: &Ledger, found: MaybeWallet) -> anyhow::Result<SchedulerWallet> {
    let path = match found {
        MaybeWallet::There(found) => return Ok(found),
        MaybeWallet::Absent(path) => path,
    };
    if let Some(signer) = ledger.scheduler_address() {
        bail!(
            "the wallet of this ledger is gone: there is none at {}\n  \
             the ledger's wallet: {signer}\n  \
             To go on, put its file back, or give it in SU_WALLET_PATH or SU_WALLET.\n  \
             To sign with another wallet from now on, make it (rota wallet new) and start once with \
             --adopt-wallet and its address",
            path.display()
        );
    }
    if ledger.has_had_database()? {
        return Err(alone(ledger)?);
    }
    first_start::first_wallet(&path)
}

/// Makes sure that this ledger is this wallet's, and this database's (or needs none). Then ledger and database remember
/// that. `known` is the identity of the database so far.
pub(crate) async fn of_ledger(
    ledger: &Ledger,
    wallet: Address,
    database: Option<&DatabaseUrl>,
    known: Option<DatabaseId>,
    said: &IdentityArgs,
) -> anyhow::Result<()> {
    let leaves = leaves(ledger, database.is_some(), known, said)?;
    ensure!(
        leaves || !said.detach_database,
        "--detach-database has nothing to do: the ledger works with no other database\n  \
         Start without it: the flag is for one start"
    );
    let signed = ledger.scheduler_address().filter(|signed| *signed != wallet);
    // What a database says of its wallet holds for its ledgers, too.
    let is_theirs = known.is_some() && ledger.database()? == known;
    if let Some(signed) = signed.filter(|_| !is_theirs) {
        ensure!(
            said.adopts(wallet)?,
            "another wallet has signed this ledger\n  \
             the ledger's wallet: {signed}\n  \
             this machine's wallet: {wallet}\n  \
             To go on, start with the ledger's wallet: its file in SU_WALLET_PATH, or its content in SU_WALLET.\n  \
             To sign with this machine's wallet from now on, start once with --adopt-wallet {wallet}"
        );
    }
    if let Some(url) = database {
        let id =
            if said.adopts(wallet)? { adopt(url, wallet).await } else { claim(url, wallet).await };
        ledger.set_database(Some(
            id.with_context(|| format!("cannot start on the database {url}"))?,
        ))?;
    } else if leaves {
        ledger.set_database(None)?;
    }
    if let Some(signed) = signed {
        tracing::warn!(before = %signed, now = %wallet, "another wallet signs from now on");
    }
    ledger.set_scheduler(wallet)?;
    Ok(())
}

/// Whether the ledger leaves the database that it works with, which somebody must have said on purpose.
fn leaves(
    ledger: &Ledger,
    has_database: bool,
    known: Option<DatabaseId>,
    said: &IdentityArgs,
) -> anyhow::Result<bool> {
    if has_database {
        let Some(before) = ledger.database()?.filter(|before| Some(*before) != known) else {
            return Ok(false);
        };
        let other = RecoveryError::OtherDatabase { ledger: before, here: known };
        ensure!(said.detach_database, other);
        return Ok(true);
    }
    let waiting = ledger.provisional_after(None, 1)?;
    ensure!(
        waiting.is_empty(),
        "the ledger holds entries that a database has not committed: set DATABASE_URL to it"
    );
    let leaves = ledger.has_had_database()?;
    if leaves && !said.detach_database {
        return Err(alone(ledger)?);
    }
    Ok(leaves)
}

/// Why a ledger that has a database does not start without one.
fn alone(ledger: &Ledger) -> anyhow::Result<anyhow::Error> {
    let database = ledger.database()?;
    let database = database.map_or_else(|| "not recorded".to_owned(), |id| id.to_string());
    Ok(anyhow::anyhow!(
        "this ledger belongs to a database, but DATABASE_URL is not set\n  \
         the ledger's database: {database}\n  \
         Without it this scheduler would sign other entries at nonces that are taken.\n  \
         To go on, set DATABASE_URL to that database.\n  \
         To let the ledger work alone from now on, start once with --detach-database"
    ))
}
