//! The schedule as the ledger of a stopped scheduler holds it.

use super::audit::Audit;
use super::check::{self, on_all_cores};
use crate::output::Progress;
use crate::settings;
use anyhow::{anyhow, bail};
use rota_ledger::{Ledger, LedgerError, LedgerOptions};
use rota_schedule::Entry;
use std::path::Path;

/// Entries that are read before their signatures are checked, …
const BATCH_ENTRIES_MAX: usize = 1_024;
/// … or bytes of them; one entry is always read, however large.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// Follows the whole schedule.
pub(super) fn follow(audit: &mut Audit, data_dir: &Path) -> anyhow::Result<()> {
    let ledger = open(data_dir)?;
    let process = audit.process();
    let Some(head) = ledger.head(&process)? else {
        bail!("process {process} is not in the ledger of {}", data_dir.display());
    };
    let mut progress = Progress::start("verifying entries", head.nonce.checked_add(1));
    let mut entries = ledger.entries(&process, 0)?;
    loop {
        let batch = next_batch(&mut entries)?;
        if batch.is_empty() {
            break;
        }
        for checked in on_all_cores(&batch, check::entry) {
            audit.follow(checked)?;
            progress.advance(1);
        }
    }
    if audit.head() != Some(&head) {
        bail!("process {process}: the ledger's record of the newest entry is not of that entry");
    }
    Ok(())
}

/// Opens what is there, and makes nothing.
fn open(data_dir: &Path) -> anyhow::Result<Ledger> {
    let dir = settings::ledger_in(data_dir);
    if !dir.is_dir() {
        bail!("there is no ledger in {}", data_dir.display());
    }
    Ledger::open(&dir, LedgerOptions::default()).map_err(|error| match error {
        LedgerError::Locked { .. } => anyhow!(
            "a running scheduler has the ledger in {} open: stop it, or ask it with --url",
            data_dir.display()
        ),
        other => other.into(),
    })
}

fn next_batch(
    entries: &mut impl Iterator<Item = Result<Entry, LedgerError>>,
) -> Result<Vec<Entry>, LedgerError> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH_ENTRIES_MAX && bytes < BATCH_BYTES_MAX {
        let Some(entry) = entries.next().transpose()? else {
            break;
        };
        bytes += entry.len_bytes();
        batch.push(entry);
    }
    Ok(batch)
}
