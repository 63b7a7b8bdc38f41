//! `rota writers remove`: takes a writer that is retired out of the database and the directory.
//!
//! The database first: its fence makes sure that nothing of the writer comes any more. Each of the two changes only
//! what it was seen to hold, so a writer that starts under the name meanwhile stays. Run again, it goes on where it
//! stopped.

use super::Fleet;
use super::alive::LOOK_ON;
use crate::output;
use rota_directory::AnyDirectory;
use rota_readmodel::{Operator, Remains, Removed};
use rota_schedule::{Directory as _, Removal, WriterName, WriterRecord};
use tokio::time::sleep;

/// The writer as database and directory show it at one moment.
struct Look {
    remains: Option<Remains>,
    record: Option<WriterRecord>,
}

impl Look {
    async fn at(fleet: &Fleet, name: &WriterName) -> anyhow::Result<Self> {
        let remains = match &fleet.operator {
            Some(operator) => operator.remains(name).await?,
            None => None,
        };
        let record = match &fleet.directory {
            Some(directory) => directory.writer(name).await?,
            None => None,
        };
        Ok(Self { remains, record })
    }

    /// Whether the writer gave a sign of life since.
    fn is_alive(&self, before: &Self) -> bool {
        let lease = |look: &Self| look.record.as_ref().and_then(|record| record.lease);
        self.remains != before.remains || lease(self) != lease(before)
    }
}

pub(super) async fn run(fleet: &Fleet, name: &WriterName) -> anyhow::Result<()> {
    if fleet.directory.is_none() {
        fleet.operator()?; // says what is missing if there is neither
    }
    let before = Look::at(fleet, name).await?;
    anyhow::ensure!(
        before.remains.is_some() || before.record.is_some(),
        "there is no writer {name}: `rota writers list` shows them all"
    );
    sleep(LOOK_ON).await;
    let now = Look::at(fleet, name).await?;
    if now.is_alive(&before) {
        return Err(alive(name));
    }
    if let Some(operator) = &fleet.operator {
        check(name, operator.count_of(name).await?)?;
    }
    if let Some(WriterRecord { processes: bound @ 1.., .. }) = now.record {
        return Err(owns_in_directory(name, bound));
    }
    if let (Some(operator), Some(remains)) = (&fleet.operator, now.remains) {
        from_database(operator, name, remains).await?;
    }
    if let (Some(directory), Some(record)) = (&fleet.directory, &now.record) {
        from_directory(directory, record).await?;
    }
    output::line(&format!("writer {name} is removed"));
    Ok(())
}

/// Fails if the writer has processes.
fn check(name: &WriterName, count: u64) -> anyhow::Result<()> {
    anyhow::ensure!(
        count == 0,
        "writer {name} has {count} processes: move them away first, with `rota drain {name}`"
    );
    Ok(())
}

async fn from_database(
    operator: &Operator,
    name: &WriterName,
    remains: Remains,
) -> anyhow::Result<()> {
    match operator.remove_writer(name, remains).await? {
        Removed::Done => Ok(()),
        Removed::Alive => Err(alive(name)),
        Removed::Owns(count) => check(name, count),
        Removed::Moving(count) => anyhow::bail!(
            "{count} processes are on their way to or from writer {name}: wait until they have arrived, or give the \
             moves up with `rota move PROCESS --withdraw`"
        ),
    }
}

async fn from_directory(directory: &AnyDirectory, record: &WriterRecord) -> anyhow::Result<()> {
    let name = &record.name;
    match directory.remove_writer(name, record.lease).await? {
        Removal::Done | Removal::Unknown => Ok(()),
        Removal::Changed => Err(alive(name)),
        Removal::Owns(count) => Err(owns_in_directory(name, count)),
        Removal::Listed => anyhow::bail!(
            "writer {name} is in the list that SCHEDULER_LIST_PATH names: take it out there, then run this again"
        ),
    }
}

fn alive(name: &WriterName) -> anyhow::Error {
    anyhow::anyhow!("writer {name} runs, or has just started: stop it first, and its standby")
}

fn owns_in_directory(name: &WriterName, count: u64) -> anyhow::Error {
    anyhow::anyhow!(
        "{count} processes are bound to writer {name} in the directory: move them away first, with `rota drain \
         {name}`. Those that were bound and never spawned cannot be moved: their clients still may post them here"
    )
}
