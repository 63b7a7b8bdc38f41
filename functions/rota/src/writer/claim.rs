//! The wallet and the ledger of a machine among others. Both are compared with the database before the machine follows it
//! or waits for its name: at the start, or as soon as a database that is away is back. No restart would bring it back, so
//! the machine stands by meanwhile.

use crate::identity::{self, IdentityArgs};
use crate::scheduler::Base;
use crate::settings::Settings;
use rota_ans104::Address;
use rota_ledger::Ledger;
use rota_readmodel::{DatabaseUrl, ModelError};
use rota_schedule::DatabaseId;
use std::time::Duration;
use tokio::time::sleep;

/// How long to wait before a database that did not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What is compared with the database.
pub(super) struct Claim<'a> {
    pub(super) wallet: Address,
    pub(super) database: &'a DatabaseUrl,
    pub(super) said: &'a IdentityArgs,
}

impl Claim<'_> {
    /// Opens the ledger; true if all was compared, false if the database does not answer.
    pub(super) async fn open(&self, settings: &mut Settings) -> anyhow::Result<(Base, bool)> {
        let asked = match self.ask().await {
            Err(error) if is_unavailable(&error) => {
                tracing::warn!(error = format_args!("{error:#}"), "the wallet is not compared yet");
                None
            }
            asked => Some(asked?),
        };
        let base = Base::open(settings, asked.flatten()).await?;
        if let Some(known) = asked {
            self.of_ledger(&base.ledger, known).await?;
        }
        Ok((base, asked.is_some()))
    }

    /// Asks until the database answers, and compares.
    pub(super) async fn catch_up(&self, ledger: &Ledger) -> anyhow::Result<()> {
        let known = loop {
            sleep(ASK_AGAIN).await;
            match self.ask().await {
                Err(error) if is_unavailable(&error) => {
                    tracing::debug!(error = format_args!("{error:#}"), "asking the database again");
                }
                answer => break answer?,
            }
        };
        self.of_ledger(ledger, known).await
    }

    async fn ask(&self) -> anyhow::Result<Option<DatabaseId>> {
        identity::of_database(self.database, self.wallet, self.said).await
    }

    async fn of_ledger(&self, ledger: &Ledger, known: Option<DatabaseId>) -> anyhow::Result<()> {
        let Self { wallet, database, said } = self;
        identity::of_ledger(ledger, *wallet, Some(*database), known, said).await
    }
}

fn is_unavailable(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(ModelError::Unavailable(_)))
}
